"""Conduct a study in its folder: every label at every point, written down as the points are finished.

What the engine computes comes back in batches. Each point's arrays go into their place in the store, then the list of finished
points into the summary: a study killed at any moment goes on with the points that are not on that list.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tqdm import tqdm

from qnano import runtime
from qnano.errors import InputError
from qnano.storage.folder import FINISHED, RUNNING, RunFolder
from qnano.storage.store import ResultStore
from qnano.tasks import keeping
from qnano.tasks.keeping import Kept, kept, memory_for
from qnano.tasks.study.axes import Place, places
from qnano.tasks.study.computed import Cost, Outcomes
from qnano.tasks.study.engines import AbstractStudied
from qnano.tasks.study.points import AbstractStudy
from qnano.tasks.study.workers import Compute, started

BAR = "{desc}: {percentage:3.0f}% |{bar}| {n_fmt} of {total_fmt} {unit}, {rate_noinv_fmt}, {remaining} left{postfix}"


@dataclass
class Progress(keeping.Progress):
    """Of a label: `rows` of its `points` are done, the bits of `finished`; `failures` say which failed, `numbers` what came out."""

    points: int = 0
    failed: int = 0
    compilations: int = 0
    worst_drift: dict[str, float] = field(default_factory=dict)
    failures: list[dict[str, Any]] = field(default_factory=list)
    finished: str = ""
    numbers: dict[str, float | int | None] = field(default_factory=dict)

    def done(self) -> np.ndarray:
        """Which points are."""
        bits = np.unpackbits(np.frombuffer(bytes.fromhex(self.finished), np.uint8), count=self.points)
        return bits.astype(bool) if self.finished else np.zeros(self.points, bool)

    def lose(self, store: ResultStore, label: str, study: AbstractStudy) -> None:
        """Forget the points of which something in the store is damaged, or all of them where labels are."""
        done, everywhere = self.done(), places(study.shape(label))
        known = {place: n for n, place in enumerate(everywhere) if done[n]}
        axes = len(study.shape(label))
        lost = store.damaged(label, lambda chunk: chunk.place[:axes] in known)
        if not lost:
            return
        measured = study.layout(label)[0].keys()
        if not all(chunk.array in measured and chunk.place[:axes] in known and not chunk.is_all for chunk in lost):
            done[:] = False  # labels, which all points share, or all of an array
        for chunk in lost:
            done[known.get(chunk.place[:axes], 0)] = False
        left = {study.told(label, place) for place, n in known.items() if done[n]}
        self.failures = [failure for failure in self.failures if failure["point"] in left]
        self.failed, self.rows, self.state = len(self.failures), int(done.sum()), RUNNING
        self.finished = np.packbits(done).tobytes().hex()

    def advance(self, numbers: list[int], told: list[str], outcomes: Outcomes, cost: Cost) -> None:
        """Take points into account that are safe on disk: their numbers, their names, and what became of them."""
        done = self.done()
        done[numbers] = True
        self.finished, self.rows = np.packbits(done).tobytes().hex(), int(done.sum())
        self.compilations += cost.compilations
        self.compile_s += cost.compile_s
        self.wall_s += cost.wall_s
        for name, (_, outcome) in zip(told, outcomes, strict=True):
            for invariant, drift in outcome.drifts.items():
                self.worst_drift[invariant] = max(self.worst_drift.get(invariant, 0.0), drift)
            if outcome.failure is not None:
                self.failed += 1
                self.failures.append({"point": name, **outcome.failure._asdict()})


def conducted(task: AbstractStudied, study: AbstractStudy, folder: RunFolder, *, force: bool, quiet: bool) -> dict[str, Any]:
    """Compute what is not yet done of a study, in its folder, and return the summary; `force` starts anew.

    Raises `InputError` for a point that cannot be, a folder that holds something else, or what an older version began, and
    `RunFailed` where memory does not suffice.
    """
    with memory_for("the initial states"), runtime.on_cpu():
        study.must_be_possible()
    with kept(task, folder, force=force, quiet=quiet) as run:
        _must_be_counted_by_points(run)
        with started(task, study) as compute:
            for label in study.labels:
                points = int(np.prod(study.shape(label)))
                progress = Progress(**run.entries.get(label, {"kind": study.kind(label), "points": points}))
                with memory_for(label):
                    for _ in _follow(label, progress, study, compute, run.store, quiet):
                        run.keep(label, progress)
    return run.summary


def _must_be_counted_by_points(run: Kept) -> None:
    """Versions before there were studies knew of whole columns or batches only."""
    older = next((label for label, entry in run.entries.items() if "finished" not in entry), None)
    if older is not None:
        version = run.summary["versions"].get("qnano", "an older version")
        text = f"{run.folder}: was begun by qnano {version}, which did not keep which points of {older} are done"
        raise InputError(f"{text}; go on with that version, or run it anew with --force")


def _follow(
    label: str, progress: Progress, study: AbstractStudy, compute: Compute, store: ResultStore, quiet: bool
) -> Iterator[None]:
    """Compute what a study still lacks under a label, and yield each time that more of it is safe on disk."""
    shape = study.shape(label)
    numbers = {place: n for n, place in enumerate(places(shape))}
    if progress.rows:
        progress.lose(store, label, study)
    left = [place for place, done in zip(numbers, progress.done(), strict=True) if not done]
    if not left:
        return
    variables, coordinates = study.layout(label)
    if not progress.rows:
        store.create(label, variables, coordinates, rows=(1,) * len(shape))
    bar = tqdm(desc=label, total=len(numbers), initial=progress.rows, unit=study.word, bar_format=BAR, disable=quiet or None)
    with bar:
        for outcomes, cost in compute(label, left):
            for place, outcome in outcomes:
                _write(store, label, place, outcome.values, variables)
            told = [study.told(label, place) for place, _ in outcomes]
            progress.advance([numbers[place] for place, _ in outcomes], told, outcomes, cost)
            if progress.rows == len(numbers):
                progress.numbers = dict(study.summed_up(label, lambda name: store.whole(label, name)))
                progress.state = FINISHED
            bar.set_postfix_str(f"{progress.failed} failed" if progress.failed else "", refresh=False)
            bar.update(len(outcomes))
            yield


def _write(store: ResultStore, label: str, place: Place, values: dict[str, np.ndarray], known: dict[str, Any]) -> None:
    nothing = {name: np.full((0,) * (len(variable.shape) - len(place)), variable.missing) for name, variable in known.items()}
    store.write_at(label, place, nothing | values)  # so that whatever is missing is known to be lost
