"""What came out of a regime map, drawn and in tables, from its folder alone.

regime_map.png    what is correlated in the exact motion, the error of each closure with the line beyond which it fails, and the
                  errors of all of them against the build-up
"""

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter
from rich.table import Table

from qnano.storage import store
from qnano.storage.folder import RunFolder
from qnano.style import COLOURS
from qnano.tasks.loading import load
from qnano.tasks.regime_map.schema import RegimeMap
from qnano.tasks.reporting import exact_label, headline, page, table

COLUMNS = 4
LEFT = ("", "method", "state")  # columns of words
MOST_VALUES = 150
SMALLEST = 1e-3
MARKERS = "osD^vPX"
CORRELATION_MAP, SIZE_MAP, ERROR_MAP = "RdBu_r", "YlGnBu", "YlOrRd"
DIAGNOSTICS = {
    "pearson": ("correlation of |Δ$_2$| and |Δ$_3$| in time", "Pearson's r"),
    "build_up": ("build-up of |Δ$_3$|", "⟨|Δ$_3$(t)| − |Δ$_3$(0)|⟩"),
    "mean_collision": ("share of Δ$_3$ in collisions", "⟨|C[Δ$_3$]| / |C|⟩"),
}
INTERACTION, TRAP = "interaction  U/J", "trap switched off  V/J"
ERROR = "mean relative error of D$_2$  (%)"


def draw(folder: RunFolder) -> list[Path]:
    """Draw the map in `folder`, as far as it is done, and return the paths. Raises `InputError` where there is no readable run."""
    summary, experiment = folder.read_summary(), load(folder.config)
    data, exact = store.read(folder.results), exact_label(summary)
    if exact is None or exact not in data:
        return []
    assert isinstance(experiment, RegimeMap)
    closures = {label: data[label] for label in summary["methods"] if label in data and label != exact}
    lattice, electrons = experiment.model.lattice, experiment.model.electrons
    system = f"{lattice.kind} of {lattice.geometry.sites} sites, {electrons.up} electrons up and {electrons.down} down"
    make = lambda: regime_map(data[exact], closures, 100 * experiment.tolerated)  # noqa: E731
    return page(folder, "regime_map", make, f"{summary['name']}:  {system}", margin=0.008)


def regime_map(exact: xr.Dataset, closures: dict[str, xr.Dataset], tolerated: float) -> Figure:
    """Above, a map of each diagnostic, and the errors of all closures against two of them; below, a map of each one's error.

    Errors and what is tolerated of them are in per cent.
    """
    rows = max(-(-len(closures) // COLUMNS), 1)
    width = COLUMNS * (1.1 + 0.42 * max(exact.sizes["interaction"], 7))
    height = 1.3 + 0.34 * max(exact.sizes["trap"], 5)
    figure = Figure(figsize=(width, 0.4 + (1 + rows) * height))
    [above], [below] = figure.subfigures(2, 1, squeeze=False, height_ratios=[1, rows])
    axes = above.subplots(1, 5)
    for axis, name in zip(axes, DIAGNOSTICS, strict=False):
        _diagnostic(axis, exact, name)
    for axis, name in zip(axes[3:], ("build_up", "mean_collision"), strict=True):
        _scatter(axis, exact[name], closures, tolerated)
    axes[3].set_ylabel(ERROR)
    axes[4].sharey(axes[3])
    axes[4].tick_params(labelleft=False)
    lower = below.subplots(rows, COLUMNS, squeeze=False).ravel()
    scale = _error_scale(closures, tolerated)
    for axis, (label, data) in zip(lower, closures.items(), strict=False):
        _error_map(axis, data, scale)
        axis.set_title(label, fontsize="medium")
    for axis in lower[len(closures) :]:
        axis.set_axis_off()
    below.colorbar(ScalarMappable(scale, ERROR_MAP), ax=list(lower), label=ERROR, pad=0.01, aspect=22 * rows, extend="both")
    first, last = (float(exact["time"][k]) for k in (0, -1))
    text = f"Averages over t = {first:g} ... {last:g} ħ/J.  Beyond the black line a closure fails: at some time the relative error "
    text += f"exceeds {tolerated:g} %, or the run leaves its physical bounds, at the time after ×, and its average ends there."
    below.supxlabel(text, fontsize="medium", x=0.008, ha="left")
    return figure


def tables(folder: RunFolder) -> list[Table]:
    """A line per closure, and one per diagnostic with its extremes. Raises `InputError` where the folder holds no readable run."""
    summary = folder.read_summary()
    data, exact = store.read(folder.results), exact_label(summary)
    headings = ("method", "points", "failed", "stopped", "median error", "largest error", "wall s", "compile s", "state")
    methods = table(headline(summary), headings, LEFT)
    for label, method in summary["methods"].items():
        cost = (f"{method['wall_s']:.2f}", f"{method['compile_s']:.2f}")
        methods.add_row(label, *_counted(data.get(label)), *cost, method["state"])
    if exact is None or exact not in data:
        return [methods]
    extremes = table("the exact motion", ("", "lowest", "at U, V", "highest", "at U, V"), LEFT)
    for name in DIAGNOSTICS:
        array, row = data[exact][name], []
        if np.isfinite(array).any():
            for place in (array.argmin(...), array.argmax(...)):
                point = array[place]
                row += [f"{float(point):.3g}", f"{float(point['interaction']):g}, {float(point['trap']):g}"]
            extremes.add_row(array.attrs["long_name"], *row)
    return [methods, extremes]


def _counted(data: xr.Dataset | None) -> list[str]:
    """How many points there are, how many failed and stopped, and their errors."""
    if data is None:
        return ["0", *["-"] * 4]
    if "mean_error" not in data:
        return [str(int(np.isfinite(data["mean_collision"]).sum())), *["-"] * 4]
    errors = data["mean_error"].values
    errors = errors[np.isfinite(errors)]
    sizes = [f"{np.median(errors):.1e}", f"{errors.max():.1e}"] if errors.size else ["-"] * 2
    return [str(errors.size), *(str(int(np.isfinite(data[name]).sum())) for name in ("failure_time", "stop_time")), *sizes]


def _diagnostic(axis: Axes, exact: xr.Dataset, name: str) -> None:
    """The map of a number of the exact motion, with its colour bar."""
    values = exact[name].values
    texts = [_short(value, 3 if name == "build_up" else 2) for value in values.ravel().tolist()]
    highest = np.nanmax(values, initial=2 * SMALLEST)
    scale = {"pearson": Normalize(-1, 1), "build_up": LogNorm(SMALLEST, highest)}.get(name, Normalize(0, highest))
    colours = CORRELATION_MAP if name == "pearson" else SIZE_MAP
    shades = np.where(values < SMALLEST, SMALLEST, values) if name == "build_up" else values
    _map(axis, exact, shades, texts, scale, colours)
    title, label = DIAGNOSTICS[name]
    axis.set_title(title, fontsize="medium")
    bar = {"ax": axis, "label": label, "pad": 0.02, "aspect": 22, "extend": "min" if name == "build_up" else "neither"}
    axis.figure.colorbar(ScalarMappable(scale, colours), **bar)


def _error_map(axis: Axes, data: xr.Dataset, scale: Normalize) -> None:
    """A closure's mean error in per cent, when it stopped, and the line beyond which it fails."""
    errors, stops = 100 * data["mean_error"].values, data["stop_time"].values
    pairs = zip(errors.ravel().tolist(), stops.ravel().tolist(), strict=True)
    texts = [f"×{stop:.1f}" if np.isfinite(stop) else _short(error, 2) for error, stop in pairs]
    _map(axis, data, errors, texts, scale, ERROR_MAP)
    failed = np.where(np.isfinite(errors), np.isfinite(data["failure_time"].values), np.nan)
    line = {"color": "#111111", "lw": 2.2, "solid_capstyle": "projecting"}
    for i, j in zip(*np.nonzero(abs(np.diff(failed, axis=0)) == 1), strict=True):
        axis.plot([i + 0.5, i + 0.5], [j - 0.5, j + 0.5], **line)
    for i, j in zip(*np.nonzero(abs(np.diff(failed, axis=1)) == 1), strict=True):
        axis.plot([i - 0.5, i + 0.5], [j + 0.5, j + 0.5], **line)


def _error_scale(closures: dict[str, xr.Dataset], tolerated: float) -> Normalize:
    """One scale for all closures."""
    errors = [100 * data["mean_error"].values.ravel() for data in closures.values()]
    lowest = np.nanmin(np.concatenate([*errors, [tolerated]]))
    return LogNorm(10 ** np.floor(np.log10(max(lowest, SMALLEST))), 100.0)


def _map(axis: Axes, data: xr.Dataset, values: np.ndarray, texts: list[str], scale: Normalize, colours: str) -> None:
    """A cell of equal size for each point, U to the right and V upwards, with its text in it where there is room."""
    edges, cmap = [np.arange(n + 1) - 0.5 for n in values.shape], colormaps[colours].with_extremes(bad="#e9e9e9")
    axis.pcolormesh(edges[0], edges[1], np.ma.masked_invalid(values.T), cmap=cmap, norm=scale)
    if values.size <= MOST_VALUES:
        for place, text in zip(np.ndindex(values.shape), texts, strict=True):
            if np.isfinite(values[place]):
                red, green, blue, _ = cmap(scale(values[place]))
                colour = "white" if 0.3 * red + 0.59 * green + 0.11 * blue < 0.55 else "#111111"
                axis.text(place[0], place[1], text, color=colour, ha="center", va="center", fontsize=7.5 if len(text) < 5 else 6.2)
    for ticks, name, label in ((axis.xaxis, "interaction", INTERACTION), (axis.yaxis, "trap", TRAP)):
        every = -(-data.sizes[name] // 12)
        ticks.set_ticks(np.arange(data.sizes[name])[::every], [f"{x:.3g}" for x in data[name].values[::every]])
        ticks.set_label_text(label)
    axis.tick_params(length=0, labelsize="small")
    axis.grid(False)
    axis.spines[:].set_visible(False)


def _scatter(axis: Axes, diagnostic: xr.DataArray, closures: dict[str, xr.Dataset], tolerated: float) -> None:
    """The mean error of every closure at every point against a diagnostic there; open where the run stopped."""
    found = np.maximum(diagnostic.values, SMALLEST**2)
    for k, data in enumerate(closures.values()):
        stopped = np.isfinite(data["stop_time"].values)
        for which, face in ((~stopped, COLOURS[k % 7]), (stopped, "none")):
            style = {"ls": "", "ms": 3.5, "mew": 0.8, "color": COLOURS[k % 7], "mfc": face}
            axis.loglog(found[which], 100 * data["mean_error"].values[which], MARKERS[k % 7], **style)
    axis.axhline(tolerated, color="#111111", lw=1.0, ls="--")
    handles = [Line2D([], [], ls="", marker=MARKERS[k % 7], color=COLOURS[k % 7], ms=3.5) for k in range(len(closures))]
    handles.append(Line2D([], [], ls="", marker="o", color="#777777", mfc="none", ms=3.5))
    axis.legend(handles, [*closures, "open: stopped"], fontsize=6.5, loc="lower right", handletextpad=0.0, borderpad=0.0)
    axis.margins(0.05)
    axis.xaxis.set_minor_formatter(NullFormatter())  # of less than a decade they would overlap
    axis.tick_params(labelsize="small")
    axis.set_xlabel("  ".join(DIAGNOSTICS[str(diagnostic.name)]), fontsize="small")
    ranks = [spearman(diagnostic.values, data["mean_error"].values) for data in closures.values()]
    known = [rank for rank in ranks if np.isfinite(rank)]
    axis.set_title(f"rank correlation {_short(float(np.mean(known)), 2)}" if known else "", fontsize="medium")


def spearman(left: np.ndarray, right: np.ndarray) -> float:
    """Correlation of the ranks of two arrays, where both are known; equal numbers share their rank. NaN where one is constant."""
    known = np.isfinite(left) & np.isfinite(right)
    pair = left[known], right[known]
    if any(np.unique(values).size < 2 for values in pair):
        return np.nan
    from scipy.stats import spearmanr

    return float(np.asarray(spearmanr(*pair))[0])


def _short(value: float, digits: int) -> str:
    """With so many decimals below 1 and fewer above, without the zero before the point."""
    if abs(value) >= 0.995:
        return f"{value:.{1 if abs(value) < 9.95 else 0}f}"
    if abs(value) < 0.5 * 10**-digits:
        return f"<.{1:0{digits}}" if value > 0 else "0"
    return f"{value:.{digits}f}".replace("0.", ".")
