"""Cell problems against Mathieu functions, closed forms, other routes to the same mass, and finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import mathieu_a

from qnano.cgwe.assembly import Pair
from qnano.cgwe.balance import balance
from qnano.cgwe.bloch import ArmchairRibbon, PlaneWaves
from qnano.cgwe.cell import cell_problem, coupled_bands, dispersion, k_dot_p, quartic
from qnano.cgwe.interaction import circulant, coarse_kernel, matched_contact
from qnano.cgwe.wave import Kinetics
from qnano.schrodinger.grid import Grid
from tests.cgwe.systems import LATTICE, coarse, solved

solve = jax.jit(cell_problem, static_argnames="band")
# depth: 1/m*, metric, gap, fourth derivative
CELLS = {
    1.0: (0.99488975737583, 0.00012930543473, 19.7602891953, -0.00617742),
    5.0: (0.88454450973022, 0.00285048823589, 20.2502424480, -0.12225897),
    10.0: (0.64556520619133, 0.00819462585847, 21.6196755524, -0.26446750),
}


@pytest.mark.slow
@pytest.mark.parametrize("depth", CELLS)
def test_the_lowest_band_of_a_cosine(depth):
    bloch = PlaneWaves([(1,)], [depth])
    cell = solve(bloch)
    mass, metric, gap, fourth = CELLS[depth]
    np.testing.assert_allclose(cell.energy, np.pi**2 / 2 * mathieu_a(0, depth / np.pi**2), atol=1e-10)
    np.testing.assert_allclose(cell.inverse_mass[0, 0], mass, atol=1e-10)
    np.testing.assert_allclose(cell.metric[0, 0], metric, atol=1e-10)
    np.testing.assert_allclose(cell.gap, gap, atol=1e-9)
    np.testing.assert_allclose(cell.velocity, 0.0, atol=1e-12)
    # The harmonic mean over the ground state, which asks for no other state and no derivative.
    density = jnp.abs(bloch.at(cell.state, jnp.arange(64)[None] / 64)) ** 2
    np.testing.assert_allclose(cell.inverse_mass[0, 0], 1 / (jnp.mean(density) * jnp.mean(1 / density)), atol=1e-10)
    np.testing.assert_allclose(jax.jit(quartic)(bloch, jnp.ones(1), jnp.zeros(1)), fourth, atol=1e-8)


def test_the_mass_is_the_bands_curvature():
    """Away from the zone's centre, by finite differences of eighth order of NumPy's eigenvalues."""
    k0, h = 0.7, 0.1
    weights = np.array([-1 / 560, 8 / 315, -1 / 5, 8 / 5, -205 / 72, 8 / 5, -1 / 5, 8 / 315, -1 / 560])
    levels = [np.linalg.eigvalsh(LATTICE.hamiltonian(jnp.array([k0 + h * n])))[0] for n in range(-4, 5)]
    cell = solve(LATTICE, [k0])
    np.testing.assert_allclose(cell.inverse_mass[0, 0], weights @ levels / h**2, atol=1e-10)
    np.testing.assert_allclose(dispersion(LATTICE, jnp.array([[k0 - h, k0]])), [levels[3], levels[4]], atol=1e-12)


@pytest.mark.parametrize(("k0", "band", "energy", "mass"), [
    (np.pi, 0, -0.622807405041, -1.147264445148),
    (np.pi, 1, 9.219985838182, 3.077040574910),
    (0.0, 1, 19.318899156439, -30.193907440134),
    (0.0, 2, 21.615191190005, 32.529035894207),
])  # fmt: skip
def test_other_edges(k0, band, energy, mass):
    cell = solve(LATTICE, [k0], band=band)
    np.testing.assert_allclose(cell.energy, energy, atol=1e-10)
    np.testing.assert_allclose(cell.inverse_mass[0, 0], mass, atol=1e-8)


@pytest.mark.slow
def test_derivatives_of_the_mass():
    """Published, Richardson-extrapolated central differences; in both modes."""

    def mass(depth):
        return cell_problem(PlaneWaves([(1,)], [depth])).inverse_mass[0, 0]

    np.testing.assert_allclose(jax.jit(jax.grad(mass))(5.0), -0.041542883654, atol=1e-8)
    np.testing.assert_allclose(jax.jit(jax.jacfwd(mass))(10.0), -0.048790968698, atol=1e-8)


@pytest.mark.slow
def test_derivatives_survive_crossings_of_other_bands():
    """An empty lattice, in which all higher bands are pairs."""

    def mass(depth):
        return cell_problem(PlaneWaves([(1,)], [depth], cutoff=4)).inverse_mass[0, 0]

    np.testing.assert_allclose(jax.jit(jax.grad(mass))(0.0), 0.0, atol=1e-12)
    np.testing.assert_allclose(jax.jit(mass)(0.0), 1.0, atol=1e-12)


@pytest.mark.slow
def test_two_dimensions():
    separable = solve(PlaneWaves([(1, 0), (0, 1)], [10.0, 10.0], np.eye(2), 7))
    np.testing.assert_allclose(separable.energy, -4.601552791990, atol=1e-10)
    np.testing.assert_allclose(separable.inverse_mass, 0.6455652061913 * np.eye(2), atol=1e-10)
    oblique = solve(PlaneWaves([(1, 0), (0, 1), (1, 1)], [10.0, 5.0, 5.0], np.eye(2), 7))
    np.testing.assert_allclose(oblique.energy, -2.756088831488, atol=1e-10)
    mixed, metric = -0.008813766172, 0.0003965345
    np.testing.assert_allclose(oblique.inverse_mass, [[0.687934474387, mixed], [mixed, 0.947135701185]], atol=1e-10)
    np.testing.assert_allclose(oblique.metric, [[0.0072324408, metric], [metric, 0.0011934084]], atol=1e-10)


@pytest.mark.slow
def test_three_dimensions_and_units():
    """A sum of three cosines is three lattices; here with a period, a mass and an hbar of their own on each axis alike."""
    hbar, mass, period, depth = 0.6, 2.0, 1.7, 3.0
    unit = hbar**2 / (mass * period**2)
    three = solve(PlaneWaves(np.eye(3, dtype=int).tolist(), [depth] * 3, period * np.eye(3), 2, mass=mass, hbar=hbar))
    one = solve(PlaneWaves([(1,)], [depth / unit], cutoff=2))
    np.testing.assert_allclose(three.inverse_mass, one.inverse_mass[0, 0] / mass * np.eye(3), atol=1e-10)
    np.testing.assert_allclose(three.energy, 3 * unit * one.energy, rtol=1e-12)
    np.testing.assert_allclose(three.metric, period**2 * one.metric[0, 0] * np.eye(3), atol=1e-12)


@pytest.mark.parametrize(("lines", "gap", "mass"), [
    (7, 0.234633135270, 0.136250206612),
    (9, 0.175570504585, 0.066377418510),
    (10, 0.169169973996, 0.090495832789),
])  # fmt: skip
def test_armchair_ribbons(lines, gap, mass):
    ribbon = ArmchairRibbon(lines)
    cell = solve(ribbon, band=1)
    np.testing.assert_allclose([ribbon.half_gap, ribbon.closed_mass], [gap, mass], atol=1e-10)
    np.testing.assert_allclose([cell.energy, 1 / cell.inverse_mass[0, 0]], [gap, mass], atol=1e-10)


def test_the_units_of_a_ribbon():
    """Seven lines, 2.7 eV, 1.42 A, in nm, meV and fs: the mass in electrons'."""
    hbar, electron = 658.2119569, 5685.63
    ribbon = ArmchairRibbon(7, 2700.0, 0.142, hbar=hbar)
    np.testing.assert_allclose(1 / solve(ribbon, band=1).inverse_mass[0, 0] / electron, 0.190700, rtol=1e-5)
    np.testing.assert_allclose(2 * ribbon.half_gap, 1267.019, rtol=1e-5)


@pytest.mark.slow
def test_degenerate_bands_become_an_equation_of_their_own():
    """Eight lines are a metal: velocity 3/2; and the two bands that nearly touch in the cosine, whose masses are +-30."""
    eight = ArmchairRibbon(8)
    assert coupled_bands(solve(eight, band=1), 0.01) == [0, 1]
    velocities = jax.jit(k_dot_p, static_argnums=1)(eight, (0, 1)).velocities[0]
    np.testing.assert_allclose(np.abs(np.linalg.eigvalsh(velocities)), 1.5, atol=1e-12)
    pair = solve(LATTICE, band=1)
    assert coupled_bands(pair, 0.25) == [1, 2]
    assert coupled_bands(solved(), 0.25) == [0]
    envelope = jax.jit(k_dot_p, static_argnums=1)(LATTICE, (1, 2))
    k = 0.2
    want = np.linalg.eigvalsh(LATTICE.hamiltonian(jnp.array([k])))[1:3]
    np.testing.assert_allclose(np.linalg.eigvalsh(envelope.hamiltonian(jnp.array([k]))), want, atol=2e-3)
    assert abs(float(pair.energy + pair.inverse_mass[0, 0] * k**2 / 2) - want[0]) > 0.1  # what the mass alone would say


def kernel(strength, softening, cells, points=128):
    chord = cells / np.pi * np.sin(np.pi * np.arange(points) / points)
    return strength / np.sqrt(chord**2 + softening**2)


@pytest.mark.parametrize(("depth", "strength", "energy", "own", "cross"), [
    (0.0, 5.0, 7.5796574595, 0.9679660024, 0.0320339976),
    (10.0, 5.0, 2.6, 0.4956231332, 0.0121134358),
])  # fmt: skip
def test_masses_of_a_pair(depth, strength, energy, own, cross):
    """Two cells; the total momentum's mass is bare without a lattice."""
    cell = solve(Pair(2, depth, kernel(strength, 0.5, 2), 8))
    np.testing.assert_allclose(cell.inverse_mass, [[own, cross], [cross, own]], atol=2e-6)
    if not depth:
        np.testing.assert_allclose(cell.energy, energy, atol=1e-6)
        np.testing.assert_allclose(jnp.sum(cell.inverse_mass, axis=1), 1.0, atol=1e-10)


@pytest.mark.slow
def test_a_state_with_nodes_has_an_indefinite_mass():
    """Two fermions on four cells, antiperiodic, without a lattice."""
    pair = Pair(4, 0.0, kernel(5.0, 0.5, 4), 10)
    twist = [np.pi / 4, np.pi / 4]
    levels, modes = np.linalg.eigh(pair.hamiltonian(jnp.array(twist)))
    band = next(b for b in range(20) if pair.exchange(jnp.asarray(modes[:, b])) < -0.99)
    np.testing.assert_allclose(levels[band], 4.81472649, atol=1e-5)
    inverse_mass = solve(pair, twist, band=band).inverse_mass
    np.testing.assert_allclose(inverse_mass, [[0.3208370334, 0.6791629666], [0.6791629666, 0.3208370334]], atol=1e-5)
    assert np.linalg.eigvalsh(inverse_mass)[0] < -0.3


def test_a_localised_state_does_not_move():
    """In a long and deep well, through whose walls exp(-65) gets: Thomas, Reiche and Kuhn."""
    period = 18.0
    cell = solve(PlaneWaves([(1,)], [-((period / (2 * np.pi)) ** 2)], period, 30))
    np.testing.assert_allclose(cell.inverse_mass, 0.0, atol=1e-10)


@pytest.mark.parametrize(("make", "match"), [
    (lambda: PlaneWaves([(1, 0)], [1.0]), "harmonics: got"),
    (lambda: PlaneWaves([(1,)], [1.0, 2.0]), "amplitudes, phases: got"),
    (lambda: PlaneWaves([(1,)], [np.nan]), "amplitudes: got nan"),
    (lambda: PlaneWaves([(1,)], [1j]), "amplitudes: got"),
    (lambda: PlaneWaves([(1,)], [1.0], 0.0), "vectors: got .* must be linearly independent"),
    (lambda: PlaneWaves([(1, 0)], [1.0], np.array([[1.0, 2.0], [2.0, 4.0]])), "vectors: got .* must be linearly independent"),
    (lambda: PlaneWaves([(1,)], [1.0], cutoff=0), "cutoff: got 0"),
    (lambda: PlaneWaves([(1,)], [1.0], mass=-1.0), "mass: got -1.0"),
    (lambda: ArmchairRibbon(7, mode=8), "mode: got 8; must be a whole number at least 1 and at most 7"),
    (lambda: ArmchairRibbon(1), "lines: got 1"),
    (lambda: ArmchairRibbon(7, hopping=0.0), "hopping: got 0.0"),
    (lambda: cell_problem(LATTICE, band=31), "band: got 31; must be a whole number at least 0 and at most 30"),
    (lambda: cell_problem(LATTICE, [np.inf]), "k0: got inf"),
    (lambda: cell_problem(LATTICE, [0.0, 0.0]), "k0: got"),
    (lambda: k_dot_p(LATTICE, [0, 0]), "bands: got .* each named once"),
    (lambda: k_dot_p(LATTICE, [-1]), "bands: got -1"),
    (lambda: coupled_bands(solved(), -1.0), "wavenumber: got -1.0"),
    (lambda: Pair(2, 1.0, np.ones(31), 8), "kernel: got 31; must be at 32 displacements at least"),
    (lambda: Pair(0, 1.0, np.ones(32), 8), "cells: got 0"),
    (lambda: Pair(2, 1.0, 1j * np.ones(32), 8), "kernel: got an array"),
    (lambda: circulant(jnp.full(4, jnp.nan)), "kernel: got nan"),
    (lambda: coarse_kernel(jnp.ones(15), 4, 4, jnp.ones(3, complex)), "kernel: got 15; must be a whole number of displacements"),
    (lambda: coarse_kernel(jnp.ones(16), 4, 4, jnp.ones(2, complex)), "harmonics: got 2; must be an odd number"),
    (lambda: coarse_kernel(jnp.ones(16), 4, 4, jnp.ones(3, complex), period=0.0), "period: got 0.0"),
    (lambda: matched_contact(jnp.ones(()), coarse(0.25, 8, True)), "coarse: got 1 particles on 1 axes; must be two on one"),
    (lambda: Kinetics(LATTICE, solved(), Grid((8, 8), [1.0, 1.0])), "grid: got 2 axes; must be 1"),
    (lambda: coarse(0.25, 8, True, 2, jnp.full((8, 8), jnp.nan)), "interaction: got nan"),
    (lambda: balance(1.0, 1.0, 0.0, 1.0), "length: got 0.0"),
])  # fmt: skip
def test_wrong_lattices_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
