"""Closures in the equation of motion: six-index right-hand sides, published trajectories, conservation, gradients."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano import lattice
from qnano.fermions.cumulants import collision_without_three_cumulant
from qnano.fermions.purification import Purification
from qnano.hubbard.closures import AbstractClosure, ContractionConsistent, NakatsujiYasuda, Valdemoro
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.model import FermiHubbard
from qnano.hubbard.td2rdm import TD2RDM
from qnano.propagation import propagate
from qnano.solvers.rk4 import RK4
from qnano.solvers.stepping import adaptive, fixed
from tests.fermions.systems import correlated_singlet
from tests.hubbard.systems import quench
from tests.oracles import fock_space, six_index

run = eqx.filter_jit(propagate)
TIGHT = adaptive(diffrax.Dopri8(), 1e-10, 1e-12)
SMOOTH = six_index.nakatsuji_yasuda(six_index.smooth_sign)
# Closure, the oracle's, and at t = 5 after the quench of four sites at U = 2: n_up of site 0, energy (None: kept), error of D2.
CLOSURES = {
    "V+CC": (ContractionConsistent(Valdemoro()), six_index.valdemoro, (0.56212658, None, 0.1197)),
    "NY": (NakatsujiYasuda(), six_index.nakatsuji_yasuda(), (0.5577586, -2.70891899, 0.1895)),
    "NY+CC": (ContractionConsistent(NakatsujiYasuda()), six_index.nakatsuji_yasuda(), (0.5677416, None, 0.0844)),
    "NYs+CC": (ContractionConsistent(NakatsujiYasuda(smooth=True)), SMOOTH, (0.5667217, None, 0.0855)),
}


class Learned(AbstractClosure):
    """Knows nothing but a collision element, and a wrong one; like a network it has parameters and a memory."""

    weight: jax.Array
    rate: jax.Array

    def collision_element(self, one_rdm, cumulant, memory):
        shape = cumulant.shape
        guess = jnp.tanh(self.weight * (cumulant.real + memory)) @ one_rdm + 0.1 * jnp.ones(shape)
        return collision_without_three_cumulant(one_rdm, cumulant) + 0.02 * guess

    def initial_memory(self, psi):
        return jnp.zeros(())

    def memory_field(self, t, one_rdm, cumulant, memory):
        return -self.rate * memory + jnp.linalg.norm(cumulant)


LEARNED = Learned(jnp.array(0.7), jnp.array(0.3))


@pytest.mark.slow
@pytest.mark.parametrize(("sites", "electrons"), [(3, 1), (5, 2)])
@pytest.mark.parametrize("name", CLOSURES)
def test_right_hand_side_matches_the_six_index_one(name, sites, electrons):
    closure, oracle, _ = CLOSURES[name]
    two, _ = correlated_singlet(sites, electrons)
    u, v = np.linspace(1.0, 3.0, sites), 0.2 * np.arange(sites)
    model = FermiHubbard(lattice.chain(sites), (electrons, electrons), interaction=u, potential=v)
    state = (jnp.asarray(two), None, jnp.zeros(()))
    got = eqx.filter_jit(TD2RDM(model, closure).vector_field)(jnp.array(0.0), state)[0]
    reconstruction = six_index.Reconstruction(oracle, "CC" in name)
    want = six_index.velocity(two, electrons, fock_space.chain(sites) + np.diag(v), u, reconstruction)
    np.testing.assert_allclose(got, want, atol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("name", CLOSURES)
def test_golden(name):
    closure, _, (density, energy, error) = CLOSURES[name]
    free, start = quench(4, 2.0)
    dynamics = TD2RDM(free, closure)
    times = jnp.array([0.0, 5.0])
    names = ("density", "energy", "rdm2")
    trajectory = run(dynamics, dynamics.from_wavefunction(start.psi), times, observables=names, solver=TIGHT)
    got = trajectory.observables
    exact = run(ExactHubbard(free), start.psi, times, observables=("rdm2",)).observables["rdm2"][-1]
    np.testing.assert_allclose(got["density"][-1, 0, 0], density, atol=1e-7)
    np.testing.assert_allclose(jnp.linalg.norm(got["rdm2"][-1] - exact) / jnp.linalg.norm(exact), error, atol=5e-4)
    if energy is None:
        np.testing.assert_allclose(got["energy"], -2.7105534457, atol=1e-10)
        np.testing.assert_allclose(trajectory.invariants["contraction"], 0, atol=1e-12)
    else:
        np.testing.assert_allclose(got["energy"][-1], energy, atol=1e-7)


@pytest.mark.slow
def test_any_closure_conserves_when_consistent():
    """Round-off at a solver tolerance of 1e-6: what is linear in D2 is kept by every Runge-Kutta step, the energy among it."""
    free, start = quench(6, 1.0)
    loose = adaptive(diffrax.Tsit5(), 1e-6, 1e-8)
    dynamics = TD2RDM(free, ContractionConsistent(LEARNED))
    times = jnp.linspace(0.0, 1.0, 3)
    trajectory = run(dynamics, dynamics.from_wavefunction(start.psi), times, observables=("rdm2",), solver=loose)
    assert trajectory.status == 0
    for name in ("energy", "contraction", "particles", "hermiticity"):
        np.testing.assert_allclose(trajectory.invariants[name], trajectory.invariants[name][0], atol=1e-12, err_msg=name)
    bare = TD2RDM(free, LEARNED)
    drifting = run(bare, bare.from_wavefunction(start.psi), times, solver=loose).invariants
    assert abs(drifting["energy"][-1] - drifting["energy"][0]) > 1e-3
    assert drifting["contraction"][-1] > 1e-3


def test_the_one_particle_rdm_moves_exactly():
    """Its equation needs the diagonal of D2 alone: i dd/dt = [h, d] + U (D2[aa;xa] - h.c.)."""
    two, _ = correlated_singlet(5, 2)
    u = np.linspace(1.0, 3.0, 5)
    model = FermiHubbard(lattice.chain(5), (2, 2), interaction=u)
    d, h = six_index.one_body(two, 2), fock_space.chain(5)
    half = h @ d + u[:, None] * np.einsum("aaxa->ax", two)
    want = -1j * (half - half.conj().T)
    for closure, memory in ((ContractionConsistent(NakatsujiYasuda()), None), (ContractionConsistent(LEARNED), jnp.ones(()))):
        state = (jnp.asarray(two), memory, jnp.zeros(()))
        got = eqx.filter_jit(TD2RDM(model, closure).vector_field)(jnp.array(0.0), state)[0]
        np.testing.assert_allclose(np.einsum("akxk->ax", got) / 2, want, atol=1e-12)
        np.testing.assert_allclose(np.einsum("akkx->ax", got), want, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("closure", [NakatsujiYasuda(), ContractionConsistent(NakatsujiYasuda()), ContractionConsistent(LEARNED)])
def test_derivatives_of_the_right_hand_side(closure):
    two, _ = correlated_singlet(4, 2)
    free, _ = quench(4, 1.0)
    rng = np.random.default_rng(0)
    along, weight = (jnp.asarray(rng.normal(size=(4,) * 4)) for _ in range(2))
    along = along + along.transpose(1, 0, 3, 2)
    along = along + along.transpose(2, 3, 0, 1)
    memory = None if isinstance(closure, NakatsujiYasuda) or isinstance(closure.closure, NakatsujiYasuda) else jnp.ones(())

    def value(e):
        state = (jnp.asarray(two) + e * along, memory, jnp.zeros(()))
        return jnp.vdot(weight, TD2RDM(free, closure).vector_field(jnp.array(0.0), state)[0].real)

    value, slope = jax.jit(value), jax.jit(jax.grad(value))
    step = 1e-4
    want = (8 * (value(step) - value(-step)) - (value(2 * step) - value(-2 * step))) / (12 * step)
    np.testing.assert_allclose(slope(0.0), want, rtol=1e-6)
    if isinstance(closure, NakatsujiYasuda):
        np.testing.assert_allclose(jax.jit(jax.jacfwd(value))(0.0), want, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("closure", [ContractionConsistent(NakatsujiYasuda(True)), ContractionConsistent(LEARNED)])
def test_gradients_match_central_differences(closure):
    free, start = quench(4, 1.0)
    solver = fixed(RK4(), 0.05)

    def value(u):
        model = eqx.tree_at(lambda m: m.interaction.value, free, u)
        dynamics = TD2RDM(model, closure)
        state = dynamics.from_wavefunction(start.psi)
        trajectory = propagate(
            dynamics, state, jnp.array([0.0, 1.0]), observables=("double_occupancy",), monitor=False, solver=solver
        )
        return trajectory.observables["double_occupancy"][-1, 1]

    value, slope = jax.jit(value), jax.jit(jax.grad(value))
    u = jnp.array(1.0)

    def difference(h):
        return (value(u + h) - value(u - h)) / (2 * h)

    np.testing.assert_allclose(slope(u), (4 * difference(1e-3) - difference(2e-3)) / 3, rtol=1e-6)


# Mean error of D2 over t = 0..20 with D and Q purification every 0.05, as (closure, U).
PURIFIED = {("V+CC", 1.0): 0.057, ("V+CC", 2.0): 0.068, ("NY+CC", 2.0): 0.051}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "interaction"), PURIFIED)
def test_purified_trajectories(name, interaction):
    free, start = quench(4, interaction)
    dynamics = TD2RDM(free, CLOSURES[name][0], Purification(1e-7, 2000), 0.05)
    times = jnp.linspace(0.0, 20.0, 101)
    trajectory = run(dynamics, dynamics.from_wavefunction(start.psi), times, observables=("rdm2", "energy", "purification"))
    exact = run(ExactHubbard(free), start.psi, times, observables=("rdm2",)).observables["rdm2"]

    def norm(x):
        return np.sqrt((np.abs(x) ** 2).sum(axis=(1, 2, 3, 4)))

    got = trajectory.observables
    np.testing.assert_allclose((norm(got["rdm2"] - exact) / norm(exact)).mean(), PURIFIED[name, interaction], rtol=0.1)
    np.testing.assert_allclose(got["energy"], got["energy"][0], atol=1e-9)
    assert min(six_index.negativity(np.asarray(two), 2) for two in got["rdm2"]) > -1e-6
    assert (np.diff(got["purification"]) >= 0).all()
