"""What came out of a sweep, drawn and in tables, from its folder alone.

sweep.png    the time average of every quantity that is one number in time: lines over one axis, maps over two, points over the
             keys that were drawn at random; where a run stopped before its end, hollow or crossed, up to the stop
"""

from collections.abc import Iterator
from pathlib import Path
from textwrap import fill

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from rich.table import Table

from qnano.families.register import OBSERVABLES
from qnano.storage import store
from qnano.storage.folder import RunFolder
from qnano.style import COLOURS, DASHES, EXACT_COLOUR, drawable, labelled, verbatim
from qnano.tasks.loading import load
from qnano.tasks.reporting import exact_label, framed, headline, page, table
from qnano.tasks.sweep.schema import Swept, short

MAP = "viridis"
MOST_FAILURES = 10
LEVEL_DIMS = ("time", "site", "bond")  # averaged over
CANCELLING = ("interaction_source", "interaction_transfer", "energy_residual")  # sum to nothing; their sizes are averaged
Averages = dict[str, dict[str, xr.DataArray]]


def draw(folder: RunFolder) -> list[Path]:
    """Draw the sweep in `folder`, as far as it is done, and return the paths. Raises `InputError` where none can be read."""
    summary, experiment = folder.read_summary(), load(folder.config)
    assert isinstance(experiment, Swept)
    data, exact = store.read(folder.results), exact_label(summary)
    averages = time_averages(data, experiment)
    if not averages:
        return []
    return page(folder, "sweep", lambda: _figure(averages, experiment, exact), f"{summary['name']}:  averages over time")


def _figure(averages: Averages, sweep: Swept, exact: str | None) -> Figure:
    if sweep.sweep.draw and len(sweep.axes) == 1:
        return points(averages, list(sweep.sweep.draw.ranges), exact)
    if len(sweep.axes) == 1:
        return lines(averages, sweep.axes[0].name, exact)
    return maps(averages, [axis.name for axis in sweep.axes])


def time_averages(data: dict[str, xr.Dataset], experiment: Swept) -> Averages:
    """The average over all times before a stop, by label of the quantity and method; of sites and bonds also over these.

    Integrals over time count with what they are at its end.
    """
    swept = {axis.name for axis in experiment.axes}
    found: Averages = {}
    for method in (method.name for method in experiment.methods if method.name in data):
        dataset = drawable(data[method])
        for name in (name for name in experiment.observables if name in dataset):
            for label, array in _by_region(dataset[name]):
                over = set(array.dims) - swept
                if over <= set(LEVEL_DIMS) and name != "density":
                    unit = array.attrs["units"]
                    if OBSERVABLES[name].accumulated:
                        seen = array.notnull().any(over - {"time"}).sum("time")
                        array, label = array.isel(time=(seen - 1).clip(0)), f"{label}, at the end"
                    if name in CANCELLING:
                        array, label = abs(array), f"size of the {label}"
                    label += "".join(f", mean of all {dim}s" for dim in ("site", "bond") if dim in over)
                    average = array.mean(over & set(array.dims)).assign_coords(stopped=dataset["status"] > 0)
                    found.setdefault(labelled(label, unit), {})[method] = average
    return found


def _by_region(array: xr.DataArray) -> list[tuple[str, xr.DataArray]]:
    """A quantity by its name; of regions, that of each."""
    name = array.attrs["long_name"]
    if "region" not in array.dims:
        return [(name, array)]
    return [(f"{name}: {verbatim(str(region))}", array.sel(region=region, drop=True)) for region in array["region"].values]


def lines(averages: Averages, axis: str, exact: str | None) -> Figure:
    """A panel per quantity: its averages over the axis, a line per method."""
    figure, panels = _panels(len(averages), 2)
    for panel, (label, methods) in zip(panels, averages.items(), strict=False):
        for (method, array), (colour, dash) in zip(methods.items(), _styles(methods, exact), strict=True):
            panel.plot(
                _positions(array[axis]), array.values, ls=dash, color=colour, marker="o", ms=3, label=method.replace("_", " ")
            )
        panel.set_ylabel(fill(label, 26))
        panel.margins(x=0.02)
        _name_axis(panel, "x", averages[label], axis)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def points(averages: Averages, keys: list[str], exact: str | None) -> Figure:
    """A row per quantity: its averages over each key that was drawn."""
    figure = Figure(figsize=(1.0 + 3.6 * len(keys), 1.1 + 2.5 * len(averages)))
    panels = figure.subplots(len(averages), len(keys), sharey="row", sharex="col", squeeze=False)
    for row, (label, methods) in zip(panels, averages.items(), strict=True):
        for panel, name in zip(row, short(keys), strict=True):
            for (method, array), (colour, _) in zip(methods.items(), _styles(methods, exact), strict=True):
                panel.plot(array[name].values, array.values, "o", color=colour, ms=3, label=method.replace("_", " "))
                _hollow(panel, array[name].values, array, colour)
        row[0].set_ylabel(fill(label, 26))
    for panel, name in zip(panels[-1], short(keys), strict=True):
        panel.set_xlabel(labelled(name, array[name].attrs["units"]))
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def maps(averages: Averages, axes: list[str]) -> Figure:
    """A row per quantity and a column per method: averages over the first two axes; further ones at their first value."""
    across, up, *further = axes
    count = max(map(len, averages.values()))
    figure = Figure(figsize=(1.2 + 3.3 * count, 1.0 + 2.6 * len(averages)))
    panels = figure.subplots(len(averages), count, sharex=True, sharey=True, squeeze=False)
    for row, (label, methods) in zip(panels, averages.items(), strict=True):
        shown = {method: array.isel(dict.fromkeys(further, 0)).transpose(up, across) for method, array in methods.items()}
        values = np.concatenate([array.values[np.isfinite(array.values)] for array in shown.values()])
        scale = Normalize(*((values.min(), values.max()) if values.size else (0.0, 1.0)))
        for panel, (method, array) in zip(row, shown.items(), strict=False):
            x, y = _positions(array[across]), _positions(array[up])
            panel.pcolormesh(_edges(x), _edges(y), np.ma.masked_invalid(array.values), cmap=MAP, norm=scale, rasterized=True)
            panel.set_title(method.replace("_", " "), fontsize="medium")
            panel.grid(False)
            row_of, column_of = np.nonzero(array["stopped"].transpose(up, across).values)
            panel.plot(x[column_of], y[row_of], "x", color="white", ms=4)
        _name_axis(row[0], "y", methods, up)
        for panel in row[len(shown) :]:
            panel.set_axis_off()
        figure.colorbar(ScalarMappable(scale, MAP), ax=list(row), label=fill(label, 26))
    for panel in panels[-1]:
        _name_axis(panel, "x", next(iter(averages.values())), across)
    return figure


def tables(folder: RunFolder) -> list[Table]:
    """A line per method, and one per point that did not reach the end. Raises `InputError` where there is no readable sweep."""
    summary = folder.read_summary()
    headings = ("method", "points", "done", "failed", "worst drift", "programs", "wall s", "compile s", "state")
    methods = table(headline(summary), headings, left=("method", "worst drift", "state"))
    for label, method in summary["methods"].items():
        worst = max(method["worst_drift"], key=method["worst_drift"].__getitem__, default=None)
        methods.add_row(
            label,
            *(str(method[key]) for key in ("points", "rows", "failed")),
            f"{method['worst_drift'][worst]:.1e} {worst}" if worst else "-",
            str(method["compilations"]),
            f"{method['wall_s']:.2f}",
            f"{method['compile_s']:.2f}",
            method["state"],
        )
    return [methods, *_failures(summary["methods"])]


def _failures(methods: dict) -> Iterator[Table]:
    failed = [(label, failure) for label, method in methods.items() for failure in method["failures"]]
    if not failed:
        return
    made = framed("did not reach the end")
    for heading in ("method", "point", "reason"):
        made.add_column(heading)
    for label, failure in failed[:MOST_FAILURES]:
        made.add_row(label, str(failure.get("point")), str(failure.get("reason")))
    if len(failed) > MOST_FAILURES:
        made.add_row("", f"and {len(failed) - MOST_FAILURES} more: status, stop_time in the results", "")
    yield made


def _panels(count: int, columns: int) -> tuple[Figure, list[Axes]]:
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(5.0 * columns, 1.1 + 2.6 * rows))
    panels = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for panel in panels[count:]:
        panel.set_axis_off()
    return figure, panels


def _styles(methods: dict[str, xr.DataArray], exact: str | None) -> list[tuple[str, str | tuple]]:
    others = [method for method in methods if method != exact]
    style = {method: (COLOURS[k % 7], DASHES[k % 4]) for k, method in enumerate(others)}
    return [style.get(method, (EXACT_COLOUR, "-")) for method in methods]


def _hollow(panel: Axes, x: np.ndarray, array: xr.DataArray, colour: str) -> None:
    """Mark the points whose run stopped before its end."""
    stopped = array["stopped"].values
    panel.plot(x[stopped], array.values[stopped], "o", color=colour, ms=3, mfc="white", zorder=3)


def _positions(values: xr.DataArray) -> np.ndarray:
    """Where values stand on an axis: numbers at themselves, words in a row."""
    array = values.values
    return array.astype(float) if array.dtype.kind in "fiu" else np.arange(array.size, dtype=float)


def _edges(centres: np.ndarray) -> np.ndarray:
    if centres.size == 1:
        return centres[0] + np.array([-0.5, 0.5])
    order = np.diff(centres)
    return np.concatenate([[centres[0] - order[0] / 2], centres[1:] - order / 2, [centres[-1] + order[-1] / 2]])


def _name_axis(panel: Axes, which: str, methods: dict[str, xr.DataArray], axis: str) -> None:
    values = next(iter(methods.values()))[axis]
    getattr(panel, f"set_{which}label")(labelled(axis, values.attrs["units"]))
    if values.values.dtype.kind not in "fiu":
        getattr(panel, f"set_{which}ticks")(np.arange(values.size), [verbatim(str(value)) for value in values.values])
