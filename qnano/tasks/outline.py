"""What a task is, in a few lines, and what it asks of this machine, before anything is computed: each task estimates its own."""

from collections.abc import Iterator
from pathlib import Path

from qnano.config.base import AbstractTask
from qnano.config.sizes import Need, must_fit
from qnano.families.estimates import Cost, require_room
from qnano.tasks.loading import identity
from qnano.tasks.register import estimates


def outline(task: AbstractTask, folder: Path = Path()) -> list[str]:
    """What will be computed, and what it costs. Raises `InputError` for what does not fit into memory or on a disk."""
    lines = list(estimates(task).described(task))
    cost = require_resources(task, folder)
    cautions = [f"warning: {line}" for line in warnings(task)]
    return [f"{task.name} {identity(task)}: valid", *lines, f"cost: {cost}", *cautions]


def require_resources(task: AbstractTask, folder: Path) -> Cost:
    """What a task costs. Raises `InputError` where that is more than this machine has."""
    require_fit(task)
    found = cost(task)
    require_room(found, folder)
    return found


def require_fit(task: AbstractTask) -> None:
    """Raise `InputError`, one line per problem, for what is too large for this machine's memory."""
    must_fit(needs(task))


def needs(task: AbstractTask) -> Iterator[Need]:
    """What takes memory."""
    return estimates(task).needs(task)


def cost(task: AbstractTask) -> Cost:
    """The cost of a task. Raises `InputError` where one of its parts does not fit into memory."""
    return estimates(task).cost(task)


def warnings(task: AbstractTask) -> Iterator[str]:
    """What speaks against a run before it, where its task has such to say."""
    asked = estimates(task)
    return asked.warnings(task) if hasattr(asked, "warnings") else iter(())
