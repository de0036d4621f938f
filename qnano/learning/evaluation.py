"""How far a motion of D2 is from the exact one, at every time: learned, classical, or a forecast that knows no physics.

A learner is judged where it has not been: beyond its window of training, on other families of starts, other interactions. Inside
the window a linear fit looks as good as any.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Int

from qnano.border import numbers
from qnano.dynamics import AbstractSolver
from qnano.hubbard.model import FermiHubbard
from qnano.hubbard.reduced import AbstractReduced
from qnano.learning import baselines
from qnano.learning.data import Trajectories
from qnano.learning.packing import pack
from qnano.propagation import propagate

Errors = Float[np.ndarray, "trajectory time"]


def motion_errors(
    motion: Callable[[FermiHubbard], AbstractReduced],
    data: Trajectories,
    solver: AbstractSolver | None = None,
    max_steps: int = 20_000,
) -> Errors:
    """|D2 - exact| / |exact| along each trajectory, propagated from its start; infinite from where the motion has diverged.

    `motion` gives the dynamics of D2 under a Hamiltonian, such as `learner.dynamics`. It is compiled once for all trajectories.
    """

    @eqx.filter_jit
    def errors(data: Trajectories) -> Float[Array, "trajectory time"]:
        def one(given: tuple[Int[Array, ""], Complex[Array, "time up down"]]) -> Float[Array, " time"]:
            k, psi = given
            dynamics = motion(data.hamiltonian(k))
            start = dynamics.from_wavefunction(psi[0])
            run = propagate(dynamics, start, data.times, solver=solver, observables=("rdm2",), monitor=False, max_steps=max_steps)
            exact = jax.vmap(data.two_rdm)(psi)

            def norm(x):
                return jnp.sqrt(jnp.sum(jnp.abs(x) ** 2, axis=(1, 2, 3, 4)))

            return norm(run.observables["rdm2"] - exact) / norm(exact)

        return jax.lax.map(one, (jnp.arange(len(data)), data.psi))

    found = np.asarray(errors(data))
    return np.where(np.isfinite(found), found, np.inf)


def forecast_errors(forecast: Callable[[baselines.Series, int], baselines.Forecast], data: Trajectories, window: float) -> Errors:
    """The same for `forecast`(seen, samples), which sees each trajectory up to the time `window` (hbar/J); zero until then.

    Raises `ValueError` for a window before the first sample.
    """
    numbers("window", window, shape=(), least=float(data.times[0]))
    seen = int(jnp.sum(data.times <= window + 1e-9))
    found = np.zeros((len(data), len(data.times)))
    for k, psi in enumerate(data.psi):
        found[k] = forecast_error(forecast, np.asarray(jax.vmap(lambda psi: pack(data.two_rdm(psi)))(psi)), seen)
    return found


def forecast_error(
    forecast: Callable[[baselines.Series, int], baselines.Forecast], series: baselines.Series, seen: int
) -> Float[np.ndarray, " time"]:
    """That of one series, of which so many samples were seen, for which it is zero."""
    found = np.zeros(len(series))
    found[seen:] = baselines.relative_errors(forecast(series[:seen], len(series) - seen), series[seen:])
    return found


def breakdown(
    errors: Errors, times: Float[Array | np.ndarray, " time"], tolerated: float = 0.05
) -> Float[np.ndarray, " trajectory"]:
    """The first time at which each error exceeds what is tolerated; infinite where it never does."""
    numbers("tolerated", tolerated, shape=(), least=0.0)
    broken = errors > tolerated
    return np.where(broken.any(axis=1), np.asarray(times)[broken.argmax(axis=1)], np.inf)


def medians(
    errors: Errors, times: Float[Array | np.ndarray, " time"], window: float, tolerated: float = 0.05
) -> dict[str, float | int]:
    """Over the trajectories, the medians of the mean error up to the time `window` (`inside`) and after it (`beyond`), and of the
    time at which more than is tolerated is reached (`failed_at`); and how many have `diverged`. Infinite where most have, or never.
    """
    numbers("window", window, shape=())
    inside = np.asarray(times) <= window + 1e-9
    return {
        "inside": float(np.median(errors[:, inside].mean(axis=1))),
        "beyond": float(np.median(errors[:, ~inside].mean(axis=1))),
        "failed_at": float(np.median(breakdown(errors, times, tolerated))),
        "diverged": int((~np.isfinite(errors)).any(axis=1).sum()),
    }
