"""A problem on two scales in pictures.

coarse.png     density over place and time by the reference, its difference to the others, and mean place and size of all
band.png       the bands along the zone, and the parabola that the effective mass makes of the one that is followed
balance.png    beta over length and height of a slow potential: where a coarse description is balanced, and where this run is
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from qnano import runtime
from qnano.cgwe.balance import COARSE_EPS, LOOSE, STIFF
from qnano.families.experiment import Experiment
from qnano.families.fields import plain
from qnano.families.two_scale.build import TwoScale, build_shared
from qnano.families.two_scale.regime import balances
from qnano.families.two_scale.schema import Well
from qnano.style import COLOURS, DENSITY_MAP, DIFFERENCE_MAP, labelled, largest, time_label

if TYPE_CHECKING:
    from qnano.families.curves import Curve

SHOWN_BANDS = 4


def figures(curves: "list[Curve]", reference: str | None, experiment: Experiment) -> Iterator[tuple[str, Figure, set[str]]]:
    """What a run has, drawn from its results and from its config; and which observables are shown."""
    runtime.start(experiment.precision)
    if all("coarse_density" in curve.data for curve in curves):
        yield "coarse", densities(curves, reference), {"coarse_density"}
    shared = build_shared(experiment)
    yield "band", band(experiment, shared), set()
    if shared.model.confinement.kind != "none":
        yield "balance", balance_map(experiment, shared), set()


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


def band(experiment: Experiment, shared: TwoScale) -> Figure:
    """Energies from the edge that is followed, over the wavevector in units of the zone's edge."""
    cell, period = shared.cell, plain(shared.bloch.period)
    k = jnp.linspace(-1.0, 1.0, 161)
    levels = np.asarray(jax.lax.map(lambda q: jnp.linalg.eigvalsh(shared.bloch.hamiltonian(q[None])), k * jnp.pi / period))
    levels = levels[:, : max(SHOWN_BANDS, cell.band + 2)] - plain(cell.energy)
    figure = Figure(figsize=(5.6, 4.0))
    axis = figure.subplots()
    for n, level in enumerate(levels.T):
        colour, width, label = (COLOURS[1], 2.0, "band") if n == cell.band else ("#999999", 1.1, None)
        axis.plot(k, level, color=colour, lw=width, label=label)
    at = plain(cell.k0[0]) * period / np.pi
    height = 0.6 * max(np.ptp(levels[:, cell.band]), 1e-9)
    bend = plain(cell.hbar) ** 2 * plain(cell.inverse_mass[0, 0]) / 2 * (np.pi / period) ** 2
    reach = min(1.0, (height / max(abs(bend), 1e-300)) ** 0.5)
    away = np.linspace(-reach, reach, 81)
    for centre in {at, -at}:
        inside = np.abs(centre + away) <= 1.0
        label = "effective mass" if centre == at else None
        axis.plot((centre + away)[inside], bend * away[inside] ** 2, "--", color=COLOURS[0], label=label)
    unit = experiment.unit("J")
    axis.set_xlabel("k  (π / a)")
    axis.set_ylabel(labelled("energy", unit))
    low, high = levels[:, cell.band].min(), levels[:, cell.band].max()
    near = np.sort(np.abs(levels - levels[:, [cell.band]]).min(axis=0))[1] if levels.shape[1] > 1 else high - low
    axis.set_ylim(low - 1.3 * near - 0.3 * (high - low), high + 0.5 * near + 0.3 * (high - low))
    axis.legend(loc="best", fontsize="small")
    return figure


def balance_map(experiment: Experiment, shared: TwoScale) -> Figure:
    """Lengths from a cell to the whole ring, heights around that of the run."""
    model, found = shared.model, balances(experiment, shared)["confinement"]
    period, scale = plain(model.period), plain(model.period) / float(found.eps)
    height = abs(float(found.beta * found.energy))
    lengths, heights = np.geomspace(period, max(10 * scale, 20 * period), 121), height * np.geomspace(1e-2, 1e2, 101)
    mass = plain(shared.hbar) ** 2 / (float(found.energy) * scale**2)
    beta = mass * lengths**2 * heights[:, None] / shared.hbar**2
    figure = Figure(figsize=(6.0, 4.2))
    axis = figure.subplots()
    norm = LogNorm(LOOSE / 100, STIFF * 100)
    axis.pcolormesh(lengths, heights, beta, norm=norm, cmap="RdBu_r", rasterized=True, shading="nearest")
    for value in (LOOSE, 1.0, STIFF):
        axis.plot(lengths, value * shared.hbar**2 / (mass * lengths**2), color="#222222", lw=0.9)
        level = 2 * heights[0] if value <= 1.0 else heights[-1] / 2
        place = (value * shared.hbar**2 / (mass * level)) ** 0.5
        axis.annotate(f"β = {value:g}", (place, level), (-6, -4), textcoords="offset points", fontsize=8, ha="right")
    axis.set_ylim(heights[0], heights[-1])
    axis.axvspan(period, period / COARSE_EPS, color="#555555", alpha=0.35, lw=0)
    axis.text(period * 1.08, heights[-1] / 1.4, "scale of\nthe lattice", fontsize=8, va="top")
    axis.plot([scale], [height], "o", color="#111111", mfc="#ffffff", ms=8)
    axis.annotate("this run", (scale, height), (0, -16), textcoords="offset points", fontsize=9, ha="center")
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlim(lengths[0], lengths[-1])
    length, energy = experiment.unit("length"), experiment.unit("J")
    what = "width of the well" if isinstance(model.confinement, Well) else "length of the cosine over 2π"
    axis.set_xlabel(labelled(what, length))
    axis.set_ylabel(labelled("height of the potential", energy))
    axis.grid(False)
    figure.colorbar(ScalarMappable(norm, "RdBu_r"), ax=axis, label="balance number β")
    return figure
