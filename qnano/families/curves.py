"""Methods as they are drawn: each a curve of one colour and dash in all figures of a run, and what every figure does with them."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from qnano.families.register import OBSERVABLES
from qnano.style import instant, labelled, time_label

DOUBLE = "double occupancy per site"


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


def series(curves: list[Curve]) -> dict[str, dict[str, np.ndarray]]:
    """What is one number in time, by axis label and method."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for curve in curves:
        if "double_occupancy" in curve.data:
            found.setdefault(DOUBLE, {})[curve.label] = curve.data["double_occupancy"].mean("site", skipna=False).values
        for array in (curve.data[name] for name in OBSERVABLES if name in curve.data):
            if is_series(array):
                label = labelled(array.attrs["long_name"], array.attrs["units"])
                found.setdefault(label, {})[curve.label] = array.values.reshape(-1)
    return found


def is_series(array: xr.DataArray) -> bool:
    """Whether there is one number in time; a vector on a line is one too."""
    return array.dims == ("time",) or (array.dims == ("time", "axis") and array.sizes["axis"] == 1)


def lines_over_time(axis: Axes, curves: list[Curve], lines: dict[str, np.ndarray]) -> None:
    """Every method's line; the others may double the range of those that kept to their bounds."""
    for curve in curves:
        if curve.label in lines:
            y = lines[curve.label]
            axis.plot(curve.data["time"], y, ls=curve.dash, color=curve.colour, label=curve.title)
            mark_stop(axis, curve)
    sound = [lines[curve.label] for curve in curves if curve.label in lines and curve.stop is None] or list(lines.values())
    (low, high), (lowest, highest) = value_range(sound), value_range(lines.values())
    span = max(high - low, 0.02 * abs(high), 1e-9)
    axis.set_ylim(max(lowest, low - span) - 0.1 * span, min(highest, high + span) + 0.1 * span)


def value_range(lines: Iterable[np.ndarray]) -> tuple[float, float]:
    """Lowest and highest number of all; 0 and 1 where a run came to none."""
    finite = np.concatenate([values[np.isfinite(values)] for values in lines])
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)


def time_axis(axis: Axes, units: str = "hbar/J", labelled: bool = False) -> None:
    axis.set_xlabel(time_label(units))
    axis.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    if labelled:
        axis.tick_params(labelbottom=True)


def legend_below(figure: Figure, handles: list, labels: list[str]) -> None:
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 4 if len(labels) > 6 else 3))


def mark_stop(axis: Axes, curve: Curve) -> None:
    if curve.stop is not None:
        axis.axvline(curve.stop, color=curve.colour, lw=1.0, ls=":")
