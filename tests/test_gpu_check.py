"""The check of a GPU, tried on a CPU: what is apart is seen, and what fails or comes too late is told."""

import json
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"


def checked(*arguments):
    done = subprocess.run([sys.executable, SCRIPTS / "gpu_check.py", "--small", *arguments], capture_output=True, text=True)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_times_come_line_by_line():
    code, (machine, *lines, end) = checked("--only", "pace")
    assert code == 0 and machine["name"].startswith("device: ") and end["ok"]
    assert {line["section"] for line in lines} == {"pace"} and len(lines) == 5
    assert all(line["seconds"] > 0 for line in lines)


@pytest.mark.slow
def test_what_does_not_fit_into_the_time_is_told():
    code, (_, *lines, end) = checked("--only", "exact", "--seconds", "0")
    assert code == 1 and not end["ok"]
    assert len(lines) == 3 and {line["error"] for line in lines} == {"no time left"}


@pytest.fixture
def check(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    import gpu_check

    return gpu_check


@pytest.mark.slow
def test_what_is_apart(check):
    exact = jnp.array([1.0, 200.0])
    assert check.apart(exact, exact) == 0.0
    assert check.apart(exact + jnp.array([0.0, 2e-7]), exact) == pytest.approx(1e-9, rel=1e-5)
    assert check.apart(jnp.array([1e-9]), jnp.array([0.0])) == pytest.approx(1e-6)
    assert check.apart(jnp.array([1.0, jnp.nan]), jnp.array([1.0, 2.0])) == np.inf
    assert check.apart(jnp.array([True, False]), jnp.array([True, True])) == 1.0
    assert check.apart(jnp.array([1.0, jnp.inf]), jnp.array([1.0, jnp.inf])) == 0.0


@pytest.mark.slow
def test_what_rounding_makes_is_no_fault_and_all_else_is(check, monkeypatch):
    """A number, its fourth derivative by differences, which is rounding to the sixth digit, and a count."""

    def program(x):
        return {"number": x[2], "slope": jnp.sum(x * jnp.array([1.0, -4.0, 6.0, -4.0, 1.0])) / 3e-3**4, "count": jnp.array(3)}

    call = check.Call(program, jnp.sin(0.7 + 3e-3 * jnp.arange(-2, 3)))
    want, disturbed = call(), call.disturbed()()
    noise = check.apart(disturbed["slope"], want["slope"])
    assert 1e-8 < noise < 1e-4 and check.apart(disturbed["number"], want["number"]) < 2e-15

    def beyond(**wrong):
        found = check.worst(want | wrong, want, disturbed)
        return found.array if found.beyond > 1 else ""

    monkeypatch.setattr(check, "AMPLIFIED", 1e-3)
    assert beyond() == ""
    assert beyond(slope=want["slope"] * (1 + 3 * noise)) == ""
    assert beyond(slope=want["slope"] * (1 + 30 * noise)) == "['slope']"
    assert beyond(number=want["number"] * (1 + 1e-9)) == "['number']"
    assert beyond(count=jnp.array(4)) == "['count']"
    assert check.worst(want, want, want | {"number": 1.01 * want["number"]}).beyond > 1  # rounding decides what it must not
