"""TD2RDM and mean field: the equation of motion with an exact closure, and the published behaviour of Valdemoro's."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano import lattice
from qnano.hubbard.closures import ExactClosure, Valdemoro
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.ground_state import ground_state
from qnano.hubbard.mean_field import MeanField
from qnano.hubbard.model import FermiHubbard
from qnano.hubbard.singlet import NotASinglet, spin_squared
from qnano.hubbard.td2rdm import TD2RDM
from qnano.propagation import propagate
from qnano.solvers.stepping import adaptive
from qnano.trajectory import Status
from tests.hubbard.systems import quench
from tests.oracles import fock_space, six_index

run = eqx.filter_jit(propagate)


def ladder_quench(interaction):
    """A 2 x 3 ladder whose trap along the legs is switched off."""
    geometry = lattice.ladder(3)
    trap = 0.5 * (geometry.coordinates[:, 0] - 1) ** 2 + 0.1 * geometry.coordinates[:, 1]
    start = ground_state(FermiHubbard(geometry, (3, 3), interaction=interaction, potential=trap))
    return FermiHubbard(geometry, (3, 3), interaction=interaction), start


@pytest.mark.slow
@pytest.mark.parametrize("interaction", [1.0, 4.0])
@pytest.mark.parametrize("system", ["chain", "ladder"])
def test_exact_closure_follows_the_exact_rdm(system, interaction):
    free, start = quench(6, interaction) if system == "chain" else ladder_quench(interaction)
    dynamics = TD2RDM(free, ExactClosure(free))
    times = jnp.linspace(0.0, 10.0, 41)
    exact = run(ExactHubbard(free), start.psi, times, observables=("rdm2", "energy", "density"))
    closed = run(dynamics, dynamics.from_wavefunction(start.psi), times, observables=("rdm2", "energy", "density"))
    assert closed.status == 0
    for name in ("rdm2", "energy", "density"):
        np.testing.assert_allclose(closed.observables[name], exact.observables[name], atol=1e-6, err_msg=name)
    for name in ("energy", "contraction", "particles", "hermiticity"):
        drift = np.abs(closed.invariants[name] - closed.invariants[name][0]).max()
        assert drift < 1e-6, (name, drift)


def test_right_hand_side_matches_the_six_index_one():
    free, start = quench(4, 2.0)
    psi = propagate(ExactHubbard(free), start.psi, jnp.array([0.0, 0.9])).state
    dynamics = TD2RDM(free, Valdemoro())
    state = dynamics.from_wavefunction(psi)
    got, _, _ = dynamics.vector_field(jnp.array(0.0), state)
    two = np.asarray(state[0])
    want = six_index.velocity(two, 2, fock_space.chain(4), 2.0, six_index.Reconstruction(six_index.valdemoro))
    np.testing.assert_allclose(got, want, atol=1e-12)


@pytest.mark.slow
def test_golden_valdemoro():
    free, start = quench(4, 2.0)
    dynamics = TD2RDM(free, Valdemoro())
    times = jnp.linspace(0.0, 5.0, 11)
    names = ("density", "energy", "rdm2")
    measured = run(dynamics, dynamics.from_wavefunction(start.psi), times, observables=names).observables
    exact = run(ExactHubbard(free), start.psi, times, observables=("rdm2",)).observables["rdm2"][-1]
    np.testing.assert_allclose(measured["density"][-1, 0, 0], 0.52708682, atol=1e-7)
    np.testing.assert_allclose(measured["energy"][-1], -2.60268258, atol=1e-7)
    error = np.linalg.norm(measured["rdm2"][-1] - exact) / np.linalg.norm(exact)
    np.testing.assert_allclose(error, 0.496, atol=5e-4)


def test_golden_mean_field():
    free, start = quench(4, 2.0)
    dynamics = MeanField(free)
    trajectory = run(dynamics, dynamics.from_wavefunction(start.psi), jnp.array([0.0, 5.0]), observables=("density",))
    np.testing.assert_allclose(trajectory.observables["density"][-1, 0, 0], 0.51385549, atol=1e-7)


# Mean relative error of D2 over t = 0..20 for V = 0.5, as (sites, U): (TDHF, Valdemoro).
ERRORS = {(4, 0.1): (0.034, 0.0004), (4, 0.5): (0.138, 0.026), (4, 1.0): (0.279, 0.247), (6, 0.5): (0.500, 0.139)}
# Time at which an element of D2 passes 20.
BREAKDOWNS = {(4, 2.0): 6.8, (4, 4.0): 2.7, (4, 8.0): 2.1, (6, 2.0): 11.5, (6, 4.0): 3.1, (6, 8.0): 2.2}


@pytest.mark.slow
@pytest.mark.parametrize(("sites", "interaction"), ERRORS)
def test_errors_of_mean_field_and_valdemoro(sites, interaction):
    free, start = quench(sites, interaction)
    times = jnp.linspace(0.0, 20.0, 201)
    exact = run(ExactHubbard(free), start.psi, times, observables=("rdm2",)).observables["rdm2"]

    def norm(x):
        return np.sqrt((np.abs(x) ** 2).sum(axis=(1, 2, 3, 4)))

    for dynamics, want in zip((MeanField(free), TD2RDM(free, Valdemoro())), ERRORS[sites, interaction], strict=True):
        state = dynamics.from_wavefunction(start.psi)
        got = run(dynamics, state, times, observables=("rdm2",)).observables["rdm2"]
        np.testing.assert_allclose((norm(got - exact) / norm(exact)).mean(), want, rtol=0.02, atol=6e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("sites", "interaction"), BREAKDOWNS)
def test_valdemoro_breaks_down_where_it_is_known_to(sites, interaction):
    free, start = quench(sites, interaction)
    dynamics = TD2RDM(free, Valdemoro())
    times = jnp.linspace(0.0, 20.0, 201)
    trajectory = run(dynamics, dynamics.from_wavefunction(start.psi), times, observables=("density",))
    assert trajectory.status == Status.OUT_OF_BOUNDS
    assert trajectory.culprit == 0
    np.testing.assert_allclose(trajectory.stop_time, BREAKDOWNS[sites, interaction], atol=0.06)
    kept = np.asarray(times) <= trajectory.stop_time
    assert np.isfinite(trajectory.observables["density"][kept]).all()
    assert np.isnan(trajectory.observables["density"][~kept]).all()


def test_mean_field_matches_the_oracle_for_unequal_spins():
    """Each spin in the other's density: the closed shell of the oracle, twice, with the spins told apart by hand."""
    u, h = 1.5, fock_space.chain(5)
    model = FermiHubbard(lattice.chain(5), (3, 1), interaction=u)
    psi = ExactHubbard(model).determinant((0, 1, 4), (2,))
    dynamics = MeanField(model)
    state = np.asarray(dynamics.from_wavefunction(psi))
    want = []
    for spin in (0, 1):
        fock = h + u * np.diag(np.diag(state[1 - spin]).real)
        want.append(-1j * (fock @ state[spin] - state[spin] @ fock))
    np.testing.assert_allclose(dynamics.vector_field(jnp.array(0.0), jnp.asarray(state)), want, atol=1e-14)
    trajectory = run(dynamics, jnp.asarray(state), jnp.linspace(0, 5, 6), observables=("energy", "density"))
    for name in ("energy", "particles_up", "particles_down", "purity"):
        np.testing.assert_allclose(trajectory.invariants[name], trajectory.invariants[name][0], atol=1e-7)


@pytest.mark.slow
def test_symmetries_and_trace_are_kept_by_any_closure():
    free, start = quench(4, 1.0)
    dynamics = TD2RDM(free, Valdemoro())
    solver = adaptive(diffrax.Dopri8())
    (two, _, _) = run(dynamics, dynamics.from_wavefunction(start.psi), jnp.array([0.0, 5.0]), solver=solver).state
    np.testing.assert_allclose(two, two.conj().transpose(2, 3, 0, 1), atol=1e-13)
    np.testing.assert_allclose(two, two.transpose(1, 0, 3, 2), atol=1e-13)
    np.testing.assert_allclose(jnp.einsum("abab->", two), 4.0, atol=1e-12)


def test_negativity():
    """Of a D2 that has left its bounds, against whole spectra of the oracle's D and Q."""
    free, start = quench(4, 4.0)
    dynamics = TD2RDM(free, Valdemoro())
    state = dynamics.from_wavefunction(start.psi)
    assert max(dynamics.negativity(jnp.array(0.0), state).values()) < 1e-14
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(4,) * 4) + 1j * rng.normal(size=(4,) * 4)
    noise = noise + noise.transpose(1, 0, 3, 2)
    two = state[0] + 0.01 * (noise + noise.conj().transpose(2, 3, 0, 1))
    got = jax.jit(lambda two: dynamics.negativity(jnp.array(0.0), (two, *state[1:])))(two)
    one = np.einsum("ikjk->ij", two) / 2
    eye = np.eye(4)
    holes = np.einsum("ax,by->abxy", eye - one, eye) - np.einsum("ax,by->abxy", eye, one) + np.asarray(two)
    for name, array in (("d2_negativity", two), ("q2_negativity", holes)):
        np.testing.assert_allclose(got[name], -np.linalg.eigvalsh(np.asarray(array).reshape(16, 16))[0], atol=1e-13, err_msg=name)
        assert got[name] > 1e-3


def test_states_with_spin_are_refused():
    with pytest.raises(NotASinglet, match="got 2 up and 1 down"):
        TD2RDM(FermiHubbard(lattice.chain(4), (2, 1)), Valdemoro())
    model = FermiHubbard(lattice.chain(4), (2, 2), interaction=1.0)
    neel = ExactHubbard(model).determinant((0, 2), (1, 3))
    with pytest.raises(NotASinglet, match=r"<S\^2> = 2"):
        TD2RDM(model, Valdemoro()).from_wavefunction(neel)
    pairs = ExactHubbard(model).determinant((0, 2), (0, 2))
    two, _, _ = TD2RDM(model, Valdemoro()).from_wavefunction(pairs)
    np.testing.assert_allclose(spin_squared(two, model), 0.0, atol=1e-14)
