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


def run(model, psi, times, dt, order=6, names=("wavefunction", *BUDGET)):
    solve = eqx.filter_jit(propagate)
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
    f = lambda x: 0.3 + jnp.sin(2 * jnp.pi * 3 * x / 7.0) + jnp.cos(2 * jnp.pi * 5 * x / 7.0)  # noqa: E731
    integral = lambda x: 0.3 * x - 7 / (6 * jnp.pi) * jnp.cos(6 * jnp.pi * x / 7) + 7 / (10 * jnp.pi) * jnp.sin(10 * jnp.pi * x / 7)  # noqa: E731
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


def test_the_hydrodynamic_balances(packet):
    """(H1), (H2) and (H3) by the time derivatives of their left-hand sides, where the density has no node."""
    grid = Grid((768,), (24.0,))
    x = grid.coordinates[0]
    psi = jnp.exp(-((x - 1) ** 2) / (4 * 0.36) + 0.3j * jnp.sin(x) - 0.2j * x**2).astype(complex)
    psi = psi / jnp.sqrt(jnp.sum(jnp.abs(psi) ** 2) * grid.volume)
    potential = 0.125 * x**2 + 0.05 * x**4 + 0.2 * x
    space = space_of(Particles(grid, potential))
    motion = lambda psi: -1j * (space.kinetic(psi) + potential * psi)  # noqa: E731
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


# hbar, <Q>, Q_Omega, quantum power in Omega, J_Q(b) - J_Q(a)
QUANTUM = """
.1 4.127562e-3 3.556349e-3 7.016596e-4 -5.990855e-4
.05 1.058528e-3 9.097345e-4 1.794229e-4 -1.728804e-4
.025 2.663588e-4 2.287504e-4 4.511043e-5 -4.469463e-5
"""


def test_quantum_parts_vanish_as_the_square_of_hbar():
    """A bound packet before its caustics, density and velocity at the start being the same for every hbar."""
    found = []
    for hbar in (0.1, 0.05, 0.025):
        grid = Grid((1024,), (16.0,))
        x = grid.coordinates[0]
        rho = jnp.exp(-((x - 1) ** 2) / (2 * 0.36)) / jnp.sqrt(2 * jnp.pi * 0.36)
        drive = Wiggle(jnp.array(-0.3), 1.0, -jnp.pi / 2)
        model = Particles(grid, 0.125 * x**2 + 0.3 * jnp.cos(x), force=drive, hbar=hbar)
        psi = run(model, jnp.sqrt(rho).astype(complex), jnp.array([0.0, 1.2]), 0.01, names=("wavefunction",))["wavefunction"][-1]
        space = space_of(model)
        omega = interval(space.waves[0], grid.origin[0], 0.25, 1.25)
        quantum = hydrodynamic_split(space, psi).quantum
        power = omega @ quantum_power(space, psi)
        found.append([quantum.sum() * space.volume, omega @ quantum, power, omega @ space.divergence(quantum_flux(space, psi))])
    np.testing.assert_allclose(found, table(QUANTUM)[:, 1:], rtol=1e-5)
    orders = np.log2(np.array(found)[1] / np.array(found)[2])
    np.testing.assert_allclose(orders, 2, atol=0.06)


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
    step = lambda s: (1 + jnp.tanh(s / 0.5)) / 2  # noqa: E731
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


def test_a_finite_difference_grid_is_a_lattice():
    """In the box of length 10, resonantly driven: bond formulas hold to round-off on any grid; numbers converge in second order."""
    errors = []
    for points in (31, 63):
        dx = 10 / (points + 1)
        x = dx * np.arange(1, points + 1)
        h = np.diag(np.full(points, 1 / dx**2)) - (np.eye(points, k=1) + np.eye(points, k=-1)) / (2 * dx**2)
        waves = [np.sqrt(2 / 10) * np.sin(n * np.pi * x / 10) for n in (1, 2)]
        psi = (waves[0] + 1j * waves[1]) / np.sqrt(2)
        drive = lambda t, x=x: 0.05 * np.sin(3 * np.pi**2 / 200 * t) * x  # noqa: E731
        motion = lambda t, y, h=h, drive=drive: -1j * (h @ y + drive(t) * y)  # noqa: E731
        psi = solve_ivp(motion, (0, 10), psi, method="DOP853", rtol=1e-10, atol=1e-12, t_eval=[10.0]).y[:, -1]
        one = jnp.asarray(dx * np.outer(psi, psi.conj()))
        nothing = jnp.zeros((points, points))
        system = Hamiltonian(jnp.asarray(h), nothing, jnp.asarray(drive(10.0)), nothing, nothing)
        balance = local_balance(system, one, jnp.zeros((points,) * 3))
        energy = lambda p, h=h, dx=dx: dx * (p.conj() * (jnp.asarray(h) @ p)).real  # noqa: E731
        rate = jax.jvp(energy, (jnp.asarray(psi),), (jnp.asarray(motion(10.0, psi)),))[1]
        np.testing.assert_allclose(balance.rate, rate, atol=1e-12)
        errors.append(
            [float(jnp.einsum("ac,ca->", jnp.asarray(h), one).real) - 0.195830648, float(balance.power.sum()) - 0.006614672]
        )
    orders = np.log2(np.abs(np.array(errors)[0] / np.array(errors)[1]))
    np.testing.assert_allclose(orders, 2, atol=0.1)
