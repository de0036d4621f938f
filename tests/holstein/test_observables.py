"""Measurements against their definitions, in both forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano import lattice
from qnano.holstein.ehrenfest import EhrenfestDensity, EhrenfestOrbitals
from qnano.holstein.model import Holstein
from qnano.holstein.observables import kink_density
from tests.holstein.systems import random_state
from tests.oracles import holstein as oracle


@pytest.mark.slow
@pytest.mark.parametrize("form", [EhrenfestOrbitals, EhrenfestDensity])
def test_definitions(form):
    model = Holstein(lattice.rectangle(4, 6, True), np.linspace(0.5, 1.0, 24), hopping=1.0)
    state = random_state(24, 14)
    rho = np.asarray(state.electrons.T @ state.electrons.conj())
    n, q, p = np.diag(rho).real, np.asarray(state.displacement), np.asarray(state.momentum)
    dynamics = form(model)
    state = state if form is EhrenfestOrbitals else dynamics.from_orbitals(state)
    got = jax.jit(lambda state: {name: measure() for name, measure in dynamics.observe(jnp.array(0.0), state).items()})(state)

    cells = np.array(list(np.ndindex(4, 6)))
    signs = (-1.0) ** cells.sum(axis=1)
    waves = np.exp(2j * np.pi * (np.outer(cells[:, 0], cells[:, 0]) / 4 + np.outer(cells[:, 1], cells[:, 1]) / 6))
    want = {
        "density_matrix": rho,
        "site_density": n,
        "displacement": q,
        "momentum": p,
        "charge_order": np.mean(signs * n),
        "lattice_order": np.mean(signs * q),
        "charge_structure_factor": np.abs(waves @ n) ** 2 / 24,
        "lattice_structure_factor": np.abs(waves @ q) ** 2 / 24,
        "momentum_distribution": np.einsum("ki,ij,kj->k", waves.conj(), rho, waves).real / 24,
        "hopping_energy": np.trace(oracle.hopping_matrix((4, 6)) @ rho).real,
        "energy": oracle.energy(rho, q, p, oracle.hopping_matrix((4, 6)), np.linspace(0.5, 1.0, 24), 0.3, 0.8),
    }
    for name, value in want.items():
        np.testing.assert_allclose(got[name], value, atol=1e-12, err_msg=name)
    parts = ("hopping_energy", "coupling_energy", "elastic_energy", "phonon_kinetic_energy")
    np.testing.assert_allclose(sum(got[name] for name in parts), got["energy"], atol=1e-12)
    invariants = dynamics.invariants(jnp.array(0.0), state)
    np.testing.assert_allclose(invariants["purity"], np.sum(np.abs(rho) ** 2), atol=1e-12)


def test_kinks():
    """Two walls on a ring of eight: the staggered order changes sign across two of eight bonds."""
    model = Holstein(lattice.chain(8, True), 1.0)
    assert kink_density(model, jnp.asarray(model.signs * np.array([1, 1, 1, -1, -1, 1, 1, 1]))) == 0.25
