"""The points of a sweep solved by one method, as they come: built one by one, computed in batches.

While the devices compute a call, the points of the next are built. A point that cannot be built or that does not reach the end is
an outcome like any other.
"""

from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from qnano.errors import InputError
from qnano.families.build import Method, build
from qnano.tasks.stops import LOST, at, first_lost, reason
from qnano.tasks.sweep.batches import MOST_PLACES, Batch, Launched, signature
from qnano.tasks.sweep.places import Place, experiment_at
from qnano.tasks.sweep.schema import Swept
from qnano.trajectory import Status, Trajectory

NOT_BUILT = 4
STATUS = {
    Status.DONE: "reached_the_end",
    Status.OUT_OF_BOUNDS: "left_its_bounds",
    Status.STEP_LIMIT: "limit_of_steps",
    Status.NOT_FINITE: "lost_precision",
    NOT_BUILT: "not_built",
}


class Outcome(NamedTuple):
    """What became of a point: what was measured, shape (time, ...) by name; the drifts, by invariant; and why it stopped, if so."""

    rows: dict[str, np.ndarray]
    drifts: dict[str, np.ndarray]
    status: int
    stop_time: float
    reason: str | None


class Cost(NamedTuple):
    """Programs compiled, and seconds spent on that and on running them."""

    compilations: int
    compile_s: float
    wall_s: float


class Points:
    """The points of `sweep` for its method `k`; programs are kept, so that a static shape is compiled once."""

    def __init__(self, sweep: Swept, k: int):
        self.sweep, self.k = sweep, k
        time = sweep.time
        self.times = jnp.linspace(time.start, time.end, time.samples)
        self.batches: dict[Hashable, Batch] = {}

    @property
    def cost(self) -> Cost:
        batches = self.batches.values()
        return Cost(len(batches), sum(batch.compile_s for batch in batches), sum(batch.wall_s for batch in batches))

    def solve(self, places: Sequence[Place]) -> Iterator[list[tuple[Place, Outcome]]]:
        """What became of the points at `places`, as soon as it is known."""
        waiting: dict[Hashable, list[tuple[Place, Method]]] = {}
        running: _Running | None = None
        unit = self.sweep.unit("hbar/J")
        for place in places:
            try:
                method = self._built(place)
            except InputError as error:
                yield [(place, Outcome({}, {}, NOT_BUILT, np.nan, str(error)))]
                continue
            kind = signature(method)
            group = waiting.setdefault(kind, [])
            group.append((place, method))
            if len(group) >= self._worthwhile(kind, len(places)):
                found, running = (
                    _collected(running, unit),
                    self._launched(kind, waiting.pop(kind), len(places)),
                )
                yield found
        for kind, group in waiting.items():
            while group:
                size = self._worthwhile(kind, len(places))
                found, running = _collected(running, unit), self._launched(kind, group[:size], len(places))
                group = group[size:]
                yield found
        yield _collected(running, unit)

    def _built(self, place: Place) -> Method:
        experiment = experiment_at(self.sweep, place)
        return build(experiment.model_copy(update={"methods": (experiment.methods[self.k],)}))[0]

    def _worthwhile(self, kind: Hashable, at_most: int) -> int:
        if kind in self.batches:
            return self.batches[kind].worthwhile
        devices = jax.local_devices()
        return len(devices) if devices[0].platform == "cpu" else min(MOST_PLACES, at_most)

    def _launched(self, kind: Hashable, group: list[tuple[Place, Method]], at_most: int) -> "_Running":
        if kind not in self.batches:
            self.batches[kind] = Batch(group[0][1], self.times, at_most, watched=self.sweep.watched_every > 0)
        batch = self.batches[kind]
        return _Running(batch, group, batch.launch([method for _, method in group]))


class _Running(NamedTuple):
    batch: Batch
    group: list[tuple[Place, Method]]
    launched: Launched


def _collected(running: _Running | None, unit: str) -> list[tuple[Place, Outcome]]:
    if running is None:
        return []
    trajectories = running.batch.collect(running.launched)
    return [(place, _outcome(trajectory, unit)) for (place, _), trajectory in zip(running.group, trajectories, strict=True)]


def _outcome(trajectory: Trajectory, unit: str) -> Outcome:
    rows = {name: np.asarray(values) for name, values in trajectory.observables.items()}
    drifts = {name: np.asarray(values - values[0]) for name, values in trajectory.invariants.items()}
    if trajectory.status != Status.DONE:
        status, stop = int(trajectory.status), float(trajectory.stop_time)
        return Outcome(rows, drifts, status, stop, reason(trajectory, status, stop, unit))
    lost = first_lost(rows)
    if lost is None:
        return Outcome(rows, drifts, Status.DONE, np.nan, None)
    stop = float(trajectory.times[lost])
    return Outcome(rows, drifts, Status.NOT_FINITE, stop, LOST.format(at(stop, unit)))
