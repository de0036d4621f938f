"""Cumulant BBGKY: D1 and the two-particle correlations move independently, the three-particle cumulant neglected.

For a singlet, with d the D1 of one spin, L the opposite-spin cumulant, L_upup = L - (a <-> b) and h' = h + U_i d_ii,

    i dd/dt = [h', d] + (U_a L[aa;xa] - h.c.),          i dL/dt = X + X^T - h.c.,     X^T[ab;xy] = X[ba;yx],

    X[ab;xy] = h'_ae L[eb;xy]                                             mean field
             + U_b (delta_ab / 2 - d_ab) A[bb;xy]                         source; particle-particle ladder, both Pauli blocked
             - U_b d_bx L[ab;by]                                          particle-hole ladder
             + U_b L_upup[ab;xb] d_by                                     polarisation (GW)

with A = d d + L; without the particle-particle ladder A = d d. All channels make the dynamically screened ladder; none, the second
Born approximation (the G1-G2 scheme of the Hartree-Fock GKBA: Joost, Schluenzen and Bonitz, Phys. Rev. B 101, 245101 (2020)). The
energy 2 Tr(h d) + sum_i U_i (d_ii^2 + L[ii;ii]) is conserved; that L contracts to d^2 - d is not. Time and memory O(N_s^4).
"""

from collections.abc import Callable, Mapping

import diffrax
import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from qnano.border import numbers
from qnano.dynamics import AbstractSolver, Form
from qnano.fermions import rdm
from qnano.fermions.cumulants import two_cumulant, uncorrelated
from qnano.fermions.representability import particle_hole_extremes
from qnano.fermions.types import OneRDM, TwoRDM
from qnano.fusion import computed_once
from qnano.hubbard.energetics import LocalRDMs, energetic_observables, given_of
from qnano.hubbard.model import FermiHubbard, require_onsite
from qnano.hubbard.observables import common_observables, density_of, kinetic_energy
from qnano.hubbard.reduced import AbstractReduced
from qnano.hubbard.singlet import require_equal_spins, require_singlet
from qnano.solvers.stepping import adaptive

State = tuple[OneRDM, TwoRDM]


class PairCorrelations(AbstractReduced):
    """The equations of motion of (d, L), with its channels switchable.

    `model`: the Hamiltonian, with as many electrons up as down and an interaction on the sites alone.
    `particle_particle`, `particle_hole`, `polarisation`: whether each of the three channels is there.
    `largest`: a run stops where an element of L exceeds it.

    The state is (d[a, x], L[a, b, x, y]); `from_wavefunction` and `from_one_rdms` make such. Raises `NotASinglet` for unequal
    numbers of up and down electrons, and `ValueError` for an interaction beyond the site and for a `largest` that is not positive.
    """

    model: FermiHubbard
    particle_particle: bool = eqx.field(static=True, default=True)
    particle_hole: bool = eqx.field(static=True, default=True)
    polarisation: bool = eqx.field(static=True, default=True)
    largest: float = eqx.field(static=True, default=20.0)

    def __check_init__(self):
        require_equal_spins(self.model)
        require_onsite(self.model)
        numbers("largest", self.largest, shape=(), above=0.0)

    @property
    def forms(self) -> Mapping[str, Form]:
        return {"[0]": Form((self.model.sites,) * 2), "[1]": Form((self.model.sites,) * 4)}

    def vector_field(self, t: Float[Array, ""], state: State) -> State:
        d, cumulant = state
        u, b = self.model.site_interaction(t), jnp.arange(self.model.sites)
        image = computed_once(lambda *operands: self._image(t, *operands), d, cumulant)
        exchanged, adjoint = image.transpose(1, 0, 3, 2), image.conj().transpose(2, 3, 0, 1)
        mean = self.model.one_body(t) + jnp.diag(u * jnp.diagonal(d))
        correlation = mean @ d + u[:, None] * cumulant[b, b, :, b]
        return -1j * (correlation - correlation.conj().T), -1j * (image + exchanged - adjoint - adjoint.transpose(1, 0, 3, 2))

    def _image(self, t: Float[Array, ""], d: OneRDM, cumulant: TwoRDM) -> TwoRDM:
        """X of the module's docstring; the hop of particle 1 is a sum over its neighbours."""
        u, b = self.model.site_interaction(t), jnp.arange(self.model.sites)
        pair = uncorrelated(d)[b, b]
        if self.particle_particle:
            pair = pair + cumulant[b, b]
        blocked = 0.5 * jnp.eye(self.model.sites) - d
        field = self.model.site_potential(t) + u * jnp.diagonal(d)
        image = field[:, None, None, None] * cumulant + jnp.einsum("b,ab,bxy->abxy", u, blocked, pair)
        source, amplitude = self.model.hops(t, particles=1)
        for entry in range(amplitude.shape[1]):
            image += amplitude[:, entry, None, None, None] * cumulant[source[:, entry]]
        if self.particle_hole:
            image -= jnp.einsum("b,bx,aby->abxy", u, d, cumulant[:, b, b])
        if self.polarisation:
            same = cumulant[:, b, :, b] - cumulant[b, :, :, b]  # [b, a, x]
            image += jnp.einsum("b,bax,by->abxy", u, same, d)
        return image

    def observe(self, t: Float[Array, ""], state: State) -> Mapping[str, Callable[[], Array]]:
        d, cumulant = state
        both = jnp.stack([d, d])
        measured = common_observables(
            self.model,
            t,
            density=lambda: density_of(both),
            double_occupancy=lambda: (jnp.diagonal(d) ** 2 + jnp.einsum("iiii->i", cumulant)).real,
            one_rdms=lambda: both,
            two_rdm=lambda: uncorrelated(d) + cumulant,
            kinetic=lambda: kinetic_energy(self.model, t, both),
        )
        measured |= energetic_observables(self.model, t, state, self.vector_field, self.local_rdms)
        return measured | {"g2_extremes": lambda: particle_hole_extremes(d, uncorrelated(d) + cumulant)}

    def local_rdms(self, state: State) -> LocalRDMs:
        """D1, which moves by itself, and D1 given an electron."""
        d, cumulant = state
        return jnp.stack([d, d]), given_of(uncorrelated(d) + cumulant)

    def invariants(self, t: Float[Array, ""], state: State) -> dict[str, Float[Array, ""]]:
        d, cumulant = state
        kept = {
            "particles": 2 * jnp.trace(d).real,
            "hermiticity": jnp.max(jnp.abs(cumulant - cumulant.conj().transpose(2, 3, 0, 1))),
        }
        return kept | ({"energy": self.observe(t, state)["energy"]()} if self.model.is_autonomous else {})

    def limits(self, t: Float[Array, ""], state: State) -> dict[str, Float[Array, ""]]:
        return {f"largest element of L <= {self.largest:g}": jnp.max(jnp.abs(state[1])) / self.largest}

    @property
    def jumps(self) -> tuple[Float[Array, ""], ...]:
        return self.model.jumps

    @property
    def default_solver(self) -> AbstractSolver:
        return adaptive(diffrax.Tsit5())

    def from_one_rdms(self, one_rdms: Complex[Array, "2 s s"]) -> State:
        """Independent electrons: no cumulant."""
        return one_rdms[0], jnp.zeros_like(uncorrelated(one_rdms[0]))

    def from_wavefunction(self, psi: Complex[Array, "up down"]) -> State:
        """d and L of an exactly known singlet. Raises `NotASinglet` where the state has spin (not looked at while tracing)."""
        two_rdm = rdm.two_rdm_updn(psi, self.model.sites, self.model.electrons)
        require_singlet(two_rdm, self.model)
        one_rdm = rdm.one_rdm_of(two_rdm, self.model.electrons[1])
        return one_rdm, two_cumulant(one_rdm, two_rdm)
