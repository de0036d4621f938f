"""Nakatsuji and Yasuda's reconstruction of the three-particle cumulant, without an array of six indices.

Over spin orbitals the reconstruction is the antisymmetrised product of two two-particle cumulants joined by one line,

    Delta3 = sum of the 9 signed terms of sum_tt' Delta2[u1 u2; l1 t] S[t; t'] Delta2[t' u3; l2 l3],

with S = 2 P - 1 and P the projector on the N highest natural orbitals of D1 (Phys. Rev. Lett. 76, 1039 (1996)); S = 2 D1 - 1 is
the same at occupations 0 and 1 and smooth between. For a singlet, with up-down cumulant L and L_upup = L - (a <-> b), the block of
two up and one down particle is

    Delta3[abc;xyz] = antisym_xy { Lu[ab;xt] SL[tc;yz] } + antisym_ab,xy { L[ac;xt] SL[tb;zy] } + antisym_ab { L[ac;tz] SLu[tb;xy] }

where SL[tb;xy] = S[t;t'] L[t'b;xy], Lu = L_upup, SLu likewise, sums over t, and antisym without a factor. Index order as in
`qnano.fermions.rdm`. A closure without memory forms its collision element alone, O(N_s^5), and two of its contractions, O(N_s^6) as
products of N_s^2 x N_s^2 matrices, in a memory of O(N_s^4); all of it has N_s^6 elements and costs O(N_s^7).
"""

import jax.numpy as jnp
from jaxtyping import Array

from qnano.fermions.admission import require_orbitals
from qnano.fermions.contractions import ThreeCumulant
from qnano.fermions.slices import diagonal
from qnano.fermions.types import OneRDM, ThreeRDM, TwoRDM
from qnano.spectral import highest_projector


def hard_sign(one_rdm: OneRDM) -> OneRDM:
    """2 P - 1, P on the natural orbitals that N = trace(d) electrons fill; jumps where occupations cross there."""
    require_orbitals(one_rdm=one_rdm)
    hermitian = 0.5 * (one_rdm + one_rdm.conj().T)
    count = jnp.round(jnp.trace(one_rdm).real).astype(int)
    return 2 * highest_projector(hermitian, count) - jnp.eye(len(one_rdm))


def smooth_sign(one_rdm: OneRDM) -> OneRDM:
    """2 d - 1."""
    require_orbitals(one_rdm=one_rdm)
    return 2 * one_rdm - jnp.eye(len(one_rdm))


def nakatsuji_yasuda(sign: OneRDM, cumulant: TwoRDM) -> ThreeCumulant:
    """Collision element and contractions for a given Hermitian S. What is not used of the result is not computed under `jit`."""
    require_orbitals(sign=sign, cumulant=cumulant)
    signed = jnp.tensordot(sign, cumulant, axes=1)
    return ThreeCumulant(_collision(cumulant, signed), _over_down(cumulant, signed), _over_up(cumulant, signed))


def nakatsuji_yasuda_cumulant(sign: OneRDM, cumulant: TwoRDM) -> ThreeRDM:
    """Delta3_uud itself for a given Hermitian S."""
    require_orbitals(sign=sign, cumulant=cumulant)
    signed = jnp.tensordot(sign, cumulant, axes=1)
    lines = jnp.einsum("abxt,tcyz->abcxyz", _same_spin(cumulant), signed)
    rings = jnp.einsum("acxt,tbzy->abcxyz", cumulant, signed)
    legs = jnp.einsum("actz,tbxy->abcxyz", cumulant, _same_spin(signed))
    lowers, uppers = lines - lines.transpose(0, 1, 2, 4, 3, 5), legs - legs.transpose(1, 0, 2, 3, 4, 5)
    return lowers + uppers + _antisymmetric(rings, lower=3)


def _collision(cumulant: TwoRDM, signed: TwoRDM) -> TwoRDM:
    """K[abxy] = Delta3[abb;xby]: for each b, products of slices of L and of SL."""

    def left(x):  # [a, b, y] = x[ab;by]
        return diagonal(x, "abby->aby")

    def right(x):  # [a, b, x] = x[ab;xb]
        return diagonal(x, "abxb->abx")

    same, split = _same_spin(cumulant), diagonal(cumulant, "bbxy->bxy")
    return (
        jnp.einsum("abxt,tby->abxy", same, left(signed))
        - jnp.einsum("abt,tbxy->abxy", left(same), signed)
        + jnp.einsum("abxt,tby->abxy", cumulant, right(signed))
        - jnp.einsum("abt,tbyx->abxy", left(cumulant), signed)
        + jnp.einsum("abty,tbx->abxy", cumulant, right(signed) - left(signed))
        - jnp.einsum("bxt,tayb->abxy", split, signed)
        + jnp.einsum("bt,tayx->abxy", diagonal(cumulant, "bbbt->bt"), signed)
        - jnp.einsum("bty,taxb->abxy", split, _same_spin(signed))
    )


def _over_down(cumulant: TwoRDM, signed: TwoRDM) -> TwoRDM:
    """A_33[abxy] = Delta3[abc;xyc]."""
    lines = jnp.einsum("abxt,ty->abxy", cumulant, _traced(signed))
    rings = jnp.einsum("acxt,tbcy->abxy", cumulant, signed)
    legs = jnp.einsum("at,tbxy->abxy", _traced(cumulant), signed)
    return _antisymmetric(lines + rings + legs)


def _over_up(cumulant: TwoRDM, signed: TwoRDM) -> TwoRDM:
    """A_22[acxz] = Delta3[abc;xbz]."""
    same, signed_same = _same_spin(cumulant), _same_spin(signed)
    both = signed + signed.conj().transpose(2, 3, 0, 1)  # S on the first upper leg, and on the first lower one
    return (
        jnp.einsum("abxt,tcbz->acxz", same, both)
        - jnp.einsum("acbt,tbzx->acxz", cumulant, signed)
        - jnp.einsum("bcxt,tazb->acxz", cumulant, signed)
        + jnp.einsum("at,tcxz->acxz", _traced(same), signed)
        + jnp.einsum("acxt,tz->acxz", cumulant, _traced(signed))
        + jnp.einsum("actz,tx->acxz", cumulant, _traced(signed_same))
        + jnp.einsum("ct,tazx->acxz", _traced(cumulant), signed)
    )


def _traced(x: TwoRDM) -> OneRDM:
    """sum_b x[ab;tb]."""
    return diagonal(x, "abtb->bat").sum(axis=0)


def _same_spin(x: TwoRDM) -> TwoRDM:
    """x[ab;xy] - x[ab;yx]: the up-up block of a spin scalar."""
    return x - x.transpose(0, 1, 3, 2)


def _antisymmetric(x: Array, lower: int = 2) -> Array:
    """The four signed terms; the lower indices begin at axis `lower`."""
    x = x - jnp.swapaxes(x, 0, 1)
    return x - jnp.swapaxes(x, lower, lower + 1)
