"""Index tables against Jordan-Wigner matrices."""

import numpy as np
import pytest

from qnano.fermions import fock
from tests.oracles.fock_space import Sector


@pytest.mark.parametrize(("sites", "particles"), [(4, 2), (5, 1), (5, 4), (3, 3), (3, 0)])
def test_hops_match_jordan_wigner(sites, particles):
    """With no down electron the sector is the space of one spin."""
    sector = Sector(sites, particles, 0)
    bonds = tuple((i, j) for i in range(sites) for j in range(i))
    rng = np.random.default_rng(0)
    amplitudes = rng.normal(size=len(bonds)) + 1j * rng.normal(size=len(bonds))
    hopping = np.zeros((sites, sites), complex)
    for (i, j), t in zip(bonds, amplitudes, strict=True):
        hopping[i, j], hopping[j, i] = t, np.conj(t)
    table = fock.hop_table(sites, particles, bonds)
    values = amplitudes[table.bond]
    values = table.sign * np.where(table.backward, values.conj(), values)
    matrix = np.zeros((len(table.source),) * 2, complex)
    for row in range(len(matrix)):
        np.add.at(matrix[row], table.source[row], values[row])
    np.testing.assert_allclose(matrix, sector.hamiltonian(hopping).toarray(), atol=1e-14)


def test_no_bonds_give_an_empty_table():
    assert fock.hop_table(3, 1, ()).source.shape == (3, 0)
    assert fock.hop_table(70, 1, ((68, 69),)).source[68:, 0].tolist() == [69, 68]  # more sites than an integer has bits


def test_determinants_are_sorted_patterns():
    np.testing.assert_array_equal(fock.determinants(4, 2), [0b0011, 0b0101, 0b0110, 0b1001, 0b1010, 0b1100])
    np.testing.assert_array_equal(fock.occupations(3, 1), np.eye(3))
