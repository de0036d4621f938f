"""Electrons on a lattice in pictures.

densities.png       density over space and time, one panel per method, and beside it the difference to the exact one
overview.png        densities over double occupancy, one time axis
local_energy.png    maps over space and time, one column per method, on symmetric scales; under each map what the balance misses
energy_budget.png   where the energy of each half of the lattice came from: stacked integrals, and the energy itself
energy_flow.png     the lattice at a few times: energy gained by each site, energy currents as arrows on the bonds
"""

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from qnano.energetics.lattice import boundary
from qnano.families.base import Drawn
from qnano.families.curves import DOUBLE, Curve, legend_below, lines_over_time, mark_stop, series, time_axis, value_range
from qnano.families.hubbard.observables import AUDIT, BUDGET
from qnano.families.local_energy import Measured, gained, local_energy, stacked
from qnano.style import DENSITY_MAP, DIFFERENCE_MAP, TIME, instant, largest

DENSITY = "electrons per site"
MAPS = {
    "site_energy": "energy gained  (J)",
    "site_power": "power of the drive  (J²/ħ)",
    "energy_current": "energy current  (J²/ħ)",
    "interaction_source": "by the interaction  (J²/ħ)",
}
PARTS = {"site_work": "work of the drive", "energy_transport": "through the boundary", "interaction_transfer": "by the interaction"}
FLOOR = 1e-17
SNAPSHOTS = 4


def figures(curves: Sequence[Curve], exact: str | None, facts: xr.Dataset | None) -> Iterator[Drawn]:
    """What a run has."""
    if mapped := [curve for curve in curves if "density" in curve.data]:
        yield "densities", densities(mapped, exact), {"density"}
        if all("double_occupancy" in curve.data for curve in mapped):
            yield "overview", overview(mapped), {"density"}
    yield from energy_figures([Measured(curve.title, curve.data) for curve in curves if AUDIT in curve.data], facts)


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
        time_axis(axis)
    if columns == 2:
        _differences(figure, axes[:, 1], curves, others)
    return figure


def _differences(figure: Figure, axes: np.ndarray, curves: list[Curve], others: list[Curve]) -> None:
    """The second column of `densities`: a map for each of `others`, and their largest values beside the exact density."""
    reference = next(_density(curve) for curve in curves if curve not in others)
    differences = [_density(curve) - reference for curve in others]
    reach = largest(*differences)
    low, high = value_range([reference])
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
            mark_stop(axis, other)
        if np.isfinite(farthest).any():
            axis.set_ylim(bottom=np.nanquantile(farthest, 0.03))  # at the very first times the methods still agree
        axis.legend(loc="lower right", fontsize="small", ncols=2)
        axis.set_title("largest difference of any site")
    extend = "both" if reach > limit else "neither"
    bar = ScalarMappable(scale, DIFFERENCE_MAP)
    figure.colorbar(bar, ax=axes, label="difference of electrons per site", aspect=12 * len(axes), extend=extend)


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
    time_axis(axes[-1])
    if occupancy is not None:
        lines_over_time(axes[-1], curves, occupancy)
        axes[-1].set_ylabel(DOUBLE.replace(" per", "\nper"))
        legend_below(figure, *axes[-1].get_legend_handles_labels())
    return figure


def _density(curve: Curve) -> np.ndarray:
    """Both spins together, shape (time, site)."""
    return curve.data["density"].sum("spin", skipna=False).values


def _density_scale(curves: list[Curve]) -> Normalize:
    """One scale for all methods; those that left their bounds count only if there is no other."""
    sound = [curve for curve in curves if curve.stop is None] or curves
    low, high = value_range(map(_density, sound))
    return Normalize(low, max(high, low + 1e-9))


def _map(axis: Axes, curve: Curve, values: np.ndarray, scale: Normalize, colours: str) -> None:
    times, sites = curve.data["time"].values, curve.data["site"].values
    cmap = colormaps[colours].with_extremes(bad="#e9e9e9")
    edges = np.concatenate([times[:1], (times[1:] + times[:-1]) / 2, times[-1:]])
    masked = np.ma.masked_invalid(values.T)
    axis.pcolormesh(edges, np.append(sites - 0.5, sites[-1] + 0.5), masked, cmap=cmap, norm=scale, rasterized=True)
    axis.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axis.grid(False)
    mark_stop(axis, curve)


def energy_figures(methods: Sequence[Measured], facts: xr.Dataset | None) -> Iterator[Drawn]:
    """Names and figures, as far as there is something to draw; and which observables are shown."""
    mapped = [method for method in methods if any(name in method.data for name in MAPS)]
    if mapped:
        yield "local_energy", local_energy(mapped, MAPS, AUDIT), {*MAPS, AUDIT}
    if facts is None or "bond_ends" not in facts:
        return
    if summed := [method for method in methods if all(name in method.data for name in (*BUDGET, "site_energy"))]:
        yield "energy_budget", energy_budget(summed, facts), set(BUDGET)
    if flowing := [method for method in methods if "energy_current" in method.data and "site_energy" in method.data]:
        yield "energy_flow", energy_flow(flowing[0], facts), set()


def energy_budget(methods: Sequence[Measured], facts: xr.Dataset) -> Figure:
    """A row per method, a column per half of the lattice along the first axis."""
    places = facts["position"].values[:, 0]
    left = places < places.mean()
    halves = {"left half": left, "right half": ~left}
    figure = Figure(figsize=(10.4, 1.2 + 2.6 * len(methods)))
    axes = figure.subplots(len(methods), 2, sharex=True, sharey=True, squeeze=False)
    for row, method in zip(axes, methods, strict=True):
        for axis, (name, region) in zip(row, halves.items(), strict=True):
            _budget(axis, method.data, facts["bond_ends"].values, region)
            axis.set_title(f"{method.title}, {name}")
        row[0].set_ylabel("energy since the start  (J)")
    for axis in axes[-1]:
        axis.set_xlabel(TIME)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def _budget(axis: Axes, data: xr.Dataset, bonds: np.ndarray, region: np.ndarray) -> None:
    weights = {"energy_transport": boundary(bonds, region)}
    parts = {label: data[name].values @ weights.get(name, region.astype(float)) for name, label in PARTS.items()}
    stacked(axis, data["time"].values, parts, gained(data, "site_energy") @ region)


def energy_flow(method: Measured, facts: xr.Dataset) -> Figure:
    """Sites coloured by the energy that they gained, at a few times; arrows along the energy current, as long as it is strong."""
    data, first = method.data, facts["bond_ends"].values[:, 0]
    flat, along = _in_plane(facts["position"].values), _in_plane(facts["bond_vector"].values)
    rows = np.linspace(0, data.sizes["time"] - 1, SNAPSHOTS + 1).round().astype(int)[1:]
    energy, current = gained(data, "site_energy"), data["energy_current"].values
    limit, strongest = max(largest(energy), 1e-15), max(largest(current[rows]), 1e-15)
    span = np.ptp(flat, axis=0) + 1.2
    figure = Figure(figsize=(8.0, 0.6 + SNAPSHOTS * (0.35 + 6.0 * span[1] / span[0])))
    axes = figure.subplots(SNAPSHOTS, 1, squeeze=False)[:, 0]
    middle = flat[first] - along / 2
    dots = {"cmap": DIFFERENCE_MAP, "vmin": -limit, "vmax": limit, "s": 320, "edgecolors": "#444444"}
    arrows = {"angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.009, "minlength": 0, "zorder": 3}
    for axis, row in zip(axes, rows, strict=True):
        share = (current[row] / strongest)[:, None] * 0.6 * along
        axis.plot(
            *np.stack([flat[i] - np.outer([0, 1], step) for i, step in zip(first, along, strict=True)]).T,
            color="#cccccc",
            lw=1,
            zorder=1,
        )
        drawn = axis.scatter(*flat.T, c=energy[row], **dots)
        axis.quiver(*(middle - share / 2).T, *share.T, **arrows)
        axis.set(xlim=(flat[:, 0].min() - 0.6, flat[:, 0].max() + 0.6), ylim=(flat[:, 1].min() - 0.6, flat[:, 1].max() + 0.6))
        axis.set_aspect("equal")
        axis.set_axis_off()
        axis.set_title(instant(float(data["time"][row]), "hbar/J"))
    figure.colorbar(drawn, ax=axes, label=f"{MAPS['site_energy']}, longest arrow {strongest:.2g} J²/ħ", aspect=25)
    return figure


def _in_plane(vectors: np.ndarray) -> np.ndarray:
    """Their first two components; of a chain the second is 0."""
    return np.pad(vectors[:, :2], ((0, 0), (0, max(0, 2 - vectors.shape[1]))))
