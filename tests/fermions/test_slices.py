"""Diagonals against NumPy's einsum."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano.fermions.slices import diagonal

X = np.random.default_rng(0).normal(size=(3,) * 4)
Y = np.random.default_rng(1).normal(size=(3, 3, 3, 3, 3, 3))


@pytest.mark.parametrize(
    "letters", ["abxb->abx", "baxb->abx", "aaax->ax", "abby->aby", "bbxy->bxy", "xybb->byx", "iiii->i", "ikkj->kij"]
)
def test_diagonal(letters):
    np.testing.assert_array_equal(diagonal(jnp.asarray(X), letters), np.einsum(letters, X))


def test_three_particles_and_derivative():
    np.testing.assert_array_equal(diagonal(jnp.asarray(Y), "abbxby->abxy"), np.einsum("abbxby->abxy", Y))
    slope = jax.grad(lambda x: jnp.sum(diagonal(x, "abxb->abx") ** 2))(jnp.asarray(X))
    np.testing.assert_array_equal(slope, 2 * X * np.eye(3)[None, :, None, :])


def test_arrays_of_numpy_will_do():
    x = np.arange(81.0).reshape(3, 3, 3, 3)
    np.testing.assert_array_equal(diagonal(x, "abxb->abx"), np.einsum("abxb->abx", x))
