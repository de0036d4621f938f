"""From a config to problems on two scales: the fine wave, its envelopes, and how they start."""

import math
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, PyTree

from qnano.cgwe.bloch import AbstractBloch, ArmchairRibbon, PlaneWaves
from qnano.cgwe.cell import CellProblem, KdotP, cell_problem, coupled_bands, k_dot_p, rounding
from qnano.cgwe.components import ComponentWave
from qnano.cgwe.interaction import circulant, coarse_kernel
from qnano.cgwe.mean_field import CoarseMeanField
from qnano.cgwe.preparation import PAIR_POINTS, envelope, pair_contact, pair_masses, product, soft_coulomb, spinor
from qnano.cgwe.reconstruction import fine_wave
from qnano.cgwe.wave import CoarseWave, Kinetics, metric_energy
from qnano.config.solvers import Time
from qnano.dynamics import AbstractDynamics
from qnano.errors import InputError
from qnano.families.base import AbstractMethod, Built
from qnano.families.experiment import Experiment
from qnano.families.fields import build_field, plain
from qnano.families.in_space import EXCHANGE
from qnano.families.two_scale import schema as settings
from qnano.families.two_scale.methods import CGMF, CGWE, Fine
from qnano.families.two_scale.observables import ENVELOPES
from qnano.families.two_scale.schema import Packets, plane_waves
from qnano.fields import AbstractField, Constant, Pattern
from qnano.schrodinger.bloch import BlochSchrodinger
from qnano.schrodinger.grid import Grid
from qnano.schrodinger.model import Particles, normalised

ROUGH = 2.0  # cells, below which an interaction couples bands, so that the splitting could resonate
PHASE = 0.5  # by which a default step turns the slow energies
# Compiled as wholes: one by one their operations would take longer to compile than many a run takes.
_cell_problem, _k_dot_p, _coarse_kernel = eqx.filter_jit(cell_problem), eqx.filter_jit(k_dot_p), eqx.filter_jit(coarse_kernel)
_fine_wave, _metric_energy, _normalised = eqx.filter_jit(fine_wave), eqx.filter_jit(metric_energy), eqx.filter_jit(normalised)
_kinetics, _bloch_schrodinger = eqx.filter_jit(Kinetics), eqx.filter_jit(BlochSchrodinger)


class TwoScale(NamedTuple):
    """What all methods of an experiment share."""

    model: settings.CrystalModel | settings.RibbonModel
    packets: Packets
    bloch: AbstractBloch
    cell: CellProblem
    grid: Grid
    bands: list[int]
    hbar: float
    dt: float


def build(experiment: Experiment) -> list[Built]:
    """The dynamics and the start of every method. Raises `InputError` where a mass would mean nothing."""
    shared = build_shared(experiment)
    for k, method in enumerate(experiment.methods):
        if method.kind in ENVELOPES and len(shared.bands) > 1:
            others = ", ".join(str(band) for band in shared.bands if band != shared.cell.band)
            text = f"the envelope couples band {shared.cell.band} to band {others}, so that a mass means nothing; use dirac"
            raise InputError(f"methods.{k}: got {method.kind}; {text}")
    return [Built(*_form(method, experiment, shared)) for method in experiment.methods]


def build_shared(experiment: Experiment) -> TwoScale:
    """Lattice, cell problem, coarse grid, the bands that the envelope mixes, and a step for what is slow."""
    model, initial = experiment.model, experiment.initial
    assert isinstance(model, settings.CrystalModel | settings.RibbonModel) and isinstance(initial, Packets)
    bloch, k0, band = build_bloch(model)
    cell = _cell_problem(bloch, k0, band)
    grid = Grid((model.coarse_points,), jnp.asarray(model.length, float)[None])
    steepest = max(abs(plain(packet.wavenumber)) + 1 / plain(packet.width) for packet in initial.packets)
    still = jax.tree.map(jax.lax.stop_gradient, cell)
    bands = coupled_bands(still, steepest)
    energy = _slow_energies(model, experiment.time, still, grid, steepest, len(bands) > 1)
    if not math.isfinite(energy):
        raise InputError(f"model: its energies are {energy} with these numbers; one of them is too large or too small")
    # A power of two, so that the points of a sweep share one program.
    span = experiment.time.end - experiment.time.start  # beyond which no step goes, however little there is to turn
    dt = 2.0 ** math.floor(math.log2(PHASE * model.hbar / max(energy, PHASE * model.hbar / span)))
    return TwoScale(model, initial, bloch, cell, grid, bands, model.hbar, dt)


def build_bloch(model: settings.CrystalModel | settings.RibbonModel) -> tuple[AbstractBloch, Float[Array, " 1"], int]:
    """The lattice, the wavevector and the band of it that are followed."""
    if isinstance(model, settings.RibbonModel):
        return ArmchairRibbon(model.lines, model.hopping, model.bond, hbar=model.hbar), jnp.zeros(1), 1
    mass = model.mass * model.mass_unit
    harmonics = [(h + 1,) for h in range(len(model.harmonics))]
    amplitudes = jnp.stack([jnp.asarray(v, float) for v in model.harmonics])
    cutoff = plane_waves(model.points) // 2
    bloch = PlaneWaves(harmonics, amplitudes, model.spacing, cutoff, mass=mass, hbar=model.hbar)
    k0 = jnp.zeros(1) if model.wavevector == "centre" else jnp.pi / jnp.asarray(model.spacing, float)[None]
    return bloch, k0, model.band


def slow_potential(model: settings.AbstractTwoScale, start: float) -> tuple[AbstractField, Callable]:
    """U as its height in time and its shape in space, a function of one point."""
    match model.confinement:
        case settings.Cosine(height=height):
            return build_field(height, start), lambda x: 1 - jnp.cos(2 * jnp.pi * x[0] / model.length)
        case settings.Well(depth=depth, width=width):
            return build_field(depth, start), lambda x: 1 - jnp.exp(-((x[0] / width) ** 2) / 2)
        case _:
            return Constant(0.0), lambda x: 0.0 * x[0]


def pair_potential(model: settings.CrystalModel, cells: int | None = None, points: int | None = None) -> Callable | None:
    """w as a function of the shortest way round the ring, or round one of other `cells`; a contact fills one of the `points` of a
    cell, those of the fine grid if not given."""
    w = model.interaction
    if isinstance(w, settings.NoInteraction):
        return None
    if isinstance(w, settings.Contact):
        spacing = model.period / (model.points if points is None else points)
        return lambda r: jnp.where(r < spacing / 2, w.strength / spacing, 0.0)
    return soft_coulomb(w.coupling, w.softening, model.period * (model.cells if cells is None else cells))


def _form(method: AbstractMethod, experiment: Experiment, shared: TwoScale) -> tuple[AbstractDynamics, PyTree[Array]]:
    model = shared.model
    if isinstance(model, settings.RibbonModel) and method.kind in ("fine", "dirac"):
        return _chain(experiment, shared) if method.kind == "fine" else _dirac(experiment, shared, [0, 1])
    match method.kind:
        case "fine":
            return _fine(method, experiment, shared)
        case "dirac":
            energies = jnp.abs(jax.lax.stop_gradient(shared.cell.energies - shared.cell.energy))
            second = float(jnp.sort(energies)[1])
            alike = float(rounding(energies) * jnp.max(energies))  # a band is never parted from those that it touches
            near = [b for b, apart in enumerate(energies.tolist()) if apart <= second + alike]
            return _dirac(experiment, shared, shared.bands if len(shared.bands) > 1 else near)
        case _:
            return _envelope(method, experiment, shared)


def _envelope(method: AbstractMethod, experiment: Experiment, shared: TwoScale) -> tuple[AbstractDynamics, PyTree[Array]]:
    model, cell, grid = shared.model, shared.cell, shared.grid
    height, shape = slow_potential(model, experiment.time.start)
    slow = Pattern(height, jax.vmap(shape)(grid.coordinates.T))
    bent = Pattern(height, _metric_energy(shape, cell.metric, grid.coordinates))
    kinetics, second = _kinetics(shared.bloch, cell, grid), method.kind != "cgwe"
    if isinstance(method, CGWE | CGMF) and (pair_cells := method.pair_cells):
        assert isinstance(model, settings.CrystalModel) and isinstance(shared.bloch, PlaneWaves)
        w = pair_potential(model, pair_cells, PAIR_POINTS)
        assert w is not None
        own, cross = pair_masses(shared.bloch, w, pair_cells)
        parabola = shared.hbar**2 * own * grid.wavenumbers[0] ** 2 / 2
        kinetics = eqx.tree_at(lambda k: k.parabola, kinetics, parabola)
        wave = CoarseWave(grid, kinetics, slow, bent, model.particles, cross=cross, second=False, dt=shared.dt)
    else:
        interaction = _coarse_interaction(shared, second)
        wave = CoarseWave(grid, kinetics, slow, bent, model.particles, interaction, second=second, dt=shared.dt)
    if method.kind == "cgmf":
        return CoarseMeanField(wave), envelopes(shared.packets, grid)
    return wave, started(shared, grid)


def _coarse_interaction(shared: TwoScale, second: bool) -> Float[Array, "x x"] | None:
    """With a form factor if `second`."""
    model, cell = shared.model, shared.cell
    if not isinstance(model, settings.CrystalModel) or (w := pair_potential(model)) is None:
        return None
    assert isinstance(shared.bloch, PlaneWaves)
    if isinstance(model.interaction, settings.Contact):
        cells = model.interaction.ring
        coarse = cells * model.coarse_points // model.cells
        contact = pair_contact(shared.bloch, cell, w, cells, model.points, coarse, second)
        return contact / shared.grid.volume * jnp.eye(shared.grid.size)
    steps = model.length * jnp.arange(model.cells * model.points) / (model.cells * model.points)
    harmonics = shared.bloch.density_harmonics(cell.state)
    metric = cell.metric[0, 0] if second else 0.0
    kernel = _coarse_kernel(w(steps), model.cells, model.coarse_points, harmonics, metric, jnp.asarray(model.period))
    return circulant(kernel)


def _fine(method: AbstractMethod, experiment: Experiment, shared: TwoScale) -> tuple[BlochSchrodinger, Complex[Array, "..."]]:
    """Energies count from the band's edge, as those of the envelope do."""
    model, cell, bloch = shared.model, shared.cell, shared.bloch
    assert isinstance(model, settings.CrystalModel) and isinstance(bloch, PlaneWaves)
    grid = Grid((model.cells * model.points,), shared.grid.lengths)
    height, shape = slow_potential(model, experiment.time.start)
    w = pair_potential(model)
    particles = Particles(
        grid,
        Pattern(height, jax.vmap(shape)(grid.coordinates.T)),
        model.particles,
        None if w is None else grid.pairs(w),
        mass=bloch.mass,
        hbar=bloch.hbar,
    )
    lattice = bloch.potential(grid.coordinates[:, : model.points]) - cell.energy
    bands = method.bands if isinstance(method, Fine) else None
    wave = _bloch_schrodinger(particles, lattice, bands, shared.dt, model.band, model.coarse_points)
    longest = plain(wave.longest_step)
    rough = w is not None and plain(getattr(model.interaction, "softening", 0.0)) < ROUGH * plain(model.period)
    if (rough or bands is not None) and longest < shared.dt:
        wave = _bloch_schrodinger(particles, lattice, bands, 2.0 ** math.floor(math.log2(longest)), model.band, model.coarse_points)
    envelope = started(shared, shared.grid)
    corrected = shared.packets.prepared and len(shared.bands) == 1
    psi = _fine_wave(bloch, cell, shared.grid, envelope, grid.coordinates, corrected)
    return wave, _normalised(psi, grid, model.particles)


def _chain(experiment: Experiment, shared: TwoScale) -> tuple[ComponentWave, Complex[Array, "x component"]]:
    """The ribbon itself; energies count from the edge of its conduction band."""
    model, ribbon = shared.model, shared.bloch
    assert isinstance(ribbon, ArmchairRibbon)
    grid = Grid((model.cells,), shared.grid.lengths)
    height, shape = slow_potential(model, experiment.time.start)
    x = grid.coordinates[0][:, None] + ribbon.places
    slow = Pattern(height, jax.vmap(jax.vmap(lambda x: shape(x[None])))(x))
    edge = ribbon.half_gap * jnp.eye(2)
    wave = ComponentWave(
        grid, lambda k: ribbon.by_cells(k) - edge, slow, ribbon.hbar, shared.dt, ribbon.places, 1, model.coarse_points
    )
    bands = _k_dot_p(ribbon, [0, 1])
    waves = jnp.fft.fft(_spinor(shared, bands, 1), axis=0) / shared.grid.size
    sites = (waves @ bands.states)[None] * jnp.exp(1j * (x - grid.origin)[:, None, :] * shared.grid.wavenumbers[0][:, None])
    psi = jnp.sum(sites, axis=1)
    return wave, psi / jnp.sqrt(jnp.sum(jnp.abs(psi) ** 2) * grid.volume)


def _dirac(experiment: Experiment, shared: TwoScale, bands: list[int]) -> tuple[ComponentWave, Complex[Array, "x component"]]:
    model, grid, place = shared.model, shared.grid, bands.index(shared.cell.band)
    coupled = _k_dot_p(shared.bloch, bands, shared.cell.k0)
    height, shape = slow_potential(model, experiment.time.start)
    slow = Pattern(height, jnp.repeat(jax.vmap(shape)(grid.coordinates.T)[:, None], len(bands), axis=1))
    edge = shared.cell.energy * jnp.eye(len(bands))
    wave = ComponentWave(grid, lambda k: coupled.hamiltonian(k) - edge, slow, shared.bloch.hbar, shared.dt, band=place)
    return wave, _spinor(shared, coupled, place)


def envelopes(initial: Packets, grid: Grid) -> Complex[Array, "particle x"]:
    """The packets, each of norm 1."""
    return jnp.stack([envelope(grid, packet.centre, packet.width, packet.wavenumber) for packet in initial.packets])


def _spinor(shared: TwoScale, bands: KdotP, place: int) -> Complex[Array, "x component"]:
    """The envelope among coupled bands: pure where they stand apart and it is to be prepared."""
    pure = shared.packets.prepared and len(shared.bands) == 1
    return spinor(envelopes(shared.packets, shared.grid)[0], shared.grid, bands, place, pure)


def started(shared: TwoScale, grid: Grid) -> Complex[Array, "..."]:
    """Their product with the model's statistics."""
    return product(list(envelopes(shared.packets, grid)), grid, EXCHANGE[shared.model.statistics])


def _slow_energies(
    model: settings.AbstractTwoScale, time: Time, cell: CellProblem, grid: Grid, steepest: float, mixed: bool
) -> float:
    """What turns the phases that a splitting does not take exactly: the slow potential and the packets' kinetic energy."""
    height, shape = slow_potential(model, time.start)
    times = [time.start, time.end, *(plain(jump) for jump in height.jumps)]
    largest = max(abs(plain(height(t))) for t in times) * plain(jnp.max(jnp.abs(jax.vmap(shape)(grid.coordinates.T))))
    moving = model.hbar**2 * abs(plain(cell.inverse_mass[0, 0])) * steepest**2 / 2
    if mixed:
        moving = plain(jnp.max(cell.slopes)) * steepest
    pair = 0.0
    if isinstance(model, settings.CrystalModel) and (w := pair_potential(model)) is not None:
        pair = abs(plain(w(jnp.zeros(())))) * (model.particles - 1)
    return largest + moving + pair
