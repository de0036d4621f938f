"""Coarse waves against fine ones and published energies: energies, wavefunctions, densities, exchange, interactions."""

from functools import cache, partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import mathieu_a, mathieu_b

from qnano.cgwe.interaction import circulant, coarse_kernel, matched_contact, naive_kernel
from qnano.cgwe.reconstruction import cell_points, fine_density, fine_wave
from qnano.propagation import propagate
from qnano.schrodinger.grid import Grid, resampled
from qnano.schrodinger.ground_state import lowest_states
from qnano.schrodinger.model import normalised
from qnano.solvers.splitting import strang
from qnano.solvers.stepping import fixed
from tests.cgwe.systems import LATTICE, coarse, distance, envelope, fine, prepared, ring, solved
from tests.oracles.lattice_pair import LatticePair

solve = eqx.filter_jit(propagate)
# eps: the fine problem's lowest energy and the fourth, (E - E0) / eps^2
FINE = {1 / 4: (0.62657440, 4.28957128), 1 / 8: (0.62758590, 4.32645393), 1 / 16: (0.62783506, 4.33519538)}


def test_bound_states_are_those_of_mathieu():
    """U = 16 (1 - cos): levels 0 to 3 of the coarse equation are a0, b2, a2, b4."""
    s = float(solved().inverse_mass[0, 0]) / 2 * (np.pi / 16) ** 2
    q = 16 / (2 * s)
    want = [s * a + 16 for a in (mathieu_a(0, q), mathieu_b(2, q), mathieu_a(2, q), mathieu_b(4, q))]
    np.testing.assert_allclose(lowest_states(coarse(1 / 8, 96, False), 4).energies * 64, want, atol=1e-9)
    np.testing.assert_allclose(want, [0.627917791373, 1.877436375738, 3.114221622698, 4.338069471873], atol=1e-9)


def test_energies_converge_with_rates_two_and_four():
    errors = {second: [] for second in (False, True)}
    for eps, want in FINE.items():
        for second, found in errors.items():
            levels = lowest_states(coarse(eps, min(round(16 / eps), 96), second), 4).energies / eps**2
            found.append(np.abs(np.array([levels[0], levels[3]]) - want))
    first, second = (np.log2(np.array(found)[:-1] / np.array(found)[1:]) for found in errors.values())
    np.testing.assert_allclose(first, 2.0, atol=0.1)
    np.testing.assert_allclose(second, 4.0, atol=0.2)
    np.testing.assert_allclose(errors[False][0], [1.34e-3, 4.85e-2], rtol=0.01)


def test_the_fine_energies_are_the_published_ones():
    levels = lowest_states(fine(1 / 4, 8), 4).energies
    np.testing.assert_allclose((levels[np.array([0, 3])] - solved().energy) * 16, FINE[1 / 4], atol=1e-6)


@pytest.fixture(scope="module")
def compared():
    """eps: L2 errors (CGWE bare, with chi; CGWE-2 likewise) and L1 errors of the density (CGWE, CGWE-2), from prepared data."""
    found = {}
    for eps in (1 / 8, 1 / 16):
        whole, times = fine(eps, 8, coarse_points=64), jnp.array([0.0, 2 / eps**2])
        errors, densities = [], []
        for second in (False, True):
            wave = coarse(eps, 64, second)
            start = envelope(wave.grid, eps)
            if not second:
                psi = prepared(whole.grid, wave.grid, start)
                names = ("coarse_density", "position", "other_bands")
                true = solve(whole, psi, times, solver=fixed(strang(), 0.1), observables=names)
                seen = true.observables["coarse_density"][-1]
            got = solve(wave, start, times, observables=("coarse_density", "corrector_norm"))
            late = jnp.exp(-1j * solved().energy * times[-1])
            for corrected in (False, True):
                back = late * prepared(whole.grid, wave.grid, got.state, corrected)
                errors.append(distance(true.state, back, whole.grid))
            densities.append(float(jnp.sum(jnp.abs(seen - got.observables["coarse_density"][-1])) * wave.grid.volume))
        found[eps] = (errors, densities, float(true.observables["position"][-1, 0] * eps), got, true)
    return found


@pytest.mark.slow
def test_a_packet_is_followed(compared):
    """Published errors at eps = 1/8 and 1/16 after T = 2."""
    np.testing.assert_allclose(compared[1 / 8][0][:2], [9.98e-2, 9.68e-2], rtol=0.02)
    np.testing.assert_allclose(compared[1 / 16][0][:2], [2.62e-2, 2.34e-2], rtol=0.02)
    np.testing.assert_allclose(compared[1 / 16][0][3], 6.04e-4, rtol=0.03)
    np.testing.assert_allclose(compared[1 / 16][2], 1.82138, atol=2e-5)
    np.testing.assert_allclose(compared[1 / 16][1][0], 1.17e-2, rtol=0.03)
    assert compared[1 / 16][1][1] < 1e-4


@pytest.mark.slow
def test_errors_fall_at_their_rates(compared):
    coarser, finer = (np.array(compared[eps][0] + compared[eps][1]) for eps in (1 / 8, 1 / 16))
    rates = np.log2(coarser / finer)
    assert rates[1] > 1.9  # CGWE with chi
    assert 0.9 < rates[2] < 1.5  # CGWE-2 without chi: the corrector itself
    assert rates[3] > 1.9  # CGWE-2 with chi
    assert rates[4] > 1.9
    assert rates[5] > 1.9


@pytest.mark.slow
def test_prepared_waves_stay_in_their_band(compared):
    np.testing.assert_allclose(compared[1 / 8][4].observables["other_bands"][-1], 6.2e-7, rtol=0.05)
    np.testing.assert_allclose(compared[1 / 16][4].observables["other_bands"][-1], 3.8e-8, rtol=0.05)


@pytest.mark.slow
def test_the_corrector_norm_is_the_error_of_the_bare_wave(compared):
    """What the report says of a run is what leaving chi out costs."""
    for errors, _, _, got, _ in compared.values():
        np.testing.assert_allclose(got.observables["corrector_norm"][-1], errors[2], rtol=0.05)


@pytest.mark.slow
def test_fine_densities_are_there_cell_by_cell():
    """The same as on the whole grid; without the lattice's oscillations |F|^2 + g |dF|^2, which is the corrector's own share."""
    eps = 1 / 8
    grid = ring(eps, 64)
    psi = envelope(grid, eps)
    whole = Grid((128 * 16,), grid.lengths)
    everywhere = jnp.abs(fine_wave(LATTICE, solved(), grid, psi, whole.coordinates)) ** 2
    some = fine_density(LATTICE, solved(), grid, psi, cell_points(grid, 1.0, range(50, 53), 16))
    np.testing.assert_allclose(some, everywhere[50 * 16 : 53 * 16], atol=1e-12)
    slow = resampled(everywhere, (64,)).real
    slope = jnp.fft.ifft(1j * grid.wavenumbers[0] * jnp.fft.fft(psi))
    np.testing.assert_allclose(slow, jnp.abs(psi) ** 2 + solved().metric[0, 0] * jnp.abs(slope) ** 2, atol=1e-7)


def test_resampling_keeps_what_fits():
    x = np.arange(12) * 2 * np.pi / 12

    def f(x):
        return 1 + np.cos(2 * x) - 0.3 * np.sin(3 * x)

    np.testing.assert_allclose(resampled(jnp.asarray(f(x)), (31,)), f(np.arange(31) * 2 * np.pi / 31), atol=1e-13)
    low = 1 + np.cos(2 * np.arange(5) * 2 * np.pi / 5)
    np.testing.assert_allclose(resampled(jnp.asarray(f(x)), (5,)), low, atol=1e-13)


def colliding(eps, exchange):
    """The coarse grid and two packets on it that run into each other; a trap of depth 8 over a length of 12."""
    grid = ring(eps, round(12 / eps), 12.0)
    a, b = (envelope(grid, eps, sign * 1.5, 0.8, -sign * 1.0) for sign in (-1, 1))
    both = jax.jit(normalised, static_argnums=(2, 3))(a[:, None] * b, grid, 2, exchange)
    return grid, both, jnp.array([0.0, 2 / eps**2])


def around(eps, kernel, q):
    """An interaction at the displacements of a fine ring."""
    steps = np.arange(round(12 / eps) * q) / q
    return jax.jit(kernel)(np.minimum(steps, 12 / eps - steps))


@cache
def pair_wave(eps, second):
    """The coarse wave of two particles, ready for an interaction."""
    cells = round(12 / eps)
    return coarse(eps, cells, second, 2, jnp.zeros((cells, cells)), depth=8.0, length=12.0)


def pair_errors(eps, exchange, kernel, coarse_kernels, top, second):
    """L2 errors with chi of the two packets at T = 2, one for each coarse kernel, against `LatticePair`."""
    grid, start, times = colliding(eps, exchange)
    cells = grid.size
    fine_kernel = around(eps, kernel, 10)
    pair = LatticePair(cells, 10.0, 8 * eps**2, np.asarray(fine_kernel), exchange, top)
    at = pair.orders - LATTICE.numbers[0, 0]
    signs = (-1.0) ** (pair.kappa[:, None] + pair.kappa)  # the ring's origin is half of it away from 0

    def fine_state(psi):
        waves = np.fft.fftshift(np.fft.fft2(psi)) * signs
        return pair.state(waves, np.asarray(solved().state)[at], np.asarray(solved().correctors[0])[at])

    true = np.exp(2j * float(solved().energy * times[1])) * pair.evolved(fine_state(start), float(times[1]))
    errors, wave = [], pair_wave(eps, second)
    for make in coarse_kernels:
        felt = eqx.tree_at(lambda w: w.interaction, wave, jax.jit(circulant)(make(fine_kernel, cells)))
        errors.append(np.linalg.norm(true - fine_state(solve(felt, start, times, monitor=False).state)))
    return errors


def smooth_kernel(eps, length=12.0, strength=4.0):
    return lambda r: eps**2 * strength / jnp.sqrt((length / jnp.pi * jnp.sin(jnp.pi * eps * r / length)) ** 2 + 1)


def rough_kernel(eps, length=12.0):
    cells = length / eps
    return lambda r: eps / jnp.sqrt((cells / jnp.pi * jnp.sin(jnp.pi * r / cells)) ** 2 + 0.25**2)


@partial(jax.jit, static_argnums=1)
def naive(kernel, cells):
    return naive_kernel(kernel, cells, cells)


@partial(jax.jit, static_argnums=1)
def with_local_fields(kernel, cells):
    harmonics = LATTICE.density_harmonics(solved().state)
    return coarse_kernel(kernel, cells, cells, harmonics, solved().metric[0, 0])


@pytest.mark.slow
def test_two_particles_that_interact_smoothly():
    """Published errors in all three symmetries, and order 2; what can be told apart is half symmetric, half not."""
    kernel = smooth_kernel(1 / 4)
    (even,), (odd,) = (pair_errors(1 / 4, sign, kernel, [naive], 1, False) for sign in (1, -1))
    np.testing.assert_allclose([even, odd, np.hypot(even, odd) / np.sqrt(2)], [0.16781, 0.1683, 0.16812], rtol=2e-3)
    (finer,) = pair_errors(1 / 6, 1, smooth_kernel(1 / 6), [naive], 0, False)
    np.testing.assert_allclose(finer, 0.071479, rtol=5e-3)
    assert np.log(even / finer) / np.log(6 / 4) > 1.9


@pytest.mark.slow
def test_two_particles_on_the_fine_grid():
    """The same for the fine wave itself: the published error at eps = 1/3."""
    eps = 1 / 3
    grid, start, times = colliding(eps, 1)
    trap = {"depth": 8.0, "length": 12.0}
    whole = fine(eps, 8, 2, smooth_kernel(eps), **trap)
    true = solve(whole, prepared(whole.grid, grid, start), times, solver=fixed(strang(), 0.5), monitor=False).state
    felt = circulant(naive(around(eps, smooth_kernel(eps), 8), grid.size))
    wave = eqx.tree_at(lambda w: w.interaction, pair_wave(eps, False), felt)
    got = prepared(whole.grid, grid, solve(wave, start, times, monitor=False).state)
    late = jnp.exp(-2j * solved().energy * times[-1])
    np.testing.assert_allclose(distance(true, late * got, whole.grid, 2), 0.31526, rtol=0.02)


@pytest.mark.slow
def test_local_fields_matter_where_the_interaction_is_rough():
    """With them the error is a third, and falls with the second power of eps instead of the first. Of the fine problem two bands
    are kept here; three add 0.0014 to the error with local fields at 1/6 (0.0308 and 0.0098, the published ones)."""
    rough = {eps: pair_errors(eps, 1, rough_kernel(eps), [naive, with_local_fields], 1, True) for eps in (1 / 4, 1 / 6)}
    np.testing.assert_allclose(rough[1 / 6][0], 0.0311, rtol=0.01)
    assert rough[1 / 6][0] > 3 * rough[1 / 6][1]
    np.testing.assert_allclose(rough[1 / 4][0], 0.0406, rtol=0.01)  # the fine wave's at half the published one's step
    rates = np.log(np.array(rough[1 / 4]) / rough[1 / 6]) / np.log(6 / 4)
    assert rates[0] < 1.0 < 1.6 < rates[1]


@pytest.mark.slow
def test_a_smooth_interaction_stays_as_it_is():
    """The local fields' own part vanishes with eps."""
    eps, q = 1 / 8, 8
    cells = round(12 / eps)
    steps = jnp.arange(cells * q) / q
    kernel = smooth_kernel(eps)(jnp.minimum(steps, cells - steps))
    np.testing.assert_allclose(naive(kernel, cells), kernel[::q], rtol=1e-10)
    np.testing.assert_allclose(with_local_fields(kernel, cells), kernel[::q], rtol=2e-3)


@pytest.mark.slow
def test_a_matched_contact():
    """A ring of 10 cells: published energy of the pair, coarse errors and contacts."""
    kernel, cells, q = rough_kernel(1 / 6, 10 / 6), 10, 12
    flat = {"depth": 0.0, "length": 10 / 6}
    whole = fine(1 / 6, q, 2, kernel, **flat)
    steps = jnp.arange(cells * q) / q
    fine_kernel = kernel(jnp.minimum(steps, cells - steps))
    pair = lowest_states(whole, exchange=1).energies[0] - 2 * solved().energy
    np.testing.assert_allclose(pair, 0.1037518225, atol=2e-6)
    for make, error, contact in ((naive, -5.84e-4, 0.021710), (with_local_fields, 1.63e-4, -0.006146)):
        wave = coarse(1 / 6, cells, True, 2, circulant(make(fine_kernel, cells)), **flat)
        np.testing.assert_allclose(lowest_states(wave).energies[0] - pair, error, rtol=0.08)
        np.testing.assert_allclose(matched_contact(pair, wave), contact, rtol=0.08)
