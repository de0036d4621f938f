"""The third equation of the hierarchy: exact with exact slices of the four-particle RDM; its laws; runs of the closure on it."""

from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano import lattice
from qnano.fermions.contractions import contracted_three_cumulant, exact_over_up, nearest_spin_scalar
from qnano.fermions.four_slices import FourSlices
from qnano.fermions.purification import Purification
from qnano.fermions.reconstruction import nakatsuji_yasuda_cumulant, smooth_sign
from qnano.hubbard.closures import ContractionConsistent, NakatsujiYasuda, ThirdEquation
from qnano.hubbard.diagnostics import exact_three_cumulant
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.model import FermiHubbard
from qnano.hubbard.td2rdm import TD2RDM
from qnano.hubbard.third_equation import Cumulants, consistent_motion, cumulant_motion, three_motion
from qnano.propagation import propagate
from qnano.solvers.rk4 import RK4
from qnano.solvers.stepping import fixed
from tests.hubbard.systems import quench
from tests.oracles import eight_index, fock_space
from tests.oracles.fock_space import DN, UP

NOW = jnp.array(0.0)
run = eqx.filter_jit(propagate)
moving = eqx.filter_jit(cumulant_motion)


@cache
def moved(sites=4, electrons=2):
    """A singlet under way, as a sector and a vector; it was in the ground state of a chain without any symmetry."""
    sector, h = fock_space.Sector(sites, electrons, electrons), fock_space.chain(sites)
    _, psi = fock_space.ground_state(sector.hamiltonian(h, 2.0, 0.4 * np.arange(sites) ** 1.5))
    return sector, fock_space.propagate(sector.hamiltonian(h, 2.0), psi, [0.0, 0.9])[-1]


def uneven(sites, electrons, interaction=(1.0, 3.0)):
    """A model in which no site is like another, and its one-body matrix and interaction."""
    u, v = np.linspace(*interaction, sites), 0.2 * np.arange(sites)
    model = FermiHubbard(lattice.chain(sites), (electrons, electrons), interaction=u, potential=v)
    return model, fock_space.chain(sites) + np.diag(v), u


@cache
def known():
    """The model, its cumulants under way and how they move, exactly and without the four-particle cumulant."""
    model, _, _ = uneven(4, 2)
    sector, vector = moved()
    psi = jnp.asarray(sector.matrix(vector))
    velocity = ExactHubbard(model).vector_field(NOW, psi)
    cumulants = eqx.filter_jit(Cumulants.of)
    exact = eqx.filter_jit(lambda: jax.jvp(lambda x: Cumulants.of(x, model), (psi,), (velocity,))[1])()
    return model, cumulants(psi, model), exact, moving(model, NOW, cumulants(psi, model))


@pytest.mark.parametrize(
    ("sites", "electrons"), [(4, 2), (4, 3), *(pytest.param(*case, marks=pytest.mark.slow) for case in [(5, 3), (6, 3)])]
)
def test_with_exact_slices_it_is_exact(sites, electrons):
    sector, psi = moved(sites, electrons)
    model, h, u = uneven(sites, electrons)
    slices = eight_index.slices(sector.rdm(psi, UP, UP, DN, DN), sector.rdm(psi, UP, UP, UP, DN))
    velocity = -1j * (sector.hamiltonian(h, u) @ psi)
    exact = (sector.d3_uud(psi + velocity) - sector.d3_uud(psi - velocity)) / 2
    three, slices = jnp.asarray(sector.d3_uud(psi)), FourSlices(*map(jnp.asarray, slices))
    got = eqx.filter_jit(three_motion)(model, NOW, three, slices)
    assert np.abs(exact).max() > 0.01
    np.testing.assert_allclose(got, exact, atol=1e-12)


@pytest.mark.slow
def test_without_interaction_nothing_is_missing():
    """However correlated the electrons are."""
    model, now, _, _ = known()
    free = eqx.tree_at(lambda m: m.interaction.value, model, jnp.zeros(4))
    sector, vector = moved()
    psi = jnp.asarray(sector.matrix(vector))
    velocity = ExactHubbard(free).vector_field(NOW, psi)
    exact = eqx.filter_jit(lambda: jax.jvp(lambda x: exact_three_cumulant(x, free), (psi,), (velocity,))[1])()
    got = moving(free, NOW, now)
    assert jnp.abs(exact).max() > 0.01
    np.testing.assert_allclose(got.three, exact, atol=1e-12)
    np.testing.assert_allclose(eqx.filter_jit(consistent_motion)(now, got), exact, atol=1e-12)


@pytest.mark.slow
def test_motion_of_the_lower_cumulants_is_exact():
    _, _, exact, got = known()
    np.testing.assert_allclose(got.one, exact.one, atol=1e-12)
    np.testing.assert_allclose(got.two, exact.two, atol=1e-12)


@pytest.mark.slow
def test_laws_of_the_motion():
    """Symmetries; and what Delta3 gives when a particle is summed over goes with d and L."""
    _, now, exact, got = known()
    three = eqx.filter_jit(consistent_motion)(now, got)
    for x in (got.three, three):
        np.testing.assert_allclose(x, -x.transpose(1, 0, 2, 3, 4, 5), atol=1e-13)
        np.testing.assert_allclose(x, -x.transpose(0, 1, 2, 4, 3, 5), atol=1e-13)
        np.testing.assert_allclose(x, x.conj().transpose(3, 4, 5, 0, 1, 2), atol=1e-13)
        np.testing.assert_allclose(x, nearest_spin_scalar(x), atol=1e-13)
    over_up = jax.jvp(exact_over_up, (now.one, now.two), (exact.one, exact.two))[1]
    assert jnp.abs(2 * contracted_three_cumulant(got.three).half_over_up - over_up).max() > 1e-3
    np.testing.assert_allclose(2 * contracted_three_cumulant(three).half_over_up, over_up, atol=1e-12)
    np.testing.assert_allclose(contracted_three_cumulant(three).over_down, 0, atol=1e-12)
    # The exact motion has all this, and so is its own nearest; what is missing becomes less.
    np.testing.assert_allclose(eqx.filter_jit(consistent_motion)(now, exact), exact.three, atol=1e-12)
    assert jnp.linalg.norm(three - exact.three) < 0.8 * jnp.linalg.norm(got.three - exact.three)


@pytest.mark.slow
def test_the_pull_is_towards_the_local_closure():
    """By the part of the difference that contractions leave open."""
    model, now, _, _ = known()
    bare, pulled = ThirdEquation(model), ThirdEquation(model, lambda *_: 0.7)
    field = eqx.filter_jit(lambda closure: closure.memory_field(NOW, *now))
    local = eqx.filter_jit(lambda: bare.projected(now.one, now.two, nakatsuji_yasuda_cumulant(smooth_sign(now.one), now.two)))()
    np.testing.assert_allclose(field(pulled) - field(bare), -0.7 * (now.three - local), atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(("interaction", "most"), [(0.5, 0.1), (2.0, 0.4)])
def test_most_of_the_interaction_part_is_there(interaction, most):
    """The share of the motion of Delta3 that Delta4 has, over four sites after a trap."""
    free, start = quench(4, interaction)
    without = eqx.tree_at(lambda m: m.interaction.value, free, jnp.zeros(()))
    times = jnp.linspace(0.0, 8.0, 9)
    path = run(ExactHubbard(free), start.psi, times, observables=("wavefunction",)).observables["wavefunction"]

    @eqx.filter_jit
    def parts(psi):
        now, velocity = Cumulants.of(psi, free), ExactHubbard(free).vector_field(NOW, psi)
        exact = jax.jvp(lambda x: exact_three_cumulant(x, free), (psi,), (velocity,))[1]
        return [exact - cumulant_motion(model, NOW, now).three for model in (free, without)]

    missing, whole = (np.linalg.norm(x) for x in zip(*map(parts, path[1:]), strict=True))
    assert 0.1 * most < missing / whole < most


@pytest.mark.slow
@pytest.mark.parametrize("pure", [None, Purification(1e-6, 100)])
def test_a_run_is_better_than_closures_without_memory(pure):
    """No number in it is trained. Purified, D2 is changed after every step, and Delta3 with it."""
    free, start = quench(4, 1.0)
    times = jnp.linspace(0.0, 4.0, 21)
    exact = run(ExactHubbard(free), start.psi, times, observables=("rdm2",)).observables["rdm2"]
    errors = []
    for closure in (ThirdEquation(free), ContractionConsistent(NakatsujiYasuda(smooth=True))):
        dynamics = TD2RDM(free, closure, pure)
        trajectory = run(dynamics, dynamics.from_wavefunction(start.psi), times, observables=("rdm2",), solver=fixed(RK4(), 0.05))
        assert trajectory.status == 0
        errors.append(np.linalg.norm(trajectory.observables["rdm2"] - exact) / np.linalg.norm(exact))
        for law in ("energy", "contraction", "hermiticity", "particles"):
            np.testing.assert_allclose(trajectory.invariants[law], trajectory.invariants[law][0], atol=1e-6, err_msg=law)
    assert errors[0] < errors[1] / 2
