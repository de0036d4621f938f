"""From a config to particles on a grid: their potentials, what drives them, how they start, what is measured in which regions."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, PyTree

from qnano import fields
from qnano.config import particles as settings
from qnano.config.coarse import SoftCoulomb
from qnano.config.drives import Drive, Pulse, parts_of
from qnano.config.experiment import Experiment
from qnano.config.methods import Wave
from qnano.config.outline import warnings
from qnano.config.particles import spread
from qnano.config.solvers import Fixed
from qnano.dynamics import AbstractDynamics
from qnano.energetics.grid import interval
from qnano.errors import InputError
from qnano.experiments.coarse import EXCHANGE, Regime, plain
from qnano.experiments.fields import build_field
from qnano.fields import AbstractField, Constant, Pattern
from qnano.schrodinger.energetics import Electrodes, Probe
from qnano.schrodinger.grid import Grid
from qnano.schrodinger.ground_state import NotConverged, lowest_states, relaxed
from qnano.schrodinger.model import Particles, absorbing_edges, normalised
from qnano.schrodinger.wave import Schrodinger

Start = settings.WavePackets | settings.Eigenstates | settings.Relaxed
Points = Float[Array, "axis *x"]


def build_forms(experiment: Experiment) -> list[tuple[AbstractDynamics, PyTree[Array]]]:
    """The wave of every method and its start. Raises `InputError` where no start is found."""
    described, time, drive = particles_of(experiment), experiment.time.start, experiment.drive
    model, dt = build_model(described, drive, time), default_step(described)
    initial = experiment.initial
    assert isinstance(initial, Start)
    start = initial_state(initial, model, EXCHANGE[described.statistics], time)
    methods = [method for method in experiment.methods if isinstance(method, Wave)]
    return [(Schrodinger(model, dt, build_probe(described, drive, method, model.grid)), start) for method in methods]


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
        parts.append(Pattern(strength, pattern(shape, grid.coordinates, grid.lengths)))
    return fields.Sum(tuple(parts)) if parts else Constant(jnp.zeros(grid.points))


def pattern(shape: settings.Shape, x: Points, lengths: Float[Array, " axis"]) -> Float[Array, "*x"]:
    """A shape of height or strength 1 in a periodic box of these lengths."""
    dimension = x.shape[0]
    centre = jnp.stack([jnp.asarray(c, float) for c in spread(shape.centre, dimension)])
    away = x - jnp.expand_dims(centre, tuple(range(1, dimension + 1)))
    box = jnp.expand_dims(lengths, tuple(range(1, dimension + 1)))
    away = away - box * jnp.round(away / box)  # of the nearest image, since the box is periodic
    along = away[shape.axis or 0]
    if shape.axis is not None:
        away = along[None]
    match shape:
        case settings.Harmonic():
            return jnp.sum(away**2, axis=0)
        case settings.Quartic():
            return jnp.sum(away**2, axis=0) ** 2
        case settings.Gaussian(width=width):
            widths = spread(width, dimension) if shape.axis is None else (spread(width, dimension)[shape.axis],)
            return jnp.exp(-sum((s / w) ** 2 for s, w in zip(away, widths, strict=True)) / 2)
        case settings.DoubleBarrier(thickness=thickness, well=well, edge=edge):
            step = lambda s: (1 + jnp.tanh(s / edge)) / 2  # noqa: E731
            wall = lambda low: step(along - low) - step(along - low - thickness)  # noqa: E731
            return wall(-well / 2 - thickness) + wall(well / 2)
        case settings.Cosine(period=period):
            return jnp.cos(2 * jnp.pi * along / period)


def pair_potential(w: SoftCoulomb, charge: float) -> Callable:
    """w as a function of the distance."""
    coupling = w.coupling if w.permittivity is None else w.coupling * charge**2
    return lambda r: coupling / jnp.sqrt(r**2 + w.softening**2)


def build_drive(drive: Drive, charge: float, grid: Grid, start: float) -> tuple[AbstractField | None, AbstractField | None]:
    """The force of all uniform fields, and the potential of a bias."""
    forces, bias = [], None
    for part in parts_of(drive):
        if isinstance(part, settings.Bias):
            voltage = build_field(part.amplitude, start)
            if part.frequency or plain(part.phase):
                voltage = fields.Oscillation(voltage, part.frequency, part.phase)
            bias = Pattern(voltage, charge * profile(part, grid.coordinates))
            continue
        direction = jnp.eye(grid.dimension)[0] if part.direction is None else jnp.asarray(part.direction)
        direction = direction / jnp.abs(direction).max()  # the square of a tiny vector would vanish
        strength = charge * part.amplitude * direction / jnp.linalg.norm(direction)
        if isinstance(part, Pulse):
            forces.append(fields.Pulse(strength, part.frequency, part.centre, part.width, part.phase))
        else:
            forces.append(fields.Oscillation(strength, part.frequency, part.phase))
    return fields.Sum(tuple(forces)) if forces else None, bias


def profile(bias: settings.Bias, x: Points) -> Float[Array, "*x"]:
    """s, from 0 to 1."""
    return (1 + jax.scipy.special.erf((x[0] - bias.centre) / bias.width)) / 2


def build_probe(model: settings.ParticlesModel, drive: Drive, method: Wave, grid: Grid) -> Probe:
    """What is measured, as the method has it."""
    biases = [part for part in parts_of(drive) if isinstance(part, settings.Bias)]
    electrodes = [Electrodes(profile(part, grid.coordinates), jnp.asarray(model.charge, float)) for part in biases]
    regions = [weights(region, grid) for region in model.regions.values()]
    return Probe(
        jnp.stack(regions) if regions else None,
        electrodes[0] if electrodes else None,
        method.ordering,
        method.partition,
    )


def weights(region: settings.Region, grid: Grid) -> Float[Array, "*x"]:
    """By which a sum over the points is the integral over a region."""
    total, d = jnp.ones(()), grid.dimension
    ends = zip(spread(region.low, d), spread(region.high, d), strict=True)
    for n, length, origin, (low, high) in zip(grid.points, grid.lengths, grid.origin, ends, strict=True):
        waves = 2 * jnp.pi * n / length * jnp.fft.fftfreq(n)
        total = total[..., None] * interval(waves, origin, jnp.asarray(low, float), jnp.asarray(high, float))
    return total


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
        states = lowest_states(still, len(initial.coefficients), time, exchange)
    except NotConverged as error:
        raise InputError(f"initial: {error}") from None
    except jax.errors.TracerArrayConversionError:
        text = "cannot be differentiated by the model; use relaxed, or wave_packets"
        raise InputError(f"initial.kind: got eigenstates; {text}") from None
    signed = [directed(wave, grid, model.number) for wave in states.waves]
    coefficients = [jnp.asarray(c, complex) for c in initial.coefficients]
    psi = sum((c * wave for c, wave in zip(coefficients, signed, strict=True)), jnp.zeros((), complex))
    return normalised(psi, grid, model.number)


def gaussian(packet: settings.WavePacket, grid: Grid) -> Complex[Array, "*x"]:
    """A packet on the grid."""
    psi, d = jnp.ones((), complex), grid.dimension
    numbers = zip(*(spread(value, d) for value in (packet.centre, packet.width, packet.wavenumber)), strict=True)
    for x, length, (centre, width, wavenumber) in zip(grid.coordinates, grid.lengths, numbers, strict=True):
        x = x - length * jnp.round((x - centre) / length)  # the nearest image, since the box is periodic
        psi = psi * jnp.exp(-(((x - centre) / (2 * width)) ** 2) + 1j * wavenumber * x)
    return psi


def directed(wave: Complex[Array, "*configuration"], grid: Grid, number: int) -> Complex[Array, "*configuration"]:
    """A state with the phase that makes it positive where the coordinates are large, those of later particles even more."""
    weight = jnp.ones(())
    for particle in range(number):
        scale = jnp.expand_dims(grid.lengths, tuple(range(1, grid.dimension + 1)))
        one = jnp.exp(8 * (particle + 1) * jnp.sum(grid.coordinates / scale, axis=0))
        weight = jnp.tensordot(weight, one, 0)
    overlap = jnp.sum(weight * wave)
    return wave * overlap.conj() / jnp.abs(overlap)


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
    return Regime(numbers, list(warnings(experiment)))
