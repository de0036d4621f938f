"""What came out of a learning curve, drawn and in a table, from its folder alone.

learning_curve.png    errors against the number of frames learned from; predictions against the truth at the largest number
"""

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from rich.table import Table

from qnano.storage import store
from qnano.storage.folder import RunFolder
from qnano.style import COLOURS, EXACT_COLOUR
from qnano.tasks.reporting import headline, page, table

MARKERS = "osD^vP*"


def tables(folder: RunFolder) -> list[Table]:
    """A line per model: its error in % of the spread of the test energies or components, by number of frames; and of the forces."""
    summary, data = folder.read_summary(), store.read(folder.results)
    models = {label: data[label] for label in summary["methods"] if label in data}
    sizes = list(dict.fromkeys(int(n) for group in models.values() for n in group["size"].values))
    headings = ("model", "features", *(f"{n} frames" for n in sizes), "wall s", "state")
    made = table(f"{headline(summary)}; errors in % of the spread", headings, left=("model",))
    for label, group in models.items():
        entry = summary["methods"][label]
        cells = [f"{100 * x:.3g}" if np.isfinite(x) else "-" for x in group["relative_error"].values]
        made.add_row(label, str(entry["features"]), *cells, f"{entry['wall_s']:.1f}", entry["state"])
        if "relative_force_error" in group:
            cells = [f"{100 * x:.3g}" if np.isfinite(x) else "-" for x in group["relative_force_error"].values]
            made.add_row("  its forces", "", *cells, "", "")
    return [made]


def draw(folder: RunFolder) -> list[Path]:
    """Draw what is there, and return the paths. Raises `InputError` where there is no readable run."""
    summary, data = folder.read_summary(), store.read(folder.results)
    models = {label: data[label] for label in summary["methods"] if label in data}
    fitted = {label: group for label, group in models.items() if np.isfinite(group["error"].values).any()}
    if not fitted:
        return []
    return page(folder, "learning_curve", lambda: _figure(fitted, data["frames"]), summary["name"])


def _figure(fitted: dict[str, xr.Dataset], frames: xr.Dataset) -> Figure:
    target = "tensor" if "tensor" in frames else "energy"
    figure = Figure(figsize=(10.4, 4.4))
    left, right = figure.subplots(1, 2)
    _curves(left, fitted, target)
    _parity(right, fitted, frames[target])
    return figure


def _curves(axis: Axes, models: dict[str, xr.Dataset], target: str) -> None:
    forces = False
    for k, (label, group) in enumerate(models.items()):
        style = {"color": COLOURS[k % 7], "marker": MARKERS[k % 7], "ms": 5}
        axis.loglog(group["size"].values, 100 * group["relative_error"].values, label=label.replace("_", " "), **style)
        if forces := "relative_force_error" in group:
            axis.loglog(group["size"].values, 100 * group["relative_force_error"].values, ls=":", mfc="none", **style)
    sizes = sorted({int(n) for group in models.values() for n in group["size"].values})
    axis.set_xticks(sizes, [str(n) for n in sizes])
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.tick_params(axis="x", which="minor", length=0)
    axis.margins(x=0.05)
    axis.set_xlabel("frames learned from")
    axis.set_ylabel(f"error  (% of the spread of {dict(energy='energies', tensor='components')[target]})")
    if forces:
        axis.plot([], [], ls=":", color=EXACT_COLOUR, label="forces")
    axis.set_title("learning curves")
    axis.legend(fontsize="small")


def _parity(axis: Axes, models: dict[str, xr.Dataset], target: xr.DataArray) -> None:
    for k, group in enumerate(models.values()):
        last = int(np.flatnonzero(np.isfinite(group["error"].values))[-1])
        found = group["prediction"].values[last]
        true = target.values[: len(found)]
        axis.plot(true.ravel(), found.ravel(), ls="", marker=MARKERS[k % 7], ms=3.5, color=COLOURS[k % 7], alpha=0.8)
    ends = [true.min(), true.max()]
    axis.plot(ends, ends, color=EXACT_COLOUR, lw=0.9, zorder=0)
    axis.margins(0.05)
    unit = target.attrs["units"].replace("^2", "²").replace("^3", "³").replace("A", "Å")
    axis.set_xlabel(f"{target.attrs['long_name']}  ({unit})")
    axis.set_ylabel(f"prediction  ({unit})")
    axis.set_title(f"test frames, {int(group['size'].values[last])} learned from")
