"""The points of a study under one label, as they come: made one by one, computed in batches.

While the devices compute a call, the points of the next are made. A point that cannot be made or that does not reach its end is an
outcome like any other, unless the study says that it ends there.
"""

from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

import jax
import numpy as np

from qnano import runtime
from qnano.errors import InputError
from qnano.tasks.study.axes import Place, places
from qnano.tasks.study.batches import FIRST_PLACES, Batch, Launched, form, point_by_point
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
        compilations, compile_s = (sum(getattr(batch, name) for batch in batches) for name in ("compilations", "compile_s"))
        return Cost(compilations, compile_s, sum(batch.wall_s for batch in batches))

    def at(self, chosen: Sequence[Place]) -> Iterator[Outcomes]:
        """What became of the points at the places `chosen`, as soon as it is known."""
        at_most = min(len(chosen), self.study.at_most or len(chosen))
        waiting: dict[Hashable, list[tuple[Place, AbstractPoint]]] = {}
        running: _Running | None = None
        for place in chosen:
            try:
                with runtime.on_cpu():
                    point = self.study.point(self.label, place)
            except InputError as error:
                yield [(place, self.study.impossible(self.label, place, error))]
                continue
            kind = form(point)
            group = waiting.setdefault(kind, [])
            group.append((place, point))
            if len(group) >= self._worthwhile(kind, at_most):
                found, running = self._collected(running), self._launched(kind, group, at_most)
                yield found
        for kind, group in waiting.items():
            while group:
                found, running = self._collected(running), self._launched(kind, group, at_most)
                yield found
        yield self._collected(running)

    def _worthwhile(self, kind: Hashable, at_most: int) -> int:
        if kind in self.batches:
            return self.batches[kind].worthwhile
        devices = jax.local_devices()
        return len(devices) if point_by_point(devices) else min(FIRST_PLACES * len(devices), at_most)

    def _launched(self, kind: Hashable, group: list[tuple[Place, AbstractPoint]], at_most: int) -> "_Running":
        """A call with the first points of a group, which has the others left: how many, the call before may have changed."""
        if kind not in self.batches:
            self.batches[kind] = Batch(group[0][1], at_most)
        batch = self.batches[kind]
        now = group[: batch.worthwhile]
        del group[: len(now)]
        return _Running(batch, [place for place, _ in now], batch.launch([point for _, point in now]))

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
