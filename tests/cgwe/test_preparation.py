"""What a lattice and packets suffice for: envelopes, spinors, and the pair interactions of the coarse problem."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano.cgwe.bloch import PlaneWaves
from qnano.cgwe.cell import k_dot_p
from qnano.cgwe.preparation import envelope, pair_masses, product, soft_coulomb, spinor
from qnano.schrodinger.grid import Grid

GRID = Grid((64,), [40.0])
FREE = PlaneWaves([(1,)], jnp.array([0.0]), 1.0, 8)


def test_an_envelope_has_norm_1_and_half_the_spread_of_its_square():
    psi = envelope(GRID, 1.0, 3.0, 0.5)
    density, x = np.abs(psi) ** 2 * float(GRID.volume), np.asarray(GRID.coordinates[0])
    assert density.sum() == pytest.approx(1.0, abs=1e-13) and (density * x).sum() == pytest.approx(1.0, abs=1e-9)
    assert (density * (x - 1.0) ** 2).sum() == pytest.approx(3.0**2 / 2, rel=1e-9)


@pytest.mark.parametrize("exchange", [1, -1])
def test_a_product_has_the_sign_of_its_statistics(exchange):
    psi = product([envelope(GRID, -4.0, 2.0), envelope(GRID, 4.0, 2.0, 0.3)], GRID, exchange)
    np.testing.assert_allclose(psi, exchange * psi.T, atol=1e-14)
    assert float(jnp.sum(jnp.abs(psi) ** 2) * GRID.volume**2) == pytest.approx(1.0, abs=1e-13)


def test_the_chord_of_a_long_ring_is_the_distance():
    near, far = soft_coulomb(2.0, 0.5, 1e6), soft_coulomb(2.0, 0.5, 10.0)
    assert float(near(jnp.array(3.0))) == pytest.approx(2.0 / np.hypot(3.0, 0.5), rel=1e-9)
    assert float(far(jnp.array(5.0))) == pytest.approx(2.0 / np.hypot(10.0 / np.pi, 0.5), rel=1e-12)  # across the ring


def test_without_a_lattice_the_masses_of_a_pair_add_up_to_the_bare_one():
    own, cross = pair_masses(FREE, soft_coulomb(3.0, 0.5, 2.0), 2)
    assert float(own + cross) == pytest.approx(1.0, abs=1e-10) and abs(float(cross)) > 1e-3  # total momentum is kept


def test_a_pure_spinor_stays_in_its_band():
    crystal = PlaneWaves([(1,)], jnp.array([4.0]), 1.0, 8)
    bands, start = eqx.filter_jit(k_dot_p)(crystal, [0, 1], jnp.zeros(1)), envelope(GRID, 0.0, 5.0)
    waves = np.fft.fft(spinor(start, GRID, bands, 0), axis=0)
    hamiltonians = np.asarray(jax.jit(jax.vmap(bands.hamiltonian))(GRID.wavenumbers.T))
    others = np.linalg.eigh(hamiltonians)[1][:, :, 1]
    np.testing.assert_allclose(np.sum(others.conj() * waves, axis=1), 0.0, atol=1e-12)
    bare = spinor(start, GRID, bands, 0, pure=False)
    np.testing.assert_array_equal(bare[:, 1], 0.0)
