"""Scales against arithmetic done elsewhere, and the two ways in which a length can be wrong, seen in waves."""

import jax.numpy as jnp
import numpy as np
import pytest

from qnano.cgwe.balance import balance, balanced_length, classical_time
from qnano.propagation import propagate
from qnano.schrodinger.grid import Grid
from qnano.schrodinger.model import Particles, normalised
from qnano.schrodinger.wave import Schrodinger
from qnano.solvers.splitting import blanes_moan
from qnano.solvers.stepping import fixed

HBAR, ELECTRON = 658.2119569, 5685.6301  # meV fs; meV fs^2 / nm^2
COULOMB = 1439.96  # e^2 / 4 pi eps0 in meV nm


def test_scales_of_gallium_arsenide():
    """m* = .067, kappa = 12.9: effective Bohr radius, time and energy of 10 nm."""
    mass = 0.067 * ELECTRON
    radius = balanced_length(mass, COULOMB / 12.9, 1, HBAR)
    np.testing.assert_allclose(radius, 10.19, rtol=1e-3)
    found = balance(mass, COULOMB / 12.9 / 10.0, 10.0, 0.565, HBAR)
    np.testing.assert_allclose([found.time, found.energy], [57.9, 11.37], rtol=1e-3)
    np.testing.assert_allclose(balance(mass, 1.0, radius, 0.565, HBAR).eps, 0.055, rtol=0.01)
    assert found.verdict == "balanced" and not found.reasons


def test_a_bound_pair_on_a_ribbon_is_not_coarse():
    """AGNR-7, kappa = 2.5: the pair lives on the scale of a cell, and 10 nm are too long for it."""
    mass = 0.1907 * ELECTRON
    radius = balanced_length(mass, COULOMB / 2.5, 1, HBAR)
    np.testing.assert_allclose(radius, 0.694, rtol=1e-3)
    np.testing.assert_allclose(balance(mass, COULOMB / 2.5 / 10, 10.0, 0.426, HBAR).beta, 14.4, rtol=0.01)
    near = balance(mass, COULOMB / 2.5 / radius, radius, 0.426, HBAR)
    np.testing.assert_allclose([near.beta, near.eps], [1.0, 0.614], rtol=2e-3)
    assert "scale of the lattice" in near.reasons[0]


def test_lengths_of_powers():
    np.testing.assert_allclose(balanced_length(1.0, 0.5, -2), 2**0.25)
    with pytest.raises(ValueError, match="power: got 2"):
        balanced_length(1.0, 1.0, 2)
    np.testing.assert_allclose(classical_time(0.1, 2.0), 100.0)


def well(beta):
    """1 - exp(-X^2/2) with mass 1 and height beta, and a packet beside its middle."""
    grid = Grid((512,), [80.0])
    x = np.asarray(grid.coordinates[0])
    psi = normalised(jnp.asarray(np.exp(-((x - 0.5) ** 2) / 2)), grid)
    return Schrodinger(Particles(grid, beta * (1 - np.exp(-(x**2) / 2)))), psi


@pytest.mark.slow
@pytest.mark.parametrize(("beta", "growth"), [(1.0, 1.00), (10.0, 2.84), (100.0, 9.10)])
def test_gradients_grow_where_the_length_is_too_long(beta, growth):
    """0.908 sqrt(beta) from beta = 10 on, and no growth below 1."""
    dynamics, psi = well(beta)

    def gradient(energy):
        return np.sqrt(2 * energy)

    times, solver = jnp.linspace(0.0, 10.0 / np.sqrt(max(beta, 1.0)), 101), fixed(blanes_moan(4), 0.3 / beta**0.5 / 3)
    kinetic = propagate(dynamics, psi, times, solver=solver, observables=("free_energy",)).observables["free_energy"]
    found = gradient(np.max(kinetic)) / gradient(kinetic[0])
    np.testing.assert_allclose(found, growth, rtol=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(("beta", "growth"), [(0.1, 7.47), (1.0, 3.06), (3.0, 1.94)])
def test_sizes_grow_where_it_is_too_short(beta, growth):
    dynamics, psi = well(beta)
    solver = fixed(blanes_moan(4), 0.1)
    got = propagate(dynamics, psi, jnp.array([0.0, 10.0]), solver=solver, observables=("spread", "position")).observables
    size = jnp.hypot(got["spread"], got["position"])[:, 0]  # about the middle of the well
    np.testing.assert_allclose(size[1] / size[0], growth, rtol=0.02)
