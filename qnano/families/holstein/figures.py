"""The lattice of a Holstein run in pictures.

lattice.png    a ring: staggered displacement and staggered density over site and time, the orders below; a torus: the displacement
               at some times, the orders beside it
"""

from collections.abc import Iterator

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from qnano.families.base import Drawn
from qnano.style import COLOURS, DIFFERENCE_MAP, TIME, instant, largest

MAPS = {"displacement": (0.0, "staggered Q"), "site_density": (0.5, "staggered n - 1/2")}
ORDERS = {"lattice_order": COLOURS[1], "charge_order": COLOURS[0]}
SNAPSHOTS = 6


def figures(runs: list[xr.Dataset], facts: xr.Dataset | None) -> Iterator[Drawn]:
    """What became of the order of the first run that has the displacement; and which observables are shown."""
    shown = next((data for data in runs if "displacement" in data), None)
    if shown is None or facts is None:
        return
    if facts.sizes["space"] == 1:
        yield "lattice", ring(shown, facts), {name for name in MAPS if name in shown}
    else:
        yield "lattice", torus(shown, facts), {"displacement"}


def ring(data: xr.Dataset, facts: xr.Dataset) -> Figure:
    """Maps over time and site, and the orders on the same axis of time."""
    signs, time = facts["sublattice"].values, data["time"].values
    maps = {name: about for name, about in MAPS.items() if name in data}
    orders = [name for name in ORDERS if name in data]
    figure = Figure(figsize=(8.4, 0.8 + 2.0 * len(maps) + 2.2 * bool(orders)))
    axes = figure.subplots(len(maps) + bool(orders), 1, sharex=True, squeeze=False)[:, 0]
    for axis, (name, (middle, label)) in zip(axes, maps.items(), strict=False):
        values = signs * (data[name].values - middle)
        reach = largest(values) or 1.0
        scale = Normalize(-reach, reach)
        extent = (time[0], time[-1], -0.5, len(signs) - 0.5)
        image = {"cmap": DIFFERENCE_MAP, "norm": scale, "aspect": "auto", "origin": "lower", "interpolation": "nearest"}
        axis.imshow(values.T, extent=extent, **image)
        axis.set_ylabel("site")
        axis.grid(False)
        figure.colorbar(ScalarMappable(scale, DIFFERENCE_MAP), ax=axis, label=label)
    if orders:
        _orders(axes[-1], data, orders)
    axes[-1].set_xlabel(TIME)
    return figure


def torus(data: xr.Dataset, facts: xr.Dataset) -> Figure:
    """The staggered displacement at evenly spaced times, and the orders."""
    time = data["time"].values
    sides = tuple(int(side) + 1 for side in facts["position"].values.max(axis=0))
    values = (facts["sublattice"].values * data["displacement"].values).reshape(len(time), *sides)
    orders = [name for name in ORDERS if name in data]
    rows = np.unique(np.linspace(0, len(time) - 1, SNAPSHOTS).round().astype(int))
    figure = Figure(figsize=(1.9 * len(rows), 2.3 + 2.4 * bool(orders)))
    grid = figure.add_gridspec(1 + bool(orders), len(rows))
    reach = largest(values) or 1.0
    scale, axes = Normalize(-reach, reach), []
    for column, row in enumerate(rows):
        axis = figure.add_subplot(grid[0, column])
        axis.imshow(values[row].T, cmap=DIFFERENCE_MAP, norm=scale, origin="lower", interpolation="nearest")
        axis.set_title(instant(float(time[row]), "hbar/J"), fontsize="medium")
        axis.set_xticks([])
        axis.set_yticks([])
        axes.append(axis)
    figure.colorbar(ScalarMappable(scale, DIFFERENCE_MAP), ax=axes, label=MAPS["displacement"][1])
    if orders:
        below = figure.add_subplot(grid[1, :])
        _orders(below, data, orders)
        below.set_xlabel(TIME)
    return figure


def _orders(axis: Axes, data: xr.Dataset, names: list[str]) -> None:
    for name in names:
        axis.plot(data["time"], data[name], color=ORDERS[name], label=name.replace("_", " "))
    axis.legend(loc="lower right", bbox_to_anchor=(1.0, 0.97), fontsize="small", ncols=2)
