"""The figures of local energies, drawn from the data of a run alone.

local_energy.png    maps over space and time, one column per method, on symmetric scales; under each map what the balance misses
energy_budget.png   where the energy of each half of the lattice came from: stacked integrals, and the energy itself
energy_flow.png     the lattice at a few times: energy gained by each site, energy currents as arrows on the bonds
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, ScalarFormatter

from qnano.config.observables import AUDIT, BUDGET
from qnano.energetics.lattice import boundary
from qnano.experiments.style import COLOURS, DIFFERENCE_MAP, TIME, instant, labelled, largest, time_label
from qnano.lattice import Lattice

MAPS = {
    "site_energy": "energy gained  (J)",
    "site_power": "power of the drive  (J²/ħ)",
    "energy_current": "energy current  (J²/ħ)",
    "interaction_source": "by the interaction  (J²/ħ)",
}
PARTS = {"site_work": "work of the drive", "energy_transport": "through the boundary", "interaction_transfer": "by the interaction"}
FLOOR = 1e-17
SNAPSHOTS = 4


class Measured(NamedTuple):
    """A method's results and its title."""

    title: str
    data: xr.Dataset


def energy_figures(methods: Sequence[Measured], lattice: Lattice) -> Iterator[tuple[str, Figure, set[str]]]:
    """Names and figures, as far as there is something to draw; and which observables are shown."""
    mapped = [method for method in methods if any(name in method.data for name in MAPS)]
    if mapped:
        yield "local_energy", local_energy(mapped), {*MAPS, AUDIT}
    summed = [method for method in methods if all(name in method.data for name in (*BUDGET, "site_energy"))]
    if summed and lattice.sites > 1:
        yield "energy_budget", energy_budget(summed, lattice), set(BUDGET)
    flowing = [method for method in methods if "energy_current" in method.data and "site_energy" in method.data]
    if flowing:
        yield "energy_flow", energy_flow(flowing[0], lattice), set()


def local_energy(methods: Sequence[Measured], labels: Mapping[str, str] = MAPS, audit: str = AUDIT) -> Figure:
    """A row per quantity that is in `labels`, a column per method; under each map the largest residual of `audit`."""
    names = [name for name in labels if any(name in method.data for method in methods)]
    figure = Figure(figsize=(1.6 + 4.3 * len(methods), 1.0 + 2.4 * len(names)))
    axes = figure.subplots(2 * len(names), len(methods), sharex=True, squeeze=False, height_ratios=(5, 2) * len(names))
    residuals = [method.data[audit].values for method in methods]
    residuals = [np.maximum(np.abs(values).reshape(len(values), -1).max(axis=1), FLOOR) for values in residuals]
    lowest = min((values[np.isfinite(values)].min(initial=1.0) for values in residuals), default=1.0)
    for upper, lower, name in zip(axes[::2], axes[1::2], names, strict=True):
        values = [_gained(method.data, name) for method in methods]
        limit = max(largest(*values), 1e-15)
        scale = Normalize(-limit, limit)
        for axis, method, value in zip(upper, methods, values, strict=True):
            _map(axis, method.data["time"].values, value, scale, _places(method.data[name]))
        upper[0].set_ylabel(_place_label(methods[0].data[name]))
        bar = figure.colorbar(ScalarMappable(scale, DIFFERENCE_MAP), ax=upper, label=labels[name].replace("  ", "\n"), aspect=9)
        assert isinstance(bar.formatter, ScalarFormatter)
        bar.formatter.set_powerlimits((-2, 3))
        bar.update_ticks()
        for axis, method, residual in zip(lower, methods, residuals, strict=True):
            axis.semilogy(method.data["time"], residual, color=COLOURS[0], lw=1.3)
            axis.set_ylim(max(FLOOR, lowest / 10), max(10 * largest(*residuals), 1e-12))
            axis.yaxis.set_major_locator(LogLocator(numticks=4))
            axis.minorticks_off()
        lower[0].set_ylabel("largest\nresidual", fontsize="small")
    for axis, method in zip(axes[-1], methods, strict=True):
        axis.set_xlabel(time_label(method.data["time"].attrs.get("units", "hbar/J")))
        axis.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    for axis, method in zip(axes[0], methods, strict=True):
        axis.set_title(method.title)
    return figure


def energy_budget(methods: Sequence[Measured], lattice: Lattice) -> Figure:
    """A row per method, a column per half of the lattice along the first axis."""
    left = lattice.coordinates[:, 0] < lattice.centre[0]
    halves = {"left half": left, "right half": ~left}
    figure = Figure(figsize=(10.4, 1.2 + 2.6 * len(methods)))
    axes = figure.subplots(len(methods), 2, sharex=True, sharey=True, squeeze=False)
    for row, method in zip(axes, methods, strict=True):
        for axis, (name, region) in zip(row, halves.items(), strict=True):
            _budget(axis, method.data, lattice, region)
            axis.set_title(f"{method.title}, {name}")
        row[0].set_ylabel("energy since the start  (J)")
    for axis in axes[-1]:
        axis.set_xlabel(TIME)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def _budget(axis: Axes, data: xr.Dataset, lattice: Lattice, region: np.ndarray) -> None:
    weights = {"energy_transport": boundary(lattice.bond_array, region)}
    parts = {label: data[name].values @ weights.get(name, region.astype(float)) for name, label in PARTS.items()}
    stacked(axis, data["time"].values, parts, _gained(data, "site_energy") @ region)


def stacked(
    axis: Axes, times: np.ndarray, parts: Mapping[str, np.ndarray], gained: np.ndarray, colours: Sequence[str] = COLOURS[1:]
) -> None:
    """Positive parts stacked upwards, negative ones downwards; the line is the energy that they must add up to."""
    above = below = np.zeros(len(times))
    for colour, (label, value) in zip(colours, parts.items(), strict=False):
        upper, lower = above + np.maximum(value, 0), below + np.minimum(value, 0)
        axis.fill_between(times, above, upper, color=colour, lw=0, alpha=0.75, label=label)
        axis.fill_between(times, below, lower, color=colour, lw=0, alpha=0.75)
        above, below = upper, lower
    axis.plot(times, gained, color="#111111", label="energy gained")


def energy_flow(method: Measured, lattice: Lattice) -> Figure:
    """Sites coloured by the energy that they gained, at a few times; arrows along the energy current, as long as it is strong."""
    data, places = method.data, lattice.coordinates
    flat = np.column_stack([places[:, 0], places[:, 1] if lattice.dimension > 1 else np.zeros(lattice.sites)])
    rows = np.linspace(0, data.sizes["time"] - 1, SNAPSHOTS + 1).round().astype(int)[1:]
    energy, current = _gained(data, "site_energy"), data["energy_current"].values
    limit, strongest = max(largest(energy), 1e-15), max(largest(current[rows]), 1e-15)
    span = np.ptp(flat, axis=0) + 1.2
    figure = Figure(figsize=(8.0, 0.6 + SNAPSHOTS * (0.35 + 6.0 * span[1] / span[0])))
    axes = figure.subplots(SNAPSHOTS, 1, squeeze=False)[:, 0]
    along = lattice_steps(lattice)
    middle = flat[lattice.bond_array[:, 0]] - along / 2
    dots = {"cmap": DIFFERENCE_MAP, "vmin": -limit, "vmax": limit, "s": 320, "edgecolors": "#444444"}
    arrows = {"angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.009, "minlength": 0, "zorder": 3}
    for axis, row in zip(axes, rows, strict=True):
        share = (current[row] / strongest)[:, None] * 0.6 * along
        axis.plot(
            *np.stack([flat[i] - np.outer([0, 1], step) for i, step in zip(lattice.bond_array[:, 0], along, strict=True)]).T,
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


def lattice_steps(lattice: Lattice) -> np.ndarray:
    """r_i - r_j of the bonds (i, j) in the plane."""
    steps = lattice.bond_vectors[:, :2]
    return np.pad(steps, ((0, 0), (0, 2 - steps.shape[1])))


def _gained(data: xr.Dataset, name: str) -> np.ndarray:
    """What is drawn of a quantity; of a site's energy what it is more than at first, of a vector what is along the first axis."""
    values = data[name].values[:, 0] if "axis" in data[name].dims else data[name].values
    return values - values[0] if name == "site_energy" else values


def _places(array: xr.DataArray) -> np.ndarray:
    """Where the values stand on the last dimension: on a grid at their places, else in a row."""
    values = array[array.dims[-1]].values
    return values if values.dtype.kind == "f" else np.arange(values.size)


def _place_label(array: xr.DataArray) -> str:
    dim = str(array.dims[-1])
    return labelled(dim, array[dim].attrs.get("units", "1"))


def _map(axis: Axes, times: np.ndarray, values: np.ndarray, scale: Normalize, places: np.ndarray) -> None:
    edges = np.concatenate([times[:1], (times[1:] + times[:-1]) / 2, times[-1:]])
    step = places[1] - places[0] if places.size > 1 else 1
    ends = np.append(places, places[-1] + step) - step / 2
    axis.pcolormesh(edges, ends, np.ma.masked_invalid(values.T), cmap=DIFFERENCE_MAP, norm=scale, rasterized=True)
    axis.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axis.grid(False)
