"""What came out of a surrogate, drawn and in tables, from its folder alone.

training.png    loss and validation error against the optimiser's steps
<name>.png      an ensemble: the lattice order of a trajectory, errors against time, autocorrelations with their sampling errors
"""

from collections.abc import Iterator
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from rich.table import Table

from qnano.holstein.statistics import autocorrelation, autocorrelation_error, sampling_floor
from qnano.storage import store
from qnano.storage.folder import RunFolder
from qnano.style import COLOURS, EXACT_COLOUR, TIME, drawable
from qnano.tasks.loading import load
from qnano.tasks.reporting import headline, pages, table
from qnano.tasks.surrogate.schema import SurrogateTraining

ORDERS = ("charge_order", "lattice_order")
RANGE = 1.1  # a roll-out counts as diverged where an order ranges so much wider than in any true trajectory
BROKEN = {"trace": "|ΔTr ρ|", "hermiticity": "|ρ - ρ⁺|", "purity": "|ΔTr ρ²|/N", "energy": "|ΔE|/N"}
FIELDS = {"rho": "ρ", "displacement": "Q", "momentum": "P"}


def draw(folder: RunFolder) -> list[Path]:
    """Draw what is there, and return the paths. Raises `InputError` where there is no readable run."""
    data = {name: drawable(group) for name, group in store.read(folder.results).items()}
    return pages(folder, _figures(data, _training(folder)), title=None)


def tables(folder: RunFolder) -> list[Table]:
    """The training, and a table for each ensemble."""
    summary, data, training = folder.read_summary(), store.read(folder.results), _training(folder)
    headings = ("network", "steps", "best at", "validation error", "data s", "training s", "state")
    made = table(headline(summary), headings, left=("network",))
    for label, entry in summary["methods"].items():
        numbers = (entry["steps"], entry["best_step"], f"{entry['best_error']:.3g}", f"{entry['data_s']:.1f}")
        made.add_row(label, *map(str, numbers), f"{entry['wall_s']:.1f}", entry["state"])
    return [made] + [_judgement(name, group, training) for name, group in data.items() if name != "training"]


def lost(group: xr.Dataset, method: str) -> np.ndarray:
    """Which trajectories of a method diverged: an order ranges `RANGE` times wider than any true one, or is not finite."""
    wide = np.zeros(group.sizes["trajectory"], bool)
    for name in ORDERS:
        found, true = (_range(group[name].sel(forecast=which).values) for which in (method, "exact"))
        wide |= ~(found <= RANGE * true.max())
    return wide


def _range(values: np.ndarray) -> np.ndarray:
    """How wide each row ranges; NaN where it is not finite."""
    return np.where(np.isfinite(values).all(axis=1), np.ptp(np.nan_to_num(values), axis=1), np.nan)


def _judgement(name: str, group: xr.Dataset, training: SurrogateTraining) -> Table:
    """A line for each method: errors of all trajectories after the horizons, what is broken by the longest of them, divergence, the
    autocorrelation of what did not diverge, cost."""
    intervals = sorted({min(horizon, group.sizes["time"]) for horizon in training.horizons})
    lags = min(training.lags, group.sizes["time"] // 2)
    orders = [jnp.asarray(group[name].sel(forecast="exact").values) for name in ORDERS]
    floor = f" ({sum(float(sampling_floor(x, lags)) for x in orders):.2g})" if group.sizes["trajectory"] > 1 else ""
    errors = [f"{symbol} {n}" for n in intervals for symbol in FIELDS.values()]
    headings = ("method", *errors, *BROKEN.values(), "diverged", f"autocorrelation{floor}", "ms per ħ/J")
    made = table(f"{name}: errors after {' and '.join(map(str, intervals))} intervals", headings, left=("method",))
    for method in group["forecast"].values.tolist():
        if method == "exact":
            continue
        rows, out = group.sel(forecast=method), lost(group, method)
        cells = []
        for n in intervals:
            cells += [f"{_root_mean_square(rows[field].values[:, n - 1]):.1e}" for field in FIELDS]
        cells += [f"{np.max(rows[key].values):.0e}" for key in BROKEN]
        took = float(rows["seconds"])
        apart = f"{_autocorrelation_error(group, method, lags, out):.2g}" if not out.all() else "-"
        made.add_row(method, *cells, f"{out.sum()} of {len(out)}", apart, f"{1e3 * took:.2g}" if np.isfinite(took) else "-")
    return made


def _autocorrelation_error(group: xr.Dataset, method: str, lags: int, out: np.ndarray) -> float:
    """The root mean square difference of the autocorrelations to the truth, both orders together."""
    total = 0.0
    for name in ORDERS:
        found, true = group[name].sel(forecast=method).values[~out], group[name].sel(forecast="exact").values
        apart = autocorrelation(jnp.asarray(found), lags) - autocorrelation(jnp.asarray(true), lags)
        total += float(jnp.sqrt(jnp.mean(apart**2)))
    return total


def _root_mean_square(values: np.ndarray) -> float:
    """Without the squares, which overflow where a roll-out diverged."""
    return float(np.hypot.reduce(values) / np.sqrt(values.size))


def _figures(data: dict[str, xr.Dataset], training: SurrogateTraining) -> Iterator[tuple[str, Figure]]:
    if "training" in data:
        curve = data["training"]
        figure = Figure(figsize=(7.2, 4.0))
        axis = figure.subplots()
        axis.semilogy(curve["step"], curve["loss"], color=COLOURS[1], label="loss")
        axis.semilogy(curve["step"], curve["validation"], color=EXACT_COLOUR, label="error of long roll-outs")
        axis.set_xlabel("optimiser steps")
        axis.legend()
        yield "training", figure
    for name, group in data.items():
        if name != "training":
            yield name, _ensemble(name, group, training)


def _ensemble(name: str, group: xr.Dataset, training: SurrogateTraining) -> Figure:
    """Lattice order, errors, autocorrelations."""
    kind, time = training.network.kind, group["time"].values
    out = lost(group, kind)
    shown = 0 if out.all() else int(np.argmin(out))
    figure = Figure(figsize=(8.4, 8.0))
    order, errors, correlations = figure.subplots(3, 1)
    for which, colour, dash in (("exact", EXACT_COLOUR, "-"), (kind, COLOURS[0], "--")):
        order.plot(time, group["lattice_order"].sel(forecast=which)[shown], dash, color=colour, label=which)
    order.set_ylabel("lattice order")
    order.set_xlabel(TIME)
    for k, method in enumerate(group["forecast"].values[1:].tolist()):
        colour = COLOURS[k % len(COLOURS)]
        errors.semilogy(time, np.maximum(group["displacement"].sel(forecast=method)[shown], 1e-12), color=colour, label=method)
    errors.set_ylabel("error of Q")
    errors.set_xlabel(TIME)
    errors.legend(fontsize="small", ncols=3, loc="lower right")
    lags = min(training.lags, len(time) // 2)
    for which, colour, dash in (("exact", EXACT_COLOUR, "-"), (kind, COLOURS[0], "--")):
        kept = slice(None) if which == "exact" else ~out
        series = jnp.asarray(group["lattice_order"].sel(forecast=which).values[kept])
        if len(series):
            found = np.asarray(autocorrelation(series, lags))
            correlations.plot(time[: lags + 1] - time[0], found, dash, color=colour, label=which)
            if len(series) > 1:
                band = np.asarray(autocorrelation_error(series, lags))
                correlations.fill_between(time[: lags + 1] - time[0], found - band, found + band, color=colour, alpha=0.2, lw=0)
    correlations.set_ylabel("autocorrelation")
    correlations.set_xlabel("lag  (ħ/J)")
    for axis in (order, correlations):
        axis.legend(fontsize="small", ncols=2, loc="lower right", bbox_to_anchor=(1.0, 0.97))
    figure.suptitle(name, x=0.012, ha="left", fontsize=13, fontweight="bold")
    return figure


def _training(folder: RunFolder) -> SurrogateTraining:
    training = load(folder.config)
    assert isinstance(training, SurrogateTraining)
    return training
