"""Compute an ensemble as a study: its points are trajectories, its labels their groups.

Starts follow from the seed, the group and the number of the trajectory alone.
"""

from functools import cached_property
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from qnano import runtime
from qnano.config.sizes import must_fit
from qnano.errors import RunFailed
from qnano.families.build import build_solver
from qnano.families.holstein import build as holstein
from qnano.families.register import OBSERVABLES
from qnano.holstein.ehrenfest import AbstractEhrenfest, EhrenfestState
from qnano.storage.folder import RunFolder
from qnano.storage.store import Coordinate, Variable
from qnano.tasks.dynamics.run import MEANINGS
from qnano.tasks.ensemble.estimates import needs
from qnano.tasks.ensemble.schema import Ensemble
from qnano.tasks.stops import first_lost, gave_up
from qnano.tasks.study.axes import Place
from qnano.tasks.study.conduct import conducted
from qnano.tasks.study.points import AbstractStudy, Outcome, Propagated
from qnano.trajectory import Status, Trajectory


def run(ensemble: Ensemble, folder: RunFolder, *, force: bool = False, quiet: bool = False) -> dict[str, Any]:
    """Compute what is not yet done, in its folder, and return the summary; `force` starts anew.

    Raises `InputError` for an ensemble that cannot be or a folder that holds something else, and `RunFailed` where memory does not
    suffice or a trajectory does not reach the end.
    """
    runtime.start(ensemble.precision, cpu_devices=runtime.cores())
    return conducted(ensemble, Study(ensemble), folder, force=force, quiet=quiet)


class Study(AbstractStudy):
    """The trajectories of an ensemble."""

    word = "trajectories"

    def __init__(self, ensemble: Ensemble):
        self.ensemble, self.labels, self.at_most = ensemble, list(ensemble.trajectories), ensemble.batch
        self.samples = np.linspace(0.0, ensemble.time.end, ensemble.time.samples)
        (self.method,) = ensemble.methods
        self.solver = build_solver(ensemble.solver_of(self.method))

    def must_be_possible(self) -> None:
        must_fit(needs(self.ensemble))

    def kind(self, label: str) -> str:
        return self.method.kind

    def shape(self, label: str) -> tuple[int, ...]:
        return (self.ensemble.trajectories[label],)

    def told(self, label: str, place: Place) -> str:
        return f"trajectory {place[0]}"

    def point(self, label: str, place: Place) -> Propagated:
        dynamics, state = self._started(self.labels.index(label), place[0])
        first = self.ensemble.discard + phases(self.ensemble, label)[place]
        # A start at the first sample itself would be a step of length 0.
        times = jnp.asarray(np.concatenate([np.zeros(1), np.maximum(first, 1e-6) + self.samples]))
        return Propagated(dynamics, state, self.solver, times, self.ensemble.observables, monitor=False)

    @cached_property
    def _started(self):
        """From the numbers of a group and of a trajectory to its equation of motion and its start."""
        model = holstein.build_model(self.ensemble.model, self.ensemble.time.start)

        @eqx.filter_jit
        def started(group: Int[Array, ""], number: Int[Array, ""]) -> tuple[AbstractEhrenfest, EhrenfestState]:
            key = jax.random.fold_in(jax.random.fold_in(jax.random.key(self.ensemble.seed), group), number)
            return holstein.build_form(self.method, model, holstein.initial_state(self.ensemble, key))

        return lambda group, number: started(jnp.asarray(group), jnp.asarray(number))

    def outcome(self, label: str, place: Place, found: Trajectory) -> Outcome:
        """Raises `RunFailed` for a trajectory that does not reach the end: what is learned from must be whole."""
        rows = {name: np.asarray(values[1:]) for name, values in found.observables.items()}
        if found.status != Status.DONE:
            why = gave_up(int(found.status), float(found.stop_time), "hbar/J")
            raise RunFailed(f"{label}: {self.told(label, place)}: {why}")
        if (lost := first_lost(rows)) is not None:
            raise RunFailed(f"{label}: {self.told(label, place)}: what was measured at sample {lost} is not a finite number")
        return Outcome(rows)

    def layout(self, label: str) -> tuple[dict[str, Variable], dict[str, Coordinate]]:
        ensemble, (count,) = self.ensemble, self.shape(label)
        real, complex_ = ("float64", "complex128") if ensemble.stored == "double" else ("float32", "complex64")
        variables = {}
        coordinates = {
            "trajectory": Coordinate(np.arange(count), "1", "number of the trajectory"),
            "phase": Coordinate(phases(ensemble, label), "hbar/J", "time of its first sample, after the first's", dim="trajectory"),
            "time": Coordinate(self.samples, "hbar/J", "time since the first sample"),
        }
        for name in ensemble.observables:
            known = OBSERVABLES[name]
            dims = known.dims[1:]
            shape = (count, len(self.samples), *(ensemble.model.count(dim) for dim in dims))
            dtype = np.dtype(complex_ if known.is_complex else real)
            variables[name] = Variable(("trajectory", *known.dims), shape, dtype, known.units, known.long_name)
            coordinates |= {dim: Coordinate(np.arange(ensemble.model.count(dim)), "1", MEANINGS.get(dim, dim)) for dim in dims}
        return variables, coordinates


def phases(ensemble: Ensemble, group: str) -> Float[np.ndarray, " trajectory"]:
    """By how much the samples of each trajectory of a group are later than those of the first, evenly spread, in hbar/J."""
    count = ensemble.trajectories[group]
    return ensemble.interval * np.arange(count) / count * ensemble.phases
