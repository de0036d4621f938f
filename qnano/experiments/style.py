"""What all figures have in common: colours, dashes, labels, settings of matplotlib."""

from typing import Any

TIME = "time  (ħ/J)"


def time_label(units: str) -> str:
    """The label of an axis of time whose results have these units."""
    return TIME if units == "hbar/J" else "time" if units == "1" else f"time  ({units})"


DENSITY_MAP = "magma"
DIFFERENCE_MAP = "RdBu_r"
EXACT_COLOUR = "#111111"
COLOURS = ("#d1495b", "#2e78b7", "#e5a000", "#3a9e6f", "#8357a8", "#7a6a58", "#e377c2")
DASHES = ("--", "-.", (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5, 1, 1.5)))
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
