"""Run a regime map: a grid of quenches, what is correlated in the exact motion, and how far each closure is from it, as a study.

Of the states nothing is kept but norms and errors, one number per point and time.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from qnano import runtime
from qnano.dynamics import AbstractSolver
from qnano.errors import InputError, RunFailed
from qnano.families.build import Method, build
from qnano.hubbard.diagnostics import build_up, cumulant_norms, pearson
from qnano.hubbard.exact import ExactHubbard
from qnano.propagation import propagate
from qnano.storage.folder import RunFolder
from qnano.storage.store import Coordinate, Variable
from qnano.tasks.regime_map.schema import RegimeMap
from qnano.tasks.study.axes import Place, places
from qnano.tasks.study.compared import Compared, ended, failure_of
from qnano.tasks.study.conduct import conducted
from qnano.tasks.study.points import FORWARD, AbstractPoint, AbstractStudy, Outcome
from qnano.trajectory import Trajectory

POINT = ("interaction", "trap")
ALONG = (*POINT, "time")
# By name: dimensions, unit, meaning. Of the exact motion, and of the others.
CORRELATED = {
    "two_cumulant": (ALONG, "1", "norm of the two-particle cumulant, up and down"),
    "three_cumulant": (ALONG, "1", "norm of the three-particle cumulant, up, up and down"),
    "collision": (ALONG, "1", "share of the three-particle cumulant in the collisions, |C[Delta3]| / |C|"),
    "pearson": (POINT, "1", "correlation in time of the norms of the two- and three-particle cumulants"),
    "build_up": (POINT, "1", "time average of the growth of the norm of the three-particle cumulant"),
    "mean_collision": (POINT, "1", "time average of |C[Delta3]| / |C|"),
}
WRONG = {
    "relative_error": (ALONG, "1", "relative error of the two-particle density matrix"),
    "mean_error": (POINT, "1", "time average of the relative error, up to the stop if there is one"),
    "failure_time": (POINT, "hbar/J", "first time with an error above what is tolerated, or with none at all; NaN: never"),
    "stop_time": (POINT, "hbar/J", "when the run left its physical bounds; NaN: never"),
}


def run(experiment: RegimeMap, folder: RunFolder, *, force: bool = False, quiet: bool = False) -> dict[str, Any]:
    """Run what is not yet done of a map, in its folder, and return the summary; `force` starts anew.

    Raises `InputError` for a point that cannot be built or a folder that holds something else, and `RunFailed` where memory does
    not suffice. A closure that fails at a point is a result.
    """
    runtime.start(experiment.precision, cpu_devices=runtime.cores())
    return conducted(experiment, Study(experiment), folder, force=force, quiet=quiet)


class Study(AbstractStudy):
    """The points of a map; the exact motion comes first."""

    def __init__(self, experiment: RegimeMap):
        self.experiment = experiment
        self.kinds = {method.name: method.kind for method in experiment.methods}
        self.labels = sorted(self.kinds, key=lambda label: self.kinds[label] != "exact")
        self.times = np.linspace(experiment.time.start, experiment.time.end, experiment.time.samples)
        self.methods = cache(self._methods)

    def must_be_possible(self) -> None:
        for place in places(self.shape("")):
            self.methods(place)

    def kind(self, label: str) -> str:
        return self.kinds[label]

    def shape(self, label: str) -> tuple[int, ...]:
        return len(self.experiment.map.interaction), len(self.experiment.map.trap)

    def told(self, label: str, place: Place) -> str:
        grid = self.experiment.map
        return f"interaction {grid.interaction[place[0]]:g} and trap {grid.trap[place[1]]:g}"

    def _methods(self, place: Place) -> dict[str, Method]:
        grid = self.experiment.map
        try:
            built = build(self.experiment.at(grid.interaction[place[0]], grid.trap[place[1]]))
        except InputError as error:
            raise InputError(f"map, at {self.told('', place)}: {error}") from None
        return {method.label: method for method in built}

    def point(self, label: str, place: Place) -> AbstractPoint:
        methods, times = self.methods(place), jnp.asarray(self.times)
        exact, method = methods[self.labels[0]], methods[label]
        assert isinstance(exact.dynamics, ExactHubbard)
        if method is exact:
            return Diagnosed(exact.dynamics, exact.state, exact.solver, times)
        return Compared(exact.dynamics, exact.state, method.dynamics, method.state, times, (exact.solver, method.solver))

    def outcome(self, label: str, place: Place, found: tuple[Any, ...]) -> Outcome:
        """Raises `RunFailed` where the exact motion, which all are measured by, did not reach its end."""
        numbers, *motions = found
        if (lost := failure_of(motions[0])) is not None:
            raise RunFailed(f"map, at {self.told(label, place)}: the exact motion: {lost.reason}")
        failure = failure_of(motions[-1])
        if label != self.labels[0]:
            numbers = self._judged(numbers) | {"stop_time": np.array(np.nan if failure is None else failure.time)}
        return Outcome(numbers, failure=failure)

    def _judged(self, error: Float[np.ndarray, " time"]) -> dict[str, np.ndarray]:
        wrong, known = ~(error <= self.experiment.tolerated), np.isfinite(error)
        return {
            "relative_error": error,
            "mean_error": error[known].mean() if known.any() else np.array(np.nan),
            "failure_time": self.times[np.argmax(wrong)] if wrong.any() else np.array(np.nan),
        }

    def layout(self, label: str) -> tuple[dict[str, Variable], dict[str, Coordinate]]:
        grid, real = self.experiment.map, np.dtype("float64" if self.experiment.precision == "double" else "float32")
        coordinates = {
            "interaction": Coordinate(np.array(grid.interaction), "J", "interaction U"),
            "trap": Coordinate(
                np.array(grid.trap), "J", "strength V of the trap that is switched off, per squared lattice constant"
            ),
            "time": Coordinate(self.times, "hbar/J", "time"),
        }
        lengths = {name: len(coordinate.values) for name, coordinate in coordinates.items()}
        variables = {
            name: Variable(dims, tuple(lengths[dim] for dim in dims), real, unit, meaning)
            for name, (dims, unit, meaning) in (CORRELATED if label == self.labels[0] else WRONG).items()
        }
        return variables, coordinates

    def summed_up(self, label: str, stored: Callable[[str], np.ndarray]) -> dict[str, int]:
        if label == self.labels[0]:
            return {}
        return {"above": int(np.isfinite(stored("failure_time")).sum())}


class Diagnosed(AbstractPoint):
    """How correlated the exact motion is."""

    exact: ExactHubbard
    psi: Complex[Array, "up down"]
    solver: AbstractSolver | None
    times: Float[Array, " time"]

    def __call__(self) -> tuple[dict[str, Float[Array, "..."]], Trajectory]:
        settings: dict[str, Any] = {"solver": self.solver, "observables": ("wavefunction",), "monitor": False, "adjoint": FORWARD}
        motion = propagate(self.exact, self.psi, self.times, **settings)
        measure = lambda row: cumulant_norms(row[0], self.exact.model, row[1])  # noqa: E731
        norms = jax.lax.map(measure, (motion.observables["wavefunction"], self.times))
        numbers = {
            "two_cumulant": norms.two,
            "three_cumulant": norms.three,
            "collision": norms.relative_collision,
            "pearson": pearson(norms.two, norms.three),
            "build_up": build_up(self.times, norms.three),
            "mean_collision": norms.relative_collision.mean(),
        }
        return numbers, ended(motion)
