"""Two fermions that repel each other on a line: balances with the interaction's source, correlation of current and force."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano.energetics.grid import (
    correlation_power,
    energy_balance,
    energy_density,
    force_power,
    interval,
    mean_field_power,
    particle_current,
)
from qnano.energetics.hydrodynamics import density_matrix_split, hydrodynamic_split, nonlocal_source, quantum_power
from qnano.schrodinger.energetics import space_of, system_of
from qnano.schrodinger.grid import Grid
from qnano.schrodinger.model import Particles
from tests.energetics.test_grid import Wiggle, levels, run, table

# E, W, P, E_Omega, P_Omega, S_Omega, J(b) - J(a), T, U, w at t = 5 and 10 (double well), 10 and 20 (harmonic)
NUMBERS = {
    "double well": (
        (5.0, 10.0),
        """
1.705699439 .224044244 .073482310 .084862455 .005236050 -.001717558 .035686022 .521629967 1.029770215 .154299257
1.777555499 .295900304 .046123312 .192245700 -.012030265 .002058280 -.038818389 .458814991 1.154501489 .164239020
""",
    ),
    "harmonic": (
        (10.0, 20.0),
        """
1.175598005 .174532808 .002931643 .302091676 .002545716 -.007097466 -.095208748 .351731510 .578263954 .245602541
1.457245525 .456180328 .014999476 .230057958 .004475528 -.016725884 -.020305603 .406820387 .846508583 .203916555
""",
    ),
}


def fermions(name):
    grid = Grid((192,), (48.0,))
    x = grid.coordinates[0]
    potential = 0.5 * 0.25**2 * x**2
    drive = Wiggle(jnp.array(-0.05), 0.3, -jnp.pi / 2)
    if name == "double well":
        potential = potential + 0.6 * jnp.exp(-((x - 0.5) ** 2) / 1.2) + 0.02 * x
        drive = Wiggle(jnp.array(-0.1), 0.45, -jnp.pi / 2)
    a, b = levels(x, 0.4, centre=0.7)
    psi = (jnp.outer(b, a) - jnp.outer(a, b)) / jnp.sqrt(2)
    repulsion = grid.pairs(lambda r: 1 / jnp.sqrt(r**2 + 1), periodic=False)
    return Particles(grid, potential, number=2, interaction=repulsion, force=drive), psi.astype(complex)


@pytest.fixture(scope="module", params=["double well", pytest.param("harmonic", marks=pytest.mark.slow)])
def moved(request):
    model, psi = fermions(request.param)
    times, text = NUMBERS[request.param]
    times = jnp.array([0.0, *times])
    names = ("wavefunction", "energy_density", "balance_residual", "work_density", "outflow_density", "transfer_density")
    return request.param, model, times, table(text), run(model, psi, times, 0.04, order=4, names=names)


@pytest.mark.slow
def test_energies_powers_and_sources(moved):
    _, model, times, expected, found = moved
    space = space_of(model)
    omega, dx = interval(space.waves[0], model.grid.origin[0], -2.0, 1.5), space.volume

    @jax.jit
    def row(t, psi, work):
        system = system_of(model, t)
        eps, (flux, power, source) = energy_density(space, system, psi), energy_balance(space, system, psi)
        kinetic = energy_density(space, system, psi, partition="kinetic").sum() * dx
        potential = (system.potential * jnp.sum(jnp.abs(psi) ** 2, axis=1)).sum() * 2 * dx**2
        repulsion = eps.sum() * dx - kinetic - potential
        total = (eps.sum() * dx, work.sum() * dx, power.sum() * dx)
        regional = (omega @ eps, omega @ power, omega @ source, omega @ space.divergence(flux))
        return jnp.stack([*total, *regional, kinetic, potential, repulsion]), source.sum() * dx

    for t, psi, work, numbers in zip(times[1:], found["wavefunction"][1:], found["work_density"][1:], expected, strict=True):
        values, created = row(t, psi, work)
        np.testing.assert_allclose(values, numbers, atol=2e-7)
        np.testing.assert_allclose(created, 0, atol=1e-14)


@pytest.mark.slow
def test_the_balance_needs_the_source(moved):
    _, _, _, _, found = moved
    np.testing.assert_allclose(found["balance_residual"], 0, atol=3e-6)
    gained, moved_ = found["work_density"] - found["outflow_density"], found["transfer_density"]
    change = found["energy_density"] - found["energy_density"][0]
    np.testing.assert_allclose(change, gained + moved_, atol=1e-6)
    assert np.abs(change - gained).max() > 1e-2


@pytest.mark.slow
def test_the_kinetic_balance_by_forces_and_their_correlations(moved):
    _, model, times, _, found = moved
    t, psi, space = times[-1], found["wavefunction"][-1], space_of(model)
    system = system_of(model, t)

    def motion(psi):
        return -1j * (space.kinetic(psi, 0) + space.kinetic(psi, 1) + model.energy_surface(t) * psi)

    for ordering in (0.0, 1.0):

        def energy(psi, a=ordering):
            return energy_density(space, system, psi, a, "kinetic")

        rate = jax.jvp(energy, (psi,), (motion(psi),))[1]
        flux, power, _ = energy_balance(space, system, psi, ordering, "kinetic")
        np.testing.assert_allclose(rate, power - space.divergence(flux), atol=1e-6)


@jax.jit
def correlations(model, t, psi):
    """int |P_w|, and of what Hartree-Fock and Hartree miss of it; the four highest natural occupations; parts of the energy."""
    space, interaction = space_of(model), system_of(model, t).interaction
    exact = correlation_power(space, interaction, psi)
    missed = [exact, exact - mean_field_power(space, interaction, psi)]
    missed.append(exact - mean_field_power(space, interaction, psi, exchange=False))
    occupied = jnp.linalg.eigvalsh(2 * space.volume**2 * psi @ psi.conj().T)[:-5:-1]
    split, known = hydrodynamic_split(space, psi), density_matrix_split(space, psi)
    parts = jnp.stack([part.sum() * space.volume for part in (split.convective, *known)])
    return jnp.stack([jnp.abs(m).sum() * space.volume for m in missed]), occupied, parts


@pytest.mark.slow
def test_correlations_of_current_and_force(moved):
    """Published numbers of the double well at t = 10 and 20."""
    name, model, times, _, found = moved
    if name == "double well":
        psi = found["wavefunction"][-1]
        missed, occupied, parts = correlations(model, times[-1], psi)
        np.testing.assert_allclose(missed, [0.02304, 0.00322, 0.080], rtol=0.01)
        np.testing.assert_allclose(occupied[:2], 0.987, atol=6e-4)
        later = run(model, psi, jnp.array([10.0, 20.0]), 0.04, order=4, names=("wavefunction",))["wavefunction"][-1]
        missed, occupied, parts = correlations(model, jnp.array(20.0), later)
        np.testing.assert_allclose(missed, [0.02534, 0.00811, 0.025], rtol=0.02)
        np.testing.assert_allclose(occupied[:2], 0.922, atol=6e-4)
        np.testing.assert_allclose(parts, [0.30140, 0.259177, 0.054113, 0.124491], rtol=5e-3)


@pytest.mark.slow
def test_the_quantum_force_in_a_region(moved):
    """Published powers of drive, potential, repulsion and quantum force, the change of the convective energy, the source."""
    name, model, times, _, found = moved
    if name == "double well":

        @jax.jit
        def row(model, t, psi):
            space, system = space_of(model), system_of(model, t)
            omega, current = interval(space.waves[0], model.grid.origin[0], -2.0, 1.5), particle_current(space, psi)

            def motion(psi):
                return -1j * (space.kinetic(psi, 0) + space.kinetic(psi, 1) + model.energy_surface(t) * psi)

            rate = jax.jvp(lambda psi: hydrodynamic_split(space, psi).convective, (psi,), (motion(psi),))[1]
            powers = [force_power(space, field, current) for field in (system.drive, system.potential)]
            powers += [correlation_power(space, system.interaction, psi), quantum_power(space, psi)]
            return jnp.stack([omega @ density for density in (*powers, rate, nonlocal_source(space, psi, motion))])

        found = row(model, times[-1], found["wavefunction"][-1])
        np.testing.assert_allclose(found, [-0.01203, 0.00701, -0.00445, 0.00501, -0.00287, -0.00201], atol=6e-5)


@pytest.mark.slow
def test_the_energy_of_fermions_in_parts(moved):
    name, model, _, _, found = moved
    space, psi = space_of(model), found["wavefunction"][-1]
    split = hydrodynamic_split(space, psi)
    np.testing.assert_allclose(split.quantum.sum(), split.osmotic.sum(), rtol=2e-2)  # equal but for the points next to nodes
    known = density_matrix_split(space, psi)
    assert known.dispersion.min() > -1e-9
    assert known.dispersion.sum() * space.volume > 0.05
    if name == "double well":
        np.testing.assert_allclose(split.convective.sum() * space.volume, 0.27881, rtol=5e-3)
