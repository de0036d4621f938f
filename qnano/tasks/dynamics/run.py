"""Run an experiment: propagate every method, and write down what was computed while it is computed.

The saved times are cut into about twenty stretches of equal length, so that one compiled program serves them all. After each
stretch its rows go into the store, then the state into a checkpoint, then the progress into the summary, in this order: a run
killed at any moment goes on from its last checkpoint when the same experiment is started again.
"""

import sys
import time
from collections.abc import Iterator
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from tqdm import tqdm

from qnano import runtime
from qnano.config.solvers import stretches
from qnano.families.base import Observable
from qnano.families.build import Method, build
from qnano.families.experiment import Experiment
from qnano.families.register import METHODS, OBSERVABLES, family_of
from qnano.propagation import propagate
from qnano.storage.folder import RUNNING, RunFolder
from qnano.storage.store import FACTS, Coordinate, ResultStore, Variable, named
from qnano.tasks.dynamics.progress import Progress, load_checkpoint, save_checkpoint
from qnano.tasks.dynamics.sharding import shared_out
from qnano.tasks.keeping import drop_if_damaged, kept, memory_for
from qnano.trajectory import Trajectory

BAR = "{desc}: {percentage:3.0f}% |{bar}| t = {n:.2f} of {total:.2f}{unit}, {rate_noinv_fmt}, {remaining} left"
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
    with kept(experiment, folder, force=force, quiet=quiet) as run:
        if (regime := family_of(experiment.model).regime(experiment)) is not None:
            run.summary["regime"] = regime._asdict()
            run.write()
        _keep_facts(experiment, run.store)
        for method in methods:
            known = run.entries.get(method.label)
            if known is not None and known["state"] != RUNNING and not run.store.damaged(method.label, known["rows"]):
                continue
            with memory_for(method.label):
                for progress in _follow(method, experiment, run.store, folder, quiet):
                    run.keep(method.label, progress)
    return run.summary


def _keep_facts(experiment: Experiment, store: ResultStore) -> None:
    """Write what figures ask for beside the results, where it is not there yet."""
    if (store.path / FACTS).exists() and not store.damaged(FACTS, lambda _: True):
        return
    facts = family_of(experiment.model).facts(experiment)
    shapes = {name: Variable(fact.dims, fact.values.shape, fact.values.dtype, *fact[2:], missing=0) for name, fact in facts.items()}
    store.create(FACTS, shapes, {}, rows=())
    store.write_at(FACTS, (), {name: fact.values for name, fact in facts.items()})


def with_estimates(method: Method) -> Method:
    """With every run of a wave come what tells that its grid is too small, and of an envelope the estimates of its error."""
    more = (name for name in METHODS[method.kind].tells if name not in method.observables)
    return method._replace(observables=(*method.observables, *more))


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
        state, left_out = shared_out(state)
        if left_out is not None and left_out not in progress.warnings:
            progress.warnings = [*progress.warnings, left_out]
            tqdm.write(f"warning: {method.label}: {left_out}", file=sys.stderr)
    compiled: dict[Any, Any] = {}
    with _bar(method.label, times, experiment.unit("hbar/J"), progress.rows, quiet) as bar:

        def computed(kind: Any, program: Any, *arguments: Any) -> Any:
            if kind not in compiled:
                begin = time.perf_counter()
                bar.set_description_str(f"{method.label} (compiling)")
                compiled[kind] = program.lower(*arguments).compile()
                bar.set_description_str(method.label)
                bar.unpause()
                progress.compile_s += time.perf_counter() - begin
            begin = time.perf_counter()
            found = _awaited(compiled[kind](*arguments), bar)
            progress.wall_s += time.perf_counter() - begin
            return found

        for number, (first, last) in enumerate(stretches(len(times)), start=1):
            if progress.state != RUNNING or first < progress.rows:
                continue
            stretch = jnp.asarray(times[first : last + 1])
            trajectory = computed(last - first, _advance, method.dynamics, state, stretch, method.solver, method.observables)
            state = trajectory.state
            trajectory = jax.device_get(eqx.tree_at(lambda t: t.state, trajectory, None))  # all results at once
            # The last row is the next stretch's first: each is written once, so no chunk on disk is written twice.
            ending = last + 1 == len(times)
            written = slice(None) if ending else slice(-1)
            measured = dict(trajectory.observables)
            measured |= {name: progress.since_the_start(name, x) for name, x in measured.items() if OBSERVABLES[name].accumulated}
            rows = {name: values[written] for name, values in measured.items()}
            rows["invariant_drift"] = progress.drifts(trajectory)[written]
            there = {name: values for name, values in rows.items() if values.size}  # what absorbs has no invariants
            if first == 0:
                store.create(method.label, *_layout(there, times, tuple(progress.initial_invariants), experiment), last)
            store.write(method.label, first, there)
            progress.advance(trajectory, rows, ending, experiment.unit("hbar/J"))
            every = experiment.watched_every
            if every and (number % every == 0 or progress.state != RUNNING):
                stop = jnp.asarray(trajectory.stop_time)
                progress.watch(computed("look", _negativity, method.dynamics, stop, state), float(stop))
            for line in progress.cautions(trajectory.times, measured, experiment.unit("hbar/J")):
                tqdm.write(f"warning: {method.label}: {line}", file=sys.stderr)
            save_checkpoint(checkpoint, progress, state)
            bar.update(times[last] - times[first])
            yield progress


@eqx.filter_jit
def _advance(dynamics, state, times, solver, observables) -> Trajectory:
    # Nothing goes back through a run: a plain loop gives the same numbers, and is traced and compiled in two thirds of the time.
    return propagate(dynamics, state, times, solver=solver, observables=observables, adjoint=diffrax.ForwardMode())


@eqx.filter_jit
def _negativity(dynamics, time, state) -> dict[str, Array]:
    return dynamics.negativity(time, state)


def _awaited(found: Any, bar: tqdm) -> Any:
    """Wait in Python, where Ctrl-C is heard at once, while the device computes."""
    while not all(leaf.is_ready() for leaf in jax.tree.leaves(found)):
        time.sleep(0.002)
        bar.update(0)
    return found


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
    variables, coordinates = {}, {"time": Coordinate(times, experiment.unit("hbar/J"), "time")}
    for name, values in rows.items():
        known = experiment.observable(name) if name in OBSERVABLES else DRIFT
        shape = (len(times), *values.shape[1:])
        variables[name] = Variable(known.dims, shape, values.dtype, known.units, known.long_name)
        for dim in known.dims[1:]:
            if dim == "invariant":
                coordinates[dim] = Coordinate(np.array(invariants, str), "1", MEANINGS[dim])
            elif (places := model.places(dim)) is not None:
                coordinates[dim] = Coordinate(places, experiment.unit("length"), MEANINGS[dim])
            else:
                coordinates[dim] = Coordinate(named(model.labels(dim)), "1", MEANINGS.get(dim, dim))
    return variables, coordinates
