"""Contraction consistency against the dense pseudo-inverse on six indices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano.fermions import contractions, lift
from qnano.fermions.contractions import ThreeCumulant
from qnano.fermions.reconstruction import nakatsuji_yasuda
from tests.fermions.systems import correlated_singlet, spin_scalar
from tests.oracles import six_index

exact_over_up, collision_of_lift = jax.jit(contractions.exact_over_up), jax.jit(lift.collision_of_lift)
consistent_collision = jax.jit(contractions.consistent_collision)
nearest_consistent_collision = jax.jit(contractions.nearest_consistent_collision)
nearest_with_contractions = jax.jit(contractions.nearest_with_contractions)
nearest_spin_scalar = jax.jit(contractions.nearest_spin_scalar)
FILLINGS = [(3, 1), (3, 2), (4, 2), (4, 3), (5, 2)]


@pytest.mark.slow
@pytest.mark.parametrize("sites", [2, 3, 4, 5])
def test_lift_is_the_one_of_least_norm(sites):
    sums = six_index.contractions(spin_scalar(sites))
    want = six_index.collision(six_index.contraction_consistent(np.zeros((sites,) * 6, complex), sums))
    got = collision_of_lift(*map(jnp.asarray, sums[:2]))
    np.testing.assert_allclose(got, want, atol=1e-12)


@pytest.mark.parametrize(("sites", "electrons"), [(3, 2), (4, 2)])
def test_the_nearest_with_given_contractions(sites, electrons):
    three = spin_scalar(sites)
    targets = six_index.contraction_targets_cumulant(*six_index.split(correlated_singlet(sites, electrons)[0], electrons))
    want = six_index.contraction_consistent(three, targets)
    assert np.abs(want - three).max() > 1
    np.testing.assert_allclose(nearest_with_contractions(jnp.asarray(three), jnp.asarray(targets[1])), want, atol=1e-12)


def test_the_nearest_spin_scalar():
    """What is left over is orthogonal to every spin scalar, and what lifts are made from is then enough for them to be stable."""
    scalar = spin_scalar(4)
    rng = np.random.default_rng(5)
    x = rng.normal(size=(4,) * 6) + 1j * rng.normal(size=(4,) * 6)
    x = x - x.transpose(1, 0, 2, 3, 4, 5)
    x = x - x.transpose(0, 1, 2, 4, 3, 5)
    np.testing.assert_allclose(nearest_spin_scalar(jnp.asarray(scalar)), scalar, atol=1e-12)
    near = nearest_spin_scalar(jnp.asarray(x))
    np.testing.assert_allclose(np.vdot(scalar, x - near), 0, atol=1e-9)
    once = nearest_with_contractions(near, jnp.zeros((4,) * 4, complex))
    np.testing.assert_allclose(six_index.contractions(np.asarray(once)), 0, atol=1e-11)


@pytest.mark.parametrize(("sites", "electrons"), FILLINGS)
def test_exact_contractions(sites, electrons):
    two, three = correlated_singlet(sites, electrons)
    d, cumulant = six_index.split(two, electrons)
    over_down, over_up, _, _ = six_index.contractions(three - six_index.disconnected_uud(d, cumulant))
    np.testing.assert_allclose(over_down, 0, atol=1e-12)
    np.testing.assert_allclose(exact_over_up(jnp.asarray(d), jnp.asarray(cumulant)), over_up, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(("sites", "electrons"), FILLINGS)
def test_corrected_reconstructions(sites, electrons):
    two, _ = correlated_singlet(sites, electrons)
    d, cumulant = six_index.split(two, electrons)
    sign = jnp.asarray(six_index.smooth_sign(d, electrons))
    closures = (
        (None, six_index.valdemoro),
        (jax.jit(nakatsuji_yasuda)(sign, jnp.asarray(cumulant)), six_index.nakatsuji_yasuda(six_index.smooth_sign)),
    )
    disconnected = six_index.collision(six_index.disconnected_uud(d, cumulant))
    for three, closure in closures:
        want = six_index.collision(six_index.Reconstruction(closure, True)(two, electrons))
        got = disconnected + consistent_collision(jnp.asarray(d), jnp.asarray(cumulant), three)
        np.testing.assert_allclose(got, want, atol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize(("sites", "electrons"), FILLINGS)
def test_the_exact_cumulant_stays(sites, electrons):
    two, three = correlated_singlet(sites, electrons)
    d, cumulant = six_index.split(two, electrons)
    exact = three - six_index.disconnected_uud(d, cumulant)
    over_down, over_up, _, _ = six_index.contractions(exact)
    parts = ThreeCumulant(*map(jnp.asarray, (six_index.collision(exact), over_down, over_up / 2)))
    d, cumulant = jnp.asarray(d), jnp.asarray(cumulant)
    np.testing.assert_allclose(consistent_collision(d, cumulant, parts), parts.collision, atol=1e-12)
    np.testing.assert_allclose(nearest_consistent_collision(d, cumulant, parts.collision), parts.collision, atol=1e-12)


@pytest.mark.parametrize("sites", [4, 5, 6])
def test_nearest_collision_is_a_projection_onto_what_conserves(sites):
    two, three = correlated_singlet(sites, 2)
    d, cumulant = six_index.split(two, 2)
    exact = six_index.collision(three - six_index.disconnected_uud(d, cumulant))
    rng = np.random.default_rng(2)
    guess = rng.normal(size=exact.shape) + 1j * rng.normal(size=exact.shape)
    nearest = lambda k: nearest_consistent_collision(jnp.asarray(d), jnp.asarray(cumulant), k)  # noqa: E731
    got = np.asarray(nearest(jnp.asarray(guess)))
    np.testing.assert_allclose(nearest(jnp.asarray(got)), got, atol=1e-12)
    # Pythagoras with another point of the same affine set.
    np.testing.assert_allclose(np.vdot(got - guess, got - exact).real, 0, atol=1e-11)
    off = 1 - np.eye(sites)
    np.testing.assert_allclose(got, got * off[:, :, None, None] * off[:, :, None], atol=1e-15)
    b = np.arange(sites)
    np.testing.assert_allclose(np.einsum("abxb->abx", got), np.einsum("xbab->abx", got).conj(), atol=1e-13)
    shared = got[b, :, b, b]
    np.testing.assert_allclose(shared, shared.conj().T, atol=1e-13)
    for sums in ("abay->by", "abxa->bx"):
        np.testing.assert_allclose(np.einsum(sums, got), np.einsum(sums, exact), atol=1e-12)


@pytest.mark.slow
def test_from_five_sites_on_nothing_but_those_sums_is_fixed():
    """The slices of all contraction-free X: as many as slices of all X, less the independent sums."""
    sites = 5
    pairs = [(a, b, c) for a in range(sites) for b in range(a + 1, sites) for c in range(sites)]
    rng = np.random.default_rng(0)
    slices, sums = [], []
    for _ in range(720):
        x = np.zeros((sites,) * 6, complex)
        rows = rng.normal(size=(2, len(pairs), len(pairs)))
        values = rows[0] + 1j * rows[1]
        index = np.array(pairs).T
        x[tuple(index[:, :, None]) + tuple(index[:, None, :])] = values + values.conj().T
        x = x - x.transpose(1, 0, 2, 3, 4, 5)
        x = x - x.transpose(0, 1, 2, 4, 3, 5)
        k = six_index.collision(x)
        free = six_index.collision(six_index.contraction_consistent(x, np.zeros((4,) + (sites,) * 4)))
        slices.append(np.stack([k, free]))
        sums.append(np.stack([np.einsum("abay->by", k), np.einsum("abxa->bx", k)]))

    def rank(x):
        return np.linalg.matrix_rank(np.concatenate([x.real, x.imag], axis=1), tol=1e-8 * np.abs(x).max())

    flat = np.array(slices).reshape(720, 2, -1)
    assert rank(flat[:, 0]) - rank(flat[:, 1]) == rank(np.array(sums).reshape(720, -1))
