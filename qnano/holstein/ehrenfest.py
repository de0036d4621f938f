"""Ehrenfest dynamics of the Holstein model: the von Neumann equation of the electrons in the field of classical phonons.

    i d rho/dt = [T - diag(g Q), rho],     dQ/dt = K P,     dP/dt = -K Q + eta g (n - 1/2),     rho_ij = < c+_j c_i >,  n_i = rho_ii

or, by orbitals, with rho = sum_m |psi_m><psi_m|, i d psi_m/dt = (T - diag(g Q)) psi_m. An orbital carries the root of its
occupation as its norm, so that any mixed state is a set of orbitals. Rows are orbitals, columns sites.

Conserved: Tr rho and every eigenvalue of rho; the energy, as long as the parameters are constant. The drift is the hopping, which
keeps Q and P; the kick is the rest, which acts on each site by itself and keeps n. Both are exact, so that a splitting keeps the
eigenvalues of rho to round-off and lets the energy only oscillate. The density matrix costs as much as 2 N orbitals.

Reference: Ning, Yang and Chern, arXiv:2412.06631; the splitting: Choi and Vanicek, J. Chem. Phys. 154, 124119 (2021).
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Complex, Float, Inexact

from qnano.dynamics import AbstractSolver, AbstractSplitDynamics, Form
from qnano.holstein import observables
from qnano.holstein.hopping import hop, hop_flow
from qnano.holstein.model import Holstein, force, oscillate, rotation
from qnano.solvers.splitting import blanes_moan
from qnano.solvers.stepping import fixed

STEP = 0.25  # errors of some 1e-7 after t = 20 where g, K and J are of order 1

Electrons = Complex[Array, "row site"]
Real = Float[Array, "row site"]


class EhrenfestState(eqx.Module):
    """`electrons`: orbitals psi[orbital, site], or rho[site, site]; `displacement` Q and `momentum` P, both of shape (site,)."""

    electrons: Inexact[Array, "row site"]  # `propagate` makes them complex
    displacement: Float[Array, " site"]
    momentum: Float[Array, " site"]


def forms_of(rows: int | None, sites: int) -> dict[str, Form]:
    """What a state of so many rows of electrons looks like."""
    real = Form((sites,), is_complex=False)
    return {".electrons": Form((rows, sites)), ".displacement": real, ".momentum": real}


class AbstractEhrenfest(AbstractSplitDynamics):
    """What both forms share."""

    model: eqx.AbstractVar[Holstein]

    @abstractmethod
    def site_density(self, electrons: Electrons) -> Float[Array, " site"]:
        """n_i."""

    @abstractmethod
    def density_matrix(self, electrons: Electrons) -> Complex[Array, "site site"]:
        """rho_ij = < c+_j c_i >."""

    @abstractmethod
    def momentum_distribution(self, electrons: Electrons) -> Float[Array, " momentum"]:
        """< c+_k c_k >, momenta in the order of `jnp.fft.fftn`."""

    @abstractmethod
    def hopping_energy(self, electrons: Electrons) -> Float[Array, ""]:
        """Tr T rho."""

    @abstractmethod
    def purity(self, electrons: Electrons) -> Float[Array, ""]:
        """Tr rho^2."""

    @abstractmethod
    def hop(self, h: Float[ArrayLike, ""], electrons: Electrons) -> Electrons:
        """The electrons moved on by h under T alone."""

    @abstractmethod
    def turn(self, angle: Float[Array, " site"], electrons: Electrons) -> Electrons:
        """Each site's amplitudes turned by exp(i angle)."""

    @abstractmethod
    def rate(self, potential: Float[Array, " site"], electrons: Electrons) -> Electrons:
        """d electrons / dt under T + diag(potential)."""

    def drift(self, h: Float[ArrayLike, ""], state: EhrenfestState) -> EhrenfestState:
        return EhrenfestState(self.hop(h, state.electrons), state.displacement, state.momentum)

    def kick(self, t: Float[ArrayLike, ""], h: Float[ArrayLike, ""], state: EhrenfestState) -> EhrenfestState:
        density = self.site_density(state.electrons)
        displacement, momentum, angle = oscillate(self.model.phonons(t), h, density, state.displacement, state.momentum)
        return EhrenfestState(self.turn(angle, state.electrons), displacement, momentum)

    def vector_field(self, t: Float[Array, ""], state: EhrenfestState) -> EhrenfestState:
        phonons = self.model.phonons(t)
        velocity, push = force(phonons, self.site_density(state.electrons), state.displacement, state.momentum)
        return EhrenfestState(self.rate(-phonons.coupling * state.displacement, state.electrons), velocity, push)

    def observe(self, t: Float[Array, ""], state: EhrenfestState) -> Mapping[str, Callable[[], Array]]:
        model, electrons, q, p = self.model, state.electrons, state.displacement, state.momentum
        phonons = model.phonons(t)

        def density():
            return self.site_density(electrons)

        parts = {
            "hopping_energy": lambda: self.hopping_energy(electrons),
            "coupling_energy": lambda: observables.coupling_energy(phonons, density(), q),
            "elastic_energy": lambda: observables.oscillator_energy(phonons, q),
            "phonon_kinetic_energy": lambda: observables.oscillator_energy(phonons, p),
        }
        return parts | {
            "energy": lambda: sum((part() for part in parts.values()), jnp.zeros(())),
            "charge_order": lambda: observables.order(model, density()),
            "lattice_order": lambda: observables.order(model, q),
            "site_density": density,
            "displacement": lambda: q,
            "momentum": lambda: p,
            "charge_structure_factor": lambda: observables.structure_factor(model.sides, density()),
            "lattice_structure_factor": lambda: observables.structure_factor(model.sides, q),
            "kink_density": lambda: observables.kink_density(model, q),
            "momentum_distribution": lambda: self.momentum_distribution(electrons),
            "density_matrix": lambda: self.density_matrix(electrons),
        }

    def invariants(self, t: Float[Array, ""], state: EhrenfestState) -> dict[str, Float[Array, ""]]:
        kept = {"particles": jnp.sum(self.site_density(state.electrons)), "purity": self.purity(state.electrons)}
        return kept | ({"energy": self.observe(t, state)["energy"]()} if self.model.is_autonomous else {})

    def limits(self, t: Float[Array, ""], state: EhrenfestState) -> dict[str, Float[Array, ""]]:
        return {}  # a splitting keeps rho between 0 and 1, whatever the step

    @property
    def jumps(self) -> tuple[Float[Array, ""], ...]:
        return self.model.jumps

    @property
    def default_solver(self) -> AbstractSolver:
        return fixed(blanes_moan(), STEP)

    def coordinates(self, state: EhrenfestState) -> Float[Array, " coordinate"]:
        """The state as a point: Re rho, Im rho, Q, P. Orbitals that differ by a rotation among themselves are one point."""
        rho = self.density_matrix(state.electrons)
        return jnp.concatenate([rho.real.ravel(), rho.imag.ravel(), state.displacement, state.momentum])


class EhrenfestOrbitals(AbstractEhrenfest):
    """The motion by orbitals, `EhrenfestState` with electrons psi[orbital, site], the roots of their occupations as norms.

    `model`: the Hamiltonian. Starts are made by `qnano.holstein.ground_state`; `propagate` raises `ValueError` for other shapes.
    """

    model: Holstein

    @property
    def forms(self) -> Mapping[str, Form]:
        return forms_of(None, self.model.sites)

    def site_density(self, electrons: Electrons) -> Float[Array, " site"]:
        return jnp.sum(electrons.real**2 + electrons.imag**2, axis=0)

    def density_matrix(self, electrons: Electrons) -> Complex[Array, "site site"]:
        return electrons.T @ electrons.conj()

    def momentum_distribution(self, electrons: Electrons) -> Float[Array, " momentum"]:
        waves = jnp.fft.fftn(electrons.reshape(-1, *self.model.sides), axes=range(1, len(self.model.sides) + 1))
        return jnp.sum(waves.real**2 + waves.imag**2, axis=0).ravel() / self.model.sites

    def hopping_energy(self, electrons: Electrons) -> Float[Array, ""]:
        t = self._hopped
        return jnp.sum(electrons.real * t(electrons.real) + electrons.imag * t(electrons.imag))

    def purity(self, electrons: Electrons) -> Float[Array, ""]:
        overlaps = electrons.conj() @ electrons.T
        return jnp.sum(overlaps.real**2 + overlaps.imag**2)

    def hop(self, h: Float[ArrayLike, ""], electrons: Electrons) -> Electrons:
        return hop_flow(self.model.sides, self.model.hopping, h, electrons)

    def turn(self, angle: Float[Array, " site"], electrons: Electrons) -> Electrons:
        cos, sin = rotation(angle)
        real, imag = electrons.real, electrons.imag
        return jax.lax.complex(real * cos - imag * sin, real * sin + imag * cos)

    def rate(self, potential: Float[Array, " site"], electrons: Electrons) -> Electrons:
        def apply(x):
            return self._hopped(x) + potential * x

        return jax.lax.complex(apply(electrons.imag), -apply(electrons.real))

    def _hopped(self, x: Real) -> Real:
        return hop(self.model.sides, self.model.hopping, x)


class EhrenfestDensity(AbstractEhrenfest):
    """The motion by the density matrix, `EhrenfestState` with electrons rho[site, site] = < c+_j c_i >.

    `model`: the Hamiltonian. It costs as much as 2 N orbitals, and serves any mixed state.
    """

    model: Holstein

    @property
    def forms(self) -> Mapping[str, Form]:
        return forms_of(self.model.sites, self.model.sites)

    def site_density(self, electrons: Electrons) -> Float[Array, " site"]:
        return jnp.diagonal(electrons).real

    def density_matrix(self, electrons: Electrons) -> Complex[Array, "site site"]:
        return electrons

    def momentum_distribution(self, electrons: Electrons) -> Float[Array, " momentum"]:
        grid, axes = self.model.sides, range(len(self.model.sides))
        left = jnp.fft.fftn(electrons.reshape(*grid, -1), axes=axes).reshape(electrons.shape)
        waves = jnp.fft.ifftn(left.reshape(-1, *grid), axes=[axis + 1 for axis in axes]).reshape(electrons.shape)
        return jnp.diagonal(waves).real

    def hopping_energy(self, electrons: Electrons) -> Float[Array, ""]:
        return jnp.trace(hop(self.model.sides, self.model.hopping, electrons.real))

    def purity(self, electrons: Electrons) -> Float[Array, ""]:
        return jnp.sum(electrons.real**2 + electrons.imag**2)

    def hop(self, h: Float[ArrayLike, ""], electrons: Electrons) -> Electrons:
        def flow(h, x):
            return hop_flow(self.model.sides, self.model.hopping, h, x)

        return flow(h, flow(-jnp.asarray(h), electrons).T).T

    def turn(self, angle: Float[Array, " site"], electrons: Electrons) -> Electrons:
        cos, sin = rotation(angle)
        real, imag = electrons.real, electrons.imag
        between_cos = cos[:, None] * cos + sin[:, None] * sin
        between_sin = sin[:, None] * cos - cos[:, None] * sin
        return jax.lax.complex(real * between_cos - imag * between_sin, real * between_sin + imag * between_cos)

    def rate(self, potential: Float[Array, " site"], electrons: Electrons) -> Electrons:
        sides, hopping = self.model.sides, self.model.hopping
        difference = potential[:, None] - potential

        def commutator(x: Real) -> Real:
            return hop(sides, hopping, x, axis=0) - hop(sides, hopping, x, axis=1) + difference * x

        return jax.lax.complex(commutator(electrons.imag), -commutator(electrons.real))

    def from_orbitals(self, state: EhrenfestState) -> EhrenfestState:
        """The same state with rho = sum_m |psi_m><psi_m| in place of the orbitals."""
        psi = state.electrons
        return EhrenfestState(psi.T @ psi.conj(), state.displacement, state.momentum)
