"""Products of orbitals against two-particle waves."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from qnano.cgwe.mean_field import CoarseMeanField, product, rank_defect
from qnano.propagation import propagate
from tests.cgwe.systems import coarse, envelope, ring

solve = eqx.filter_jit(propagate)
EPS, POINTS, LENGTH = 1 / 4, 48, 12.0
TIMES = jnp.array([0.0, 2 / EPS**2])


def started(strength, cross=None, particles=2):
    def chord(r):
        return LENGTH / jnp.pi * jnp.sin(jnp.pi * EPS * r / LENGTH)

    pair = ring(EPS, POINTS, LENGTH).pairs(lambda r: EPS**2 * strength / jnp.sqrt(chord(r) ** 2 + 1))
    wave = coarse(EPS, POINTS, False, particles, pair, cross, depth=8.0, length=LENGTH)
    return wave, jnp.stack([envelope(wave.grid, EPS, sign * 1.5, 0.8, -sign * 1.0) for sign in (-1, 1, 0)[:particles]])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strength", "infidelity", "best", "density", "energy"),
    [(1.0, 2.88e-3, 2.87e-3, 3.0e-3, 6.6887), (4.0, 7.3e-2, 6.8e-2, 6.4e-2, 7.7897)],
)
def test_the_product_is_nearly_the_best_there_is(strength, infidelity, best, density, energy):
    """Published infidelities, L1 errors of the density of one of the two, and energies."""
    wave, orbitals = started(strength)
    true = solve(wave, product(orbitals), TIMES)
    got = solve(CoarseMeanField(wave), orbitals, TIMES, observables=("energy", "norm"))
    overlap = abs(jnp.vdot(product(got.state), true.state) * wave.grid.volume**2) ** 2
    np.testing.assert_allclose(1 - overlap, infidelity, rtol=0.01)
    np.testing.assert_allclose(rank_defect(true.state), best, rtol=0.01)
    cell = wave.grid.volume
    apart = jnp.abs(true.state) ** 2 @ jnp.full(POINTS, cell) - jnp.abs(got.state[0]) ** 2
    np.testing.assert_allclose(jnp.sum(jnp.abs(apart)) * cell, density, rtol=0.02)
    np.testing.assert_allclose(got.observables["energy"] / EPS**2, energy, rtol=1e-4)
    np.testing.assert_allclose(got.observables["norm"], 1.0, atol=1e-12)
    assert abs(got.invariants["energy"][1] - got.invariants["energy"][0]) < 1e-7


def test_without_interaction_the_product_is_exact():
    wave, orbitals = started(0.0)
    true = solve(wave, product(orbitals), TIMES, observables=("coarse_density", "spread", "wave_momentum"))
    got = solve(CoarseMeanField(wave), orbitals, TIMES, observables=("coarse_density", "spread", "wave_momentum"))
    for name, want in true.observables.items():
        np.testing.assert_allclose(got.observables[name], want, atol=1e-10)
    np.testing.assert_allclose(product(got.state), true.state, atol=1e-10)


@pytest.mark.parametrize(("cross", "infidelity"), [(0.1, 3.6e-3), (0.2, 1.6e-2)])
@pytest.mark.slow
def test_cross_masses_couple_currents(cross, infidelity):
    wave, orbitals = started(0.0, cross)
    true = solve(wave, product(orbitals), TIMES, observables=("energy",))
    got = solve(CoarseMeanField(wave), orbitals, TIMES, observables=("energy",))
    overlap = abs(jnp.vdot(product(got.state), true.state) * wave.grid.volume**2) ** 2
    np.testing.assert_allclose(1 - overlap, infidelity, rtol=0.03)
    np.testing.assert_allclose(got.observables["energy"], true.observables["energy"][0], rtol=1e-6)


@pytest.mark.slow
def test_three_particles_keep_norm_and_energy():
    wave, orbitals = started(1.0, 0.05, 3)
    got = solve(CoarseMeanField(wave), orbitals, TIMES, observables=("particle_density",))
    np.testing.assert_allclose(jnp.sum(got.observables["particle_density"], axis=1) * wave.grid.volume, 3.0, atol=1e-10)
    np.testing.assert_allclose(got.invariants["energy"][1], got.invariants["energy"][0], rtol=1e-7)
