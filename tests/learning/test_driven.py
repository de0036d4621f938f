"""A closure that is trained on a driven ladder: what it is compared with, its gradient, and a loss that falls."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest

from qnano import lattice
from qnano.fields import Pulse
from qnano.hubbard.closures import ExactClosure
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.ground_state import ground_state
from qnano.hubbard.model import FermiHubbard
from qnano.hubbard.td2rdm import TD2RDM
from qnano.learning.data import Start, motions, stacked
from qnano.learning.evaluation import motion_errors
from qnano.learning.losses import Loss
from qnano.learning.training import Plan, Stage, _drawn, _rollout_loss, _velocity_loss, begin, fit
from qnano.learning.weights import make
from qnano.propagation import propagate
from qnano.solvers.rk4 import RK4
from qnano.solvers.stepping import fixed
from tests.learning.systems import LOCAL, learner

LADDER, ELECTRONS = lattice.ladder(2), (2, 2)
STAGE = Stage("rollout", 6, batch=3, horizon=3)
PLAN = Plan((STAGE,), Loss(observables=(("kinetic_energy", 0.5),), invariants=(("particles", 0.1),)), substeps=2, every=2)
KEY = jax.random.key(4)


def driven(amplitude, interaction):
    """A pulse along the legs, which ends where the samples do; what looks into it stands on the grid of the steps."""
    pulse = Pulse(jnp.array([amplitude, 0.0]), 3.0, 1.0, 0.4)
    return FermiHubbard(LADDER, ELECTRONS, interaction=interaction, vector_potential=pulse)


@pytest.fixture(scope="module")
def data():
    starts = [
        Start(driven(a, u), ground_state(FermiHubbard(LADDER, ELECTRONS, interaction=u)).psi) for a, u in ((0.6, 1.0), (0.9, 2.0))
    ]
    return motions(starts, jnp.linspace(0.0, 2.0, 21))


@pytest.mark.slow
def test_they_are_the_exact_motion_under_each_drive(data):
    for k, (amplitude, interaction) in enumerate(((0.6, 1.0), (0.9, 2.0))):
        exact = ExactHubbard(driven(amplitude, interaction))
        found = propagate(exact, data.psi[k, 0], data.times, observables=("wavefunction",), solver=fixed(RK4(), 0.005))
        np.testing.assert_allclose(data.psi[k], found.observables["wavefunction"], atol=1e-7)
    assert np.abs(data.psi[1, -1] - data.psi[0, -1]).max() > 1e-2
    one = data.where([False, True])
    np.testing.assert_array_equal(one.hamiltonian(0).vector_potential.amplitude, [0.9, 0.0])


def windows(one, data, key):
    """For each window of a batch the exact and the closure's motion, the latter by `propagate` under that drive at that time."""
    which, first = _drawn(STAGE, data, key, STAGE.horizon)
    assert len(set(np.asarray(first).tolist())) > 1 and len(set(np.asarray(which).tolist())) > 1
    for k, start in zip(which, first, strict=True):
        model = driven((0.6, 0.9)[int(k)], (1.0, 2.0)[int(k)])
        at, dynamics = slice(int(start), int(start) + STAGE.horizon + 1), one.dynamics(model)
        state, times = dynamics.from_wavefunction(data.psi[k, start]), data.times[at]
        names = ("rdm2", "kinetic_energy")
        yield (
            eqx.filter_jit(propagate)(dynamics, state, times, solver=fixed(RK4(), 0.05), observables=names).observables,
            {
                name: [ExactHubbard(model).observe(t, psi)[name]() for t, psi in zip(times, data.psi[k, at], strict=True)]
                for name in names
            },
        )


@pytest.mark.slow
def test_windows_are_propagations_under_the_drive_at_their_own_time(data):
    one, wanted = learner(LOCAL), []
    for found, exact in windows(one, data, KEY):
        parts = {
            name: np.sum(np.abs(found[name][1:] - np.array(exact[name])[1:]) ** 2) / np.sum(np.abs(np.array(exact[name])[1:]) ** 2)
            for name in exact
        }
        wanted.append(parts["rdm2"] + 0.5 * parts["kinetic_energy"])
    got = eqx.filter_jit(_rollout_loss)(one, PLAN, STAGE, data, KEY)
    np.testing.assert_allclose(got, np.mean(wanted), rtol=1e-8, atol=1e-10)
    later = replace(data, times=data.times + 0.5)  # the same states, as if the drive came sooner
    assert abs(eqx.filter_jit(_rollout_loss)(one, PLAN, STAGE, later, KEY) - got) > 1e-2 * got


@pytest.mark.slow
def test_velocities_are_those_under_the_drive(data):
    one, stage, wanted = learner(LOCAL), Stage("velocity", 1, batch=4), []
    for k, at in zip(*_drawn(stage, data, KEY, 0), strict=True):
        model = driven((0.6, 0.9)[int(k)], (1.0, 2.0)[int(k)])
        exact, closed = TD2RDM(model, ExactClosure(model)), one.dynamics(model)
        state, t = exact.from_wavefunction(data.psi[k, at]), data.times[at]
        true, guess = exact.vector_field(t, state)[0], closed.vector_field(t, closed.from_wavefunction(data.psi[k, at]))[0]
        wanted.append(float(jnp.sum(jnp.abs(guess - true) ** 2) / jnp.sum(jnp.abs(true) ** 2)))
    np.testing.assert_allclose(eqx.filter_jit(_velocity_loss)(one, PLAN, stage, data, KEY), np.mean(wanted), rtol=1e-9)


@pytest.mark.slow
def test_the_gradient_by_the_weights_matches_central_differences(data):
    weights, rest = eqx.partition(learner(LOCAL), eqx.is_inexact_array)
    flat, tree = jax.flatten_util.ravel_pytree(weights)
    along = jax.random.normal(jax.random.key(5), flat.shape)

    def value(e):
        return _rollout_loss(eqx.combine(tree(flat + e * along), rest), PLAN, STAGE, data, KEY)

    value, slope = jax.jit(value), jax.jit(jax.grad(value))
    step = 1e-4
    want = (8 * (value(step) - value(-step)) - (value(2 * step) - value(-2 * step))) / (12 * step)
    np.testing.assert_allclose(slope(0.0), want, rtol=1e-6)


WHOLE = Plan((Stage("velocity", 12, batch=8, learning_rate=0.02), STAGE), every=6, substeps=2)


@pytest.fixture(scope="module")
def reports(data):
    return list(fit(begin(make(LOCAL, 4), WHOLE), WHOLE, data, data))


@pytest.mark.slow
def test_training_lowers_the_loss(data, reports):
    """And what is judged is the propagation from the start under the drive, as `motion_errors` has it."""
    assert reports[1].loss < reports[0].loss
    errors = motion_errors(reports[-1].state.best.dynamics, data, fixed(RK4(), 0.05))
    np.testing.assert_allclose(errors[:, 1:].mean(), reports[-1].state.best_error, rtol=1e-8)


@pytest.mark.slow
def test_a_killed_training_goes_on_bit_for_bit(tmp_path, data, reports):
    fresh, path = begin(make(LOCAL, 4), WHOLE), tmp_path / "training.eqx"
    next(fit(fresh, WHOLE, data, data, checkpoint=path, identity="this"))
    resumed = list(fit(fresh, WHOLE, data, data, checkpoint=path, identity="this"))
    assert [report[:3] for report in resumed] == [report[:3] for report in reports]
    for one, other in zip(*(jax.tree.leaves(eqx.filter(x[-1].state, eqx.is_array)) for x in (resumed, reports)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_hamiltonians_of_two_forms_are_refused():
    with pytest.raises(
        ValueError, match=r"models\.1: got a Hamiltonian of another form than models\.0; must differ in numbers alone"
    ):
        stacked([driven(0.1, 1.0), FermiHubbard(LADDER, ELECTRONS, interaction=1.0)])
    with pytest.raises(ValueError, match=r"models\.1: got"):
        stacked([driven(0.1, 1.0), driven(0.1, np.ones(4))])
