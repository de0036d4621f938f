"""What runs each task, tells it in tables and draws it: the folder of its name, imported when it is needed."""

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from qnano.config import Swept
from qnano.storage.folder import RunFolder

if TYPE_CHECKING:
    from rich.table import Table

    from qnano.config.loading import Task


def run(experiment: "Task", folder: RunFolder, *, force: bool) -> dict[str, Any]:
    """Do what the task is, into its folder; returns the summary. JAX's precision is afterwards what it was before."""
    from qnano import runtime

    name = "sweep" if isinstance(experiment, Swept) else experiment.task
    with runtime.restored():
        return _module(name, "run").run(experiment, folder, force=force)


def tables(folder: RunFolder) -> list["Table"]:
    """What came out of a run."""
    return _module(_task(folder), "report").tables(folder)


def draw(folder: RunFolder) -> list[Path]:
    """The figures of a run, drawn anew."""
    return _module(_task(folder), "report").draw(folder)


def _task(folder: RunFolder) -> str:
    return folder.read_summary()["task"]


def _module(task: str, part: str) -> ModuleType:
    return import_module(f"qnano.tasks.{task}.{part}")
