"""What an experiment is, in a few lines, before anything is computed."""

from collections.abc import Iterator
from math import prod
from pathlib import Path

from qnano.config.memory import quenches, require_fit
from qnano.families.experiment import Experiment
from qnano.families.hubbard import described
from qnano.families.register import family_of

from .cost import Cost, cost, require_room
from .engines import Scheduler
from .evaluation import Evaluation
from .frames import frames_of_file, require_frames_fit
from .gradient import GradientOf
from .learning_curve import ExtendedXYZ, LearningCurve
from .loading import Task, identity
from .parameters import parameters
from .points import experiment_at, samples
from .regime_map import RegimeMap
from .surrogate import SurrogateTraining
from .sweep import Swept
from .training import Training


def outline(task: Task, folder: Path = Path()) -> list[str]:
    """What will be computed, and what it costs. Raises `InputError` for what does not fit into memory or on a disk."""
    lines = list(_described(task))
    cost = require_resources(task, folder)
    cautions = [f"warning: {line}" for line in warnings(task)]
    return [f"{task.name} {identity(task)}: valid", *lines, f"cost: {cost}", *cautions]


def require_resources(task: Task, folder: Path) -> Cost:
    """What a task costs. Raises `InputError` where that is more than this machine has."""
    require_fit(task)
    found = cost(task)
    if isinstance(task, Swept):
        some = [experiment_at(task, place) for place in samples(task)]
        for experiment in some:
            require_fit(experiment)
        each = [cost(experiment) for experiment in some]
        found = Cost(*(max(numbers) for numbers in zip(*each, strict=True)))
        found = found._replace(disk=prod(task.shape) * found.disk, seconds=prod(task.shape) * found.seconds)
    require_room(found, folder)
    return found


def _described(task: Task) -> Iterator[str]:
    match task:
        case SurrogateTraining():
            yield from _surrogate(task)
        case LearningCurve():
            require_frames_fit(task)
            if isinstance(task.data, ExtendedXYZ):
                frames_of_file(task, task.data)
            yield f"frames: {task.frames} of {task.data.kind}, {task.test} of them for the errors"
            target = task.target
            yield f"target: {target.kind}" + (
                f" of order {target.order}" if target.kind == "tensor" else " and forces" * target.forces
            )
            yield f"models: {', '.join(model.label for model in task.models)}; sizes: {', '.join(map(str, task.sizes))}"
        case Training():
            yield from described(task.model)
            steps = sum(stage.steps for stage in task.stages)
            yield f"training: {task.learner.kind}, {steps} steps on {quenches(task.train)} quenches, " + (
                f"judged by {quenches(task.held_out)} others"
            )
            yield _times(task)
        case Evaluation():
            yield from described(task.model)
            names = (*(method.name for method in task.methods), *task.forecasts)
            yield f"evaluation: {', '.join(names)}, on {quenches(task.quenches)} quenches, beyond t = {task.window:g} hbar/J"
            yield _times(task)
        case _:
            yield from _experiment(task)


def _experiment(experiment: Experiment) -> Iterator[str]:
    yield from family_of(experiment.model).described(experiment)
    match experiment:
        case RegimeMap(map=axes):
            yield f"map: {len(axes.interaction)} interactions from {axes.interaction[0]:g} to {axes.interaction[-1]:g} J, " + (
                f"{len(axes.trap)} traps from {axes.trap[0]:g} to {axes.trap[-1]:g} J"
            )
        case Swept():
            axes = " x ".join(f"{axis.size} {axis.name}" for axis in experiment.axes)
            count, points = len(samples(experiment)), prod(experiment.shape)
            yield f"sweep: {axes}, {points} points" + f", {count} of them looked at" * (count < points)
        case GradientOf():
            yield f"gradient: of {experiment.gradient.of} by {', '.join(parameters(experiment))}"
    yield f"methods: {', '.join(method.name for method in experiment.methods)}"
    yield _times(experiment)


def _surrogate(training: SurrogateTraining) -> Iterator[str]:
    for ensemble in (*training.ensembles, *training.transfer):
        groups = ", ".join(f"{count} {group}" for group, count in ensemble.trajectories.items())
        yield f"ensemble {ensemble.name}: {ensemble.model.lattice.geometry.sites} sites; trajectories: {groups}"
    yield f"training: {training.network.kind}, {sum(stage.steps for stage in training.stages)} steps"


def warnings(task: Task) -> Iterator[str]:
    """What speaks against a run before it: strangers who may run code here, and what its family has to say."""
    if isinstance(task, Swept) and isinstance(task.engine, Scheduler):
        yield f"engine.address: {task.engine.address} has to be trusted: whoever listens there can run code in this process"
    if isinstance(task, Experiment):
        yield from family_of(task.model).warnings(task)


def _times(task: Experiment | Training | Evaluation) -> str:
    unit = task.unit("hbar/J") if isinstance(task, Experiment) else "hbar/J"
    return f"times: {task.time.samples} from {task.time.start:g} to {task.time.end:g} {unit}".removesuffix(" 1")
