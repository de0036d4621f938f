"""RDMs of random states against brute-force operator products, and the identities between them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano.fermions import rdm
from qnano.fermions.cumulants import collision_without_three_cumulant, three_disconnected, two_cumulant
from qnano.fermions.representability import pair_extremes, two_hole_rdm
from tests.fermions.systems import random_cumulants
from tests.oracles import six_index
from tests.oracles.fock_space import Sector

SECTORS = [(3, 2, 1), (4, 2, 2), (4, 3, 2), (4, 1, 3), (5, 2, 3)]


def random_state(sites, up, down):
    sector = Sector(sites, up, down)
    rng = np.random.default_rng(sites + 10 * up + 100 * down)
    vector = rng.normal(size=sector.dim) + 1j * rng.normal(size=sector.dim)
    vector /= np.linalg.norm(vector)
    return sector, vector, jnp.asarray(sector.matrix(vector))


@pytest.mark.slow
@pytest.mark.parametrize(("sites", "up", "down"), SECTORS)
def test_blocks_match_operator_products(sites, up, down):
    sector, vector, psi = random_state(sites, up, down)
    numbers = (up, down)
    for got, want in (
        (rdm.one_rdm(psi, sites, numbers, 0), sector.d1_up(vector)),
        (rdm.one_rdm(psi, sites, numbers, 1), sector.d1_dn(vector)),
        (rdm.two_rdm_updn(psi, sites, numbers), sector.d2_updn(vector)),
        (rdm.two_rdm_same_spin(psi, sites, numbers, 0), sector.d2_upup(vector)),
        (rdm.two_rdm_same_spin(psi, sites, numbers, 1), sector.d2_dndn(vector)),
        (rdm.three_rdm_uud(psi, sites, numbers), sector.d3_uud(vector)),
    ):
        np.testing.assert_allclose(got, want, atol=1e-12)


@pytest.mark.parametrize(("sites", "up", "down"), SECTORS)
def test_contractions_and_symmetries(sites, up, down):
    _, _, psi = random_state(sites, up, down)
    numbers = (up, down)
    d_up, d_down = (np.asarray(rdm.one_rdm(psi, sites, numbers, spin)) for spin in (0, 1))
    updn, upup, dndn = (
        np.asarray(block)
        for block in (
            rdm.two_rdm_updn(psi, sites, numbers),
            rdm.two_rdm_same_spin(psi, sites, numbers, 0),
            rdm.two_rdm_same_spin(psi, sites, numbers, 1),
        )
    )
    uud = np.asarray(rdm.three_rdm_uud(psi, sites, numbers))

    def close(got, want):
        return np.testing.assert_allclose(got, want, atol=1e-12)

    close([np.trace(d_up), np.trace(d_down)], numbers)
    close(np.einsum("ikjk->ij", updn), down * d_up)
    close(np.einsum("kikj->ij", updn), up * d_down)
    close(rdm.one_rdm_of(jnp.asarray(updn), down), d_up)
    close(np.einsum("ikjk->ij", upup), (up - 1) * d_up)
    close(np.einsum("ikjk->ij", dndn), (down - 1) * d_down)
    close(np.einsum("abcxyc->abxy", uud), down * upup)
    close(np.einsum("abcxbz->acxz", uud), (up - 1) * updn)
    close(upup, -upup.transpose(1, 0, 2, 3))
    close(uud, -uud.transpose(0, 1, 2, 4, 3, 5))
    for block in (updn, upup, dndn):
        close(block, block.conj().transpose(2, 3, 0, 1))
    close(uud, uud.conj().transpose(3, 4, 5, 0, 1, 2))
    up_, down_, two = map(jnp.asarray, (d_up, d_down, updn))
    assert pair_extremes(two)[0] > -1e-12
    assert pair_extremes(two_hole_rdm(up_, down_, two))[0] > -1e-12


@pytest.mark.parametrize(("sites", "up", "down"), SECTORS)
def test_collision_element_is_a_slice_of_the_three_particle_rdm(sites, up, down):
    sector, vector, psi = random_state(sites, up, down)
    want = np.einsum("abbxby->abxy", sector.d3_uud(vector))
    np.testing.assert_allclose(rdm.collision_element(psi, sites, (up, down)), want, atol=1e-12)


@pytest.mark.parametrize("sites", [2, 3, 4])
def test_valdemoro_matches_the_six_index_construction(sites):
    rng = np.random.default_rng(sites)
    d = rng.normal(size=(sites,) * 2) + 1j * rng.normal(size=(sites,) * 2)
    d = d + d.conj().T
    two = rng.normal(size=(sites,) * 4) + 1j * rng.normal(size=(sites,) * 4)
    two = two + two.transpose(1, 0, 3, 2)
    two = two + two.conj().transpose(2, 3, 0, 1)
    cumulant = two_cumulant(jnp.asarray(d), jnp.asarray(two))
    want = np.einsum("abbxby->abxy", six_index.disconnected_uud(d, np.asarray(cumulant)))
    np.testing.assert_allclose(collision_without_three_cumulant(jnp.asarray(d), cumulant), want, atol=1e-11)


def test_all_of_valdemoros_reconstruction():
    d, cumulant = random_cumulants(4, 2)
    got = jax.jit(three_disconnected)(jnp.asarray(d), jnp.asarray(cumulant))
    np.testing.assert_allclose(got, six_index.disconnected_uud(d, cumulant), atol=1e-12)


def test_empty_blocks_are_zero():
    psi = jnp.eye(1, 4, dtype=complex).reshape(4, 1)
    assert not np.any(rdm.two_rdm_updn(psi, 4, (1, 0)))
    assert not np.any(rdm.two_rdm_same_spin(psi, 4, (1, 0), 0))
    assert not np.any(rdm.three_rdm_uud(psi, 4, (1, 0)))
    assert not np.any(rdm.one_rdm(psi, 4, (1, 0), 1))
