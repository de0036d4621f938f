"""The folder of a run, `<out>/<name>/<identity>/`, and which of its files says what.

    config.yaml      the complete experiment
    results.zarr     the labelled arrays, one group per method
    summary.json     how far each method is, final numbers, drifts, cost, versions; renamed into place after every write
    checkpoints/     the state from which an interrupted run goes on; gone once the run has ended
    figures/         what was drawn

A file is replaced by renaming a finished one over it, so a process killed at any moment leaves every file whole.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from qnano.errors import InputError

RUNNING, FINISHED, DIVERGED = "running", "finished", "diverged"


class RunFolder:
    """Paths and small files of one run; `results` is for `store`."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.results = self.path / "results.zarr"
        self.summary = self.path / "summary.json"
        self.checkpoints = self.path / "checkpoints"
        self.figures = self.path / "figures"

    def __str__(self) -> str:
        return str(self.path)

    def checkpoint(self, method: str) -> Path:
        return self.checkpoints / f"{method}.eqx"

    def claim(self, config: str, *, force: bool = False) -> None:
        """Make the folder, or take up the run of this very config that is in it; `force` empties it first.

        Raises `InputError` where the folder holds anything else: nobody's files are overwritten.
        """
        if self.path.exists():
            self._must_hold(config)
            if force:
                shutil.rmtree(self.path)
        with replacing(self.config) as file:
            file.write(config.encode())

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
        if not isinstance(summary, dict) or not {"state", "methods"} <= summary.keys():
            raise InputError(f"{self.summary}: cannot be read: not the summary of a run")
        return summary

    def write_summary(self, summary: dict[str, Any]) -> None:
        with replacing(self.summary) as file:
            file.write(json.dumps(summary, indent=2).encode())

    def _must_hold(self, config: str) -> None:
        if self.path.is_dir() and all(child.name.startswith(".") for child in self.path.iterdir()):
            return  # nothing, or the unfinished files of a run that was killed at once
        try:
            same = self.config.read_text() == config
        except (OSError, UnicodeDecodeError):
            same = False
        if not same:
            raise InputError(f"{self.path}: exists and is not a run of this experiment; remove it, or choose another --out")


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` once it is written completely."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with unfinished.open("wb") as file:
            yield file
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
