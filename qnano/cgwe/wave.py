"""The coarse-grained wave equation on a grid, its second order, and the way back to the fine wave.

    CGWE      i hbar dF/dt = [ (hbar^2/2) k.(1/M).k + U(x) + W(x_1 - x_2) ] F                     k = -i d/dx, from k0
    CGWE-2    i hbar dF/dt = [ E(k0 + k) - E(k0) + U(x) + g_ij d_i d_j U / 2 + W ] F              k in the first zone

    psi(x) = exp(ik0.x) [ u(x) + chi_j(x) k_j ] F(x)

Lengths and times are those of the fine problem: with a potential of order eps^2 over 1/eps cells, the first is right to eps (to
eps^2 in the coarse density and with the corrector chi), the second, for a band with inversion symmetry, to eps^2 (eps^4). The
band itself takes the place of its fourth-order expansion, which is not bounded from below.

The equation is re-derived here by two-scale expansion; Z. Shreif and P. Ortoleva, arXiv:1103.1862, propose one of this form.
It needs a gap between the band and all others that is large against the slow energies.
"""

from collections.abc import Callable, Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from qnano.border import numbers
from qnano.cgwe.bloch import AbstractBloch
from qnano.cgwe.cell import CellProblem, dispersion
from qnano.dynamics import AbstractSolver
from qnano.fields import AbstractField, as_field, require_fit
from qnano.schrodinger import observables
from qnano.schrodinger.grid import Grid, multiplied, spread_out, summed
from qnano.schrodinger.wave import AbstractWave, Wave
from qnano.solvers.splitting import blanes_moan
from qnano.solvers.stepping import fixed

SEEN = 1e-6  # share of the largest momentum density from which on a wavenumber counts as filled


class Kinetics(eqx.Module):
    """A band as kinetic energy on the grid's wavenumbers, both ways: `band` E(k0 + k) - E(k0), and its `parabola`.

    Raises `ValueError` for a grid of another dimension than the lattice.
    """

    cell: CellProblem
    period: Float[Array, ""]
    band: Float[Array, "*x"]
    parabola: Float[Array, "*x"]

    def __init__(self, bloch: AbstractBloch, cell: CellProblem, grid: Grid):
        if grid.dimension != bloch.dimension:
            raise ValueError(f"grid: got {grid.dimension} axes; must be {bloch.dimension}, as the lattice has")
        self.period = bloch.period
        k = grid.wavenumbers
        centre = cell.k0.reshape(-1, *(1,) * grid.dimension)
        self.cell = cell
        self.band = dispersion(bloch, centre + k, cell.band) - cell.energy
        self.parabola = cell.parabola(k)


class CoarseWave(AbstractWave):
    """The envelope of one or more particles.

    `grid`: the coarse grid, of one particle.
    `kinetics`: the band as kinetic energy on that grid.
    `slow`: U, of the shape of the grid, an array or a field of time.
    `metric_energy`: g_ij d_i d_j U / 2, likewise; by default zero.
    `particles`: how many.
    `interaction`: W, a matrix over the points of one axis, or None.
    `cross`: (1/M)_12 between any two one-dimensional particles, or None.
    `second`: CGWE-2 instead of CGWE.
    `dt`: the step of the default solver, in the unit of time of the fine problem.

    The state is F[x_1, ..., x_N], complex, of norm 1. Raises `ValueError` for other shapes, and for an interaction in more than one
    dimension.
    """

    coarse: Grid
    kinetics: Kinetics
    slow: AbstractField
    metric_energy: AbstractField
    particles: int = eqx.field(static=True)
    interaction: Float[Array, "x x"] | None
    cross: Float[Array, ""] | None
    second: bool = eqx.field(static=True)
    dt: float = eqx.field(static=True)

    def __init__(
        self,
        grid: Grid,
        kinetics: Kinetics,
        slow: AbstractField | Shaped[Array, "*x"],
        metric_energy: AbstractField | Shaped[Array, "*x"] | None = None,
        particles: int = 1,
        interaction: Shaped[Array, "x x"] | None = None,
        cross: Shaped[Array, ""] | float | None = None,
        second: bool = True,
        dt: float = 1.0,
    ):
        numbers("particles", particles, kind="integer", shape=(), least=1)
        numbers("dt", dt, shape=(), above=0.0)
        self.coarse, self.kinetics, self.particles, self.second, self.dt = grid, kinetics, particles, second, dt
        self.slow = as_field(slow, "slow")
        self.metric_energy = as_field(jnp.zeros(grid.points) if metric_energy is None else metric_energy, "metric_energy")
        if interaction is not None:
            numbers("interaction", interaction, shape=grid.points * 2)
        if cross is not None:
            numbers("cross", cross, shape=())
        self.interaction = interaction
        self.cross = None if cross is None else jnp.asarray(cross)

    def __check_init__(self):
        if self.coarse.dimension > 1 and (self.interaction is not None or self.cross is not None):
            raise ValueError(f"interaction: got one on {self.coarse.dimension} axes; particles that interact live on one")
        for name in ("slow", "metric_energy"):
            require_fit(name, getattr(self, name), self.coarse.points)

    @property
    def grid(self) -> Grid:
        return self.coarse

    @property
    def number(self) -> int:
        return self.particles

    @property
    def hbar(self) -> Float[Array, ""]:
        return self.kinetics.cell.hbar

    @property
    def is_autonomous(self) -> bool:
        return self.slow.is_constant and self.metric_energy.is_constant

    @property
    def jumps(self) -> tuple[Float[Array, ""], ...]:
        return self.slow.jumps

    @property
    def default_solver(self) -> AbstractSolver:
        return fixed(blanes_moan(4), self.dt)

    @property
    def kinetic_energies(self) -> Float[Array, "*x"]:
        """Of one particle at the grid's wavenumbers."""
        return self.kinetics.band if self.second else self.kinetics.parabola

    @property
    def cross_energies(self) -> Float[Array, "*configuration"] | None:
        """hbar^2 sum_{i<j} (1/M)_ij k_i k_j."""
        if self.cross is None:
            return None
        k, n = self.coarse.wavenumbers[0], self.particles
        pairs = [spread_out(k, i, n) * spread_out(k, j, n) for i in range(n) for j in range(i + 1, n)]
        return self.hbar**2 * self.cross * sum(pairs[1:], pairs[0])

    def drift(self, h: Float[Array, ""], state: Wave) -> Wave:
        waves = multiplied(jnp.exp(-1j * h / self.hbar * self.kinetic_energies), self.particles, jnp.fft.fftn(state))
        if (cross := self.cross_energies) is not None:
            waves = jnp.exp(-1j * h / self.hbar * cross) * waves
        return jnp.fft.ifftn(waves)

    def free(self, psi: Wave) -> Wave:
        kinetic = summed(self.kinetic_energies, self.particles)
        if (cross := self.cross_energies) is not None:
            kinetic = kinetic + cross
        return jnp.fft.ifftn(kinetic * jnp.fft.fftn(psi))

    def one_body(self, t: Float[Array, ""]) -> Float[Array, "*x"]:
        """U, with its metric term in the second order."""
        return self.slow(t) + self.metric_energy(t) if self.second else self.slow(t)

    def potential(self, t: Float[Array, ""]) -> Float[Array, "*configuration"]:
        n, points = self.particles, self.coarse.size
        total = summed(self.one_body(t), n)
        if self.interaction is not None:
            for i in range(n):
                for j in range(i + 1, n):
                    total = total + self.interaction.reshape([points if p in (i, j) else 1 for p in range(n)])
        return total

    def absorption(self) -> None:
        return None

    def observe(self, t: Float[Array, ""], state: Wave) -> Mapping[str, Callable[[], Array]]:
        def density():
            return observables.density(self.coarse, self.particles, state)

        def weights():
            return observables.momentum_distribution(self.coarse, self.particles, state)

        return {**AbstractWave.observe(self, t, state), **estimates(self, t, density, weights)}


def estimates(dynamics, t: Float[Array, ""], density: Callable, weights: Callable) -> dict[str, Callable[[], Array]]:
    """The coarse density, and what bounds the error of an envelope with this density and distribution of momenta.

    corrector_norm      |chi dF|, the share of the fine wave (as an amplitude) that is not u F
    non_parabolicity    of the mean kinetic energy, relative: what CGWE leaves out and CGWE-2 has
    metric_term         mean of g d d U / 2, an energy: idem
    zone_filling        the largest wavenumber that is filled, over that of the zone's edge
    """
    grid, kinetics, period = dynamics.coarse, dynamics.kinetics, dynamics.kinetics.period
    k, metric = grid.wavenumbers, kinetics.cell.metric

    def non_parabolicity():
        parabola = jnp.sum(weights() * kinetics.parabola)
        return jnp.abs(jnp.sum(weights() * kinetics.band) / parabola - 1)

    def zone_filling():
        filled = weights() > SEEN * jnp.max(weights())
        return jnp.max(jnp.where(filled, jnp.max(jnp.abs(k), axis=0) * period / jnp.pi, 0.0))

    return {
        "coarse_density": lambda: dressed_density(grid, density(), metric) if dynamics.second else density(),
        "corrector_norm": lambda: jnp.sqrt(jnp.sum(weights() * jnp.einsum("i...,ij,j...->...", k, metric, k)) / dynamics.number),
        "non_parabolicity": non_parabolicity,
        "metric_term": lambda: jnp.sum(density() * dynamics.metric_energy(t)) * grid.volume,
        "zone_filling": zone_filling,
    }


def dressed_density(grid: Grid, n: Float[Array, "*x"], metric: Float[Array, "axis axis"]) -> Float[Array, "*x"]:
    """n + g_ij d_i d_j n / 2: what is left of the fine density when all that oscillates with the lattice is left out."""
    k = grid.wavenumbers
    waves = (1 - jnp.einsum("i...,ij,j...->...", k, metric, k) / 2) * jnp.fft.fftn(n)
    return jnp.fft.ifftn(waves).real


def metric_energy(
    potential: Callable[[Float[Array, " axis"]], Float[Array, ""]], metric: Float[Array, "axis axis"], x: Float[Array, "axis *x"]
) -> Float[Array, "*x"]:
    """g_ij d_i d_j U / 2 at points, from U as a function of one point."""
    bent = jax.vmap(jax.hessian(potential))(x.reshape(len(x), -1).T)
    return (jnp.einsum("xij,ij->x", bent, metric) / 2).reshape(x.shape[1:])
