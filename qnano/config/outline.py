"""What an experiment is, in a few lines, and what speaks against it, before anything is computed."""

from collections.abc import Iterator
from math import cos, exp, isfinite
from typing import Any

from .absorption import returned
from .coarse import AbstractTwoScale, CrystalModel, Packets, RibbonModel
from .drives import Pulse
from .experiment import Experiment
from .holstein import Holstein
from .memory import about, amplitudes, wave_points
from .packets import packet_warnings
from .particles import ParticlesModel, WavePackets
from .resolution import hardly_resolved, turned
from .rules import envelope_packets, wave_packets
from .solvers import Fixed

LARGEST_JUMP = 3e-3  # of a Peierls phase: what it does to the energy is of its second order, some 1e-5 J a bond


def system(task: Any) -> Iterator[str]:
    """What is in it, of an experiment or another task that has a model."""
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
        case _:
            electrons, count = model.electrons, about(amplitudes(model))
            yield f"electrons: {electrons.up} up, {electrons.down} down; {count} amplitudes of the wavefunction"


def warnings(task: Experiment) -> Iterator[str]:
    """What speaks against a run before it: a vector potential that is there all at once, packets of which a little is cut off,
    lengths near the grid's spacing, absorbers that reflect, steps that turn waves by more than pi."""
    yield from _switched_on(task)
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


def times(task: Any, unit: str = "hbar/J") -> str:
    """When results are saved."""
    return f"times: {task.time.samples} from {task.time.start:g} to {task.time.end:g} {unit}".removesuffix(" 1")
