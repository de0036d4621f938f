"""The points of a study under one label, as they come: made one by one, computed in batches.

While the devices compute a call, the points of the next are made. A point that cannot be made or that does not reach its end is an
outcome like any other, unless the study says that it ends there.
"""

from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

import jax
import numpy as np

from qnano.errors import InputError
from qnano.tasks.study.axes import Place, places
from qnano.tasks.study.batches import MOST_PLACES, Batch, Launched, form
from qnano.tasks.study.points import AbstractPoint, AbstractStudy, Outcome

Outcomes = list[tuple[Place, Outcome]]


class Cost(NamedTuple):
    """Programs compiled, and seconds spent on that and on running them."""

    compilations: int
    compile_s: float
    wall_s: float


class Computed:
    """The points of `study` under `label`; programs are kept, so that one for each form is compiled."""

    def __init__(self, study: AbstractStudy, label: str):
        self.study, self.label = study, label
        self.batches: dict[Hashable, Batch] = {}

    @property
    def cost(self) -> Cost:
        batches = self.batches.values()
        return Cost(len(batches), sum(batch.compile_s for batch in batches), sum(batch.wall_s for batch in batches))

    def at(self, chosen: Sequence[Place]) -> Iterator[Outcomes]:
        """What became of the points at the places `chosen`, as soon as it is known."""
        at_most = min(len(chosen), self.study.at_most or MOST_PLACES)
        waiting: dict[Hashable, list[tuple[Place, AbstractPoint]]] = {}
        running: _Running | None = None
        for place in chosen:
            try:
                point = self.study.point(self.label, place)
            except InputError as error:
                yield [(place, self.study.impossible(self.label, place, error))]
                continue
            kind = form(point)
            group = waiting.setdefault(kind, [])
            group.append((place, point))
            if len(group) >= self._worthwhile(kind, at_most):
                found, running = self._collected(running), self._launched(kind, waiting.pop(kind), at_most)
                yield found
        for kind, group in waiting.items():
            while group:
                size = self._worthwhile(kind, at_most)
                found, running = self._collected(running), self._launched(kind, group[:size], at_most)
                group = group[size:]
                yield found
        yield self._collected(running)

    def _worthwhile(self, kind: Hashable, at_most: int) -> int:
        if kind in self.batches:
            return self.batches[kind].worthwhile
        devices = jax.local_devices()
        return len(devices) if devices[0].platform == "cpu" else min(MOST_PLACES, at_most)

    def _launched(self, kind: Hashable, group: list[tuple[Place, AbstractPoint]], at_most: int) -> "_Running":
        if kind not in self.batches:
            self.batches[kind] = Batch(group[0][1], at_most)
        batch = self.batches[kind]
        return _Running(batch, [place for place, _ in group], batch.launch([point for _, point in group]))

    def _collected(self, running: "_Running | None") -> Outcomes:
        if running is None:
            return []
        found = running.batch.collect(running.launched)
        return [(place, self.study.outcome(self.label, place, one)) for place, one in zip(running.places, found, strict=True)]


class _Running(NamedTuple):
    batch: Batch
    places: list[Place]
    launched: Launched


def stacked(study: AbstractStudy, label: str) -> dict[str, np.ndarray]:
    """All points under a label, in this process: by name, an array with the points along its first axis."""
    everywhere = places(study.shape(label))
    found = dict(outcome for outcomes in Computed(study, label).at(everywhere) for outcome in outcomes)
    return {name: np.stack([found[place].values[name] for place in everywhere]) for name in found[everywhere[0]].values}
