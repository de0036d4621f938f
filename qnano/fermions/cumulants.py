"""Two-particle cumulants, and the collision element that they give when the three-particle cumulant is neglected.

For a singlet with one-particle RDM d of either spin,

    D2_updn[a, b, x, y] = d[a, x] d[b, y] + L[a, b, x, y],          L_upup = L - (a <-> b).

The three-particle RDM enters the motion of D2 only through K[a, b, x, y] = D3_uud[a, b, b; x, b, y], the third particle on the
site of the second, so that an on-site interaction never needs an array of six indices.

All functions raise `ValueError` for arrays that do not fit each other.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from qnano.fermions.admission import require_orbitals
from qnano.fermions.slices import diagonal, placed
from qnano.fermions.types import OneRDM, ThreeRDM, TwoRDM


def two_cumulant(one_rdm: OneRDM, two_rdm: TwoRDM) -> TwoRDM:
    """L = D2_updn - d x d."""
    require_orbitals(one_rdm=one_rdm, two_rdm=two_rdm)
    return two_rdm - uncorrelated(one_rdm)


def uncorrelated(one_rdm: OneRDM) -> TwoRDM:
    """d[a, x] d[b, y]: the D2_updn of independent electrons."""
    require_orbitals(one_rdm=one_rdm)
    return jnp.einsum("ax,by->abxy", one_rdm, one_rdm)


def three_cumulant(
    one_rdms: Complex[Array, "2 s s"], two_upup: TwoRDM, two_updn: TwoRDM, three_uud: Complex[Array, "s s s s s s"]
) -> Complex[Array, "s s s s s s"]:
    """Delta3_uud = D3_uud - D2_upup x d_dn - antisym(d_up x L), for any spin; N_s^6 elements."""
    up, down = one_rdms
    require_orbitals(up=up, down=down, two_upup=two_upup, two_updn=two_updn, three_uud=three_uud)
    cumulant = two_updn - jnp.einsum("ax,by->abxy", up, down)
    beside = jnp.einsum("ax,bcyz->abcxyz", up, cumulant)
    beside = beside - beside.transpose(1, 0, 2, 3, 4, 5)
    beside = beside - beside.transpose(0, 1, 2, 4, 3, 5)
    return three_uud - jnp.einsum("abxy,cz->abcxyz", two_upup, down) - beside


def three_disconnected(one_rdm: OneRDM, cumulant: TwoRDM) -> ThreeRDM:
    """D3_uud of a singlet without its three-particle cumulant, D2_upup x d + antisym(d x L); N_s^6 elements."""
    require_orbitals(one_rdm=one_rdm, cumulant=cumulant)
    two_rdm = uncorrelated(one_rdm) + cumulant

    def product(one: str, two: Array, letters: str) -> Array:
        return placed(one_rdm, one, "abcxyz") * placed(two, letters, "abcxyz")

    beside = product("ax", cumulant, "bcyz")
    beside = beside - beside.transpose(1, 0, 2, 3, 4, 5)
    beside = beside - beside.transpose(0, 1, 2, 4, 3, 5)
    return product("cz", two_rdm - two_rdm.transpose(1, 0, 2, 3), "abxy") + beside


class CollisionSlices(NamedTuple):
    """U K + (U K)^T for the K of `collision_without_three_cumulant`, by what it is made of.

    With n_b = d_bb and D2 in the place of L, K is

        K[abxy] = F[abx] d_by + d_ax D2[bb;by] - d_bx D2[ab;by] - d_ab D2[bb;xy] + n_b D2[ab;xy],
        F[abx] = D2_upup[ab;xb] - 2 (d_ax n_b - d_ab d_bx),

    so that, with K^T[abxy] = K[bayx], all that has four free indices is D2 itself:

        U_b K + (U_b K)^T = (w_a + w_b) D2[ab;xy] + d_by A[abx] + d_ax A[bay]
                          - d_bx B[aby] - d_ay B[bax] - d_ab C[bxy] - d_ba C[ayx].
    """

    weight: Float[Array, " s"]  # w_b = U_b n_b
    beside: Complex[Array, "s s s"]  # A[abx] = U_b F[abx] + U_a D2[aa;ax]
    across: Complex[Array, "s s s"]  # B[aby] = U_b D2[ab;by]
    split: Complex[Array, "s s s"]  # C[bxy] = U_b D2[bb;xy]

    @classmethod
    def of(cls, interaction: Float[Array, " s"], one_rdm: OneRDM, two_rdm: TwoRDM) -> "CollisionSlices":
        """From U_b, d and D2. Raises `ValueError` for arrays that do not fit each other."""
        require_orbitals(one_rdm=one_rdm, two_rdm=two_rdm)
        d, u = one_rdm, interaction
        occupation = jnp.diagonal(d)
        same_spin = diagonal(two_rdm, "abxb->abx") - diagonal(two_rdm, "baxb->abx")
        three = same_spin - 2 * (d[:, None, :] * occupation[:, None] - d[:, :, None] * d)
        beside = u[:, None] * three + (u[:, None] * diagonal(two_rdm, "aaax->ax"))[:, None]
        across = u[:, None] * diagonal(two_rdm, "abby->aby")
        split = u[:, None, None] * diagonal(two_rdm, "bbxy->bxy")
        return cls(u * occupation.real, beside, across, split)

    def element(self, one_rdm: OneRDM, two_rdm: TwoRDM) -> TwoRDM:
        """U_b K + (U_b K)^T."""
        d, (w, beside, across, split) = one_rdm, self
        swapped, turned = beside.transpose(1, 0, 2), across.transpose(1, 0, 2)
        return (
            (w[:, None] + w)[:, :, None, None] * two_rdm
            + (d[:, None, :] * beside[:, :, :, None] + d[:, None, :, None] * swapped[:, :, None, :])
            - (d[:, :, None] * across[:, :, None, :] + d[:, None, None, :] * turned[:, :, :, None])
            - (d[:, :, None, None] * split + d.T[:, :, None, None] * split.transpose(0, 2, 1)[:, None])
        )


def collision_without_three_cumulant(one_rdm: OneRDM, cumulant: TwoRDM) -> TwoRDM:
    """K of Valdemoro's reconstruction, D3 = d d d + d L antisymmetrised (Phys. Rev. A 45, 4462 (1992)).

    With b twice among the indices only one term keeps four free indices of L; all others are outer products of its slices:

        K[abxy] = (d_ax d_bb - d_ab d_bx + L_upup[ab;xb]) d_by + d_ax L[bb;by] - d_bx L[ab;by] - d_ab L[bb;xy] + d_bb L[ab;xy].
    """
    require_orbitals(one_rdm=one_rdm, cumulant=cumulant)
    d, b = one_rdm, jnp.arange(one_rdm.shape[0])
    occupation = jnp.diagonal(d)
    same_spin = jnp.moveaxis(cumulant[:, b, :, b], 0, 1) - jnp.moveaxis(cumulant[b, :, :, b], 0, 1)  # [a, b, x]
    pair_hop = cumulant[b, b, b, :]  # [b, y]
    hop_beside = cumulant[:, b, b, :]  # [a, b, y]
    pair_split = cumulant[b, b]  # [b, x, y]
    direct = d[:, None, :] * occupation[:, None] - d[:, :, None] * d[None, :, :] + same_spin
    return (
        direct[:, :, :, None] * d[None, :, None, :]
        + d[:, None, :, None] * pair_hop[None, :, None, :]
        - d[None, :, :, None] * hop_beside[:, :, None, :]
        - d[:, :, None, None] * pair_split[None, :, :, :]
        + occupation[None, :, None, None] * cumulant
    )
