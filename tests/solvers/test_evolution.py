"""Evolution to one time against dense exponentials, and its pullback against forward mode, however many expansions it takes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

from qnano import lattice
from qnano.hamiltonian import Hermitian
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.model import FermiHubbard
from qnano.propagation import propagate
from qnano.solvers import evolution
from qnano.solvers.evolution import evolve, expansions
from qnano.solvers.expansion import spectrum
from qnano.trajectory import Status
from tests.hubbard.systems import ring_with_flux, unequal_spins


def problem(make):
    """A system's Hamiltonian, a start that has no symmetry, and a random number generator."""
    system, rng = make(), np.random.default_rng(0)
    dynamics = ExactHubbard(system.model)
    shape = dynamics.determinant(system.up, system.down).shape
    psi = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    return system, dynamics.hamiltonian(jnp.array(0.0)), psi / np.linalg.norm(psi), rng


def moved(hamiltonian, psi, span):
    interval = spectrum(hamiltonian, psi)
    return evolve(hamiltonian, psi, span, expansions(span, interval, 1e-12), interval, 1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("make", [unequal_spins, ring_with_flux])
def test_evolution_is_the_dense_exponential(make):
    """A real Hamiltonian and a complex one, backwards too, and over several expansions of the longest kind."""
    system, hamiltonian, psi, _ = problem(make)
    matrix = system.sector.hamiltonian(system.h(0.0), system.interaction(0.0)).toarray()
    step = jax.jit(moved)
    for span in (1e-3, 0.8, -300.0, 300.0):
        want = system.sector.matrix(expm(-1j * span * matrix) @ system.sector.vector(psi))
        np.testing.assert_allclose(step(hamiltonian, jnp.asarray(psi), jnp.array(span)), want, atol=1e-11)
    assert expansions(jnp.array(300.0), spectrum(hamiltonian, jnp.asarray(psi)), 1e-12) > 1


@pytest.mark.slow
@pytest.mark.parametrize("make", [unequal_spins, ring_with_flux])
@pytest.mark.parametrize("kept", [1, 16])
def test_its_pullback_agrees_with_forward_mode(make, kept, monkeypatch):
    """Along one direction in the space of all leaves of H, the state and the time; with every expansion kept, and with the last."""
    monkeypatch.setattr(evolution, "LONGEST", 64)
    monkeypatch.setattr(evolution, "KEPT", kept)
    _, hamiltonian, psi, rng = problem(make)
    costate = jnp.asarray(rng.normal(size=psi.shape) + 1j * rng.normal(size=psi.shape))

    def loss(hamiltonian, psi, span):
        return jnp.sum(costate * moved(hamiltonian, psi, span)).real

    at = (hamiltonian, jnp.asarray(psi), 80 / spectrum(hamiltonian, jnp.asarray(psi)).radius)
    # The tables of hops are padded with zeros, and the matrix of hopping is there for the bounds of the spectrum alone.
    along = jax.tree.map(lambda x: jnp.where(x == 0, 0, jnp.asarray(rng.normal(size=x.shape), x.dtype)), at)
    value, want = jax.jit(lambda at, along: jax.jvp(loss, at, along))(at, along)
    got_value, slopes = jax.jit(jax.value_and_grad(lambda h, *rest: loss(Hermitian(h), *rest), argnums=(0, 1, 2)))(*at)
    got = sum(jnp.sum(s * x).real for s, x in zip(jax.tree.leaves(slopes), jax.tree.leaves(along), strict=True))
    assert expansions(at[2], spectrum(hamiltonian, at[1]), 1e-12) == 3
    np.testing.assert_allclose([got_value, got], [value, want], rtol=1e-10)


def double_occupancy(interaction, end, **settings):
    dynamics = ExactHubbard(FermiHubbard(lattice.chain(2), (1, 1), interaction=interaction))
    psi, times = dynamics.determinant((0,), (0,)), jnp.stack([jnp.zeros(()), end])
    return propagate(dynamics, psi, times, observables=("double_occupancy",), **settings)


def test_memory_is_that_of_the_vectors_kept():
    """However many terms there are: a bare loop over them would hold each."""
    dynamics = ExactHubbard(FermiHubbard(lattice.chain(6), (3, 3), interaction=4.0))
    psi = dynamics.determinant((0, 2, 4), (1, 3, 5))

    def last(dynamics, end):
        times = jnp.stack([jnp.zeros(()), end])
        return propagate(dynamics, psi, times, observables=("double_occupancy",)).observables["double_occupancy"][-1, 0]

    program = jax.jit(jax.grad(last)).lower(dynamics, jnp.array(1e3)).compile()
    assert program.memory_analysis().temp_size_in_bytes < (2 * evolution.KEPT + 40) * psi.nbytes


def test_a_run_that_may_not_go_all_the_way_says_where_it_is():
    whole = double_occupancy(4.0, jnp.array(1000.0))
    cut = double_occupancy(4.0, jnp.array(1000.0), max_steps=3)
    assert (whole.status, cut.status, cut.steps) == (Status.DONE, Status.STEP_LIMIT, 3)
    np.testing.assert_allclose(cut.stop_time, 1000 * 3 / whole.steps)
    np.testing.assert_allclose(cut.state, double_occupancy(4.0, cut.stop_time).state, atol=1e-11)
    assert jnp.isnan(cut.observables["double_occupancy"][1]).all() and jnp.isfinite(cut.observables["double_occupancy"][0]).all()
