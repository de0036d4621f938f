"""Ribbons: the chain of dimers itself, the mass equation and the two-component one."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano.cgwe.bloch import ArmchairRibbon
from qnano.cgwe.cell import cell_problem, k_dot_p
from qnano.cgwe.components import ComponentWave
from qnano.propagation import propagate
from qnano.schrodinger.grid import Grid

solve = eqx.filter_jit(propagate)
SEVEN = ArmchairRibbon(7)
COARSE = (1.027189, 3.002024, 4.799305, 6.431589)  # the mass equation's levels


def slow(eps, x):
    return eps**2 * 4 * (1 - jnp.cos(2 * jnp.pi * eps * x / 16))


def chain(ribbon, eps):
    """The ribbon itself; eps is a bond over the length of the envelope."""
    grid = Grid((round(16 / (1.5 * eps)),), [16 / eps])
    return ComponentWave(grid, ribbon.by_cells, slow(eps, grid.coordinates[0][:, None] + ribbon.places))


def two_component(gap, velocity, eps, points):
    grid = Grid((points,), [16 / eps])
    sx, sz = jnp.array([[0.0, 1.0], [1.0, 0.0]]), jnp.array([[1.0, 0.0], [0.0, -1.0]])
    both = jnp.stack([slow(eps, grid.coordinates[0])] * 2, axis=1)
    return ComponentWave(grid, lambda k: (gap * sz + velocity * k[0] * sx).astype(complex), both)


def levels(dynamics, above):
    """The first four above an energy, from it and in units of the envelope."""
    size = dynamics.grid.size
    waves = jnp.eye(2 * size, dtype=complex).reshape(2 * size, size, 2)
    matrix = jax.jit(jax.vmap(lambda state: dynamics.apply(jnp.zeros(()), state)))(waves).reshape(2 * size, -1).T
    energies = np.linalg.eigvalsh(matrix)
    return (energies[energies > 0.9 * above][:4] - float(above)) / float(16 / dynamics.grid.lengths[0]) ** 2


def test_bound_states_of_seven_lines():
    """Published errors of both equations at two sizes, rate 2; the two-component one with v^2 = Delta / m*."""
    gap = SEVEN.half_gap
    velocity = jnp.sqrt(gap / SEVEN.closed_mass)
    mass_errors, dirac_errors = [], []
    for eps in (1 / 6, 1 / 12):
        fine = levels(chain(SEVEN, eps), gap)
        dirac_errors.append(np.abs(levels(two_component(gap, velocity, eps, 64), gap) - fine)[0])
        mass_errors.append(abs(COARSE[0] - fine[0]))
    np.testing.assert_allclose(mass_errors, [2.0e-2, 4.8e-3], rtol=0.06)
    np.testing.assert_allclose(dirac_errors, [5.3e-3, 1.3e-3], rtol=0.06)


def packet(grid, eps, spinor, momentum=1.0):
    scaled = eps * grid.coordinates[0]
    envelope = jnp.exp(-((scaled + 2) ** 2) / 2 + 1j * momentum * scaled)[:, None] * spinor
    return envelope / jnp.sqrt(jnp.sum(jnp.abs(envelope) ** 2) * grid.volume)


@pytest.mark.parametrize("component", [0, 1])
@pytest.mark.slow
def test_eight_lines_move_at_the_velocity_of_light(component):
    """No gap: the Dirac equation of the time eps^-1 against the chain; the packet drifts at +-1.5 and keeps its shape."""
    ribbon, errors = ArmchairRibbon(8), []
    model = k_dot_p(ribbon, [0, 1])
    for eps in (1 / 6, 1 / 12):
        fine = chain(ribbon, eps)
        dirac = ComponentWave(
            fine.grid,
            lambda k, model=model: jnp.diag(model.energies) + jnp.tensordot(k, model.velocities, axes=1),
            fine.potential(0.0).mean(axis=1, keepdims=True) * jnp.ones(2),
        )
        own = jnp.linalg.eigh(model.velocities[0])[1][:, component]
        start, times = packet(fine.grid, eps, own), jnp.array([0.0, 1 / eps])
        coarse = solve(dirac, start, times, observables=("position",))
        seen = start @ model.states  # from the two states to the two sites
        true = solve(fine, seen, times, observables=("position", "norm")).state
        errors.append(float(jnp.sqrt(jnp.sum(jnp.abs(true - coarse.state @ model.states) ** 2) * fine.grid.volume)))
        moved = coarse.observables["position"][1, 0] - coarse.observables["position"][0, 0]
        np.testing.assert_allclose(moved / times[1], 1.5 * (-1, 1)[component], rtol=1e-3)
    assert np.log2(errors[0] / errors[1]) > 0.8


def test_cells_of_ribbons_measure_their_metric():
    np.testing.assert_allclose(cell_problem(SEVEN, band=1).metric[0, 0], 8.68, atol=0.005)


def test_derivatives_by_the_hopping_match_central_differences():
    grid = Grid((16,), [24.0])
    start = packet(grid, 1.0, jnp.array([1.0, 0.5]))

    def moved(hopping):
        ribbon = ArmchairRibbon(7, hopping)
        wave = ComponentWave(grid, ribbon.by_cells, slow(0.5, grid.coordinates[0][:, None] + ribbon.places), dt=0.5)
        return propagate(wave, start, jnp.array([0.0, 2.0]), observables=("position",), monitor=False).observables["position"][
            -1, 0
        ]

    value = jax.jit(moved)
    np.testing.assert_allclose(jax.jit(jax.grad(moved))(1.0), (value(1.0 + 1e-5) - value(1.0 - 1e-5)) / 2e-5, rtol=1e-6)
