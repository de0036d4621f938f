"""Fixed and projected steps."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

from qnano import lattice
from qnano.fields import Pulse, Quench
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.ground_state import ground_state
from qnano.hubbard.mean_field import MeanField
from qnano.hubbard.model import FermiHubbard
from qnano.propagation import propagate
from qnano.schrodinger.grid import Grid
from qnano.schrodinger.model import Particles, normalised
from qnano.schrodinger.wave import Schrodinger
from qnano.solvers.rk4 import RK4
from qnano.solvers.stepping import fixed
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
    assert trajectory.status == Status.OUT_OF_BOUNDS
    assert jnp.isnan(trajectory.observables["energy"][-1])


def test_a_step_must_be_positive():
    with pytest.raises(ValueError, match="dt: got 0"):
        fixed(RK4(), 0.0)


@pytest.mark.parametrize("kind", [ExactHubbard, MeanField])
def test_no_step_passes_over_a_pulse(kind):
    """An electron at rest in the lower state of two sites, energy -1, asks for no step at all. A short field, of the integral w,
    turns one site by w against the other: then the energy is -cos w."""
    width = 1e-3
    field = Pulse(np.array([0.7 / (width * np.sqrt(2 * np.pi))]), 0.0, 37.0, width)
    model = FermiHubbard(lattice.chain(2), (1, 0), electric_field=field)
    dynamics, psi = kind(model), ground_state(model).psi
    state = psi if kind is ExactHubbard else dynamics.from_wavefunction(psi)
    found = propagate(dynamics, state, [0.0, 60.0], observables=("energy",)).observables["energy"]
    np.testing.assert_allclose(found, [-1.0, -np.cos(0.7)], atol=1e-5)


def test_fixed_steps_do_not_pass_over_a_pulse():
    """A wave of which a force moves the mean momentum by its integral, however short it is."""
    grid = Grid((64,), (20.0,))
    force = Pulse(np.array([0.7 / (1e-3 * np.sqrt(2 * np.pi))]), 0.0, 0.37, 1e-3)
    dynamics = Schrodinger(Particles(grid, np.zeros(64), force=force), dt=0.05)
    psi = normalised(jnp.exp(-(grid.coordinates[0] ** 2) / 4), grid)
    found = propagate(dynamics, psi, [0.0, 1.0], observables=("wave_momentum",)).observables["wave_momentum"]
    np.testing.assert_allclose(found[:, 0], [0.0, 0.7], atol=1e-3)
