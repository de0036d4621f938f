"""What an experiment costs: memory, room on the disk, and time by its order of magnitude.

Times are those of the operations in a right-hand side, times how often it is evaluated, at a few of them per nanosecond; nothing
is measured. They tell minutes from months, and no more.
"""

import math
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from qnano.errors import InputError

from .holstein import Holstein
from .memory import Need, System, amplitudes, bytes_of, gigabytes, wave_points
from .model import FermiHubbard
from .observables import SINGLETS
from .particles import ParticlesModel
from .solvers import Fixed
from .values import ends

if TYPE_CHECKING:
    from .experiment import Experiment

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


def disk_and_seconds(experiment: "Experiment") -> tuple[float, float]:
    """Results at all times by all methods, and a checkpoint of each."""
    row = sum(bytes_of(name, experiment) for name in experiment.observables)
    disk = float(len(experiment.methods) * experiment.time.samples * row)
    seconds = (_steps(experiment, method) * _each(experiment, method) / PER_SECOND for method in experiment.methods)
    return disk, COMPILATION * len(experiment.methods) + sum(seconds)


def _steps(experiment: "Experiment", method: Any) -> float:
    """Evaluations of a right-hand side: a few for every turn of the fastest phase, or those of a fixed step."""
    span = float(experiment.time.end) - float(experiment.time.start)
    solver, samples = experiment.solver_of(method), float(experiment.time.samples)
    if isinstance(solver, Fixed):
        return STAGES * max(samples, span / solver.dt)
    if experiment.model.kind == "holstein":
        return STAGES * max(samples, 4 * span)
    if experiment.model.kind != "fermi_hubbard":
        return STAGES * max(samples, 1000.0)
    every = span / method.purification.every if getattr(method, "purification", None) else 0.0
    many = method.kind == "exact" and experiment.changes
    return STAGES * max(samples, every, span * pace(experiment)) * (4 if many else 1)


def _each(experiment: "Experiment", method: Any) -> float:
    """Operations of a right-hand side."""
    model = experiment.model
    if isinstance(model, FermiHubbard):
        return hubbard_flops(method.kind, model) * (20 if getattr(method, "purification", None) else 1)
    if isinstance(model, Holstein):
        return 100.0 * model.lattice.geometry.sites**2
    points = float(model.size if isinstance(model, ParticlesModel) else wave_points(model, experiment.methods))
    return 50 * points * max(1.0, math.log2(points))


def hubbard_flops(kind: str, system: System) -> float:
    lattice = system.lattice.geometry
    sites = float(lattice.sites)
    if kind == "exact":
        return 16 * float(min(amplitudes(system), 10**200)) * (2 * len(lattice.bonds) + 4)
    return (200 * sites**5 if kind in SINGLETS else 50 * sites**3) + 1e3


def pace(task: Any) -> float:
    """Energies of the Hamiltonian, in J: the width of its band and what electrons do to each other."""
    model, lattice = task.model, task.model.lattice.geometry
    per_site = 2 * len(lattice.bonds) / max(1, lattice.sites)
    return 1 + 2 * per_site * _largest(getattr(model, "hopping", 1.0)) + _largest(getattr(model, "interaction", 4.0))


def _largest(values: Any) -> float:
    many = values if isinstance(values, tuple) else (values,)
    numbers = (complex(end) for value in many for end in ends(value))
    return max((max(abs(number.real), abs(number.imag)) for number in numbers), default=0.0)
