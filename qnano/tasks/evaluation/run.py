"""Judge motions of D2 on quenches, and keep their errors at every time, in a folder like that of a run.

Each method, and each forecast, is a group of `results.zarr` with `error[quench, time]`; those that are done are not done again.
"""

import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from qnano import runtime
from qnano.errors import InputError
from qnano.families.build import build_solver
from qnano.families.hubbard.build import build_dynamics
from qnano.hubbard.singlet import NotASinglet
from qnano.learning import baselines
from qnano.learning.data import Trajectories
from qnano.learning.evaluation import Errors, breakdown, forecast_errors, motion_errors
from qnano.storage.folder import FINISHED, RunFolder
from qnano.storage.store import Coordinate, ResultStore, Variable
from qnano.tasks import keeping
from qnano.tasks.evaluation.schema import Evaluation
from qnano.tasks.keeping import kept, memory_for
from qnano.tasks.training.run import propagated


@dataclass
class Progress(keeping.Progress):
    """Of a method, or a forecast: medians over the quenches of the mean error inside the window and beyond it, and of the time of
    failure (none: None)."""

    inside: float = 0.0
    beyond: float | None = None
    failed_at: float | None = None
    diverged: int = 0


def run(evaluation: Evaluation, folder: RunFolder, *, force: bool = False, quiet: bool = False) -> dict[str, Any]:
    """Judge what is not yet judged, and return the summary; `force` starts anew.

    Raises `InputError` for quenches without a unique start, weights that do not fit, or a folder that holds something else, and
    `RunFailed` where memory does not suffice. A motion that diverges is a result: its error is infinite from there on.
    """
    runtime.start(evaluation.precision)
    with kept(evaluation, folder, force=force, quiet=quiet) as run, memory_for("the evaluation"):
        times = jnp.linspace(0.0, evaluation.time.end, evaluation.time.samples)
        data = propagated(evaluation.model, evaluation.quenches, "quenches", evaluation.seed, times)
        bar = tqdm(_contenders(evaluation, data).items(), desc=evaluation.name, unit=" methods", disable=quiet or None)
        for label, (kind, errors) in bar:
            if label in run.entries and not run.store.damaged(label, len(data)):
                continue
            began = time.perf_counter()
            found = errors()
            _write(run.store, label, found, data)
            run.keep(label, _judged(kind, found, data, evaluation, time.perf_counter() - began))
    return run.summary


def _contenders(evaluation: Evaluation, data: Trajectories) -> dict[str, tuple[str, Any]]:
    """What gives the errors of each, by name, with its kind."""
    found = {}
    for k, method in enumerate(evaluation.methods):
        motion = partial(_motion, method, psi=data.psi[0, 0])
        try:
            for interaction in sorted(set(np.asarray(data.interaction).tolist())):
                motion(data.model(jnp.array(interaction)))  # what does not fit says so before anything is traced
        except NotASinglet as error:
            raise InputError(f"methods.{k}: {error}") from None
        found[method.name] = (method.kind, partial(motion_errors, motion, data, build_solver(method.solver)))
    known = {
        "dmd": lambda seen, samples: baselines.dmd(seen, evaluation.rank).forecast(samples),
        "hankel_dmd": lambda seen, samples: baselines.dmd(seen, evaluation.rank, evaluation.delays).forecast(samples),
        "persistence": baselines.persistence,
        "mean": baselines.mean,
    }
    for name in evaluation.forecasts:
        found[name] = ("forecast", partial(forecast_errors, known[name], data, evaluation.window))
    return found


def _motion(method: Any, model: Any, psi: Any) -> Any:
    return build_dynamics(method, model, psi)


def _judged(kind: str, errors: Errors, data: Trajectories, evaluation: Evaluation, seconds: float) -> Progress:
    times = np.asarray(data.times)
    inside = times <= evaluation.window + 1e-9
    failed = float(np.median(breakdown(errors, times, evaluation.tolerated)))
    return Progress(
        kind,
        FINISHED,
        rows=len(data),
        wall_s=seconds,
        inside=float(np.median(errors[:, inside].mean(axis=1))),
        beyond=_plain(np.median(errors[:, ~inside].mean(axis=1))),
        failed_at=_plain(failed),
        diverged=int((~np.isfinite(errors)).any(axis=1).sum()),
    )


def _plain(number: float | np.floating) -> float | None:
    """JSON has no infinity."""
    return float(number) if np.isfinite(number) else None


def _write(store: ResultStore, label: str, errors: Errors, data: Trajectories) -> None:
    number = Variable(("quench",), (len(data),), np.dtype(float), "J", "interaction U")
    variables = {
        "error": Variable(("quench", "time"), errors.shape, errors.dtype, "1", "relative error of D2; infinite once diverged"),
        "interaction": number,
        "strength": Variable(("quench",), (len(data),), np.dtype(float), "J", "strength of the potential that is switched off"),
    }
    coordinates = {
        "quench": Coordinate(np.array(data.family, str), "1", "family of the potential"),
        "time": Coordinate(np.asarray(data.times), "hbar/J", "time"),
    }
    store.create(label, variables, coordinates, rows=len(data))
    store.write(label, 0, {"error": errors, "interaction": np.asarray(data.interaction), "strength": np.asarray(data.strength)})
