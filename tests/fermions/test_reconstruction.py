"""Nakatsuji and Yasuda's reconstruction against its six-index form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano.fermions.reconstruction import hard_sign, nakatsuji_yasuda, nakatsuji_yasuda_cumulant, smooth_sign
from tests.fermions.systems import correlated_singlet, random_cumulants
from tests.oracles import six_index

SIGNS = {"hard": (hard_sign, six_index.hard_sign), "smooth": (smooth_sign, six_index.smooth_sign)}


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize(("sites", "electrons"), [(3, 1), (4, 2), (5, 2), (5, 4)])
def test_slice_and_contractions_of_the_six_index_cumulant(sites, electrons, sign):
    ours, oracle = SIGNS[sign]
    d, cumulant = random_cumulants(sites, electrons)
    want = six_index.nakatsuji_yasuda(oracle)(d, cumulant, electrons)
    over_down, over_up, _, beside = six_index.contractions(want)
    got = jax.jit(lambda d, cumulant: nakatsuji_yasuda(ours(d), cumulant))(jnp.asarray(d), jnp.asarray(cumulant))
    scale, half = np.abs(want).max(), got.half_over_up
    np.testing.assert_allclose(got.collision / scale, six_index.collision(want) / scale, atol=1e-13)
    np.testing.assert_allclose(got.over_down / scale, over_down / scale, atol=1e-13)
    np.testing.assert_allclose((half + half.conj().transpose(2, 3, 0, 1)) / scale, over_up / scale, atol=1e-13)
    # A spin scalar: the contraction between unlike spins follows from the others.
    follows = over_down + over_up.transpose(0, 1, 3, 2) - over_up.transpose(1, 0, 3, 2)
    np.testing.assert_allclose(follows / scale, beside / scale, atol=1e-13)


def test_all_of_the_six_index_cumulant():
    d, cumulant = random_cumulants(4, 2)
    want = six_index.nakatsuji_yasuda(six_index.smooth_sign)(d, cumulant, 2)
    got = jax.jit(lambda d, cumulant: nakatsuji_yasuda_cumulant(smooth_sign(d), cumulant))(jnp.asarray(d), jnp.asarray(cumulant))
    np.testing.assert_allclose(got, want, atol=1e-13 * np.abs(want).max())


def test_it_is_most_of_the_exact_cumulant_at_weak_coupling():
    two, three = correlated_singlet(4, 2, 0.1, 0.0)
    d, cumulant = six_index.split(two, 2)
    exact = six_index.collision(three - six_index.disconnected_uud(d, cumulant))
    got = nakatsuji_yasuda(hard_sign(jnp.asarray(d)), jnp.asarray(cumulant)).collision
    np.testing.assert_allclose(np.vdot(got, exact).real / np.vdot(got, got).real, 1.0, atol=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("occupations", [(0.9, 0.8, 0.3, 0.0), (0.9, 0.9, 0.1, 0.1)])
def test_the_hard_sign_can_be_differentiated(occupations):
    """Also where occupations on one side are degenerate, as on a ring."""
    rng = np.random.default_rng(1)
    basis, _ = np.linalg.qr(rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4)))
    d = jnp.asarray((basis * np.array(occupations)) @ basis.conj().T)
    along = rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4))
    along = jnp.asarray(along + along.conj().T)
    weight = jnp.asarray(rng.normal(size=(4, 4)))
    value = jax.jit(lambda e: jnp.sum(weight * jnp.abs(hard_sign(d + e * along)) ** 2))
    step = 1e-5
    want = (value(step) - value(-step)) / (2 * step)
    np.testing.assert_allclose(jax.jit(jax.grad(value))(0.0), want, rtol=1e-7)
    np.testing.assert_allclose(jax.jit(jax.jacfwd(value))(0.0), want, rtol=1e-7)
