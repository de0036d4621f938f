"""The pieces of the Chebyshev expansion and the Magnus integrator against SciPy and closed forms."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm
from scipy.special import jv

import qnano.solvers.outputs
import qnano.solvers.series
from qnano import lattice
from qnano.hamiltonian import Hermitian, pack, unpack
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.model import FermiHubbard
from qnano.propagation import propagate
from qnano.solvers.chebyshev import Chebyshev
from qnano.solvers.evolution import exponential
from qnano.solvers.expansion import coefficients, reach, serve
from qnano.solvers.magnus import Magnus
from qnano.solvers.series import Interval, series
from qnano.solvers.stepping import fixed
from qnano.trajectory import Status
from tests.hubbard.systems import driven_chain, oracle_states, ring_with_flux, unequal_spins


def test_coefficients_are_bessel_functions():
    angles = np.array([0.0, 1e-6, 0.3, 7.0, 30.0])
    orders = np.arange(64)
    want = jv(orders, angles[:, None]) * np.where(orders == 0, 1, 2)
    np.testing.assert_allclose(coefficients(jnp.asarray(angles), 64), want, atol=1e-13)


@pytest.mark.parametrize("tolerance", [1e-6, 1e-12])
def test_reach_leaves_a_tail_below_the_tolerance(tolerance):
    z = reach(64, tolerance)
    np.testing.assert_allclose(2 * jv(64, z), tolerance, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("make", [unequal_spins, ring_with_flux])
def test_exponential_matches_a_dense_one(make):
    """A real Hamiltonian, acting on real and imaginary parts apart, and a complex one."""
    system = make()
    dynamics = ExactHubbard(system.model)
    rng = np.random.default_rng(0)
    shape = dynamics.determinant(system.up, system.down).shape
    psi = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    matrix = system.sector.hamiltonian(system.h(0.0), system.interaction(0.0)).toarray()
    want = system.sector.matrix(expm(-1j * 0.8 * matrix) @ system.sector.vector(psi))
    hamiltonian = dynamics.hamiltonian(jnp.array(0.0))
    interval = Interval.between(*hamiltonian.spectral_bounds())
    got = exponential(hamiltonian, jnp.asarray(psi), jnp.array(0.8), 40, interval)
    np.testing.assert_allclose(got, want, atol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("make", [unequal_spins, ring_with_flux])
@pytest.mark.parametrize("offsets", [[0.4], [0.1, 0.4, 0.3]])
def test_clenshaws_pullback_is_that_of_the_vectors(make, offsets):
    """A real Hamiltonian and a complex one, beside the rules of the pieces: by every leaf, the state and the times."""
    system = make()
    dynamics = ExactHubbard(system.model)
    hamiltonian, interval = dynamics.hamiltonian(jnp.array(0.0)), Interval(jnp.array(0.3), jnp.array(15.0))
    shape = dynamics.determinant(system.up, system.down).shape
    rng = np.random.default_rng(0)
    psi, *costates = (jnp.asarray(rng.normal(size=shape) + 1j * rng.normal(size=shape)) for _ in range(1 + len(offsets)))

    def loss(moving, wrap):
        hamiltonian, psi, offsets = moving
        sums = series(wrap(hamiltonian), pack(hamiltonian, psi), coefficients(15.0 * offsets, 30), interval)
        return jnp.sum(jnp.stack(costates) * jax.vmap(unpack)(sums)).real

    moving = (hamiltonian, psi, jnp.asarray(offsets))
    want, got = (jax.jit(jax.grad(lambda moving, wrap=wrap: loss(moving, wrap)))(moving) for wrap in (lambda h: h, Hermitian))
    for ours, theirs, at in zip(*map(jax.tree.leaves, (got, want, moving)), strict=True):
        theirs = jnp.where(at == 0, ours, theirs)  # the tables of hops are padded with zeros
        np.testing.assert_allclose(ours, theirs, atol=1e-11 * max(1.0, float(jnp.max(jnp.abs(theirs)))))


@pytest.mark.slow
def test_magnus_is_of_fourth_order():
    system = driven_chain()
    dynamics = ExactHubbard(system.model)
    psi = dynamics.determinant(system.up, system.down)
    want = system.sector.matrix(oracle_states(system, np.array([0.0, 0.5]))[-1])  # before the ramp's first kink
    errors = []
    for steps in (8, 16, 32):
        solver = fixed(Magnus(), 0.5 / steps)
        got = eqx.filter_jit(propagate)(dynamics, psi, jnp.array([0.0, 0.5]), solver=solver).state
        errors.append(np.linalg.norm(got - want))
    rates = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (rates > 3.8).all(), (errors, rates)


def test_magnus_solves_no_eigenproblem():
    """A step asks for bounds of two spectra; each eigenproblem would make a GPU wait for its host."""
    system = driven_chain()
    dynamics = ExactHubbard(system.model)
    psi = dynamics.determinant(system.up, system.down)
    program = jax.jit(lambda t, psi: Magnus().advance(dynamics, t, 0.1 + t, psi)).lower(jnp.zeros(()), psi).as_text()
    assert "evd" not in program  # of LAPACK's names


@pytest.mark.parametrize("grid", [lattice.chain(6), lattice.rectangle(2, 3)], ids=["chain", "ladder"])
def test_bounds_of_free_particles(grid):
    """They hold for any bonds; for equal ones at half filling they are within 25 % of the extremes."""
    rng, bonds, half = np.random.default_rng(0), len(grid.bonds), grid.sites // 2
    for hopping, n in ((np.ones(bonds), half), (rng.normal(size=bonds) + 1j * rng.normal(size=bonds), 1), (np.arange(bonds), 5)):
        model = FermiHubbard(grid, (n, 0), hopping=hopping)
        levels = np.linalg.eigvalsh(model.hopping_matrix(0.0))
        least, most = levels[:n].sum(), levels[grid.sites - n :].sum()
        low, high = jax.jit(lambda t, m=model: ExactHubbard(m).hamiltonian(t).spectral_bounds())(jnp.zeros(()))
        assert low <= least and most <= high
        if n == half:
            assert high - low <= 1.25 * (most - least)


@pytest.mark.parametrize("bad", [{"tolerance": 0.0}, {"terms": 9}, {"outputs": 0}])
def test_bad_expansions_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        Chebyshev(**bad)


@pytest.mark.slow
@pytest.mark.parametrize("interaction", [float("nan"), 1e25, 1e308])
def test_hopeless_spectra_end_at_once(interaction):
    """No step can be made; a loop that waited for the last time would never end."""
    dynamics = ExactHubbard(FermiHubbard(lattice.chain(2), (1, 1), interaction=1.0))
    dynamics = eqx.tree_at(lambda d: d.model.interaction.value, dynamics, jnp.array(interaction))  # unseen by the constructor
    psi = dynamics.determinant((0,), (0,))
    trajectory = propagate(dynamics, psi, jnp.array([0.0, 1.0]), observables=("density",))
    assert trajectory.status != 0
    assert jnp.isnan(trajectory.observables["density"][-1]).all()


def test_expansions_have_a_limit():
    dynamics = ExactHubbard(FermiHubbard(lattice.chain(2), (1, 1), interaction=4.0))
    psi = dynamics.determinant((0,), (0,))
    trajectory = propagate(dynamics, psi, jnp.array([0.0, 1.0, 1e6]), observables=("density",), max_steps=3)
    assert trajectory.status == Status.STEP_LIMIT
    assert jnp.isfinite(trajectory.observables["density"][1]).all()
    assert 1.0 < trajectory.stop_time < 1e6


def test_a_gpu_decides_nothing_within_an_expansion():
    """Where a program decides, a GPU waits for its host. On a CPU one decision leaves out what is not wanted; beside it there are
    those by the platform, which the compiler takes."""
    dynamics = ExactHubbard(FermiHubbard(lattice.chain(4), (2, 2), interaction=4.0))
    hamiltonian, psi = dynamics.hamiltonian(jnp.zeros(())), dynamics.determinant((0, 2), (1, 3))
    interval, wanted = Interval(jnp.array(0.0), jnp.array(10.0)), jnp.ones(24, bool)

    def expansion(psi):
        save = lambda t, psi: {"density": dynamics.observe(t, psi)["density"]()}  # noqa: E731
        return serve(hamiltonian, psi, interval, jnp.zeros(()), jnp.linspace(0.1, 2.5, 25), wanted, save, 64)

    traced = jax.jit(expansion).trace(psi)
    programs = [traced.lower(lowering_platforms=(platform,)).as_text() for platform in ("cpu", "cuda")]
    here, there = (program.count("stablehlo.case") for program in programs)
    assert here == there + 1


@pytest.mark.slow
def test_chunks_change_nothing(monkeypatch):
    """Sums that grow by chunks of vectors, and outputs that are measured in groups, as on a GPU."""
    dynamics = ExactHubbard(FermiHubbard(lattice.chain(4), (2, 2), interaction=4.0))
    psi = dynamics.determinant((0, 2), (1, 3))
    times = jnp.linspace(0.0, 5.0, 13)

    def run():
        jax.clear_caches()
        return propagate(dynamics, psi, times, observables=("density", "rdm2")).observables

    whole = run()
    monkeypatch.setattr(qnano.solvers.series, "ROOM", 0)
    monkeypatch.setattr(qnano.solvers.series, "ADDED", 2**12)
    monkeypatch.setattr(jax.lax, "platform_dependent", lambda *args, cpu, default: default(*args))
    for room in (2**30, 2**13):  # all, and some at a time
        monkeypatch.setattr(qnano.solvers.outputs, "ROOM", room)
        for name, values in run().items():
            np.testing.assert_allclose(values, whole[name], atol=1e-13)
