"""Particles on a grid in pictures.

waves.png           on one axis the density over place and time; on two at some times; below the mean numbers in the regions
local_energy.png    energy, energy current, power and source over place and time, and under each map what the balance misses
energy_budget.png   where the energy of each region came from: stacked integrals, and the energy itself
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from qnano.families.local_energy import Measured, local_energy, stacked
from qnano.families.particles.observables import AUDIT
from qnano.families.particles.schema import ParticlesModel, Region
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


def figures(curves: "list[Curve]", model: ParticlesModel) -> Iterator[tuple[str, Figure, set[str]]]:
    """What a run has, drawn from its results; and which observables are shown."""
    axes = model.axes
    drawn = [curve for curve in curves if "particle_density" in curve.data]
    if drawn and len(axes) < 3:
        yield "waves", (waves if len(axes) == 1 else snapshots)(drawn[0], model), {"particle_density", "region_probability"}
    mapped = [curve for curve in curves if AUDIT in curve.data and _not_zero([curve])]
    if mapped and len(axes) == 1:
        yield "local_energy", maps(mapped, model), {*_not_zero(mapped), AUDIT}
    summed = [curve for curve in curves if {"region_energy", "region_work", "region_transport"} <= curve.data.keys()]
    if summed:
        yield "energy_budget", budget(summed, model), {"region_energy", *PARTS}


def waves(curve: "Curve", model: ParticlesModel) -> Figure:
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
    _ends(axes[0], model)
    figure.colorbar(ScalarMappable(scale, DENSITY_MAP), ax=axes[0], label=labelled("density", density.attrs["units"]), aspect=12)
    if regions:
        _numbers(axes[1], curve)
    axes[-1].set_xlabel(time_label(curve.data["time"].attrs["units"]))
    return figure


def snapshots(curve: "Curve", model: ParticlesModel) -> Figure:
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
        for region in model.regions.values():
            _outline(axis, region)
        if place // 3 == 1:
            axis.set_xlabel(labelled("x", x.attrs["units"]))
        if place % 3 == 0:
            axis.set_ylabel(labelled("y", y.attrs["units"]))
    if regions:
        below = figure.add_subplot(grid[2, :])
        _numbers(below, curve)
        below.set_xlabel(time_label(data["time"].attrs["units"]))
    return figure


def maps(curves: "Sequence[Curve]", model: ParticlesModel) -> Figure:
    """Maps on symmetric scales of what is not zero throughout, each with its residual."""
    first = curves[0].data
    names = _not_zero(curves)
    labels = {name: labelled(MAPS[name], first[name].attrs["units"]) for name in names}
    figure = local_energy([Measured(curve.title, curve.data) for curve in curves], labels, AUDIT)
    low, high = _seen(curves[0]) if "particle_density" in first else (None, None)
    for axis in figure.axes:
        if axis.collections and axis.get_yscale() == "linear" and axis.get_label() != "<colorbar>":
            axis.set_ylim(low, high)
            _ends(axis, model)
    return figure


def _not_zero(curves: "Sequence[Curve]") -> list[str]:
    return [name for name in MAPS if any(name in curve.data and largest(curve.data[name].values) > 0 for curve in curves)]


def budget(curves: "Sequence[Curve]", model: ParticlesModel) -> Figure:
    """A row per method, a column per region."""
    names = list(model.regions)
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
        row[0].set_ylabel(labelled("energy since the start", model.unit("J")))
    for axis in axes[-1]:
        axis.set_xlabel(time_label(model.unit("hbar/J")))
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


def _ends(axis: Axes, model: ParticlesModel) -> None:
    """Thin lines where regions end."""
    for end in {float(end) for region in model.regions.values() for end in _flat(region.low) + _flat(region.high)}:
        axis.axhline(end, color="#888888", lw=0.7, ls=":")


def _outline(axis: Axes, region: Region) -> None:
    low, high = (_flat(end) * (2 // len(_flat(end))) for end in (region.low, region.high))
    axis.plot(
        [low[0], high[0], high[0], low[0], low[0]], [low[1], low[1], high[1], high[1], low[1]], color="#bbbbbb", lw=0.8, ls=":"
    )


def _flat(value) -> tuple:
    return value if isinstance(value, tuple) else (value,)
