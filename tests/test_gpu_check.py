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


@pytest.mark.slow
def test_what_is_apart(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    from gpu_check import apart

    exact, off = [jnp.array([1.0, 200.0]), jnp.array([3, 4])], [jnp.array([1.0, 200.0 + 2e-7]), jnp.array([3, 4])]
    assert apart(exact, exact) == 0.0
    assert apart(off, exact) == pytest.approx(1e-9, rel=1e-5)
    assert apart([jnp.array([1.0, jnp.nan])], [jnp.array([1.0, 2.0])]) == np.inf
    assert apart([jnp.array([True, False])], [jnp.array([True, True])]) == 1.0
    assert apart([jnp.array([1.0, jnp.inf])], [jnp.array([1.0, jnp.inf])]) == 0.0
