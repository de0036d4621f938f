"""Statistics and chaos of the deep quench g = 0 -> 1, and the estimators on cases that are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano.holstein.chaos import Lyapunov, lyapunov
from qnano.holstein.ehrenfest import EhrenfestOrbitals
from qnano.holstein.ground_state import thermal_state
from qnano.holstein.pseudospin import growth_rate
from qnano.holstein.statistics import autocorrelation, autocorrelation_error, sampling_floor
from qnano.propagation import propagate
from qnano.solvers.splitting import blanes_moan, strang
from qnano.solvers.stepping import fixed
from tests.holstein.systems import ring
from tests.oracles.holstein import fastest_growth

SOLVER = fixed(blanes_moan(4), 0.32)
TRAJECTORIES, SAMPLES, INTERVAL = 16, 1000, 2.56


@pytest.fixture(scope="module")
def climate():
    """Sixteen trajectories from t = 64 on, as one program."""
    free, dynamics = ring(32, 0.0), EhrenfestOrbitals(ring(32, 1.0))
    times = jnp.concatenate([jnp.array([0.0, 30.72]), 64 + INTERVAL * jnp.arange(SAMPLES)])
    names = ("charge_order", "lattice_order", "displacement", "momentum", "site_density", "kink_density", "energy")

    def one(key):
        start = thermal_state(free, key=key, noise=1e-4)
        return propagate(dynamics, start, times, solver=SOLVER, observables=names, monitor=False)

    return jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(0), TRAJECTORIES))


@pytest.mark.slow
def test_climate_of_the_deep_quench(climate):
    """T8, t = 64 to 2621, by a quarter of the published trajectories: within the error that their scatter states."""
    data = {name: np.asarray(x)[:, 2:] for name, x in climate.observables.items()}
    for name, want, kurtosis in (("charge_order", 0.0847, 2.2), ("lattice_order", 0.2298, 2.3)):
        square = np.mean(data[name] ** 2, axis=1)
        error = square.std(ddof=1) / np.sqrt(TRAJECTORIES) / (2 * want)
        assert error < 0.05 * want
        np.testing.assert_allclose(data[name].std(), want, atol=3 * error)
        np.testing.assert_allclose(np.mean(data[name] ** 4) / np.mean(data[name] ** 2) ** 2, kurtosis, atol=0.25)
    # Sites are independent enough for close bounds: bimodal Q, Gaussian P.
    for name, mean, std, kurtosis in (
        ("displacement", 0, 0.6097, 1.595),
        ("momentum", 0, 0.1405, 3.05),
        ("site_density", 0.5, 0.2191, 1.347),
    ):
        x = data[name] - mean
        np.testing.assert_allclose(x.std(), std, rtol=0.02, err_msg=name)
        np.testing.assert_allclose(np.mean(x**4) / x.std() ** 4, kurtosis, rtol=0.03, err_msg=name)
    np.testing.assert_allclose(data["kink_density"].mean(), 0.0765, atol=0.004)
    np.testing.assert_allclose(data["energy"] / 32, -0.6346, atol=1e-4)
    growth = np.sqrt(np.mean(np.asarray(climate.observables["lattice_order"])[:, 1] ** 2))
    assert 0.5 < growth / 1.47e-3 < 2  # the published root mean square at t = 30.72


def test_autocorrelation_of_the_deep_quench(climate):
    """T8: within the sampling errors of this ensemble and of the published one, four times as large, at lags in units of 2.56."""
    series = climate.observables["charge_order"][:, 2:]
    lags, want = np.array([5, 10, 20, 30, 40, 49, 75, 100]), np.array([0.919, 0.767, 0.373, -0.020, -0.289, -0.360, -0.061, 0.109])
    error = np.asarray(autocorrelation_error(series, 100))[lags] * np.sqrt(1.25)
    assert error.max() < 0.1
    deviation = np.asarray(autocorrelation(series, 100))[lags] - want
    assert np.sqrt(np.mean((deviation / error) ** 2)) < 2, deviation / error


STRANG = fixed(strang(), 0.08)  # as good as a slightly different coupling


@pytest.mark.slow
def test_lyapunov_exponents_of_the_deep_quench():
    """T9: by twin trajectories .0170(15) over t = 530 to 1140 and .0142(7) over 1850 to 2600.

    The exponent falls as the kinks annihilate, so each window is compared with its own.
    """
    free, dynamics = ring(32, 0.0), EhrenfestOrbitals(ring(32, 1.0))

    def one(key):
        start = thermal_state(free, key=key, noise=1e-4)
        state = propagate(dynamics, start, jnp.array([0.0, 64.0]), solver=SOLVER, monitor=False).state
        return lyapunov(dynamics, state, jax.random.key(1), intervals=1000, directions=2, solver=STRANG)[0].growth

    rates = np.asarray(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(0), 8)))
    times = 64 + 2.56 * np.arange(1000)
    for start, stop, want, scatter in ((530, 1140, 0.0170, 0.0015), (1850, 2600, 0.0142, 0.0007)):
        means = rates[:, (start < times) & (times < stop)].mean(axis=1)
        mean, error = means.mean(axis=0), means.std(axis=0, ddof=1) / np.sqrt(len(means))
        assert error[0] < 0.003
        assert abs(mean[0] - want) < 3 * np.hypot(error[0], scatter), (mean, error)
        assert 0.003 < mean[1] < mean[0], (mean, error)


@pytest.mark.slow
def test_the_metal_parts_at_its_growth_rate():
    """At the unstable homogeneous state, before rounding drives it away, the exponent is the rate of the fastest wave.

    On 32 sites that is not the staggered one, to which half-filled levels at e = 0 do not respond.
    """
    dynamics, metal = EhrenfestOrbitals(ring(32, 1.0)), thermal_state(ring(32, 0.0))
    growth = lyapunov(dynamics, metal, jax.random.key(1), intervals=44, directions=2, solver=STRANG)[0].growth
    fastest = fastest_growth(32, 1.0, 0.3, 0.8)
    assert fastest > growth_rate(ring(32, 1.0)) + 0.01
    np.testing.assert_allclose(growth[28:, 0].mean(), fastest, atol=1e-3)


def test_errors_of_exponents():
    growth = jax.random.normal(jax.random.key(0), (1600, 1))
    np.testing.assert_allclose(Lyapunov(growth).errors(blocks=40), 1 / 40, rtol=0.3)
    with pytest.raises(ValueError, match="blocks: got 8"):
        Lyapunov(growth[:4]).errors()


def damped(key, count):
    """Ensembles of a first-order autoregression, whose autocorrelation is .9^l."""

    def step(x, kick):
        x = 0.9 * x + np.sqrt(1 - 0.81) * kick
        return x, x

    first, kicks = jax.random.normal(key, (count,)), jax.random.normal(jax.random.fold_in(key, 1), (300, count))
    return 3.0 + jax.lax.scan(step, first, kicks)[1].T


def test_autocorrelation_and_its_errors_on_a_known_process():
    ensembles = jax.vmap(lambda key: damped(key, 16))(jax.random.split(jax.random.key(0), 40))

    def on_each(measure):
        return np.asarray(jax.jit(jax.vmap(lambda x: measure(x, 20)))(ensembles))

    found = on_each(autocorrelation)
    lags = np.arange(21)
    np.testing.assert_allclose(found.mean(axis=0), 0.9**lags, atol=0.02)
    errors = on_each(autocorrelation_error).mean(axis=0)
    np.testing.assert_allclose(errors[1:], found.std(axis=0)[1:], rtol=0.35)
    between = np.sqrt(np.mean((found[::2] - found[1::2]) ** 2))
    np.testing.assert_allclose(on_each(sampling_floor).mean(), between, rtol=0.3)


def test_autocorrelation_by_its_definition():
    series = np.random.default_rng(0).normal(size=(3, 30)).cumsum(axis=1)
    mean, square = series.mean(), np.mean(series**2)
    want = [(np.mean(series[:, lag:] * series[:, : 30 - lag]) - mean**2) / (square - mean**2) for lag in range(11)]
    np.testing.assert_allclose(autocorrelation(jnp.asarray(series), 10), want, atol=1e-12)
    with pytest.raises(ValueError, match="lags: got 30"):
        autocorrelation(jnp.asarray(series), 30)
