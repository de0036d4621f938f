"""What every task keeps in its folder: results, how far each of its methods is, what went wrong."""

import platform
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

import qnano
from qnano import devices
from qnano.checkpoints import is_sealed
from qnano.config.base import AbstractTask
from qnano.errors import RunFailed
from qnano.storage.folder import DIVERGED, FINISHED, RUNNING, RunFolder
from qnano.storage.store import AGAIN, ResultStore
from qnano.tasks.loading import identity, to_yaml
from qnano.tasks.register import name_of


@dataclass
class Progress:
    """An entry in the summary: of a method, or of what else is done one after the other. Costs in seconds; `rows` are done."""

    kind: str
    state: str = RUNNING
    message: str | None = None
    rows: int = 0
    wall_s: float = 0.0
    compile_s: float = 0.0


@dataclass(frozen=True)
class Kept:
    """The folder of a task while it is done: `text` is its config, `summary` says how far it is."""

    folder: RunFolder
    text: str
    store: ResultStore
    summary: dict[str, Any]

    @property
    def entries(self) -> dict[str, dict[str, Any]]:
        """How far each method is, by label."""
        return self.summary["methods"]

    def write(self) -> None:
        """Put the summary on disk."""
        self.folder.write_summary(self.summary)

    def keep(self, label: str, progress: Progress) -> None:
        """Put it on disk with a new entry."""
        self.entries[label] = asdict(progress)
        self.write()


@contextmanager
def kept(task: AbstractTask, folder: RunFolder, *, force: bool, quiet: bool) -> Iterator[Kept]:
    """Inside, the folder is this process's alone, with what an earlier run of the task left there; `force` empties it first.

    At the end it is finished, or diverged where a method is. Unless `quiet`, what computes is told on stderr.
    Raises `InputError` for a folder that holds something else.
    """
    text = to_yaml(task)
    with folder.claimed(text, force=force):
        new = _new_summary(task)
        store = ResultStore(folder.results, {"title": task.name, "config": text, "qnano": qnano.__version__, "id": new["id"]})
        here = Kept(folder, text, store, folder.summary_or(new))
        here.write()
        if not quiet:
            print(devices.in_use(), file=sys.stderr)
        yield here
        store.seal()
        diverged = any(entry["state"] == DIVERGED for entry in here.entries.values())
        here.summary["state"] = DIVERGED if diverged else FINISHED
        here.write()
        shutil.rmtree(folder.checkpoints, ignore_errors=True)


def _new_summary(task: AbstractTask) -> dict[str, Any]:
    """The summary of a run that has not yet done anything."""
    device = jax.devices()[0]
    return {
        "name": task.name,
        "id": identity(task),
        "task": name_of(task),
        "state": RUNNING,
        "device": f"{device.platform}: {device.device_kind}",
        "versions": {
            "qnano": qnano.__version__,
            **{package: version(package) for package in ("jax", "diffrax")},
            "python": platform.python_version(),
            "platform": platform.platform(),
        },
        "methods": {},
    }


@contextmanager
def memory_for(what: str) -> Iterator[None]:
    """Turn a lack of memory, on the host or the device, into `RunFailed`."""
    try:
        yield
    except MemoryError:
        raise RunFailed(f"{what}: out of memory") from None
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error) and "out of memory" not in str(error).lower():
            raise
        raise RunFailed(f"{what}: out of memory on {jax.devices()[0]}") from None


def drop_if_damaged(checkpoint: Path) -> None:
    """Remove a checkpoint that is not what was written, and say so: what led to it is computed again."""
    if checkpoint.exists() and not is_sealed(checkpoint):
        print(AGAIN.format(f"{checkpoint}: is damaged"), file=sys.stderr)
        checkpoint.unlink()


def failures(summary: dict[str, Any]) -> list[str]:
    """One line for each method that did not reach the end."""
    return [f"{label}: {method['message']}" for label, method in summary["methods"].items() if method["message"]]
