"""The figures of a run, drawn from its folder alone.

densities.png     density over space and time, one panel per method, and beside it the difference to the exact one
observables.png   double occupancy and energies against time, all methods together
drift.png         how far each invariant has moved, logarithmic
overview.png      densities over double occupancy, one time axis
local_energy.png and others    where the energy goes (`energy_figures`)
lattice.png       what became of the order of a Holstein model (`holstein_figures`)
coarse.png, band.png, balance.png    a problem on two scales (`coarse_figures`)
waves.png, local_energy.png, energy_budget.png    particles on a grid (`particles_figures`)
current.png and others    whatever else was asked for, under its name (`plain_figures`)
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from textwrap import fill
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from qnano.config.coarse import AbstractTwoScale
from qnano.config.experiment import Experiment
from qnano.config.holstein import Holstein
from qnano.config.model import FermiHubbard
from qnano.config.observables import AUDIT, OBSERVABLES
from qnano.config.particles import ParticlesModel
from qnano.experiments import coarse_figures, energy_figures, holstein_figures, particles_figures
from qnano.experiments.plain_figures import plain
from qnano.experiments.style import (
    COLOURS,
    DASHES,
    DENSITY_MAP,
    DIFFERENCE_MAP,
    EXACT_COLOUR,
    drawable,
    instant,
    labelled,
    largest,
    time_label,
)

DENSITY = "electrons per site"
DOUBLE = "double occupancy per site"
FLOOR = 1e-17
Drawn = tuple[str, Figure, set[str]]  # a figure's name, and which observables are in it


@dataclass(frozen=True, eq=False)
class Curve:
    """A method as it is drawn: always in the same colour and dash."""

    label: str
    data: xr.Dataset
    colour: str
    dash: str | tuple
    stop: float | None

    @property
    def name(self) -> str:
        return self.label.replace("_", " ")

    @property
    def title(self) -> str:
        units = self.data["time"].attrs.get("units", "1")
        return self.name if self.stop is None else f"{self.name}, stopped at {instant(self.stop, units)}"


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


def all_figures(curves: list[Curve], exact: str | None, experiment: Experiment) -> Iterator[tuple[str, Figure]]:
    """Every figure; what was measured and is in none of the others has one of its own."""
    shown: set[str] = set()
    for name, figure, names in (*_figures(curves, exact), *_of_the_model(curves, exact, experiment)):
        shown |= names
        yield name, figure
    for name in OBSERVABLES:
        if having := [curve for curve in curves if name in curve.data and name not in shown]:
            yield name, plain(having, name)


def _figures(curves: list[Curve], exact: str | None) -> Iterator[Drawn]:
    mapped = [curve for curve in curves if "density" in curve.data]
    if mapped:
        yield "densities", densities(mapped, exact), {"density"}
    if curves and series(curves):
        named = {name for curve in curves for name in OBSERVABLES if name in curve.data and _is_series(curve.data[name])}
        yield "observables", observables(curves), {"double_occupancy", *named}
    if kept := [curve for curve in curves if "invariant_drift" in curve.data]:
        yield "drift", drift(kept), set()
    if mapped and all("double_occupancy" in curve.data for curve in mapped):
        yield "overview", overview(mapped), {"density"}


def _of_the_model(curves: list[Curve], exact: str | None, experiment: Experiment) -> Iterator[Drawn]:
    if not curves:
        return
    match experiment.model:
        case ParticlesModel() as model:
            yield from particles_figures.figures(curves, model)
        case AbstractTwoScale():
            yield from coarse_figures.figures(curves, exact, experiment)
        case Holstein() as model:
            yield from holstein_figures.figures([curve.data for curve in curves], model.lattice)
        case FermiHubbard() as model:
            measured = [energy_figures.Measured(curve.title, curve.data) for curve in curves if AUDIT in curve.data]
            yield from energy_figures.energy_figures(measured, model.lattice.geometry)


def densities(curves: list[Curve], exact: str | None) -> Figure:
    """A row per method: its density and, where there is an exact one, the difference to it; beside that one, the largest."""
    others = [curve for curve in curves if curve.label != exact]
    columns = 2 if others and len(others) < len(curves) else 1
    figure = Figure(figsize=(5.6 * columns, 0.9 + 1.75 * len(curves)))
    axes = figure.subplots(len(curves), columns, sharex=True, squeeze=False)
    scale = _density_scale(curves)
    for axis, curve in zip(axes[:, 0], curves, strict=True):
        _map(axis, curve, _density(curve), scale, DENSITY_MAP)
        axis.set_title(curve.title)
        axis.set_ylabel("site")
    figure.colorbar(ScalarMappable(scale, DENSITY_MAP), ax=axes[:, 0], label=DENSITY, aspect=12 * len(curves))
    for axis in axes[-1]:
        _time_axis(axis)
    if columns == 2:
        _differences(figure, axes[:, 1], curves, others)
    return figure


def _differences(figure: Figure, axes: np.ndarray, curves: list[Curve], others: list[Curve]) -> None:
    """The second column of `densities`: a map for each of `others`, and their largest values beside the exact density."""
    reference = next(_density(curve) for curve in curves if curve not in others)
    differences = [_density(curve) - reference for curve in others]
    reach = largest(*differences)
    low, high = _range([reference])
    limit = max(min(reach, high - low), 1e-15)
    scale = Normalize(-limit, limit)
    for axis, curve in zip(axes, curves, strict=True):
        if curve in others:
            _map(axis, curve, differences[others.index(curve)], scale, DIFFERENCE_MAP)
            axis.set_title(f"{curve.name}, difference to exact")
            continue
        farthest = np.maximum(np.abs(differences).max(axis=2), FLOOR)
        for other, y in zip(others, farthest, strict=True):
            axis.semilogy(other.data["time"], y, ls=other.dash, color=other.colour, label=other.name)
            _stop(axis, other)
        if np.isfinite(farthest).any():
            axis.set_ylim(bottom=np.nanquantile(farthest, 0.03))  # at the very first times the methods still agree
        axis.legend(loc="lower right", fontsize="small", ncols=2)
        axis.set_title("largest difference of any site")
    extend = "both" if reach > limit else "neither"
    bar = ScalarMappable(scale, DIFFERENCE_MAP)
    figure.colorbar(bar, ax=axes, label="difference of electrons per site", aspect=12 * len(axes), extend=extend)


def observables(curves: list[Curve]) -> Figure:
    """A panel per quantity that is one number in time, all methods in each."""
    panels = series(curves)
    columns = 1 if len(panels) == 1 else 2
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(5.2 * columns, 1.1 + 2.5 * rows))
    axes = figure.subplots(rows, columns, sharex=True, squeeze=False).ravel()
    for axis, (label, lines) in zip(axes, panels.items(), strict=False):
        _lines(axis, curves, lines)
        axis.set_ylabel(fill(label, 26))
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    for axis in axes[max(len(panels) - columns, 0) : len(panels)]:
        _time_axis(axis, curves[0].data["time"].attrs.get("units", "hbar/J"), labelled=True)
    _legend(figure, *axes[0].get_legend_handles_labels())
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
        _stop(axis, curve)
        axis.set_title(curve.title)
        _time_axis(axis, curve.data["time"].attrs.get("units", "hbar/J"), labelled=True)
    for axis in axes[len(curves) :]:
        axis.set_axis_off()
    for axis in axes[::columns]:
        axis.set_ylabel("|change since the first time|")
    most = largest(*(curve.data["invariant_drift"].values for curve in curves))
    axes[0].set_ylim(FLOOR, max(10 * most, 1e-12))
    handles = [Line2D([], [], color=colours[name], ls=dashes[name]) for name in names]
    _legend(figure, handles, [name.replace("_", " ") for name in names])
    return figure


def overview(curves: list[Curve]) -> Figure:
    """The densities of all methods over their double occupancy, where there is any, on one time axis."""
    occupancy = series(curves).get(DOUBLE)
    if occupancy is not None and largest(*occupancy.values()) == 0:
        occupancy = None
    heights = [1.0] * len(curves) + [1.9] * (occupancy is not None)
    figure = Figure(figsize=(8.4, 1.4 + 1.35 * len(curves) + 2.4 * (occupancy is not None)))
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    scale = _density_scale(curves)
    for axis, curve in zip(axes, curves, strict=False):
        _map(axis, curve, _density(curve), scale, DENSITY_MAP)
        axis.set_title(curve.title)
        axis.set_ylabel("site")
    figure.colorbar(ScalarMappable(scale, DENSITY_MAP), ax=axes[: len(curves)], label=DENSITY, aspect=10 * len(curves))
    _time_axis(axes[-1])
    if occupancy is not None:
        _lines(axes[-1], curves, occupancy)
        axes[-1].set_ylabel(DOUBLE.replace(" per", "\nper"))
        _legend(figure, *axes[-1].get_legend_handles_labels())
    return figure


def series(curves: list[Curve]) -> dict[str, dict[str, np.ndarray]]:
    """What is one number in time, by axis label and method."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for curve in curves:
        if "double_occupancy" in curve.data:
            found.setdefault(DOUBLE, {})[curve.label] = curve.data["double_occupancy"].mean("site", skipna=False).values
        for array in (curve.data[name] for name in OBSERVABLES if name in curve.data):
            if _is_series(array):
                label = labelled(array.attrs["long_name"], array.attrs["units"])
                found.setdefault(label, {})[curve.label] = array.values.reshape(-1)
    return found


def _is_series(array: xr.DataArray) -> bool:
    """Whether there is one number in time; a vector on a line is one too."""
    return array.dims == ("time",) or (array.dims == ("time", "axis") and array.sizes["axis"] == 1)


def _density(curve: Curve) -> np.ndarray:
    """Both spins together, shape (time, site)."""
    return curve.data["density"].sum("spin", skipna=False).values


def _density_scale(curves: list[Curve]) -> Normalize:
    """One scale for all methods; those that left their bounds count only if there is no other."""
    sound = [curve for curve in curves if curve.stop is None] or curves
    low, high = _range(map(_density, sound))
    return Normalize(low, max(high, low + 1e-9))


def _map(axis: Axes, curve: Curve, values: np.ndarray, scale: Normalize, colours: str) -> None:
    times, sites = curve.data["time"].values, curve.data["site"].values
    cmap = colormaps[colours].with_extremes(bad="#e9e9e9")
    edges = np.concatenate([times[:1], (times[1:] + times[:-1]) / 2, times[-1:]])
    masked = np.ma.masked_invalid(values.T)
    axis.pcolormesh(edges, np.append(sites - 0.5, sites[-1] + 0.5), masked, cmap=cmap, norm=scale, rasterized=True)
    axis.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axis.grid(False)
    _stop(axis, curve)


def _lines(axis: Axes, curves: list[Curve], lines: dict[str, np.ndarray]) -> None:
    """Every method's line; the others may double the range of those that kept to their bounds."""
    for curve in curves:
        if curve.label in lines:
            y = lines[curve.label]
            axis.plot(curve.data["time"], y, ls=curve.dash, color=curve.colour, label=curve.title)
            _stop(axis, curve)
    sound = [lines[curve.label] for curve in curves if curve.label in lines and curve.stop is None] or list(lines.values())
    (low, high), (lowest, highest) = _range(sound), _range(lines.values())
    span = max(high - low, 0.02 * abs(high), 1e-9)
    axis.set_ylim(max(lowest, low - span) - 0.1 * span, min(highest, high + span) + 0.1 * span)


def _range(lines: Iterable[np.ndarray]) -> tuple[float, float]:
    """Lowest and highest number of all; 0 and 1 where a run came to none."""
    finite = np.concatenate([values[np.isfinite(values)] for values in lines])
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)


def _time_axis(axis: Axes, units: str = "hbar/J", labelled: bool = False) -> None:
    axis.set_xlabel(time_label(units))
    axis.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    if labelled:
        axis.tick_params(labelbottom=True)


def _legend(figure: Figure, handles: list, labels: list[str]) -> None:
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 4 if len(labels) > 6 else 3))


def _stop(axis: Axes, curve: Curve) -> None:
    if curve.stop is not None:
        axis.axvline(curve.stop, color=curve.colour, lw=1.0, ls=":")
