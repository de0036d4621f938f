"""What all figures have in common: colours, dashes, labels, settings of matplotlib, and which numbers can be drawn."""

from typing import Any, BinaryIO

import numpy as np
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

MOST = 1e30  # nothing physical is as large, and matplotlib's own arithmetic overflows not far above it
TYPESET = {"hbar": "ħ", "^2": "²", "^3": "³", "^4": "⁴", "*": " "}


def labelled(what: str, units: str) -> str:
    """A quantity with its unit, if it has one."""
    return what if units in ("", "1") else f"{what}  ({typeset(units)})"


def typeset(units: str) -> str:
    """A unit as it is printed."""
    for written, printed in TYPESET.items():
        units = units.replace(written, printed)
    return units


def time_label(units: str) -> str:
    """The label of an axis of time whose results have these units."""
    return labelled("time", units)


def instant(time: float, units: str) -> str:
    """A time in a title."""
    return f"t = {time:.3g} {typeset(units)}".removesuffix(" 1")


def verbatim(name: str) -> str:
    """A name that somebody gave, in which matplotlib sees no formula."""
    return name.replace("$", r"\$")


def drawable(data: xr.Dataset) -> xr.Dataset:
    """A dataset without the numbers that are not finite or as good as that, as a run has them that diverges."""
    kept = {name: x.where(np.abs(x) < MOST) for name, x in data.data_vars.items() if x.dtype.kind in "fc"}
    return data.assign(kept)


def largest(*arrays: np.ndarray) -> float:
    """The largest magnitude of all finite numbers; 0 where there is none."""
    return max((float(np.abs(values[np.isfinite(values)]).max(initial=0.0)) for values in arrays), default=0.0)


DENSITY_MAP = "magma"
DIFFERENCE_MAP = "RdBu_r"
EXACT_COLOUR = "#111111"
COLOURS = ("#d1495b", "#2e78b7", "#e5a000", "#3a9e6f", "#8357a8", "#7a6a58", "#e377c2")
DASHES = ("--", "-.", (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5, 1, 1.5)))
TIME = time_label("hbar/J")
STYLE: dict[Any, Any] = {
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "axes.xmargin": 0.0,
    "lines.linewidth": 1.7,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}


def print_png(figure: Figure, file: BinaryIO) -> None:
    """Write a figure, laid out and drawn once; matplotlib's `print_figure` does both twice."""
    figure.set_dpi(150)
    FigureCanvasAgg(figure).print_png(file, pil_kwargs={"compress_level": 1})  # a tenth larger than at 6, in half the time
