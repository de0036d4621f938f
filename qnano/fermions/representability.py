"""Conditions that a two-particle RDM of fermions must satisfy, as eigenvalues.

D2, Q2 and G2 are the probabilities to find two particles, two holes, and a particle with a hole: all are positive matrices over
pairs. Here for the block of opposite spins, with d_up and d_dn the one-particle RDMs:

    Q2[ab;xy] = delta_ax delta_by - d_up[a, x] delta_by - delta_ax d_dn[b, y] + D2[ab;xy].

For a singlet D2 and Q2 fall apart into what is even (spin singlet) and odd (triplet) under exchange of the orbitals of a pair,
of N_s (N_s + 1) / 2 and N_s (N_s - 1) / 2 pairs, and G2 into the two couplings of a particle in i with a hole in j:

    G_triplet[ij;kl] = delta_jl d_ik - D2[il;kj],        G_singlet[ij;kl] = G_triplet[ij;kl] + 2 D2[il;jk].
"""

from functools import lru_cache
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from qnano.border import choice, numbers
from qnano.fermions.admission import require_orbitals
from qnano.fermions.types import OneRDM, PairMatrix, TwoRDM
from qnano.spectral import extremes, lowest_eigenvalues

Parity = Literal[1, -1]
PARITIES: tuple[Parity, Parity] = (1, -1)


def two_hole_rdm(up: OneRDM, down: OneRDM, two_rdm: TwoRDM) -> TwoRDM:
    """Q2 of opposite spins: < c_{a,up} c_{b,dn} c+_{y,dn} c+_{x,up} > in the index order of D2."""
    require_orbitals(up=up, down=down, two_rdm=two_rdm)
    one = jnp.eye(up.shape[0], dtype=up.dtype)

    def pair(left, right):
        return jnp.einsum("ax,by->abxy", left, right)

    return pair(one, one) - pair(up, one) - pair(one, down) + two_rdm


def particle_hole_rdms(one_rdm: OneRDM, two_rdm: TwoRDM) -> tuple[TwoRDM, TwoRDM]:
    """(G_singlet, G_triplet) of a singlet, from D1 of one spin and D2 of opposite spins."""
    require_orbitals(one_rdm=one_rdm, two_rdm=two_rdm)
    one = jnp.eye(len(one_rdm), dtype=one_rdm.dtype)
    triplet = jnp.einsum("ik,jl->ijkl", one_rdm, one) - jnp.einsum("ilkj->ijkl", two_rdm)
    return triplet + 2 * jnp.einsum("iljk->ijkl", two_rdm), triplet


def pair_extremes(two_body: TwoRDM) -> Float[Array, " 2"]:
    """Lowest and highest eigenvalue of a Hermitian two-body array as a matrix over pairs (a, b); O(s^6)."""
    require_orbitals(two_body=two_body)
    size = two_body.shape[0] ** 2
    return extremes(two_body.reshape(size, size))


def lowest_probabilities(one_rdm: OneRDM, two_rdm: TwoRDM) -> Float[Array, " 2"]:
    """The lowest eigenvalues of D2 and of Q2 of a singlet, from the blocks of both parities; O(s^6)."""
    holes = two_hole_rdm(one_rdm, one_rdm, jnp.zeros_like(two_rdm))
    parities = PARITIES if len(one_rdm) > 1 else PARITIES[:1]  # one orbital makes no odd pair
    two_body = [pair_matrix(two_rdm, parity) for parity in parities]
    of_holes = [block + pair_matrix(holes, parity) for block, parity in zip(two_body, parities, strict=True)]
    return lowest_eigenvalues((*two_body, *of_holes)).reshape(2, -1).min(axis=1)


def particle_hole_extremes(one_rdm: OneRDM, two_rdm: TwoRDM) -> Float[Array, " 2"]:
    """Lowest and highest eigenvalue of G2 of a singlet, of both couplings together; O(s^6)."""
    size = len(one_rdm) ** 2
    ends = jnp.stack([extremes(g.reshape(size, size)) for g in particle_hole_rdms(one_rdm, two_rdm)])
    return jnp.stack([ends[:, 0].min(), ends[:, 1].max()])


def pair_matrix(two_body: TwoRDM, parity: Parity) -> PairMatrix:
    """The part even (1) or odd (-1) in (a, b) and in (x, y) as a matrix over orthonormal pair states a <= b or a < b."""
    require_orbitals(two_body=two_body)
    a, b, weight, _, _ = _pairs(len(two_body), parity)
    rows = two_body[a, b] + parity * two_body[b, a]
    whole = rows[:, a, b] + parity * rows[:, b, a]
    return 0.5 * whole * (weight[:, None] * weight)


def from_pair_matrix(matrix: PairMatrix, sites: int, parity: Parity) -> TwoRDM:
    """The two-body array of this parity; undoes `pair_matrix`."""
    a, _, _, place, sign = _pairs(sites, parity)
    numbers("matrix", matrix, kind="complex", shape=(len(a), len(a)))
    rows = matrix[place] * sign[:, :, None]
    return rows[:, :, place] * sign


@lru_cache(maxsize=64)
def _pairs(sites: int, parity: Parity) -> tuple[np.ndarray, ...]:
    """First and second orbital of each pair and its weight; the pair of two orbitals and its coefficient there."""
    numbers("sites", sites, kind="integer", shape=(), least=1)
    choice("parity", parity, PARITIES)
    a, b = np.triu_indices(sites, k=0 if parity == 1 else 1)
    weight = np.where(a == b, np.sqrt(0.5), 1.0)
    place, sign = np.zeros((sites, sites), int), np.zeros((sites, sites))
    place[a, b] = place[b, a] = np.arange(len(a))
    sign[a, b] = np.where(a == b, 1.0, np.sqrt(0.5))
    sign[b, a] = np.where(a == b, 1.0, parity * np.sqrt(0.5))
    return a, b, weight, place, sign
