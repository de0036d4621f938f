"""The modules that run each task, tell it in tables and draw it, imported when they are needed."""

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from qnano.config import Swept
from qnano.storage.folder import RunFolder

if TYPE_CHECKING:
    from rich.table import Table

    from qnano.config.loading import Task

MODULES = {
    "dynamics": ("run", "report", "figures"),
    "sweep": ("sweep", "sweep_report", "sweep_report"),
    "gradient": ("gradient", "gradient_report", "gradient_report"),
    "regime_map": ("regime_map", "regime_report", "regime_report"),
    "training": ("training", "training_report", "training_report"),
    "evaluation": ("evaluation", "evaluation_report", "evaluation_report"),
    "ensemble": ("ensemble", "ensemble_report", "ensemble_report"),
    "surrogate": ("surrogate", "surrogate_report", "surrogate_report"),
    "learning_curve": ("learning_curve", "learning_curve_report", "learning_curve_report"),
}


def run(experiment: "Task", folder: RunFolder, *, force: bool) -> dict[str, Any]:
    """Do what the task is, into its folder; returns the summary. JAX's precision is afterwards what it was before."""
    from qnano import runtime

    name = "sweep" if isinstance(experiment, Swept) else experiment.task
    with runtime.restored():
        return _module(MODULES[name][0]).run(experiment, folder, force=force)


def tables(folder: RunFolder) -> list["Table"]:
    """What came out of a run."""
    return _module(MODULES[_task(folder)][1]).tables(folder)


def draw(folder: RunFolder) -> list[Path]:
    """The figures of a run, drawn anew."""
    return _module(MODULES[_task(folder)][2]).draw(folder)


def _task(folder: RunFolder) -> str:
    return folder.read_summary()["task"]


def _module(name: str) -> ModuleType:
    return import_module(f"qnano.experiments.{name}")
