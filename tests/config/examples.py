"""A small valid experiment as plain data, to be changed key by key."""

from typing import Any

from qnano.families.experiment import Experiment
from qnano.tasks.loading import parse


def data(**changes: Any) -> dict[str, Any]:
    """Keys with two underscores reach into mappings: `model__electrons={...}`."""
    base: dict[str, Any] = {
        "name": "small",
        "model": {
            "kind": "fermi_hubbard",
            "lattice": {"kind": "chain", "sites": 4},
            "interaction": 2.0,
            "electrons": {"up": 2, "down": 2},
        },
        "initial": {"kind": "ground_state", "model": {"potential": {"kind": "harmonic", "strength": 0.5}}},
        "methods": ["exact", "td2rdm", "mean_field"],
        "time": {"end": 2.0, "samples": 21},
    }
    for path, value in changes.items():
        *parents, key = path.split("__")
        place = base
        for parent in parents:
            place = place[parent]
        place[key] = value
    return base


def experiment(**changes: Any) -> Experiment:
    return parse(data(**changes))
