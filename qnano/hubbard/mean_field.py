"""Time-dependent Hartree-Fock, a von Neumann equation for each spin, which moves in the density of the other.

i d D1_s / dt = [h + U n_{other spin}, D1_s],        D2_updn = D1_up x D1_dn.
"""

from collections.abc import Callable, Mapping

import diffrax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from qnano.dynamics import AbstractSolver, Form
from qnano.fermions import rdm
from qnano.hubbard.energetics import LocalRDMs, energetic_observables
from qnano.hubbard.model import FermiHubbard, require_onsite
from qnano.hubbard.observables import common_observables, density_of, kinetic_energy
from qnano.hubbard.reduced import AbstractReduced
from qnano.solvers.stepping import adaptive

State = Complex[Array, "2 s s"]


class MeanField(AbstractReduced):
    """TDHF of a `FermiHubbard` model.

    `model`: the Hamiltonian, with an interaction on the sites alone; else it raises `ValueError`.

    The state is D1[spin, i, j], shape (2, site, site); `from_wavefunction` and `from_one_rdms` make such. It may be the D1 of a
    correlated state; its energy is then that of the factorised D2, not of that state.
    """

    model: FermiHubbard

    def __check_init__(self):
        require_onsite(self.model)

    @property
    def forms(self) -> Mapping[str, Form]:
        return {"": Form((2, self.model.sites, self.model.sites))}

    def vector_field(self, t: Float[Array, ""], state: State) -> State:
        field = self.model.site_interaction(t) * density_of(state)[::-1]
        mean = self.model.one_body(t) + field[:, :, None] * jnp.eye(self.model.sites)
        product = mean @ state
        return -1j * (product - product.conj().swapaxes(1, 2))

    def observe(self, t: Float[Array, ""], state: State) -> Mapping[str, Callable[[], Array]]:
        def density():
            return density_of(state)

        measured = common_observables(
            self.model,
            t,
            density,
            double_occupancy=lambda: jnp.prod(density(), axis=0),
            one_rdms=lambda: state,
            two_rdm=lambda: jnp.einsum("ax,by->abxy", state[0], state[1]),
            kinetic=lambda: kinetic_energy(self.model, t, state),
        )
        return measured | energetic_observables(self.model, t, state, self.vector_field, self.local_rdms)

    def local_rdms(self, state: State) -> LocalRDMs:
        """D1 and, of independent electrons, D1 given an electron."""
        same = jnp.eye(2)
        direct = jnp.einsum("sca,ub->sucab", state, density_of(state))
        return state, direct - jnp.einsum("su,scb,sba->sucab", same, state, state)

    def invariants(self, t: Float[Array, ""], state: State) -> dict[str, Float[Array, ""]]:
        up, down = density_of(state).sum(axis=1)
        kept = {
            "particles_up": up,
            "particles_down": down,
            "hermiticity": jnp.max(jnp.abs(state - state.conj().swapaxes(1, 2))),
            "purity": jnp.sum(jnp.abs(state) ** 2),  # sum of the squared natural occupations
        }
        return kept | ({"energy": self.observe(t, state)["energy"]()} if self.model.is_autonomous else {})

    def limits(self, t: Float[Array, ""], state: State) -> dict[str, Float[Array, ""]]:
        return {"largest element of D1 <= 2": jnp.max(jnp.abs(state)) / 2}

    @property
    def jumps(self) -> tuple[Float[Array, ""], ...]:
        return self.model.jumps

    @property
    def default_solver(self) -> AbstractSolver:
        return adaptive(diffrax.Dopri8())

    def from_one_rdms(self, one_rdms: State) -> State:
        """D1 of both spins are the state."""
        return one_rdms

    def from_wavefunction(self, psi: Complex[Array, "up down"]) -> State:
        """D1 of both spins."""
        one_rdms = [rdm.one_rdm(psi, self.model.sites, self.model.electrons, spin) for spin in (0, 1)]
        return jnp.stack(one_rdms).astype(jnp.result_type(1j))
