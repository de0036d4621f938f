"""Fixed and projected steps."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

from qnano import lattice
from qnano.fields import Quench
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.model import FermiHubbard
from qnano.propagation import OUT_OF_BOUNDS, propagate
from qnano.solvers.stepping import RK4, fixed

TIME, HALF = 1.3, 0.4321  # the quench is at no multiple of any step


def quenched():
    """One electron on two sites whose second site is lifted by 3 at t = HALF, and its state at t = TIME by exponentials."""
    potential = Quench(jnp.zeros(2), jnp.array([0.0, 3.0]), HALF)
    dynamics = ExactHubbard(FermiHubbard(lattice.chain(2), (1, 0), potential=potential))
    before, after = (np.array([[0.0, -1.0], [-1.0, v]]) for v in (0.0, 3.0))
    want = expm(-1j * (TIME - HALF) * after) @ expm(-1j * HALF * before) @ np.array([1.0, 0.0])
    return dynamics, dynamics.determinant((0,), ()), want


@pytest.mark.slow
def test_fixed_steps_keep_their_order_across_a_jump():
    dynamics, psi, want = quenched()
    errors = []
    for dt in (0.1, 0.05, 0.025):
        got = propagate(dynamics, psi, jnp.array([0.0, 0.9, TIME]), solver=fixed(RK4(), dt)).state
        errors.append(np.linalg.norm(np.ravel(got) - want))
    assert (np.log2(np.array(errors[:-1]) / errors[1:]) > 3.7).all(), errors


def test_steps_beyond_stability_are_reported():
    """RK4 blows up where the step times the spectrum exceeds 2.8."""
    dynamics = ExactHubbard(FermiHubbard(lattice.chain(2), (1, 1), interaction=20.0))
    psi = dynamics.determinant((0,), (0,))
    trajectory = propagate(dynamics, psi, jnp.linspace(0.0, 50.0, 11), solver=fixed(RK4(), 0.5), observables=("energy",))
    assert trajectory.status == OUT_OF_BOUNDS
    assert jnp.isnan(trajectory.observables["energy"][-1])


def test_a_step_must_be_positive():
    with pytest.raises(ValueError, match="dt: got 0"):
        fixed(RK4(), 0.0)
