"""Compiled programs on disk: found again by the next process, by several at once, whatever became of the files, without a word."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from qnano import programs

SCRIPT = """
from collections import Counter
import jax, jax.numpy as jnp
from qnano import runtime
events = Counter()
jax.monitoring.register_event_listener(lambda name, **_: events.update([name.rsplit("/", 1)[-1]]))
runtime.start()
value = jax.jit(lambda x: jnp.sin(x) @ jnp.cos(x))(jnp.arange(3.0))
print(float(value), events["cache_hits"] > 0, events["cache_misses"] > 0)
"""


def begin(folder):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("JAX_")} | {"QNANO_CACHE": str(folder)}
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def end(process):
    out, err = process.communicate()
    assert process.returncode == 0 and err == ""
    value, hits, misses = out.split()
    return float(value), hits == "True", misses == "True"


def test_what_one_process_compiles_the_next_finds(tmp_path):
    """Two at once, one after them, and one that finds nothing but damaged files."""
    both = [begin(tmp_path), begin(tmp_path)]
    values = {end(process)[0] for process in both}
    later = end(begin(tmp_path))
    assert later == (values.pop(), True, False) and not values
    for file in Path(tmp_path).rglob("*-cache"):
        file.write_bytes(file.read_bytes()[:20])
    assert end(begin(tmp_path))[0] == later[0]


def test_nothing_is_kept_where_nothing_can_be(tmp_path):
    assert end(begin("off"))[1:] == (False, False)
    (tmp_path / "file").write_text("")
    assert end(begin(tmp_path / "file"))[1:] == (False, False)


@pytest.mark.parametrize("named", ["off", "OFF", "0", "", "none"])
def test_the_user_may_keep_nothing(monkeypatch, named):
    monkeypatch.setenv("QNANO_CACHE", named)
    assert programs.folder() is None


def test_machines_and_releases_are_kept_apart(monkeypatch, tmp_path):
    monkeypatch.setenv("QNANO_CACHE", str(tmp_path))
    here = programs.folder()
    assert here.parent == tmp_path / "programs"
    monkeypatch.setattr(programs, "version", lambda package: "9.9")
    assert programs.folder() != here
