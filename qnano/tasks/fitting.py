"""What every training keeps in its folder while it goes on.

    weights.eqx      the best so far by its judged error, with what made it
    results.zarr     `training`: the loss curve
    checkpoints/     the state of the training; gone once it has ended
    metrics/         the same curve for TensorBoard, as it grows, where tensorboardX is installed (extra `metrics`)

A training that was killed goes on from its last checkpoint, bit for bit, when the same command is given again.
"""

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from qnano.learning.fitting import Report
from qnano.storage.folder import RUNNING, RunFolder
from qnano.storage.store import Coordinate, ResultStore, Variable
from qnano.tasks import keeping
from qnano.tasks.keeping import Kept

BAR = "{desc}: {percentage:3.0f}% |{bar}| {n_fmt} of {total_fmt} steps, {rate_fmt}, {remaining} left{postfix}"
COLUMNS = ("loss", "error", "seconds")


@dataclass
class Progress(keeping.Progress):
    """Of a training: `rows` judgements in so many `steps` of the optimiser; which was best; seconds that its data took."""

    steps: int = 0
    best_step: int = 0
    best_error: float = np.inf
    data_s: float = 0.0


def followed(
    reports: Iterable[Report],
    run: Kept,
    kind: str,
    total: int,
    keep: Callable[[Any], None],
    *,
    data_s: float,
    quiet: bool,
) -> list[Report]:
    """Go through a training of `total` steps, and return its reports; `keep` writes the best learner after each of them.

    The summary says how far it is, and the seconds that its data took.
    """
    curve: list[Report] = []
    metrics = _metrics(run.folder)
    with tqdm(desc=run.summary["name"], total=total, bar_format=BAR, disable=quiet or None) as bar:
        for report in reports:
            curve.append(report)
            keep(report.state.best)
            run.keep(kind, entry(kind, curve, data_s, RUNNING))
            for name in COLUMNS if metrics else ():
                metrics.add_scalar(name, getattr(report, name), report.step)
            bar.set_postfix_str(f"loss {report.loss:.3g}, error {report.error:.3g}", refresh=False)
            bar.update(report.step - bar.n)
    if metrics:
        metrics.close()
    return curve


def entry(kind: str, curve: list[Report], data_s: float, state: str) -> Progress:
    """What the summary says of a training."""
    best = min(curve, key=lambda report: report.error)
    done = {"rows": len(curve), "steps": curve[-1].step, "best_step": best.step, "best_error": best.error}
    return Progress(kind, state, **done, wall_s=curve[-1].seconds, data_s=data_s)


def write_curve(store: ResultStore, curve: list[Report], error: str, meaning: str) -> None:
    """The group `training`; the judged error goes under the name `error`, with its meaning."""
    names = {"loss": "loss", "error": error, "seconds": "seconds"}
    about = {"loss": ("1", "mean loss since the last judgement"), error: ("1", meaning), "seconds": ("s", "time spent on training")}
    steps = Coordinate(np.array([report.step for report in curve]), "1", "optimiser steps")
    columns = {names[column]: np.array([getattr(report, column) for report in curve]) for column in COLUMNS}
    variables = {name: Variable(("step",), values.shape, values.dtype, *about[name]) for name, values in columns.items()}
    store.create("training", variables, {"step": steps}, rows=len(curve))
    store.write("training", 0, columns)


def _metrics(folder: RunFolder) -> Any:
    """A writer of events, or None without tensorboardX; a training that goes on reports its beginning again."""
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        return None
    place = folder.path / "metrics"
    shutil.rmtree(place, ignore_errors=True)
    return SummaryWriter(str(place), flush_secs=10)
