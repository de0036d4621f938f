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

**As products.** L is Hermitian and L[ab;xy] = L[ba;yx], so that any of its indices can stand last; below L is turned in the first
three alone, which a GPU does at the pace of a copy. With l[a;y] = L[ab;by], r[a;x] = L[ab;xb], p[x;t] = L[bb;xs] S[s;t] for each b,

    K[ab;xy] = L[ab;xt] (Sl + Sr)[t;y] - L[ba;xt] (Sl)[t;y] - (lS)[a;t] L[bt;xy] - p[x;t] L[at;by]
             + L[ba;yt] (Sr - Sl)[t;x] - ((l - r)S)[a;t] L[bt;yx] + p[y;t] (L[ta;bx] - L[at;bx]) + p[b;t] L[ta;yx],

and with M[ab;xt] = L[ab;xs] S[s;t], T[a;t] = L[ab;tb] and T_same[a;t] = T[a;t] - L[ab;bt]

    A_33 = antisym_ab,xy (D + D^+) / 2,    D[ab;xy] = (M[ac;xt] + 2 d_xc (TS)[a;t]) L[tb;cy]
    A_22 = H + H^+,    H[ac;xz] = (M[ab;xt] - M[ba;xt] + d_xb (T_same S)[a;t]) L[tc;bz]
                                  - (M[bc;xt] - 2 d_xb (TS)[c;t]) L[at;bz] / 2 - M[ac;bt] L[bt;xz] / 2.
"""

import jax.numpy as jnp
from jaxtyping import Array, Complex

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
    """Collision element and contractions for a given Hermitian S, of a cumulant that is Hermitian and L[ab;xy] = L[ba;yx].

    What is not used of the result is not computed under `jit`.
    """
    require_orbitals(sign=sign, cumulant=cumulant)
    along, across = cumulant.transpose(2, 0, 1, 3), cumulant.transpose(2, 1, 0, 3)
    paths = jnp.stack([along, across])
    return ThreeCumulant(_collision(sign, cumulant, paths), *_contractions(sign, cumulant, paths))


def nakatsuji_yasuda_cumulant(sign: OneRDM, cumulant: TwoRDM) -> ThreeRDM:
    """Delta3_uud itself for a given Hermitian S."""
    require_orbitals(sign=sign, cumulant=cumulant)
    signed = jnp.tensordot(sign, cumulant, axes=1)
    lines = jnp.einsum("abxt,tcyz->abcxyz", _same_spin(cumulant), signed)
    rings = jnp.einsum("acxt,tbzy->abcxyz", cumulant, signed)
    legs = jnp.einsum("actz,tbxy->abcxyz", cumulant, _same_spin(signed))
    lowers, uppers = lines - lines.transpose(0, 1, 2, 4, 3, 5), legs - legs.transpose(1, 0, 2, 3, 4, 5)
    rings = rings - rings.transpose(1, 0, 2, 3, 4, 5)
    return lowers + uppers + rings - rings.transpose(0, 1, 2, 4, 3, 5)


def _collision(sign: OneRDM, cumulant: TwoRDM, paths: Complex[Array, "2 s s s s"]) -> TwoRDM:
    """K for all b at once; `paths` are L[ta;bx] and L[at;bx], as [b, t, a, x]."""
    left, right = diagonal(cumulant, "abby->bay"), diagonal(cumulant, "abxb->bax")
    signed_left, signed_right, split = sign @ left, sign @ right, diagonal(cumulant, "bbxy->bxy") @ sign
    ends = jnp.einsum("baxt,btkw->baxkw", cumulant, jnp.stack([-signed_left, signed_right - signed_left], axis=2))
    starts = jnp.einsum("bkat,btxy->bkaxy", jnp.stack([(left - right) @ sign, left @ sign], axis=1), cumulant)
    along, across = jnp.einsum("kbxt,kbtay->kbxay", jnp.stack([split, split]), paths).swapaxes(2, 3)
    straight = jnp.einsum("baxt,bty->baxy", cumulant.swapaxes(0, 1), signed_left + signed_right)
    straight = straight + ends[..., 0, :] - starts[:, 1] - across
    swapped = ends[..., 1, :] - starts[:, 0] + along - across + jnp.tensordot(jnp.diagonal(split).T, cumulant, axes=1)
    return (straight + swapped.swapaxes(2, 3)).swapaxes(0, 1)


def _contractions(sign: OneRDM, cumulant: TwoRDM, paths: Complex[Array, "2 s s s s"]) -> tuple[TwoRDM, TwoRDM]:
    """A_33 and H."""
    signed = jnp.tensordot(cumulant, sign, axes=1)
    total = diagonal(cumulant, "abtb->bat").sum(axis=0)
    same = total - diagonal(cumulant, "abbt->bat").sum(axis=0)

    def leg(matrix: OneRDM) -> TwoRDM:
        return (matrix @ sign)[:, None, None, :] * jnp.eye(len(sign))[:, :, None]

    direct, exchanged = signed.transpose(0, 2, 1, 3), signed.transpose(1, 2, 0, 3)
    rings = jnp.stack([direct + 2 * leg(total), direct - exchanged + leg(same), exchanged - 2 * leg(total)])
    down, up = jnp.tensordot(rings[:2], paths[0], axes=2).swapaxes(2, 3)
    crossed = jnp.tensordot(rings[2], paths[1], axes=2).transpose(2, 0, 1, 3)
    down = down + down.conj().transpose(2, 3, 0, 1)
    down = 0.5 * (down - down.swapaxes(0, 1))
    return down - down.swapaxes(2, 3), up - 0.5 * crossed - 0.5 * jnp.tensordot(signed, cumulant, axes=2)


def _same_spin(x: TwoRDM) -> TwoRDM:
    """x[ab;xy] - x[ab;yx]: the up-up block of a spin scalar."""
    return x - x.transpose(0, 1, 3, 2)
