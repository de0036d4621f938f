"""Time-dependent two-particle reduced density matrix of a spin singlet.

The state is D2[a, b, x, y] = < c+_{x,up} c+_{y,dn} c_{b,dn} c_{a,up} >, beside it a closure's memory and the sum of purification's
changes. The equation of motion, the second of the BBGKY hierarchy for an on-site interaction, with K^T[a, b, x, y] = K[b, a, y, x]:

    i d D2 / dt = [h_1 + h_2 + U delta_ab, D2] + U_b K + (U_b K)^T - h.c.,       K = D3_uud[a, b, b; x, b, y].

D2 is Hermitian and, for a singlet, symmetric under exchange of the particles, so the whole right-hand side is one array

    X = (h_1 + h_2 + U delta_ab) D2 + U_b K + (U_b K)^T

and its adjoint: i dD2/dt = X - X^+. Exactly kept for any closure: both symmetries and the trace. Energy and the contraction to D1
are kept as far as the closure is consistent. Lackner et al., Phys. Rev. A 91, 023412 (2015).
"""

from collections.abc import Callable, Mapping

import diffrax
import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from qnano.border import numbers
from qnano.dynamics import AbstractProjectedDynamics, AbstractSolver, Form
from qnano.fermions import rdm
from qnano.fermions.cumulants import CollisionSlices, two_cumulant, uncorrelated
from qnano.fermions.purification import Purification
from qnano.fermions.representability import lowest_probabilities, particle_hole_extremes
from qnano.fermions.slices import diagonal
from qnano.fermions.types import OneRDM, TwoRDM
from qnano.fusion import computed_once, in_order
from qnano.hubbard.closures import AbstractClosure, Memory
from qnano.hubbard.energetics import LocalRDMs, energetic_observables, given_of
from qnano.hubbard.model import FermiHubbard, require_onsite
from qnano.hubbard.observables import common_observables, density_of, kinetic_energy
from qnano.hubbard.reduced import AbstractReduced
from qnano.hubbard.singlet import require_equal_spins, require_singlet
from qnano.solvers.stepping import adaptive

State = tuple[TwoRDM, Memory, Float[Array, ""]]


class TD2RDM(AbstractProjectedDynamics, AbstractReduced):
    """The equation of motion of D2 with a closure in it.

    `model`: the Hamiltonian, with as many electrons up as down and an interaction on the sites alone.
    `closure`: where the third particle comes from (`qnano.hubbard.closures`).
    `purification`: with one, D2 is purified after every step; None leaves it as it moves.
    `purify_every`: the longest step with a purification, in hbar/J.
    `largest`: a run stops where an element of D2, at most 1 in any physical state, exceeds it.

    The state is (D2[a, b, x, y], memory of the closure, sum of the norms of purification's changes); `from_wavefunction` and
    `from_one_rdms` make such. Raises `NotASinglet` for unequal numbers of up and down electrons, and `ValueError` for an
    interaction beyond the site and for numbers that are not positive.
    """

    model: FermiHubbard
    closure: AbstractClosure
    purification: Purification | None = None
    purify_every: float = eqx.field(static=True, default=0.05)
    largest: float = eqx.field(static=True, default=20.0)

    def __check_init__(self):
        require_equal_spins(self.model)
        require_onsite(self.model)
        numbers("purify_every", self.purify_every, shape=(), above=0.0)
        numbers("largest", self.largest, shape=(), above=0.0)

    @property
    def forms(self) -> Mapping[str, Form]:
        return {"[0]": Form((self.model.sites,) * 4), "[2]": Form((), is_complex=False)}

    def vector_field(self, t: Float[Array, ""], state: State) -> State:
        two_rdm, memory, change = state
        one_rdm = rdm.one_rdm_of(two_rdm, self.model.electrons[1])
        cumulant = two_cumulant(one_rdm, two_rdm)
        slices = CollisionSlices.of(self.model.site_interaction(t), one_rdm, two_rdm)
        connected = self.closure.connected_element(one_rdm, cumulant, memory)
        image = computed_once(lambda *operands: self._image(t, *operands), two_rdm, one_rdm, slices, connected)
        motion = -1j * (image - image.conj().transpose(2, 3, 0, 1))
        return motion, self.closure.memory_field(t, one_rdm, cumulant, memory), jnp.zeros_like(change)

    def _image(
        self, t: Float[Array, ""], two_rdm: TwoRDM, one_rdm: OneRDM, slices: CollisionSlices, connected: TwoRDM | None
    ) -> TwoRDM:
        """X of the module's docstring; a hop is a sum over its neighbours, and none of its terms reads D2 in another order."""
        potential, interaction = self.model.site_potential(t), self.model.site_interaction(t)
        onsite = potential[:, None] + potential + jnp.diag(interaction)
        image = onsite[:, :, None, None] * two_rdm + slices.element(one_rdm, two_rdm)
        if connected is not None:
            beside = in_order(interaction[:, None, None] * connected)
            image += beside + beside.transpose(1, 0, 3, 2)
        source, amplitude = self.model.hops(t, particles=1)
        for entry in range(amplitude.shape[1]):
            along, place = amplitude[:, entry, None, None], source[:, entry]
            image += along[:, None] * two_rdm[place] + along * two_rdm[:, place]
        return image

    def observe(self, t: Float[Array, ""], state: State) -> Mapping[str, Callable[[], Array]]:
        two_rdm, _, change = state
        one_rdm = rdm.one_rdm_of(two_rdm, self.model.electrons[1])
        both = jnp.stack([one_rdm, one_rdm])
        measured = common_observables(
            self.model,
            t,
            density=lambda: density_of(both),
            double_occupancy=lambda: diagonal(two_rdm, "iiii->i").real,
            one_rdms=lambda: both,
            two_rdm=lambda: two_rdm,
            kinetic=lambda: kinetic_energy(self.model, t, both),
        )
        measured |= energetic_observables(self.model, t, state, self.vector_field, self.local_rdms)
        return measured | {"g2_extremes": lambda: particle_hole_extremes(one_rdm, two_rdm), "purification": lambda: change}

    def local_rdms(self, state: State) -> LocalRDMs:
        """D1, contracted from D2, and D1 given an electron."""
        one_rdm = rdm.one_rdm_of(state[0], self.model.electrons[1])
        return jnp.stack([one_rdm, one_rdm]), given_of(state[0])

    def invariants(self, t: Float[Array, ""], state: State) -> dict[str, Float[Array, ""]]:
        two_rdm, _, _ = state
        one_rdm = rdm.one_rdm_of(two_rdm, self.model.electrons[1])
        hermitian = 0.5 * (two_rdm + two_rdm.conj().transpose(2, 3, 0, 1))
        kept = {
            "particles": 2 * jnp.trace(one_rdm).real,
            "hermiticity": jnp.max(jnp.abs(two_rdm - hermitian)),
            "contraction": jnp.max(jnp.abs(diagonal(two_rdm, "ikkj->kij").sum(axis=0) - one_rdm)),
        }
        return kept | ({"energy": self.observe(t, state)["energy"]()} if self.model.is_autonomous else {})

    def negativity(self, t: Float[Array, ""], state: State) -> dict[str, Float[Array, ""]]:
        """Of the probabilities of pairs of electrons and of holes; those of a physical state are not below 0."""
        two_rdm = state[0]
        one_rdm = rdm.one_rdm_of(two_rdm, self.model.electrons[1])
        d2, q2 = jnp.maximum(0.0, -lowest_probabilities(one_rdm, 0.5 * (two_rdm + two_rdm.conj().transpose(2, 3, 0, 1))))
        return {"d2_negativity": d2, "q2_negativity": q2}

    def limits(self, t: Float[Array, ""], state: State) -> dict[str, Float[Array, ""]]:
        return {f"largest element of D2 <= {self.largest:g}": jnp.max(jnp.abs(state[0])) / self.largest}

    def project(self, t: Float[Array, ""], state: State) -> State:
        """Purify D2, at fixed D1, spin and energy."""
        assert self.purification is not None
        two_rdm, memory, change = state
        pure = self.purification(two_rdm, self.model.electrons[1], self.model.site_interaction(t))
        return pure.two_rdm, memory, change + pure.change

    @property
    def longest_step(self) -> float | None:
        return None if self.purification is None else self.purify_every

    @property
    def jumps(self) -> tuple[Float[Array, ""], ...]:
        return self.model.jumps

    @property
    def default_solver(self) -> AbstractSolver:
        """Purification asks for short steps, which suit a scheme of fewer stages."""
        return adaptive(diffrax.Dopri8() if self.purification is None else diffrax.Tsit5())

    def from_wavefunction(self, psi: Complex[Array, "up down"]) -> State:
        """D2 and the closure's memory of an exactly known state.

        Raises `NotASinglet` where the state has spin (not looked at while tracing).
        """
        two_rdm = rdm.two_rdm_updn(psi, self.model.sites, self.model.electrons)
        require_singlet(two_rdm, self.model)
        return two_rdm, self.closure.initial_memory(psi), jnp.zeros((), two_rdm.real.dtype)

    def from_one_rdms(self, one_rdms: Complex[Array, "2 s s"]) -> State:
        """The state of independent electrons, D2 = D1_up x D1_dn, equal for both spins; the closure must have no memory."""
        return uncorrelated(one_rdms[0]), None, jnp.zeros((), one_rdms.real.dtype)
