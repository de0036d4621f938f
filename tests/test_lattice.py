"""Lattices against their adjacency known from elsewhere."""

import jaxtyping
import numpy as np
import pytest

from qnano import lattice
from tests.oracles import fock_space


def adjacency(geometry):
    matrix = np.zeros((geometry.sites, geometry.sites), int)
    for i, j in geometry.bonds:
        matrix[i, j] += 1
        matrix[j, i] += 1
    return matrix


def test_chain_and_ladder_match_the_oracle():
    np.testing.assert_array_equal(adjacency(lattice.chain(5)), -fock_space.chain(5).real)
    np.testing.assert_array_equal(adjacency(lattice.chain(5, True)), -fock_space.chain(5, periodic=True).real)
    np.testing.assert_array_equal(adjacency(lattice.ladder(3)), -fock_space.ladder(3).real)
    np.testing.assert_array_equal(adjacency(lattice.rectangle(4, 3)), -fock_space.ladder(4, 3).real)


def test_torus_has_the_bands_of_the_square_lattice():
    levels = np.linalg.eigvalsh(-adjacency(lattice.rectangle(4, 3, True)).astype(float))
    k, q = 2 * np.pi * np.arange(4) / 4, 2 * np.pi * np.arange(3) / 3
    bands = -2 * np.cos(k)[:, None] - 2 * np.cos(q)[None, :]
    np.testing.assert_allclose(levels, np.sort(bands.ravel()), atol=1e-12)


@pytest.mark.parametrize("lines", [3, 4, 5])
def test_armchair_ribbon_has_its_closed_form(lines):
    """E = +-|t| sqrt(1 + 4 cos(p) cos(k/2) + 4 cos(p)^2), p = pi r / (lines + 1): the bands of an armchair ribbon."""
    cells = 4
    levels = np.linalg.eigvalsh(-adjacency(lattice.ribbon("armchair", lines, 2 * cells, True)).astype(float))
    p = np.pi * np.arange(1, lines + 1) / (lines + 1)
    k = 2 * np.pi * np.arange(cells) / cells
    band = np.sqrt(1 + 4 * np.cos(p)[:, None] * np.cos(k / 2) + 4 * np.cos(p)[:, None] ** 2).ravel()
    np.testing.assert_allclose(levels, np.sort(np.concatenate([-band, band])), atol=1e-12)


def test_zigzag_ribbon_is_a_honeycomb():
    geometry = lattice.ribbon("zigzag", 4, 10, True)
    neighbours = adjacency(geometry).sum(axis=0)
    assert sorted(set(neighbours)) == [2, 3]
    assert (neighbours == 2).sum() == 10
    zero_modes = np.abs(np.linalg.eigvalsh(adjacency(geometry).astype(float))) < 0.1
    assert zero_modes.sum() >= 2  # the flat edge states


@pytest.mark.parametrize(
    "geometry",
    [
        lattice.chain(4),
        lattice.rectangle(3, 4, (False, True)),
        lattice.ribbon("armchair", 4, 3),
        lattice.ribbon("zigzag", 3, 5),
        lattice.ribbon("armchair", 5, 6, True),
        lattice.ribbon("zigzag", 2, 6, True),
    ],
)
def test_bonds_have_unit_length_and_join_two_sublattices(geometry):
    np.testing.assert_allclose(np.linalg.norm(geometry.bond_vectors, axis=1), 1.0)
    for (i, j), arm in zip(geometry.bonds, geometry.bond_vectors, strict=True):
        assert geometry.signs[i] == -geometry.signs[j]
        offset = geometry.coordinates[i] - geometry.coordinates[j] - arm
        assert np.linalg.norm(offset) < 1e-12 or np.linalg.norm(offset) > 2  # a bond around the boundary
    assert adjacency(geometry).max() == 1


def test_a_ring_of_three_is_not_bipartite():
    assert lattice.chain(4, True).is_bipartite and not lattice.chain(3, True).is_bipartite


TWO = ((0.0,), (1.0,))


def test_a_lattice_made_of_lists_is_one_of_tuples(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    made = lattice.Lattice([[0.0], [1.0]], [[0, 1]], [[-1.0]], [1, -1])
    assert made == lattice.chain(2) and hash(made) == hash(lattice.chain(2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: lattice.chain(0), "must be a whole number at least 1"),
        (lambda: lattice.chain(2, True), "periodic: got a side of 2; must be at least 3"),
        (lambda: lattice.from_bonds(3, [[0, 3]]), r"bonds: got \[0, 3\]"),
        (lambda: lattice.from_bonds(3, [[1, 1]]), r"bonds: got \[1, 1\]"),
        (lambda: lattice.from_bonds(3, [[0, 1], [1, 0]]), "twice"),
        (lambda: lattice.from_bonds(3, [[0, 1]], [[0.0]]), "positions: got 1"),
        (lambda: lattice.from_bonds(2, [[0, 1]], [[], []]), "positions: got an empty vector"),
        (lambda: lattice.from_bonds(2, [[0, 1]], [[0.0], [0.0]]), r"positions: got \[0.0\]; must differ, sites 0 and 1 are both"),
        (lambda: lattice.from_bonds(2, [[0, 1]], ["a", "b"]), r"positions: got \['a', 'b'\]; must be vectors"),
        (lambda: lattice.from_bonds(2, [[0, 1]], [["1"], ["2"]]), "positions: got .*must be finite real numbers"),
        (lambda: lattice.from_bonds(2, "01"), "bonds: got '01'; must be pairs of sites"),
        (lambda: lattice.chain(4, "yes"), "periodic: got 'yes'; must be true or false"),
        (lambda: lattice.rectangle(4, 4, "no"), "periodic: got 'no'; must be true or false, or one"),
        (lambda: lattice.rectangle(4, 4, (True, 1)), "periodic: got 1; must be true or false"),
        (lambda: lattice.ladder(4, 1), "periodic: got 1; must be true or false"),
        (lambda: lattice.ribbon("zigzag", 2, 4, None), "periodic: got nothing; must be true or false"),
        (lambda: lattice.chain(10**9), "sites: got 1000000000; must be a whole number at least 1 and at most 10000"),
        (lambda: lattice.rectangle(101, 100), "rows: got 100; makes 10100 sites; must be at most 10000 in all"),
        (lambda: lattice.ladder(5001), "rungs: got 5001; makes 10002 sites"),
        (lambda: lattice.ribbon("zigzag", 10_000, 10_000), "width: got 10000; makes 100000000 sites"),
        (lambda: lattice.from_bonds(10**9, []), "sites: got 1000000000"),
        (lambda: lattice.Lattice("abc", "de", "f", 5), "positions: got 'abc'; must be finite real numbers"),
        (lambda: lattice.Lattice((), (), (), ()), "positions: got .*must have shape"),
        (
            lambda: lattice.Lattice(TWO, ((0, 7),), ((-1.0,),), (1, -1)),
            r"bonds: got \[0, 7\]; must be two different sites",
        ),
        (lambda: lattice.Lattice(TWO, ((0, 1), (1, 0)), ((-1.0,), (1.0,)), (1, -1)), r"bonds: got \[1, 0\] twice"),
        (lambda: lattice.Lattice(TWO[:1] * 2, (), (), (1, 1)), r"positions: got \[0.0\]; must differ"),
        (lambda: lattice.Lattice(TWO, ((0, 1),), (), (1, -1)), "displacements: got .*must"),
        (lambda: lattice.Lattice(TWO, ((0, 1),), ((np.nan,),), (1, -1)), "displacements: got nan"),
        (lambda: lattice.Lattice(TWO, ((0, 1),), ((-1.0,),), (1,)), r"signs: got .*must have shape \(2\)"),
        (lambda: lattice.Lattice(TWO, ((0, 1),), ((-1.0,),), (1, 0)), "signs: got 0; must be 1 or -1"),
        (lambda: lattice.ribbon("bearded", 3, 3), "edge: got 'bearded'"),
        (lambda: lattice.ribbon("zigzag", 3, 3, True), "length: got 3"),
    ],
)
def test_bad_geometry_is_refused(make, message, monkeypatch):
    """Without the tests' own checks of types, which a user has not."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=message):
        make()
