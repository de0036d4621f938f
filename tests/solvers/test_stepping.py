"""Fixed and projected steps."""

import diffrax
import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

from qnano import lattice
from qnano.fields import Quench
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.model import FermiHubbard
from qnano.propagation import propagate
from qnano.solvers.magnus import Magnus
from qnano.solvers.rk4 import RK4
from qnano.solvers.stepping import adaptive, fixed
from qnano.trajectory import Status

TIME, HALF = 1.3, 0.4321  # the quench is at no multiple of any step


def quenched():
    """One electron on two sites whose second site is lifted by 3 at t = HALF, and its state at t = TIME by exponentials."""
    potential = Quench(jnp.zeros(2), jnp.array([0.0, 3.0]), HALF)
    dynamics = ExactHubbard(FermiHubbard(lattice.chain(2), (1, 0), potential=potential))
    before, after = (np.array([[0.0, -1.0], [-1.0, v]]) for v in (0.0, 3.0))
    want = expm(-1j * (TIME - HALF) * after) @ expm(-1j * HALF * before) @ np.array([1.0, 0.0])
    return dynamics, dynamics.determinant((0,), ()), want


@pytest.mark.slow
@pytest.mark.parametrize("scheme", [RK4(), Magnus()])
def test_fixed_steps_keep_their_order_across_a_jump(scheme):
    dynamics, psi, want = quenched()
    errors = []
    for dt in (0.1, 0.05, 0.025):
        got = eqx.filter_jit(propagate)(dynamics, psi, jnp.array([0.0, 0.9, TIME]), solver=fixed(scheme, dt)).state
        errors.append(np.linalg.norm(np.ravel(got) - want))
    if isinstance(scheme, Magnus):  # constant on either side of the jump, so exact
        assert max(errors) < 1e-11
    else:
        assert (np.log2(np.array(errors[:-1]) / errors[1:]) > 3.7).all(), errors


@pytest.mark.slow
@pytest.mark.parametrize("solver", [adaptive(diffrax.Dopri8()), adaptive(diffrax.Tsit5()), adaptive(Magnus())])
def test_adaptive_steps_stop_at_a_jump(solver):
    dynamics, psi, want = quenched()
    got = propagate(dynamics, psi, jnp.array([0.0, TIME]), solver=solver).state
    np.testing.assert_allclose(np.ravel(got), want, atol=1e-7)


def test_steps_beyond_stability_are_reported():
    """RK4 blows up where the step times the spectrum exceeds 2.8."""
    dynamics = ExactHubbard(FermiHubbard(lattice.chain(2), (1, 1), interaction=20.0))
    psi = dynamics.determinant((0,), (0,))
    trajectory = propagate(dynamics, psi, jnp.linspace(0.0, 50.0, 11), solver=fixed(RK4(), 0.5), observables=("energy",))
    assert trajectory.status == Status.OUT_OF_BOUNDS
    assert jnp.isnan(trajectory.observables["energy"][-1])


def test_a_step_must_be_positive():
    with pytest.raises(ValueError, match="dt: got 0"):
        fixed(RK4(), 0.0)
