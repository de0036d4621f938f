"""What came out of a run, drawn (`figures`) and in tables: deviations from the exact method, drifts, cost."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from rich.table import Table

from qnano.families.register import family_of_method
from qnano.files import REMEDY
from qnano.storage import store
from qnano.storage.folder import DIVERGED, RunFolder
from qnano.style import largest
from qnano.tasks.dynamics import figures
from qnano.tasks.reporting import exact_label, framed, headline, pages, table

COMPARED = {
    "density": "max |Δn|",
    "double_occupancy": "max |Δd|",
    "rdm2": "max |ΔD2|/|D2|",
    "coarse_density": "max |Δn(x)|",
}


def deviations(data: dict[str, xr.Dataset], exact: str | None) -> dict[str, dict[str, float]]:
    """Largest deviation of each method from `exact` over the times that both have, by observable.

    Density, both spins together, and double occupancy: of any site, absolute. Two-particle density matrix: of its Frobenius
    norm, relative.
    """
    found: dict[str, dict[str, float]] = {label: {} for label in data}
    if exact is None or exact not in data:
        return found
    for label in data.keys() - {exact}:
        for name in COMPARED:
            if name not in data[label] or name not in data[exact]:
                continue
            value, true = (_per_time(data[which][name]) for which in (label, exact))
            there = np.isfinite(value).all(axis=1) & np.isfinite(true).all(axis=1)
            value, true = value[there], true[there]
            deviation, size = np.abs(value - true).max(axis=1, initial=0.0), np.ones(len(true))
            if name == "rdm2":
                deviation, size = (np.linalg.norm(matrix, axis=1) for matrix in (value - true, true))
            if (size > 0).any():
                found[label][name] = float((deviation[size > 0] / size[size > 0]).max())
    return found


def draw(folder: RunFolder) -> list[Path]:
    """Draw what the run in `folder` has, and return the paths. Raises `InputError` where there is no readable run."""
    summary = folder.read_summary()
    data, exact = store.read(folder.results), exact_label(summary)
    curves = figures.curves_of(summary, data, exact)
    if not curves:
        return []
    if (facts := store.facts(folder.results)) is None:
        print(f"{folder.results}: from an older version; figures of what it did not keep are left out", file=sys.stderr)
    kind = summary["methods"][curves[0].label]["kind"]
    return pages(folder, figures.all_figures(curves, exact, kind, facts), summary["name"])


def tables(folder: RunFolder) -> list[Table]:
    """All that is shown of a run. Raises `InputError` where the folder holds no readable one."""
    summary = folder.read_summary()
    audited = any(method.get("largest_residual") is not None for method in summary["methods"].values())
    regime = [regime_table(folder)] if "regime" in summary else []
    drifts = [drift_table(folder)] if any(method["worst_drift"] for method in summary["methods"].values()) else []
    return [method_table(folder), *drifts, *([audit_table(summary)] if audited else []), *regime]


def method_table(folder: RunFolder) -> Table:
    """One line per method. Raises `InputError` where the folder holds no readable run."""
    summary = folder.read_summary()
    found = deviations(store.read(folder.results), exact_label(summary))
    shown = [name for name in COMPARED if any(name in entry for entry in found.values())]
    headings = ("method", *(COMPARED[name] for name in shown), "worst drift", "steps", "wall s", "compile s", "state")
    made = table(headline(summary), headings, left=("method", "worst drift", "state"))
    for label, method in summary["methods"].items():
        drifts = method["worst_drift"]
        worst = max(drifts, key=drifts.__getitem__, default=None)
        made.add_row(
            label,
            *(f"{found[label][name]:.1e}" if name in found.get(label, {}) else "-" for name in shown),
            f"{drifts[worst]:.1e} {worst}" if worst else "-",
            str(method["steps"]),
            f"{method['wall_s']:.2f}",
            f"{method['compile_s']:.2f}",
            method["state"],
        )
    return made


def drift_table(folder: RunFolder) -> Table:
    """One line per invariant: its largest change in each method."""
    methods = folder.read_summary()["methods"]
    made = table("drifts", ("invariant", *methods), left=("invariant",), bold=False)
    for name in dict.fromkeys(name for method in methods.values() for name in method["worst_drift"]):
        drifts = [method["worst_drift"].get(name) for method in methods.values()]
        made.add_row(name, *("-" if drift is None else f"{drift:.1e}" for drift in drifts))
    looks = {label: len(method["watched"]) for label, method in methods.items() if method.get("watched")}
    if looks:
        text = ", ".join(f"{label} {count}" for label, count in looks.items())
        made.caption = f"times at which negative probabilities were looked for: {text} (key: monitor)"
        made.caption_justify = "left"
    return made


def regime_table(folder: RunFolder) -> Table:
    """What a run rests on, its error estimates at their largest, and warnings."""
    summary, data = folder.read_summary(), store.read(folder.results)
    warnings = "\n".join(f"warning: {text}" for text in summary["regime"]["warnings"]) or None
    made = framed("regime", caption=warnings, caption_justify="left")
    made.add_column("", no_wrap=True)
    made.add_column("", justify="right", no_wrap=True)
    made.add_column("")
    for name, (value, unit) in summary["regime"]["numbers"].items():
        made.add_row(name, f"{value:.4g}", "" if unit == "1" else unit)
    estimates = dict.fromkeys(name for entry in summary["methods"].values() for name in family_of_method(entry["kind"]).largest)
    for name in estimates:
        sizes = {label: largest(group[name].values) for label, group in data.items() if name in group}
        if sizes:
            text = ", ".join(f"{label} {value:.1e}" for label, value in sizes.items())
            made.add_row(f"largest {name.replace('_', ' ')}", text, "")
    return made


def audit_table(summary: dict[str, Any]) -> Table:
    """The largest local residual of each method: how much of a site's dE/dt its balance does not explain."""
    made = table("local energy balance", ("method", "largest residual"), left=("method",), bold=False)
    for label, method in summary["methods"].items():
        residual = method.get("largest_residual")
        made.add_row(label, "-" if residual is None else f"{residual:.1e}")
    return made


def remarks(folder: RunFolder) -> list[str]:
    """What a run says against itself. In other tasks what is missing need not be a gap: the time of a failure may be none."""
    return [*cautions(folder.read_summary()), *gaps(folder)]


def cautions(summary: dict[str, Any]) -> list[str]:
    """One line for each thing that a method said against its own grid."""
    return [f"warning: {label}: {line}" for label, method in summary["methods"].items() for line in method.get("warnings", ())]


def gaps(folder: RunFolder) -> list[str]:
    """One line for each method of which rows that were written are no longer there."""
    data, lines = store.read(folder.results), []
    for label, method in folder.read_summary()["methods"].items():
        missing = method["rows"]
        if label in data:
            due = np.arange(data[label].sizes["time"]) < method["rows"]
            if method["state"] == DIVERGED:
                due &= data[label]["time"].values < method["time"]
            there = [np.isfinite(_per_time(array)).all(axis=1) for array in data[label].data_vars.values()]
            missing = int((due & ~np.all(there, axis=0)).sum())
        if missing:
            lines.append(f"{folder.results}: {missing} of {method['rows']} rows of {label} are missing; {REMEDY}")
    return lines


def _per_time(array: xr.DataArray) -> np.ndarray:
    if "spin" in array.dims:
        array = array.sum("spin", skipna=False)
    return array.values.reshape(array.sizes["time"], -1)
