"""Learned closures with memory: hidden variables that move beside D2.

The exact three-particle cumulant is an integral over the past, of which a closure without memory knows nothing. Both closures here
keep such an integral, and learn what feeds it and how fast it is forgotten.

**Modes.** M_k[a, b, x, y], of the shape of K; any number of sites, O(N_s^5):

    dM_k/dt = -i [h_1 + h_2, M_k] - (gamma_k + i omega_k) M_k + sum_m w_km T_m,       K = K of the base + sum_k v_k M_k,

a kernel that is a sum of decaying exponentials, fed by the `terms` T_m. Mode k begins as u_k times the exact K of Delta3.

**ThreeBody.** M[a, b, c; x, y, z], an approximate Delta3_uud itself; N_s^6 numbers, O(N_s^7), so for some eight sites:

    i dM/dt = h' M + kappa U V M - lambda U {L Z} - h.c. - i gamma M,                 K[a, b, x, y] = M[a, b, b; x, b, y],

with h' = h + U n on every upper leg. {L Z} joins the cumulant L[ab; xs] to an interaction at site s, antisymmetrised like Nakatsuji
and Yasuda's product, Z[s c; y z] = (1 - d)_cs d_sy d_sz + d_cs (1 - d)_sy (1 - d)_sz: with lambda = 1 it is the term of the third
BBGKY equation that is of first order in L. V lets two particles of opposite spin on one site scatter again, with Pauli blocking
1 - d - d. gamma stands for what is missing, above all four-particle correlations: a number times a gate, a network of bulk
invariants. It begins as the exact Delta3, at kappa = lambda = 1.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, PRNGKeyArray

from qnano.border import numbers, random_key
from qnano.fermions.cumulants import collision_without_three_cumulant, two_cumulant
from qnano.fermions.rdm import collision_element, one_rdm_of, two_rdm_updn
from qnano.fermions.slices import diagonal
from qnano.fermions.types import OneRDM, ThreeRDM, TwoRDM
from qnano.hubbard.closures import AbstractClosure, ContractionConsistent
from qnano.hubbard.diagnostics import exact_three_cumulant
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
    """An approximate equation of motion for Delta3, with learned strengths and a learned forgetting; see the module."""

    source: Float[Array, ""]
    ladder: Float[Array, ""]
    decay: Float[Array, ""]
    gate: eqx.nn.MLP | None

    def __init__(self, decay: float = 0.2, width: int = 0, depth: int = 1, *, key: PRNGKeyArray):
        """`decay` in J/hbar is where gamma begins; a `width` of 0 keeps it a number."""
        numbers("decay", decay, shape=(), above=0.0)
        self.source, self.ladder, self.decay = jnp.ones(()), jnp.ones(()), jnp.log(jnp.array(decay))
        self.gate = feedforward(BULK_INVARIANTS, 1, width, depth, key) if width else None

    def bind(self, model: FermiHubbard) -> AbstractClosure:
        return ContractionConsistent(ThreeBodyClosure(self, model))

    def forgetting(self, one_rdm: OneRDM, cumulant: TwoRDM) -> Float[Array, ""]:
        """gamma, in J/hbar."""
        if self.gate is None:
            return jnp.exp(self.decay)
        return jnp.exp(self.decay + self.gate(bulk_invariants(one_rdm, cumulant))[0])


class ThreeBodyClosure(AbstractClosure):
    """`ThreeBody` of one Hamiltonian; the memory is M."""

    learned: ThreeBody
    model: FermiHubbard

    def collision_element(self, one_rdm: OneRDM, cumulant: TwoRDM, memory: ThreeRDM) -> TwoRDM:
        return collision_without_three_cumulant(one_rdm, cumulant) + self.connected_element(one_rdm, cumulant, memory)

    def connected_element(self, one_rdm: OneRDM, cumulant: TwoRDM, memory: ThreeRDM) -> TwoRDM:
        return diagonal(memory, "abbxby->abxy")

    def initial_memory(self, psi: Complex[Array, "up down"]) -> ThreeRDM:
        return exact_three_cumulant(psi, self.model)

    def memory_field(self, t: Float[Array, ""], one_rdm: OneRDM, cumulant: TwoRDM, memory: ThreeRDM) -> ThreeRDM:
        u, d, one = self.model.site_interaction(t), one_rdm, jnp.eye(len(one_rdm))
        field = self.model.one_body(t) + jnp.diag(u * jnp.diagonal(d).real)
        # Of the legs a and b, and of x and y, one is written; antisymmetry makes the other.
        blocked = jnp.einsum("as,cs->acs", one, one) - jnp.einsum("as,cs->acs", d, one) - jnp.einsum("as,cs->acs", one, d)
        first = jnp.tensordot(field, memory, axes=1)
        first += self.learned.ladder * jnp.einsum("acs,sbxyz->abcxyz", u * blocked, jnp.einsum("sbsxyz->sbxyz", memory))
        joined = self.learned.source * _joined(cumulant, _vertex(d, u))
        image = first - first.transpose(1, 0, 2, 3, 4, 5) + jnp.einsum("ce,abexyz->abcxyz", field, memory)
        image -= joined - joined.transpose(0, 1, 2, 4, 3, 5)
        forgotten = self.learned.forgetting(one_rdm, cumulant) * memory
        return -1j * (image - image.conj().transpose(3, 4, 5, 0, 1, 2)) - forgotten


def _vertex(one_rdm: OneRDM, interaction: Float[Array, " s"]) -> TwoRDM:
    """U_s Z[s, c, y, z]."""
    d, hole = one_rdm, jnp.eye(len(one_rdm)) - one_rdm
    z = jnp.einsum("cs,sy,sz->scyz", hole, d, d) + jnp.einsum("cs,sy,sz->scyz", d, hole, hole)
    return interaction[:, None, None, None] * z


def _joined(cumulant: TwoRDM, vertex: TwoRDM) -> ThreeRDM:
    """{L Z}, the product over the joined leg, before it is made antisymmetric in x and y; Z[sc;yz] is symmetric in y and z."""
    same = cumulant - cumulant.transpose(0, 1, 3, 2)
    lines = jnp.einsum("abxs,scyz->abcxyz", same, vertex)
    rings = jnp.einsum("acxs,sbzy->abcxyz", cumulant, vertex)
    rings = rings - rings.transpose(1, 0, 2, 3, 4, 5)
    return lines + rings
