"""Maps of local energies over space and time, and where the energy of a part came from: for lattices and grids alike."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, ScalarFormatter

from qnano.style import COLOURS, DIFFERENCE_MAP, labelled, largest, time_label

FLOOR = 1e-17


class Measured(NamedTuple):
    """A method's results and its title."""

    title: str
    data: xr.Dataset


def local_energy(methods: Sequence[Measured], labels: Mapping[str, str], audit: str) -> Figure:
    """A row per quantity that is in `labels`, a column per method; under each map the largest residual of `audit`."""
    names = [name for name in labels if any(name in method.data for method in methods)]
    figure = Figure(figsize=(1.6 + 4.3 * len(methods), 1.0 + 2.4 * len(names)))
    axes = figure.subplots(2 * len(names), len(methods), sharex=True, squeeze=False, height_ratios=(5, 2) * len(names))
    residuals = [method.data[audit].values for method in methods]
    residuals = [np.maximum(np.abs(values).reshape(len(values), -1).max(axis=1), FLOOR) for values in residuals]
    lowest = min((values[np.isfinite(values)].min(initial=1.0) for values in residuals), default=1.0)
    for upper, lower, name in zip(axes[::2], axes[1::2], names, strict=True):
        values = [gained(method.data, name) for method in methods]
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


def gained(data: xr.Dataset, name: str) -> np.ndarray:
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
