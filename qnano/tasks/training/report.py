"""What came out of a training, drawn and in a table, from its folder alone.

training.png    loss and held-out error against the optimiser's steps, logarithmic
"""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.table import Table

from qnano.experiments.style import COLOURS, EXACT_COLOUR, STYLE, drawable, print_png
from qnano.files import replacing
from qnano.storage import store
from qnano.storage.folder import RunFolder


def draw(folder: RunFolder) -> list[Path]:
    """Draw the loss curve, and return its path. Raises `InputError` where there is no readable training."""
    summary = folder.read_summary()
    data = store.read(folder.results)
    if "training" not in data:
        return []
    curve, path = drawable(data["training"]), folder.figures / "training.png"
    with mpl.rc_context(STYLE), replacing(path) as file:
        figure = Figure(figsize=(7.2, 4.2))
        axis = figure.subplots()
        axis.semilogy(curve["step"], curve["loss"], color=COLOURS[1], label="loss")
        axis.semilogy(curve["step"], curve["held_out"], color=EXACT_COLOUR, label="held-out relative error of D$_2$")
        best = int(np.argmin(curve["held_out"].fillna(np.inf).values))
        axis.plot(curve["step"][best], curve["held_out"][best], "o", color=COLOURS[0], label="weights that are kept")
        axis.set_xlabel("optimiser steps")
        axis.legend()
        figure.suptitle(summary["name"], x=0.012, ha="left", fontsize=13, fontweight="bold")
        print_png(figure, file)
    return [path]


def tables(folder: RunFolder) -> list[Table]:
    """A line on the training. Raises `InputError` where the folder holds no readable one."""
    summary = folder.read_summary()
    title = f"{summary['name']} {summary['id']}: {summary['state']} on {summary['device']}"
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("learner", "steps", "best at", "held-out error", "exact data s", "training s", "state"):
        table.add_column(heading, justify="left" if heading in ("learner", "state") else "right", no_wrap=True)
    for label, method in summary["methods"].items():
        numbers = (str(method["steps"]), str(method["best_step"]), f"{method['best_error']:.3g}")
        table.add_row(label, *numbers, f"{method['data_s']:.1f}", f"{method['wall_s']:.1f}", method["state"])
    return [table]
