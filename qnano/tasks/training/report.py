"""What came out of a training, drawn and in a table, from its folder alone.

training.png    loss and held-out error against the optimiser's steps, logarithmic
"""

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from rich.table import Table

from qnano.storage import store
from qnano.storage.folder import RunFolder
from qnano.style import COLOURS, EXACT_COLOUR, drawable
from qnano.tasks.reporting import headline, page, table


def draw(folder: RunFolder) -> list[Path]:
    """Draw the loss curve, and return its path. Raises `InputError` where there is no readable training."""
    summary = folder.read_summary()
    data = store.read(folder.results)
    if "training" not in data:
        return []
    return page(folder, "training", lambda: _curve(drawable(data["training"])), summary["name"])


def _curve(curve: xr.Dataset) -> Figure:
    figure = Figure(figsize=(7.2, 4.2))
    axis = figure.subplots()
    axis.semilogy(curve["step"], curve["loss"], color=COLOURS[1], label="loss")
    axis.semilogy(curve["step"], curve["held_out"], color=EXACT_COLOUR, label="held-out relative error of D$_2$")
    best = int(np.argmin(curve["held_out"].fillna(np.inf).values))
    axis.plot(curve["step"][best], curve["held_out"][best], "o", color=COLOURS[0], label="weights that are kept", clip_on=False)
    axis.set_xlabel("optimiser steps")
    axis.legend()
    return figure


def tables(folder: RunFolder) -> list[Table]:
    """A line on the training. Raises `InputError` where the folder holds no readable one."""
    summary = folder.read_summary()
    headings = ("learner", "steps", "best at", "held-out error", "exact data s", "training s", "state")
    made = table(headline(summary), headings, left=("learner", "state"))
    for label, method in summary["methods"].items():
        numbers = (str(method["steps"]), str(method["best_step"]), f"{method['best_error']:.3g}")
        made.add_row(label, *numbers, f"{method['data_s']:.1f}", f"{method['wall_s']:.1f}", method["state"])
    return [made]
