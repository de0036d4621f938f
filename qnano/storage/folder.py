"""The folder of a run, `<out>/<name>/<identity>/`, and which of its files says what.

    config.yaml      the complete experiment
    results.zarr     the labelled arrays, one group per method
    summary.json     how far each method is, final numbers, drifts, cost, versions; renamed into place after every write
    checkpoints/     the state from which an interrupted run goes on; gone once the run has ended
    figures/         what was drawn
    .lock            who is running it

A file is replaced by renaming a finished one over it, so a process killed at any moment leaves every file whole.
"""

import fcntl
import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import NoneType
from typing import Any, BinaryIO

from qnano.errors import InputError

RUNNING, FINISHED, DIVERGED = "running", "finished", "diverged"
# What is shown and drawn of a summary, of its methods, and of those by task: a file that somebody altered is refused at once.
OF_RUN: dict[str, Any] = {"name": str, "id": str, "state": str, "device": str, "task": str, "versions": dict, "methods": dict}
OF_METHOD: dict[str, Any] = {
    "kind": str,
    "state": str,
    "message": str | NoneType,
    "rows": int,
    "wall_s": float | int,
    "compile_s": float | int,
}
OF_TASK: dict[str, dict[str, Any]] = {
    "dynamics": {"time": float | int | NoneType, "steps": int, "worst_drift": dict},
    "sweep": {"points": int, "failed": int, "compilations": int, "worst_drift": dict, "failures": list},
    "training": {"steps": int, "best_step": int, "best_error": float | int, "data_s": float | int},
    "evaluation": {
        "inside": float | int,
        "beyond": float | int | NoneType,
        "failed_at": float | int | NoneType,
        "diverged": int,
    },
    "ensemble": {"trajectories": int},
    "surrogate": {"steps": int, "best_step": int, "best_error": float | int, "data_s": float | int},
    "learning_curve": {"fits": int, "features": int, "force_error": float | int | NoneType},
    "regime_map": {"points": int, "failed": int, "stopped": int},
    "gradient": {"mode": str, "deviation": float | NoneType},
}


class RunFolder:
    """Paths and small files of one run; `results` is for `store`."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.results = self.path / "results.zarr"
        self.summary = self.path / "summary.json"
        self.checkpoints = self.path / "checkpoints"
        self.figures = self.path / "figures"
        self.lock = self.path / ".lock"

    def __str__(self) -> str:
        return str(self.path)

    def checkpoint(self, method: str) -> Path:
        return self.checkpoints / f"{method}.eqx"

    @contextmanager
    def claimed(self, config: str, *, force: bool = False) -> Iterator[None]:
        """Make the folder, or take up the run of this very config that is in it; `force` empties it first.

        It is this process's alone inside the context. Raises `InputError` where the folder holds anything else, since nobody's
        files are overwritten, or where another process runs it.
        """
        if self.path.exists():
            self._must_hold(config)
        with self._locked():
            if force:
                for child in set(self.path.iterdir()) - {self.lock}:
                    shutil.rmtree(child) if child.is_dir() else child.unlink()
            with replacing(self.config) as file:
                file.write(config.encode())
            yield

    def holds(self, config: str) -> bool:
        """Whether the run of this config is here and has ended. Raises `InputError` where the folder holds anything else."""
        if not self.path.exists():
            return False
        self._must_hold(config)
        return self.summary.exists() and self.read_summary()["state"] != RUNNING

    def read_summary(self) -> dict[str, Any]:
        """What `write_summary` wrote last. Raises `InputError` where there is none or it cannot be read."""
        try:
            summary = json.loads(self.summary.read_text())
        except FileNotFoundError:
            raise InputError(f"{self.path}: not the folder of a run: it has no summary.json") from None
        except (ValueError, OSError) as error:
            raise InputError(f"{self.summary}: cannot be read: {error}") from None
        if not _is_a_summary(summary):
            raise InputError(f"{self.summary}: cannot be read: not the summary of a run")
        return summary

    def write_summary(self, summary: dict[str, Any]) -> None:
        with replacing(self.summary) as file:
            file.write(json.dumps(summary, indent=2).encode())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """A lock that ends with the process, however that ends; the file itself stays."""
        self.path.mkdir(parents=True, exist_ok=True)
        with self.lock.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise InputError(f"{self.path}: is being run by process {file.read()}; wait until it has ended") from None
            except OSError:
                pass  # some network file systems have no locks
            file.truncate(0)
            print(f"{os.getpid()} on {socket.gethostname()}", end="", file=file, flush=True)
            yield

    def _must_hold(self, config: str) -> None:
        if self.path.is_dir() and all(child.name.startswith(".") for child in self.path.iterdir()):
            return  # nothing, or the unfinished files of a run that was killed at once
        try:
            same = self.config.read_text() == config
        except (OSError, UnicodeDecodeError):
            same = False
        if not same:
            raise InputError(f"{self.path}: exists and is not a run of this experiment; remove it, or choose another --out")


def _is_a_summary(found: Any) -> bool:
    if not _has(found, OF_RUN) or found["task"] not in OF_TASK:
        return False
    kinds, methods = OF_METHOD | OF_TASK[found["task"]], found["methods"].values()
    if not all(_has(method, kinds) for method in methods):
        return False
    return all(isinstance(drift, float | int) for method in methods for drift in method.get("worst_drift", {}).values())


def _has(found: Any, kinds: dict[str, Any]) -> bool:
    return isinstance(found, dict) and all(isinstance(found.get(key, ...), kind) for key, kind in kinds.items())


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` once it is written completely."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with unfinished.open("w+b") as file:
            yield file
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
