"""From a config to particles on a grid: their potentials, what drives them, how they start, what is measured in which regions."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from qnano import fields
from qnano.border import known, shown
from qnano.config.solvers import Fixed
from qnano.errors import InputError
from qnano.families.base import Built, Regime
from qnano.families.drives import Bias, Drive, Pulse, parts_of
from qnano.families.experiment import Experiment
from qnano.families.fields import build_field, plain
from qnano.families.in_space import EXCHANGE, SoftCoulomb, spread
from qnano.families.particles import schema as settings
from qnano.families.particles.methods import Wave
from qnano.families.register import family_of
from qnano.fields import AbstractField, Constant, Pattern
from qnano.schrodinger import shapes
from qnano.schrodinger.energetics import Electrodes, Probe
from qnano.schrodinger.grid import Grid
from qnano.schrodinger.ground_state import NotConverged, count_of_states, lowest_states, relaxed
from qnano.schrodinger.model import Particles, absorbing_edges, normalised
from qnano.schrodinger.shapes import away_from
from qnano.schrodinger.wave import Schrodinger
from qnano.solvers.stepping import reachable

Start = settings.WavePackets | settings.Eigenstates | settings.Relaxed


def build(experiment: Experiment) -> list[Built]:
    """The wave of every method and its start. Raises `InputError` where no start is found."""
    described, time, drive = particles_of(experiment), experiment.time.start, experiment.drive
    model, dt = build_model(described, drive, time), default_step(described)
    initial = experiment.initial
    assert isinstance(initial, Start)
    start = initial_state(initial, model, EXCHANGE[described.statistics], time)
    methods = [method for method in experiment.methods if isinstance(method, Wave)]
    return [Built(Schrodinger(model, dt, build_probe(described, drive, method, model.grid)), start) for method in methods]


def particles_of(experiment: Experiment) -> settings.ParticlesModel:
    """The model of an experiment that is one of particles."""
    assert isinstance(experiment.model, settings.ParticlesModel)
    return experiment.model


def default_step(model: settings.ParticlesModel) -> float:
    """The longest without alarm that is a power of two, so that the points of a sweep share one program."""
    return 2.0 ** math.floor(math.log2(plain(model.longest_step)))


def build_model(model: settings.ParticlesModel, drive: Drive, start: float) -> Particles:
    """The Hamiltonian from the first time on."""
    grid = Grid(model.points, jnp.asarray(model.lengths, float))
    force, bias = build_drive(drive, model.charge, grid, start)
    absorber = model.absorber
    return Particles(
        grid,
        build_potential(model, grid, start),
        model.particles,
        grid.pairs(pair_potential(w, model.charge)) if isinstance(w := model.interaction, SoftCoulomb) else None,
        force,
        None if absorber is None else absorbing_edges(grid, absorber.width, absorber.strength),
        model.mass * model.mass_unit,
        model.hbar,
        bias,
    )


def build_potential(model: settings.ParticlesModel, grid: Grid, start: float) -> AbstractField:
    """The sum of the shapes, each its strength in time times its pattern in space."""
    parts = []
    for shape in model.potential:
        strength = build_field(shape.strength if isinstance(shape, settings.Harmonic | settings.Quartic) else shape.height, start)
        parts.append(Pattern(strength, pattern(shape, grid)))
    return fields.Sum(tuple(parts)) if parts else Constant(jnp.zeros(grid.points))


def pattern(shape: settings.Shape, grid: Grid) -> Float[Array, "*x"]:
    """A shape of height or strength 1."""
    away = away_from(spread_numbers(shape.centre, grid), grid)
    along = away[shape.axis or 0]
    if shape.axis is not None:
        away = along[None]
    match shape:
        case settings.Harmonic():
            return jnp.sum(away**2, axis=0)
        case settings.Quartic():
            return jnp.sum(away**2, axis=0) ** 2
        case settings.Gaussian(width=width):
            widths = spread_numbers(width, grid)
            return shapes.gaussian(away, widths if shape.axis is None else widths[shape.axis, None])
        case settings.DoubleBarrier(thickness=thickness, well=well, edge=edge):
            return shapes.double_barrier(along, thickness, well, edge)
        case settings.Cosine(period=period):
            return jnp.cos(2 * jnp.pi * along / period)


def spread_numbers(value: Any, grid: Grid) -> Float[Array, " axis"]:
    """One number for each axis, of what may be one for all."""
    return jnp.stack([jnp.asarray(number, float) for number in spread(value, grid.dimension)])


def pair_potential(w: SoftCoulomb, charge: float) -> Callable:
    """w as a function of the distance."""
    coupling = w.coupling if w.permittivity is None else w.coupling * charge**2
    return lambda r: coupling / jnp.sqrt(r**2 + w.softening**2)


def build_drive(drive: Drive, charge: float, grid: Grid, start: float) -> tuple[AbstractField | None, AbstractField | None]:
    """The force of all uniform fields, and the potential of a bias."""
    forces, bias = [], None
    for part in parts_of(drive):
        if isinstance(part, Bias):
            voltage = build_field(part.amplitude, start)
            if part.frequency or plain(part.phase):
                voltage = fields.Oscillation(voltage, part.frequency, part.phase)
            bias = Pattern(voltage, charge * shapes.fall(grid, part.centre, part.width))
            continue
        direction = jnp.eye(grid.dimension)[0] if part.direction is None else jnp.asarray(part.direction)
        direction = direction / jnp.abs(direction).max()  # the square of a tiny vector would vanish
        strength = charge * part.amplitude * direction / jnp.linalg.norm(direction)
        if isinstance(part, Pulse):
            forces.append(fields.Pulse(strength, part.frequency, part.centre, part.width, part.phase))
        else:
            forces.append(fields.Oscillation(strength, part.frequency, part.phase))
    return fields.Sum(tuple(forces)) if forces else None, bias


def build_probe(model: settings.ParticlesModel, drive: Drive, method: Wave, grid: Grid) -> Probe:
    """What is measured, as the method has it."""
    biases = [part for part in parts_of(drive) if isinstance(part, Bias)]
    electrodes = [Electrodes(shapes.fall(grid, part.centre, part.width), jnp.asarray(model.charge, float)) for part in biases]
    regions = [
        shapes.region(grid, spread_numbers(region.low, grid), spread_numbers(region.high, grid))
        for region in model.regions.values()
    ]
    return Probe(
        jnp.stack(regions) if regions else None,
        electrodes[0] if electrodes else None,
        method.ordering,
        method.partition,
    )


def initial_state(initial: Start, model: Particles, exchange: int, time: float) -> Complex[Array, "*configuration"]:
    """The wave at the first time, of norm 1. Raises `InputError` where an eigensolver fails or cannot be differentiated."""
    grid = model.grid
    if isinstance(initial, settings.WavePackets):
        psi = jnp.ones(())
        for packet in initial.packets:
            psi = jnp.tensordot(psi, gaussian(packet, grid), 0)
        return normalised(psi, grid, model.number, exchange)
    still = Schrodinger(Particles(grid, model.potential, model.number, model.interaction, mass=model.mass, hbar=model.hbar))
    if isinstance(initial, settings.Relaxed):
        one = gaussian(settings.WavePacket(width=initial.width), grid)
        psi = one
        for _ in range(1, model.number):
            psi = jnp.tensordot(psi, one, 0)
        return relaxed(still, normalised(psi, grid, model.number), initial.step, initial.steps, time)
    try:
        # One more than is asked for, to see whether the last is the only one of its energy.
        count = min(len(initial.coefficients) + 1, count_of_states(grid, model.number, exchange))
        states = lowest_states(still, count, time, exchange)
    except NotConverged as error:
        raise InputError(f"initial: {error}") from None
    except jax.errors.TracerArrayConversionError:
        text = "cannot be differentiated by the model; use relaxed, or wave_packets"
        raise InputError(f"initial.kind: got eigenstates; {text}") from None
    _require_apart(initial.coefficients, np.asarray(states.energies))
    signed = [shapes.directed(wave, grid, model.number) for wave in states.waves[: len(initial.coefficients)]]
    coefficients = [jnp.asarray(c, complex) for c in initial.coefficients]
    psi = sum((c * wave for c, wave in zip(coefficients, signed, strict=True)), jnp.zeros((), complex))
    return normalised(psi, grid, model.number)


def _require_apart(coefficients: Sequence[Any], energies: Float[np.ndarray, " state"]) -> None:
    """Raise `InputError` where a state that is taken shares its energy with another: any mixture of them is as good."""
    least = reachable(1e-9) * max(np.abs(energies).max(), np.ptp(energies))
    for k, coefficient in enumerate(coefficients):
        near = [n for n in (k - 1, k + 1) if 0 <= n < len(energies) and abs(energies[n] - energies[k]) <= least]
        if near and not (known(coefficient) and coefficient == 0):
            both = " and ".join(map(str, sorted((k, near[0]))))
            text = (
                f"states {both} have one energy, {energies[k]:.6g}, so that neither is defined; tell them apart by model.potential"
            )
            raise InputError(f"initial.coefficients.{k}: got {shown(coefficient)}; {text}")


def gaussian(packet: settings.WavePacket, grid: Grid) -> Complex[Array, "*x"]:
    """A packet on the grid."""
    return shapes.packet(grid, *(spread_numbers(number, grid) for number in (packet.centre, packet.width, packet.wavenumber)))


def regime(experiment: Experiment) -> Regime:
    """How far the steps are from those that the local balance cannot stand, and what speaks against them."""
    model, time = particles_of(experiment), experiment.unit("hbar/J")
    numbers = {
        "largest kinetic energy of the grid": (model.fastest, experiment.unit("J")),
        "longest step, pi hbar / T_max": (model.longest_step, time),
    }
    for method in experiment.methods:
        dt = solver.dt if isinstance(solver := experiment.solver_of(method), Fixed) else default_step(model)
        numbers[f"dt T_max / (pi hbar) of {method.name}"] = (dt / model.longest_step, "1")
    return Regime(numbers, list(family_of(model).warnings(experiment)))
