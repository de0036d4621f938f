"""Contraction consistency: the nearest three-particle RDM that agrees with D2, seen through its collision element alone.

The up-up-down block X = D3_uud of a state with sharp N_up, N_dn and total spin zero has four contractions that D2 fixes,

    A_33[ab;xy] = X[abc;xyc],    A_22[ac;xz] = X[abc;xbz],    A_23[ac;xy] = X[abc;xyb],    A_32[ab;xz] = X[abc;xcz],

summed over the repeated index (uppers are annihilators, a and b up, c down). A reconstruction misses them. The correction of
least norm that mends this is X <- X + A^T (A A^T)^+ (targets - A X), where the adjoint lifts four arrays of four indices,

    A^T Y = 1/4 antisym_{ab,xy} [ Y_0[ab;xy] d_cz + Y_1[ac;xz] d_by + Y_2[ac;xy] d_bz + Y_3[ab;xz] d_cy ].

What the reconstruction says beyond its contractions stays: the unitary decomposition, made spin-adapted (Lackner et al., Phys. Rev.
A 91, 023412 (2015)). With it energy, spin, trace and the equation of motion of D1 hold exactly, whatever the reconstruction.

The closed form of that, and of its element K, is in `qnano.fermions.lift`.
"""

from typing import NamedTuple

import jax.numpy as jnp

from qnano.fermions.admission import require_orbitals
from qnano.fermions.lift import collision_of_lift, lifted
from qnano.fermions.slices import diagonal
from qnano.fermions.types import OneRDM, ThreeRDM, TwoRDM


class ThreeCumulant(NamedTuple):
    """What the motion of D2 and contraction consistency see of a three-particle cumulant Delta3_uud, a spin scalar.

    `collision` K[abxy] = Delta3[abb;xby]; `over_down` A_33[abxy] = Delta3[abc;xyc]; `half_over_up` any array that gives with its
    adjoint A_22[acxz] = Delta3[abc;xbz].
    """

    collision: TwoRDM
    over_down: TwoRDM
    half_over_up: TwoRDM


def exact_over_up(one_rdm: OneRDM, cumulant: TwoRDM) -> TwoRDM:
    """A_22 of the exact three-particle cumulant; its A_33 is zero. O(N_s^5).

        A_22[acxz] = g_ae L[ecxz] + h.c.,      g = d - 1/2,

    for Hermitian d and L of a state with sharp N_up, N_dn.
    """
    require_orbitals(one_rdm=one_rdm, cumulant=cumulant)
    return _with_adjoint(jnp.tensordot(_shifted(one_rdm), cumulant, axes=1))


def consistent_collision(one_rdm: OneRDM, cumulant: TwoRDM, three: ThreeCumulant | None) -> TwoRDM:
    """The collision element of Delta3 + A^T (A A^T)^+ (exact contractions - A Delta3); O(N_s^5). None stands for Delta3 = 0."""
    require_orbitals(one_rdm=one_rdm, cumulant=cumulant)
    lacking = jnp.tensordot(_shifted(one_rdm), cumulant, axes=1)
    if three is None:
        return collision_of_lift(jnp.zeros_like(lacking), _with_adjoint(lacking))
    require_orbitals(len(one_rdm), collision=three.collision)
    return three.collision + collision_of_lift(-three.over_down, _with_adjoint(lacking - three.half_over_up))


def contracted_three_cumulant(three: ThreeRDM) -> ThreeCumulant:
    """What the motion of D2 and contraction consistency see of a three-particle cumulant."""
    over_down, over_up = (diagonal(three, letters).sum(axis=0) for letters in ("abcxyc->cabxy", "abcxbz->bacxz"))
    return ThreeCumulant(diagonal(three, "abbxby->abxy"), over_down, over_up / 2)


def nearest_spin_scalar(three: ThreeRDM) -> ThreeRDM:
    """The spin scalar nearest to an array of six indices that is antisymmetric in ab and in xy.

    To a quartet three upper or lower indices belong that are antisymmetric altogether, and to a doublet those that have no such
    part; a spin scalar does not mix them. Rounding does, and what is lifted from its contractions would be larger than it.
    """

    def quartet(x: ThreeRDM, first: int) -> ThreeRDM:
        legs = tuple(range(first, first + 3))
        return (x + jnp.moveaxis(x, legs, legs[1:] + legs[:1]) + jnp.moveaxis(x, legs, legs[2:] + legs[:2])) / 3

    upper = quartet(three, 0)
    return three - upper - quartet(three - 2 * upper, 3)


def nearest_with_contractions(three: ThreeRDM, over_up: TwoRDM) -> ThreeRDM:
    """The spin scalar nearest to another, `three`, with this A_22 and without A_33; O(N_s^6)."""
    _, down, half_up = contracted_three_cumulant(three)
    return three + lifted(-down, over_up - 2 * half_up)


def nearest_consistent_collision(one_rdm: OneRDM, cumulant: TwoRDM, collision: TwoRDM) -> TwoRDM:
    """The K nearest to `collision` that a three-particle cumulant with the exact contractions can have. O(N_s^4).

    For a closure that knows K alone. K is a slice of an antisymmetric, Hermitian Delta3, so that, with r = A_22 of the exact one,

        K[ab;xy] = 0 for a = b or x = b,        K[ab;xb] = K[xb;ab]*,           K[ab;aa] = K[ba;bb]*,
        sum_a K[ab;ay] = r[bb;by],              sum_a K[ab;xa] = r[bb;bx] - r[bb;xb].

    These are necessary for any N_s and carry the conservation of energy and spin and the motion of D1; from five sites on they
    are also sufficient (by their number, compared with the rank of the slice). An exact K stays as it is.
    """
    require_orbitals(one_rdm=one_rdm, cumulant=cumulant, collision=collision)
    d, sites, b = _shifted(one_rdm), len(one_rdm), jnp.arange(len(one_rdm))
    apart = 1 - jnp.eye(sites)
    # K[ab;xy] = 0 for a = b or x = b; K[ab;xb] = K[xb;ab]*; K[ab;aa] = K[ba;bb]*.
    k = collision * apart[:, :, None, None] * apart[None, :, :, None]
    beside = diagonal(k, "abxb->abx")
    k = k.at[:, b, :, b].set(jnp.moveaxis(0.5 * (beside + beside.conj().transpose(2, 1, 0)), 1, 0), unique_indices=True)
    shared = diagonal(k, "babb->ba")
    k = k.at[b, :, b, b].set(0.5 * (shared + shared.conj().T), unique_indices=True)

    # r[bb;by] and r[bb;xb], from r = g L + h.c.; then what the sums of K[ab;ay] and of K[ab;xa] over a lack of theirs.
    left, right = diagonal(cumulant, "ebby->eby"), diagonal(cumulant, "ebxb->ebx")
    split, hop = diagonal(cumulant, "bbey->bey"), diagonal(cumulant, "bbeb->be")
    pair_hop = jnp.einsum("be,eby->by", d, left) + jnp.einsum("bey,eb->by", split, d)
    pair_split = jnp.einsum("be,ebx->bx", d, right) + jnp.einsum("be,ex->bx", hop, d)
    direct = pair_hop - diagonal(k, "abay->aby").sum(axis=0)
    exchanged = apart * (pair_hop - pair_split - diagonal(k, "abxa->abx").sum(axis=0))
    # What is lacking is spread evenly over the elements of each sum. K[ab;aa] is in both sums of (b, a) and, conjugate, in those
    # of (a, b): `common` is its share; every other element is in one sum.
    lacking = direct + exchanged
    common = apart * (lacking + lacking.conj().T) / (2 * sites)
    alone = max(sites - 2, 1)
    direct = jnp.where(apart == 0, direct.real / max(sites - 1, 1), (direct - common) / alone)
    exchanged = apart * (exchanged - common) / alone
    k = k.at[b, :, b, :].add(apart[:, :, None] * direct[None], unique_indices=True)
    k = k.at[b, :, :, b].add(apart[:, :, None] * exchanged[None], unique_indices=True)
    return k.at[b, :, b, b].add(apart * (common - direct - exchanged).T, unique_indices=True)


def _shifted(one_rdm: OneRDM) -> OneRDM:
    """g = d - 1/2."""
    return one_rdm - 0.5 * jnp.eye(len(one_rdm))


def _with_adjoint(x: TwoRDM) -> TwoRDM:
    return x + x.conj().transpose(2, 3, 0, 1)
