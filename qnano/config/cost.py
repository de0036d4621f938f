"""What a task costs: memory, room on the disk, and time by its order of magnitude.

Times are those of the operations in a right-hand side, times how often it is evaluated, at a few of them per nanosecond; nothing
is measured. They tell minutes from months, and no more.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from qnano.config.memory import bytes_of, needs, quenches, weights_of
from qnano.config.sizes import gigabytes
from qnano.config.solvers import Fixed
from qnano.errors import InputError
from qnano.families.hubbard.needs import operations, pace
from qnano.families.register import family_of

if TYPE_CHECKING:
    from qnano.families.experiment import Experiment

    from .loading import Task

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


def cost(task: "Task") -> Cost:
    """The cost of a task; of a sweep that of one point like itself."""
    memory = PROCESS + float(max(bytes_ for _, _, bytes_, _ in needs(task)))
    disk, seconds = ESTIMATES.get(task.task, _of_experiment)(task)
    return Cost(memory, 1e5 + disk, seconds)


def require_room(cost: Cost, folder: Path, key: str = "time.samples") -> None:
    """Raise `InputError` where the disk of a folder, which need not be there yet, has not the room for the results."""
    there = next((place for place in (folder, *folder.absolute().parents) if place.is_dir()), Path())
    free = shutil.disk_usage(there).free
    if cost.disk > free:
        here = f"{gigabytes(free)} are free on the disk of {there}"
        raise InputError(f"{key}: got results of about {gigabytes(int(cost.disk))}; {here}")


def _of_experiment(experiment: "Experiment") -> tuple[float, float]:
    """Results at all times by all methods, and a checkpoint of each."""
    row = sum(bytes_of(name, experiment) for name in experiment.observables)
    disk = float(len(experiment.methods) * experiment.time.samples * row)
    seconds = (
        _steps(experiment, method) * family_of(experiment.model).operations(experiment, method) / PER_SECOND
        for method in experiment.methods
    )
    return disk, COMPILATION * len(experiment.methods) + sum(seconds)


def _of_map(regimes: Any) -> tuple[float, float]:
    points = len(regimes.map.interaction) * len(regimes.map.trap)
    numbers, seconds = 4 * len(regimes.methods), _of_experiment(regimes)[1]
    return points * regimes.time.samples * numbers * 8.0, points * seconds


def _of_ensemble(ensemble: Any) -> tuple[float, float]:
    disk, seconds = _of_experiment(ensemble)
    count = sum(ensemble.trajectories.values())
    return count * disk * (1.0 if ensemble.stored == "double" else 0.5), count * seconds


def _of_gradient(gradient: Any) -> tuple[float, float]:
    return 1e6, 20 * _of_experiment(gradient)[1]


def _of_training(training: Any) -> tuple[float, float]:
    """Exact trajectories, then steps along windows of them, each forth and back."""
    pairs = float(training.model.lattice.geometry.sites) ** 4
    count = quenches(training.train) + quenches(training.held_out)
    rates, span = pace(training.model), float(training.time.end)
    seconds = count * (COMPILATION / 10 + span * rates * operations("exact", training.model) / PER_SECOND)
    calls = 1.0 if training.learner.kind in ("dense", "black_box") else pairs**0.5  # of a network: one, or for pairs of sites
    each = operations("td2rdm", training.model, is_pair=True) + 2.0 * weights_of(training) * calls
    for stage in training.stages:
        right = 4 * stage.horizon * training.substeps if stage.kind == "rollout" else 1
        seconds += COMPILATION * 5 + float(stage.steps) * stage.batch * right * 3 * each / PER_SECOND
    return 16 * pairs * count * training.time.samples + 30.0 * weights_of(training), seconds


def _of_evaluation(evaluation: Any) -> tuple[float, float]:
    kinds = [("exact", False), *((method.kind, method.is_pair) for method in evaluation.methods)]
    steps = max(evaluation.time.samples, float(evaluation.time.end) * pace(evaluation.model))
    each = sum(
        COMPILATION / 10 + steps * STAGES * operations(kind, evaluation.model, is_pair=pair) / PER_SECOND for kind, pair in kinds
    )
    return 1e3 * evaluation.time.samples, quenches(evaluation.quenches) * each + COMPILATION * len(kinds)


def _of_surrogate(training: Any) -> tuple[float, float]:
    """Ensembles, then steps, each forth and back; judgements on top."""
    costs = [_of_ensemble(ensemble) for ensemble in (*training.ensembles, *training.transfer)]
    area = float(max(ensemble.model.lattice.geometry.sites for ensemble in training.ensembles)) ** 2
    windows = training.batch * len(training.ensembles)
    steps = sum(float(stage.steps) * stage.horizon for stage in training.stages)
    seconds = sum(seconds for _, seconds in costs) + steps * windows * 6 * weights_of(training) * area / PER_SECOND
    return sum(disk for disk, _ in costs) + 30.0 * weights_of(training), seconds


def _of_frames(curve: Any) -> tuple[float, float]:
    """Features of all frames, and a fit of each model to each size and part."""
    atoms = curve.data.extent.atoms
    width = max(sum(map(curve.width, model.blocks)) for model in curve.models)
    rows = max(curve.rows(model, atoms) for model in curve.models)
    fits = len(curve.sizes) * curve.folds * len(curve.models) * float(width) ** 2 * (curve.frames * rows + width)
    return 8.0 * curve.frames * width * rows, 10 + (fits + 1e4 * float(curve.frames) * atoms**2) / PER_SECOND


ESTIMATES: dict[str, Callable[[Any], tuple[float, float]]] = {
    "regime_map": _of_map,
    "ensemble": _of_ensemble,
    "gradient": _of_gradient,
    "training": _of_training,
    "evaluation": _of_evaluation,
    "surrogate": _of_surrogate,
    "learning_curve": _of_frames,
}


def _steps(experiment: "Experiment", method: Any) -> float:
    """Evaluations of a right-hand side: a few for every turn of the fastest phase, or those of a fixed step."""
    solver = experiment.solver_of(method)
    if isinstance(solver, Fixed):
        return STAGES * max(experiment.time.samples, (float(experiment.time.end) - float(experiment.time.start)) / solver.dt)
    return STAGES * family_of(experiment.model).steps(experiment, method)
