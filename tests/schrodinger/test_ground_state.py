"""Lowest states of oscillators that pull at each other, whose energies are known for any number."""

import jax.numpy as jnp
import numpy as np
import pytest

from qnano.schrodinger.grid import Grid
from qnano.schrodinger.ground_state import lowest_states, relaxed
from qnano.schrodinger.model import Particles, normalised
from qnano.schrodinger.wave import Schrodinger

SPRING = 0.7


def oscillators(number, points=32, length=10.0):
    grid = Grid((points,), [length])
    x = np.asarray(grid.coordinates[0])
    springs = SPRING / 2 * (x[:, None] - x) ** 2
    return Schrodinger(Particles(grid, x**2 / 2, number, springs if number > 1 else None))


@pytest.mark.slow
@pytest.mark.parametrize(("number", "exchange", "quanta"), [(1, 0, 0), (2, 1, 0), (2, -1, 1), (3, 1, 0), (3, -1, 3)])
def test_coupled_oscillators(number, exchange, quanta):
    """The centre of mass at frequency 1, N - 1 relative motions at sqrt(1 + N k); fermions need quanta of these."""
    found = lowest_states(oscillators(number), exchange=exchange)
    relative = np.sqrt(1 + number * SPRING)
    want = 0.5 + ((number - 1) / 2 + quanta) * relative if number > 1 else 0.5
    np.testing.assert_allclose(found.energies[0], want, atol=1e-6)
    if exchange:
        psi = np.asarray(found.waves[0])
        np.testing.assert_allclose(np.swapaxes(psi, 0, 1), exchange * psi, atol=1e-8)


@pytest.mark.slow
def test_a_round_dot():
    """Levels 1, 2, 2 of the oscillator in two dimensions, and norm 1."""
    grid = Grid((32, 32), [12.0, 12.0])
    x, y = np.asarray(grid.coordinates)
    found = lowest_states(Schrodinger(Particles(grid, (x**2 + y**2) / 2)), 3)
    np.testing.assert_allclose(found.energies, [1.0, 2.0, 2.0], atol=1e-8)
    np.testing.assert_allclose(jnp.sum(jnp.abs(found.waves) ** 2, axis=(1, 2)) * grid.volume, 1.0, atol=1e-10)


def test_imaginary_time_relaxes():
    dynamics = oscillators(1, 64)
    start = normalised(jnp.asarray(np.exp(-((np.asarray(dynamics.grid.coordinates[0]) - 1) ** 2))), dynamics.grid)
    psi = relaxed(dynamics, start, 0.02, 600)
    want = lowest_states(dynamics).waves[0]
    np.testing.assert_allclose(abs(jnp.vdot(want, psi)) * dynamics.grid.volume, 1.0, atol=1e-6)
