"""Gradients through the motion, a loss that falls, and a training that goes on as if it had never been interrupted."""

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest

from qnano import lattice
from qnano.errors import InputError
from qnano.fields import Pattern, Pulse
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.model import FermiHubbard
from qnano.learning.losses import Loss, relative_errors, velocity_loss
from qnano.learning.rollout import rollout
from qnano.learning.training import Plan, Stage, begin, fit
from qnano.learning.weights import make
from qnano.propagation import propagate
from qnano.solvers.rk4 import RK4
from qnano.solvers.stepping import fixed
from tests.learning.systems import BLACK_BOX, CLOSURES, learner, some

LOSS = Loss(observables=(("density", 0.5), ("double_occupancy", 0.2)), invariants=(("energy", 0.3), ("particles", 0.1)))


def leaves(tree):
    return jax.tree.leaves(eqx.filter(tree, eqx.is_array))


def same(left, right):
    return all(np.array_equal(x, y) for x, y in zip(leaves(left), leaves(right), strict=True))


def test_a_rollout_is_a_propagation():
    data = some()
    dynamics = learner(BLACK_BOX).dynamics(data.model(data.interaction[1]))
    start = dynamics.from_wavefunction(data.psi[1, 0])
    got = eqx.filter_jit(lambda d, s: rollout(d, s, lambda _, state: state[0], data.interval, 5, 2))(dynamics, start)
    want = eqx.filter_jit(propagate)(dynamics, start, data.times[:6], solver=fixed(RK4(), 0.05), observables=("rdm2",))
    np.testing.assert_allclose(got, want.observables["rdm2"][1:], atol=1e-12)


DRIVES = {
    "vector_potential": lambda size: {"vector_potential": Pulse(jnp.array([0.8]) * size, 3.0, 1.0, 0.4)},
    "potential": lambda size: {"potential": Pattern(Pulse(size, 2.0, 1.0, 0.4), np.array([1.0, 0.0, -0.5, 0.3]))},
}


@pytest.mark.slow
@pytest.mark.parametrize("drive", DRIVES)
def test_a_driven_rollout_is_a_propagation_from_the_time_it_begins(drive):
    """Its numbers, and their derivatives by the drive and the start; the same steps half a unit of time later are others."""
    data, begin, interval = some(), 0.7, 0.1

    def driven(size, psi, begin, way):
        dynamics = ExactHubbard(FermiHubbard(lattice.chain(4), (2, 2), interaction=1.0, **DRIVES[drive](size)))
        if way == "rollout":
            return rollout(dynamics, psi, lambda _, psi: psi, jnp.array(interval), 6, 4, begin)
        times = begin + interval * jnp.arange(7)
        return propagate(dynamics, psi, times, solver=fixed(RK4(), interval / 4), observables=("wavefunction",)).observables[
            "wavefunction"
        ][1:]

    psi, (got, want, later) = data.psi[0, 0], (("rollout", begin), ("propagate", begin), ("rollout", begin + 0.5))
    found = [jax.jit(driven, static_argnums=3)(1.0, psi, begin, way) for way, begin in (got, want, later)]
    np.testing.assert_allclose(found[0], found[1], atol=1e-12)
    assert np.abs(found[2] - found[0]).max() > 1e-2
    along = jax.random.normal(jax.random.key(2), found[0].shape)

    def weighed(size, psi, way):
        return jnp.sum(along * jnp.abs(driven(size, psi, begin, way)) ** 2)

    slopes = [jax.jit(jax.grad(weighed, (0, 1)), static_argnums=2)(1.0, psi, way) for way in ("rollout", "propagate")]
    assert abs(slopes[0][0]) > 1e-2
    for one, other in zip(*slopes, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [CLOSURES["three_body"], BLACK_BOX], ids=lambda s: s["kind"])
def test_gradients_match_central_differences(settings):
    data = some()
    weights, rest = eqx.partition(learner(settings), eqx.is_inexact_array)
    flat, tree = jax.flatten_util.ravel_pytree(weights)
    along = jax.random.normal(jax.random.key(5), flat.shape)

    def value(e):
        one = eqx.combine(tree(flat + e * along), rest)
        return LOSS(one, data.model(data.interaction[1]), data.psi[1, 4:7], data.interval, 1)

    value, slope = jax.jit(value), jax.jit(jax.grad(value))
    step = 1e-4
    want = (8 * (value(step) - value(-step)) - (value(2 * step) - value(-2 * step))) / (12 * step)
    np.testing.assert_allclose(slope(0.0), want, rtol=1e-6)


@pytest.mark.slow
def test_losses_vanish_where_nothing_is_wrong():
    """Electrons that do not interact need no closure."""
    data = some()
    free = make(CLOSURES["three_body"], 4)

    @jax.jit
    def losses(interaction):
        model = data.model(interaction)
        names = ("wavefunction",)
        path = propagate(ExactHubbard(model), data.psi[0, 0], data.times[:3], observables=names).observables["wavefunction"]
        errors = relative_errors(free, model, path, data.interval, 4)
        return velocity_loss(free, model, path[0]), LOSS(free, model, path, data.interval, 4), errors

    velocity, along, errors = losses(jnp.array(0.0))
    assert velocity < 1e-24 and along < 1e-10 and errors.max() < 1e-5
    assert losses(jnp.array(4.0))[1] > along


PLAN = Plan((Stage("velocity", 4, batch=4), Stage("rollout", 6, batch=3, horizon=2)), every=2)


@pytest.fixture(scope="module")
def uninterrupted():
    data = some()
    return list(
        fit(
            begin(make(BLACK_BOX, 4), PLAN),
            PLAN,
            data.where([True, True, False, False, False]),
            data.where([False, False, True, True, True]),
        )
    )


@pytest.mark.slow
def test_the_best_learner_is_kept(uninterrupted):
    reports = uninterrupted
    assert [report.step for report in reports] == [2, 4, 6, 8, 10]
    assert reports[-1].state.best_error == min(report.error for report in reports)


@pytest.mark.slow
def test_a_killed_training_goes_on_bit_for_bit(tmp_path, uninterrupted):
    data, path = some(), tmp_path / "training.eqx"
    sets = data.where([True, True, False, False, False]), data.where([False, False, True, True, True])
    fresh = begin(make(BLACK_BOX, 4), PLAN)
    for report in fit(fresh, PLAN, *sets, checkpoint=path, identity="this"):
        if report.step == 6:
            break
    resumed = list(fit(fresh, PLAN, *sets, checkpoint=path, identity="this"))
    assert [report[:3] for report in resumed] == [report[:3] for report in uninterrupted]
    assert same(resumed[-1].state, uninterrupted[-1].state)
    with pytest.raises(InputError, match="belongs to another training"):
        next(fit(fresh, PLAN, *sets, checkpoint=path, identity="another"))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="damaged"):
        next(fit(fresh, PLAN, *sets, checkpoint=path, identity="this"))


@pytest.mark.slow
def test_early_stop():
    """A learning rate of zero never brings anything better than the first test."""
    data = some()
    plan = Plan((Stage("velocity", 20, learning_rate=0.0, batch=1),), every=1, patience=2)
    assert len(list(fit(begin(make(BLACK_BOX, 4), plan), plan, data, data))) == 3


def test_a_window_longer_than_the_data():
    plan = Plan((Stage("rollout", 1, horizon=21),))
    with pytest.raises(ValueError, match=r"stages.0.horizon: got 21; the data have 21 samples, so at most 20"):
        next(fit(begin(make(BLACK_BOX, 4), plan), plan, some(), some()))
