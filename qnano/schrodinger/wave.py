"""The time-dependent Schroedinger equation on a grid, by exactly solvable halves.

    i hbar d psi/dt = (H0 + V(t)) psi

The drift is the flow of H0, which does not depend on time: the kinetic energy by Fourier transforms (`Schrodinger`), or kinetic
energy and lattice by Bloch waves (`qnano.schrodinger.bloch`). The kick is the flow of V, a phase at every place. Both are
unitary, so that a splitting keeps the norm to round-off; the energy oscillates without drift.

Reference: Feit, Fleck and Steiger, J. Comput. Phys. 47, 412 (1982).
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from qnano.dynamics import AbstractSolver, AbstractSplitDynamics, Form
from qnano.schrodinger import observables
from qnano.schrodinger.energetics import Probe, energetic_observables
from qnano.schrodinger.grid import Grid, multiplied, summed
from qnano.schrodinger.model import Particles
from qnano.solvers.splitting import blanes_moan
from qnano.solvers.stepping import fixed

Wave = Complex[Array, "*configuration"]


class AbstractWave(AbstractSplitDynamics):
    """What all wavefunctions on grids share; the state is the wavefunction."""

    @property
    @abstractmethod
    def grid(self) -> Grid:
        """Of one particle."""

    @property
    @abstractmethod
    def number(self) -> int:
        """Of particles."""

    @property
    @abstractmethod
    def hbar(self) -> Float[Array, ""]:
        """In the units of the model."""

    @property
    @abstractmethod
    def is_autonomous(self) -> bool:
        """Whether H is constant."""

    @property
    @abstractmethod
    def kinetic_energies(self) -> Float[Array, "*x"]:
        """Of one particle, at the wavenumbers of the grid."""

    @abstractmethod
    def free(self, psi: Wave) -> Wave:
        """H0 psi."""

    @abstractmethod
    def potential(self, t: Float[Array, ""]) -> Float[Array, "*configuration"]:
        """V(t) as a function of all places."""

    @abstractmethod
    def absorption(self) -> Float[Array, "*configuration"] | None:
        """eta as a function of all places, where something absorbs."""

    @property
    def is_reversible(self) -> bool:
        return self.absorption() is None

    @property
    def forms(self) -> Mapping[str, Form]:
        return {"": Form(self.grid.points * self.number)}

    def kick(self, t: Float[Array, ""], h: Float[Array, ""], state: Wave) -> Wave:
        eta = self.absorption()
        turned = jnp.exp(-1j * h / self.hbar * self.potential(t)) * state
        return turned if eta is None else jnp.exp(-h / self.hbar * eta) * turned

    def apply(self, t: Float[Array, ""], psi: Wave) -> Wave:
        """H(t) psi, without absorption."""
        return self.free(psi) + self.potential(t) * psi

    def vector_field(self, t: Float[Array, ""], state: Wave) -> Wave:
        eta = self.absorption()
        rate = -1j / self.hbar * self.apply(t, state)
        return rate if eta is None else rate - eta / self.hbar * state

    def observe(self, t: Float[Array, ""], state: Wave) -> Mapping[str, Callable[[], Array]]:
        grid, number = self.grid, self.number

        def free():
            return observables.mean(grid, number, state, self.free(state))

        def potential():
            return observables.mean(grid, number, state, self.potential(t) * state)

        def density():
            return observables.density(grid, number, state)

        return {
            "norm": lambda: observables.norm(grid, number, state),
            "energy": lambda: free() + potential(),
            "free_energy": free,
            "potential_energy": potential,
            "particle_density": density,
            "position": lambda: observables.position(grid, number, density()),
            "spread": lambda: observables.spread(grid, number, density()),
            "seam_share": lambda: observables.seam_share(grid, number, density()),
            "edge_share": lambda: observables.edge_share(grid.wavenumbers, observables.momentum_distribution(grid, number, state)),
            "wave_momentum": lambda: observables.momentum(grid, number, self.hbar, state),
            "wavefunction": lambda: state,
        }

    def invariants(self, t: Float[Array, ""], state: Wave) -> dict[str, Float[Array, ""]]:
        if self.absorption() is not None:
            return {}
        kept = {"norm": observables.norm(self.grid, self.number, state)}
        return kept | ({"energy": self.observe(t, state)["energy"]()} if self.is_autonomous else {})

    def limits(self, t: Float[Array, ""], state: Wave) -> dict[str, Float[Array, ""]]:
        return {}  # both flows are unitary


class AbstractParticleWave(AbstractWave):
    """A wave of the particles of a `model`; they are moved by different drifts."""

    model: eqx.AbstractVar[Particles]

    @property
    def grid(self) -> Grid:
        return self.model.grid

    @property
    def number(self) -> int:
        return self.model.number

    @property
    def hbar(self) -> Float[Array, ""]:
        return self.model.hbar

    @property
    def is_autonomous(self) -> bool:
        return self.model.is_autonomous

    @property
    def jumps(self) -> tuple[Float[Array, ""], ...]:
        return tuple(time for field in self.model.fields for time in field.jumps)

    @property
    def kinetic_energies(self) -> Float[Array, "*x"]:
        return self.model.kinetic_energies

    def potential(self, t: Float[Array, ""]) -> Float[Array, "*configuration"]:
        return self.model.energy_surface(t)

    def absorption(self) -> Float[Array, "*configuration"] | None:
        return None if self.model.absorber is None else summed(self.model.absorber, self.number)


class Schrodinger(AbstractParticleWave):
    """A wave whose H0 is the kinetic energy; all potentials are in the kick.

    `model`: the particles and what acts on them.
    `dt`: the step of the default solver, in the model's unit of time.
    `probe`: how local energies are measured, and in which regions.

    The state is psi[x_1, ..., x_N], complex, each x as many axes as the grid has, with sum |psi|^2 dV^N = 1. Where the model
    absorbs, the norm falls, nothing is conserved, and `Reversible` is refused.
    """

    model: Particles
    dt: float = 0.01
    probe: Probe = Probe()

    @property
    def default_solver(self) -> AbstractSolver:
        return fixed(blanes_moan(4), self.dt)

    def observe(self, t: Float[Array, ""], state: Wave) -> Mapping[str, Callable[[], Array]]:
        """With local energies, which need the kinetic energy and the potentials apart."""
        measured = super().observe(t, state)

        def motion(t, psi):
            return -1j / self.hbar * self.apply(t, psi)

        local = energetic_observables(self.model, t, state, motion, self.absorption(), self.probe)
        return {**measured, "kinetic_energy": measured["free_energy"], **local}

    def drift(self, h: Float[Array, ""], state: Wave) -> Wave:
        phases = jnp.exp(-1j * h / self.hbar * self.model.kinetic_energies)
        return jnp.fft.ifftn(multiplied(phases, self.number, jnp.fft.fftn(state)))

    def free(self, psi: Wave) -> Wave:
        return jnp.fft.ifftn(summed(self.model.kinetic_energies, self.number) * jnp.fft.fftn(psi))
