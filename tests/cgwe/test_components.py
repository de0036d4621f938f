"""Ribbons: the chain of dimers itself, the mass equation and the two-component one."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano.cgwe.bloch import ArmchairRibbon
from qnano.cgwe.cell import cell_problem, k_dot_p
from qnano.cgwe.components import ComponentWave
from qnano.cgwe.wave import CoarseWave, Kinetics
from qnano.propagation import propagate
from qnano.schrodinger.grid import Grid
from qnano.solvers.splitting import blanes_moan
from qnano.solvers.stepping import fixed

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


def packet(grid, eps, spinor, momentum=1.0, centre=-2.0):
    scaled = eps * grid.coordinates[0]
    envelope = jnp.exp(-((scaled - centre) ** 2) / 2 + 1j * momentum * scaled)[:, None] * spinor
    return envelope / jnp.sqrt(jnp.sum(jnp.abs(envelope) ** 2) * grid.volume)


@partial(jax.jit, static_argnums=0)
def ribbon_errors(eps, points=64):
    """L2 errors after T = 1 of what the mass equation says of the chain: u F alone, and with chi, from prepared data."""
    cell, true = cell_problem(SEVEN, band=1), chain(SEVEN, eps)
    grid, times = Grid((points,), true.grid.lengths), jnp.array([0.0, 1 / eps**2])
    wave = CoarseWave(grid, Kinetics(SEVEN, cell, grid), slow(eps, grid.coordinates[0]), second=False, dt=0.02 / eps**2)
    start = packet(grid, eps, jnp.ones(1), 0.0, -1.5)[:, 0]
    k, x = grid.wavenumbers[0], true.grid.coordinates[0][:, None] + SEVEN.places
    carried = jnp.exp(1j * k[:, None, None] * (x - grid.origin))

    def on_sites(envelope, corrected):
        factors = cell.state + corrected * k[:, None] * cell.correctors[0]
        psi = jnp.einsum("k,kxs,ks->xs", jnp.fft.fft(envelope), carried, factors)
        return psi / jnp.sqrt(jnp.sum(jnp.abs(psi) ** 2) * true.grid.volume)

    solver = fixed(blanes_moan(4), 0.005 / eps**2)
    late = jnp.exp(1j * cell.energy * times[1]) * propagate(true, on_sites(start, True), times, solver=solver, monitor=False).state
    envelope = propagate(wave, start, times, monitor=False).state
    away = jnp.stack([jnp.abs(late - on_sites(envelope, corrected)) ** 2 for corrected in (False, True)])
    return jnp.sqrt(jnp.sum(away, axis=(1, 2)) * true.grid.volume)


@pytest.mark.slow
def test_a_packet_on_seven_lines():
    """Published errors at eps = 1/24 and 1/48; with chi they fall at second order."""
    errors = np.array([ribbon_errors(eps) for eps in (1 / 24, 1 / 48)])
    np.testing.assert_allclose(errors, [[0.0835, 0.0630], [0.0339, 0.0180]], rtol=0.01)
    assert np.log2(errors[0, 1] / errors[1, 1]) > 1.7


@partial(jax.jit, static_argnums=0)
def light(eps, own):
    """The error after the time 1/eps of the Dirac equation that starts in a spinor, and the velocity of its packet."""
    ribbon = ArmchairRibbon(8)
    model = k_dot_p(ribbon, [0, 1])
    fine = chain(ribbon, eps)
    flat = fine.potential(0.0).mean(axis=1, keepdims=True) * jnp.ones(2)
    dirac = ComponentWave(fine.grid, lambda k: jnp.diag(model.energies) + jnp.tensordot(k, model.velocities, axes=1), flat)
    start, times = packet(fine.grid, eps, jnp.linalg.eigh(model.velocities[0])[1][:, own]), jnp.array([0.0, 1 / eps])
    coarse = propagate(dirac, start, times, observables=("position",), monitor=False)
    true = propagate(fine, start @ model.states, times, monitor=False).state  # from the two states to the two sites
    error = jnp.sqrt(jnp.sum(jnp.abs(true - coarse.state @ model.states) ** 2) * fine.grid.volume)
    return error, (coarse.observables["position"][1, 0] - coarse.observables["position"][0, 0]) / times[1]


@pytest.mark.slow
def test_eight_lines_move_at_the_velocity_of_light():
    """No gap: the Dirac equation of the time eps^-1 against the chain; the packet drifts at +-1.5 and keeps its shape."""
    for component, velocity in enumerate((-1.5, 1.5)):
        (coarser, first), (finer, second) = (light(eps, component) for eps in (1 / 6, 1 / 12))
        np.testing.assert_allclose([first, second], velocity, rtol=1e-3)
        assert np.log2(coarser / finer) > 0.8


@pytest.mark.slow
def test_cells_of_ribbons_measure_their_metric():
    np.testing.assert_allclose(cell_problem(SEVEN, band=1).metric[0, 0], 8.68, atol=0.005)


@pytest.mark.slow
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
