"""Products that do not turn, or turn as tensors, and Ewald's energies."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano.descriptors import ewald
from qnano.descriptors.atoms import Atoms, find_pairs, find_waves, make_atoms
from qnano.descriptors.features import KernelBank, LocalDensity, by_waves
from qnano.descriptors.harmonics import solid_harmonics
from qnano.descriptors.kernels import InversePower
from qnano.descriptors.products import equivariants, invariants, pooled, squares
from qnano.descriptors.radial import Oscillators
from tests.descriptors.systems import CELL, CHARGES, NAMES, POSITIONS, rotation, skew

ewald_energy, ewald_forces = jax.jit(ewald.ewald_energy), jax.jit(ewald.ewald_forces)
LOCAL = LocalDensity(Oscillators(0.8, 2), 4, 0.4, 4.0)
BANK = KernelBank(Oscillators(1.0, 2), InversePower(1, 0.9), 3)
PAIRS = find_pairs(skew(), 4.0)
WAVES = find_waves(CELL, 5.0)


@jax.jit
def coefficients(atoms):
    return LOCAL(atoms, PAIRS), by_waves(BANK, atoms, WAVES)


def turned(turn):
    return Atoms(jnp.asarray(POSITIONS @ turn.T), jnp.asarray(CELL @ turn.T), skew().species, 2)


@pytest.mark.slow
@pytest.mark.parametrize("order", range(5))
def test_equivariants_turn_as_harmonics(order):
    turn, points = rotation(7), np.random.default_rng(3).normal(size=(40, 3))

    def harmonics(x):
        return np.asarray(solid_harmonics(jnp.asarray(x), order))[:, order**2 :]

    matrix = np.linalg.lstsq(harmonics(points), harmonics(points @ turn.T), rcond=None)[0].T
    before, after = equivariants(*coefficients(skew()), order), equivariants(*coefficients(turned(turn)), order)
    np.testing.assert_allclose(after, np.einsum("ab,ibf->iaf", matrix, before), atol=1e-11)
    assert np.abs(before).max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("order", range(5))
def test_equivariants_change_under_inversion_as_proper_tensors(order):
    before, after = equivariants(*coefficients(skew()), order), equivariants(*coefficients(turned(-np.eye(3))), order)
    np.testing.assert_allclose(after, (-1) ** order * before, atol=1e-12)


def test_invariants():
    density, potential = coefficients(skew())
    found = invariants(density, potential)
    np.testing.assert_allclose(invariants(*coefficients(turned(rotation(5)))), found, atol=1e-11)
    by_hand = np.einsum("am,bm->ab", density[0, :, 1, 4:9], potential[0, :, 0, 4:9]) / np.sqrt(5)
    degree_two = np.asarray(found)[0].reshape(4, 2, 2, 2, 2)[2][:, 1, :, 0]
    np.testing.assert_allclose(degree_two, by_hand, rtol=1e-12)
    scalar = equivariants(density, potential, 0)[:, 0]
    np.testing.assert_allclose(np.abs(scalar), np.abs(found), atol=1e-13)


def test_squares_are_invariants_without_repetition():
    density, other = coefficients(skew())[0], coefficients(turned(np.diag([1.0, 1.0, -1.0])))[0]
    full = [invariants(x, x) for x in (density, other)]
    short = [squares(x) for x in (density, other)]
    assert short[0].shape[1] == 5 * 10 < full[0].shape[1] == 5 * 16
    np.testing.assert_allclose(short[0] @ short[1].T, full[0] @ full[1].T, rtol=1e-12)


def test_pooling_sums_over_each_species():
    values = np.random.default_rng(0).normal(size=(6, 3))
    found = pooled(jnp.asarray(values), skew())
    np.testing.assert_allclose(found, [values[[0, 1, 4]].sum(0), values[[2, 3, 5]].sum(0)], rtol=1e-13)


@pytest.mark.parametrize("order", [-1, 5])
def test_orders_that_are_not_had(order):
    with pytest.raises(ValueError, match=f"order: got {order}; must be from 0 to 4"):
        equivariants(*coefficients(skew()), order)
    with pytest.raises(ValueError, match="no two of the degrees"):
        equivariants(jnp.ones((1, 1, 1, 1)), jnp.ones((1, 1, 1, 1)), 1)


CRYSTALS = {  # fractional places and charges in a cell, and the distance of neighbours by its edge
    "rock salt": (
        [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5], [0.5, 0.5, 0.5]],
        [1] * 4 + [-1] * 4,
        0.5,
        1.7475645946331822,
    ),
    "caesium chloride": ([[0, 0, 0], [0.5, 0.5, 0.5]], [1, -1], np.sqrt(0.75), 1.762674773070988),
    "zincblende": (
        [
            [0, 0, 0],
            [0, 0.5, 0.5],
            [0.5, 0, 0.5],
            [0.5, 0.5, 0],
            [0.25, 0.25, 0.25],
            [0.25, 0.75, 0.75],
            [0.75, 0.25, 0.75],
            [0.75, 0.75, 0.25],
        ],
        [1] * 4 + [-1] * 4,
        np.sqrt(3) / 4,
        1.638055053388789,
    ),
}


@pytest.mark.parametrize("crystal", CRYSTALS)
def test_madelung_constants(crystal):
    places, charges, distance, known = CRYSTALS[crystal]
    atoms = make_atoms(np.array(places, float), np.eye(3), ["ion"] * len(places), ["ion"])
    smearing = 0.14
    args = jnp.asarray(charges, float), atoms, find_waves(np.eye(3), 7.5 / smearing), find_pairs(atoms, 7 * smearing)
    energy = ewald_energy(InversePower(1, smearing), *args)
    np.testing.assert_allclose(-energy * distance / (len(places) / 2), known, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("exponent", range(1, 7))
def test_energies_do_not_depend_on_the_smearing(exponent):
    """And, for p = 3, only of a neutral cell; a charged one has its background otherwise."""
    charges = CHARGES if exponent == 3 else CHARGES + 0.3
    found = []
    for smearing in (0.7, 1.0):
        atoms = skew()
        args = charges, atoms, find_waves(CELL, 7.5 / smearing), find_pairs(atoms, 7 * smearing)
        found.append(float(ewald_energy(InversePower(exponent, smearing), *args)))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9)


def test_energies_of_dispersion_are_direct_sums():
    atoms = skew()
    images = np.stack(np.meshgrid(*[np.arange(-9, 10)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) @ CELL
    images = images[np.linalg.norm(images, axis=1) < 50]
    r = np.linalg.norm(POSITIONS[:, None, None] - POSITIONS[None, :, None] - images, axis=-1)
    tail = 36 / np.linalg.det(CELL) * 4 * np.pi / 3 / 50**3
    known = (np.sum(np.where(r > 1e-9, np.maximum(r, 1e-9), np.inf) ** -6.0) + tail) / 2
    found = ewald_energy(InversePower(6, 0.8), jnp.ones(6), atoms, find_waves(CELL, 9.5), find_pairs(atoms, 5.6))
    np.testing.assert_allclose(found, known, rtol=1e-6)


def test_energy_summed_over_spheres_differs_by_the_dipole():
    """E summed with exp(-eps T^2), eps -> 0, is E + 2 pi/3 D^2 / Omega: the surface of a sphere in vacuum."""
    atoms, charges = skew(), np.asarray(CHARGES)
    steps = np.stack(np.meshgrid(*[np.arange(-30, 31)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) @ CELL
    far = np.sum(steps**2, axis=1)
    pairs = np.zeros(len(steps))
    for i in range(6):
        for j in range(6):
            r = np.linalg.norm(POSITIONS[i] - POSITIONS[j] - steps, axis=1)
            pairs += np.where(r > 1e-9, charges[i] * charges[j] / 2 / np.maximum(r, 1e-9), 0.0)
    scales = [0.008, 0.004, 0.002, 0.001]
    found = [np.sum(pairs * np.exp(-scale * far)) for scale in scales]
    for order in range(1, 4):  # Richardson
        found = [b + (b - a) / (2**order - 1) for a, b in pairwise(found)]
    dipole = charges @ POSITIONS
    known = ewald_energy(InversePower(1, 0.8), CHARGES, atoms, find_waves(CELL, 9.0), find_pairs(atoms, 5.6))
    surface = 2 * np.pi / 3 * dipole @ dipole / np.linalg.det(CELL)
    np.testing.assert_allclose(found[0], float(known) + surface, atol=1e-4)
    assert abs(surface) > 0.01


def test_forces():
    atoms = skew()
    args = CHARGES, atoms, find_waves(CELL, 8.0), find_pairs(atoms, 5.0)
    found = ewald_forces(InversePower(1, 0.8), *args)
    np.testing.assert_allclose(found.sum(0), 0, atol=1e-10)
    for i, axis in ((0, 1), (3, 2)):
        energies = []
        for step in (1e-5, -1e-5):
            moved = Atoms(atoms.positions.at[i, axis].add(step), atoms.cell, atoms.species, 2)
            energies.append(ewald_energy(InversePower(1, 0.8), CHARGES, moved, *args[2:]))
        np.testing.assert_allclose(found[i, axis], -(energies[0] - energies[1]) / 2e-5, rtol=1e-6, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("exponent", [1, 4, 6])
def test_energies_are_those_of_jax_pme(exponent):
    import ase
    import jaxpme

    calculator = jaxpme.Ewald(exponent=exponent)
    frame = ase.Atoms(NAMES, positions=POSITIONS, cell=CELL, pbc=True)
    inputs = calculator.prepare(frame, np.asarray(CHARGES)[:, None], 6.0, 0.4, 0.8)
    known = float(calculator.energy(*inputs))
    atoms = skew()
    args = CHARGES, atoms, find_waves(CELL, 9.5), find_pairs(atoms, 5.6)
    np.testing.assert_allclose(ewald_energy(InversePower(exponent, 0.8), *args), known, rtol=1e-7)
