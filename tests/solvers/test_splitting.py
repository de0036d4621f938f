"""Splittings: their orders, what they keep, where they step, what they refuse."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano import lattice
from qnano.fields import Quench, Ramp
from qnano.holstein.ehrenfest import EhrenfestOrbitals
from qnano.hubbard.mean_field import MeanField
from qnano.hubbard.model import FermiHubbard
from qnano.propagation import propagate
from qnano.solvers.even_steps import EvenSteps
from qnano.solvers.splitting import blanes_moan, strang
from qnano.solvers.stepping import adaptive, fixed
from tests.holstein.systems import random_state, ring, stacked

DRIVEN = EhrenfestOrbitals(ring(6, Ramp(0.4, 1.1, -1.0, 6.0, smooth=True), frequency=0.5))
START = random_state(6, 4)


def stepped(scheme, dynamics, count, end):
    """`count` steps to `end`."""

    def step(k, state):
        h = end / count
        return scheme.step(None, k * h, (k + 1) * h, state, dynamics, None, False)[0]

    return jax.jit(lambda count: jax.lax.fori_loop(0, count, step, START))(count)


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "counts"), [(strang(), (32, 64)), (blanes_moan(4), (8, 16)), (blanes_moan(6), (10, 20))])
def test_orders(scheme, counts):
    """Under a coupling that changes smoothly in time; the reference steps 100 times by the sixth order."""
    want = stacked(stepped(blanes_moan(6), DRIVEN, 100, 4.0))
    coarse, fine = (np.linalg.norm(stacked(stepped(scheme, DRIVEN, count, 4.0)) - want) for count in counts)
    assert abs(np.log2(coarse / fine) - scheme.accuracy) < 0.2, (coarse, fine)


@pytest.mark.slow
def test_a_step_back_undoes_a_step():
    scheme = strang()
    there = scheme.step(None, jnp.array(0.0), jnp.array(0.3), START, DRIVEN, None, False)[0]
    back = scheme.step(None, jnp.array(0.3), jnp.array(0.0), there, DRIVEN, None, False)[0]
    np.testing.assert_allclose(stacked(back), stacked(START), atol=1e-14)


def test_steps_are_even_between_stops():
    controller = EvenSteps(0.3, jnp.array([0.0, 1.0, 1.25]), jnp.array([-1.0, 0.5, 9.0]))
    end, place = controller.init(None, jnp.array(0.0), None, None, None, None, None, None)
    ends = [end]
    while ends[-1] < 1.25:
        _, _, end, _, place, _ = controller.adapt_step_size(None, ends[-1], None, None, None, None, None, place)
        ends.append(end)
    np.testing.assert_allclose(ends, [0.25, 0.5, 0.75, 1.0, 1.25], rtol=1e-15)


def test_a_jump_is_stepped_onto():
    """A quench at no multiple of the step: the same as two propagations with constant couplings."""
    jump, times, solver = 0.777, jnp.array([0.0, 0.4, 2.0]), fixed(strang(), 0.1)
    run = eqx.filter_jit(lambda model, state, times: propagate(EhrenfestOrbitals(model), state, times, solver=solver).state)
    got = run(ring(6, Quench(0.2, 1.5, jump)), START, times)
    before = run(ring(6, 0.2), START, jnp.array([0.0, 0.4, jump]))
    after = run(ring(6, 1.5), before, jnp.array([jump, 2.0, 2.0]))
    np.testing.assert_allclose(stacked(got), stacked(after), atol=1e-13)


def test_what_cannot_be_split_is_refused():
    with pytest.raises(ValueError, match="fixed steps"):
        propagate(DRIVEN, START, jnp.array([0.0, 1.0]), solver=adaptive(blanes_moan()))
    hubbard = MeanField(FermiHubbard(lattice.chain(2), (1, 1)))
    with pytest.raises(ValueError, match="not MeanField"):
        propagate(hubbard, jnp.zeros((2, 2, 2), complex), jnp.array([0.0, 1.0]), solver=fixed(strang(), 0.1))
    with pytest.raises(ValueError, match="order: got 5"):
        blanes_moan(5)
