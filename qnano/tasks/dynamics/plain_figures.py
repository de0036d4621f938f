"""A plain figure for what has none of its own, by its dimensions.

few entries            lines over time
many entries           a map over time
matrices, planes       a map of the last time: magnitudes of matrices, means over the third axis of space

A row per method; a column for each spin, or for each component of a vector.
"""

from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from qnano.style import COLOURS, DIFFERENCE_MAP, instant, labelled, largest, time_label, verbatim

if TYPE_CHECKING:
    from qnano.families.curves import Curve

SIZE_MAP = "viridis"
MOST_LINES = 7
COMPONENTS = ("spin", "axis")


def plain(curves: "list[Curve]", name: str) -> Figure:
    """The figure of an observable that all of `curves` have, with dimensions beside time."""
    first = curves[0].data[name]
    component, rest = (first.dims[1], first.dims[2:]) if first.dims[1] in COMPONENTS and first.ndim > 2 else (None, first.dims[1:])
    columns = first.sizes[component] if component else 1
    label = labelled(first.attrs["long_name"], first.attrs["units"])
    over_time = len(rest) == 1
    lines = over_time and first.sizes[rest[0]] <= MOST_LINES and first[rest[0]].dtype.kind != "f"
    figure = Figure(figsize=(2.4 + (6.0 if over_time else 4.0) * columns, 1.6 + (2.2 if over_time else 3.4) * len(curves)))
    axes = figure.subplots(len(curves), columns, sharex=over_time, sharey=True, squeeze=False)
    shown = [[_part(curve.data[name], component, k, over_time) for k in range(columns)] for curve in curves]
    scale, colours = _scale([values.values for row in shown for values in row])
    for row, curve, arrays in zip(axes, curves, shown, strict=True):
        for k, (axis, values) in enumerate(zip(row, arrays, strict=True)):
            if lines:
                _lines(axis, values)
            else:
                (_over_time if over_time else _at_once)(axis, values, scale, colours)
            of = "" if component is None else f", {values[component].item()}"
            when = "" if over_time else ", " + instant(float(values["time"]), values["time"].attrs["units"])
            axis.set_title(curve.title + of + when, fontsize="medium")
            if not k:
                axis.set_ylabel(fill(label, 28) if lines else _axis_label(values, rest, upwards=True), fontsize="small")
    for axis in axes[-1]:
        axis.set_xlabel(time_label(first["time"].attrs["units"]) if over_time else _axis_label(first, rest, upwards=False))
    if lines:
        handles, names = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=len(names), title=rest[0])
    else:
        what = f"magnitude of the {label}" if np.iscomplexobj(first) else label
        what += ", mean over z" if "z" in rest else ""
        figure.supxlabel(fill(what, int(10 * figure.get_figwidth())), fontsize="medium", x=0.012, ha="left")
        figure.colorbar(ScalarMappable(scale, colours), ax=axes)
    return figure


def _part(array: xr.DataArray, component: str | None, k: int, over_time: bool) -> xr.DataArray:
    """What a panel shows: real, of one component, and of the last time that has numbers where it is not over time."""
    array = array if component is None else array.isel({component: k})
    array = abs(array) if np.iscomplexobj(array) else array
    if over_time:
        return array
    known = np.flatnonzero(np.isfinite(array.values).reshape(array.sizes["time"], -1).any(axis=1))
    array = array.isel(time=known[-1] if known.size else 0)
    return array.mean("z") if "z" in array.dims else array


def _scale(values: list[np.ndarray]) -> tuple[Normalize, str]:
    """One scale for all panels, symmetric where signs differ."""
    reach = largest(*values) or 1.0
    if any((array < 0).any() for array in values):
        return Normalize(-reach, reach), DIFFERENCE_MAP
    return Normalize(0.0, reach), SIZE_MAP


def _lines(axis: Axes, values: xr.DataArray) -> None:
    dim = values.dims[1]
    for colour, (k, name) in zip(COLOURS, enumerate(values[dim].values.tolist()), strict=False):
        axis.plot(
            values["time"],
            values[:, k],
            color=colour,
            ls="-" if k % 2 else (0, (4, 2.5)),
            zorder=3 - k % 2,
            label=verbatim(str(name)),
        )


def _over_time(axis: Axes, values: xr.DataArray, scale: Normalize, colours: str) -> None:
    dim = values.dims[1]
    known = values[dim].values
    numbers = known.dtype.kind in "fiu"
    places = known if numbers else np.arange(known.size)
    _mesh(axis, values["time"].values, places, values.values.T, scale, colours)
    if not numbers:
        every = -(-known.size // 12)
        axis.set_yticks(places[::every], [verbatim(str(name)) for name in known[::every]])
    elif known.dtype.kind != "f":
        axis.yaxis.set_major_locator(MaxNLocator(6, integer=True))


def _at_once(axis: Axes, values: xr.DataArray, scale: Normalize, colours: str) -> None:
    if "x" in values.dims:
        _mesh(axis, values["x"].values, values["y"].values, values.values.T, scale, colours)
    else:
        matrix = values.values.reshape(np.prod(values.shape[: values.ndim // 2]), -1)
        _mesh(axis, np.arange(matrix.shape[1]), np.arange(matrix.shape[0]), matrix, scale, colours)
        axis.set_ylim(matrix.shape[0] - 0.5, -0.5)
        for ticks in (axis.xaxis, axis.yaxis):
            ticks.set_major_locator(MaxNLocator(6, integer=True))
    axis.set_aspect("equal")


def _mesh(axis: Axes, x: np.ndarray, y: np.ndarray, values: np.ndarray, scale: Normalize, colours: str) -> None:
    cmap = colormaps[colours].with_extremes(bad="#e9e9e9")
    axis.pcolormesh(x, y, np.ma.masked_invalid(values), cmap=cmap, norm=scale, shading="nearest", rasterized=True)
    axis.grid(False)


def _axis_label(array: xr.DataArray, rest: tuple, *, upwards: bool) -> str:
    """The dimension along an axis; of a matrix the first half downwards, with the last of them running fastest."""
    if len(rest) == 1 or "x" in rest:
        dim = str(rest[0 if len(rest) == 1 or not upwards else 1])
        return labelled(dim, array[dim].attrs.get("units", "1"))
    half = len(rest) // 2
    return ", ".join(map(str, rest[:half] if upwards else rest[half:]))
