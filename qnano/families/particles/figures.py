"""Particles on a grid in pictures.

waves.png           on one axis the density over place and time; on two at some times; below the mean numbers in the regions
local_energy.png    energy, energy current, power and source over place and time, and under each map what the balance misses
energy_budget.png   where the energy of each region came from: stacked integrals, and the energy itself
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from qnano.families.base import Drawn
from qnano.families.local_energy import Measured, local_energy, stacked
from qnano.families.particles.observables import AUDIT
from qnano.style import COLOURS, DENSITY_MAP, instant, labelled, largest, time_label, verbatim

if TYPE_CHECKING:
    from qnano.families.curves import Curve

MAPS = {
    "energy_density": "energy density",
    "energy_flux": "energy current",
    "power_density": "power of the drive",
    "source_density": "by the interaction",
    "loss_density": "by the absorber",
}
PARTS = {
    "region_work": "work of the drive",
    "region_transport": "through the boundary",
    "region_transfer": "by the interaction",
    "region_absorbed": "by the absorber",
}
SEEN = 1e-4  # of the largest density, below which places are left out
SNAPSHOTS = 6


def figures(curves: "list[Curve]", regions: xr.Dataset | None) -> Iterator[Drawn]:
    """What a run has; without the `regions` of space there are no lines at their ends."""
    drawn = [curve for curve in curves if "particle_density" in curve.data]
    if drawn and "z" not in drawn[0].data.dims:
        figure = (snapshots if "y" in drawn[0].data.dims else waves)(drawn[0], regions)
        yield "waves", figure, {"particle_density", "region_probability"}
    mapped = [curve for curve in curves if AUDIT in curve.data and _not_zero([curve])]
    if mapped and "y" not in mapped[0].data.dims:
        yield "local_energy", maps(mapped, regions), {*_not_zero(mapped), AUDIT}
    summed = [curve for curve in curves if {"region_energy", "region_work", "region_transport"} <= curve.data.keys()]
    if summed:
        yield "energy_budget", budget(summed), {"region_energy", *PARTS}


def waves(curve: "Curve", facts: xr.Dataset | None) -> Figure:
    """The density over place and time, and below it how many particles are in the regions."""
    regions = "region_probability" in curve.data
    figure = Figure(figsize=(8.4, 3.4 + 2.0 * regions))
    axes = figure.subplots(1 + regions, 1, sharex=True, squeeze=False, height_ratios=(5, 3)[: 1 + regions])[:, 0]
    time, x, density = curve.data["time"].values, curve.data["x"], curve.data["particle_density"]
    scale = Normalize(0.0, largest(density.values) or 1.0)
    axes[0].pcolormesh(time, x.values, density.values.T, cmap=DENSITY_MAP, norm=scale, rasterized=True, shading="nearest")
    axes[0].set_ylim(*_seen(curve))
    axes[0].set_ylabel(labelled("x", x.attrs["units"]))
    axes[0].grid(False)
    _ends(axes[0], facts)
    figure.colorbar(ScalarMappable(scale, DENSITY_MAP), ax=axes[0], label=labelled("density", density.attrs["units"]), aspect=12)
    if regions:
        _numbers(axes[1], curve)
    axes[-1].set_xlabel(time_label(curve.data["time"].attrs["units"]))
    return figure


def snapshots(curve: "Curve", facts: xr.Dataset | None) -> Figure:
    """The density in the plane at evenly spaced times, each on its own scale; below how many particles are in the regions."""
    data, regions = curve.data, "region_probability" in curve.data
    rows = np.linspace(0, data.sizes["time"] - 1, SNAPSHOTS).round().astype(int)
    x, y, density = data["x"], data["y"], data["particle_density"]
    figure = Figure(figsize=(9.6, 6.6 + 2.2 * regions))
    grid = figure.add_gridspec(2 + regions, 3, height_ratios=(4, 4, 3)[: 2 + regions])
    for place, row in enumerate(rows):
        axis = figure.add_subplot(grid[place // 3, place % 3])
        values = density.values[row].T
        scale = Normalize(0.0, largest(values) or 1.0)
        axis.pcolormesh(x.values, y.values, values, cmap=DENSITY_MAP, norm=scale, rasterized=True, shading="nearest")
        when = instant(float(data["time"].values[row]), data["time"].attrs["units"])
        axis.set_title(f"{when}, largest {largest(values):.2g}", fontsize="medium")
        axis.set_aspect("equal")
        axis.grid(False)
        axis.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
        for low, high in _regions(facts):
            _outline(axis, low, high)
        if place // 3 == 1:
            axis.set_xlabel(labelled("x", x.attrs["units"]))
        if place % 3 == 0:
            axis.set_ylabel(labelled("y", y.attrs["units"]))
    if regions:
        below = figure.add_subplot(grid[2, :])
        _numbers(below, curve)
        below.set_xlabel(time_label(data["time"].attrs["units"]))
    return figure


def maps(curves: "Sequence[Curve]", facts: xr.Dataset | None) -> Figure:
    """Maps on symmetric scales of what is not zero throughout, each with its residual."""
    first = curves[0].data
    names = _not_zero(curves)
    labels = {name: labelled(MAPS[name], first[name].attrs["units"]) for name in names}
    figure = local_energy([Measured(curve.title, curve.data) for curve in curves], labels, AUDIT)
    low, high = _seen(curves[0]) if "particle_density" in first else (None, None)
    for axis in figure.axes:
        if axis.collections and axis.get_yscale() == "linear" and axis.get_label() != "<colorbar>":
            axis.set_ylim(low, high)
            _ends(axis, facts)
    return figure


def _not_zero(curves: "Sequence[Curve]") -> list[str]:
    return [name for name in MAPS if any(name in curve.data and largest(curve.data[name].values) > 0 for curve in curves)]


def budget(curves: "Sequence[Curve]") -> Figure:
    """A row per method, a column per region."""
    first = curves[0].data
    names = first["region"].values.tolist()
    figure = Figure(figsize=(2.0 + 3.8 * len(names), 1.2 + 2.8 * len(curves)))
    axes = figure.subplots(len(curves), len(names), sharex=True, squeeze=False)
    for row, curve in zip(axes, curves, strict=True):
        data = curve.data
        parts = {name: COLOURS[k] for k, name in enumerate(PARTS, 1) if name in data and largest(data[name].values) > 0}
        for axis, region in zip(row, names, strict=True):
            here = data.sel(region=region)
            energy = here["region_energy"].values
            shown = {PARTS[name]: here[name].values for name in parts}
            stacked(axis, data["time"].values, shown, energy - energy[0], list(parts.values()))
            axis.set_title(verbatim(region) if len(curves) == 1 else f"{curve.title}, {verbatim(region)}")
            axis.yaxis.set_major_locator(MaxNLocator(5))
        row[0].set_ylabel(labelled("energy since the start", first["region_energy"].attrs["units"]))
    for axis in axes[-1]:
        axis.set_xlabel(time_label(first["time"].attrs["units"]))
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 1 + len(names)))
    return figure


def _numbers(axis: Axes, curve: "Curve") -> None:
    data = curve.data
    for colour, region in zip(COLOURS, data["region"].values.tolist(), strict=False):
        axis.plot(data["time"], data["region_probability"].sel(region=region), color=colour, label=verbatim(region))
    axis.set_ylabel("particles in\nthe regions")
    axis.legend(loc="best", fontsize="small")


def _seen(curve: "Curve") -> tuple[float, float]:
    """Between which places there is something."""
    values, x = curve.data["particle_density"].values, curve.data["x"].values
    seen = np.flatnonzero((values > SEEN * largest(values)).any(axis=0))
    if not seen.size:
        return float(x[0]), float(x[-1])
    return float(x[seen[0]]), float(x[seen[-1]])


def _regions(facts: xr.Dataset | None) -> list[tuple[np.ndarray, np.ndarray]]:
    """The lowest and highest places of each region, where they are known."""
    if facts is None or "region_low" not in facts:
        return []
    return list(zip(facts["region_low"].values, facts["region_high"].values, strict=True))


def _ends(axis: Axes, facts: xr.Dataset | None) -> None:
    """Thin lines where regions end."""
    for end in {float(end) for ends in _regions(facts) for place in ends for end in place}:
        axis.axhline(end, color="#888888", lw=0.7, ls=":")


def _outline(axis: Axes, low: np.ndarray, high: np.ndarray) -> None:
    axis.plot(
        [low[0], high[0], high[0], low[0], low[0]], [low[1], low[1], high[1], high[1], low[1]], color="#bbbbbb", lw=0.8, ls=":"
    )
