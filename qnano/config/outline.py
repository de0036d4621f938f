"""What an experiment is, in a few lines, before anything is computed."""

from collections.abc import Iterator
from math import cos, exp, isfinite, prod
from pathlib import Path

from .absorption import returned
from .coarse import AbstractTwoScale, CrystalModel, Packets, RibbonModel
from .cost import Cost, cost, require_room
from .drives import Pulse
from .engines import Scheduler
from .evaluation import Evaluation
from .experiment import Experiment
from .frames import frames_of_file, require_frames_fit
from .gradient import GradientOf
from .holstein import Holstein
from .learning_curve import ExtendedXYZ, LearningCurve
from .loading import Task, identity
from .memory import about, amplitudes, quenches, require_fit, wave_points
from .model import FermiHubbard
from .packets import packet_warnings
from .parameters import parameters
from .particles import ParticlesModel, WavePackets
from .points import experiment_at, samples
from .regime_map import RegimeMap
from .resolution import hardly_resolved, turned
from .rules import envelope_packets, fixed_steps, wave_packets
from .solvers import Fixed
from .surrogate import SurrogateTraining
from .sweep import Swept
from .training import SmallSystem, Training

LARGEST_JUMP = 3e-3  # of a Peierls phase: what it does to the energy is of its second order, some 1e-5 J a bond


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
            yield from _system(task)
            steps = sum(stage.steps for stage in task.stages)
            yield f"training: {task.learner.kind}, {steps} steps on {quenches(task.train)} quenches, " + (
                f"judged by {quenches(task.held_out)} others"
            )
            yield _times(task)
        case Evaluation():
            yield from _system(task)
            names = (*(method.name for method in task.methods), *task.forecasts)
            yield f"evaluation: {', '.join(names)}, on {quenches(task.quenches)} quenches, beyond t = {task.window:g} hbar/J"
            yield _times(task)
        case _:
            yield from _experiment(task)


def _experiment(experiment: Experiment) -> Iterator[str]:
    yield from _system(experiment)
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


def _system(task: Experiment | Training | Evaluation) -> Iterator[str]:
    model = task.model
    if isinstance(model, ParticlesModel):
        lengths, points = (" x ".join(f"{value:.4g}" for value in values) for values in (model.lengths, model.points))
        length = model.unit_names["length"]
        yield f"particles: {model.particles}; box {lengths} {length}".removesuffix(" 1") + f", {points} points"
        return
    if isinstance(model, CrystalModel | RibbonModel):
        assert isinstance(task, Experiment)
        length = f"{float(model.length):.4g} {model.unit_names['length']}".removesuffix(" 1")
        yield f"{model.kind}: {model.cells} cells, length {length}, {model.coarse_points} coarse points"
        yield f"particles: {model.particles}; {about(wave_points(model, task.methods))} points of the largest wave"
        return
    lattice = model.lattice.geometry
    yield f"lattice: {model.lattice.kind}, {lattice.sites} sites, {len(lattice.bonds)} bonds"
    match model:
        case Holstein():
            yield f"electrons: {lattice.sites // 2}, spinless, and {lattice.sites} classical oscillators"
        case FermiHubbard() | SmallSystem():
            electrons, count = model.electrons, about(amplitudes(model))
            yield f"electrons: {electrons.up} up, {electrons.down} down; {count} amplitudes of the wavefunction"


def warnings(task: Task) -> Iterator[str]:
    """What speaks against a run before it: strangers who may run code here, a vector potential that is there all at once, packets
    of which a little is cut off, lengths near the grid's spacing, absorbers that reflect, steps that turn waves by more than pi, or
    a drive by much of its period."""
    if isinstance(task, Swept) and isinstance(task.engine, Scheduler):
        yield f"engine.address: {task.engine.address} has to be trusted: whoever listens there can run code in this process"
    if not isinstance(task, Experiment):
        return
    yield from _switched_on(task)
    for key, frequency, name, dt in fixed_steps(task):
        if abs(frequency) * dt > 1:
            yield f"{key}: {frequency:.4g} turns by {abs(frequency) * dt:.3g} in a step of {name}, {dt:.3g}; take a smaller dt"
    match task.model, task.initial:
        case ParticlesModel() as model, WavePackets() as initial:
            packets = wave_packets(model, initial)
        case AbstractTwoScale() as model, Packets() as initial:
            packets = envelope_packets(model, initial)
        case _:
            packets = ()
    for key, *numbers in packets:
        yield from packet_warnings(key, *numbers)
    if isinstance(task.model, AbstractTwoScale | ParticlesModel):
        yield from dict.fromkeys(hardly_resolved(task.model, task.drive))
    if not isinstance(task.model, ParticlesModel):
        return
    yield from dict.fromkeys(returned(task.model, task.initial))
    time, longest = task.unit("hbar/J"), task.model.longest_step
    steps = [getattr(task.solver_of(method), "dt", longest) for method in task.methods]
    yield from turned(task.model, max(steps))
    for method in task.methods:
        dt = solver.dt if isinstance(solver := task.solver_of(method), Fixed) else 0.0
        if dt > longest:
            text = f"{method.name} steps by {dt:.3g}, more than pi hbar / T_max = {longest:.3g} {time}".removesuffix(" 1")
            yield f"{text}: the local balance may be wrong though norm and total energy look right"


def _switched_on(experiment: Experiment) -> Iterator[str]:
    """Vector potentials that are not 0 when the motion starts: the initial state knows nothing of them."""
    drive, start = experiment.drive, float(experiment.time.start)
    if not isinstance(drive, Pulse) or drive.coupling != "peierls":
        return
    since = start - float(drive.centre)
    turns = float(drive.frequency) * since + float(drive.phase)
    wave = cos(turns) if isfinite(turns) else 1.0
    jump = float(drive.amplitude) * exp(-0.5 * min(abs(since) / float(drive.width), 1e2) ** 2) * wave
    if abs(jump) > LARGEST_JUMP:
        text = f"drive: the vector potential jumps from 0 to {jump:.3g} at time.start = {start:g}, which kicks the electrons"
        yield f"{text}; it starts from 0 where drive.centre is several drive.width later"


def _times(task: Experiment | Training | Evaluation) -> str:
    unit = task.unit("hbar/J") if isinstance(task, Experiment) else "hbar/J"
    return f"times: {task.time.samples} from {task.time.start:g} to {task.time.end:g} {unit}".removesuffix(" 1")
