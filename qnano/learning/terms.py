"""Building blocks of a learned collision element: arrays that transform like K under phases and permutations of the orbitals.

Nakatsuji and Yasuda's product of two cumulants joined by a line has eight channels in K[a, b, x, y] = Delta3[a, b, b; x, b, y], and
Valdemoro's product of a cumulant and a one-particle RDM five; here each may have a coefficient of its own. The line is
g = 2 d - 1, which is odd under the exchange of particles and holes like the exact Delta3. Time reversal, complex conjugation of all
arrays, is kept by real coefficients. O(N_s^5).
"""

import jax.numpy as jnp
from jaxtyping import Array, Complex

from qnano.fermions.reconstruction import smooth_sign
from qnano.fermions.slices import diagonal
from qnano.fermions.types import OneRDM, TwoRDM

COUNT = 13


def terms(one_rdm: OneRDM, cumulant: TwoRDM) -> Complex[Array, "13 s s s s"]:
    """All of them, the eight products of two cumulants first."""
    sign = smooth_sign(one_rdm)
    return jnp.stack([*_products(cumulant, jnp.tensordot(sign, cumulant, axes=1)), *_legs(sign, cumulant)])


def _products(cumulant: TwoRDM, signed: TwoRDM) -> list[TwoRDM]:
    """The channels of `qnano.fermions.reconstruction.nakatsuji_yasuda`; their sum is its collision element."""

    def left(x):
        return diagonal(x, "abby->aby")

    def right(x):
        return diagonal(x, "abxb->abx")

    pair, hop = diagonal(cumulant, "bbxy->bxy"), diagonal(cumulant, "bbby->by")
    same, signed_same = (x - x.transpose(0, 1, 3, 2) for x in (cumulant, signed))
    return [
        jnp.einsum("abxt,tby->abxy", same, left(signed)),
        -jnp.einsum("abt,tbxy->abxy", left(same), signed),
        jnp.einsum("abxt,tby->abxy", cumulant, right(signed)),
        -jnp.einsum("abt,tbyx->abxy", left(cumulant), signed),
        jnp.einsum("abty,tbx->abxy", cumulant, right(signed) - left(signed)),
        -jnp.einsum("bxt,tayb->abxy", pair, signed),
        jnp.einsum("bt,tayx->abxy", hop, signed),
        -jnp.einsum("bty,taxb->abxy", pair, signed_same),
    ]


def _legs(sign: OneRDM, cumulant: TwoRDM) -> list[TwoRDM]:
    """The five products of `qnano.fermions.cumulants.collision_without_three_cumulant` with g for d."""
    beside, across = diagonal(cumulant, "abxb->abx"), diagonal(cumulant, "abby->aby")
    pair, hop = diagonal(cumulant, "bbxy->bxy"), diagonal(cumulant, "bbby->by")
    return [
        (beside - across)[:, :, :, None] * sign[None, :, None, :],
        sign[:, None, :, None] * hop[None, :, None, :],
        sign[None, :, :, None] * across[:, :, None, :],
        sign[:, :, None, None] * pair[None],
        jnp.diagonal(sign)[None, :, None, None] * cumulant,
    ]
