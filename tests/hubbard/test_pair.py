"""The pair scheme against the six-index cumulant hierarchy."""

from itertools import product

import diffrax
import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from qnano import lattice
from qnano.hubbard.model import FermiHubbard
from qnano.hubbard.pair import PairCorrelations
from qnano.propagation import propagate
from qnano.solvers.stepping import adaptive
from tests.fermions.systems import random_cumulants
from tests.hubbard.systems import quench
from tests.oracles import fock_space, six_index

run = eqx.filter_jit(propagate)


@pytest.mark.parametrize("sites", [3, 4, 5])
def test_right_hand_side(sites):
    d, cumulant = random_cumulants(sites, 1)
    u, v = np.linspace(1.0, 3.0, sites), 0.3 * np.arange(sites)
    model = FermiHubbard(lattice.chain(sites), (1, 1), interaction=u, potential=v)
    got = PairCorrelations(model).vector_field(jnp.array(0.0), (jnp.asarray(d), jnp.asarray(cumulant)))
    want = six_index.pair_velocity(d, cumulant, fock_space.chain(sites) + np.diag(v), u)
    for ours, oracle in zip(got, want, strict=True):
        np.testing.assert_allclose(ours, oracle, atol=1e-11)


def test_golden():
    free, start = quench(4, 2.0)
    dynamics = PairCorrelations(free)
    solver = adaptive(diffrax.Dopri8(), 1e-10, 1e-12)
    state = dynamics.from_wavefunction(start.psi)
    trajectory = run(dynamics, state, jnp.array([0.0, 5.0]), observables=("density", "energy"), solver=solver)
    np.testing.assert_allclose(trajectory.observables["density"][-1, 0, 0], 0.52166198, atol=1e-7)
    np.testing.assert_allclose(trajectory.observables["energy"], -2.7105534457, atol=1e-9)


@pytest.mark.parametrize("channels", list(product([False, True], repeat=3)))
def test_every_choice_of_channels_conserves_the_energy(channels):
    """dE/dt = 2 Tr(h dd/dt) + sum U (2 d_ii dd_ii/dt + dL_iiii/dt), of any state."""
    d, cumulant = random_cumulants(4, 2)
    u = np.linspace(1.0, 3.0, 4)
    model = FermiHubbard(lattice.chain(4), (2, 2), interaction=u)
    dynamics = PairCorrelations(model, *channels)
    slope, motion = dynamics.vector_field(jnp.array(0.0), (jnp.asarray(d), jnp.asarray(cumulant)))
    kinetic = 2 * np.trace(fock_space.chain(4) @ slope)
    pairs = 2 * np.diagonal(d) * np.diagonal(slope) + np.einsum("iiii->i", motion)
    np.testing.assert_allclose(kinetic + u @ pairs, 0, atol=1e-11)
    np.testing.assert_allclose(np.trace(slope), 0, atol=1e-12)
    np.testing.assert_allclose(motion, motion.conj().transpose(2, 3, 0, 1), atol=1e-12)
    np.testing.assert_allclose(motion, motion.transpose(1, 0, 3, 2), atol=1e-12)


def test_channels_add_up():
    """What each adds alone is what it adds to the others: the scheme is linear in its channels."""
    d, cumulant = map(jnp.asarray, random_cumulants(4, 2))
    model = FermiHubbard(lattice.chain(4), (2, 2), interaction=1.7)

    def motion(*channels):
        return PairCorrelations(model, *channels).vector_field(jnp.array(0.0), (d, cumulant))[1]

    none = motion(False, False, False)
    single = sum(motion(*(k == j for j in range(3))) - none for k in range(3))
    np.testing.assert_allclose(none + single, motion(True, True, True), atol=1e-11)
