"""What a learned motion must beat: forecasts that know nothing of physics.

    persistence    D2 stays as it was last seen
    mean           D2 is its average over what was seen
    DMD            x_{n+1} = A x_n, A fitted by least squares on the leading `rank` singular vectors
                   (Schmid, J. Fluid Mech. 656, 5 (2010))
    Hankel-DMD     the same for `delays` successive samples stacked into one vector: a linear memory

Series are real, (time, number), evenly sampled; complex arrays are packed first (`qnano.learning.packing`).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from qnano.border import alike, numbers

Series = Float[np.ndarray, "time number"]
Forecast = Float[np.ndarray, "later number"]


class LinearModel(NamedTuple):
    """A fitted DMD: coordinates z = modes^T (stacked samples), z_{n+1} = step z_n, and where a forecast begins."""

    modes: Float[np.ndarray, "stacked rank"]
    step: Float[np.ndarray, "rank rank"]
    last: Float[np.ndarray, " rank"]
    numbers: int

    def forecast(self, samples: int) -> Forecast:
        """The samples after the last that was seen. Raises `ValueError` for a number of them that is none."""
        numbers("samples", samples, kind="integer", shape=(), least=0)
        z, found = self.last, []
        for _ in range(samples):
            z = self.step @ z
            found.append(self.modes[-self.numbers :] @ z)
        return np.array(found)


def persistence(seen: Series, samples: int) -> Forecast:
    """The last sample for ever. Raises `ValueError` for a number of samples that is none, and for none seen."""
    numbers("samples", samples, kind="integer", shape=(), least=0)
    numbers("seen", len(seen), kind="integer", shape=(), least=1)
    return np.repeat(seen[-1:], samples, axis=0)


def mean(seen: Series, samples: int) -> Forecast:
    """The average of what was seen. Raises `ValueError` for a number of samples that is none, and for none seen."""
    numbers("samples", samples, kind="integer", shape=(), least=0)
    numbers("seen", len(seen), kind="integer", shape=(), least=1)
    return np.repeat(seen.mean(axis=0, keepdims=True), samples, axis=0)


def dmd(seen: Series, rank: int, delays: int = 1) -> LinearModel:
    """Fit x_{n+1} = A x_n on `delays` stacked samples (1: plain DMD), with at most `rank` singular vectors.

    Eigenvalues outside the unit circle, which would grow without bound, are put onto it. Raises `ValueError` for too few samples.
    """
    numbers("seen", seen, shape=(None, None))
    numbers("rank", rank, kind="integer", shape=(), least=1)
    numbers("delays", delays, kind="integer", shape=(), least=1)
    if len(seen) < delays + 2:
        raise ValueError(f"seen: got {len(seen)} samples; must be at least delays + 2 ({delays + 2})")
    stacked = np.lib.stride_tricks.sliding_window_view(seen, delays, axis=0).transpose(0, 2, 1).reshape(len(seen) - delays + 1, -1)
    before, after = stacked[:-1].T, stacked[1:].T
    modes, sizes, right = np.linalg.svd(before, full_matrices=False)
    kept = min(rank, int((sizes > 1e-12 * sizes[0]).sum()))
    modes, sizes, right = modes[:, :kept], sizes[:kept], right[:kept]
    step = modes.T @ after @ (right.T / sizes)
    return LinearModel(modes, _bounded(step), modes.T @ stacked[-1], seen.shape[1])


def relative_errors(forecast: Series, exact: Series) -> Float[np.ndarray, " time"]:
    """|forecast - exact| / |exact| at each time. Raises `ValueError` for series of two shapes."""
    alike("forecast", forecast, exact)
    return np.linalg.norm(forecast - exact, axis=1) / np.linalg.norm(exact, axis=1)


def _bounded(step: Float[np.ndarray, "rank rank"]) -> Float[np.ndarray, "rank rank"]:
    """The same map without growth."""
    values, vectors = np.linalg.eig(step)
    values = values / np.maximum(np.abs(values), 1.0)
    return (vectors * values @ np.linalg.inv(vectors)).real
