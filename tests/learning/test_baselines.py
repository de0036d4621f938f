"""DMD on signals that it must get right, and the known numbers of the trap quench."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano import lattice
from qnano.learning import baselines
from qnano.learning.data import quenches, trajectories
from qnano.learning.packing import pack


def test_dmd_continues_a_linear_motion():
    times = 0.1 * np.arange(60)
    series = np.stack([np.cos(times), np.sin(times), np.cos(3 * times), np.sin(3 * times)], axis=1)
    np.testing.assert_allclose(baselines.dmd(series[:30], 4).forecast(30), series[30:], atol=1e-9)


def test_delays_see_what_one_sample_does_not():
    """A cosine alone has no velocity; two samples have."""
    series = np.cos(0.2 * np.arange(80))[:, None]
    delayed = baselines.dmd(series[:40], 2, delays=2).forecast(40)
    np.testing.assert_allclose(delayed, series[40:], atol=1e-9)
    assert baselines.relative_errors(baselines.dmd(series[:40], 2).forecast(40), series[40:]).mean() > 0.5


def test_a_forecast_does_not_grow():
    grown = baselines.dmd(np.exp(0.1 * np.arange(20))[:, None], 1).forecast(200)
    assert np.isfinite(grown).all() and grown.max() < 10


@pytest.mark.parametrize(("delays", "samples", "words"), [(0, 9, "delays: got 0"), (5, 6, "seen: got 6 samples; must be at least")])
def test_too_little_to_fit(delays, samples, words):
    with pytest.raises(ValueError, match=words):
        baselines.dmd(np.ones((samples, 2)), 2, delays)


def test_known_numbers():
    """Four sites, V = 0.5, seen to t = 20, forecast to 40, U = 1 and 8: mean .29 and .04, DMD .0085 and .00035 (about)."""
    chain = lattice.chain(4)
    data = trajectories(chain, (2, 2), quenches(chain, "trap", (0.5,), (1.0, 8.0)), jnp.linspace(0.0, 40.0, 401))
    series = np.asarray(jax.jit(jax.vmap(jax.vmap(lambda psi: pack(data.two_rdm(psi)))))(data.psi))
    for one, known, linear in zip(series, (0.29, 0.04), (0.0085, 0.00035), strict=True):
        seen, then = one[:201], one[201:]
        error = lambda forecast: baselines.relative_errors(forecast, then).mean()  # noqa: B023, E731
        assert error(baselines.mean(seen, 200)) == pytest.approx(known, abs=0.01)
        assert error(baselines.persistence(seen, 200)) > error(baselines.mean(seen, 200))
        best = min(error(baselines.dmd(seen, rank).forecast(200)) for rank in (20, 30, 40))
        assert best == pytest.approx(linear, rel=0.4)
        assert min(error(baselines.dmd(seen, rank, 5).forecast(200)) for rank in (56, 80)) < best
