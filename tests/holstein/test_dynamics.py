"""Trajectories against SciPy, against the published quench, and against each other."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano import lattice
from qnano.fields import Pattern, Quench, Ramp
from qnano.holstein.ehrenfest import EhrenfestDensity, EhrenfestOrbitals
from qnano.holstein.ground_state import thermal_state
from qnano.holstein.model import Holstein
from qnano.propagation import propagate
from qnano.solvers.rk4 import RK4
from qnano.solvers.splitting import blanes_moan, strang
from qnano.solvers.stepping import adaptive, fixed
from qnano.trajectory import Status
from tests.holstein.systems import random_state, ring, stacked
from tests.oracles import holstein as oracle

# t, charge order, lattice order of the ring of 32 sites after the quench g = 0.5 -> 0.8, without noise.
SHALLOW = np.array(
    [
        [0.0, 0.04509805, 0.06013073],
        [6.4, 0.08397315, 0.14808270],
        [12.8, 0.14744062, 0.34145174],
        [19.2, 0.17299104, 0.44073907],
        [25.6, 0.14248834, 0.32198220],
        [64.0, 0.1352841, 0.30127514],
    ]
)
FOUR = blanes_moan(4)
solve = eqx.filter_jit(propagate)


def scipy_trajectory(state, times, sides, g, frequency, eta, breaks=()):
    """rho, Q, P at `times` from orbitals."""
    rho = np.asarray(state.electrons.T @ state.electrons.conj())
    return oracle.evolve(rho, np.asarray(state.displacement), np.asarray(state.momentum), times, sides, g, frequency, eta, breaks)


@pytest.mark.slow
@pytest.mark.parametrize("form", [EhrenfestOrbitals, EhrenfestDensity])
def test_a_driven_inhomogeneous_torus_matches_scipy(form):
    """A coupling that ramps, a frequency that jumps and an eta that differs from site to site."""
    sites = 16
    shape = np.linspace(0.6, 1.4, sites)
    model = Holstein(
        lattice.rectangle(4, 4, True),
        coupling=Pattern(Ramp(0.5, 1.2, 0.3, 1.5), shape),
        frequency=Quench(0.3, 0.7, 1.234),
        eta=0.8 * shape[::-1],
    )
    state, times = random_state(sites, sites // 2 + 2), np.array([0.0, 1.0, 3.0])
    want = scipy_trajectory(
        state,
        times,
        (4, 4),
        g=lambda t: (0.5 + 0.7 * np.clip((t - 0.3) / 1.5, 0, 1)) * shape,
        frequency=lambda t: 0.3 if t < 1.234 else 0.7,
        eta=lambda t: 0.8 * shape[::-1],
        breaks=(0.3, 1.8, 1.234),
    )
    dynamics = form(model)
    got = solve(
        dynamics,
        state if form is EhrenfestOrbitals else dynamics.from_orbitals(state),
        jnp.asarray(times),
        solver=fixed(FOUR, 0.05),
        observables=("density_matrix", "displacement", "momentum"),
    )
    assert got.status == Status.DONE
    for x, y in zip(got.observables.values(), want, strict=True):
        np.testing.assert_allclose(x, y, atol=2e-6)


@pytest.mark.slow
def test_the_shallow_quench_of_the_paper():
    """T2; and T5: energy, trace and every eigenvalue of rho stay."""
    start = thermal_state(ring(32, 0.5))
    dynamics = EhrenfestOrbitals(ring(32, 0.8))
    got = solve(dynamics, start, jnp.asarray(SHALLOW[:, 0]), observables=("charge_order", "lattice_order"))
    np.testing.assert_allclose(got.observables["charge_order"], SHALLOW[:, 1], atol=2e-7)
    np.testing.assert_allclose(got.observables["lattice_order"], SHALLOW[:, 2], atol=2e-7)
    np.testing.assert_allclose(got.invariants["energy"] / 32, -0.6358565, atol=1e-7)
    np.testing.assert_allclose(got.invariants["particles"], 16.0, atol=1e-12)
    np.testing.assert_allclose(got.invariants["purity"], 16.0, atol=1e-12)
    rho = dynamics.density_matrix(got.state.electrons)
    np.testing.assert_allclose(np.linalg.eigvalsh(rho), np.repeat([0.0, 1.0], 16), atol=1e-12)


@pytest.mark.parametrize("scheme", [RK4(), diffrax.Tsit5()])
def test_runge_kutta_matches_scipy(scheme):
    state, solver = random_state(6, 4), fixed(scheme, 0.02) if isinstance(scheme, RK4) else adaptive(scheme, 1e-9, 1e-9)
    form = EhrenfestDensity if isinstance(scheme, RK4) else EhrenfestOrbitals
    dynamics, times = form(ring(6, 0.9)), np.array([0.0, 2.0])
    start = dynamics.from_orbitals(state) if isinstance(dynamics, EhrenfestDensity) else state
    got = solve(dynamics, start, jnp.asarray(times), solver=solver).state
    want = scipy_trajectory(state, times, (6,), *(lambda t, x=x: x for x in (0.9, 0.3, 0.8)))
    for x, y in zip((dynamics.density_matrix(got.electrons), got.displacement, got.momentum), want, strict=True):
        np.testing.assert_allclose(x, y[-1], atol=2e-7)


def test_a_batch_is_its_members():
    """Three trajectories in noisy lattices as one program."""
    dynamics, times, solver = EhrenfestOrbitals(ring(8, 1.0)), jnp.array([0.0, 2.0]), fixed(strang(), 0.25)

    def run(state):
        return propagate(dynamics, state, times, solver=solver, monitor=False).state

    start = jax.jit(jax.vmap(lambda key: thermal_state(dynamics.model, key=key, noise=0.1)))
    starts = start(jax.random.split(jax.random.key(3), 3))
    assert np.std(starts.displacement, axis=0).min() > 1e-3  # seeds differ
    together = jax.jit(jax.vmap(run))(starts)
    alone = jax.jit(run)(jax.tree.map(lambda x: x[1], starts))
    np.testing.assert_allclose(stacked(jax.tree.map(lambda x: x[1], together)), stacked(alone), atol=1e-12)


@pytest.mark.parametrize(("model", "match"), [
    (lambda: Holstein(lattice.chain(8), 1.0), "lattice"),
    (lambda: Holstein(lattice.rectangle(4, 6, (True, False)), 1.0), "lattice"),
    (lambda: ring(7, 1.0), "sides"),
    (lambda: ring(8, np.ones(3)), "coupling: got an array of shape"),
])  # fmt: skip
def test_wrong_models_are_refused(model, match):
    with pytest.raises(ValueError, match=match):
        model()
