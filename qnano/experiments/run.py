"""Run an experiment: propagate every method, and write down what was computed while it is computed.

The saved times are cut into about twenty stretches of equal length, so that one compiled program serves them all. After each
stretch its rows go into the store, then the state into a checkpoint, then the progress into the summary, in this order: a run
killed at any moment goes on from its last checkpoint when the same experiment is started again.
"""

import platform
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

import qnano
from qnano import config, runtime
from qnano.config.coarse import AbstractTwoScale
from qnano.config.experiment import Experiment
from qnano.config.holstein import Holstein
from qnano.config.loading import Task
from qnano.config.model import FermiHubbard
from qnano.config.observables import ENVELOPES, ESTIMATES, GRID_LIMITS, OBSERVABLES, TWO_SCALE, WAVE, Observable
from qnano.config.particles import ParticlesModel
from qnano.errors import RunFailed
from qnano.experiments.build import REGIMES, Method, build
from qnano.experiments.progress import Progress, drop_if_damaged, load_checkpoint, save_checkpoint
from qnano.experiments.sharding import shared_out
from qnano.propagation import propagate
from qnano.storage.folder import DIVERGED, FINISHED, RUNNING, RunFolder
from qnano.storage.store import Coordinate, ResultStore, Variable
from qnano.trajectory import Trajectory

BAR = "{desc}: {percentage:3.0f}% |{bar}| t = {n:.2f} of {total:.2f}{unit}, {rate_noinv_fmt}, {remaining} left"
STRETCHES = 20
PLACES = ("x", "y", "z")
DRIFT = Observable("invariant_drift", ("time", "invariant"), "1", "change of the invariants since the first time")
MEANINGS = {
    "site": "lattice site",
    "bond": "bond between two sites",
    "orbital": "natural orbital",
    "x": "place",
    "y": "place",
    "z": "place",
    "region": "part of space",
    "axis": "axis",
    "wavevector": "wavevector of the lattice",
    "extreme": "lowest and highest",
    "spin": "spin",
    "i": "site of the annihilator",
    "j": "site of the creator",
    "i1": "site of the first annihilator",
    "i2": "site of the second annihilator",
    "i3": "site of the third annihilator",
    "j1": "site of the first creator",
    "j2": "site of the second creator",
    "j3": "site of the third creator",
    "invariant": "quantity that the exact motion keeps",
}


def run(experiment: Experiment, folder: RunFolder, *, force: bool = False, quiet: bool = False) -> dict[str, Any]:
    """Run what is not yet done of an experiment, in its folder, and return the summary; `force` starts anew.

    Raises `InputError` for an experiment that cannot be built or a folder that holds something else, and `RunFailed` where
    memory does not suffice. A method that diverges is no exception: the summary says so, and the others go on.
    """
    runtime.start(experiment.precision, cpu_devices=runtime.cores() if experiment.sharded else 1)
    with memory_for("the initial states"):
        methods = [with_estimates(method) for method in build(experiment)]
    text = config.to_yaml(experiment)
    with folder.claimed(text, force=force):
        store = ResultStore(folder.results, {"title": experiment.name, "config": text, "qnano": qnano.__version__})
        summary = folder.summary_or(new_summary(experiment))
        if (regime := REGIMES.get(experiment.model.kind)) is not None:
            summary["regime"] = regime(experiment)._asdict()
        folder.write_summary(summary)
        for method in methods:
            known = summary["methods"].get(method.label)
            if known is not None and known["state"] != RUNNING and not store.damaged(method.label, known["rows"]):
                continue
            with memory_for(method.label):
                for progress in _follow(method, experiment, store, folder, quiet):
                    summary["methods"][method.label] = asdict(progress)
                    folder.write_summary(summary)
        diverged = any(method["state"] == DIVERGED for method in summary["methods"].values())
        summary["state"] = DIVERGED if diverged else FINISHED
        folder.write_summary(summary)
        shutil.rmtree(folder.checkpoints, ignore_errors=True)
    return summary


def with_estimates(method: Method) -> Method:
    """With every run of a wave come what tells that its grid is too small, and of an envelope the estimates of its error."""
    wanted = GRID_LIMITS if method.kind in (*TWO_SCALE, *WAVE) else ()
    wanted += ESTIMATES if method.kind in ENVELOPES else ()
    return method._replace(observables=(*method.observables, *(name for name in wanted if name not in method.observables)))


def stretches(samples: int) -> list[tuple[int, int]]:
    """First and last row of each stretch, the last row of one being the first of the next; equally long where possible."""
    intervals = samples - 1
    near = range(STRETCHES // 2, 2 * STRETCHES + 1)
    parts = min((n for n in near if intervals % n == 0), key=lambda n: abs(n - STRETCHES), default=STRETCHES)
    length = -(-intervals // parts)
    return [(first, min(first + length, intervals)) for first in range(0, intervals, length)]


def _follow(method: Method, experiment: Experiment, store: ResultStore, folder: RunFolder, quiet: bool) -> Iterator[Progress]:
    """Propagate a method from where it is, and yield its progress each time that more of it is safe on disk."""
    times = np.linspace(experiment.time.start, experiment.time.end, experiment.time.samples)
    checkpoint = folder.checkpoint(method.label)
    progress, state = Progress(method.kind), method.state
    drop_if_damaged(checkpoint)
    if checkpoint.exists():
        progress, state = load_checkpoint(checkpoint, state)
        if store.damaged(method.label, progress.rows):  # the state is right, but what led to it is gone
            progress, state = Progress(method.kind), method.state
        yield progress
    if experiment.sharded:
        state = shared_out(state)
    compiled = {}
    with _bar(method.label, times, experiment.unit("hbar/J"), progress.rows, quiet) as bar:
        for first, last in stretches(len(times)):
            if progress.state != RUNNING or first < progress.rows:
                continue
            arguments = (method.dynamics, state, jnp.asarray(times[first : last + 1]), method.solver, method.observables)
            if last - first not in compiled:
                begin = time.perf_counter()
                bar.set_description_str(f"{method.label} (compiling)")
                compiled[last - first] = _advance.lower(*arguments).compile()
                bar.set_description_str(method.label)
                bar.unpause()
                progress.compile_s += time.perf_counter() - begin
            begin = time.perf_counter()
            trajectory = _awaited(compiled[last - first](*arguments), bar)
            progress.wall_s += time.perf_counter() - begin
            # The last row is the next stretch's first: each is written once, so no chunk on disk is written twice.
            ending = last + 1 == len(times)
            written = slice(None) if ending else slice(-1)
            measured = {name: np.asarray(values) for name, values in trajectory.observables.items()}
            measured |= {name: progress.since_the_start(name, x) for name, x in measured.items() if OBSERVABLES[name].accumulated}
            rows = {name: values[written] for name, values in measured.items()}
            rows["invariant_drift"] = progress.drifts(trajectory)[written]
            kept = {name: values for name, values in rows.items() if values.size}  # what absorbs has no invariants
            if first == 0:
                store.create(method.label, *_layout(kept, times, tuple(progress.initial_invariants), experiment), last)
            store.write(method.label, first, kept)
            progress.advance(trajectory, rows, ending, experiment.unit("hbar/J"))
            for line in progress.cautions(np.asarray(trajectory.times), measured, experiment.unit("hbar/J")):
                tqdm.write(f"warning: {method.label}: {line}", file=sys.stderr)
            state = trajectory.state
            save_checkpoint(checkpoint, progress, state)
            bar.update(times[last] - times[first])
            yield progress


@eqx.filter_jit
def _advance(dynamics, state, times, solver, observables) -> Trajectory:
    return propagate(dynamics, state, times, solver=solver, observables=observables)


def _awaited(trajectory: Trajectory, bar: tqdm) -> Trajectory:
    """Wait in Python, where Ctrl-C is heard at once, while the device computes."""
    while not trajectory.status.is_ready():  # pyright: ignore[reportAttributeAccessIssue]
        time.sleep(0.002)
        bar.update(0)
    return trajectory


def _bar(label: str, times: np.ndarray, unit: str, rows: int, quiet: bool) -> tqdm:
    """A progress bar in simulated time; it shows on terminals only."""
    done = times[min(rows, len(times) - 1)] - times[0]
    span = {"total": times[-1] - times[0], "initial": done, "unit": f" {unit}".removesuffix(" 1")}
    return tqdm(desc=label, bar_format=BAR, mininterval=0.2, miniters=0, disable=quiet or None, **span)


def _layout(
    rows: dict[str, np.ndarray], times: np.ndarray, invariants: tuple[str, ...], experiment: Experiment
) -> tuple[dict[str, Variable], dict[str, Coordinate]]:
    """What the group of a method will hold, seen from its first rows."""
    model = experiment.model
    labels = {"spin": ("up", "down"), "invariant": invariants, "extreme": ("lowest", "highest"), "axis": ("x",)}
    if isinstance(model, ParticlesModel):
        labels |= model.labels
    elif isinstance(model, FermiHubbard | Holstein):
        labels["bond"] = [f"{i}-{j}" for i, j in model.lattice.geometry.bonds]
    variables, coordinates = {}, {"time": Coordinate(times, experiment.unit("hbar/J"), "time")}
    for name, values in rows.items():
        known = experiment.observable(name) if name in OBSERVABLES else DRIFT
        shape = (len(times), *values.shape[1:])
        variables[name] = Variable(known.dims, shape, values.dtype, known.units, known.long_name)
        for dim, size in zip(known.dims[1:], shape[1:], strict=True):
            if dim in PLACES:
                evenly = np.arange(size) / size - 0.5
                places = float(model.length) * evenly if isinstance(model, AbstractTwoScale) else labels[dim]
                coordinates[dim] = Coordinate(places, experiment.unit("length"), MEANINGS[dim])
                continue
            text = np.array(labels[dim], str) if dim in labels else np.arange(size)
            coordinates[dim] = Coordinate(text, "1", MEANINGS.get(dim, dim))
    return variables, coordinates


def new_summary(experiment: Task) -> dict[str, Any]:
    """The summary of a run that has not yet done anything."""
    device = jax.devices()[0]
    return {
        "name": experiment.name,
        "id": config.identity(experiment),
        "task": experiment.task,
        "state": RUNNING,
        "device": f"{device.platform}: {device.device_kind}",
        "versions": {
            "qnano": qnano.__version__,
            **{package: version(package) for package in ("jax", "diffrax")},
            "python": platform.python_version(),
            "platform": platform.platform(),
        },
        "methods": {},
    }


@contextmanager
def memory_for(what: str) -> Iterator[None]:
    """Turn a lack of memory, on the host or the device, into `RunFailed`."""
    try:
        yield
    except MemoryError:
        raise RunFailed(f"{what}: out of memory") from None
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error) and "out of memory" not in str(error).lower():
            raise
        raise RunFailed(f"{what}: out of memory on {jax.devices()[0]}") from None
