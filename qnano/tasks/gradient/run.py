"""Differentiate what an experiment measures by the numbers that are in it.

The derivative is the total one: what the same experiment would give with one number changed, the response of its initial state
included. So the whole way from the config to the result is differentiated: the config is read with numbers in it that JAX traces,
everything is built outside of `jit`, where such numbers still answer comparisons, and one compiled propagation serves them all.

    forward     d(all results) / d(one number): the motion of a tangent per number; cheap for few numbers
    reverse     d(one result) / d(all numbers): the motion backwards, per result; cheap for few results

A complex observable is differentiated in its real and imaginary part by real numbers, and the derivative put together again.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from tqdm import tqdm

from qnano import runtime
from qnano.errors import InputError
from qnano.families.base import AbstractMethod
from qnano.families.build import build
from qnano.families.units import ratio, unit_of
from qnano.propagation import propagate
from qnano.storage.folder import DIVERGED, FINISHED, RunFolder
from qnano.storage.store import Coordinate, ResultStore, Variable, named
from qnano.tasks import keeping
from qnano.tasks.dynamics.run import MEANINGS
from qnano.tasks.gradient.derivatives import mode_of
from qnano.tasks.gradient.parameters import parameters
from qnano.tasks.gradient.schema import GradientOf
from qnano.tasks.keeping import kept, memory_for
from qnano.tasks.stops import reason
from qnano.tasks.varied import varied
from qnano.trajectory import Status, Trajectory

COMPILED = "/jax/core/compile/backend_compile_duration"
Number = Float[Array, ""]
Results = Float[Array, "..."]


@dataclass
class Progress(keeping.Progress):
    """Of a method: `rows` derivatives, one per number, are there.

    `deviation` from central differences is relative, the largest by any of the numbers.
    """

    mode: str = ""
    deviation: float | None = None


@dataclass(frozen=True)
class Problem:
    """What one method measures, at `index` of an observable over `times`, as a function of the numbers at `point`, by key."""

    experiment: GradientOf
    method: AbstractMethod
    point: dict[str, float]
    times: np.ndarray
    index: tuple[int | slice, ...]

    def results(self, numbers: list[Number], adjoint: diffrax.AbstractAdjoint) -> tuple[Results, Trajectory]:
        """The results, with real and imaginary parts apart, and the propagation that they come from."""
        changed = varied(self.experiment, dict(zip(self.point, numbers, strict=True)))
        (method,) = build(changed.model_copy(update={"methods": (self.method,)}))
        name = self.experiment.selection.observable.name
        trajectory = _propagated(method.dynamics, method.state, jnp.asarray(self.times), method.solver, adjoint, name)
        chosen = trajectory.observables[name][self.index]
        return jnp.stack([chosen.real, chosen.imag]) if jnp.iscomplexobj(chosen) else chosen, trajectory

    def derivative(self, mode: str) -> tuple[np.ndarray, np.ndarray, Trajectory]:
        """Results, their derivatives with one number after the other along the first axis, and the propagation.

        `mode` is forward or reverse.
        """
        adjoint = diffrax.ForwardMode() if mode == "forward" else diffrax.RecursiveCheckpointAdjoint()

        def twice(numbers: list[Number]) -> tuple[Results, tuple[Results, Trajectory]]:
            results, trajectory = self.results(numbers, adjoint)
            return results, (results, trajectory)

        jacobian = jax.jacfwd if mode == "forward" else jax.jacrev
        columns, (results, trajectory) = jacobian(twice, has_aux=True)(self._start)
        return self._joined(results), np.stack([self._joined(column) for column in columns]), trajectory

    def central_differences(self) -> np.ndarray:
        """The same derivatives by four runs for each number, at +-h and +-2h, with an error of order h^4; real if the results are.

        h is the fifth root of the rounding of the number, or of 1 if that is larger: so rounding and h^4 balance. NaN by a number
        that one of these runs must not have.
        """

        def shifted(place: int, by: float) -> np.ndarray:
            numbers = [x + by if n == place else x for n, x in enumerate(self._start)]
            return self._joined(self.results(numbers, diffrax.ForwardMode())[0])

        def difference(place: int, value: float) -> np.ndarray | float:
            h = _step() * max(1.0, abs(value))
            try:
                near, far = (shifted(place, n * h) - shifted(place, -n * h) for n in (1, 2))
            except InputError:
                return np.nan
            return np.asarray((8 * near - far) / (12 * h))

        found = [difference(place, value) for place, value in enumerate(self.point.values())]
        return np.stack(np.broadcast_arrays(*found))

    @property
    def _start(self) -> list[Number]:
        return [jnp.asarray(number) for number in self.point.values()]

    def _joined(self, parts: Results) -> np.ndarray:
        """Complex again, if it was."""
        values = np.asarray(parts)
        return np.asarray(values[0] + 1j * values[1]) if values.ndim > len(self.experiment.selection.dims) else values


def _step() -> float:
    """Of central differences of fourth order, in the precision that is set: 7e-4, or 4e-2 in single."""
    return float(jnp.finfo(jnp.result_type(float)).eps) ** 0.2


@eqx.filter_jit
def _propagated(dynamics, state, times, solver, adjoint, name) -> Trajectory:
    return propagate(dynamics, state, times, solver=solver, observables=(name,), adjoint=adjoint, monitor=False)


def run(experiment: GradientOf, folder: RunFolder, *, force: bool = False, quiet: bool = False) -> dict[str, Any]:
    """Differentiate by every method what is not yet done, in its folder, and return the summary; `force` starts anew.

    Raises `InputError` for an experiment that cannot be built, for keys that cannot be differentiated by or a folder that holds
    something else, and `RunFailed` where memory does not suffice. A method that diverges is no exception.
    """
    runtime.start(experiment.precision)
    point = parameters(experiment)
    with memory_for("the initial states"):
        build(varied(experiment, {}))  # what cannot be built is told before anything is written
    with kept(experiment, folder, force=force, quiet=quiet) as run:
        bar = tqdm(experiment.methods, unit="method", disable=quiet or None)
        for method in bar:
            bar.set_description_str(method.name)
            known = run.entries.get(method.name)
            if known is not None and not run.store.damaged(method.name, known["rows"]):
                continue
            with memory_for(method.name):
                problem = Problem(experiment, method, point, *_where(experiment))
                run.keep(method.name, _solve(problem, run.store))
    return run.summary


def deviation(derivatives: np.ndarray, differences: np.ndarray) -> float | None:
    """The largest difference by any of the numbers, relative to the largest derivative by that number; None without any.

    Derivatives that are smaller than the largest of all, or than 1, by more than the differences resolve count as so much.
    """
    apart, size = (np.abs(x).reshape(len(x), -1).max(axis=1) for x in (derivatives - differences, derivatives))
    relative = apart / np.maximum(size, _step() ** 2 * max(size.max(), 1.0))
    return float(np.nanmax(relative)) if np.isfinite(relative).any() else None


def _solve(problem: Problem, store: ResultStore) -> Progress:
    """Differentiate with one method, and write down what comes out."""
    wanted, progress = problem.experiment.gradient, Progress(problem.method.kind)
    progress.mode = mode_of(problem.experiment, len(problem.point))
    with _timed(progress):
        value, derivatives, trajectory = problem.derivative(progress.mode)
    arrays = {problem.experiment.selection.observable.name: derivatives, "value": value}
    status, stop = int(trajectory.status), float(trajectory.stop_time)
    if status != Status.DONE:
        progress.message = reason(trajectory, status, stop, problem.experiment.unit("hbar/J"))
    elif not (np.isfinite(value).all() and np.isfinite(derivatives).all()):
        progress.message = "the derivative is not a finite number"
    elif wanted.check:
        arrays["central_difference"] = problem.central_differences()
        progress.deviation = deviation(derivatives, arrays["central_difference"])
    progress.state, progress.rows = DIVERGED if progress.message else FINISHED, len(derivatives)
    store.create(problem.method.name, *_layout(arrays, problem), rows=len(derivatives))
    store.write_at(problem.method.name, (), arrays)
    return progress


def _where(experiment: GradientOf) -> tuple[np.ndarray, tuple[int | slice, ...]]:
    """The times to propagate over, and where the results are in the observable: time first, then its other dimensions."""
    selection, time = experiment.selection, experiment.time
    times, row = np.linspace(time.start, time.end, time.samples), slice(None)
    if selection.time == time.start:
        times, row = times[:2], 0
    elif selection.time is not None:
        times, row = np.array([time.start, selection.time]), 1
    return times, (row, *(selection.places.get(dim, slice(None)) for dim in selection.observable.dims[1:]))


def _layout(arrays: dict[str, np.ndarray], problem: Problem) -> tuple[dict[str, Variable], dict[str, Coordinate]]:
    """What the group of a method will hold."""
    selection, model = problem.experiment.selection, problem.experiment.model
    coordinates = {"parameter": Coordinate(named(list(problem.point)), "1", "key of the number that one differentiates by")}
    for dim in selection.dims:
        if dim == "time":
            coordinates[dim] = Coordinate(problem.times, problem.experiment.unit("hbar/J"), dim)
        elif model.names(dim) is None and (places := model.places(dim)) is not None:
            coordinates[dim] = Coordinate(places, problem.experiment.unit("length"), "place")
        else:
            coordinates[dim] = Coordinate(named(model.labels(dim)), "1", MEANINGS.get(dim, dim))
    known, units = selection.observable, [unit_of(key, problem.experiment) for key in problem.point]
    coordinates["parameter_unit"] = Coordinate(np.array(units, str), "1", "unit of that number", dim="parameter")
    per = ratio(known.units, units[0]) if units[0] and len(set(units)) == 1 else f"{known.units} per unit of the number"
    about = dict.fromkeys(arrays, (per, f"derivative of {problem.experiment.gradient.of}"))
    about["value"] = (known.units, known.long_name)
    variables = {
        name: Variable(selection.dims if name == "value" else ("parameter", *selection.dims), x.shape, x.dtype, *about[name])
        for name, x in arrays.items()
    }
    return variables, coordinates


@contextmanager
def _timed(progress: Progress) -> Iterator[None]:
    """Add up what is spent inside, compilation apart."""
    compiled = []

    def listen(event: str, duration_secs: float, **kwargs: str | int) -> None:
        if event == COMPILED:
            compiled.append(duration_secs)

    jax.monitoring.register_event_duration_secs_listener(listen)
    begin = time.perf_counter()
    try:
        yield
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
        progress.compile_s += sum(compiled)
        progress.wall_s += time.perf_counter() - begin - sum(compiled)
