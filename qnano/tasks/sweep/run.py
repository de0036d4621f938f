"""Run a sweep: every method at every point, as a study."""

from functools import cached_property
from typing import Any

import jax.numpy as jnp
import numpy as np

from qnano import runtime
from qnano.config.keys import dotted
from qnano.errors import InputError
from qnano.families.build import build
from qnano.families.units import unit_of
from qnano.storage.folder import RunFolder
from qnano.storage.store import Coordinate, Variable, named
from qnano.tasks.dynamics.run import DRIFT, MEANINGS
from qnano.tasks.stops import LOST, at, first_lost, reason
from qnano.tasks.study.axes import Place, places
from qnano.tasks.study.conduct import conducted
from qnano.tasks.study.points import AbstractStudy, Failure, Outcome, Propagated
from qnano.tasks.sweep.places import experiment_at, told
from qnano.tasks.sweep.schema import Swept, short
from qnano.trajectory import Status, Trajectory

NOT_BUILT = 4
STATUS = {
    Status.DONE: "reached_the_end",
    Status.OUT_OF_BOUNDS: "left_its_bounds",
    Status.STEP_LIMIT: "limit_of_steps",
    Status.NOT_FINITE: "lost_precision",
    NOT_BUILT: "not_built",
}


def run(sweep: Swept, folder: RunFolder, *, force: bool = False, quiet: bool = False) -> dict[str, Any]:
    """Run what is not yet done of a sweep, in its folder, and return the summary; `force` starts anew.

    Raises `InputError` for a sweep with a point that cannot be or a folder that holds something else, and `RunFailed` where memory
    does not suffice. A point that diverges is a result: the summary says when and why.
    """
    runtime.start(sweep.precision, cpu_devices=runtime.cores())
    return conducted(sweep, Study(sweep), folder, force=force, quiet=quiet)


class Study(AbstractStudy):
    """The points of a sweep."""

    def __init__(self, sweep: Swept):
        self.sweep = sweep
        self.labels = [method.name for method in sweep.methods]
        time = sweep.time
        self.times = jnp.linspace(time.start, time.end, time.samples)

    def must_be_possible(self) -> None:
        _ = self.largest

    def kind(self, label: str) -> str:
        return self.sweep.methods[self.labels.index(label)].kind

    def shape(self, label: str) -> tuple[int, ...]:
        return self.sweep.shape

    def told(self, label: str, place: Place) -> str:
        return told(self.sweep, place)

    @cached_property
    def largest(self) -> dict[str, int]:
        """How long each dimension of the observables is at the largest point. Raises `InputError` for a point that cannot be."""
        experiments = [experiment_at(self.sweep, place) for place in places(self.sweep.shape)]
        dims = dict.fromkeys(dim for name in self.sweep.observables for dim in self.sweep.observable(name).dims[1:])
        return {dim: max(experiment.model.count(dim) for experiment in experiments) for dim in dims}

    def layout(self, label: str) -> tuple[dict[str, Variable], dict[str, Coordinate]]:
        return _layout(self.sweep, self.largest)

    def point(self, label: str, place: Place) -> Propagated:
        experiment = experiment_at(self.sweep, place)
        chosen = experiment.methods[self.labels.index(label)]
        method = build(experiment.model_copy(update={"methods": (chosen,)}))[0]
        watched = self.sweep.watched_every > 0
        return Propagated(method.dynamics, method.state, method.solver, self.times, method.observables, watched=watched)

    def outcome(self, label: str, place: Place, found: Trajectory) -> Outcome:
        rows = {name: np.asarray(values) for name, values in found.observables.items()}
        drifts = {name: _largest(np.asarray(values - values[0])) for name, values in found.invariants.items()}
        status, stop, why = int(found.status), float(found.stop_time), None
        if status != Status.DONE:
            why = reason(found, status, stop, self.sweep.unit("hbar/J"))
        elif (lost := first_lost(rows)) is not None:
            status, stop = int(Status.NOT_FINITE), float(found.times[lost])
            why = LOST.format(at(stop, self.sweep.unit("hbar/J")))
        failure = None if why is None else Failure(stop if np.isfinite(stop) else None, why)
        values = rows | {"status": np.array(status), "stop_time": np.array(np.nan if why is None else stop)}
        known = [drift for drift in drifts.values() if drift is not None]
        if known:
            values["worst_drift"] = np.array(max(known))
        return Outcome(values, {name: drift or 0.0 for name, drift in drifts.items()}, failure)

    def impossible(self, label: str, place: Place, error: InputError) -> Outcome:
        return Outcome({"status": np.array(NOT_BUILT)}, failure=Failure(None, str(error)))


def _largest(drift: np.ndarray) -> float | None:
    """The largest size of what is known of a drift, if anything is."""
    finite = np.abs(drift[np.isfinite(drift)])
    return float(finite.max()) if finite.size else None


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
        "worst_drift": scalar(real, "1", f"largest {DRIFT.long_name}, of any, and probability below 0 at the end"),
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
