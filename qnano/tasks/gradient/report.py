"""What came out of a gradient, drawn and in tables, from its folder alone.

gradient.png    bars where one number is differentiated, lines where it is a series, maps where it is more
"""

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from rich.table import Table

from qnano.storage import store
from qnano.storage.folder import RunFolder
from qnano.style import COLOURS, DIFFERENCE_MAP, EXACT_COLOUR, drawable, labelled, largest, time_label
from qnano.tasks.gradient.schema import GradientOf
from qnano.tasks.loading import load
from qnano.tasks.reporting import headline, page, table

MOST_LINES, MOST_MAPS = 7, 5
CHECKED = "central differences"
LEFT = ("method", "number", "mode", "state")  # columns of words
Derivatives = dict[str, xr.DataArray]


def draw(folder: RunFolder) -> list[Path]:
    """Draw the derivatives in `folder`, and return the paths. Raises `InputError` where there is no readable run."""
    summary, (found, checks, of) = folder.read_summary(), _read(folder)
    if not any(np.isfinite(array).any() for array in found.values()):
        return []
    remaining = next(iter(found.values())).ndim - 1
    make = lambda: (bars, lines)[remaining](found, checks) if remaining < 2 else maps(found)  # noqa: E731
    return page(folder, "gradient", make, f"{summary['name']}:  derivatives of {of}")


def bars(found: Derivatives, checks: Derivatives) -> Figure:
    """A bar per number and method."""
    keys = next(iter(found.values()))["parameter"].values.tolist()
    figure = Figure(figsize=(8.4, 1.5 + 0.2 * len(keys) * (len(found) + 1)))
    axis = figure.subplots()
    width = 0.8 / len(found)
    for k, (label, array) in enumerate(found.items()):
        places = np.arange(len(keys)) - 0.4 + (k + 0.5) * width
        axis.barh(places, np.real(array.values), height=width, color=_colours(found)[label], label=label.replace("_", " "))
        if label in checks:
            axis.plot(np.real(checks[label].values), places, "o", color="white", mec="#777777", ms=4, label=CHECKED)
    axis.axvline(0.0, color="#777777", lw=0.8)
    axis.set_yticks(np.arange(len(keys)), keys)
    axis.invert_yaxis()
    axis.margins(x=0.05)
    axis.set_xlabel(_label(found))
    _legend(figure, axis)
    return figure


def lines(found: Derivatives, checks: Derivatives) -> Figure:
    """A panel per method; a line for each of the numbers with the largest derivatives."""
    keys, left = _largest(found, MOST_LINES)
    figure = Figure(figsize=(8.4, 1.6 + 2.3 * len(found)))
    axes = figure.subplots(len(found), 1, sharex=True, squeeze=False)[:, 0]
    for axis, (label, array) in zip(axes, found.items(), strict=True):
        dim = str(array.dims[1])
        x = array[dim].values
        style = {"ls": "-"} if dim == "time" else {"ls": "-", "marker": "o", "ms": 4}
        for k, key in enumerate(keys):
            axis.plot(x, np.real(array.sel(parameter=key).values), color=COLOURS[k], label=key, **style)
            if label in checks:
                every = slice(None, None, -(-len(x) // 25))
                y = np.real(checks[label].sel(parameter=key).values)
                axis.plot(x[every], y[every], "o", color=COLOURS[k], mfc="none", ms=5, label=CHECKED)
        axis.axhline(0.0, color="#777777", lw=0.8, zorder=0)
        axis.set_title(label.replace("_", " ") + left)
        axis.set_ylabel(_label(found))
    axes[-1].set_xlabel(_along(array[dim]))
    _legend(figure, axes[0])
    return figure


def maps(found: Derivatives) -> Figure:
    """A row for each of the numbers with the largest derivatives, a column per method; all dimensions but the first downwards."""
    keys, left = _largest(found, MOST_MAPS)
    figure = Figure(figsize=(1.2 + 4.2 * len(found), 0.8 + 1.9 * len(keys)))
    axes = figure.subplots(len(keys), len(found), sharex=True, sharey=True, squeeze=False)
    for row, key in zip(axes, keys, strict=True):
        limit = max(_reach(array.sel(parameter=key)) for array in found.values()) or 1.0
        for axis, (label, array) in zip(row, found.items(), strict=True):
            values = np.real(array.sel(parameter=key).values)
            first, others = str(array.dims[1]), ", ".join(map(str, array.dims[2:]))
            x = array[first].values if first == "time" else np.arange(len(values))
            y = np.arange(values[0].size)
            drawn = {"cmap": DIFFERENCE_MAP, "vmin": -limit, "vmax": limit, "shading": "nearest", "rasterized": True}
            image = axis.pcolormesh(x, y, values.reshape(len(x), -1).T, **drawn)
            axis.set_title(f"{label.replace('_', ' ')}, by {key}{left}", fontsize="medium")
            axis.grid(False)
        row[0].set_ylabel(others)
        figure.colorbar(image, ax=list(row), label=_label(found), pad=0.01)
    for axis in axes[-1]:
        axis.set_xlabel(_along(array[first]))
    return figure


def tables(folder: RunFolder) -> list[Table]:
    """A line per method, then one per number with its derivative, or the largest of its derivatives, in each method.

    Raises `InputError` where the folder holds no readable run.
    """
    summary, (found, checks, of) = folder.read_summary(), _read(folder)
    methods = table(headline(summary), ("method", "mode", "numbers", "largest deviation", "wall s", "compile s", "state"), LEFT)
    for label, method in summary["methods"].items():
        apart = "-" if method["deviation"] is None else f"{method['deviation']:.1e}"
        cost = (f"{method['wall_s']:.2f}", f"{method['compile_s']:.2f}")
        methods.add_row(label, method["mode"], str(method["rows"]), apart, *cost, method["state"])
    single = all(array.ndim == 1 for array in found.values())
    columns = [(label, array, "") for label, array in found.items()] + [(label, array, " ±h") for label, array in checks.items()]
    heading = "" if single else "largest "
    numbers = table(f"{heading}derivatives of {of}", ("number", *(label + mark for label, _, mark in columns)), LEFT)
    for key in next((array["parameter"].values.tolist() for array in found.values()), []):
        entries = (array.sel(parameter=key) for _, array, _ in columns)
        numbers.add_row(key, *(_shown(entry.item() if single else _reach(entry)) for entry in entries))
    return [methods, numbers]


def _read(folder: RunFolder) -> tuple[Derivatives, Derivatives, str]:
    """Derivatives and central differences of each method that has them, and what was differentiated."""
    experiment, data = load(folder.config), store.read(folder.results)
    assert isinstance(experiment, GradientOf)
    name = experiment.selection.observable.name
    found = {method.name: drawable(data[method.name]) for method in experiment.methods if method.name in data}
    checks = {label: group["central_difference"] for label, group in found.items() if "central_difference" in group}
    return {label: group[name] for label, group in found.items()}, checks, experiment.gradient.of


def _largest(found: Derivatives, most: int) -> tuple[list[str], str]:
    """The keys with the largest derivatives, in their order, and a remark if others are left out."""
    keys = next(iter(found.values()))["parameter"].values.tolist()
    sizes = {key: max(_reach(array.sel(parameter=key)) for array in found.values()) for key in keys}
    chosen = sorted(keys, key=lambda key: -sizes[key])[:most]
    left = f"  (the {most} largest of {len(keys)})" if len(keys) > most else ""
    return [key for key in keys if key in chosen], left


def _reach(array: xr.DataArray) -> float:
    return largest(array.values)


def _colours(found: Derivatives) -> dict[str, str]:
    return dict(zip(found, (EXACT_COLOUR, *COLOURS) * len(found), strict=False))


def _label(found: Derivatives) -> str:
    array = next(iter(found.values()))
    real = "real part of " if np.iscomplexobj(array.values) else ""
    return labelled(f"{real}derivative", array.attrs["units"])


def _along(values: xr.DataArray) -> str:
    units = values.attrs.get("units", "1")
    return time_label(units) if values.name == "time" else labelled(str(values.name), units)


def _shown(value: float | complex) -> str:
    return f"{value:.6g}" if abs(value) > 1e-12 else "0"


def _legend(figure: Figure, axis: Axes) -> None:
    handles, names = axis.get_legend_handles_labels()
    entries = dict(zip(names, handles, strict=True))
    if CHECKED in entries:
        del entries[CHECKED]
        entries[CHECKED] = Line2D([], [], ls="", marker="o", color="#777777", mfc="none", ms=5)
    figure.legend(entries.values(), entries, loc="outside lower center", ncols=min(len(entries), 3))
