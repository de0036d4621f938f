"""T7: derivatives of observables by every kind of parameter, in both modes."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano.fields import Quench
from qnano.holstein.ehrenfest import EhrenfestOrbitals
from qnano.holstein.ground_state import thermal_state
from qnano.propagation import propagate
from qnano.solvers.splitting import blanes_moan, strang
from qnano.solvers.stepping import fixed
from tests.holstein.systems import random_state, ring


def test_derivatives_of_the_shallow_quench_by_the_coupling():
    """Published central differences at g = 0.8, in forward mode."""
    start, times = thermal_state(ring(32, 0.5)), jnp.array([0.0, 6.4, 12.8, 25.6])

    def orders(coupling):
        dynamics = EhrenfestOrbitals(ring(32, coupling))
        got = propagate(
            dynamics,
            start,
            times,
            solver=fixed(blanes_moan(4), 0.16),
            observables=("charge_order", "lattice_order"),
            adjoint=diffrax.ForwardMode(),
            monitor=False,
        )
        return jnp.stack(list(got.observables.values()), axis=1)[1:]

    slopes = jax.jit(jax.jacfwd(orders))(0.8)
    np.testing.assert_allclose(slopes, [[0.187939, 0.368000], [0.586868, 1.618674], [0.828425, 2.611521]], atol=1e-4)


@pytest.mark.slow
def test_gradients_by_parameters_and_protocol_match_central_differences():
    """Coupling after a quench and its time, frequency, eta, hopping and output time, in reverse mode."""
    names = ("coupling", "time of the quench", "frequency", "eta", "hopping", "output time")
    point, start = jnp.array([1.1, 0.73, 0.4, 0.8, 1.2, 2.03]), random_state(6, 4)

    def measured(parameters):
        coupling, time, frequency, eta, hopping, end = parameters
        model = ring(6, Quench(0.3, coupling, time), frequency=frequency, eta=eta, hopping=hopping)
        times = jnp.stack([0.0 * end, 0.5 * end, end])
        got = propagate(
            EhrenfestOrbitals(model),
            start,
            times,
            solver=fixed(strang(), 0.1),
            observables=("site_density", "momentum"),
            monitor=False,
        ).observables
        return jnp.sum(got["site_density"][-1] ** 2) + got["momentum"][1, 2]

    value = jax.jit(measured)
    slopes = jax.jit(jax.grad(measured))(point)
    for k, name in enumerate(names):
        step = jnp.zeros(6).at[k].set(1e-5)
        want = (value(point + step) - value(point - step)) / 2e-5
        np.testing.assert_allclose(slopes[k], want, rtol=1e-6, atol=1e-8, err_msg=name)
