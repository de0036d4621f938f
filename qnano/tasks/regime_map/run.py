"""Run a regime map: a grid of quenches, what is correlated in the exact motion, and how far each closure is from it.

The map advances by columns, all traps at one interaction: one compiled program for each method serves them all. After each column
its numbers go into the store, then the count of columns into the summary: a run killed at any moment goes on with the column that
it was at. Of the states nothing is kept but norms and errors, one number per point and time.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, PyTree
from tqdm import tqdm

from qnano import runtime
from qnano.dynamics import AbstractDynamics, AbstractSolver
from qnano.errors import InputError
from qnano.families.base import AbstractMethod
from qnano.families.build import Method, build
from qnano.hubbard.diagnostics import build_up, cumulant_norms, pearson, relative_error
from qnano.hubbard.exact import ExactHubbard
from qnano.propagation import propagate
from qnano.storage.folder import FINISHED, RunFolder
from qnano.storage.store import Coordinate, ResultStore, Variable
from qnano.tasks import keeping
from qnano.tasks.keeping import kept, memory_for
from qnano.tasks.regime_map.schema import Grid, RegimeMap
from qnano.trajectory import Status

DIMS = ("interaction", "trap", "time")
MEANINGS = {
    "two_cumulant": ("1", "norm of the two-particle cumulant, up and down"),
    "three_cumulant": ("1", "norm of the three-particle cumulant, up, up and down"),
    "collision": ("1", "share of the three-particle cumulant in the collisions, |C[Delta3]| / |C|"),
    "pearson": ("1", "correlation in time of the norms of the two- and three-particle cumulants"),
    "build_up": ("1", "time average of the growth of the norm of the three-particle cumulant"),
    "mean_collision": ("1", "time average of |C[Delta3]| / |C|"),
    "relative_error": ("1", "relative error of the two-particle density matrix"),
    "mean_error": ("1", "time average of the relative error, up to the stop if there is one"),
    "failure_time": ("hbar/J", "first time with a relative error above what is tolerated, or with none at all; NaN: never"),
    "stop_time": ("hbar/J", "when the run left its physical bounds; NaN: never"),
}

Wavefunction = Complex[Array, "up down"]
Numbers = dict[str, Float[Array, "..."]]
Column = tuple[PyTree[Array], ...]


@dataclass
class Progress(keeping.Progress):
    """Of a method: `rows` columns of the map are done; how many points failed, and how many of them stopped."""

    points: int = 0
    failed: int = 0
    stopped: int = 0

    def advance(self, numbers: dict[str, np.ndarray], columns: int) -> None:
        """Take a column into account, of so many."""
        self.rows += 1
        self.points += next(iter(numbers.values())).shape[1]
        if "failure_time" in numbers:
            self.failed += int(np.isfinite(numbers["failure_time"]).sum())
            self.stopped += int(np.isfinite(numbers["stop_time"]).sum())
        if self.rows == columns:
            self.state = FINISHED


def run(experiment: RegimeMap, folder: RunFolder, *, force: bool = False, quiet: bool = False) -> dict[str, Any]:
    """Run what is not yet done of a map, in its folder, and return the summary; `force` starts anew.

    Raises `InputError` for a point that cannot be built or a folder that holds something else, and `RunFailed` where memory does
    not suffice. A closure that fails at a point is a result.
    """
    runtime.start(experiment.precision)
    with memory_for("the initial states"):
        points = _points(experiment)
    with kept(experiment, folder, force=force, quiet=quiet) as run:
        for k, method in sorted(enumerate(experiment.methods), key=lambda entry: entry[1].kind != "exact"):
            progress = Progress(**run.entries.get(method.name, {"kind": method.kind}))
            if run.store.damaged(method.name, progress.rows):
                progress = Progress(method.kind)
            with memory_for(method.name):
                for _ in _follow(k, progress, points, experiment, run.store, quiet):
                    run.keep(method.name, progress)
    return run.summary


def diagnose(exact: ExactHubbard, psi: Wavefunction, times: Float[Array, " time"], solver: AbstractSolver | None) -> Numbers:
    """How correlated the exact motion is, at one point of the map."""
    motion = propagate(exact, psi, times, solver=solver, observables=("wavefunction",), monitor=False)
    measure = lambda row: cumulant_norms(row[0], exact.model, row[1])  # noqa: E731
    norms = jax.lax.map(measure, (motion.observables["wavefunction"], times))
    return {
        "two_cumulant": norms.two,
        "three_cumulant": norms.three,
        "collision": norms.relative_collision,
        "pearson": pearson(norms.two, norms.three),
        "build_up": build_up(times, norms.three),
        "mean_collision": norms.relative_collision.mean(),
    }


def compare(
    exact: ExactHubbard,
    psi: Wavefunction,
    dynamics: AbstractDynamics,
    state: PyTree[Array],
    times: Float[Array, " time"],
    solvers: tuple[AbstractSolver | None, AbstractSolver | None],
    tolerated: float,
) -> Numbers:
    """How far `dynamics` is from the exact motion, at one point of the map; `solvers` are those of the exact one and its own."""
    truth = propagate(exact, psi, times, solver=solvers[0], observables=("rdm2",), monitor=False)
    motion = propagate(dynamics, state, times, solver=solvers[1], observables=("rdm2",), monitor=False)
    error = jax.vmap(relative_error)(motion.observables["rdm2"], truth.observables["rdm2"])
    wrong = ~(error <= tolerated)
    return {
        "relative_error": error,
        "mean_error": jnp.nanmean(error),
        "failure_time": jnp.where(wrong.any(), times[jnp.argmax(wrong)], jnp.nan),
        "stop_time": jnp.where(motion.status == Status.DONE, jnp.nan, motion.stop_time),
    }


def _points(experiment: RegimeMap) -> list[list[list[Method]]]:
    """Every method at every point: by interaction, trap, method."""

    def at(interaction: float, trap: float) -> list[Method]:
        try:
            return build(experiment.at(interaction, trap))
        except InputError as error:
            raise InputError(f"map, at interaction {interaction:g} and trap {trap:g}: {error}") from None

    return [[at(interaction, trap) for trap in experiment.map.trap] for interaction in experiment.map.interaction]


def _follow(
    k: int, progress: Progress, points: list[list[list[Method]]], experiment: RegimeMap, store: ResultStore, quiet: bool
) -> Iterator[None]:
    """Compute what the map still lacks of method `k`, and yield each time that more of it is safe on disk."""
    grid, label = experiment.map, experiment.methods[k].name
    times = np.linspace(experiment.time.start, experiment.time.end, experiment.time.samples)
    program, total = None, len(grid.interaction) * len(grid.trap)
    with tqdm(desc=label, total=total, initial=progress.points, unit="point", disable=quiet or None) as bar:
        for column in range(progress.rows, len(grid.interaction)):
            arguments, measure = _stacked(points[column], k, jnp.asarray(times), experiment.tolerated)
            if program is None:
                begin = time.perf_counter()
                program = _compiled(measure, arguments, _at_once(experiment.methods[k], grid))
                progress.compile_s += time.perf_counter() - begin
            begin = time.perf_counter()
            numbers = {name: np.asarray(values)[None] for name, values in _awaited(program(arguments)).items()}
            progress.wall_s += time.perf_counter() - begin
            if column == 0:
                store.create(label, *_layout(numbers, experiment, times), rows=1)
            store.write(label, column, numbers)
            progress.advance(numbers, len(grid.interaction))
            bar.update(len(grid.trap))
            yield


def _stacked(
    points: list[list[Method]], k: int, times: Float[Array, " time"], tolerated: float
) -> tuple[Column, Callable[..., Numbers]]:
    """Dynamics and states of method `k` along a column, beside the exact ones, and what measures one of its points."""
    exact = next(place for place, method in enumerate(points[0]) if method.kind == "exact")
    places = (exact,) if k == exact else (exact, k)
    solvers = (points[0][exact].solver, points[0][k].solver)
    rows = [tuple(part for place in places for part in (methods[place].dynamics, methods[place].state)) for methods in points]
    column = jax.tree.map(lambda *parts: jnp.stack(parts) if eqx.is_array(parts[0]) else parts[0], *rows)
    if k == exact:
        return column, lambda exact, psi: diagnose(exact, psi, times, solvers[0])
    return column, lambda exact, psi, dynamics, state: compare(exact, psi, dynamics, state, times, solvers, tolerated)


def _at_once(method: AbstractMethod, grid: Grid) -> int:
    """How many points of a column are computed side by side, where all wait for the slowest.

    One with purification, whose number of iterations is each point's own.
    """
    return len(grid.trap) if getattr(method, "purification", None) is None else 1


def _compiled(measure: Callable[..., Numbers], column: Column, at_once: int) -> Callable[[Column], Numbers]:
    """A program for `measure` of each point of a column, so many at once."""

    @eqx.filter_jit
    def mapped(column: Column) -> Numbers:
        arrays, static = eqx.partition(column, eqx.is_array)
        return jax.lax.map(lambda point: measure(*eqx.combine(point, static)), arrays, batch_size=at_once)

    return mapped.lower(column).compile()


def _awaited(numbers: Numbers) -> Numbers:
    """Wait in Python, where Ctrl-C is heard at once, while the device computes."""
    while not all(values.is_ready() for values in numbers.values()):
        time.sleep(0.002)
    return numbers


def _layout(
    numbers: dict[str, np.ndarray], experiment: RegimeMap, times: np.ndarray
) -> tuple[dict[str, Variable], dict[str, Coordinate]]:
    """What the group of a method will hold, seen from its first column."""
    grid = experiment.map
    coordinates = {
        "interaction": Coordinate(np.array(grid.interaction), "J", "interaction U"),
        "trap": Coordinate(np.array(grid.trap), "J", "strength V of the trap that is switched off, per squared lattice constant"),
        "time": Coordinate(times, "hbar/J", "time"),
    }
    variables = {}
    for name, values in numbers.items():
        shape = (len(grid.interaction), *values.shape[1:])
        variables[name] = Variable(DIMS[: values.ndim], shape, values.dtype, *MEANINGS[name])
    return variables, coordinates
