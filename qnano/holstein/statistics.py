"""Statistics of an ensemble: the pooled autocorrelation of an order parameter, and how well a finite ensemble knows it.

    C(l) = (< x_{t+l} x_t > - < x >^2) / (< x^2 > - < x >^2)

Each mean goes over all trajectories and over all times that the record offers (Ning, Yang and Chern, arXiv:2412.06631): one global
mean, no trajectory by itself. Trajectories are independent, times within one are not; so errors come from leaving trajectories out.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from qnano.border import complaint, numbers


@partial(jax.jit, static_argnames="lags")
def autocorrelation(series: Float[Array, "trajectory time"], lags: int) -> Float[Array, " lag"]:
    """C(l) for l = 0 ... lags, in units of the interval between samples.

    Raises `ValueError` for what is no series of trajectories, or more lags than intervals.
    """
    products, mean, square = _moments(series, lags)
    return _normalised(products.mean(axis=0), mean.mean(), square.mean())


@partial(jax.jit, static_argnames="lags")
def autocorrelation_error(series: Float[Array, "trajectory time"], lags: int) -> Float[Array, " lag"]:
    """The standard error of `autocorrelation`, by the jackknife over trajectories.

    Raises `ValueError` as that does, and for one trajectory, of which nothing is left once it is left out.
    """
    products, mean, square = _moments(series, lags)
    count = len(series)
    numbers("series", count, kind="integer", shape=(), least=2)

    def others(x):
        return (x.sum(axis=0) - x) / (count - 1)

    without = _normalised(others(products), others(mean)[:, None], others(square)[:, None])
    return jnp.sqrt((count - 1) * jnp.var(without, axis=0))


def sampling_floor(series: Float[Array, "trajectory time"], lags: int) -> Float[Array, ""]:
    """The root mean square difference over lags 0 ... lags that two independent true ensembles of this size have.

    A surrogate's autocorrelation cannot be told from the truth below it.
    """
    return jnp.sqrt(2 * jnp.mean(autocorrelation_error(series, lags) ** 2))


def _moments(
    series: Float[Array, "trajectory time"], lags: int
) -> tuple[Float[Array, "trajectory lag"], Float[Array, " trajectory"], Float[Array, " trajectory"]]:
    """Each trajectory's means of x_{t+l} x_t, x and x^2."""
    if np.ndim(series) != 2 or 0 in np.shape(series):  # some of it may be missing yet, and so no finite number
        raise ValueError(complaint("series", series, "must have shape (trajectory, time), at least one each"))
    times = series.shape[1]
    numbers("lags", lags, kind="integer", shape=(), least=0, most=times - 1)
    waves = jnp.fft.rfft(series, 2 * times)
    sums = jnp.fft.irfft(waves.real**2 + waves.imag**2, 2 * times)[:, : lags + 1]
    return sums / (times - jnp.arange(lags + 1)), series.mean(axis=1), jnp.mean(series**2, axis=1)


def _normalised(products, mean, square):
    return (products - mean**2) / (square - mean**2)
