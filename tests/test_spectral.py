"""The ends of spectra without vectors, against LAPACK's whole spectra."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano.spectral import extremes, lowest_eigenvalues


def hermitian(size, seed=0, dtype=complex):
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size))
    return jnp.asarray(matrix + matrix.conj().T, dtype)


def test_ends_of_spectra():
    cases = [hermitian(size) for size in (1, 2, 7, 30)]
    cases += [jnp.eye(4) + 0j, jnp.diag(jnp.array([0.0, 0.0, -2.0, 5.0, 5.0])) + 0j, jnp.zeros((3, 3), complex)]
    want = np.array([np.linalg.eigvalsh(matrix)[[0, -1]] for matrix in cases])
    np.testing.assert_allclose(jax.jit(lowest_eigenvalues)(tuple(cases)), want[:, 0], atol=1e-13)
    for matrix, ends in zip(cases, want, strict=True):
        np.testing.assert_allclose(extremes(matrix), ends, atol=1e-13)


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_single_precision_and_scales(scale):
    matrix = scale * hermitian(20, dtype=np.complex64)
    got = extremes(matrix)
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, np.linalg.eigvalsh(np.asarray(matrix, complex))[[0, -1]], rtol=3e-6)


def test_derivatives_and_batches():
    matrix, along = hermitian(6), hermitian(6, seed=1)

    def ends(e):
        return jnp.concatenate([extremes(matrix + e * along), lowest_eigenvalues((matrix + e * along, along - e * matrix))])

    want = (jax.jit(ends)(1e-6) - jax.jit(ends)(-1e-6)) / 2e-6
    np.testing.assert_allclose(jax.jit(jax.jacfwd(ends))(0.0), want, rtol=1e-8)
    np.testing.assert_allclose(jax.jit(jax.jacrev(ends))(0.0), want, rtol=1e-8)
    batch = jnp.stack([matrix, along, 1j * jnp.diag(jnp.ones(5), 1) - 1j * jnp.diag(jnp.ones(5), -1)])
    np.testing.assert_allclose(jax.jit(jax.vmap(extremes))(batch), np.linalg.eigvalsh(batch)[:, [0, -1]], atol=1e-13)


def test_a_lost_number_is_not_hidden():
    assert np.isnan(extremes(hermitian(5).at[2, 2].set(jnp.nan))).all()
