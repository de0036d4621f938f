"""Slices of the four-particle RDM against all of its partitions, and against exact ones where nothing is neglected."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano.fermions import four_slices
from tests.fermions.systems import random_cumulants, spin_scalar
from tests.oracles import eight_index, fock_space, six_index
from tests.oracles.fock_space import DN, UP

four_slices = jax.jit(four_slices.four_slices)
PRODUCTS = {"uudd": 41, "uuud": 52}


@pytest.mark.parametrize("sites", [3, 4])
def test_slices_are_those_of_all_partitions(sites):
    d, cumulant = random_cumulants(sites, 2)
    three = spin_scalar(sites)
    known = eight_index.blocks(d, cumulant, three)
    whole = {spins: eight_index.four_rdm(spins, known) for spins in PRODUCTS}
    assert {spins: count for spins, (_, count) in whole.items()} == PRODUCTS
    wanted = eight_index.slices(*(rdm for rdm, _ in whole.values()))
    for got, want in zip(four_slices(*map(jnp.asarray, (d, cumulant, three))), wanted, strict=True):
        np.testing.assert_allclose(got, want, atol=1e-12 * np.abs(want).max())


@pytest.mark.parametrize("electrons", [1, 2, 3])
def test_independent_electrons_have_nothing_else(electrons):
    """One and one electron have no D4 at all: the products cancel."""
    sector = fock_space.Sector(4, electrons, electrons)
    _, psi = fock_space.ground_state(sector.hamiltonian(fock_space.chain(4) + np.diag([0.1, 0.5, -0.2, 0.0])))
    d, cumulant = six_index.split(sector.d2_updn(psi), electrons)
    np.testing.assert_allclose(cumulant, 0, atol=1e-13)
    wanted = eight_index.slices(sector.rdm(psi, UP, UP, DN, DN), sector.rdm(psi, UP, UP, UP, DN))
    assert (np.abs(wanted[0]).max() > 1e-3) == (electrons > 1) and (np.abs(wanted[1]).max() > 1e-3) == (electrons > 2)
    for got, want in zip(four_slices(*map(jnp.asarray, (d, 0 * cumulant, np.zeros((4,) * 6, complex)))), wanted, strict=True):
        np.testing.assert_allclose(got, want, atol=1e-13)
