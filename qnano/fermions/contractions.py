"""Contraction consistency: the nearest three-particle RDM that agrees with D2, seen through its collision element alone.

The up-up-down block X = D3_uud of a state with sharp N_up, N_dn and total spin zero has four contractions that D2 fixes,

    A_33[ab;xy] = X[abc;xyc],    A_22[ac;xz] = X[abc;xbz],    A_23[ac;xy] = X[abc;xyb],    A_32[ab;xz] = X[abc;xcz],

summed over the repeated index (uppers are annihilators, a and b up, c down). A reconstruction misses them. The correction of
least norm that mends this is X <- X + A^T (A A^T)^+ (targets - A X), where the adjoint lifts four arrays of four indices,

    A^T Y = 1/4 antisym_{ab,xy} [ Y_0[ab;xy] d_cz + Y_1[ac;xz] d_by + Y_2[ac;xy] d_bz + Y_3[ab;xz] d_cy ].

What the reconstruction says beyond its contractions stays: the unitary decomposition, made spin-adapted (Lackner et al., Phys. Rev.
A 91, 023412 (2015)). With it energy, spin, trace and the equation of motion of D1 hold exactly, whatever the reconstruction.

**Closed form.** A A^T commutes with every rotation of the orbitals. By Schur's lemma it is a small matrix on each of three kinds
of components of (Y_0 .. Y_3): traceless ones, (anti)symmetric in ab and in xy; those made of one matrix, M_ax d_by and its
permutations; and multiples of the identity. The matrices are read off from one vector of each kind; being affine in the number
of sites, two small systems give them for all sizes. Their pseudo-inverses make (A A^T)^+ a few permutations and traces: O(N_s^4).

Where X is a spin scalar, as every closure here makes it, it commutes with the permutations of the three particles' orbitals, and
A_33 and A_22 determine the other two,

    A_32[ab;xz] = A_33[ab;xz] + A_22[ab;zx] - A_22[ba;zx],      A_23 = A_32^+ for a Hermitian X.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from qnano.fermions.types import OneRDM, TwoRDM


class ThreeCumulant(NamedTuple):
    """What the motion of D2 and contraction consistency see of a three-particle cumulant Delta3_uud, a spin scalar.

    `collision` K[abxy] = Delta3[abb;xby]; `over_down` A_33[abxy] = Delta3[abc;xyc]; `over_up` A_22[acxz] = Delta3[abc;xbz].
    """

    collision: TwoRDM
    over_down: TwoRDM
    over_up: TwoRDM


def exact_over_up(one_rdm: OneRDM, cumulant: TwoRDM) -> TwoRDM:
    """A_22 of the exact three-particle cumulant; its A_33 is zero. O(N_s^5).

        A_22[acxz] = g_ae L[ecxz] + h.c.,      g = d - 1/2,

    for Hermitian d and L of a state with sharp N_up, N_dn.
    """
    left = jnp.tensordot(_shifted(one_rdm), cumulant, axes=1)
    return left + left.conj().transpose(2, 3, 0, 1)


def consistent_collision(one_rdm: OneRDM, cumulant: TwoRDM, three: ThreeCumulant | None) -> TwoRDM:
    """The collision element of Delta3 + A^T (A A^T)^+ (exact contractions - A Delta3); O(N_s^5). None stands for Delta3 = 0."""
    exact = exact_over_up(one_rdm, cumulant)
    if three is None:
        return collision_of_lift(jnp.zeros_like(exact), exact)
    return three.collision + collision_of_lift(-three.over_down, exact - three.over_up)


def collision_of_lift(over_down: TwoRDM, over_up: TwoRDM) -> TwoRDM:
    """K of the spin scalar of least norm whose contractions A_33 and A_22 are given. O(N_s^4).

    Y = (A A^T)^+ A, a sum of permutations of the given arrays and of M_ax d_by; then K[abxy] = (A^T Y)[abb;xby]. Contractions
    that no X has are projected out.
    """
    sites = len(over_up)
    place = {letter: np.arange(sites).reshape(*(-1 if k == axis else 1 for k in range(4))) for axis, letter in enumerate("abxy")}
    one = np.eye(sites, dtype=jnp.finfo(over_up.dtype).dtype)

    def at(x: Any, letters: str) -> Any:
        """x with its axes named, along the axes a, b, x, y; a letter that comes twice takes a diagonal."""
        if len(set(letters)) == 4:
            return x.transpose([letters.index(axis) for axis in "abxy"])
        return x[tuple(place[letter] for letter in letters)]

    traces = [at(over_down, "abxb")] + [at(over_up, letters) for letters in ("abxb", "baxb", "abbx", "babx")]
    inverse = _inverse(sites)
    contracted = jnp.stack([trace.sum(axis=(1, 3)) for trace in traces])
    numbers = jnp.trace(contracted, axis1=1, axis2=2) / sites
    matrices = jnp.tensordot(inverse.one_body, contracted - numbers[:, None, None] * one, axes=1)
    matrices = matrices + jnp.tensordot(inverse.scalar, numbers, axes=1)[..., None, None] * one

    def y(weights: tuple[float, float, float, float], letters: str) -> Any:
        """Elements of sum_i weights_i Y_i."""
        a, b, x, y = letters
        orders = (a + b + x + y, b + a + x + y, a + b + y + x, b + a + y + x)
        arrays = (over_down, over_up, over_up, over_up, over_up)
        pair = np.tensordot(weights, inverse.pair, axes=1)
        lone = jnp.tensordot(np.array(weights), matrices, axes=1)
        total = sum(c * at(array, order) for c, array, order in zip(pair.tolist(), arrays, orders[:1] + orders, strict=True) if c)
        return total + sum(at(m, o[0] + o[2]) * at(one, o[1] + o[3]) for m, o in zip(lone, orders, strict=True))

    full, quarter = (0.0, 0.25, 0.0, 0.5), (0.0, 0.25, 0.0, 0.0)
    return (
        y(full, "abxy")
        + at(one, "by") * y((1.0, 0.0, 0.5, 0.0), "abxb")
        - at(one, "ab") * y(quarter, "bbxy")
        - at(one, "bx") * y(full, "abby")
        + at(one, "ax") * y(quarter, "bbby")
        - at(one, "ay") * y((0.0, 0.0, 0.5, 0.0), "bbxb")
    )


def nearest_consistent_collision(one_rdm: OneRDM, cumulant: TwoRDM, collision: TwoRDM) -> TwoRDM:
    """The K nearest to `collision` that a three-particle cumulant with the exact contractions can have. O(N_s^4).

    For a closure that knows K alone. K is a slice of an antisymmetric, Hermitian Delta3, so that, with r = A_22 of the exact one,

        K[ab;xy] = 0 for a = b or x = b,        K[ab;xb] = K[xb;ab]*,           K[ab;aa] = K[ba;bb]*,
        sum_a K[ab;ay] = r[bb;by],              sum_a K[ab;xa] = r[bb;bx] - r[bb;xb].

    These are necessary for any N_s and carry the conservation of energy and spin and the motion of D1; from five sites on they
    are also sufficient (by their number, compared with the rank of the slice). An exact K stays as it is.
    """
    d, sites, b = _shifted(one_rdm), len(one_rdm), jnp.arange(len(one_rdm))
    apart = 1 - jnp.eye(sites)
    k = collision * apart[:, :, None, None] * apart[None, :, :, None]
    beside = jnp.moveaxis(k[:, b, :, b], 0, 1)  # [a, b, x]
    k = k.at[:, b, :, b].set(jnp.moveaxis(0.5 * (beside + beside.conj().transpose(2, 1, 0)), 1, 0))
    shared = k[b, :, b, b]
    k = k.at[b, :, b, b].set(0.5 * (shared + shared.conj().T))

    pair_hop = jnp.einsum("be,ebby->by", d, cumulant) + jnp.einsum("bbey,eb->by", cumulant, d)
    pair_split = jnp.einsum("be,ebxb->bx", d, cumulant) + jnp.einsum("bbeb,ex->bx", cumulant, d)
    direct = pair_hop - jnp.einsum("abay->by", k)
    exchanged = apart * (pair_hop - pair_split - jnp.einsum("abxa->bx", k))
    # K[ab;aa] is in both sums of (b, a) and, conjugate, in those of (a, b); every other element is in one sum.
    lacking = direct + exchanged
    common = apart * (lacking + lacking.conj().T) / (2 * sites)
    alone = max(sites - 2, 1)
    direct = jnp.where(apart == 0, direct.real / max(sites - 1, 1), (direct - common) / alone)
    exchanged = apart * (exchanged - common) / alone
    k = k.at[b, :, b, :].add(apart[:, :, None] * direct[None])
    k = k.at[b, :, :, b].add(apart[:, :, None] * exchanged[None])
    return k.at[b, :, b, b].add(apart * (common - direct - exchanged).T)


# Components (place in Y, symmetry in ab, symmetry in xy), and those of A_33 and A_22 from which a spin scalar makes them all.
_COMPONENTS = ((0, -1, -1), (1, 1, 1), (1, -1, -1), (1, 1, -1), (1, -1, 1), (2, -1, -1), (2, 1, -1), (3, -1, -1), (3, -1, 1))
_INPUTS = _COMPONENTS[:5]
_FROM_INPUTS = np.zeros((9, 5))
_FROM_INPUTS[range(5), range(5)] = 1
_FROM_INPUTS[[5, 7], 0] = 1
_FROM_INPUTS[[5, 7], 2] = -2
_FROM_INPUTS[6, 3] = _FROM_INPUTS[8, 4] = 2


# Signs with which the four orders abxy, baxy, abyx, bayx of an array make its part of given parities, times 4.
_ORDERS = np.array([(1, s, t, s * t) for _, s, t in _COMPONENTS])


class _Inverse(NamedTuple):
    """(A A^T)^+ as coefficients of what makes Y_i.

    `pair[i]`: of A_33 and of A_22 in its four orders. `one_body[i, o]`, `scalar[i, o]`: of the traces of those five, of their
    traceless parts and of their numbers, in the matrix M of M_ax d_by in the order o.
    """

    pair: Float[np.ndarray, "4 5"]
    one_body: Float[np.ndarray, "4 4 5"]
    scalar: Float[np.ndarray, "4 4 5"]


@lru_cache(maxsize=64)
def _inverse(sites: int) -> _Inverse:
    parity = np.array([(s, t) for _, s, t in _COMPONENTS])
    # trace(spread(M)) / M, also <spread(M), spread(M)> / 4 <M, M>: for traceless M, and for the identity.
    one_body = sites + parity.sum(1)
    scalar = np.where(parity.prod(1) == 1, 2 * sites + parity.sum(1), 0)
    small, large = _normal_blocks(4), _normal_blocks(5)
    pair_block, one_block, scalar_block = (a + (sites - 4) * (b - a) for a, b in zip(small, large, strict=True))
    pair = _pseudo_inverse(pair_block, np.ones(9)) @ _FROM_INPUTS
    lone = [
        (_pseudo_inverse(block, norm) @ _FROM_INPUTS - pair) * _reciprocal(norm)[:5]
        for block, norm in ((one_block, one_body), (scalar_block, scalar))
    ]
    # From parities to orders: of what is given (its first input is antisymmetric as it stands), and of what comes out.
    given = np.zeros((5, 5))
    given[0, 0], given[1:, 1:] = 1, _ORDERS[1:5] / 4
    placed = np.array([[place == i for place, _, _ in _COMPONENTS] for i in range(4)], dtype=float)
    return _Inverse(placed @ pair @ given, *(np.einsum("ik,ko,kj->ioj", placed, _ORDERS, x @ given) for x in lone))


def _shifted(one_rdm: OneRDM) -> OneRDM:
    """g = d - 1/2."""
    return one_rdm - 0.5 * jnp.eye(len(one_rdm))


def _pseudo_inverse(block: np.ndarray, norm: np.ndarray) -> np.ndarray:
    """Of a map that is self-adjoint for vectors of these squared norms; a norm of zero drops the vector."""
    root = np.sqrt(norm)
    symmetric = root[:, None] * block * _reciprocal(root)
    return _reciprocal(root)[:, None] * np.linalg.pinv(symmetric, rcond=1e-10, hermitian=True) * root


def _reciprocal(x: np.ndarray) -> np.ndarray:
    return np.divide(1.0, x, out=np.zeros(len(x)), where=x != 0)


@lru_cache(maxsize=2)
def _normal_blocks(sites: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A A^T on the three kinds of components: column k is its action on component k, by six indices, for few sites."""
    unit = np.eye(sites)
    upper = {1: np.outer(unit[0], unit[0]), -1: np.outer(unit[0], unit[1]) - np.outer(unit[1], unit[0])}
    lower = {1: np.outer(unit[3], unit[3]), -1: np.outer(unit[2], unit[3]) - np.outer(unit[3], unit[2])}
    kinds = (
        lambda s, t: np.multiply.outer(upper[s], lower[t]),
        lambda s, t: _spread(np.outer(unit[0], unit[1]), s, t),
        lambda s, t: _spread(unit, s, t),
    )
    blocks = []
    for kind in kinds:
        vectors = [kind(s, t) for _, s, t in _COMPONENTS]
        block = np.zeros((9, 9))
        for k, (place, _, _) in enumerate(_COMPONENTS):
            image = _contract(_lift([vectors[k] if i == place else np.zeros((sites,) * 4) for i in range(4)]))
            for j, (i, _, _) in enumerate(_COMPONENTS):
                if norm := np.vdot(vectors[j], vectors[j]):
                    block[j, k] = np.vdot(vectors[j], image[i]) / norm
        blocks.append(block)
    return tuple(blocks)


def _contract(x: np.ndarray) -> list[np.ndarray]:
    """A."""
    return [np.einsum(s, x) for s in ("abcxyc->abxy", "abcxbz->acxz", "abcxyb->acxy", "abcxcz->abxz")]


def _lift(y: Sequence[np.ndarray]) -> np.ndarray:
    """A^T."""
    one = np.eye(len(y[0]))
    terms = ("abxy,cz->abcxyz", "acxz,by->abcxyz", "acxy,bz->abcxyz", "abxz,cy->abcxyz")
    x = np.sum([np.einsum(s, part, one) for s, part in zip(terms, y, strict=True)], axis=0) / 4
    x = x - x.transpose(1, 0, 2, 3, 4, 5)
    return x - x.transpose(0, 1, 2, 4, 3, 5)


def _spread(matrix: np.ndarray, s: int, t: int) -> np.ndarray:
    """M_ax d_by with its permutations, of parities s and t: M_ax d_by + s M_bx d_ay + t M_ay d_bx + s t M_by d_ax."""
    product = matrix[:, None, :, None] * np.eye(len(matrix))[:, None, :]
    product = product + s * product.transpose(1, 0, 2, 3)
    return product + t * product.transpose(0, 1, 3, 2)
