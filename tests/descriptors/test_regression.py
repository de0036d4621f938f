"""Fits against closed forms; energies, forces and tensors of small ion gases."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano.descriptors.atoms import Atoms
from qnano.descriptors.ewald import ewald_energy, ewald_forces
from qnano.descriptors.features import KernelBank, LocalDensity, by_waves
from qnano.descriptors.frames import IONS, batched, ion_gas, polarisable_chains, read_frames, turning
from qnano.descriptors.harmonics import solid_harmonics
from qnano.descriptors.kernels import InversePower
from qnano.descriptors.multiscale import Block, with_slopes
from qnano.descriptors.products import equivariants
from qnano.descriptors.radial import Oscillators
from qnano.descriptors.regression import (
    cross_validated,
    fit,
    kernel_features,
    kernel_fit,
    of_own_species,
    polynomial_kernel,
    tensor_kernel,
)
from qnano.errors import InputError
from tests.descriptors.systems import rotation

RNG = np.random.default_rng(0)
BLOCK = Block(LocalDensity(Oscillators(0.5, 1), 0, 0.4, 1.5), KernelBank(Oscillators(0.5, 2), InversePower(1, 0.8), 0))
GAS = ion_gas(14, 3, (6.0, 8.0), 2.4, 1)
BATCH = batched(GAS, IONS, 6.0, 1.5)
CHARGES = jnp.asarray([1.0, -1.0] * 3)


def each(function):
    """The function of every frame of a batch, as one program."""
    return jax.jit(lambda batch: jax.lax.map(lambda frame: function(*frame), tuple(batch)))


@cache
def exact():
    """Energies and forces of all frames, by another splitting than that of the gas."""
    potential = InversePower(1, 0.9)

    def energies(*frame):
        return (ewald_energy(potential, CHARGES, *frame), ewald_forces(potential, CHARGES, *frame))

    return jax.tree.map(np.asarray, each(energies)(batched(GAS, IONS, 8.0, 6.5)))


def test_a_fit_is_ridge_regression_with_free_offsets():
    blocks = [RNG.normal(size=(20, 4)), 1e-3 * RNG.normal(size=(20, 30))]
    counts, targets = RNG.integers(1, 5, (20, 2)).astype(float), RNG.normal(size=20)
    found = fit(blocks, targets, counts, (0.1, 0.7))
    free = np.eye(20) - counts @ np.linalg.pinv(counts)
    norms = [np.sqrt(np.mean(np.sum((free @ x) ** 2, axis=1))) for x in blocks]
    penalties = np.concatenate([np.full(4, 0.1), np.full(30, 0.7), np.zeros(2)]) * 20
    design = np.concatenate([blocks[0] / norms[0], blocks[1] / norms[1], counts], axis=1)
    known = np.linalg.solve(design.T @ design + np.diag(penalties), design.T @ targets)
    np.testing.assert_allclose(found.weights[0] * norms[0], known[:4], rtol=1e-9)
    np.testing.assert_allclose(found.weights[1] * norms[1], known[4:34], rtol=1e-8)
    np.testing.assert_allclose(found.offsets, known[34:], rtol=1e-9)
    np.testing.assert_allclose(found(blocks, counts), design @ known, rtol=1e-9)


def test_offsets_take_up_the_composition():
    counts = RNG.integers(1, 5, (12, 2)).astype(float)
    found = fit([np.zeros((12, 3))], counts @ [2.0, -5.0], counts, (1.0,))
    np.testing.assert_allclose(found.offsets, [2.0, -5.0], rtol=1e-12)


def test_blocks_get_regularisations_of_their_own():
    """One of few good features, one of many without meaning: the latter is switched off."""
    good, bad = RNG.normal(size=(40, 3)), RNG.normal(size=(40, 60))
    targets, counts = good @ [1.0, -2.0, 0.5], np.ones((40, 1))
    apart = cross_validated([good, bad], targets, counts)
    together = cross_validated([np.concatenate([good, bad], axis=1)], targets, counts)
    fresh = RNG.normal(size=(200, 3)), RNG.normal(size=(200, 60))
    true, ones = fresh[0] @ [1.0, -2.0, 0.5], np.ones((200, 1))
    assert apart.regularisation[1] > 1e3 * apart.regularisation[0]
    error = np.std(apart(fresh, ones) - true)
    assert error < 1e-5 and error < 0.1 * np.std(together([np.concatenate(fresh, axis=1)], ones) - true)


def test_small_directions_are_not_lost():
    """What matters is 1e-9 of the features: normal equations would see 1e-18 of it."""
    large, small = RNG.normal(size=(30, 1)), RNG.normal(size=(30, 1))
    features = np.concatenate([large, large + 1e-9 * small], axis=1)
    found = cross_validated([features], small[:, 0], np.ones((30, 1)))
    np.testing.assert_allclose(found([features], np.ones((30, 1))), small[:, 0], atol=1e-4)


def test_fits_that_cannot_be():
    with pytest.raises(ValueError, match=r"blocks: got \[3, 4\] rows"):
        fit([np.ones((3, 1))], np.ones(4), np.ones((4, 1)), (1.0,))
    with pytest.raises(ValueError, match="folds: got 5; must be from 2 to 4"):
        cross_validated([np.ones((4, 1))], np.ones(4), np.ones((4, 1)))
    with pytest.raises(ValueError, match="got neither"):
        Block(None, None)


def test_kernels():
    left, right = [RNG.normal(size=(n, 3)) for n in (2, 3)], [RNG.normal(size=(n, 3)) for n in (1, 4, 2)]
    known = [[sum((p @ q) ** 2 for p in a for q in b) for b in right] for a in left]
    np.testing.assert_allclose(polynomial_kernel(left, right, 2), known, rtol=1e-12)
    own = of_own_species(left[1], [0, 1, 0], 2)
    np.testing.assert_allclose(own @ own.T, left[1] @ left[1].T * [[1, 0, 1], [0, 1, 0], [1, 0, 1]], atol=1e-14)
    x = np.linspace(0, 1, 8)[:, None]
    features = np.concatenate([np.ones_like(x), x], axis=1)
    kernel = polynomial_kernel(list(features[:, None]), list(features[:, None]), 3)
    np.testing.assert_allclose(kernel @ kernel_fit(kernel, x[:, 0] ** 3, 1e-13), x[:, 0] ** 3, atol=1e-8)


def test_tensor_kernels_turn():
    vectors, scalars, turn = RNG.normal(size=(4, 3, 5)), RNG.normal(size=(4, 2)), rotation(2)
    plain = tensor_kernel(vectors, vectors, (scalars, scalars), 2)
    turned = tensor_kernel(np.einsum("ab,ibf->iaf", turn, vectors), vectors, (scalars, scalars), 2)
    np.testing.assert_allclose(turned, np.einsum("ab,ibjc->iajc", turn, plain), atol=1e-13)
    np.testing.assert_allclose(plain[0, 1, 2, 0], vectors[0, 1] @ vectors[2, 0] * (scalars[0] @ scalars[2]), rtol=1e-12)


@pytest.mark.slow
def test_the_ion_gas():
    for frame in GAS[:4]:
        x = frame.positions[:, None] - frame.positions
        x -= frame.cell[0, 0] * np.round(x / frame.cell[0, 0])
        assert np.min(np.linalg.norm(x, axis=-1) + 10 * np.eye(6)) > 2.4
    np.testing.assert_allclose([frame.energy for frame in GAS], exact()[0], rtol=1e-8)
    again = ion_gas(2, 3, (6.0, 8.0), 2.4, 1)
    np.testing.assert_array_equal(again[1].positions, GAS[1].positions)
    with pytest.raises(ValueError, match=r"distance: got 6.0 A; 6 ions that far apart do not fit"):
        ion_gas(1, 3, (7.0, 7.0), 6.0, 0)


def test_features_of_a_batch_are_those_of_its_frames():
    found = each(BLOCK)
    np.testing.assert_allclose(found(BATCH)[3:4], found(batched(GAS[3:4], IONS, 6.0, 1.5)), rtol=1e-12)


@pytest.mark.slow
def test_energies_and_forces_together():
    """Six frames of energies alone do not suffice; with their forces they do, and forces of further frames are right."""
    values, slopes = map(np.asarray, each(lambda *frame: with_slopes(BLOCK, *frame))(BATCH))
    energies, forces = exact()
    features = np.concatenate([values[:, None], 0.3 * slopes], axis=1)
    targets = np.concatenate([energies[:, None], -0.3 * forces.reshape(14, -1)], axis=1)
    counts = [np.concatenate([[[3.0, 3.0]], np.zeros((18, 2))])] * 14
    group = np.repeat(np.arange(6), 19)

    def stack(which, part):
        return np.concatenate((features, targets)[which][part])

    train, test = slice(0, 6), slice(6, 14)
    both = cross_validated([stack(0, train)], stack(1, train), np.concatenate(counts[:6]), 3, group)
    found = both([stack(0, test)], np.concatenate(counts[6:]))
    error = (found - stack(1, test)).reshape(8, 19)
    assert np.std(error[:, 0]) < 0.02 * np.std([frame.energy for frame in GAS])
    assert np.sqrt(np.mean(error[:, 1:] ** 2)) < 0.05 * np.sqrt(np.mean(stack(1, test).reshape(8, 19)[:, 1:] ** 2))

    @jax.jit
    def energy(positions, parts):
        atoms = Atoms(positions, parts[0].cell, parts[0].species, 2)
        return both([BLOCK(atoms, *parts[1:])[None]], jnp.asarray([[3.0, 3.0]]))[0]

    parts = jax.tree.map(lambda x: x[7], tuple(BATCH))
    slope = jax.grad(energy)(parts[0].positions, parts)
    np.testing.assert_allclose(0.3 * slope.ravel(), found.reshape(8, 19)[1, 1:], atol=1e-8)
    h = 1e-3
    step = jnp.zeros((6, 3)).at[2, 1].set(h)
    central = (energy(parts[0].positions + step, parts) - energy(parts[0].positions - step, parts)) / (2 * h)
    np.testing.assert_allclose(slope[2, 1], central, rtol=2e-3)


def test_a_vector_is_learned_from_equivariants():
    """Forces on the ions as what turns with l = 1, from rho x V; components m = (y, z, x) share their weights."""
    local, bank = LocalDensity(Oscillators(0.5, 1), 1, 0.4, 1.5), KernelBank(Oscillators(0.4, 2), InversePower(1, 0.6), 1)

    features = each(lambda atoms, waves, pairs: equivariants(local(atoms, pairs), by_waves(bank, atoms, waves), 1))
    values = np.asarray(features(batched(GAS, IONS, 9.0, 1.5)))
    found = np.einsum("giaf,ik->giakf", values, np.eye(2)[[0, 1] * 3]).reshape(14, 18, -1)
    known = exact()[1][:, :, [1, 2, 0]].reshape(14, 18)

    def none(n):
        return np.zeros((18 * n, 1))

    fitted = cross_validated([np.concatenate(found[:8])], np.concatenate(known[:8]), none(8))
    error = fitted([np.concatenate(found[8:])], none(6)) - np.concatenate(known[8:])
    assert np.std(error) < 0.02 * np.std(known)


def test_extended_xyz(tmp_path):
    import ase
    from ase.io import write

    path = tmp_path / "frames.xyz"
    atoms = ase.Atoms("NaCl", positions=[[0, 0, 0], [2.8, 0, 0]], cell=[6, 6, 6], pbc=True)
    atoms.info["energy_pbe"], atoms.arrays["push"] = -3.5, np.ones((2, 3))
    write(path, [atoms, atoms], format="extxyz")
    found = read_frames(path, "energy_pbe", "push")
    assert len(found) == 2 and found[0].names == ("Na", "Cl") and found[0].energy == -3.5
    np.testing.assert_allclose(found[1].forces, 1.0)
    with pytest.raises(InputError, match=r"frame 0: has no number 'energy'; has energy_pbe"):
        read_frames(path)
    with pytest.raises(InputError, match=r"frame 0: has no forces 'f'"):
        read_frames(path, "energy_pbe", "f")
    with pytest.raises(InputError, match="no such file"):
        read_frames(tmp_path / "none.xyz")
    atoms.info["energy_pbe"] = float("nan")
    write(path, [atoms], format="extxyz")
    with pytest.raises(InputError, match=r"frame 0: energy_pbe: got nan; must be finite"):
        read_frames(path, "energy_pbe")
    atoms.info["energy_pbe"], atoms.pbc = -3.5, [True, True, False]
    write(path, [atoms], format="extxyz")
    with pytest.raises(InputError, match="frame 0: open along an axis"):
        read_frames(path, "energy_pbe")
    with pytest.raises(ValueError, match="frame 0: species: got 'Cl'; must be among Na, Br"):
        batched(found, ("Na", "Br"), 3.0, 3.0)
    with pytest.raises(ValueError, match=r"frames\.xyz: frame 1: positions: got nan; must be finite"):
        batched([found[1]._replace(positions=np.array([[0.0, 0, 0], [np.nan, 0, 0]]))], ("Na", "Cl"), 3.0, 3.0)
    with pytest.raises(ValueError, match=r"frame 0: positions: atoms 0 and 1 are 2.8 apart; must be more than 2.9"):
        batched(found, ("Na", "Cl"), 3.0, 3.0, 2.9)


def test_species_that_always_go_together():
    """Counts of rank one, in as many rows as a large set has: offsets stay small, and what is linear is found."""
    rng = np.random.default_rng(4)
    features = rng.normal(size=(800, 3))
    targets, counts = features @ [1.0, -2.0, 0.5] + 7.0, np.full((800, 2), 32.0)
    found = fit([features], targets, counts, (1e-14,))
    np.testing.assert_allclose(found.offsets, 7.0 / 64, rtol=1e-9)
    np.testing.assert_allclose(found([features], counts), targets, atol=1e-9)


def test_features_of_a_kernel_make_kernel_ridge_regression():
    """With free offsets: (K + lambda) a + C o = y, C^T a = 0."""
    rng = np.random.default_rng(6)
    frames, new = ([rng.normal(size=(3, 2)) for _ in range(n)] for n in (12, 4))
    kernel, between = polynomial_kernel(frames, frames, 2), polynomial_kernel(new, frames, 2)
    known, fresh = kernel_features(kernel, between)
    np.testing.assert_allclose(known @ known.T, kernel, atol=1e-9)
    targets, counts = rng.normal(size=12), np.full((12, 1), 3.0)
    scale = np.mean(np.sum((known - known.mean(0)) ** 2, axis=1))  # the unit of a fit's regularisation
    found = fit([known], targets, counts, (0.01,))([fresh], counts[:4])
    whole = np.block([[kernel + 0.01 * 12 * scale * np.eye(12), counts], [counts.T, np.zeros((1, 1))]])
    a = np.linalg.solve(whole, np.append(targets, 0.0))
    np.testing.assert_allclose(found, between @ a[:12] + 3.0 * a[12], rtol=1e-8)


def test_polarisable_chains():
    """Two atoms have the closed form 2 / (1 - 2/r^3) along and 2 / (1 + 1/r^3) across; far atoms add up."""
    pair, again = (polarisable_chains(3, (2, 2), 40.0, 5)[2] for _ in range(2))
    np.testing.assert_array_equal(pair.positions, again.positions)
    x = pair.positions[1] - pair.positions[0]
    np.testing.assert_allclose(np.linalg.norm(x), 1.9, rtol=1e-12)
    along = np.outer(x, x) / 1.9**2
    known = 2 / (1 - 2 / 1.9**3) * along + 2 / (1 + 1 / 1.9**3) * (np.eye(3) - along)
    np.testing.assert_allclose(pair.tensor, known, rtol=1e-12)
    far = polarisable_chains(1, (3, 5), 1e5, 0, bond=1e4)[0]
    np.testing.assert_allclose(far.tensor, len(far.names) * np.eye(3), atol=1e-9)
    with pytest.raises(ValueError, match="side: got 10"):
        polarisable_chains(1, (2, 8), 10.0, 0)


def test_parts_of_a_tensor_turn_like_harmonics():
    x = RNG.normal(size=3)
    harmonics = np.asarray(solid_harmonics(jnp.asarray(x), 2))
    for tensor, order in ((x, 1), (np.outer(x, x), 2), (np.outer(x, x), 0)):
        found = turning(tensor, order)
        part = harmonics[order**2 : (order + 1) ** 2] * np.sum(x**2) ** (order == 0)
        np.testing.assert_allclose(found / part, (found / part)[0], rtol=1e-10)
    symmetric = RNG.normal(size=(3, 3))
    symmetric += symmetric.T
    norms = sum(np.sum(turning(symmetric, order) ** 2) for order in (0, 2))
    np.testing.assert_allclose(norms, np.sum(symmetric**2), rtol=1e-12)
    with pytest.raises(ValueError, match="order: got 1 of 9 numbers"):
        turning(symmetric, 1)


def test_energies_of_another_power():
    """Of a gas with q q / r^6: a sum over images."""
    frame = ion_gas(1, 3, (6.0, 6.5), 2.4, 1, exponent=6)[0]
    steps = frame.cell[0, 0] * np.stack(np.meshgrid(*[np.arange(-9, 10)] * 3, indexing="ij"), -1).reshape(-1, 1, 1, 3)
    r = np.linalg.norm(frame.positions[:, None] - frame.positions + steps, axis=-1)
    charges = np.asarray(CHARGES)
    known = np.sum(np.multiply.outer(charges, charges) * np.where(r > 0, np.maximum(r, 1.0) ** -6.0, 0.0)) / 2
    np.testing.assert_allclose(frame.energy, known, rtol=1e-6)
