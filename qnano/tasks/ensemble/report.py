"""What came out of an ensemble, drawn and in a table, from its folder alone.

orders.png    the lattice order of some trajectories, and the pooled autocorrelations of both orders with their sampling errors
"""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from rich.table import Table

from qnano.families.holstein.figures import ORDERS
from qnano.holstein.statistics import autocorrelation, autocorrelation_error
from qnano.storage import store
from qnano.storage.folder import RunFolder
from qnano.style import COLOURS, TIME, drawable
from qnano.tasks.ensemble.schema import Ensemble
from qnano.tasks.loading import load
from qnano.tasks.reporting import headline, page, table

SHOWN, MOST_LAGS = 5, 250


def draw(folder: RunFolder) -> list[Path]:
    """Draw the group with the most trajectories, if orders were measured. Raises `InputError` where there is no readable run."""
    data = [drawable(group) for group in store.read(folder.results).values() if "lattice_order" in group]
    if not data:
        return []
    largest = max(data, key=lambda group: group.sizes["trajectory"])
    return page(folder, "orders", lambda: _orders(largest), folder.read_summary()["name"])


def _orders(group: xr.Dataset) -> Figure:
    figure = Figure(figsize=(8.4, 5.6))
    above, below = figure.subplots(2, 1)
    time, lags = group["time"].values, min(MOST_LAGS, group.sizes["time"] // 2)
    for k, series in enumerate(group["lattice_order"].values[:SHOWN]):
        above.plot(time, series, color=COLOURS[k], lw=1.1)
    above.set_xlabel(TIME)
    above.set_ylabel("lattice order")
    for name, colour in ORDERS.items():
        if name not in group:
            continue
        series = jnp.asarray(group[name].values)
        found = np.asarray(autocorrelation(series, lags))
        below.plot(time[: lags + 1], found, color=colour, label=name.replace("_", " "))
        if len(series) > 1:
            band = np.asarray(autocorrelation_error(series, lags))
            below.fill_between(time[: lags + 1], found - band, found + band, color=colour, alpha=0.2, lw=0)
    below.set_xlabel("lag  (ħ/J)")
    below.set_ylabel("autocorrelation")
    below.legend(fontsize="small")
    return figure


def tables(folder: RunFolder) -> list[Table]:
    """A line for each group. Raises `InputError` where the folder holds no readable run."""
    summary, ensemble = folder.read_summary(), load(folder.config)
    assert isinstance(ensemble, Ensemble)
    made = table(headline(summary), ("group", "trajectories", "done", "wall s", "state"), left=("group", "state"))
    for label, entry in summary["methods"].items():
        made.add_row(label, str(ensemble.trajectories[label]), str(entry["rows"]), f"{entry['wall_s']:.1f}", entry["state"])
    return [made]
