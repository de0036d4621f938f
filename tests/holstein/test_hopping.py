"""Hopping against the dense matrix and SciPy's exponential of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

from qnano.holstein import hopping
from tests.oracles.holstein import hopping_matrix


@pytest.mark.slow
@pytest.mark.parametrize("sides", [(4,), (6,), (10,), (66,), (4, 6)])
def test_band_action_and_flow(sides):
    matrix = 1.3 * hopping_matrix(sides)
    rng = np.random.default_rng(0)
    psi = rng.normal(size=(3, len(matrix))) + 1j * rng.normal(size=(3, len(matrix)))
    band = jax.jit(hopping.band, static_argnums=(0, 1))(sides, 1.3)
    hop, across = jax.jit(lambda x: (hopping.hop(sides, 1.3, x), hopping.hop(sides, 1.3, x.T, axis=0)))(psi)
    np.testing.assert_allclose(np.sort(band), np.linalg.eigvalsh(matrix), atol=1e-12)
    np.testing.assert_allclose(hop, psi @ matrix, atol=1e-13)
    np.testing.assert_allclose(across, matrix @ psi.T, atol=1e-13)
    flow = jax.jit(lambda h, psi: hopping.hop_flow(sides, 1.3, h, psi))
    for h in (0.4, -2.7):
        flowed = flow(h, psi)
        np.testing.assert_allclose(flowed, psi @ expm(-1j * h * matrix), atol=1e-12)


def test_matrix_and_fourier_flows_agree(monkeypatch):
    psi = jnp.asarray(np.random.default_rng(1).normal(size=(2, 24)) + 0j)
    by_matrix = hopping.hop_flow((4, 6), 1.0, 0.9, psi)
    monkeypatch.setattr(hopping, "LONGEST_MATRIX", 2)
    np.testing.assert_allclose(hopping.hop_flow((4, 6), 1.0, 0.9, psi), by_matrix, atol=1e-14)
