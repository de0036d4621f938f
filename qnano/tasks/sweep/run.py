"""Run a sweep: every method at every point, written down as the points are finished.

What the engine computes comes back in batches. Each point's arrays go into their place in the store, then the list of finished
points into the summary: a sweep killed at any moment goes on with the points that are not on that list.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tqdm import tqdm

from qnano import runtime
from qnano.config.keys import dotted
from qnano.families.units import unit_of
from qnano.storage.folder import FINISHED, RUNNING, RunFolder
from qnano.storage.store import Coordinate, ResultStore, Variable, named
from qnano.tasks import keeping
from qnano.tasks.dynamics.run import DRIFT, MEANINGS
from qnano.tasks.keeping import kept, memory_for
from qnano.tasks.sweep.places import Place, experiment_at, places, told
from qnano.tasks.sweep.points import STATUS, Cost, Outcome
from qnano.tasks.sweep.schema import Swept, short
from qnano.tasks.sweep.workers import Solve, started
from qnano.trajectory import Status

BAR = "{desc}: {percentage:3.0f}% |{bar}| {n_fmt} of {total_fmt} points, {rate_fmt}, {remaining} left{postfix}"


@dataclass
class Progress(keeping.Progress):
    """Of a method: `rows` of its `points` are done, the bits of `finished`; `failures` say which failed."""

    points: int = 0
    failed: int = 0
    compilations: int = 0
    worst_drift: dict[str, float] = field(default_factory=dict)
    failures: list[dict[str, Any]] = field(default_factory=list)
    finished: str = ""

    def done(self) -> np.ndarray:
        """Which points are."""
        bits = np.unpackbits(np.frombuffer(bytes.fromhex(self.finished), np.uint8), count=self.points)
        return bits.astype(bool) if self.finished else np.zeros(self.points, bool)

    def lose(self, store: ResultStore, label: str, sweep: Swept, everywhere: list[Place]) -> None:
        """Forget the points of which something in the store is damaged, or all of them where labels are."""
        done = self.done()
        known = {place: n for n, place in enumerate(everywhere) if done[n]}
        axes = len(sweep.shape)
        lost = store.damaged(label, lambda chunk: chunk.place[:axes] in known)
        if not lost:
            return
        measured = {"worst_drift", "stop_time", "status", *sweep.observables}
        if not all(chunk.array in measured and chunk.place[:axes] in known for chunk in lost):
            done[:] = False  # labels, which all points share
        for chunk in lost:
            done[known.get(chunk.place[:axes], 0)] = False
        left = {told(sweep, place) for place, n in known.items() if done[n]}
        self.failures = [failure for failure in self.failures if failure["point"] in left]
        self.failed, self.rows, self.state = len(self.failures), int(done.sum()), RUNNING
        self.finished = np.packbits(done).tobytes().hex()

    def advance(self, numbers: list[int], sweep: Swept, outcomes: list[tuple[Place, Outcome]], cost: Cost) -> None:
        """Take points into account that are safe on disk; `numbers` say which they are."""
        done = self.done()
        done[numbers] = True
        self.finished, self.rows = np.packbits(done).tobytes().hex(), int(done.sum())
        self.compilations += cost.compilations
        self.compile_s += cost.compile_s
        self.wall_s += cost.wall_s
        for place, outcome in outcomes:
            for name, drift in outcome.drifts.items():
                finite = np.abs(drift[np.isfinite(drift)])
                self.worst_drift[name] = max(self.worst_drift.get(name, 0.0), float(finite.max(initial=0.0)))
            if outcome.status != Status.DONE:
                self.failed += 1
                time = outcome.stop_time if np.isfinite(outcome.stop_time) else None
                self.failures.append({"point": told(sweep, place), "time": time, "reason": outcome.reason})
        if done.all():
            self.state = FINISHED


def run(sweep: Swept, folder: RunFolder, *, force: bool = False, quiet: bool = False) -> dict[str, Any]:
    """Run what is not yet done of a sweep, in its folder, and return the summary; `force` starts anew.

    Raises `InputError` for a sweep with a point that cannot be or a folder that holds something else, and `RunFailed` where memory
    does not suffice. A point that diverges is a result: the summary says when and why.
    """
    runtime.start(sweep.precision, cpu_devices=runtime.cores())
    everywhere = places(sweep)
    largest = _sizes(sweep, everywhere)
    with kept(sweep, folder, force=force, quiet=quiet) as run, started(sweep) as solve:
        for k, method in enumerate(sweep.methods):
            entry = run.entries.get(method.name, {"kind": method.kind, "points": len(everywhere)})
            with memory_for(method.name):
                for progress in _follow(k, Progress(**entry), sweep, everywhere, largest, solve, run.store, quiet):
                    run.keep(method.name, progress)
    return run.summary


def _sizes(sweep: Swept, everywhere: list[Place]) -> dict[str, int]:
    """How long each dimension of the observables is at the largest point. Raises `InputError` for a point that cannot be."""
    experiments = [experiment_at(sweep, place) for place in everywhere]
    dims = dict.fromkeys(dim for name in sweep.observables for dim in sweep.observable(name).dims[1:])
    return {dim: max(experiment.model.count(dim) for experiment in experiments) for dim in dims}


def _follow(
    k: int,
    progress: Progress,
    sweep: Swept,
    everywhere: list[Place],
    largest: dict[str, int],
    solve: Solve,
    store: ResultStore,
    quiet: bool,
) -> Iterator[Progress]:
    """Compute what the sweep still lacks of method `k`, and yield each time that more of it is safe on disk."""
    label = sweep.methods[k].name
    numbers = {place: n for n, place in enumerate(everywhere)}
    if progress.rows:
        progress.lose(store, label, sweep, everywhere)
    left = [place for place, done in zip(everywhere, progress.done(), strict=True) if not done]
    if not progress.rows:
        store.create(label, *_layout(sweep, largest), rows=(1,) * len(sweep.shape))
    bar = tqdm(desc=label, total=len(everywhere), initial=progress.rows, unit=" points", bar_format=BAR, disable=quiet or None)
    with bar:
        for outcomes, cost in solve(k, left) if left else ():
            for place, outcome in outcomes:
                _write(store, label, place, outcome, sweep.observables)
            progress.advance([numbers[place] for place, _ in outcomes], sweep, outcomes, cost)
            bar.set_postfix_str(f"{progress.failed} failed" if progress.failed else "", refresh=False)
            bar.update(len(outcomes))
            yield progress


def _write(store: ResultStore, label: str, place: Place, outcome: Outcome, observables: Sequence[str]) -> None:
    nothing = dict.fromkeys((*observables, "worst_drift"), np.array(np.nan))  # so that whatever is missing is known to be lost
    values = nothing | outcome.rows
    drifts = [np.abs(drift[np.isfinite(drift)]) for drift in outcome.drifts.values()]
    if any(drift.size for drift in drifts):
        values["worst_drift"] = np.concatenate(drifts).max()
    store.write_at(label, place, values | {"stop_time": np.array(outcome.stop_time), "status": np.array(outcome.status)})


def _layout(sweep: Swept, largest: dict[str, int]) -> tuple[dict[str, Variable], dict[str, Coordinate]]:
    """What the group of a method will hold; what a smaller system lacks stays NaN."""
    along = tuple(axis.name for axis in sweep.axes)
    real, complex_ = ("float64", "complex128") if sweep.precision == "double" else ("float32", "complex64")
    variables = {}
    for name in sweep.observables:
        known = sweep.observable(name)
        shape = (*sweep.shape, sweep.time.samples, *(largest[dim] for dim in known.dims[1:]))
        dtype = np.dtype(complex_ if known.is_complex else real)
        variables[name] = Variable((*along, *known.dims), shape, dtype, known.units, known.long_name)
    meanings = ", ".join(f"{number}: {name}" for number, name in STATUS.items())
    scalar = lambda dtype, units, text, **more: Variable(along, sweep.shape, np.dtype(dtype), units, text, **more)  # noqa: E731
    variables |= {
        "worst_drift": scalar(real, "1", f"largest {DRIFT.long_name}, of any invariant"),
        "stop_time": scalar(real, sweep.unit("hbar/J"), "when the run stopped before its end; NaN: never"),
        "status": scalar("int8", "1", f"how the run ended ({meanings}; -1: not yet computed)", missing=-1),
    }
    return variables, _coordinates(sweep, largest)


def _coordinates(sweep: Swept, largest: dict[str, int]) -> dict[str, Coordinate]:
    coordinates = {}
    every_key = short([key for axis in sweep.axes for key in axis.values])
    names = iter(every_key)
    for axis in sweep.axes:
        for key, values in axis.values.items():
            name, array = next(names), np.array(values)
            along = None if name == axis.name else axis.name
            coordinates[name] = Coordinate(array, unit_of(key, sweep), f"config key {dotted(key)}", along)
        if axis.name not in coordinates:
            coordinates[axis.name] = Coordinate(np.arange(axis.size), "1", "number of the point")
    times = np.linspace(sweep.time.start, sweep.time.end, sweep.time.samples)
    coordinates["time"] = Coordinate(times, sweep.unit("hbar/J"), "time")
    box = any(dotted(key).startswith(("model.lengths", "model.points")) for axis in sweep.axes for key in axis.values)
    for dim, length in largest.items():
        names = sweep.model.names(dim) if dim != "bond" else None  # lattices may differ from point to point
        places = sweep.model.places(dim)
        if names is None and places is not None:
            values, unit = (np.arange(length), "1") if box else (places, sweep.unit("length"))
        else:
            values, unit = np.arange(length) if names is None else named(names), "1"
        coordinates[dim] = Coordinate(values, unit, MEANINGS.get(dim, dim))
    return coordinates
