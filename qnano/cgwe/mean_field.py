"""CGMF: the coarse-grained wave equation for N particles as a product of orbitals.

    i hbar dw_i/dt = [ E_kin(k) + hbar k . sum_{j!=i} (1/M)_ij hbar <k>_j + U + sum_{j!=i} int W(x - x') |w_j(x')|^2 dx' ] w_i

It follows from the variational principle for F = w_1(x_1) ... w_N(x_N). Exchange is in the short-scale wave already, so there is
no Fock term; the cross masses give a term in the currents. Both halves of the splitting are exact: the kinetic one keeps every
<k>_j, the other every density.

The product is an approximation whose error grows with the square of the interaction; `rank_defect` measures what a product can
reach at best, from a two-particle wave.
"""

from collections.abc import Callable, Mapping

import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from qnano.cgwe.wave import CoarseWave, Kinetics, estimates
from qnano.dynamics import AbstractSolver, AbstractSplitDynamics, Form
from qnano.fields import AbstractField
from qnano.schrodinger import observables
from qnano.schrodinger.grid import Grid
from qnano.solvers.splitting import blanes_moan
from qnano.solvers.stepping import fixed

Orbitals = Complex[Array, "particle x"]


class CoarseMeanField(AbstractSplitDynamics):
    """The product form of a `CoarseWave` of any number of one-dimensional particles.

    `wave`: the equation whose solution is made a product.

    The state is w[particle, x], complex, one orbital of norm 1 in each row.
    """

    wave: CoarseWave

    @property
    def coarse(self) -> Grid:
        return self.wave.coarse

    @property
    def kinetics(self) -> Kinetics:
        return self.wave.kinetics

    @property
    def metric_energy(self) -> AbstractField:
        return self.wave.metric_energy

    @property
    def number(self) -> int:
        return self.wave.particles

    @property
    def second(self) -> bool:
        return self.wave.second

    @property
    def forms(self) -> Mapping[str, Form]:
        return {"": Form((self.number, *self.coarse.points))}

    @property
    def jumps(self) -> tuple[Float[Array, ""], ...]:
        return self.wave.jumps

    @property
    def default_solver(self) -> AbstractSolver:
        return fixed(blanes_moan(4), self.wave.dt)

    def drift(self, h: Float[Array, ""], state: Orbitals) -> Orbitals:
        return jnp.fft.ifft(jnp.exp(-1j * h / self.wave.hbar * self._kinetic(state)) * jnp.fft.fft(state))

    def kick(self, t: Float[Array, ""], h: Float[Array, ""], state: Orbitals) -> Orbitals:
        return jnp.exp(-1j * h / self.wave.hbar * self._felt(t, state)) * state

    def vector_field(self, t: Float[Array, ""], state: Orbitals) -> Orbitals:
        moved = jnp.fft.ifft(self._kinetic(state) * jnp.fft.fft(state)) + self._felt(t, state) * state
        return -1j / self.wave.hbar * moved

    def _kinetic(self, state: Orbitals) -> Float[Array, "particle x"]:
        """Energies at the grid's wavenumbers, the others' currents included."""
        energies = jnp.broadcast_to(self.wave.kinetic_energies, state.shape)
        if self.wave.cross is None:
            return energies
        k, means = self.coarse.wavenumbers[0], self._wavenumbers(state)
        return energies + self.wave.hbar**2 * self.wave.cross * k * (jnp.sum(means) - means)[:, None]

    def _felt(self, t: Float[Array, ""], state: Orbitals) -> Float[Array, "particle x"]:
        potential = jnp.broadcast_to(self.wave.one_body(t), state.shape)
        return potential + jnp.sum(self._fields(state), axis=0)

    def _fields(self, state: Orbitals) -> Float[Array, "source particle x"]:
        """What each particle lets every other feel."""
        if self.wave.interaction is None:
            return jnp.zeros((1, *state.shape))
        fields = (self._densities(state) @ self.wave.interaction) * self.coarse.volume
        others = 1 - jnp.eye(len(state))
        return others[:, :, None] * fields[:, None, :]

    def _densities(self, state: Orbitals) -> Float[Array, "particle x"]:
        return state.real**2 + state.imag**2

    def _wavenumbers(self, state: Orbitals) -> Float[Array, " particle"]:
        weights = self._densities(jnp.fft.fft(state))
        return weights @ self.coarse.wavenumbers[0] / jnp.sum(weights, axis=1)

    def energies(self, t: Float[Array, ""], state: Orbitals) -> Float[Array, " 3"]:
        """Kinetic energy, that of U, that of W."""
        densities, cell = self._densities(state), self.coarse.volume
        own = jnp.fft.ifft(self.wave.kinetic_energies * jnp.fft.fft(state))
        means = self._wavenumbers(state)
        kinetic = jnp.sum(state.real * own.real + state.imag * own.imag) * cell
        if self.wave.cross is not None:
            kinetic = kinetic + self.wave.hbar**2 * self.wave.cross * (jnp.sum(means) ** 2 - jnp.sum(means**2)) / 2
        potential = jnp.sum(densities @ self.wave.one_body(t)) * cell
        return jnp.stack([kinetic, potential, jnp.sum(jnp.sum(self._fields(state), axis=0) * densities) * cell / 2])

    def observe(self, t: Float[Array, ""], state: Orbitals) -> Mapping[str, Callable[[], Array]]:
        grid, number = self.coarse, self.number

        def density():
            return jnp.sum(self._densities(state), axis=0)

        def weights():
            n = jnp.sum(self._densities(jnp.fft.fft(state)), axis=0)
            return number * n / jnp.sum(n)

        def energies():
            return self.energies(t, state)

        return {
            "norm": lambda: jnp.prod(jnp.sum(self._densities(state), axis=1) * grid.volume),
            "energy": lambda: jnp.sum(energies()),
            "free_energy": lambda: energies()[0],
            "potential_energy": lambda: energies()[1] + energies()[2],
            "particle_density": density,
            "position": lambda: observables.position(grid, number, density()),
            "spread": lambda: observables.spread(grid, number, density()),
            "seam_share": lambda: observables.seam_share(grid, number, density()),
            "edge_share": lambda: observables.edge_share(grid.wavenumbers, weights()),
            "wave_momentum": lambda: self.wave.hbar * jnp.mean(self._wavenumbers(state), keepdims=True),
            **estimates(self, t, density, weights),
        }

    def invariants(self, t: Float[Array, ""], state: Orbitals) -> dict[str, Float[Array, ""]]:
        kept = {"norm": jnp.prod(jnp.sum(self._densities(state), axis=1) * self.coarse.volume)}
        return kept | ({"energy": jnp.sum(self.energies(t, state))} if self.wave.is_autonomous else {})

    def limits(self, t: Float[Array, ""], state: Orbitals) -> dict[str, Float[Array, ""]]:
        return {}  # both flows are unitary


def rank_defect(psi: Complex[Array, "x y"]) -> Float[Array, ""]:
    """1 - s_max^2: the smallest infidelity that a product can have with a two-particle wave."""
    s = jnp.linalg.svd(psi, compute_uv=False)
    return 1 - s[0] ** 2 / jnp.sum(s**2)


def product(orbitals: Orbitals) -> Complex[Array, "*configuration"]:
    """w_1(x_1) ... w_N(x_N)."""
    psi = orbitals[0]
    for orbital in orbitals[1:]:
        psi = psi[..., None] * orbital
    return psi
