"""Envelopes of several bands: the Dirac-like coarse-grained wave equation, and chains of hopping sites beside it.

    i hbar dF_a/dt = sum_b H_ab(k) F_b + U(x + s_a) F_a,       k = -i d/dx

H(k) is a matrix for each wavenumber of the grid. With H from a `KdotP` model of two (nearly) degenerate bands this is the
coarse-grained equation in the time eps^-1; with H(k) of a chain itself, one cell per point, and the places s_a of its sites, it is
the fine problem. The drift is exact by the eigenvectors of H, the kick by phases.
"""

from collections.abc import Callable, Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Complex, Float, Shaped

from qnano.border import numbers
from qnano.dynamics import AbstractSolver, AbstractSplitDynamics, Form
from qnano.fields import AbstractField, as_field, require_fit
from qnano.schrodinger import observables
from qnano.schrodinger.bloch import unitary
from qnano.schrodinger.grid import Grid, resampled
from qnano.solvers.splitting import blanes_moan
from qnano.solvers.stepping import fixed
from qnano.spectral import eigh

Spinor = Complex[Array, "x component"]


class ComponentWave(AbstractSplitDynamics):
    """A wave of several components on a line.

    `grid`: one axis.
    `hamiltonian`: H(k), a function from a wavenumber, shape (1,), to a matrix over the components.
    `potential`: U, shape (x, component), an array or a field of time.
    `hbar`: in the units of the problem.
    `dt`: the step of the default solver.
    `places`: s_a of every component within the cell; by default zero.
    `band`: the one of H(k) that is followed; `other_bands` measures the probability outside of it.
    `coarse_points`: on how many points `coarse_density` is measured; by default all.

    The state is F[x, component], complex, of norm 1. Raises `ValueError` for a band that H(k) has not, and for numbers and arrays
    that cannot be.
    """

    grid: Grid
    hbar: Float[Array, ""]
    matrices: Complex[Array, "k component component"]
    energies: Float[Array, "k component"]
    modes: Complex[Array, "k component component"]
    potential: AbstractField
    places: Float[Array, " component"]
    band: int = eqx.field(static=True)
    coarse_points: int = eqx.field(static=True)
    dt: float = eqx.field(static=True)

    def __init__(
        self,
        grid: Grid,
        hamiltonian: Callable[[Float[Array, " 1"]], Complex[Array, "component component"]],
        potential: AbstractField | Shaped[Array, "x component"],
        hbar: Shaped[ArrayLike, ""] = 1.0,
        dt: float = 1.0,
        places: Shaped[Array, " component"] | None = None,
        band: int = 1,
        coarse_points: int | None = None,
    ):
        numbers("hbar", hbar, shape=(), above=0.0)
        numbers("dt", dt, shape=(), above=0.0)
        self.grid, self.hbar, self.dt, self.band = grid, jnp.asarray(hbar, jnp.result_type(float)), dt, band
        self.coarse_points = grid.size if coarse_points is None else coarse_points
        self.matrices = jax.vmap(hamiltonian)(grid.wavenumbers.T)
        self.energies, self.modes = jax.vmap(eigh)(jax.lax.stop_gradient(self.matrices))
        self.potential = as_field(potential, "potential")
        components = self.matrices.shape[-1]
        numbers("band", band, kind="integer", shape=(), least=0, most=components - 1)
        numbers("coarse_points", self.coarse_points, kind="integer", shape=(), least=1)
        if places is not None:
            numbers("places", places, shape=(components,))
        self.places = jnp.zeros(components) if places is None else places

    def __check_init__(self):
        want = (*self.grid.points, self.matrices.shape[-1])
        if self.grid.dimension != 1:
            raise ValueError(f"grid: got {self.grid.dimension} axes; must be a line")
        require_fit("potential", self.potential, want)

    @property
    def forms(self) -> Mapping[str, Form]:
        return {"": Form((*self.grid.points, self.matrices.shape[-1]))}

    @property
    def jumps(self) -> tuple[Float[Array, ""], ...]:
        return self.potential.jumps

    @property
    def default_solver(self) -> AbstractSolver:
        return fixed(blanes_moan(4), self.dt)

    def drift(self, h: Float[Array, ""], state: Spinor) -> Spinor:
        steps = unitary(h / self.hbar, self.matrices, self.energies, self.modes)
        return self._each(steps, state)

    def kick(self, t: Float[Array, ""], h: Float[Array, ""], state: Spinor) -> Spinor:
        return jnp.exp(-1j * h / self.hbar * self.potential(t)) * state

    def apply(self, t: Float[Array, ""], state: Spinor) -> Spinor:
        """H(t) F."""
        return self._each(self.matrices, state) + self.potential(t) * state

    def _each(self, matrices: Complex[Array, "k component component"], state: Spinor) -> Spinor:
        return jnp.fft.ifft(jnp.einsum("kab,kb->ka", matrices, jnp.fft.fft(state, axis=0)), axis=0)

    def vector_field(self, t: Float[Array, ""], state: Spinor) -> Spinor:
        return -1j / self.hbar * self.apply(t, state)

    def observe(self, t: Float[Array, ""], state: Spinor) -> Mapping[str, Callable[[], Array]]:
        def densities():
            return state.real**2 + state.imag**2

        x = self.grid.coordinates[0][:, None] + self.places

        def energy():
            moved = self.apply(t, state)
            return jnp.sum(state.real * moved.real + state.imag * moved.imag) * self.grid.volume

        def mean(f):
            return jnp.sum(f * densities(), keepdims=True)[0] * self.grid.volume

        return {
            "norm": lambda: jnp.sum(densities()) * self.grid.volume,
            "energy": energy,
            "coarse_density": lambda: self._together(densities()),
            "position": lambda: mean(x),
            "spread": lambda: jnp.sqrt(mean((x - mean(x)) ** 2)),
            "seam_share": lambda: observables.seam_share(self.grid, 1, jnp.sum(densities(), axis=1)),
            "edge_share": lambda: observables.edge_share(
                self.grid.wavenumbers, jnp.sum(jnp.abs(jnp.fft.fft(state, axis=0)) ** 2, axis=1)
            ),
            "other_bands": lambda: 1 - self.share(self.band, state),
        }

    def _together(self, densities: Float[Array, "x component"]) -> Float[Array, " coarse"]:
        """The components' densities, each moved from its place to the point of its cell."""
        phases = jnp.exp(-1j * self.grid.wavenumbers[0][:, None] * self.places)
        moved = jnp.fft.ifft(jnp.sum(phases * jnp.fft.fft(densities, axis=0), axis=1)).real
        return resampled(moved, (self.coarse_points,)).real

    def share(self, band: int, state: Spinor) -> Float[Array, ""]:
        """The probability to be in a band of H(k)."""
        parts = jnp.einsum("ka,ka->k", self.modes[:, :, band].conj(), jnp.fft.fft(state, axis=0))
        return jnp.sum(jnp.abs(parts) ** 2) / self.grid.size * self.grid.volume

    def invariants(self, t: Float[Array, ""], state: Spinor) -> dict[str, Float[Array, ""]]:
        measured = self.observe(t, state)
        return {name: measured[name]() for name in ("norm", *(("energy",) if self.potential.is_constant else ()))}

    def limits(self, t: Float[Array, ""], state: Spinor) -> dict[str, Float[Array, ""]]:
        return {}  # both flows are unitary
