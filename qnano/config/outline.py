"""What an experiment is, in a few lines, before anything is computed."""

from collections.abc import Iterator
from math import prod

from .coarse import AbstractTwoScale
from .evaluation import Evaluation
from .experiment import Experiment
from .frames import frames_of_file, require_frames_fit
from .gradient import GradientOf
from .holstein import Holstein
from .learning_curve import ExtendedXYZ, LearningCurve
from .loading import Task, identity
from .memory import about, amplitudes, require_fit, wave_points
from .model import FermiHubbard
from .packets import packet_warnings
from .parameters import parameters
from .particles import ParticlesModel
from .points import experiment_at, places
from .regime_map import RegimeMap
from .rules import envelope_packets, wave_packets
from .surrogate import SurrogateTraining
from .sweep import Swept
from .training import Family, SmallSystem, Training


def outline(task: Task) -> Iterator[str]:
    """What will be computed, and how large it is. Raises `InputError` for what does not fit into memory."""
    yield f"{task.name} {identity(task)}: valid"
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
            yield from _system(task)
            steps = sum(stage.steps for stage in task.stages)
            yield f"training: {task.learner.kind}, {steps} steps on {_quenches(task.train)} quenches, " + (
                f"judged by {_quenches(task.held_out)} others"
            )
            yield _times(task)
        case Evaluation():
            yield from _system(task)
            names = (*(method.name for method in task.methods), *task.forecasts)
            yield f"evaluation: {', '.join(names)}, on {_quenches(task.quenches)} quenches, beyond t = {task.window:g} hbar/J"
            yield _times(task)
        case _:
            yield from _experiment(task)


def _experiment(experiment: Experiment) -> Iterator[str]:
    require_fit(experiment)
    yield from _system(experiment)
    match experiment:
        case RegimeMap(map=axes):
            yield f"map: {len(axes.interaction)} interactions from {axes.interaction[0]:g} to {axes.interaction[-1]:g} J, " + (
                f"{len(axes.trap)} traps from {axes.trap[0]:g} to {axes.trap[-1]:g} J"
            )
        case Swept():
            for place in places(experiment):
                require_fit(experiment_at(experiment, place))
            axes = " x ".join(f"{axis.size} {axis.name}" for axis in experiment.axes)
            yield f"sweep: {axes}, {prod(experiment.shape)} points"
        case GradientOf():
            yield f"gradient: of {experiment.gradient.of} by {', '.join(parameters(experiment))}"
    yield f"methods: {', '.join(method.name for method in experiment.methods)}"
    yield _times(experiment)


def _surrogate(training: SurrogateTraining) -> Iterator[str]:
    for ensemble in (*training.ensembles, *training.transfer):
        require_fit(ensemble)
        groups = ", ".join(f"{count} {group}" for group, count in ensemble.trajectories.items())
        yield f"ensemble {ensemble.name}: {ensemble.model.lattice.geometry.sites} sites; trajectories: {groups}"
    yield f"training: {training.network.kind}, {sum(stage.steps for stage in training.stages)} steps"


def _system(task: Experiment | Training | Evaluation) -> Iterator[str]:
    model = task.model
    if isinstance(model, ParticlesModel):
        lengths, points = (" x ".join(f"{value:.4g}" for value in values) for values in (model.lengths, model.points))
        length = model.unit_names["length"]
        yield f"particles: {model.particles}; box {lengths} {length}".removesuffix(" 1") + f", {points} points"
        yield from (f"warning: {line}" for line in warnings(task))
        return
    lattice = model.lattice.geometry
    if isinstance(model, AbstractTwoScale):
        length = f"{float(model.length):.4g} {model.unit_names['length']}".removesuffix(" 1")
        yield f"{model.kind}: {model.cells} cells, length {length}, {lattice.sites} coarse points"
        yield f"particles: {model.particles}; {about(wave_points(task))} points of the largest wave"
        yield from (f"warning: {line}" for line in warnings(task))
        return
    yield f"lattice: {model.lattice.kind}, {lattice.sites} sites, {len(lattice.bonds)} bonds"
    match model:
        case Holstein():
            yield f"electrons: {lattice.sites // 2}, spinless, and {lattice.sites} classical oscillators"
        case FermiHubbard() | SmallSystem():
            electrons, count = model.electrons, about(amplitudes(task))
            yield f"electrons: {electrons.up} up, {electrons.down} down; {count} amplitudes of the wavefunction"


def warnings(task: Task) -> Iterator[str]:
    """What speaks against a run before it: packets of which a little is cut off, steps of particles that turn the fastest waves by
    more than pi."""
    if not isinstance(task, Experiment):
        return
    if task.initial.kind in ("wave_packets", "packets"):
        packets = wave_packets(task) if isinstance(task.model, ParticlesModel) else envelope_packets(task)
        for key, *numbers in packets:
            yield from packet_warnings(key, *numbers)
    if not isinstance(task.model, ParticlesModel):
        return
    time, longest = task.unit("hbar/J"), task.model.longest_step
    for method in task.methods:
        dt = getattr(task.solver_of(method), "dt", 0.0)
        if dt > longest:
            text = f"{method.name} steps by {dt:.3g}, more than pi hbar / T_max = {longest:.3g} {time}".removesuffix(" 1")
            yield f"{text}: the local balance may be wrong though norm and total energy look right"


def _quenches(families: tuple[Family, ...]) -> int:
    return sum(len(family.strengths) * len(family.interactions) for family in families)


def _times(task: Experiment | Training | Evaluation) -> str:
    unit = task.unit("hbar/J") if isinstance(task, Experiment) else "hbar/J"
    return f"times: {task.time.samples} from {task.time.start:g} to {task.time.end:g} {unit}".removesuffix(" 1")
