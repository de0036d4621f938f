"""The tasks: what a config may ask for by its key `task`. Each has a folder of its name, of which a module is imported when needed:

    schema.py       its keys
    estimates.py    needs, cost, described: what it asks of a machine, and what it is in words; warnings, if it has any
    run.py          run: does it, into a folder; Study, if what it does is one (`qnano.tasks.study`)
    report.py       tables, draw: what came out, from the folder alone; remarks, if a run may speak against itself

The first two never import JAX.
"""

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from qnano.border import got
from qnano.config.base import AbstractTask
from qnano.config.problems import suggestion
from qnano.errors import InputError, RunFailed
from qnano.files import REMEDY, text
from qnano.storage.folder import RunFolder

if TYPE_CHECKING:
    from rich.table import Table

    from qnano.tasks.study.points import AbstractStudy

# The name of each in its schema.
TASKS = {
    "dynamics": "Experiment",
    "sweep": "Swept",
    "regime_map": "RegimeMap",
    "ensemble": "Ensemble",
    "gradient": "GradientOf",
    "training": "Training",
    "evaluation": "Evaluation",
    "surrogate": "SurrogateTraining",
    "learning_curve": "LearningCurve",
}
USUAL = "dynamics"  # where nothing is asked for
MOST_SAID = 200  # characters of somebody else's message
SECTIONS = ("sweep",)  # asked for not by `task`, but by a section of that name in what is usual


def wanted(data: Any) -> str:
    """The task that plain data ask for. Raises `InputError` for one that is not known."""
    task = data.get("task", USUAL) if isinstance(data, dict) else USUAL
    known = [name for name in TASKS if name not in SECTIONS]
    if not isinstance(task, str) or task not in known:
        rule = f"must be one of {', '.join(known)}"
        raise InputError(f"task: {got(task, rule)}{suggestion(task, known)}")
    return next((name for name in SECTIONS if task == USUAL and name in data), task)


def schema(name: str) -> type[AbstractTask]:
    """The config of a task."""
    return getattr(_part(name, "schema"), TASKS[name])


def name_of(task: AbstractTask) -> str:
    """The opposite of `schema`."""
    return next(name for name, schema in TASKS.items() if schema == type(task).__name__)


def estimates(task: AbstractTask) -> ModuleType:
    """What a task asks of a machine."""
    return _part(name_of(task), "estimates")


def run(task: AbstractTask, folder: RunFolder, *, force: bool) -> dict[str, Any]:
    """Do what the task is, into its folder; returns the summary. JAX's precision is afterwards what it was before."""
    from qnano import runtime

    with runtime.restored():
        return _part(name_of(task), "run").run(task, folder, force=force)


def study(task: AbstractTask) -> "AbstractStudy":
    """The points of a task that is a study."""
    return _part(name_of(task), "run").Study(task)


def tables(folder: RunFolder) -> list["Table"]:
    """What came out of a run."""
    return _told(folder, "tables")


def draw(folder: RunFolder) -> list[Path]:
    """The figures of a run, drawn anew."""
    return _told(folder, "draw")


def remarks(folder: RunFolder) -> list[str]:
    """What a run says against itself, where its task has such to say."""
    return _told(folder, "remarks")


def _told(folder: RunFolder, what: str) -> list[Any]:
    """What the report of a task makes of a folder. Raises `InputError` where what is in it is not what such a task writes."""
    report = _report(folder)
    if not hasattr(report, what):
        return []
    _must_belong_together(folder)
    try:
        return getattr(report, what)(folder)
    except (InputError, RunFailed, OSError):
        raise
    except Exception as error:  # names and shapes that fit each other may still be none that the report knows
        reason = (str(error).splitlines() or [""])[0][:MOST_SAID]
        line = f"{folder.results}: not what a {folder.read_summary()['task']} writes: {type(error).__name__}: {reason}; {REMEDY}"
        raise InputError(line) from error


def _must_belong_together(folder: RunFolder) -> None:
    """Raise `InputError` where results are not whole, or the config or the summary that says what they are is not theirs."""
    from qnano.storage import store

    about = store.must_be_whole(folder.results)
    if about.get("id", own := folder.read_summary()["id"]) != own:
        raise InputError(f"{folder.summary}: is not the summary of {folder.results}, which has another id; {REMEDY}")
    if (own := about.get("config")) is None:
        return
    try:
        same = text(folder.config) == own
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{folder.config}: cannot be read: {getattr(error, 'strerror', 'not a text file')}; {REMEDY}") from None
    if not same:
        raise InputError(
            f"{folder.config}: is not the config of {folder.results}, which keeps its own as an attribute; put that back"
        )


def _report(folder: RunFolder) -> ModuleType:
    return _part(folder.read_summary()["task"], "report")


def _part(name: str, part: str) -> ModuleType:
    return import_module(f"qnano.tasks.{name}.{part}")
