"""The reversible adjoint against the checkpointed one, central differences, and the compiler's account of its memory."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano import lattice
from qnano.fields import Pulse, Quench
from qnano.hamiltonian import Hermitian
from qnano.holstein.ehrenfest import EhrenfestOrbitals, EhrenfestState
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.mean_field import MeanField
from qnano.hubbard.model import FermiHubbard
from qnano.propagation import propagate
from qnano.schrodinger.grid import Grid
from qnano.schrodinger.model import Particles, normalised
from qnano.schrodinger.wave import Schrodinger
from qnano.solvers.chebyshev import Chebyshev
from qnano.solvers.magnus import Magnus
from qnano.solvers.reversible import Reversible
from qnano.solvers.rk4 import RK4
from qnano.solvers.splitting import blanes_moan, strang
from qnano.solvers.stepping import adaptive, fixed
from qnano.trajectory import Status
from tests.holstein.systems import random_state, ring
from tests.hubbard.systems import ring_with_flux, unequal_spins

SITES = 4
SHORT = Chebyshev(terms=16, outputs=2)


def parameters():
    """A point where no parameter has a symmetry, with a start that is no determinant."""
    rng = np.random.default_rng(0)
    psi = rng.normal(size=(6, 6)) + 1j * rng.normal(size=(6, 6))
    return {
        "interaction": jnp.array(3.0),
        "hopping": jnp.array([0.9, 1.0, 1.2]),
        "potential": jnp.array([0.1, -0.2, 0.3, 0.0]),
        "psi": jnp.asarray(psi / np.linalg.norm(psi)),
    }


def loss(point, solver, adjoint, times, names=("double_occupancy",), monitor=False):
    """A number made of what is measured, of the invariants if they are watched, and of the last state."""
    pulse = Pulse(point["amplitude"], 3.0, point["centre"], 0.7) if "amplitude" in point else None
    model = FermiHubbard(
        lattice.chain(SITES), (2, 2), point["hopping"], point["interaction"], point["potential"], vector_potential=pulse
    )
    trajectory = propagate(
        ExactHubbard(model),
        point["psi"],
        times,
        solver=solver,
        observables=names,
        adjoint=adjoint,
        monitor=monitor,
    )

    def weighted(x):
        return jnp.sum(jnp.cos(jnp.arange(x.size)).reshape(x.shape) * x)

    measured = [*trajectory.observables.values(), *trajectory.invariants.values(), jnp.abs(trajectory.state[0]) ** 2]
    return sum(map(weighted, measured))


def agree(got, want, tolerance=1e-9):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance), got, want)


@pytest.mark.slow
def test_gradients_under_a_pulse_equal_the_checkpointed_ones():
    """By what the closed form of `test_every_method` has not: the pulse, and all sites and bonds of a chain."""
    point = parameters() | {"amplitude": jnp.array([0.4]), "centre": jnp.array(1.1)}
    solver, times = adaptive(Magnus(), 1e-6, 1e-8), jnp.array([0.0, 0.2, 0.7, 3.0])
    one, other = (jax.jit(jax.value_and_grad(lambda p, a=a: loss(p, solver, a, times)))(point) for a in (Reversible(), None))
    agree(one, other)
    assert all(np.abs(slope).min() > 1e-6 for slope in jax.tree.leaves(one[1]))


@pytest.mark.slow
def test_gradients_through_invariants_equal_the_checkpointed_ones():
    """Of a constant chain, by every bond, site and number of its start."""
    point, times = parameters(), jnp.array([0.0, 0.2, 0.7, 3.0])
    names = ("double_occupancy", "density", "energy")
    value = lambda adjoint: jax.jit(jax.value_and_grad(lambda p: loss(p, SHORT, adjoint, times, names, monitor=True)))  # noqa: E731
    one, other = value(Reversible())(point), value(None)(point)
    agree(one, other)
    assert all(np.abs(slope).min() > 1e-6 for slope in jax.tree.leaves(one[1]))


@pytest.mark.slow
def test_gradients_under_a_pulse_and_vmap():
    point, solver = parameters() | {"amplitude": jnp.array([0.4]), "centre": jnp.array(1.1)}, fixed(Magnus(), 0.05)
    times, strengths = jnp.array([0.0, 0.7, 2.0]), jnp.array([0.5, 6.0])
    slope = lambda adjoint: jax.grad(lambda u: loss(point | {"interaction": u}, solver, adjoint, times))  # noqa: E731
    one_by_one = jax.jit(slope(None))
    agree(jax.jit(jax.vmap(slope(Reversible())))(strengths), jnp.stack([one_by_one(u) for u in strengths]))


@pytest.mark.slow
def test_memory_is_less_than_that_of_checkpoints():
    point, times = parameters(), jnp.array([0.0, 7.5, 15.0])

    def memory(adjoint):
        gradient = jax.jit(jax.grad(lambda p: loss(p, SHORT, adjoint, times)))
        return gradient.lower(point).compile().memory_analysis().temp_size_in_bytes

    assert memory(Reversible()) < memory(None)


@pytest.mark.slow
def test_runs_that_end_early_are_differentiated_as_far_as_they_came():
    point = parameters()

    @jax.jit
    def first_output(u):
        dynamics = ExactHubbard(FermiHubbard(lattice.chain(SITES), (2, 2), interaction=u))
        times = jnp.array([0.0, 0.5, 1e6])
        trajectory = propagate(
            dynamics, point["psi"], times, solver=SHORT, observables=("double_occupancy",), adjoint=Reversible(), max_steps=4
        )
        return trajectory.observables["double_occupancy"][1, 0], trajectory.status

    slope, status = jax.jit(jax.grad(first_output, has_aux=True))(3.0)
    difference = (first_output(3.0 + 1e-4)[0] - first_output(3.0 - 1e-4)[0]) / 2e-4
    assert status == Status.STEP_LIMIT
    np.testing.assert_allclose(slope, difference, rtol=1e-6)


def split(point, adjoint, scheme):
    """A number made of all that is measured in a Holstein ring, of the last state too; by parameters, protocol, start and end."""
    coupling, quench, frequency, hopping, end, orbitals, displacement = (point[k] for k in sorted(point))
    model = ring(displacement.size, Quench(0.3, coupling, quench), frequency=frequency, hopping=hopping)
    start = EhrenfestState(orbitals, displacement, 0.1 * displacement)
    times = jnp.stack([jnp.zeros(()), 0.4 * end, end])
    got = propagate(
        EhrenfestOrbitals(model),
        start,
        times,
        solver=fixed(scheme, 0.05),
        observables=("site_density", "momentum"),
        adjoint=adjoint,
        monitor=False,
    )
    leaves = [*got.observables.values(), jnp.abs(got.state.electrons) ** 2, got.state.displacement, got.state.momentum]
    return sum(jnp.sum(jnp.cos(jnp.arange(x.size)).reshape(x.shape) * x) for x in leaves)


@pytest.fixture(scope="module")
def splitting():
    start = random_state(4, 2)
    numbers = {"a coupling": 1.1, "b time of the quench": 0.73, "c frequency": 0.4, "d hopping": 1.2, "e end": 2.03}
    arrays = {"f orbitals": start.electrons, "g displacement": start.displacement}
    return {name: jnp.asarray(x) for name, x in numbers.items()} | arrays


@pytest.mark.slow
def test_gradients_of_a_splitting(splitting):
    """By what the steps depend on as the checkpointed ones; by times to the error of the steps, which stay where they are."""
    got = jax.jit(jax.grad(lambda p: split(p, Reversible(), blanes_moan(4))))(splitting)
    want = jax.jit(jax.grad(lambda p: split(p, None, blanes_moan(4))))(splitting)
    for name in splitting:
        agree(got[name], want[name], 1e-6 if name[0] in "be" else 1e-10)
        assert np.abs(got[name]).min() > 1e-4


@pytest.mark.slow
def test_a_splitting_is_reversed_without_checkpoints(splitting):
    """The memory of the checkpoints of a run of a hundred thousand steps at most is gone; the record of their ends remains."""
    large = splitting | {"f orbitals": jnp.zeros((32, 64), complex), "g displacement": jnp.zeros(64)}

    def memory(adjoint):
        return jax.jit(jax.grad(lambda p: split(p, adjoint, strang()))).lower(large).compile().memory_analysis().temp_size_in_bytes

    assert memory(Reversible()) < memory(None) / 5


def test_waves_that_something_absorbs_are_not_reversed():
    grid = Grid((16,), (8.0,))
    x = grid.coordinates[0]
    dynamics = Schrodinger(Particles(grid, x**2 / 2, absorber=0.1 * x**2), dt=0.05)
    with pytest.raises(ValueError, match=r"adjoint: got Reversible; .* without losses, not Schrodinger by Splitting"):
        propagate(dynamics, normalised(jnp.exp(-(x**2) + 0j), grid), jnp.array([0.0, 0.7]), adjoint=Reversible())


@pytest.mark.slow
@pytest.mark.parametrize("make", [unequal_spins, ring_with_flux])
def test_a_hermitian_matrix_is_its_own_pullback(make):
    """A real and a complex one, beside the rules of its pieces."""
    system = make()
    dynamics = ExactHubbard(system.model)
    hamiltonian = dynamics.hamiltonian(jnp.array(0.0))
    shape = dynamics.determinant(system.up, system.down).shape
    rng = np.random.default_rng(0)
    psi, cotangent = (jnp.asarray(rng.normal(size=shape) + 1j * rng.normal(size=shape)) for _ in range(2))
    _, want = jax.vjp(lambda h, x: h.apply(x), hamiltonian, psi)
    _, got = jax.vjp(lambda h, x: Hermitian(h).apply(x), hamiltonian, psi)
    padded = jax.tree.map(
        lambda leaf, ours, theirs: jnp.where(leaf == 0, ours, theirs), hamiltonian, got(cotangent)[0], want(cotangent)[0]
    )
    agree(got(cotangent), (padded, want(cotangent)[1]), 1e-13)


@pytest.mark.parametrize("solver", [fixed(RK4(), 0.1), adaptive(diffrax.Tsit5())])
def test_what_cannot_be_reversed_is_refused(solver):
    model = FermiHubbard(lattice.chain(2), (1, 1), interaction=1.0)
    dynamics = ExactHubbard(model)
    psi, times = dynamics.determinant((0,), (0,)), jnp.array([0.0, 1.0])
    with pytest.raises(ValueError, match=r"adjoint: got Reversible; .* not ExactHubbard by"):
        propagate(dynamics, psi, times, solver=solver, adjoint=Reversible())
    field = MeanField(model)
    with pytest.raises(ValueError, match=r"adjoint: got Reversible; .* not MeanField by"):
        propagate(field, field.from_wavefunction(psi), times, solver=solver, adjoint=Reversible())


@pytest.mark.slow
def test_filtered_gradients_reach_every_leaf():
    """The library's one line: eqx.filter_grad over dynamics whose leaves are not all parameters."""
    dynamics = ExactHubbard(FermiHubbard(lattice.chain(SITES), (2, 2), interaction=2.0))
    psi, times, names = parameters()["psi"], jnp.array([0.0, 1.0]), ("interaction_energy",)

    def energy(dynamics, adjoint):
        return propagate(dynamics, psi, times, observables=names, adjoint=adjoint).observables["interaction_energy"][-1]

    got, want = (eqx.filter_jit(eqx.filter_grad(energy))(dynamics, adjoint) for adjoint in (Reversible(), None))
    agree(got, want)
