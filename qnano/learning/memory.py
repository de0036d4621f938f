"""Learned closures with memory: hidden variables that move beside D2.

The exact three-particle cumulant is an integral over the past, of which a closure without memory knows nothing. Both closures here
keep such an integral, and learn what feeds it and how fast it is forgotten.

**Modes.** M_k[a, b, x, y], of the shape of K; any number of sites, O(N_s^5):

    dM_k/dt = -i [h_1 + h_2, M_k] - (gamma_k + i omega_k) M_k + sum_m w_km T_m,       K = K of the base + sum_k v_k M_k,

a kernel that is a sum of decaying exponentials, fed by the `terms` T_m. Mode k begins as u_k times the exact K of Delta3.

**ThreeBody.** M[a, b, c; x, y, z], Delta3_uud itself, by the third equation of the hierarchy with Delta4 = 0 (as in
`qnano.hubbard.third_equation`), pulled towards what a closure without memory says; N_s^6 numbers, O(N_s^7), for some eight sites:

    dM/dt = F[d, L, M] - Gamma (M - M_NY),                                            K[a, b, x, y] = M[a, b, b; x, b, y],

M_NY being Nakatsuji and Yasuda's product with the smooth sign. Gamma > 0 stands for what Delta4 does: a number times a gate, a
network of bulk invariants. Without it M is the bare third equation; for Gamma -> infinity it is the closure without memory, so that
1/Gamma is how long the past lasts. M begins as the exact Delta3.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, PRNGKeyArray

from qnano.border import numbers, random_key
from qnano.fermions.cumulants import collision_without_three_cumulant, two_cumulant
from qnano.fermions.rdm import collision_element, one_rdm_of, two_rdm_updn
from qnano.fermions.types import OneRDM, TwoRDM
from qnano.hubbard.closures import AbstractClosure, ContractionConsistent, ThirdEquation
from qnano.hubbard.model import FermiHubbard
from qnano.learning.closures import AbstractLearnedClosure
from qnano.learning.networks import BULK_INVARIANTS, bulk_invariants, feedforward
from qnano.learning.terms import COUNT, terms


class Modes(AbstractLearnedClosure):
    """Decaying modes beside a learned closure without memory, `local`; see the module."""

    local: AbstractLearnedClosure
    decay: Float[Array, " mode"]
    frequency: Float[Array, " mode"]
    feed: Float[Array, "mode m"]
    start: Float[Array, " mode"]
    weight: Float[Array, "2 mode"]

    def __init__(self, local: AbstractLearnedClosure, modes: int = 4, *, key: PRNGKeyArray):
        """Memories that last from 1/4 to 4 hbar/J; fed at random, and at first without effect."""
        numbers("modes", modes, kind="integer", shape=(), least=1)
        random_key("key", key)
        self.local = local
        self.decay = jnp.log(jnp.geomspace(0.25, 4.0, modes))
        self.frequency = jnp.zeros(modes)
        self.feed = 0.1 * jax.random.normal(key, (modes, COUNT))
        self.start = jnp.ones(modes)
        self.weight = jnp.zeros((2, modes))

    def bind(self, model: FermiHubbard) -> AbstractClosure:
        return ContractionConsistent(ModesClosure(self, self.local.bind(model), model))


class ModesClosure(AbstractClosure):
    """`Modes` of one Hamiltonian; the memory is the stack of modes."""

    learned: Modes
    local: AbstractClosure
    model: FermiHubbard

    def collision_element(self, one_rdm: OneRDM, cumulant: TwoRDM, memory: Complex[Array, "mode s s s s"]) -> TwoRDM:
        weight = self.learned.weight[0] + 1j * self.learned.weight[1]
        return self.local.collision_element(one_rdm, cumulant, None) + jnp.tensordot(weight, memory, axes=1)

    def initial_memory(self, psi: Complex[Array, "up down"]) -> Complex[Array, "mode s s s s"]:
        sites, electrons = self.model.sites, self.model.electrons
        two_rdm = two_rdm_updn(psi, sites, electrons)
        d = one_rdm_of(two_rdm, electrons[1])
        known = collision_without_three_cumulant(d, two_cumulant(d, two_rdm))
        return jnp.multiply.outer(self.learned.start, collision_element(psi, sites, electrons) - known)

    def memory_field(
        self, t: Float[Array, ""], one_rdm: OneRDM, cumulant: TwoRDM, memory: Complex[Array, "mode s s s s"]
    ) -> Complex[Array, "mode s s s s"]:
        h = self.model.one_body(t)
        moved = jnp.einsum("ae,kebxy->kabxy", h, memory) + jnp.einsum("be,kaexy->kabxy", h, memory)
        moved -= jnp.einsum("kabey,ex->kabxy", memory, h) + jnp.einsum("kabxe,ey->kabxy", memory, h)
        rate = jnp.exp(self.learned.decay) + 1j * self.learned.frequency
        fed = jnp.tensordot(self.learned.feed, terms(one_rdm, cumulant), axes=1)
        return fed - 1j * moved - rate[:, None, None, None, None] * memory


class ThreeBody(AbstractLearnedClosure):
    """The third equation with a learned pull, as strong as what has been left out of it; see the module."""

    level: Float[Array, ""]
    gate: eqx.nn.MLP | None

    def __init__(self, pull: float = 0.3, width: int = 0, depth: int = 1, *, key: PRNGKeyArray):
        """`pull` in J/hbar is where Gamma begins; a `width` of 0 keeps it a number."""
        numbers("pull", pull, shape=(), above=0.0)
        self.level = jnp.log(jnp.array(pull))
        self.gate = feedforward(BULK_INVARIANTS, 1, width, depth, key) if width else None

    def bind(self, model: FermiHubbard) -> AbstractClosure:
        return ContractionConsistent(ThirdEquation(model, self.pull))

    def pull(self, one_rdm: OneRDM, cumulant: TwoRDM) -> Float[Array, ""]:
        """Gamma, in J/hbar."""
        if self.gate is None:
            return jnp.exp(self.level)
        return jnp.exp(self.level + self.gate(bulk_invariants(one_rdm, cumulant))[0])
