"""Determinants of one spin species: bit patterns, hops and annihilations as index tables.

With N particles on N_s sites the determinants are the integers with N set bits among N_s (bit i is site i), in ascending
order: |d> = c+_{i1} ... c+_{iN} |0> with i1 < i2 < ... < iN. The wavefunction of two spin species is a matrix
psi[up determinant, down determinant], all up creators standing left of all down creators:

    |psi> = sum_{u, d} psi[u, d] |u>_up |d>_down.

An operator of an even number of down operators acts on the columns without a further sign; one down annihilator passes all
N_up up creators and picks up (-1)^N_up, which cancels in every density matrix. The tables are made once, in NumPy.
"""

import math
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from qnano.border import complaint, numbers

MOST_SITES = 62  # the determinants of one spin are the bits of an integer


class HopTable(NamedTuple):
    """sum_b t_b c+_i c_j + conj(t_b) c+_j c_i over bonds b = (i, j), row by row of the result, padded with sign 0.

    Entry k of row d: the amplitude `sign * t[bond]`, conjugated where `backward`, times component `source` of the vector.
    """

    source: Int[np.ndarray, "determinant entry"]
    bond: Int[np.ndarray, "determinant entry"]
    backward: Bool[np.ndarray, "determinant entry"]
    sign: Float[np.ndarray, "determinant entry"]


class AnnihilationTable(NamedTuple):
    """(c_i psi)[d] = sign[i, d] psi[source[i, d]] for d among the determinants of one particle less."""

    source: Int[np.ndarray, "site determinant"]
    sign: Float[np.ndarray, "site determinant"]


@lru_cache(maxsize=64)
def determinants(sites: int, particles: int) -> Int[np.ndarray, " determinant"]:
    """The bit patterns in ascending order; C(sites, particles) of them. Raises `ValueError` for more particles than sites.

    Neither may there be more than 62 sites.
    """
    numbers("sites", sites, kind="integer", shape=(), least=1, most=MOST_SITES)
    numbers("particles", particles, kind="integer", shape=(), least=0, most=sites)
    patterns = [sum(1 << i for i in occupied) for occupied in combinations(range(sites), particles)]
    return np.array(sorted(patterns), dtype=np.int64)


@lru_cache(maxsize=64)
def occupations(sites: int, particles: int) -> Float[np.ndarray, "determinant site"]:
    """n_i of each determinant, 0 or 1."""
    return (determinants(sites, particles)[:, None] >> np.arange(sites) & 1).astype(float)


@lru_cache(maxsize=64)
def hop_table(sites: int, particles: int, bonds: tuple[tuple[int, int], ...]) -> HopTable:
    """The hops over `bonds` within the determinants of `particles` on `sites`.

    Raises `ValueError` for more particles than sites, and for a bond that does not join two different sites.
    """
    numbers("sites", sites, kind="integer", shape=(), least=1)
    numbers("particles", particles, kind="integer", shape=(), least=0, most=sites)
    if bonds:
        numbers("bonds", bonds, kind="integer", shape=(None, 2), least=0, most=sites - 1)
    for bond in bonds:
        if bond[0] == bond[1]:
            raise ValueError(complaint("bonds", bond, "must join two different sites"))
    determinant_count = math.comb(sites, particles)
    rows, sources, labels, backward, signs = [], [], [], [], []
    for b, (i, j) in enumerate(bonds):
        for into, out_of, is_backward in ((i, j, False), (j, i, True)):
            row, source, sign = _hop(sites, particles, into, out_of)
            rows.append(row)
            sources.append(source)
            labels.append(np.full(row.size, b))
            backward.append(np.full(row.size, is_backward))
            signs.append(sign)
    if not rows:
        return HopTable(*(np.zeros((determinant_count, 0), dtype=kind) for kind in (np.int32, np.int32, bool, float)))
    row = np.concatenate(rows)
    order = np.argsort(row, kind="stable")
    row = row[order]
    count = np.bincount(row, minlength=determinant_count)
    slot = np.arange(row.size) - np.repeat(np.cumsum(count) - count, count)

    def padded(parts: list[np.ndarray], dtype: type) -> np.ndarray:
        table = np.zeros((determinant_count, max(count)), dtype=dtype)
        table[row, slot] = np.concatenate(parts)[order]
        return table

    return HopTable(padded(sources, np.int32), padded(labels, np.int32), padded(backward, bool), padded(signs, float))


def _hop(sites: int, particles: int, into: int, out_of: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The determinants that a hop leads to, those that it comes from, and the signs."""
    if particles == 1:  # a determinant is a site, of which there may be more than an integer has bits
        return np.array([into]), np.array([out_of]), np.ones(1)
    patterns = determinants(sites, particles)
    between = sum(1 << k for k in range(min(into, out_of) + 1, max(into, out_of)))
    row = np.flatnonzero((patterns >> into & 1 == 1) & (patterns >> out_of & 1 == 0))
    source = np.searchsorted(patterns, patterns[row] ^ (1 << into) ^ (1 << out_of))
    return row, source, 1.0 - 2.0 * (np.bitwise_count(patterns[row] & between) % 2)


@lru_cache(maxsize=64)
def annihilation_table(sites: int, particles: int) -> AnnihilationTable:
    """c_i for every site i, from `particles` to `particles - 1`; needs at least one particle."""
    numbers("particles", particles, kind="integer", shape=(), least=1, most=sites)
    fewer, patterns = determinants(sites, particles - 1), determinants(sites, particles)
    site = np.arange(sites)[:, None]
    empty = fewer >> site & 1 == 0
    source = np.where(empty, np.searchsorted(patterns, fewer | 1 << site), 0)
    sign = 1.0 - 2.0 * (np.bitwise_count(fewer & ((1 << site) - 1)) % 2)
    return AnnihilationTable(source.astype(np.int32), np.where(empty, sign, 0.0))
