"""Judge motions of D2 on quenches, as a study: its labels are methods and forecasts, its points the quenches.

Each is a group of `results.zarr` with `error[quench, time]`.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from qnano import runtime
from qnano.errors import InputError, RunFailed
from qnano.families.build import Method, build
from qnano.families.experiment import Experiment
from qnano.families.hubbard.build import build_model
from qnano.families.hubbard.schema import FermiHubbard
from qnano.fermions.rdm import two_rdm_updn
from qnano.hubbard.exact import ExactHubbard
from qnano.learning import baselines
from qnano.learning.data import quenches
from qnano.learning.evaluation import forecast_error, medians
from qnano.learning.packing import pack
from qnano.propagation import propagate
from qnano.storage.folder import RunFolder
from qnano.storage.store import Coordinate, Variable
from qnano.tasks.evaluation.schema import Evaluation
from qnano.tasks.study.axes import Place, places
from qnano.tasks.study.compared import Compared, ended, failure_of
from qnano.tasks.study.conduct import conducted
from qnano.tasks.study.points import FORWARD, AbstractPoint, AbstractStudy, Outcome
from qnano.tasks.training.schema import Family
from qnano.trajectory import Trajectory

FORECAST, DRAWN = "forecast", "experiment"


class Case(NamedTuple):
    """An experiment on which methods are judged: the key that asks for it, its potential before t = 0, and its interaction."""

    key: str
    family: str
    strength: float
    interaction: float
    experiment: Experiment


def run(evaluation: Evaluation, folder: RunFolder, *, force: bool = False, quiet: bool = False) -> dict[str, Any]:
    """Judge what is not yet judged, and return the summary; `force` starts anew.

    Raises `InputError` for quenches without a unique start, weights that do not fit, or a folder that holds something else, and
    `RunFailed` where memory does not suffice. A motion that diverges is a result: its error is infinite from there on.
    """
    runtime.start(evaluation.precision, cpu_devices=runtime.cores())
    return conducted(evaluation, Study(evaluation), folder, force=force, quiet=quiet)


class Study(AbstractStudy):
    """The quenches of an evaluation."""

    word = "quenches"

    def __init__(self, evaluation: Evaluation):
        self.evaluation, self.cases = evaluation, cases(evaluation)
        self.kinds = {method.name: method.kind for method in evaluation.methods} | dict.fromkeys(evaluation.forecasts, FORECAST)
        self.labels = list(self.kinds)
        self.times = np.linspace(0.0, evaluation.time.end, evaluation.time.samples)
        self.methods = cache(self._methods)
        known = {
            "dmd": lambda seen, samples: baselines.dmd(seen, evaluation.rank).forecast(samples),
            "hankel_dmd": lambda seen, samples: baselines.dmd(seen, evaluation.rank, evaluation.delays).forecast(samples),
            "persistence": baselines.persistence,
            "mean": baselines.mean,
        }
        self.forecasts = {name: known[name] for name in evaluation.forecasts}

    def must_be_possible(self) -> None:
        for place in places(self.shape("")):
            self.methods(place)

    def kind(self, label: str) -> str:
        return self.kinds[label]

    def shape(self, label: str) -> tuple[int, ...]:
        return (len(self.cases),)

    def told(self, label: str, place: Place) -> str:
        case = self.cases[place[0]]
        strength = f", strength {case.strength:g}" if case.family != DRAWN else ""
        return f"quench {place[0]} ({case.family}{strength}, interaction {case.interaction:g})"

    def _methods(self, place: Place) -> dict[str, Method]:
        key, *_, experiment = self.cases[place[0]]
        try:
            return {method.label: method for method in build(experiment)}
        except InputError as error:
            whose = "" if str(error).startswith("methods.") else f"{key}: "
            raise InputError(f"{whose}{error}") from None

    def point(self, label: str, place: Place) -> AbstractPoint:
        methods, times = self.methods(place), jnp.asarray(self.times)
        exact = methods["exact"]
        assert isinstance(exact.dynamics, ExactHubbard)
        if label in self.forecasts:
            return Seen(exact.dynamics, exact.state, times)
        method = methods[label]
        return Compared(exact.dynamics, exact.state, method.dynamics, method.state, times, (None, method.solver))

    def outcome(self, label: str, place: Place, found: tuple[Any, ...]) -> Outcome:
        """Raises `RunFailed` where the exact motion, which all are measured by, did not reach its end."""
        series, *motions = found
        if (lost := failure_of(motions[0])) is not None:
            raise RunFailed(f"{self.told(label, place)}: the exact motion: {lost.reason}")
        if label in self.forecasts:
            seen = int(np.sum(self.times <= self.evaluation.window + 1e-9))
            series = forecast_error(self.forecasts[label], series, seen)
        case, error = self.cases[place[0]], np.where(np.isfinite(series), series, np.inf)
        numbers = {"interaction": np.array(case.interaction), "strength": np.array(case.strength)}
        return Outcome({"error": error, **numbers}, failure=failure_of(motions[-1]))

    def layout(self, label: str) -> tuple[dict[str, Variable], dict[str, Coordinate]]:
        count, real = len(self.cases), np.dtype(float)
        variables = {
            "error": Variable(
                ("quench", "time"), (count, len(self.times)), real, "1", "relative error of D2; infinite once diverged"
            ),
            "interaction": Variable(("quench",), (count,), real, "J", "interaction U"),
            "strength": Variable(("quench",), (count,), real, "J", "strength of the potential that is switched off"),
        }
        coordinates = {
            "quench": Coordinate(np.array([case.family for case in self.cases], str), "1", "family of the potential"),
            "time": Coordinate(self.times, "hbar/J", "time"),
        }
        return variables, coordinates

    def summed_up(self, label: str, stored: Callable[[str], np.ndarray]) -> dict[str, float | int | None]:
        found = medians(stored("error"), self.times, self.evaluation.window, self.evaluation.tolerated)
        return {name: number if np.isfinite(number) else None for name, number in found.items()}  # JSON has no infinity


class Seen(AbstractPoint):
    """The numbers of D2 along an exact motion, of which a forecast sees the beginning."""

    exact: ExactHubbard
    psi: Complex[Array, "up down"]
    times: Float[Array, " time"]

    def __call__(self) -> tuple[Float[Array, "time number"], Trajectory]:
        motion = propagate(self.exact, self.psi, self.times, observables=("wavefunction",), monitor=False, adjoint=FORWARD)
        two_rdm = partial(two_rdm_updn, sites=self.exact.model.sites, electrons=self.exact.model.electrons)
        return jax.lax.map(lambda psi: pack(two_rdm(psi)), motion.observables["wavefunction"]), ended(motion)


def cases(evaluation: Evaluation) -> list[Case]:
    """Every quench of the families, and every experiment of the draws; random potentials of different entries differ."""
    lattice, found = evaluation.model.lattice.geometry, []
    for k, entry in enumerate(evaluation.quenches):
        if not isinstance(entry, Family):
            for one in evaluation.drawn(k):
                assert isinstance(one.model, FermiHubbard)
                here = build_model(one.model, one.drive, one.time.start).site_interaction(one.time.start)
                found.append(Case(f"quenches.{k}", DRAWN, 0.0, float(here.mean()), one))
            continue
        for one in quenches(lattice, entry.family, entry.strengths, entry.interactions, seed=evaluation.seed + k):
            made = evaluation.quenched(one.interaction, one.potential)
            found.append(Case(f"quenches.{k}", one.family, one.strength, one.interaction, made))
    return found
