"""A problem on two scales in pictures.

coarse.png     density over place and time by the reference, its difference to the others, and mean place and size of all
band.png       the bands along the zone, and the parabola that the effective mass makes of the one that is followed
balance.png    beta over length and height of a slow potential: where a coarse description is balanced, and where this run is
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from qnano.cgwe.balance import COARSE_EPS, LOOSE, STIFF
from qnano.families.base import Drawn
from qnano.style import COLOURS, DENSITY_MAP, DIFFERENCE_MAP, labelled, largest, time_label

if TYPE_CHECKING:
    from qnano.families.curves import Curve


def figures(curves: "list[Curve]", reference: str | None, facts: xr.Dataset | None) -> Iterator[Drawn]:
    """What a run has."""
    if all("coarse_density" in curve.data for curve in curves):
        yield "coarse", densities(curves, reference), {"coarse_density"}
    if facts is not None:
        yield "band", band(facts), set()
        if "potential_height" in facts:
            yield "balance", balance_map(facts), set()


def densities(curves: "list[Curve]", reference: str | None) -> Figure:
    """A row per method: the density of the first, what the others add to it, and below it mean place and size."""
    first = next((curve for curve in curves if curve.label == reference), curves[0])
    others = [curve for curve in curves if curve is not first]
    lines = [name for name in ("position", "spread") if all(name in curve.data for curve in curves)]
    rows = 1 + len(others) + bool(lines)
    figure = Figure(figsize=(8.4, 0.9 + 1.75 * rows))
    axes = figure.subplots(rows, 1, squeeze=False, sharex=True)[:, 0]
    x, time = first.data["x"], first.data["time"].values
    place, density = labelled("x", x.attrs["units"]), labelled("density", first.data["coarse_density"].attrs["units"])
    true = first.data["coarse_density"].values
    seen = np.flatnonzero((np.abs(true) >= 1e-3 * largest(true)).any(axis=0))
    first_seen, last_seen = (seen[0], seen[-1]) if seen.size else (0, x.size - 1)
    low, high = x.values[max(first_seen - 1, 0)], x.values[min(last_seen + 1, x.size - 1)]
    maps = [(first.name, true)] + [(f"{other.name} - {first.name}", other.data["coarse_density"].values - true) for other in others]
    for axis, (title, values) in zip(axes, maps, strict=False):
        reach = max(largest(values), 1e-15)
        scale = Normalize(0.0, reach) if values is true else Normalize(-reach, reach)
        colours = DENSITY_MAP if values is true else DIFFERENCE_MAP
        axis.pcolormesh(time, x.values, values.T, cmap=colours, norm=scale, rasterized=True, shading="nearest")
        axis.set_ylim(low, high)
        axis.set_ylabel(place)
        axis.set_title(title)
        axis.grid(False)
        bar = figure.colorbar(ScalarMappable(scale, colours), ax=axis, aspect=9, label=density)
        assert isinstance(bar.formatter, ScalarFormatter)
        bar.formatter.set_powerlimits((-2, 2))
        bar.update_ticks()
    if lines:
        for curve in (first, *others):
            for name, width in zip(lines, (1.7, 0.9), strict=False):
                label = curve.name if name == lines[0] else None
                values = curve.data[name].values[:, 0]
                axes[-1].plot(time, values, ls="-" if curve is first else curve.dash, color=curve.colour, lw=width, label=label)
        axes[-1].set_ylabel(labelled("mean place,\nsize (thin)", x.attrs["units"]))
        axes[-1].legend(loc="lower left", bbox_to_anchor=(0.0, 0.98), fontsize="small", ncols=4)
    axes[-1].set_xlabel(time_label(first.data["time"].attrs["units"]))
    return figure


def band(facts: xr.Dataset) -> Figure:
    """Energies from the edge that is followed, over the wavevector in units of the zone's edge."""
    k, levels, followed = facts["wavevector"].values, facts["levels"].values, int(facts["followed_band"])
    figure = Figure(figsize=(5.6, 4.0))
    axis = figure.subplots()
    for n, level in enumerate(levels.T):
        colour, width, label = (COLOURS[1], 2.0, "band") if n == followed else ("#999999", 1.1, None)
        axis.plot(k, level, color=colour, lw=width, label=label)
    at, bend = float(facts["edge_wavevector"]), float(facts["parabola"])
    height = 0.6 * max(np.ptp(levels[:, followed]), 1e-9)
    reach = min(1.0, (height / max(abs(bend), 1e-300)) ** 0.5)
    away = np.linspace(-reach, reach, 81)
    for centre in {at, -at}:
        inside = np.abs(centre + away) <= 1.0
        label = "effective mass" if centre == at else None
        axis.plot((centre + away)[inside], bend * away[inside] ** 2, "--", color=COLOURS[0], label=label)
    axis.set_xlabel("k  (π / a)")
    axis.set_ylabel(labelled("energy", facts["levels"].attrs["units"]))
    low, high = levels[:, followed].min(), levels[:, followed].max()
    near = np.sort(np.abs(levels - levels[:, [followed]]).min(axis=0))[1] if levels.shape[1] > 1 else high - low
    axis.set_ylim(low - 1.3 * near - 0.3 * (high - low), high + 0.5 * near + 0.3 * (high - low))
    axis.legend(loc="best", fontsize="small")
    return figure


def balance_map(facts: xr.Dataset) -> Figure:
    """beta = m h L^2 / hbar^2 over lengths L from a cell to the whole ring, and heights h around that of the run."""
    period, scale, height, mass = (float(facts[name]) for name in ("cell_length", "potential_length", "potential_height", "mass"))
    lengths, heights = np.geomspace(period, max(10 * scale, 20 * period), 121), height * np.geomspace(1e-2, 1e2, 101)
    figure = Figure(figsize=(6.0, 4.2))
    axis = figure.subplots()
    norm = LogNorm(LOOSE / 100, STIFF * 100)
    beta = mass * lengths**2 * heights[:, None]
    axis.pcolormesh(lengths, heights, beta, norm=norm, cmap="RdBu_r", rasterized=True, shading="nearest")
    for value in (LOOSE, 1.0, STIFF):
        axis.plot(lengths, value / (mass * lengths**2), color="#222222", lw=0.9)
        level = 2 * heights[0] if value <= 1.0 else heights[-1] / 2
        place = (value / (mass * level)) ** 0.5
        axis.annotate(f"β = {value:g}", (place, level), (-6, -4), textcoords="offset points", fontsize=8, ha="right")
    axis.set_ylim(heights[0], heights[-1])
    axis.axvspan(period, period / COARSE_EPS, color="#555555", alpha=0.35, lw=0)
    axis.text(period * 1.08, heights[-1] / 1.4, "scale of\nthe lattice", fontsize=8, va="top")
    axis.plot([scale], [height], "o", color="#111111", mfc="#ffffff", ms=8)
    axis.annotate("this run", (scale, height), (0, -16), textcoords="offset points", fontsize=9, ha="center")
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlim(lengths[0], lengths[-1])
    axis.set_xlabel(labelled(facts["potential_length"].attrs["long_name"], facts["potential_length"].attrs["units"]))
    axis.set_ylabel(labelled("height of the potential", facts["potential_height"].attrs["units"]))
    axis.grid(False)
    figure.colorbar(ScalarMappable(norm, "RdBu_r"), ax=axis, label="balance number β")
    return figure
