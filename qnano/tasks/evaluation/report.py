"""What came out of an evaluation, drawn and in a table, from its folder alone.

evaluation.png    the relative error of D2 against time, a panel for each interaction: medians over the quenches, bands from the
                  least to the largest for what is learned; the window of training in grey
"""

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.table import Table

from qnano.learning.evaluation import medians
from qnano.storage import store
from qnano.storage.folder import RunFolder
from qnano.style import COLOURS
from qnano.tasks.evaluation.schema import Evaluation
from qnano.tasks.loading import load
from qnano.tasks.reporting import headline, page, table

DASHES = {"forecast": (0, (1, 1.5))}
COLUMNS, MOST_PANELS = 2, 8


def draw(folder: RunFolder) -> list[Path]:
    """Draw the errors, and return the path. Raises `InputError` where there is no readable evaluation."""
    summary, evaluation = folder.read_summary(), load(folder.config)
    assert isinstance(evaluation, Evaluation)
    data = store.read(folder.results)
    found = {label: (entry["kind"], _done(data[label])) for label, entry in summary["methods"].items() if label in data}
    if not found:
        return []
    return page(folder, "evaluation", lambda: _errors(found, evaluation), summary["name"])


def _errors(found: dict[str, tuple[str, xr.Dataset]], evaluation: Evaluation) -> Figure:
    """A panel for each interaction, or one for all where there are many."""
    there = sorted(set(next(iter(found.values()))[1]["interaction"].values.tolist()))
    interactions = [(u, u) for u in there] if len(there) <= MOST_PANELS else [(there[0], there[-1])]
    columns = min(COLUMNS, len(interactions))
    rows = -(-len(interactions) // columns)
    figure = Figure(figsize=(4.6 * columns + 1.4, 3.1 * rows + 0.8), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axis, between in zip(axes, interactions, strict=False):
        _panel(axis, found, between, evaluation)
    for axis in axes[len(interactions) :]:
        axis.set_visible(False)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", fontsize=8)
    return figure


def tables(folder: RunFolder) -> list[Table]:
    """A line per method. Raises `InputError` where the folder holds no readable evaluation."""
    summary, evaluation = folder.read_summary(), load(folder.config)
    assert isinstance(evaluation, Evaluation)
    made = table(headline(summary), ("method", "error inside", "beyond", "fails at", "diverged", "run s"), left=("method",))
    judged = {label: _judged(data, evaluation) for label, data in store.read(folder.results).items() if label in summary["methods"]}
    for label, found in sorted(judged.items(), key=lambda item: item[1]["beyond"]):
        entry, known = summary["methods"][label], lambda number, form: f"{number:{form}}" if np.isfinite(number) else "-"
        inside = "-" if entry["kind"] == "forecast" else known(found["inside"], ".2g")
        diverged = f"{found['diverged']} of {entry['rows']}"
        shown = (inside, known(found["beyond"], ".2g"), known(found["failed_at"], ".2f"), diverged, f"{entry['wall_s']:.1f}")
        made.add_row(label, *shown)
    return [made]


def _judged(data: xr.Dataset, evaluation: Evaluation) -> dict[str, float | int]:
    return medians(_done(data)["error"].values, data["time"].values, evaluation.window, evaluation.tolerated)


def _done(data: xr.Dataset) -> xr.Dataset:
    """The quenches that are judged already."""
    return data.isel(quench=np.flatnonzero(~np.isnan(data["interaction"].values)))


def _panel(axis: Axes, found: dict[str, tuple[str, xr.Dataset]], between: tuple[float, float], evaluation: Evaluation) -> None:
    text = " ... ".join(f"{u:g}" for u in dict.fromkeys(between))
    learned = {method.name for method in evaluation.methods if _is_learned(method)}
    for k, (label, (kind, data)) in enumerate(found.items()):
        interactions = data["interaction"].values
        errors = data["error"].values[(between[0] <= interactions) & (interactions <= between[1])]
        times, colour = data["time"].values, COLOURS[k % len(COLOURS)]
        shown = times > evaluation.window if kind == "forecast" else times > 0
        errors = np.where(np.isfinite(errors), errors, 1e3)
        style = {"ls": DASHES.get(kind, "-"), "lw": 2.0 if label in learned else 1.2}
        axis.semilogy(times[shown], np.median(errors, axis=0)[shown], color=colour, label=label, **style)
        if label in learned and len(errors) > 1:
            axis.fill_between(times[shown], errors.min(axis=0)[shown], errors.max(axis=0)[shown], color=colour, alpha=0.15, lw=0)
    axis.axvspan(0, evaluation.window, color="0.92", zorder=0)
    axis.axhline(evaluation.tolerated, color="0.5", lw=0.8)
    axis.set(ylim=(1e-4, 2.0), title=f"U = {text} J", xlabel="t / (ħ/J)", ylabel="relative error of D$_2$")


def _is_learned(method: object) -> bool:
    return hasattr(method, "weights") or hasattr(getattr(method, "closure", None), "weights")
