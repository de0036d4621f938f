"""Balances on grids: driven oscillator, double barrier, interacting fermions against reference numbers and closed forms."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from qnano.energetics.grid import (
    System,
    electrode_current,
    energy_balance,
    energy_density,
    interval,
    kinetic_density,
    particle_current,
    step_alarm,
)
from qnano.energetics.hydrodynamics import density_matrix_split, hydrodynamic_split, nonlocal_source, quantum_flux, quantum_power
from qnano.energetics.lattice import Hamiltonian, local_balance
from qnano.fields import AbstractField
from qnano.propagation import propagate
from qnano.schrodinger.energetics import space_of, system_of
from qnano.schrodinger.grid import Grid
from qnano.schrodinger.model import Particles
from qnano.schrodinger.wave import Schrodinger
from qnano.solvers.splitting import blanes_moan
from qnano.solvers.stepping import fixed

BUDGET = ("work_density", "outflow_density", "transfer_density")


class Wiggle(AbstractField):
    """F(t) = amplitude cos(frequency t + phase) along the axis."""

    amplitude: jax.Array
    frequency: float
    phase: float = 0.0

    def __call__(self, t):
        return (self.amplitude * jnp.cos(self.frequency * t + self.phase))[None]

    @property
    def jumps(self):
        return ()

    @property
    def is_constant(self):
        return False


def levels(x, frequency, centre=0.0):
    """The two lowest states of an oscillator, hbar = m = 1."""
    s = x - centre
    ground = (frequency / jnp.pi) ** 0.25 * jnp.exp(-0.5 * frequency * s**2)
    return ground, jnp.sqrt(2 * frequency) * s * ground


solve = eqx.filter_jit(propagate)


def run(model, psi, times, dt, order=6, names=("wavefunction", *BUDGET)):
    return solve(Schrodinger(model), psi, times, solver=fixed(blanes_moan(order), dt), observables=names).observables


@pytest.fixture(scope="module")
def oscillator():
    """w0 = 0.5 under E = 0.1 cos 0.4 t on a charge of -1, from a superposition of the two lowest states."""
    grid = Grid((256,), (40.0,))
    x = grid.coordinates[0]
    model = Particles(grid, 0.125 * x**2, force=Wiggle(jnp.array(-0.1), 0.4))
    ground, excited = levels(x, 0.5)
    psi = (ground + jnp.exp(1j * jnp.pi / 3) * excited) / jnp.sqrt(2)
    times = jnp.array([0.0, 10.0, 20.0, 40.0])
    return model, times, run(model, psi, times, 0.2, names=("wavefunction", "balance_residual", "energy_density", *BUDGET))


def test_an_interval_is_integrated_for_any_ends():
    waves = 2 * jnp.pi * jnp.fft.fftfreq(64, 1 / 64) / 7.0
    x = -3.0 + jnp.arange(64) * 7.0 / 64

    def f(x):
        return 0.3 + jnp.sin(2 * jnp.pi * 3 * x / 7.0) + jnp.cos(2 * jnp.pi * 5 * x / 7.0)

    def integral(x):
        return 0.3 * x - 7 / (6 * jnp.pi) * jnp.cos(6 * jnp.pi * x / 7) + 7 / (10 * jnp.pi) * jnp.sin(10 * jnp.pi * x / 7)

    found = interval(waves, -3.0, -1.1, 2.345) @ f(x)
    np.testing.assert_allclose(found, integral(2.345) - integral(-1.1), atol=1e-13)


# t, E, W, P, E_Omega symmetrised and gradient, P_Omega, J_s(b) - J_s(a), J_g(b) - J_g(a), convective, quantum, U
OSCILLATOR = """
.5 0 -.0433012702 .3833009362 .3398299926 -.0384576144 -.0357496986 -.0369097973 .1430299394 .1069700606 .25
.5467677058 .0467677058 .03653472 .4164558686 .3585646778 .032738823 .0699106827 .0582878135 .2114387548 .1290428738 .2062860772
.8524121991 .3524121991 .0074878009 .0794891265 .1534706311 .0007638554 -.2438977022 -.1820049942 .1845743143 .1720073705 .4958305142
1.3996368905 .8996368905 -.0657606026 .5010645263 .4986234283 -.0324033629 -.5472067248 -.4285816023 .2529764619 .2314607933 .9151996353
"""  # noqa: E501


def table(text):
    return np.array([line.split() for line in text.strip().splitlines()], dtype=float)


@pytest.mark.slow
def test_the_driven_oscillator_as_in_closed_form(oscillator):
    model, times, found = oscillator
    space, omega = space_of(model), interval(space_of(model).waves[0], model.grid.origin[0], -1.25, 2.5)
    dx = model.grid.volume

    @jax.jit
    def row(t, psi, work):
        system = system_of(model, t)
        eps, grad = (energy_density(space, system, psi, ordering=a) for a in (1.0, 0.0))
        sym, gra = (energy_balance(space, system, psi, ordering=a) for a in (1.0, 0.0))
        split = hydrodynamic_split(space, psi)
        potential = system.potential * jnp.abs(psi) ** 2
        flows = (omega @ space.divergence(balance.flux) for balance in (sym, gra))
        totals = (values.sum() * dx for values in (split.convective, split.quantum, potential))
        first = (eps.sum() * dx, work.sum() * dx, sym.power.sum() * dx, omega @ eps, omega @ grad, omega @ sym.power)
        return jnp.stack([*first, *flows, *totals])

    for t, psi, work, expected in zip(times, found["wavefunction"], found["work_density"], table(OSCILLATOR), strict=True):
        np.testing.assert_allclose(row(t, psi, work), expected, atol=2e-9)


@pytest.mark.slow
def test_the_balance_of_the_oscillator_holds_locally_and_in_sum(oscillator):
    _, _, found = oscillator
    np.testing.assert_allclose(found["balance_residual"], 0, atol=1e-9)
    gained = found["work_density"] - found["outflow_density"] + found["transfer_density"]
    np.testing.assert_allclose(found["energy_density"] - found["energy_density"][0], gained, atol=1e-8)


@pytest.fixture(scope="module")
def packet():
    """A moving packet with structure, far from the edges, and a potential that is not periodic."""
    grid = Grid((256,), (40.0,))
    x = grid.coordinates[0]
    psi = jnp.exp(-((x - 1) ** 2) / 3 + 0.8j * x) + 0.4 * jnp.exp(-((x + 2) ** 2) / 2 - 1.1j * x + 0.3j * x**2)
    psi = psi / jnp.sqrt(jnp.sum(jnp.abs(psi) ** 2) * grid.volume)
    return Particles(grid, 0.1 * x**2 + 0.3 * jnp.cos(x)), psi, x


@pytest.mark.slow
@pytest.mark.parametrize("ordering", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("partition", ["kinetic", "internal", "total"])
def test_every_ordering_and_partition_has_its_balance(packet, ordering, partition):
    model, psi, x = packet
    space = space_of(model)
    drive = 0.2 * x + 0.1 * jnp.sin(x)
    system = System(model.potential(0.0), drive, drive_rate=0.05 * x)

    def motion(psi):
        return -1j * (space.kinetic(psi) + (system.potential + drive) * psi)

    def energy(v, psi):
        return energy_density(space, system._replace(drive=v), psi, ordering, partition)

    rate = jax.jvp(energy, (drive, psi), (system.drive_rate, motion(psi)))[1]
    flux, power, source = energy_balance(space, system, psi, ordering, partition)
    assert jnp.abs(rate).max() > 1e-2
    np.testing.assert_allclose(rate, power + source - space.divergence(flux), atol=1e-10)
    total = kinetic_density(space, psi, ordering).sum()
    np.testing.assert_allclose(total, kinetic_density(space, psi, 1.0).sum(), rtol=1e-13)


def test_energy_flux_and_power_do_not_depend_on_the_gauge(packet):
    model, psi, x = packet
    space, system = space_of(model), System(model.potential(0.0), 0.2 * x)
    shift = jnp.array([0.7])
    moved = eqx.tree_at(lambda s: s.shift, space, shift, is_leaf=lambda leaf: leaf is None)
    turned = jnp.exp(1j * shift[0] * x) * psi
    for ordering in (0.0, 1.0):
        expected = energy_density(space, system, psi, ordering), *energy_balance(space, system, psi, ordering)
        found = energy_density(moved, system, turned, ordering), *energy_balance(moved, system, turned, ordering)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-11)
    careless = energy_density(space, system, turned)  # the derivative without the vector potential
    assert jnp.abs(careless - energy_density(space, system, psi)).max() > 1e-2


def test_a_bias_delivers_its_power_through_the_electrode_current(packet):
    model, psi, x = packet
    space = space_of(model)
    charge, bias, profile = -1.0, 0.37, (1 + jax.scipy.special.erf(x / 3)) / 2
    current = energy_balance(space, System(model.potential(0.0), charge * bias * profile), psi).power.sum() * space.volume / bias
    found = electrode_current(space, charge, particle_current(space, psi), profile)
    np.testing.assert_allclose(found, current, rtol=1e-12)
    slope = jnp.exp(-((x / 3) ** 2)) / (3 * jnp.sqrt(jnp.pi))
    np.testing.assert_allclose(found, -charge * jnp.sum(particle_current(space, psi)[0] * slope) * space.volume, rtol=1e-10)


def test_the_alarm_tells_a_step_that_is_too_long():
    """The reference double barrier at dx = 0.195 nm, m = 0.067 m_e allows steps of 0.014 fs."""
    mass = 0.067 * 0.6582119569**2 / (2 * 0.0380998212)
    model = Particles(Grid((2048,), (400.0,)), jnp.zeros(2048), mass=mass, hbar=0.6582119569)
    space = space_of(model)
    assert step_alarm(space, 0.01) < 1 < step_alarm(space, 0.05)
    np.testing.assert_allclose(step_alarm(space, 0.05) * np.pi, 11, atol=0.2)


@pytest.mark.slow
def test_the_hydrodynamic_balances(packet):
    """(H1), (H2) and (H3) by the time derivatives of their left-hand sides, where the density has no node."""
    grid = Grid((768,), (24.0,))
    x = grid.coordinates[0]
    psi = jnp.exp(-((x - 1) ** 2) / (4 * 0.36) + 0.3j * jnp.sin(x) - 0.2j * x**2).astype(complex)
    psi = psi / jnp.sqrt(jnp.sum(jnp.abs(psi) ** 2) * grid.volume)
    potential = 0.125 * x**2 + 0.05 * x**4 + 0.2 * x
    space = space_of(Particles(grid, potential))

    def motion(psi):
        return -1j * (space.kinetic(psi) + potential * psi)

    rate = jax.jvp(lambda psi: hydrodynamic_split(space, psi), (psi,), (motion(psi),))[1]
    split, current = hydrodynamic_split(space, psi), particle_current(space, psi)
    velocity = current / jnp.maximum(jnp.abs(psi) ** 2, 1e-200)
    body = jnp.abs(psi) ** 2 > 1e-6
    flux = velocity * split.convective
    left = rate.convective + space.divergence(flux)
    classical = energy_balance(space, System(jnp.zeros_like(x), potential), psi).power
    np.testing.assert_allclose(left[body], (classical + quantum_power(space, psi))[body], atol=1e-7)
    source = nonlocal_source(space, psi, motion)
    expected = -quantum_power(space, psi) - space.divergence(quantum_flux(space, psi))
    np.testing.assert_allclose(source[body], expected[body], atol=1e-7)
    np.testing.assert_allclose((quantum_power(space, psi) + source).sum() * space.volume, 0, atol=1e-9)
    gradient = kinetic_density(space, psi, 0.0)
    np.testing.assert_allclose(split.convective + split.osmotic, gradient, atol=1e-10)
    np.testing.assert_allclose(density_matrix_split(space, psi).dispersion, 0, atol=1e-10)


# hbar, <Q>, Q_Omega, quantum power in Omega, J_Q(b) - J_Q(a), and what P, K_Omega and P_Omega have beyond a classical ensemble
QUANTUM = """
.1 4.127562e-3 3.556349e-3 7.016596e-4 -5.990855e-4 1.096e-4 3.171e-4 3.969e-4
.05 1.058528e-3 9.097345e-4 1.794229e-4 -1.728804e-4 2.743e-5 7.896e-5 1.032e-4
.025 2.663588e-4 2.287504e-4 4.511043e-5 -4.469463e-5 6.860e-6 1.972e-5 2.604e-5
"""


@jax.jit
def classical_and_quantum(model, t, psi):
    space = space_of(model)
    omega = interval(space.waves[0], model.grid.origin[0], 0.25, 1.25)
    split, power = hydrodynamic_split(space, psi), energy_balance(space, system_of(model, t), psi).power
    force, flow = omega @ quantum_power(space, psi), omega @ space.divergence(quantum_flux(space, psi))
    parts = (split.quantum.sum() * space.volume, omega @ split.quantum, force, flow)
    return jnp.stack([*parts, power.sum() * space.volume, omega @ split.convective, omega @ power])


def released(shape, time, hbars):
    """Parts of a packet that was pushed in a potential for a while; density and velocity at its start do not depend on hbar."""
    found = []
    for hbar in hbars:
        grid = Grid((1024,), (16.0,))
        x = grid.coordinates[0]
        rho = jnp.exp(-((x - 1) ** 2) / (2 * 0.36)) / jnp.sqrt(2 * jnp.pi * 0.36)
        drive = Wiggle(jnp.array(-0.3), 1.0, -jnp.pi / 2)
        model = Particles(grid, shape(x), force=drive, hbar=hbar)
        moved = run(model, jnp.sqrt(rho).astype(complex), jnp.array([0.0, time]), 0.01, names=("wavefunction",))
        found.append(classical_and_quantum(model, jnp.array(time), moved["wavefunction"][-1]))
    return np.array(found)


@pytest.mark.slow
def test_quantum_parts_vanish_as_the_square_of_hbar():
    """A bound packet before its caustics."""
    found = released(lambda x: 0.125 * x**2 + 0.3 * jnp.cos(x), 1.2, (0.1, 0.05, 0.025))
    found[:, 4:] -= [0.064779907, 0.010572863, 0.031265688]  # the classical ensemble's
    np.testing.assert_allclose(found[:, :4], table(QUANTUM)[:, 1:5], rtol=1e-5)
    np.testing.assert_allclose(found[:, 4:], table(QUANTUM)[:, 5:], rtol=1e-3)
    np.testing.assert_allclose(np.log2(found[1] / found[2]), 2, atol=0.06)


@pytest.mark.slow
def test_beyond_caustics_only_totals_become_classical():
    """The power does with the square of hbar, <Q> more slowly, the quantum force in a region and its flux not at all."""
    found = released(lambda x: 0.125 * x**2 + 0.05 * x**4, 0.8, (0.4, 0.2, 0.1, 0.05))
    orders = np.log2(found[:-1, 0] / found[1:, 0])
    assert np.all((orders > 1.1) & (orders < 1.6))
    total = np.diff(found[:, 4])
    np.testing.assert_allclose(np.log2(total[:-1] / total[1:]), 2, atol=0.05)
    np.testing.assert_allclose(np.abs(found[2:, 2]), 0.05, atol=0.01)
    np.testing.assert_allclose(np.abs(found[2:, 3]), 0.14, atol=0.01)


# t, E, W, P, E_Omega, P_Omega, J(a), J(b), I, convective, quantum, U, transmitted
BARRIER = """
40 .101436492 4.489096e-4 5.800425e-5 7.505084e-4 9.12444e-6 1.11842e-4 8.1177e-6 1.198021e-3 .097937855 .002517998 .000980640 .000258
80 .103068066 2.080483e-3 -1.141790e-4 1.649951e-2 -7.13861e-5 8.36630e-4 2.38480e-4 4.723015e-3 .018687864 .073574466 .010805736 .036131
"""  # noqa: E501


class Bias(AbstractField):
    """U(x) + 0.05 sin(0.03 t / hbar) times minus the ramp; what drives is told apart by `driven`."""

    static: jax.Array
    ramp: jax.Array
    frequency: float

    def __call__(self, t):
        return self.static - 0.05 * jnp.sin(self.frequency * t) * self.ramp

    @property
    def jumps(self):
        return ()

    @property
    def is_constant(self):
        return False


@pytest.mark.slow
def test_a_packet_at_a_double_barrier_under_bias():
    """Electron volts, nanometres, femtoseconds; the bias is a drive, which the model has in its potential."""
    hbar = 0.6582119569
    grid = Grid((2048,), (400.0,))
    x = grid.coordinates[0]

    def step(s):
        return (1 + jnp.tanh(s / 0.5)) / 2

    barriers = 0.3 * sum(step(x - a) - step(x - b) for a, b in ((-4.5, -2.5), (2.5, 4.5)))
    ramp = (1 + jax.scipy.special.erf(x / 9)) / 2
    model = Particles(grid, Bias(barriers, ramp, 0.03 / hbar), mass=0.067 * hbar**2 / (2 * 0.0380998212), hbar=hbar)
    psi = jnp.exp(-((x + 60) ** 2) / (4 * 12**2) + 1j * jnp.sqrt(0.1 * 0.067 / 0.0380998212) * x)
    psi = psi / jnp.sqrt(jnp.sum(jnp.abs(psi) ** 2) * grid.volume)
    times = jnp.array([0.0, 40.0, 80.0])
    states = run(model, psi, times, 0.0125, order=4, names=("wavefunction",))["wavefunction"]
    space = space_of(model)
    omega = interval(space.waves[0], grid.origin[0], -4.4921875, 4.4921875)
    start = energy_density(space, System(barriers, 0 * x), psi).sum() * space.volume
    for t, state, (_, *numbers) in zip(times[1:], states[1:], table(BARRIER), strict=True):
        bias = -0.05 * jnp.sin(0.03 / hbar * t)
        system = System(barriers, bias * ramp)
        eps, (flux, power, _) = energy_density(space, system, state), energy_balance(space, system, state)
        split = hydrodynamic_split(space, state)
        current = electrode_current(space, 1.0, particle_current(space, state), ramp)
        total = eps.sum() * space.volume
        np.testing.assert_allclose(power.sum() * space.volume, bias * current, rtol=1e-10)
        ends = [space.volume * jnp.sum(f * flux[0]) for f in (low_end(space, grid, -4.4921875), low_end(space, grid, 4.4921875))]
        found = [total, total - start, bias * current, omega @ eps, omega @ power, *ends, -current]
        parts = [split.convective.sum(), split.quantum.sum(), (barriers * jnp.abs(state) ** 2).sum()]
        transmitted = jnp.where(x > 4.5, jnp.abs(state) ** 2, 0.0).sum() * space.volume
        found = [*found, *(p * space.volume for p in parts), transmitted]
        np.testing.assert_allclose(np.array(found[:-1]), np.array(numbers[:-1]), rtol=1e-5, atol=1e-9)
        np.testing.assert_allclose(transmitted, numbers[-1], atol=6e-7)


def low_end(space, grid, place):
    """Weights by which a sum over points times their volume is the value at `place`."""
    k, n = space.waves[0], space.waves[0].size
    return (jnp.exp(1j * k * (place - grid.origin[0] - grid.volume * jnp.arange(n)[:, None])).sum(axis=1)).real / (n * grid.volume)


def box(points, kinetic, times):
    """A box of length 10, driven at the resonance of its two lowest states: energy, work, power and the balance's error."""
    dx = 10 / (points + 1)
    x = dx * np.arange(1, points + 1)
    waves = [np.sqrt(2 / 10) * np.sin(n * np.pi * x / 10) for n in (1, 2)]

    def drive(t):
        return 0.05 * np.sin(3 * np.pi**2 / 200 * t) * x

    def motion(t, y):
        return -1j * (kinetic @ y[:points] + drive(t) * y[:points])

    start = (waves[0] + 1j * waves[1]) / np.sqrt(2)
    states = solve_ivp(motion, (0, times[-1]), start, method="DOP853", rtol=1e-10, atol=1e-12, t_eval=times).y.T
    nothing, h = jnp.zeros((points, points)), jnp.asarray(kinetic)

    def energy(p):
        return dx * (p.conj() * (h @ p)).real

    found = []
    for t, psi in zip(times, states, strict=True):
        system = Hamiltonian(h, nothing, jnp.asarray(drive(t)), nothing, nothing)
        balance = local_balance(system, jnp.asarray(dx * np.outer(psi, psi.conj())), jnp.zeros((points,) * 3))
        rate = jax.jvp(energy, (jnp.asarray(psi),), (jnp.asarray(motion(t, psi)),))[1]
        np.testing.assert_allclose(balance.rate, rate, atol=1e-12)
        total = float(energy(psi).sum())
        found.append([total, total - float(energy(start).sum()), float(balance.power.sum())])
    return np.array(found)


@pytest.mark.slow
def test_a_finite_difference_grid_is_a_lattice():
    """Bond formulas hold to round-off on any grid; numbers converge in second order."""
    errors = []
    for points in (31, 63):
        dx = 10 / (points + 1)
        h = np.diag(np.full(points, 1 / dx**2)) - (np.eye(points, k=1) + np.eye(points, k=-1)) / (2 * dx**2)
        errors.append(box(points, h, [10.0])[0, [0, 2]] - [0.195830648, 0.006614672])
    np.testing.assert_allclose(np.log2(np.abs(errors[0] / errors[1])), 2, atol=0.1)


def test_sines_in_a_box_are_a_lattice_of_all_hops():
    """The same formulas where every point hops to every other: the published energies, work and power at t = 10 and 20."""
    points = 31
    n = np.arange(1, points + 1)
    sines = np.sqrt(2 / (points + 1)) * np.sin(np.pi * np.outer(n, n) / (points + 1))
    found = box(points, sines @ np.diag((n * np.pi / 10) ** 2 / 2) @ sines, [10.0, 20.0])
    np.testing.assert_allclose(found[0], [0.195830648, 0.072460596, 0.006614672], atol=2e-6)
    np.testing.assert_allclose(found[1, :2], [0.135719853, 0.012349799], atol=2e-6)
