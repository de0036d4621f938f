"""Surrogates: published sizes, symmetries and conservation laws, limits in which they are exact; their training and judgement."""

from dataclasses import replace

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from scipy.ndimage import correlate

from qnano.errors import InputError
from qnano.holstein.ehrenfest import EhrenfestDensity, EhrenfestState
from qnano.learning import judgement
from qnano.learning.emulation import Plan, Samples, Stage, begin, fit, scales
from qnano.learning.generator import GeneratorNetwork, exponential
from qnano.learning.parc import Convolution, Parc, Scales, SingleNetwork, Trunk, from_image, image
from qnano.learning.surrogates import Conditions, field_errors, rate, roll_out
from qnano.propagation import propagate
from qnano.solvers.splitting import blanes_moan, strang
from qnano.solvers.stepping import fixed
from tests.holstein.systems import random_state, ring, stacked

CONDITIONS = Conditions(*map(jnp.asarray, (0.9, 0.3, 0.8, 0.64)))
UNIT = Scales(1.0, 1.0, 1.0)


def density_state(sites: int, seed: int = 0) -> EhrenfestState:
    return EhrenfestDensity(ring(sites, 0.9)).from_orbitals(random_state(sites, sites // 2, seed))


def weighty(network, size=20.0):
    """Weights in double precision, larger than those of a beginner."""
    return jax.tree.map(lambda x: size * x.astype(float) if eqx.is_inexact_array(x) else x, network)


@pytest.fixture(scope="module")
def generator():
    return weighty(GeneratorNetwork(6, 2, 2, jax.random.key(0)), 3.0)


def moved(sites, state, times):
    """rho, Q, P at `times` of the exact motion."""
    names = ("density_matrix", "displacement", "momentum")
    dynamics, solver = EhrenfestDensity(ring(sites, 0.9)), fixed(blanes_moan(), 0.1)
    got = propagate(dynamics, state, times, solver=solver, observables=names, adjoint=diffrax.ForwardMode())
    return jax.vmap(EhrenfestState)(*got.observables.values())


@pytest.mark.slow
@pytest.mark.parametrize(("channels", "blocks", "count"), [(16, 1, 5364), (128, 4, 1187972)])
def test_networks_have_the_published_numbers_of_weights(channels, blocks, count):
    trunk = Trunk(channels, blocks, 0.0, jax.random.key(0), zero=True)
    assert sum(x.size for x in jax.tree.leaves(eqx.filter(trunk, eqx.is_array))) == count


@pytest.mark.slow
def test_convolutions_are_those_of_scipy():
    layer, x = Convolution(2, 3, 3, jax.random.key(0)), np.random.default_rng(0).normal(size=(2, 5, 5))
    want = [sum(correlate(x[c], np.asarray(layer.weight[o, c]), mode="wrap") for c in range(2)) for o in range(3)]
    np.testing.assert_allclose(layer(jnp.asarray(x)), want, atol=1e-6)


@pytest.mark.slow
def test_networks_begin_as_the_identity_and_scale():
    state, key = density_state(6), jax.random.key(0)
    np.testing.assert_allclose(stacked(from_image(image(state))), stacked(state))
    for network in (SingleNetwork(4, 1, 0.0, UNIT, UNIT, key), Parc(4, 1, 0.5, UNIT, UNIT, UNIT, key)):
        after, slope = network(state, CONDITIONS, key)
        np.testing.assert_allclose(stacked(after), stacked(state), atol=1e-15)
        assert (slope is None) == isinstance(network, SingleNetwork)


def test_the_rate_is_the_equation_of_motion():
    state = density_state(6)
    want = EhrenfestDensity(ring(6, 0.9)).vector_field(jnp.zeros(()), state)
    np.testing.assert_allclose(stacked(rate(state, CONDITIONS)), stacked(want), atol=1e-13)


def test_the_exponential_is_that_of_scipy():
    x = np.random.default_rng(0).normal(size=(2, 5, 5)) * 4
    k = x[0] + x[0].T + 1j * (x[1] - x[1].T)
    np.testing.assert_allclose(exponential(jnp.asarray(k)), scipy.linalg.expm(-1j * k), atol=1e-12)


def test_the_generator_keeps_the_physics(generator):
    """Hermiticity, trace, every eigenvalue and the energy over a hundred intervals, with weights that nothing has trained."""
    state, energy = density_state(8), lambda s: EhrenfestDensity(ring(8, 0.9)).observe(jnp.zeros(()), s)["energy"]()
    after = jax.tree.map(lambda x: x[-1], eqx.filter_jit(roll_out)(generator, state, CONDITIONS, 100)[0])
    assert np.abs(after.electrons - state.electrons).max() > 0.1
    np.testing.assert_allclose(after.electrons, after.electrons.conj().T, atol=1e-12)
    np.testing.assert_allclose(np.linalg.eigvalsh(after.electrons), np.linalg.eigvalsh(state.electrons), atol=1e-11)
    np.testing.assert_allclose(energy(after), energy(state), atol=1e-11)


@pytest.mark.slow
def test_the_generator_has_the_symmetries_of_the_ring(generator):
    state = density_state(8)
    step = jax.jit(lambda s: generator(s, CONDITIONS)[0])
    for turn in (lambda x, axis: jnp.roll(x, 3, axis), lambda x, axis: jnp.flip(x, axis)):

        def turned(s, turn=turn):
            return EhrenfestState(turn(turn(s.electrons, 0), 1), turn(s.displacement, 0), turn(s.momentum, 0))

        np.testing.assert_allclose(stacked(step(turned(state))), stacked(turned(step(state))), atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"coupling": jnp.zeros(())}, {"interval": jnp.zeros(())}])
def test_the_generator_is_exact_without_coupling_and_without_time(generator, change):
    state, conditions = density_state(6), replace(CONDITIONS, **change)
    model = ring(6, conditions.coupling)
    times = jnp.stack([jnp.zeros(()), conditions.interval + 1e-12])
    solve = jax.jit(lambda state: propagate(EhrenfestDensity(model), state, times, solver=fixed(strang(), 1.0)).state)
    want = solve(state)
    np.testing.assert_allclose(stacked(jax.jit(lambda s: generator(s, conditions)[0])(state)), stacked(want), atol=1e-10)


@pytest.fixture(scope="module")
def data():
    starts = jax.tree.map(lambda *x: jnp.stack(x), *(density_state(4, seed) for seed in range(3)))
    states = jax.jit(jax.vmap(lambda state: moved(4, state, jnp.linspace(0.0, 0.64 * 8, 17))))(starts)
    return Samples(*(jax.tree.map(lambda x, k=k: x[:, k::2], states) for k in (0, 1)), CONDITIONS)


@pytest.mark.slow
def test_the_pair_of_networks_learns_and_goes_on_after_a_kill(data, tmp_path):
    """The loss of rates and changes falls within a few steps; scales are the largest magnitudes."""
    found = scales((data,))
    assert found[0].displacement == pytest.approx(float(jnp.abs(data.states.displacement).max()))
    plan = Plan((Stage(45, 1, 1e-3, 1e-2, 5),), batch=8, every=15, validation=1)
    single = jax.tree.map(lambda x: x.astype(jnp.complex64 if jnp.iscomplexobj(x) else jnp.float32), data)

    def start():
        return begin(Parc(4, 1, 0.1, *found, jax.random.key(0)), plan)

    whole = list(fit(start(), plan, (single,), (single,)))
    assert [report.step for report in whole] == [15, 30, 45]
    assert whole[-1].loss < 0.7 * whole[0].loss
    path = tmp_path / "state.eqx"
    next(iter(fit(start(), plan, (single,), (single,), checkpoint=path, identity="a")))
    resumed = list(fit(start(), plan, (single,), (single,), checkpoint=path, identity="a"))
    assert [report.error for report in resumed] == pytest.approx([report.error for report in whole], rel=1e-6)
    with pytest.raises(InputError, match="belongs to another training"):
        next(iter(fit(start(), plan, (single,), (single,), checkpoint=path, identity="b")))


@pytest.mark.slow
def test_judgement(data):
    """A fine splitting is right, persistence is wrong by what moved, the limit cycle is right about what it has seen."""
    exact = data.states
    fine = judgement.follow(judgement.splitting_step(4, CONDITIONS, blanes_moan(4), 16), exact, CONDITIONS)
    for errors in (fine.rho, fine.displacement, fine.momentum, fine.trace, fine.hermiticity, fine.purity):
        assert np.abs(errors).max() < 1e-6
    charge, lattice_order = judgement.orders(exact)
    np.testing.assert_allclose(fine.charge_order, charge[:, 1:], atol=1e-6)
    np.testing.assert_allclose(fine.lattice_order, lattice_order[:, 1:], atol=1e-6)
    still = judgement.follow(lambda state: state, exact, CONDITIONS)
    want = np.sqrt(np.mean((exact.displacement[:, 1:] - exact.displacement[:, :1]) ** 2, axis=-1))
    np.testing.assert_allclose(still.displacement, want)
    assert np.abs(judgement.limit_cycle(exact, exact, CONDITIONS).rho).max() < 1e-12
    with pytest.raises(ValueError, match="known: got 3 samples"):
        judgement.limit_cycle(jax.tree.map(lambda x: x[:, :3], exact), exact, CONDITIONS)
    state = jax.tree.map(lambda x: x[0, 0], exact)
    few = judgement.orbitals(state)
    assert few.electrons.shape == (2, 4)
    np.testing.assert_allclose(few.electrons.T @ few.electrons.conj(), state.electrons, atol=1e-12)


def test_errors_are_pooled_roots_of_mean_squares():
    states = jax.tree.map(lambda *x: np.stack(x)[:, None], *(density_state(4, seed) for seed in range(3)))
    found = jax.tree.map(lambda x: x + 0.1, states)
    np.testing.assert_allclose(jnp.stack(field_errors(found, states, (0, 1))), 0.1, rtol=1e-6)
