"""Propagation on grids against closed forms, dense exponentials and finite differences."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

from qnano.energetics.grid import require_choice
from qnano.fields import Pulse
from qnano.propagation import propagate
from qnano.schrodinger.bloch import BlochSchrodinger, Crystal
from qnano.schrodinger.energetics import Probe
from qnano.schrodinger.grid import Grid, resampled
from qnano.schrodinger.ground_state import lowest_states, relaxed
from qnano.schrodinger.model import Particles, absorbing_edges, normalised
from qnano.schrodinger.wave import Schrodinger
from qnano.solvers.splitting import blanes_moan, strang
from qnano.solvers.stepping import fixed
from qnano.trajectory import Status

solve = eqx.filter_jit(propagate)
CELLS, POINTS, DEPTH = 4, 8, 10.0
RING = Grid((CELLS * POINTS,), [float(CELLS)], [0.0])
CELL = DEPTH * np.cos(2 * np.pi * np.arange(POINTS) / POINTS)
SLOW = 0.5 * (1 - np.cos(2 * np.pi * np.asarray(RING.coordinates[0]) / CELLS))


def gaussian(grid, centre=0.0, width=1.0, momentum=0.0):
    x = np.asarray(grid.coordinates[0])
    return normalised(jnp.asarray(np.exp(-((x - centre) ** 2) / (4 * width**2) + 1j * momentum * x)), grid)


def dense(dynamics, t=0.0):
    """H as a matrix."""
    size = int(np.prod(dynamics.grid.points * dynamics.number))
    waves = jnp.eye(size, dtype=complex).reshape(size, *dynamics.grid.points * dynamics.number)
    return np.asarray(jax.vmap(lambda psi: dynamics.apply(jnp.asarray(t), psi))(waves)).reshape(size, size).T


def test_a_free_packet_spreads_as_it_must():
    """Units in which hbar and m are not 1."""
    hbar, mass, width, momentum, time = 0.7, 1.9, 0.8, 1.1, 3.0
    grid = Grid((256,), [40.0])
    model = Particles(grid, np.zeros(256), mass=mass, hbar=hbar)
    got = solve(
        Schrodinger(model),
        gaussian(grid, -2.0, width, momentum / hbar),
        jnp.array([0.0, time]),
        observables=("position", "spread", "wave_momentum", "energy"),
    )
    assert got.status == Status.DONE
    np.testing.assert_allclose(got.observables["position"][-1], -2.0 + momentum / mass * time, atol=1e-10)
    np.testing.assert_allclose(got.observables["spread"][-1], np.hypot(width, hbar * time / (2 * mass * width)), atol=1e-10)
    np.testing.assert_allclose(got.observables["wave_momentum"], momentum, atol=1e-10)
    np.testing.assert_allclose(got.observables["energy"], (momentum**2 + hbar**2 / (4 * width**2)) / (2 * mass), atol=1e-10)


def test_a_driven_oscillator_follows_newton():
    """Ehrenfest's theorem is exact there: x'' = -x + F(t), in two dimensions."""
    grid = Grid((48, 48), [14.0, 14.0])
    x, y = np.asarray(grid.coordinates)
    amplitude, frequency = np.array([0.5, -0.3]), 0.6
    pulse = Pulse(amplitude, frequency, 1.5, 0.8)
    model = Particles(grid, (x**2 + y**2) / 2, force=pulse)
    psi = normalised(jnp.asarray(np.exp(-((x - 1) ** 2 + y**2) / 2)), grid)
    times = np.linspace(0.0, 3.0, 4)
    got = solve(Schrodinger(model), psi, jnp.asarray(times), solver=fixed(blanes_moan(4), 0.05), observables=("position",))
    s = np.linspace(0.0, 3.0, 3001)
    force = amplitude * (np.exp(-0.5 * ((s - 1.5) / 0.8) ** 2) * np.cos(frequency * (s - 1.5)))[:, None]
    want = [
        np.array([np.cos(t), 0.0]) + np.trapezoid(np.sin(t - s[s <= t])[:, None] * force[s <= t], s[s <= t], axis=0) for t in times
    ]
    np.testing.assert_allclose(got.observables["position"], want, atol=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["plain", "bloch"])
def test_splittings_converge_to_the_exponential_at_their_order(form):
    """Two particles that interact, in a lattice of three cells."""
    grid = Grid((18,), [3.0], [0.0])
    x = np.asarray(grid.coordinates[0])
    cell, trap = DEPTH * np.cos(2 * np.pi * np.arange(6) / 6), 0.5 * (1 - np.cos(2 * np.pi * x / 3))
    pair = grid.pairs(lambda r: 0.8 / np.sqrt(r**2 + 0.3))
    both = normalised(gaussian(grid, 1.1, 0.3)[:, None] * gaussian(grid, 1.9, 0.3, 1.0), grid, 2)
    if form == "plain":
        dynamics = Schrodinger(Particles(grid, np.tile(cell, 3) + trap, 2, pair))
    else:
        dynamics = BlochSchrodinger(Particles(grid, trap, 2, pair), cell)
    want = (expm(-0.4j * dense(dynamics)) @ np.ravel(both)).reshape(both.shape)
    for order in (2, 4):
        solver, errors = fixed(strang() if order == 2 else blanes_moan(order), 1.0), []
        for halves in (1, 2):  # a step from time to time, so that one program serves both lengths
            state = both
            for _ in range(halves):
                times = jnp.linspace(0.0, 0.4 / halves, 51)
                got = solve(dynamics, state, times, solver=solver, observables=("norm",))
                np.testing.assert_allclose(got.observables["norm"], 1.0, atol=1e-12)
                state = got.state
            errors.append(np.linalg.norm(state - want) / np.linalg.norm(want))
        assert errors[1] < 2e-3
        assert np.log2(errors[0] / errors[1]) > order - 0.3


@pytest.mark.slow
def test_the_two_splittings_have_one_hamiltonian():
    plain = Schrodinger(Particles(RING, np.tile(CELL, CELLS) + SLOW, mass=1.3, hbar=0.9))
    bloch = BlochSchrodinger(Particles(RING, SLOW, mass=1.3, hbar=0.9), CELL)
    np.testing.assert_allclose(dense(plain), dense(bloch), atol=1e-11)


@pytest.mark.slow
def test_flattened_bands_do_not_resonate():
    """A weak kick with the lattice's own period, in steps of 2 pi / gap, pumps the second band unless the step obeys the rule."""
    kick = 0.02 * np.tile(np.sin(2 * np.pi * np.arange(POINTS) / POINTS), CELLS)
    levels, modes = np.linalg.eigh(dense(BlochSchrodinger(Particles(RING, 0 * kick), CELL)))
    psi = normalised(jnp.asarray(modes[:, 0]), RING)
    odd = np.argmax(np.abs(modes.T.conj() @ (kick * modes[:, 0])))  # the state that the kick couples to
    resonant = float(2 * np.pi / (levels[odd] - levels[0]))

    def left(dynamics, dt):
        got = solve(dynamics, psi, jnp.array([0.0, 20.0]), solver=fixed(strang(), dt)).state
        return 1 - abs(np.vdot(modes[:, 0], got)) ** 2 * float(RING.volume)

    assert left(BlochSchrodinger(Particles(RING, kick), CELL), resonant) > 1e-2
    safe = BlochSchrodinger(Particles(RING, kick), CELL, bands=3)
    assert float(safe.longest_step) < resonant
    assert left(safe, 0.99 * float(safe.longest_step)) < 1e-5


@pytest.mark.slow
def test_edges_absorb():
    grid = Grid((256,), [60.0])
    model = Particles(grid, np.zeros(256), absorber=absorbing_edges(grid, 15.0, 1.0))
    got = solve(Schrodinger(model), gaussian(grid, 0.0, 1.5, 2.0), jnp.array([0.0, 25.0]), observables=("norm",))
    assert got.observables["norm"][-1] < 1e-3
    assert not got.invariants


@pytest.mark.slow
def test_derivatives_match_central_differences():
    """By depth, mass and the slow potential, of place and energy; finite too where energies cross, in an empty lattice."""
    psi, times = gaussian(RING, 1.5, 0.4, 0.5), jnp.array([0.0, 0.5])

    def measured(p):
        model = Particles(RING, p[2] * SLOW, mass=p[1])
        dynamics = BlochSchrodinger(model, p[0] * CELL / DEPTH, bands=3)
        got = propagate(dynamics, psi, times, solver=fixed(strang(), 0.05), observables=("position", "energy"), monitor=False)
        return got.observables["position"][-1, 0] + 0.1 * got.observables["energy"][-1]

    value, point = jax.jit(measured), jnp.array([10.0, 1.2, 0.7])
    slope = jax.jit(jax.grad(measured))
    slopes = slope(point)
    for k, step in enumerate(1e-5 * jnp.eye(3)):
        np.testing.assert_allclose(slopes[k], (value(point + step) - value(point - step)) / 2e-5, rtol=1e-5, atol=1e-7)
    assert np.isfinite(slope(jnp.array([0.0, 1.2, 0.7]))).all()


@pytest.mark.slow
@pytest.mark.parametrize(("make", "match"), [
    (lambda: Grid((4, 4), [1.0]), "grid: got points"),
    (lambda: Particles(RING, np.zeros(3)), "potential: got an array of shape"),
    (lambda: Particles(RING, SLOW, 4), "number: got 4 particles"),
    (lambda: Particles(RING, SLOW, 2, np.zeros((3, 3))), "interaction: got an array of shape"),
    (lambda: BlochSchrodinger(Particles(RING, SLOW), np.zeros(7)), "lattice: got 7 points"),
    (lambda: BlochSchrodinger(Particles(RING, SLOW), CELL, bands=9), "bands: got 9"),
    (lambda: BlochSchrodinger(Particles(RING, SLOW), CELL, bands=0), "bands: got 0"),
    (lambda: BlochSchrodinger(Particles(RING, SLOW), CELL, band=8), "band: got 8; must be a whole number at least 0 and at most 7"),
    (lambda: BlochSchrodinger(Particles(RING, SLOW), CELL * 1j), "lattice: got an array"),
    (lambda: BlochSchrodinger(Particles(RING, SLOW), CELL * np.nan), "lattice: got nan"),
    (lambda: BlochSchrodinger(Particles(RING, SLOW), CELL, dt=-1.0), "dt: got -1.0"),
    (lambda: Crystal(CELL, 0, 1, 1.0), "cells: got 0"),
    (lambda: Crystal(CELL, 4, 1, -1.0), "period: got -1.0"),
    (lambda: normalised(jnp.asarray(SLOW[:-1]), RING), "psi: got an array of shape"),
    (lambda: normalised(jnp.asarray(SLOW), RING, 1, 2), "exchange: got 2"),
    (lambda: lowest_states(Schrodinger(Particles(RING, SLOW)), 0), "count: got 0; must be .* at least 1 and at most 32"),
    (lambda: lowest_states(Schrodinger(Particles(RING, SLOW)), exchange=3), "exchange: got 3"),
    (lambda: relaxed(Schrodinger(Particles(RING, SLOW)), jnp.asarray(SLOW, complex), 0.0, 5), "dt: got 0.0"),
    (lambda: relaxed(Schrodinger(Particles(RING, SLOW)), jnp.asarray(SLOW, complex), 0.1, 0), "steps: got 0"),
    (lambda: resampled(jnp.asarray(SLOW), (0,)), "points: got 0"),
    (lambda: Probe(ordering=2.0), "ordering: got 2.0"),
    (lambda: require_choice(1.0, "inner"), "partition: got 'inner'; must be one of kinetic, internal, total"),
])  # fmt: skip
def test_wrong_models_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
