"""Local energies and powers of driven chains: reference numbers, gauge invariance, budgets, what the residual tells of TD2RDM."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp

from qnano import lattice
from qnano.fermions.fock import occupations
from qnano.fields import AbstractField, Pulse, Ramp
from qnano.hubbard.closures import ContractionConsistent, Valdemoro
from qnano.hubbard.energetics import site_balance
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.ground_state import ground_state
from qnano.hubbard.mean_field import MeanField
from qnano.hubbard.model import FermiHubbard
from qnano.hubbard.pair import PairCorrelations
from qnano.hubbard.td2rdm import TD2RDM
from qnano.propagation import propagate as propagate_eagerly
from qnano.solvers.magnus import Magnus
from qnano.solvers.reversible import Reversible
from qnano.solvers.stepping import adaptive
from tests.oracles import fock_space

LOCAL = ("site_energy", "site_power", "energy_current", "interaction_source", "energy_residual")
BUDGET = ("site_work", "energy_transport", "interaction_transfer")


propagate = eqx.filter_jit(propagate_eagerly)


class Sine(AbstractField):
    """A(t) = a sin(w (t - t0)) exp(-(t - t0)^2 / (2 s^2)), or with `derivative` the electric field -dA/dt."""

    amplitude: jax.Array
    derivative: bool = eqx.field(static=True, default=False)

    def __call__(self, t):
        def value(t):
            return self.amplitude * jnp.sin(2.5 * (t - 5)) * jnp.exp(-((t - 5) ** 2) / 8)

        if not self.derivative:
            return value(t)[None]
        return -jax.jvp(value, (jnp.asarray(t),), (jnp.ones_like(jnp.asarray(t)),))[1][None]

    @property
    def jumps(self):
        return ()

    @property
    def is_constant(self):
        return False


def chain(**drive):
    return FermiHubbard(lattice.chain(4), (2, 2), interaction=4.0, **drive)


TIMES = jnp.array([0.0, 4.0, 5.0, 6.0, 10.0])
# Rows t = 0, 4, 5, 6, 10 of the open chain of four sites, U = 4, from a commutator-free integrator with steps of 0.005.
SITE_ENERGY = [
    [-0.365439265, -0.611128891, -0.611128891, -0.365439265],
    [0.305423641, -0.412440970, -0.135844440, -0.148353133],
    [0.458654428, -0.111822502, -0.223469139, -0.099330790],
    [-0.062031985, 0.115349396, 0.100021604, 0.684995332],
    [0.703882361, -0.038970619, -0.219215523, 0.705226878],
]
SITE_POWER = [
    [0.000138686, 0.000210994, 0.000210994, 0.000138686],
    [0.181217629, 0.349037823, 0.349037823, 0.181217629],
    [0.406243335, 0.805507282, 0.805507282, 0.406243335],
    [0.019842045, -0.022756741, -0.022756741, 0.019842045],
    [0.004658110, 0.005126238, 0.005126238, 0.004658110],
]
BOND_FLOW = [
    [0.006123366, 0.003192634, 0.006123366],
    [-0.683338476, -0.441735700, -0.270662279],
    [0.916066132, 0.798527894, 0.708907206],
    [0.141399758, 0.112128367, -0.245856073],
    [0.323118021, 0.020669209, 0.088219659],
]
WORK = [0.0, 1.561921409, 1.977168307, 2.791470656, 3.104059409]


@pytest.fixture(scope="module")
def start():
    return ground_state(chain()).psi


@pytest.fixture(scope="module")
def velocity_gauge(start):
    """The reference example; its charge of -1 in a field is one of +1 in the opposite field."""
    model = chain(vector_potential=Sine(jnp.array(-0.8)))
    return propagate(ExactHubbard(model), start, TIMES, observables=("wavefunction", *LOCAL, *BUDGET))


@pytest.mark.slow
def test_published_energies_powers_flows_and_work(velocity_gauge):
    found = velocity_gauge.observables
    np.testing.assert_allclose(found["site_energy"], SITE_ENERGY, atol=1e-8)
    np.testing.assert_allclose(found["site_power"], SITE_POWER, atol=1e-8)
    np.testing.assert_allclose(found["site_work"].sum(axis=1), WORK, atol=1e-8)
    model = chain(vector_potential=Sine(jnp.array(-0.8)))
    balance = eqx.filter_jit(lambda t, psi: site_balance(model, t, ExactHubbard(model).local_rdms(psi)))
    for t, psi, flows in zip(TIMES, found["wavefunction"], BOND_FLOW, strict=True):
        _, current, transfer = balance(t, psi)
        between = current + transfer  # on-site interactions only move energy between neighbours
        np.testing.assert_allclose([between[i + 1, i] for i in range(3)], flows, atol=1e-8)


@pytest.mark.slow
def test_the_balance_holds_at_every_time_and_in_sum(velocity_gauge):
    found = velocity_gauge.observables
    np.testing.assert_allclose(found["energy_residual"], 0, atol=1e-14)
    np.testing.assert_allclose(found["site_energy"] - found["site_energy"][0], gained(found), atol=1e-9)


def gained(found):
    """Work, what came along bonds, and what the interaction moved."""
    along = found["energy_transport"]  # into i from j over the bonds (i, i + 1) of a chain
    into = jnp.pad(along, ((0, 0), (0, 1))) - jnp.pad(along, ((0, 0), (1, 0)))
    return found["site_work"] + into + found["interaction_transfer"]


@pytest.mark.slow
def test_length_and_velocity_gauge_agree(start, velocity_gauge):
    """psi_length = exp(i A x) psi_velocity; the dipole drive is left out of the energy."""
    field = Sine(jnp.array(-0.8))
    up = occupations(4, 2) @ np.arange(4)
    phase = jnp.exp(-1j * field(0.0)[0] * (up[:, None] + up[None, :]))
    model = chain(electric_field=Sine(jnp.array(-0.8), derivative=True))
    found = propagate(ExactHubbard(model), phase * start, TIMES, observables=(*LOCAL, *BUDGET)).observables
    for name in (*LOCAL, *BUDGET):
        np.testing.assert_allclose(found[name], velocity_gauge.observables[name], atol=1e-8, err_msg=name)


@pytest.mark.slow
def test_the_work_can_be_differentiated_by_the_pulse(start):
    """dW/dA0 by the reference central differences."""

    def work(amplitude):
        dynamics = ExactHubbard(chain(vector_potential=Sine(amplitude)))
        solver = adaptive(Magnus(), rtol=1e-8, atol=1e-10)
        observables = propagate(dynamics, start, TIMES[::4], solver=solver, observables=("site_work",), monitor=False).observables
        return observables["site_work"][-1].sum()

    value, slope = eqx.filter_jit(eqx.filter_value_and_grad(work))(jnp.array(-0.8))
    np.testing.assert_allclose(value, WORK[-1], atol=1e-6)
    np.testing.assert_allclose(-slope, 6.558753, atol=1e-5)


@pytest.fixture(scope="module")
def pulsed():
    """A chain without any symmetry under a dipole pulse and a ramp of U, and its ground state before."""
    rest = {"potential": jnp.array([0.3, -0.1, 0.2, 0.5])}
    before = FermiHubbard(lattice.chain(4), (2, 2), interaction=1.0, **rest)
    pulse = Pulse(jnp.array([0.5]), 2.0, 1.0, 0.5)
    driven = FermiHubbard(lattice.chain(4), (2, 2), interaction=Ramp(1.0, 3.0, 0.3, 1.0, smooth=True), electric_field=pulse, **rest)
    return driven, ground_state(before).psi


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "residual"),
    [
        (MeanField, 1e-13),
        (lambda model: TD2RDM(model, ContractionConsistent(Valdemoro())), 1e-12),
        (lambda model: TD2RDM(model, Valdemoro()), None),  # only here D2 contracts to a D1 that does not
        (PairCorrelations, 1e-13),  # its D1 obeys its own equation of motion
    ],
)
def test_budgets_and_residuals_of_the_methods(pulsed, method, residual):
    """Energy gained = work + currents + transfers + integral of the residual, which only consistent closures have at zero."""
    model, psi = pulsed
    dynamics = method(model)
    times = jnp.linspace(0.0, 2.0, 41)
    solver = adaptive(diffrax.Dopri8(), rtol=1e-10, atol=1e-12)
    state, names = dynamics.from_wavefunction(psi), (*LOCAL, *BUDGET, "energy")
    found = propagate(dynamics, state, times, solver=solver, observables=names, monitor=False).observables
    missing = found["site_energy"] - found["site_energy"][0] - gained(found)
    left = np.asarray(found["energy_residual"])
    if residual is not None:
        np.testing.assert_allclose(left, 0, atol=residual)
        np.testing.assert_allclose(missing, 0, atol=1e-9)
    else:
        assert np.abs(left).max() > 1e-3
        simpson = (times[2] / 6) * (left[:-2:2] + 4 * left[1:-1:2] + left[2::2]).sum(axis=0)
        np.testing.assert_allclose(missing[-1], simpson, atol=2e-5)
        assert np.abs(missing[-1]).max() > 1e-3
    static = found["energy"] - found["site_energy"].sum(axis=1)  # what the dipole adds to the total energy
    assert np.abs(static).max() > 1e-2


@pytest.mark.slow
def test_td2rdm_fails_site_by_site_where_its_energy_is_conserved(velocity_gauge):
    """On the particle-hole symmetric exact D2 Valdemoro's residuals cancel in sum, but not on each site."""
    dynamics = TD2RDM(chain(vector_potential=Sine(jnp.array(-0.8))), Valdemoro())
    residual = eqx.filter_jit(lambda t, psi: dynamics.observe(t, dynamics.from_wavefunction(psi))["energy_residual"]())
    for t, psi in zip(TIMES[2:], velocity_gauge.observables["wavefunction"][2:], strict=True):
        left = residual(t, psi)
        assert np.abs(left).min() > 1e-3
        np.testing.assert_allclose(left, left[0] * np.array([1, 1, -1, -1]), atol=1e-10)


def extended():
    """Five sites with neighbour interactions of their own each."""
    strengths = jnp.array([1.0, 0.5, 1.5, 0.7])
    return FermiHubbard(lattice.chain(5), (3, 2), interaction=4.0, neighbour_interaction=strengths)


@pytest.mark.slow
def test_the_extended_model_moves_as_its_matrix_in_fock_space():
    model = extended()
    sector = fock_space.Sector(5, 3, 2)
    total = sector.occupation.sum(axis=0)
    repulsion = sum(v * total[i] * total[i + 1] for i, v in enumerate([1.0, 0.5, 1.5, 0.7]))
    matrix = sector.hamiltonian(fock_space.chain(5), 4.0) + sp.diags(repulsion)
    dynamics = ExactHubbard(model)
    psi = dynamics.determinant((0, 1, 2), (0, 3))
    times = jnp.linspace(0.0, 2.0, 5)
    found = propagate(dynamics, psi, times, observables=("wavefunction", "energy", "interaction_energy", *LOCAL)).observables
    expected = fock_space.propagate(matrix, sector.determinant((0, 1, 2), (0, 3)), times)
    np.testing.assert_allclose([sector.vector(p) for p in found["wavefunction"]], expected, atol=1e-9)
    np.testing.assert_allclose(found["energy"], np.vdot(expected[0], matrix @ expected[0]).real, atol=1e-9)
    np.testing.assert_allclose(found["site_energy"].sum(axis=1), found["energy"], atol=1e-9)
    np.testing.assert_allclose(found["energy_residual"], 0, atol=1e-12)
    assert np.abs(found["interaction_source"]).max() > 0.1
    np.testing.assert_allclose(found["interaction_source"].sum(axis=1), 0, atol=1e-12)


@pytest.mark.parametrize("method", [MeanField, PairCorrelations, lambda model: TD2RDM(model, Valdemoro())])
def test_other_methods_refuse_neighbour_interactions(method):
    with pytest.raises(ValueError, match="neighbour_interaction: got one"):
        method(FermiHubbard(lattice.chain(4), (2, 2), interaction=1.0, neighbour_interaction=0.5))


@pytest.mark.slow
def test_integrals_do_not_depend_on_the_solver(start):
    """A constant Hamiltonian from a state that moves: Chebyshev's place is taken by Magnus, beside a Runge-Kutta scheme."""
    moving = ExactHubbard(FermiHubbard(lattice.chain(4), (2, 2), interaction=1.0))
    runs = [
        propagate(moving, start, TIMES[:2], solver=solver, observables=BUDGET, monitor=False).observables
        for solver in (None, adaptive(diffrax.Dopri8(), rtol=1e-10, atol=1e-12))
    ]
    for name in BUDGET:
        np.testing.assert_allclose(runs[0][name], runs[1][name], atol=1e-8, err_msg=name)
    assert np.abs(runs[0]["energy_transport"]).max() > 1e-2


def test_a_reversible_gradient_cannot_accumulate(start):
    dynamics = ExactHubbard(chain(vector_potential=Sine(jnp.array(0.1))))
    with pytest.raises(ValueError, match="cannot accumulate site_work"):
        propagate(dynamics, start, TIMES, observables=("site_work",), adjoint=Reversible())
