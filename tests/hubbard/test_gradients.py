"""Derivatives of the double occupancy at t = 5 against central differences, in reverse and forward mode."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano import lattice
from qnano.fields import Pattern, Pulse, as_field
from qnano.hubbard.closures import Valdemoro
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.mean_field import MeanField
from qnano.hubbard.model import FermiHubbard
from qnano.hubbard.td2rdm import TD2RDM
from qnano.propagation import propagate
from qnano.solvers.magnus import Magnus
from qnano.solvers.rk4 import RK4
from qnano.solvers.stepping import adaptive, fixed
from tests.hubbard.systems import quench

SITES = 4
POINT = {"interaction": 1.0, "hopping of bond 1": 1.0, "trap": 0.1, "pulse amplitude": 0.4}
DYNAMICS = {
    "exact": ExactHubbard,
    "mean field": MeanField,
    "valdemoro": lambda model: TD2RDM(model, Valdemoro()),
}


def double_occupancy(parameters, method, psi, adjoint):
    interaction, hopping, trap, amplitude = parameters
    model = FermiHubbard(
        lattice.chain(SITES),
        (SITES // 2, SITES // 2),
        hopping=jnp.ones(SITES - 1).at[1].set(hopping),
        interaction=interaction,
        potential=Pattern(as_field(trap), (np.arange(SITES) - 1.5) ** 2),
        vector_potential=Pulse(amplitude * jnp.ones(1), 3.0, 2.0, 0.7),
    )
    dynamics = DYNAMICS[method](model)
    state = psi if method == "exact" else dynamics.from_wavefunction(psi)
    magnus, steps = adaptive(Magnus(), 1e-10, 1e-12), fixed(RK4(), 0.05)
    trajectory = propagate(
        dynamics,
        state,
        jnp.array([0.0, 5.0]),
        observables=("double_occupancy",),
        solver=magnus if method == "exact" else steps,
        adjoint=adjoint,
        monitor=False,
    )
    return trajectory.observables["double_occupancy"][-1, 1]


@pytest.mark.slow
@pytest.mark.parametrize("method", DYNAMICS)
def test_gradients_match_central_differences(method):
    _, start = quench(SITES, 1.0)
    point = jnp.array(list(POINT.values()))
    value = jax.jit(lambda p: double_occupancy(p, method, start.psi, None))
    reverse = jax.jit(jax.grad(lambda p: double_occupancy(p, method, start.psi, None)))(point)
    forward = jax.jit(jax.jacfwd(lambda p: double_occupancy(p, method, start.psi, diffrax.ForwardMode())))(point)
    np.testing.assert_allclose(reverse, forward, atol=1e-12)
    for k, name in enumerate(POINT):

        def difference(h, k=k):
            return (value(point.at[k].add(h)) - value(point.at[k].add(-h))) / (2 * h)

        want = (4 * difference(1e-3) - difference(2e-3)) / 3
        np.testing.assert_allclose(reverse[k], want, rtol=1e-6, err_msg=f"{method}: {name}")


def test_one_line_gradient_and_sweep():
    """The library's promise: filter_grad and filter_vmap over the same call."""
    free, start = quench(SITES, 1.0)
    times = jnp.array([0.0, 1.0])

    @eqx.filter_jit
    def energy(dynamics):
        return propagate(dynamics, start.psi, times, observables=("energy",)).observables["energy"][-1]

    slope = eqx.filter_grad(energy)(ExactHubbard(free)).model.interaction.value
    step = 1e-4
    shifted = [energy(ExactHubbard(quench(SITES, 1.0)[0])) for _ in range(1)]

    def model(u):
        return ExactHubbard(FermiHubbard(lattice.chain(SITES), (2, 2), interaction=u))

    difference = (energy(model(1.0 + step)) - energy(model(1.0 - step))) / (2 * step)
    np.testing.assert_allclose(slope, difference, rtol=1e-6)
    swept = eqx.filter_vmap(lambda u: energy(model(u)))(jnp.array([0.5, 1.0, 2.0]))
    np.testing.assert_allclose(swept[1], shifted[0], atol=1e-12)
