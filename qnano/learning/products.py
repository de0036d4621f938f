"""A closure that says what is of second order in the cumulant: mixes of channels in all pairings (`qnano.learning.channels`).

    K = K of Nakatsuji and Yasuda + trust / 150 * [ sum over patterns and k of F_k S_k + lines times slices ],
    F_k = sum_c A[k, c] X_c,      S_k = sum over slices and channels of B[k, ..] times them,

with A and B of the form A_0 + A_1 u + A_2 u^2, u = ln(U / J) / ln 4, and S_k times 1 + a network of invariants of the site that is
twice among the legs. The F_k are shared by all patterns. Half of them are odd in g and h and joined to even slices, half the other
way. Any number of sites; O(N_s^5), memory O(N_s^4).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, PRNGKeyArray

from qnano.border import numbers, random_key
from qnano.fermions.reconstruction import nakatsuji_yasuda, smooth_sign
from qnano.fermions.types import OneRDM, TwoRDM
from qnano.hubbard.closures import AbstractClosure, ContractionConsistent
from qnano.hubbard.model import FermiHubbard
from qnano.learning.channels import ODD, Slices, channels, slices
from qnano.learning.closures import AbstractLearnedClosure, AbstractLocalClosure
from qnano.learning.networks import bulk_invariants, feedforward, site_invariants

HALF = int(ODD.sum())  # channels of each parity
PATTERNS, KINDS = 6, 9  # of products; of slices in all of them
LINES, ROWS = 4, 5  # 1, g, g^2, h; what each is multiplied with
ORDERS = 3  # powers of u
INVARIANTS = 7
TRAITS = 5
# Edges of what was learned: of potentials, root mean square in J; of electrons of each spin on a site from half of one.
POTENTIAL, DOPING = 1.0, 0.01
SIZE = 1 / 150  # of what is to be learned over that of products of mixes of norm N_s
INTERACTIONS = (0.25, 6.0)  # U / J

Both = Complex[Array, "exchange s s s s"]  # as it stands, and what is added with x and y exchanged


class Products(AbstractLearnedClosure):
    """The numbers A, B, and the network; what they are numbers of, and how far they are to be trusted.

    `whitening`: the mixes of channels, of each parity, that A and B refer to. `centre`, `spread`: the `traits` of states that were
    learned from, and what takes traits to a distance from them, which is 1 at their edge; the correction fades beyond it, so that
    far away the closure is Nakatsuji and Yasuda's. Neither is trained.
    """

    whitening: Float[Array, "2 mix half"]
    full: Float[Array, "order 2 k mix"]
    part: Float[Array, "order 2 exchange kind k mix"]
    line: Float[Array, "order exchange line row mix"]
    network: eqx.nn.MLP
    centre: Float[Array, " trait"]
    spread: Float[Array, "trait trait"]

    def __init__(self, mixes: int = 16, width: int = 16, *, key: PRNGKeyArray):
        """`mixes` k of each parity; a hidden layer of `width`. It begins at zero, and trusts itself everywhere."""
        numbers("mixes", mixes, kind="integer", shape=(), least=1)
        random_key("key", key)
        keys = jax.random.split(key, 2)
        self.whitening = jnp.stack([jnp.eye(HALF)] * 2)
        first = jax.random.normal(keys[0], (2, mixes, HALF)) / HALF**0.5
        self.full = jnp.zeros((ORDERS, 2, mixes, HALF)).at[0].set(first)
        self.part = jnp.zeros((ORDERS, 2, 2, KINDS, mixes, HALF))
        self.line = jnp.zeros((ORDERS, 2, LINES, ROWS, HALF))
        self.network = feedforward(INVARIANTS, 2 * PATTERNS * mixes, width, 1, keys[1])
        self.centre, self.spread = jnp.zeros(TRAITS), jnp.zeros((TRAITS, TRAITS))

    def bind(self, model: FermiHubbard) -> AbstractClosure:
        return ContractionConsistent(ProductsClosure(learned=self, model=model, time=jnp.zeros(())))

    def distance(self, one_rdm: OneRDM, cumulant: TwoRDM, ratio: Float[Array, ""]) -> Float[Array, ""]:
        """Of the traits from those of the states that were learned from, 1 at their edge; `ratio` is U / J."""
        centre, spread = jax.lax.stop_gradient((self.centre, self.spread))
        return jnp.sqrt(jnp.sum((spread @ (traits(one_rdm, cumulant, ratio) - centre)) ** 2) + 1e-24)  # of 0 it has no derivative

    def __call__(self, one_rdm: OneRDM, cumulant: TwoRDM, field: Complex[Array, "s s"], coupling: Float[Array, ""]) -> TwoRDM:
        """The correction to K; `coupling` is u."""
        powers = coupling ** jnp.arange(ORDERS)
        full, part, line = (jnp.tensordot(powers, w, axes=1) for w in (self.full, self.part, self.line))
        whitening = jax.lax.stop_gradient(self.whitening)
        x = channels(one_rdm, cumulant, field)
        of = (x[np.flatnonzero(~ODD)], x[np.flatnonzero(ODD)])
        seen = [slices(some) for some in of]
        gate = self._gate(one_rdm, cumulant, coupling)
        one = jnp.eye(len(one_rdm), dtype=one_rdm.dtype)
        g = 2 * one_rdm - one
        total = jnp.zeros(())
        for k, (through, odd) in enumerate(((one, 0), (g, 1), (g @ g, 0), (field, 1))):
            total += _along(through, line[:, k] @ whitening[1 - odd], of[1 - odd], seen[1 - odd])
        for odd in (0, 1):
            joined = jnp.tensordot(full[odd] @ whitening[odd], of[odd], axes=1)
            total += _products(joined, part[odd] @ whitening[1 - odd], seen[1 - odd], gate[odd])
        return SIZE * (total[0] + total[1].transpose(0, 1, 3, 2))

    def _gate(self, one_rdm: OneRDM, cumulant: TwoRDM, coupling: Float[Array, ""]) -> Float[Array, "2 pattern k s"]:
        site, bulk = site_invariants(one_rdm, cumulant), bulk_invariants(one_rdm, cumulant)
        site = site.at[:, 0].set(site[:, 0] ** 2)
        given = jnp.concatenate([site, jnp.broadcast_to(jnp.append(bulk, coupling), (len(site), 4))], axis=1)
        return 1 + jax.vmap(self.network)(given).T.reshape(2, PATTERNS, -1, len(site))


class ProductsClosure(AbstractLocalClosure):
    """`Products` under one Hamiltonian, at one time."""

    learned: Products
    model: FermiHubbard
    time: Float[Array, ""]
    base: None = None

    def at(self, t: Float[Array, ""]) -> "ProductsClosure":
        return ProductsClosure(learned=self.learned, model=self.model, time=t)

    def correction(self, one_rdm: OneRDM, cumulant: TwoRDM) -> TwoRDM:
        known = nakatsuji_yasuda(smooth_sign(one_rdm), cumulant).collision
        field = mean_field(self.model.one_body(self.time), self.model.site_interaction(self.time), one_rdm) / self._hopping
        learned = self.learned(one_rdm, cumulant, field, coupling(self._ratio))
        return known + trust(self.distance(one_rdm, cumulant)) * learned

    def distance(self, one_rdm: OneRDM, cumulant: TwoRDM) -> Float[Array, ""]:
        """The largest of that of the traits, of U / J beyond what was learned, of potentials and of doping over what was."""
        potential = self.model.site_potential(self.time) / self._hopping
        uneven = jnp.sqrt(jnp.mean((potential - jnp.mean(potential)) ** 2) + 1e-24) / POTENTIAL
        doped = jnp.abs(jnp.trace(one_rdm).real / len(one_rdm) - 0.5) / DOPING
        traits = self.learned.distance(one_rdm, cumulant, self._ratio)
        return jnp.max(jnp.stack([traits, beyond(self._ratio), uneven, doped]))

    @property
    def _hopping(self) -> Float[Array, ""]:
        """J, root mean square over the bonds; 1 where nothing hops."""
        amplitudes = self.model.bond_amplitudes(self.time)
        square = jnp.sum(jnp.abs(amplitudes) ** 2) / max(amplitudes.size, 1)
        return jnp.sqrt(jnp.where(square > 0, square, 1.0))

    @property
    def _ratio(self) -> Float[Array, ""]:
        return jnp.mean(self.model.site_interaction(self.time)) / self._hopping


def beyond(ratio: Float[Array, ""]) -> Float[Array, ""]:
    """How far U / J is outside what was learned: 0 inside, then 1 and twice the logarithm; 10 for attraction."""
    size = jnp.maximum(ratio, 1e-3)
    outside = jnp.abs(jnp.log(size / jnp.clip(size, *INTERACTIONS)))
    return jnp.where(ratio < 0, 10.0, jnp.where(outside > 0, 1 + 2 * outside, 0.0))


def trust(distance: Float[Array, ""]) -> Float[Array, ""]:
    """What is left of a correction: all of it within a distance of 1, exp(-(distance - 1)^2) of it beyond."""
    return jnp.exp(-(jnp.maximum(distance - 1, 0) ** 2))


def traits(one_rdm: OneRDM, cumulant: TwoRDM, ratio: Float[Array, ""]) -> Float[Array, " trait"]:
    """|L|^2, tr d (1 - d) and the correlated double occupancy per site, how far from half filled, and ln (U / J)."""
    filling = jnp.trace(one_rdm).real / len(one_rdm) - 0.5
    return jnp.concatenate([bulk_invariants(one_rdm, cumulant), jnp.stack([filling, jnp.log(jnp.maximum(ratio, 1e-3))])])


def mean_field(one_body: Array, interaction: Float[Array, " s"], one_rdm: OneRDM) -> Complex[Array, "s s"]:
    """h + U n, without its mean over the sites."""
    field = one_body + jnp.diag(interaction * jnp.diagonal(one_rdm).real)
    return (field - jnp.trace(field) / len(field) * jnp.eye(len(field))).astype(one_rdm.dtype)


def coupling(ratio: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """u of U / J, which beyond what was learned is that of the nearest that was."""
    return jnp.log(jnp.clip(jnp.abs(ratio), *INTERACTIONS)) / jnp.log(4.0)


def _products(
    full: Complex[Array, "k s s s s"], part: Float[Array, "exchange kind k c"], seen: Slices, gate: Float[Array, "pattern k s"]
) -> Both:
    """All patterns of F_k S_k."""
    left, right, pair, hop = seen
    at = gate[:, :, None, :, None]  # the site b is the second of the legs of these slices, of others the first
    first = gate[:, :, :, None, None]

    def mixed(kind: int, *slices: Array) -> Array:
        return sum((jnp.tensordot(part[:, kind + n], x, axes=1) for n, x in enumerate(slices)), jnp.zeros(()))

    return (
        jnp.einsum("kabxt,ektby->eabxy", full, at[0] * mixed(0, left, right))
        + jnp.einsum("kabtx,ektby->eabxy", full, at[1] * mixed(2, left, right))
        + jnp.einsum("ekabt,ktbxy->eabxy", at[2] * mixed(4, left, right), full)
        + jnp.einsum("ekbxt,ktaby->eabxy", first[3] * mixed(6, pair), full)
        + jnp.einsum("ekbxt,ktayb->eabxy", first[4] * mixed(7, pair), full)
        + jnp.einsum("ekbt,ktaxy->eabxy", first[5, ..., 0] * mixed(8, hop), full)
    )


def _along(line: Complex[Array, "s s"], numbers_of: Float[Array, "exchange row c"], x: Array, seen: Slices) -> Both:
    """M_ax S[b;y] + M_ab S[b;xy] + M_bx S[ab;y] + M_bb X[ab;xy]."""
    hop, pair, left, right, whole = (
        jnp.tensordot(numbers_of[:, row], kind, axes=1) for row, kind in enumerate((seen.hop, seen.pair, seen.left, seen.right, x))
    )
    return (
        jnp.einsum("ax,eby->eabxy", line, hop)
        + jnp.einsum("ab,ebxy->eabxy", line, pair)
        + jnp.einsum("bx,eaby->eabxy", line, left + right)
        + jnp.diagonal(line)[:, None, None] * whole
    )
