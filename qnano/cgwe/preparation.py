"""How a problem on two scales begins, and what two particles do to each other on the coarse one: a lattice and packets suffice.

Everything here is made of a `bloch` (the lattice), its `cell` problem at the edge of a band, and a coarse `grid`.
"""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Complex, Float

from qnano.border import numbers
from qnano.cgwe.assembly import Pair
from qnano.cgwe.bloch import PlaneWaves
from qnano.cgwe.cell import CellProblem, KdotP, cell_problem
from qnano.cgwe.interaction import matched_contact
from qnano.cgwe.wave import CoarseWave, Kinetics
from qnano.schrodinger.bloch import BlochSchrodinger
from qnano.schrodinger.grid import Grid
from qnano.schrodinger.ground_state import lowest_states
from qnano.schrodinger.model import Particles, normalised
from qnano.schrodinger.shapes import packet

PAIR_POINTS = 16  # in a cell, of an interaction in the short-scale state of a pair; its plane waves reach a quarter of them
Scalar = Float[ArrayLike, ""]
# Compiled as wholes: one by one their operations would take longer to compile than many a run takes.
_cell_problem, _normalised = eqx.filter_jit(cell_problem), eqx.filter_jit(normalised)
_kinetics, _bloch_schrodinger = eqx.filter_jit(Kinetics), eqx.filter_jit(BlochSchrodinger)


def envelope(grid: Grid, centre: Scalar, width: Scalar, wavenumber: Scalar = 0.0) -> Complex[Array, " x"]:
    """exp(-(x - centre)^2 / (2 width^2) + i wavenumber x) on a ring, of norm 1; `width` is that of the amplitude."""
    numbers("width", width, shape=(), above=0.0)
    one = lambda number: jnp.asarray(number, float)[None]  # noqa: E731
    return _normalised(packet(grid, one(centre), one(width) / jnp.sqrt(2.0), one(wavenumber)), grid)


def product(envelopes: Sequence[Complex[Array, " x"]], grid: Grid, exchange: int = 0) -> Complex[Array, "*configuration"]:
    """One envelope for each particle, made symmetric or antisymmetric where `exchange` is 1 or -1; of norm 1."""
    psi = envelopes[0]
    for other in envelopes[1:]:
        psi = psi[..., None] * other
    return _normalised(psi, grid, len(envelopes), exchange)


def spinor(start: Complex[Array, " x"], grid: Grid, bands: KdotP, place: int, pure: bool = True) -> Complex[Array, "x component"]:
    """An envelope among several coupled bands: in that at `place` alone if it is `pure`, else in its component alone."""
    if not pure:
        return start[:, None] * jnp.eye(len(bands.energies))[place]
    modes = jax.vmap(lambda k: jnp.linalg.eigh(bands.hamiltonian(k))[1][:, place])(grid.wavenumbers.T)
    modes = modes * (modes[:, place].conj() / jnp.abs(modes[:, place]))[:, None]
    return jnp.fft.ifft(jnp.fft.fft(start)[:, None] * modes, axis=0)


def soft_coulomb(coupling: Scalar, softening: Scalar, length: Scalar) -> Callable[[Array], Array]:
    """w(r) = coupling / sqrt(d^2 + softening^2), d the chord of a ring of this length over the arc r."""

    def w(r: Array) -> Array:
        return jnp.asarray(coupling) / jnp.sqrt((length / jnp.pi * jnp.sin(jnp.pi * r / length)) ** 2 + softening**2)

    return w


def pair_masses(bloch: PlaneWaves, w: Callable[[Array], Array], cells: int) -> Float[Array, " 2"]:
    """(1/M)_11 and (1/M)_12 of two particles on a ring of some `cells`, with their interaction w(r) in the short-scale state.

    For a lattice that is one cosine, at the bottom of its lowest band.
    """
    period = bloch.period
    unit = bloch.hbar**2 / (bloch.mass * period**2)
    steps = jnp.arange(cells * PAIR_POINTS) / PAIR_POINTS
    repulsion = w(period * jnp.minimum(steps, cells - steps))
    pair = Pair(cells, bloch.amplitudes[0] / unit, repulsion / unit, cells * PAIR_POINTS // 4)
    return _cell_problem(pair).inverse_mass[0] / bloch.mass


def pair_contact(
    bloch: PlaneWaves, cell: CellProblem, w: Callable[[Array], Array], cells: int, points: int, coarse_points: int, second: bool
) -> Float[Array, ""]:
    """The contact by which two envelopes on a ring of some `cells` have the lowest energy of the fine pair there.

    The fine ring has `points` in a cell, the coarse one `coarse_points` in all; `second` is that of `CoarseWave`. Derivatives move
    the energy along.
    """
    lengths = jnp.asarray(cells * bloch.period, float)[None]
    ring, small = Grid((cells * points,), lengths), Grid((coarse_points,), lengths)
    pair = Particles(ring, jnp.zeros(ring.points), 2, ring.pairs(w), mass=bloch.mass, hbar=bloch.hbar)
    fine = _bloch_schrodinger(pair, bloch.potential(ring.coordinates[:, :points]) - cell.energy)
    psi = lowest_states(jax.tree.map(jax.lax.stop_gradient, fine), exchange=1).waves[0]
    wanted = jnp.vdot(psi, fine.apply(jnp.zeros(()), psi)).real * ring.volume**2
    flat, kinetics = jnp.zeros(small.points), _kinetics(bloch, cell, small)
    return matched_contact(wanted, CoarseWave(small, kinetics, flat, particles=2, second=second))
