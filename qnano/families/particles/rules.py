"""What must hold between the parts of an experiment with particles on a grid."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from qnano.border import got
from qnano.config.base import traced
from qnano.config.solvers import SPLIT_SOLVERS
from qnano.config.values import Quench, Ramp
from qnano.families.base import Problems
from qnano.families.drives import Bias, Drive, Oscillation, Pulse, Sum, directed, parts_of
from qnano.families.in_space import spread
from qnano.families.packets import packet_problems, packets_fit
from qnano.families.particles.observables import SHARED_OUT
from qnano.families.particles.resolution import features
from qnano.families.particles.schema import Eigenstates, ParticlesModel, Relaxed, WavePackets
from qnano.families.resolution import unresolved

if TYPE_CHECKING:
    from qnano.families.experiment import Experiment


def broken(experiment: "Experiment") -> Problems:
    """Every rule of the family."""
    model, initial, drive = experiment.model, experiment.initial, experiment.drive
    assert isinstance(model, ParticlesModel) and isinstance(initial, WavePackets | Eigenstates | Relaxed)
    yield from waves_start(model, initial)
    yield from fields_fit(model, drive)
    yield from measurable(model, drive, experiment.observables)
    yield from solver_splits(experiment)
    yield from unresolved(features(model, drive))


def waves_start(model: ParticlesModel, initial: WavePackets | Eigenstates | Relaxed) -> Problems:
    """Packets fit the particles, the box and the statistics."""
    if isinstance(initial, Relaxed) and model.statistics == "antisymmetric":
        yield "initial.kind", got("relaxed", "starts from one packet for all, which cannot be antisymmetric; use eigenstates")
    if isinstance(initial, Eigenstates):
        count = len(initial.coefficients)
        if not any(traced(c) or c for c in initial.coefficients):
            yield "initial.coefficients", got(initial.coefficients, "must not all be 0")
        elif count > (there := states(model)):
            yield "initial.coefficients", f"got {count}; there are {there} states (model.points, statistics)"
    if isinstance(initial, Relaxed) and not traced(initial.width):
        for length, points in zip(model.lengths, model.points, strict=True):
            if not traced(length) and initial.width < 0.5 * length / points:
                rule = f"must be at least {0.5 * length / points:.4g}, half of the grid's spacing"
                yield "initial.width", got(initial.width, rule)
    if not isinstance(initial, WavePackets):
        return
    yield from packets_fit(initial.packets, model.particles)
    dimension, wrong = len(model.axes), False
    for k, packet in enumerate(initial.packets):
        for key, value in packet:
            if isinstance(value, tuple) and len(value) != dimension:
                wrong = True
                yield f"initial.packets.{k}.{key}", f"got {len(value)} numbers; must be one, or {dimension} (the axes)"
    if not wrong:
        for key, *numbers in wave_packets(model, initial):
            yield from packet_problems(key, *numbers)
    if model.statistics == "antisymmetric" and len({str(packet) for packet in initial.packets}) < model.particles:
        yield "initial.packets", "two are the same; an antisymmetric wave needs different ones"


def states(model: ParticlesModel) -> int:
    """How many states the particles have on the grid, with their statistics."""
    each = math.prod(model.points)
    match model.statistics:
        case "symmetric":
            return math.comb(each + model.particles - 1, model.particles)
        case "antisymmetric":
            return math.comb(each, model.particles)
        case _:
            return each**model.particles


def wave_packets(model: ParticlesModel, initial: WavePackets) -> Iterator[tuple[Any, ...]]:
    """What `packet_problems` asks for, of every packet along every axis: its density has the standard deviation `width`."""
    for k, packet in enumerate(initial.packets):
        own = (spread(value, len(model.axes)) for value in (packet.centre, packet.width, packet.wavenumber))
        for *numbers, length, points in zip(*own, model.lengths, model.points, strict=True):
            yield f"initial.packets.{k}", *numbers, length, points


def fields_fit(model: ParticlesModel, drive: Drive) -> Problems:
    several = isinstance(drive, Sum)
    for k, part in enumerate(parts_of(drive)):
        key = f"drive.parts.{k}" if several else "drive"
        if isinstance(part, Pulse | Oscillation):
            yield from directed(f"{key}.direction", part.direction, len(model.axes))
        if isinstance(part, Pulse) and part.coupling != "dipole":
            yield f"{key}.coupling", got(part.coupling, "must be dipole for model particles")
        if isinstance(part, Bias) and isinstance(part.amplitude, Quench | Ramp) and part.frequency:
            yield f"{key}.frequency", got(part.frequency, "must be 0 where the amplitude changes by itself")
        half = model.lengths[0] / 2
        if isinstance(part, Bias) and not traced(part.centre) and not traced(half) and abs(part.centre) > half * (1 + 1e-12):
            yield f"{key}.centre", got(part.centre, f"must lie in the box, {-half:g} to {half:g}")
    if sum(isinstance(part, Bias) for part in parts_of(drive)) > 1:
        yield "drive.parts", "several are a bias; must be at most one"


def measurable(model: ParticlesModel, drive: Drive, observables: Sequence[str]) -> Problems:
    """What is measured needs regions, electrodes, or particles that are all alike."""
    biased = any(isinstance(part, Bias) for part in parts_of(drive))
    for k, name in enumerate(observables):
        if name.startswith("region_") and not model.regions:
            yield f"observables.{k}", got(name, "needs model.regions")
        if name == "bias_current" and not biased:
            yield f"observables.{k}", got(name, "needs a drive that is a bias")
        if name in SHARED_OUT and model.particles > 1 and model.statistics == "distinguishable":
            yield f"observables.{k}", got(name, "needs statistics symmetric or antisymmetric")


def solver_splits(experiment: "Experiment") -> Problems:
    for k, method in enumerate(experiment.methods):
        if (solver := experiment.solver_of(method)).kind not in ("auto", *SPLIT_SOLVERS):
            yield f"methods.{k}", got(solver.kind, f"{method.name} has solver auto, {' and '.join(SPLIT_SOLVERS)} alone")
