"""The figures of a run, drawn from its folder alone.

observables.png    what is one number in time, all methods together
drift.png          how far each invariant has moved, logarithmic
current.png and others    whatever else was asked for and its family does not draw, under its name (`plain_figures`)
"""

from collections.abc import Iterator
from textwrap import fill
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from qnano.families.base import Drawn
from qnano.families.curves import Curve, is_series, legend_below, lines_over_time, mark_stop, series, time_axis
from qnano.families.register import OBSERVABLES, family_of_method
from qnano.style import COLOURS, DASHES, EXACT_COLOUR, drawable, largest
from qnano.tasks.dynamics.plain_figures import plain

FLOOR = 1e-17


def curves_of(summary: dict[str, Any], data: dict[str, xr.Dataset], exact: str | None) -> list[Curve]:
    """The methods that have results; `exact` is the label of the one that the others are measured against."""
    curves, others = [], 0
    for label, method in summary["methods"].items():
        if label not in data:
            continue
        alone = label == exact or len(summary["methods"]) == 1
        colour, dash = (EXACT_COLOUR, "-") if alone else (COLOURS[others % 7], DASHES[others % 4])
        others += label != exact
        stop = method["time"] if method["message"] else None
        curves.append(Curve(label, drawable(data[label]), colour, dash, stop))
    return curves


def all_figures(curves: list[Curve], exact: str | None, kind: str, facts: xr.Dataset | None) -> Iterator[tuple[str, Figure]]:
    """Every figure; what was measured and is in none of the others has one of its own. `kind` is that of a method."""
    shown: set[str] = set()
    for name, figure, names in _figures(curves, exact, kind, facts):
        shown |= names
        yield name, figure
    for name in OBSERVABLES:
        if having := [curve for curve in curves if name in curve.data and name not in shown]:
            yield name, plain(having, name)


def _figures(curves: list[Curve], exact: str | None, kind: str, facts: xr.Dataset | None) -> Iterator[Drawn]:
    """`kind` is that of a method, by which its family is known."""
    yield from family_of_method(kind).figures(curves, exact, facts)
    if series(curves):
        named = {name for curve in curves for name in OBSERVABLES if name in curve.data and is_series(curve.data[name])}
        yield "observables", observables(curves), {"double_occupancy", *named}
    if kept := [curve for curve in curves if "invariant_drift" in curve.data]:
        yield "drift", drift(kept), set()


def observables(curves: list[Curve]) -> Figure:
    """A panel per quantity that is one number in time, all methods in each."""
    panels = series(curves)
    columns = 1 if len(panels) == 1 else 2
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(5.2 * columns, 1.1 + 2.5 * rows))
    axes = figure.subplots(rows, columns, sharex=True, squeeze=False).ravel()
    for axis, (label, lines) in zip(axes, panels.items(), strict=False):
        lines_over_time(axis, curves, lines)
        axis.set_ylabel(fill(label, 26))
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    for axis in axes[max(len(panels) - columns, 0) : len(panels)]:
        time_axis(axis, curves[0].data["time"].attrs.get("units", "hbar/J"), labelled=True)
    legend_below(figure, *axes[0].get_legend_handles_labels())
    return figure


def drift(curves: list[Curve]) -> Figure:
    """A panel per method: the distance of each invariant from its first value."""
    names = list(dict.fromkeys(name for curve in curves for name in curve.data["invariant"].values.tolist()))
    colours = {name: COLOURS[k % 7] for k, name in enumerate(names)}
    dashes = {name: "-" if k < 7 else "--" for k, name in enumerate(names)}
    columns, rows = min(len(curves), 3), -(-len(curves) // 3)
    figure = Figure(figsize=(1.2 + 3.6 * columns, 1.2 + 3.0 * rows))
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axis, curve in zip(axes, curves, strict=False):
        for name in curve.data["invariant"].values.tolist():
            values = np.abs(curve.data["invariant_drift"].sel(invariant=name).values)
            axis.semilogy(curve.data["time"], np.maximum(values, FLOOR), dashes[name], color=colours[name], lw=1.3)
        mark_stop(axis, curve)
        axis.set_title(curve.title)
        time_axis(axis, curve.data["time"].attrs.get("units", "hbar/J"), labelled=True)
    for axis in axes[len(curves) :]:
        axis.set_axis_off()
    for axis in axes[::columns]:
        axis.set_ylabel("|change since the first time|")
    most = largest(*(curve.data["invariant_drift"].values for curve in curves))
    axes[0].set_ylim(FLOOR, max(10 * most, 1e-12))
    handles = [Line2D([], [], color=colours[name], ls=dashes[name]) for name in names]
    legend_below(figure, handles, [name.replace("_", " ") for name in names])
    return figure
