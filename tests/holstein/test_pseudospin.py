"""Pseudospins: the published quench for other sizes, the growth of the order, and the lattice that they stand for."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano import lattice
from qnano.holstein.ehrenfest import EhrenfestOrbitals
from qnano.holstein.ground_state import thermal_state
from qnano.holstein.model import Holstein
from qnano.holstein.pseudospin import Pseudospins, growth_rate
from qnano.propagation import propagate
from qnano.solvers.splitting import blanes_moan, strang
from qnano.solvers.stepping import fixed
from tests.holstein.systems import ring

ORDERS = ("charge_order", "lattice_order")


@eqx.filter_jit
def solve(dynamics, state, times, observables, scheme, dt=0.1):
    return propagate(dynamics, state, times, solver=fixed(scheme, dt), observables=observables)


# T2: charge and lattice order of 128 sites at t = 12.8, 64, 256 after g = 0.5 -> 0.8.
SHALLOW = [[0.06983031, 0.13258160], [0.07759468, 0.14742264], [0.11061362, 0.25284549]]
# T3: rates of the quench from the metal to g.
RATES = {32: {1.0: 0.1386662}, 34: {1.0: 0.2301084}, 16: {1.0: 0.0}, 64: {1.0: 0.1942240, 0.8: 0.0}, 128: {0.8: 0.0948012}}


@pytest.mark.slow
def test_the_shallow_quench_of_the_paper():
    start, times = Pseudospins(ring(128, 0.5)).thermal_state(), jnp.array([0.0, 12.8, 64.0, 256.0])
    got = solve(Pseudospins(ring(128, 0.8)), start, times, ORDERS, blanes_moan(), 0.2)
    np.testing.assert_allclose(np.transpose([got.observables[name][1:] for name in ORDERS]), SHALLOW, atol=1e-6)
    np.testing.assert_allclose(got.invariants["energy"], got.invariants["energy"][0], atol=1e-6)
    np.testing.assert_allclose(got.invariants["longest_spin"], 0.25, atol=1e-12)


@pytest.mark.slow
def test_a_homogeneous_torus_is_its_pseudospins():
    """From a warm start, order and every part of the energy; by the same splitting, so to round-off."""
    before, after = (Holstein(lattice.rectangle(4, 6, True), g) for g in (0.9, 1.3))
    names, times = (
        (*ORDERS, "hopping_energy", "coupling_energy", "elastic_energy", "phonon_kinetic_energy"),
        jnp.array([0.0, 3.0, 6.0]),
    )
    sites = solve(EhrenfestOrbitals(after), thermal_state(before, temperature=0.1), times, names, strang())
    spins = solve(Pseudospins(after), Pseudospins(before).thermal_state(temperature=0.1), times, names, strang())
    for name in names:
        np.testing.assert_allclose(sites.observables[name], spins.observables[name], atol=1e-11, err_msg=name)


@pytest.mark.parametrize("sites", RATES)
def test_growth_rates(sites):
    rate = jax.jit(lambda coupling: growth_rate(ring(sites, coupling)))
    np.testing.assert_allclose([rate(coupling) for coupling in RATES[sites]], list(RATES[sites].values()), atol=1e-7)


def test_different_sites_have_no_pseudospins():
    with pytest.raises(ValueError, match="pseudospins"):
        Pseudospins(ring(8, np.ones(8)))
