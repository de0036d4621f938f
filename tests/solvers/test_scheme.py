"""What a scheme declares is what `Stepper` sees to: one written here, exact for its motion, is all that a new one takes."""

from typing import ClassVar

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano import lattice
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.model import FermiHubbard
from qnano.propagation import propagate
from qnano.solvers.reversible import Reversible
from qnano.solvers.scheme import AbstractScheme, Demands, demands
from qnano.solvers.stepping import adaptive, fixed
from tests.solvers.growing import Growing

START, TIMES = jnp.array([1.0, 0.5]), jnp.array([0.0, 1.0, 2.5])
RATE = 0.3


class Flow(AbstractScheme):
    """y exp(rate h)."""

    demands: ClassVar = Demands(Growing, "fixed steps and something that grows", True, True, True)

    def between(self, narrow, widen):
        return self

    def order(self, terms):
        return 1

    def advance(self, dynamics, t, h, state):
        return state * jnp.exp(dynamics.rate * h)

    def step(self, terms, t0, t1, y0, args, solver_state, made_jump):
        y1 = self.advance(args, t0, t1 - t0, y0)
        return y1, None, dict(y0=y0, y1=y1), None, diffrax.RESULTS.successful


def final(rate, adjoint=None):
    run = propagate(Growing(rate), START, TIMES, solver=fixed(Flow(), 0.7), observables=("size",), adjoint=adjoint)
    return jnp.sum(run.observables["size"][1:] ** 2)


def test_steps_are_even_and_land_on_every_output():
    """Linear interpolation over a step of 0.7 would be wrong by some percent."""
    run = propagate(Growing(jnp.array(RATE)), START, TIMES, solver=fixed(Flow(), 0.7), observables=("size",))
    np.testing.assert_allclose(run.observables["size"], np.exp(RATE * TIMES)[:, None] * START, rtol=1e-14)
    assert run.steps == 2 + 3


def test_integrals_run_along():
    run = propagate(Growing(jnp.array(RATE)), START, TIMES, solver=fixed(Flow(), 0.7), observables=("area",))
    np.testing.assert_allclose(run.observables["area"], np.expm1(RATE * TIMES)[:, None] / RATE * START, rtol=1e-12)


def test_a_reversible_one_is_walked_back():
    got = jax.jit(jax.grad(lambda rate: final(rate, Reversible())))(jnp.array(RATE))
    want = np.sum(2 * TIMES[1:, None] * np.exp(2 * RATE * TIMES[1:, None]) * START**2)
    np.testing.assert_allclose(got, want, rtol=1e-13)


def test_dynamics_that_lose_something_are_not_walked_back():
    with pytest.raises(ValueError, match=r"adjoint: got Reversible; .* not Growing by Flow"):
        propagate(Growing(jnp.array(RATE), loses=True), START, TIMES, solver=fixed(Flow(), 0.7), adjoint=Reversible())


def test_what_it_asks_for_is_told():
    with pytest.raises(ValueError, match="got Flow; it needs fixed steps and something that grows, not adaptive ones"):
        propagate(Growing(jnp.array(RATE)), START, TIMES, solver=adaptive(Flow()))
    hubbard = ExactHubbard(FermiHubbard(lattice.chain(2), (1, 0)))
    with pytest.raises(ValueError, match="got Flow; it needs fixed steps and something that grows, not ExactHubbard"):
        propagate(hubbard, [[1], [0]], TIMES, solver=fixed(Flow(), 0.7))


def test_a_scheme_of_diffrax_declares_nothing():
    assert demands(diffrax.Tsit5()) == Demands()
    assert eqx.tree_equal(adaptive(diffrax.Tsit5()).scheme, diffrax.Tsit5())
