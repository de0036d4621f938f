"""The folder of a run, `<out>/<name>/<identity>/`, and which of its files says what.

    config.yaml      the complete experiment
    results.zarr     the labelled arrays, one group per method
    weights.eqx      what was trained, where something was
    summary.json     how far each method is, final numbers, drifts, cost, versions; renamed into place after every write
    checkpoints/     the state from which an interrupted run goes on; gone once the run has ended
    figures/         what was drawn
    .lock            who is running it

A file is replaced by renaming a finished one over it, so a process killed at any moment leaves every file whole. A folder with a
link, a pipe or a device in it is refused: what is written here must stay here, and what is read here may come from a stranger.
"""

import json
import os
import re
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from types import NoneType
from typing import Any, TextIO

import google_crc32c

from qnano.errors import InputError, RunFailed
from qnano.files import REMEDY, must_be_plain, replacing, text

try:
    import fcntl
except ImportError:  # Windows: nothing keeps a second run of the same experiment out
    fcntl = None

RUNNING, FINISHED, DIVERGED = "running", "finished", "diverged"
# What is shown and drawn of a summary and its methods, beside what a task says itself: one that was altered is refused at once.
OF_RUN: dict[str, Any] = {"name": str, "id": str, "state": str, "device": str, "task": str, "versions": dict, "methods": dict}
OF_METHOD: dict[str, Any] = {
    "kind": str,
    "state": str,
    "message": str | NoneType,
    "rows": int,
    "wall_s": float | int,
    "compile_s": float | int,
}
# What only some of them have.
MAYBE: dict[str, Any] = {
    "worst_drift": dict,
    "failures": list,
    "warnings": list,
    "largest_residual": float | int | NoneType,
    "finished": str,
    "numbers": dict,
    "fits": int,
}
CHECKSUM = "crc32c"
OF_FAILURE: dict[str, Any] = {"point": str, "time": float | int | NoneType, "reason": str | NoneType}


class RunFolder:
    """Paths and small files of one run; `results` is for `store`."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.results = self.path / "results.zarr"
        self.summary = self.path / "summary.json"
        self.checkpoints = self.path / "checkpoints"
        self.figures = self.path / "figures"
        self.weights = self.path / "weights.eqx"
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
            if force:  # the config stays, and the summary goes first: a kill in between leaves the folder of a run to be run
                for child in sorted(set(self.path.iterdir()) - {self.lock, self.config}, key=lambda child: child != self.summary):
                    shutil.rmtree(child) if child.is_dir() else child.unlink()
            with replacing(self.config) as file:
                file.write(config.encode())
            yield

    @contextmanager
    def being_read(self) -> Iterator[None]:
        """Inside, no other process empties the folder, unless it is running it already; nothing is written."""
        if self.path.is_dir():
            must_be_plain(self.path)
        if fcntl is None or not self.lock.is_file():
            yield
            return
        try:
            file = self.lock.open("rb")
        except OSError:  # another's folder, which may be looked at all the same
            yield
            return
        with file:
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            yield

    def holds(self, config: str) -> bool:
        """Whether the run of this config is here and has ended. Raises `InputError` where the folder holds anything else."""
        if not self.path.exists():
            return False
        self._must_hold(config)
        known = self._known_summary()
        return known is not None and known["state"] != RUNNING

    def read_summary(self) -> dict[str, Any]:
        """What `write_summary` wrote last. Raises `InputError` where there is none or it cannot be read."""
        if not self.path.is_dir() or not os.path.lexists(self.summary):
            raise InputError(f"{self.path}: not the folder of a run: it has no summary.json")
        must_be_plain(self.path)
        try:
            summary = json.loads(text(self.summary))
            readable = _is_a_summary(summary)
        except RecursionError:
            raise InputError(f"{self.summary}: cannot be read: nested too deeply; {REMEDY}") from None
        except OSError as error:
            raise InputError(f"{self.summary}: cannot be read: {error.strerror or error}") from None
        except ValueError as error:
            raise InputError(f"{self.summary}: cannot be read: {error}; {REMEDY}") from None
        if not readable:
            raise InputError(f"{self.summary}: cannot be read: not the summary of a run; {REMEDY}")
        if summary.pop(CHECKSUM, None) not in (None, _checksum(summary)):  # older versions had none
            raise InputError(f"{self.summary}: is not what was written; {REMEDY}")
        return summary

    def summary_or(self, new: dict[str, Any]) -> dict[str, Any]:
        """What `write_summary` wrote last; `new` where there is none, or one damaged or of another run, as is told on stderr."""
        known = self._known_summary()
        known = known if known is None or known["id"] == new["id"] else None
        if known is None and self.summary.exists():
            print(f"warning: {self.summary}: is damaged; what it told is computed again", file=sys.stderr)
        return new if known is None else known

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Put it in the place of the one before. Raises `RunFailed` where the folder was removed meanwhile."""
        if not self.path.is_dir():
            raise RunFailed(f"{self.path}: was removed while it was run")
        with replacing(self.summary) as file:
            file.write(json.dumps(summary | {CHECKSUM: _checksum(summary)}, indent=2).encode())

    def _known_summary(self) -> dict[str, Any] | None:
        """The summary, where there is one that can be read."""
        try:
            return self.read_summary()
        except InputError:
            return None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """A lock that ends with the process, however that ends; the file itself stays."""
        self.path.mkdir(parents=True, exist_ok=True)
        must_be_plain(self.path)
        with self.lock.open("a+") as file:
            try:
                if fcntl is not None:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputError(f"{self.path}: {self._why_locked(file)}") from None
            except OSError:
                pass  # some network file systems have no locks
            file.truncate(0)
            print(f"{os.getpid()} on {socket.gethostname()}", end="", file=file, flush=True)
            yield

    def _why_locked(self, file: TextIO) -> str:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            return f"is being run by process {file.read(80)}; wait until it has ended"
        return "is being shown or drawn by another process; wait until it has ended"

    def _must_hold(self, config: str) -> None:
        if self.path.is_dir():
            must_be_plain(self.path)
        if self.path.is_dir() and all(child.name.startswith(".") for child in self.path.iterdir()):
            return  # nothing, or the unfinished files of a run that was killed at once
        try:
            same = text(self.config) == config
        except (OSError, UnicodeDecodeError):
            same = False
        if not same:
            raise InputError(f"{self.path}: exists and is not a run of this experiment; remove it, or choose another --out")


def _checksum(summary: dict[str, Any]) -> int:
    """Of all that it says, in whatever order: a number that was altered would be shown as if it had been computed."""
    return google_crc32c.value(json.dumps(summary, sort_keys=True).encode())


def _is_a_summary(found: Any) -> bool:
    if not _has(found, OF_RUN) or not _is_plain(found) or (more := _entry_of(found["task"])) is None:
        return False
    kinds, methods = OF_METHOD | more, found["methods"].values()
    if not all(_has(method, kinds) for method in methods):
        return False
    if not all(_has(method, {key: kind for key, kind in MAYBE.items() if key in method}) for method in methods):
        return False
    failures = [failure for method in methods for failure in method.get("failures", ())]
    warnings = [line for method in methods for line in method.get("warnings", ())]
    drifts = [drift for method in methods for drift in method.get("worst_drift", {}).values()]
    return (
        all(_has(failure, OF_FAILURE) for failure in failures)
        and all(isinstance(line, str) for line in warnings)
        and all(isinstance(drift, float | int) for drift in drifts)
        and all(isinstance(version, str) for version in found["versions"].values())
        and ("regime" not in found or _is_a_regime(found["regime"]))
    )


def _entry_of(task: str) -> dict[str, Any] | None:
    """What entries of a task have beside `OF_METHOD`; None where there is no such task. Named, not imported: tasks stand above."""
    if not re.fullmatch("[a-z_]+", task):
        return None
    try:
        return getattr(import_module(f"qnano.tasks.{task}"), "ENTRY", None)
    except ModuleNotFoundError:
        return None


def _is_a_regime(found: Any) -> bool:
    if not _has(found, {"numbers": dict, "warnings": list}):
        return False
    pairs = found["numbers"].values()
    numbers = all(isinstance(x, list) and len(x) == 2 and isinstance(x[0], float | int) and isinstance(x[1], str) for x in pairs)
    return numbers and all(isinstance(line, str) for line in found["warnings"])


def _has(found: Any, kinds: dict[str, Any]) -> bool:
    return isinstance(found, dict) and all(_is(found.get(key, ...), kind) for key, kind in kinds.items())


def _is(found: Any, kind: Any) -> bool:
    return isinstance(found, kind) and not isinstance(found, bool)  # which counts as a whole number


def _is_plain(found: Any) -> bool:
    """Whether all words are printable, lest a terminal obeys them, and all numbers within reach of a float."""
    match found:
        case dict():
            return all(map(_is_plain, found)) and all(map(_is_plain, found.values()))
        case list():
            return all(map(_is_plain, found))
        case str():
            return all(sign.isprintable() or sign == "\n" for sign in found)
        case int():
            return abs(found) < 2**63
        case _:
            return True
