"""Compute an ensemble in batches, each one vmapped program, and write every batch down as soon as it is there.

results.zarr holds one group for each group of trajectories. A kill loses the batch in hand: what the summary counts as done is on
disk, and the same command goes on from there. Starts follow from the seed, the group and the number of the trajectory alone.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from tqdm import tqdm

from qnano import runtime
from qnano.config.sizes import must_fit
from qnano.errors import RunFailed
from qnano.families.build import build_solver
from qnano.families.holstein import build as holstein
from qnano.families.register import OBSERVABLES
from qnano.propagation import propagate
from qnano.storage.folder import FINISHED, RUNNING, RunFolder
from qnano.storage.store import Coordinate, Variable
from qnano.tasks import keeping
from qnano.tasks.dynamics.run import MEANINGS
from qnano.tasks.ensemble.estimates import needs
from qnano.tasks.ensemble.schema import Ensemble
from qnano.tasks.keeping import kept, memory_for
from qnano.tasks.stops import first_lost, gave_up
from qnano.trajectory import Status

BAR = "{desc}: {percentage:3.0f}% |{bar}| {n_fmt} of {total_fmt} trajectories, {rate_fmt}, {remaining} left"
Solve = Callable[[PRNGKeyArray, Float[Array, " trajectory"]], tuple[dict[str, Array], Array, Array]]


@dataclass
class Progress(keeping.Progress):
    """Of a group: `rows` of its `trajectories` are done."""

    trajectories: int = 0


def run(ensemble: Ensemble, folder: RunFolder, *, force: bool = False, quiet: bool = False) -> dict[str, Any]:
    """Compute what is not yet done, in its folder, and return the summary; `force` starts anew.

    Raises `InputError` for an ensemble that cannot be or a folder that holds something else, and `RunFailed` where memory does not
    suffice or a trajectory does not reach the end.
    """
    runtime.start(ensemble.precision)
    must_fit(needs(ensemble))
    with kept(ensemble, folder, force=force, quiet=quiet) as run, memory_for("the ensemble"):
        solve = solver(ensemble)
        for group, count in ensemble.trajectories.items():
            progress = Progress(**run.entries.get(group, {"kind": ensemble.methods[0].kind, "trajectories": count}))
            if lost := run.store.damaged(group, progress.rows):
                progress.rows, progress.state = min(chunk.place[0] for chunk in lost), RUNNING
            if not progress.rows:
                run.store.create(group, *_layout(ensemble, group), rows=ensemble.batch)
            with tqdm(desc=group, total=count, initial=progress.rows, bar_format=BAR, disable=quiet or None) as bar:
                while progress.rows < count:
                    began, first = time.perf_counter(), progress.rows
                    rows = batch(ensemble, group, first, solve)
                    run.store.write(group, first, rows)
                    done = len(next(iter(rows.values())))
                    progress.rows += done
                    progress.wall_s += time.perf_counter() - began
                    run.keep(group, progress)
                    bar.update(done)
            progress.state = FINISHED
            run.keep(group, progress)
    return run.summary


def solver(ensemble: Ensemble) -> Solve:
    """From keys and phases to what is measured at all samples, (trajectory, time, ...), the statuses, and when each stopped."""
    (method,) = ensemble.methods
    model = holstein.build_model(ensemble.model, ensemble.time.start)
    stepper = build_solver(ensemble.solver_of(method))
    samples = jnp.linspace(0.0, ensemble.time.end, ensemble.time.samples)

    def one(key: PRNGKeyArray, phase: Float[Array, ""]) -> tuple[dict[str, Array], Array, Array]:
        dynamics, start = holstein.build_form(method, model, holstein.initial_state(ensemble, key))
        first = ensemble.discard + phase
        # A start at the first sample itself would be a step of length 0.
        times = jnp.concatenate([jnp.zeros(1), jnp.maximum(first, 1e-6) + samples])
        found = propagate(dynamics, start, times, solver=stepper, observables=ensemble.observables, monitor=False)
        return {name: values[1:] for name, values in found.observables.items()}, found.status, found.stop_time

    return jax.jit(jax.vmap(one))


def batch(ensemble: Ensemble, group: str, first: int, solve: Solve) -> dict[str, np.ndarray]:
    """The rows of the trajectories of a group from number `first` on, as many as a batch has or are left.

    Raises `RunFailed` for one that does not reach the end, with the time since its start and the reason.
    """
    count = ensemble.trajectories[group]
    # The same number for every batch, so that one program serves all.
    numbers = np.minimum(first + np.arange(ensemble.batch), count - 1)
    salt = list(ensemble.trajectories).index(group)
    seed = jax.random.fold_in(jax.random.key(ensemble.seed), salt)
    rows, status, stop = solve(
        jax.vmap(lambda k: jax.random.fold_in(seed, k))(numbers), jnp.asarray(phases(ensemble, group)[numbers])
    )
    rows = {name: np.asarray(values)[: count - first] for name, values in rows.items()}
    for k, number in enumerate(numbers[: count - first]):
        lost = first_lost({name: values[k] for name, values in rows.items()}) if status[k] == Status.DONE else None
        if status[k] != Status.DONE:
            raise RunFailed(f"{group}: trajectory {number}: {gave_up(int(status[k]), float(stop[k]), 'hbar/J')}")
        if lost is not None:
            raise RunFailed(f"{group}: trajectory {number}: what was measured at sample {lost} is not a finite number")
    return rows


def phases(ensemble: Ensemble, group: str) -> np.ndarray:
    """By how much the samples of each trajectory of a group are later than those of the first, evenly spread, in hbar/J."""
    count = ensemble.trajectories[group]
    return ensemble.interval * np.arange(count) / count * ensemble.phases


def _layout(ensemble: Ensemble, group: str) -> tuple[dict[str, Variable], dict[str, Coordinate]]:
    count, samples = ensemble.trajectories[group], ensemble.time.samples
    real, complex_ = ("float64", "complex128") if ensemble.stored == "double" else ("float32", "complex64")
    variables = {}
    coordinates = {
        "trajectory": Coordinate(np.arange(count), "1", "number of the trajectory"),
        "phase": Coordinate(phases(ensemble, group), "hbar/J", "time of its first sample, after the first's", dim="trajectory"),
        "time": Coordinate(np.linspace(0.0, ensemble.time.end, samples), "hbar/J", "time since the first sample"),
    }
    for name in ensemble.observables:
        known = OBSERVABLES[name]
        dims = known.dims[1:]
        shape = (count, samples, *(ensemble.model.count(dim) for dim in dims))
        dtype = np.dtype(complex_ if known.is_complex else real)
        variables[name] = Variable(("trajectory", *known.dims), shape, dtype, known.units, known.long_name)
        coordinates |= {dim: Coordinate(np.arange(ensemble.model.count(dim)), "1", MEANINGS.get(dim, dim)) for dim in dims}
    return variables, coordinates
