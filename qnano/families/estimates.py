"""What an experiment of any family asks of a machine: memory, room on the disk, and time by its order of magnitude.

Memory is crude, within a factor of a few. Times are those of the operations in a right-hand side, times how often it is evaluated,
at a few of them per nanosecond; nothing is measured. They tell minutes from months, and no more.
"""

import math
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from qnano.config.sizes import COMPLEX, Need, about, gigabytes
from qnano.config.solvers import Fixed
from qnano.errors import InputError
from qnano.families import rules
from qnano.families.base import AbstractMethod
from qnano.families.experiment import Experiment
from qnano.families.register import OBSERVABLES, family_of

PER_SECOND = 2e9
PROCESS = 6e8  # bytes of Python, JAX and its compiler, whatever they compute
COMPILATION = 3.0  # seconds for a method's program
STAGES = 7  # evaluations in a step
SCALES = ((2e0, "a second"), (1e2, "seconds"), (5e3, "minutes"), (1e5, "hours"), (3e6, "days"), (3e7, "months"), (1e10, "years"))


class Cost(NamedTuple):
    """Bytes of memory and on disk, and seconds."""

    memory: float
    disk: float
    seconds: float

    def __str__(self) -> str:
        time = next((name for limit, name in SCALES if self.seconds < limit), "longer than anyone can wait")
        return f"about {gigabytes(int(self.memory))} of memory, {gigabytes(int(self.disk))} on disk; time: {time}"


def total(needs: Iterable[Need], disk: float, seconds: float) -> Cost:
    """With all that a process takes whatever it computes."""
    return Cost(PROCESS + float(max(bytes_ for _, _, bytes_, _ in needs)), 1e5 + disk, seconds)


def require_room(cost: Cost, folder: Path, key: str = "time.samples") -> None:
    """Raise `InputError` where the disk of a folder, which need not be there yet, has not the room for the results."""
    there = next((place for place in (folder, *folder.absolute().parents) if place.is_dir()), Path())
    free = shutil.disk_usage(there).free
    if cost.disk > free:
        here = f"{gigabytes(free)} are free on the disk of {there}"
        raise InputError(f"{key}: got results of about {gigabytes(int(cost.disk))}; {here}")


def needs(experiment: Experiment) -> Iterator[Need]:
    """What takes memory: its family says what, and the results of all methods."""
    yield from family_of(experiment.model).needs(experiment)
    samples = experiment.time.samples
    row = sum(bytes_of(name, experiment) for name in experiment.observables for _ in experiment.methods)
    yield "time.samples", f"{about(samples)} times of {about(row)} bytes each", samples * row, ""


def bytes_of(name: str, experiment: Experiment) -> int:
    """The bytes of an observable at one time."""
    numbers = math.prod(experiment.model.count(dim) for dim in experiment.observable(name).dims[1:])
    return numbers * (COMPLEX if OBSERVABLES[name].is_complex else 8)


def disk_and_seconds(experiment: Experiment) -> tuple[float, float]:
    """Results at all times by all methods, and a checkpoint of each."""
    family, methods = family_of(experiment.model), experiment.methods
    row = sum(bytes_of(name, experiment) for name in experiment.observables)
    disk = float(len(methods) * experiment.time.samples * row)
    seconds = (_steps(experiment, method) * family.operations(experiment, method) / PER_SECOND for method in methods)
    return disk, COMPILATION * len(methods) + sum(seconds)


def _steps(experiment: Experiment, method: AbstractMethod) -> float:
    """Evaluations of a right-hand side: a few for every turn of the fastest phase, or those of a fixed step."""
    solver, span = experiment.solver_of(method), float(experiment.time.end) - float(experiment.time.start)
    if isinstance(solver, Fixed):
        return STAGES * max(float(experiment.time.samples), span / solver.dt)
    return STAGES * family_of(experiment.model).steps(experiment, method)


def warnings(experiment: Experiment) -> Iterator[str]:
    """What speaks against a run before it."""
    yield from rules.drives_are_hardly_followed(experiment)
    yield from family_of(experiment.model).warnings(experiment)


def times(task: Any, unit: str = "hbar/J") -> str:
    """When results are saved."""
    return f"times: {task.time.samples} from {task.time.start:g} to {task.time.end:g} {unit}".removesuffix(" 1")
