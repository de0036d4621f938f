"""Static lattices and occupations against published numbers and brute-force self-consistency."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano import lattice
from qnano.holstein.ground_state import fermi_dirac, gap_order, relaxed_lattice, thermal_state
from qnano.holstein.model import Holstein
from tests.holstein.systems import ring
from tests.oracles.holstein import static_lattice

# T1: Q by sites and coupling, K = 0.3, eta = 0.8, zero temperature.
ORDERS = {
    16: {0.5: 0.10870435},
    32: {0.5: 0.06013073},
    64: {0.5: 0.03363307, 0.8: 0.25055589},
    128: {0.5: 0.01907803},
    256: {0.5: 0.01101938, 0.8: 0.25015799, 1.0: 0.72608141},
}


@pytest.mark.parametrize("sites", ORDERS)
def test_gap_equation(sites):
    order = jax.jit(lambda coupling: gap_order(ring(sites, coupling)))
    np.testing.assert_allclose([order(coupling) for coupling in ORDERS[sites]], list(ORDERS[sites].values()), atol=6e-9)


def test_the_order_follows_from_the_electrons_in_it():
    """The charge-density wave is a fixed point, and its charge is Q K / (eta g)."""
    state = thermal_state(ring(32, 0.5))
    density = jnp.sum(jnp.abs(state.electrons) ** 2, axis=0)
    np.testing.assert_allclose(np.mean(ring(32, 0.5).signs * density), 0.04509805, atol=1e-8)
    np.testing.assert_allclose(0.8 * 0.5 / 0.3 * (density - 0.5), state.displacement, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [0.05, 0.3])
def test_warm_order_on_a_torus(temperature):
    model = Holstein(lattice.rectangle(4, 6, True), 1.2)
    want = static_lattice((4, 6), 1.2, 0.3, 0.8, temperature, 0.5 * model.signs)
    np.testing.assert_allclose(relaxed_lattice(model, temperature=temperature), want, atol=1e-8)


def test_disordered_lattice():
    coupling = np.linspace(0.7, 1.3, 10)
    model = ring(10, coupling, eta=0.9)
    want = static_lattice((10,), coupling, 0.3, 0.9, 0.02, 0.5 * model.signs)
    np.testing.assert_allclose(relaxed_lattice(model, temperature=0.02), want, atol=1e-9)
    assert np.isnan(relaxed_lattice(model, iterations=2)).all()
    with pytest.raises(ValueError, match="gap equation"):
        gap_order(model)


def test_the_deep_start_is_mixed():
    """T6: without coupling the two levels at e = 0 are half filled; ||rho^2 - rho|| = sqrt(2) / 4."""
    model = ring(32, 0.0)
    state = thermal_state(model, key=jax.random.key(0), noise=1e-4)
    np.testing.assert_allclose(jnp.sum(jnp.abs(state.electrons) ** 2, axis=1), [1.0] * 15 + [0.5] * 2, atol=1e-6)
    rho = state.electrons.T @ state.electrons.conj()
    np.testing.assert_allclose(np.linalg.norm(rho @ rho - rho), np.sqrt(2) / 4, atol=1e-6)
    np.testing.assert_allclose(np.std(state.momentum), 1e-4, rtol=0.4)
    assert model.cold_levels == 17
    assert ring(34, 0.0).cold_levels == 17
    assert Holstein(lattice.rectangle(4, 4, True), 0.0).cold_levels == 11


def test_occupations():
    levels = jnp.array([-1.0, 0.0, 0.0, 2.0])
    np.testing.assert_allclose(fermi_dirac(levels, 2.0, 1e-8), [1.0, 0.5, 0.5, 0.0], atol=1e-12)
    warm = fermi_dirac(levels, 1.3, 0.4)
    np.testing.assert_allclose(warm.sum(), 1.3, atol=1e-12)
    np.testing.assert_allclose(np.diff(np.log(warm / (1 - warm))), -np.diff(levels) / 0.4, atol=1e-10)


def test_derivatives_of_the_order():
    order = jax.jit(lambda g, kt: gap_order(ring(16, g), temperature=kt))
    at, step = (0.9, 0.1), 1e-5
    got = jax.jit(jax.grad(order, argnums=(0, 1)))(*at)
    for k, slope in enumerate(got):
        up, down = ([x + sign * step * (j == k) for j, x in enumerate(at)] for sign in (1, -1))
        np.testing.assert_allclose(slope, (order(*up) - order(*down)) / (2 * step), rtol=1e-7)
    # Above its critical temperature the order is zero, and stays so.
    assert jax.grad(order)(0.9, 2.0) == 0.0
