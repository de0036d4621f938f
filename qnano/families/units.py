"""Units: of the number at a key of an experiment, and of a ratio.

A unit is written as `J^2/hbar`, `meV fs/nm`, or 1: symbols in the numerator, then a slash before each symbol of the denominator.
"""

import re
from collections import Counter
from typing import Any

from qnano.config.base import Config
from qnano.config.keys import dotted
from qnano.families.in_space import AbstractInSpace

LENGTHS = ("width", "centre", "spacing", "bond", "softening", "thickness", "well", "edge", "period", "low", "high", "lengths")
KEYS = {
    **dict.fromkeys(("hopping", "interaction", "neighbour_interaction", "coupling", "temperature", "strength", "slope"), "J"),
    **dict.fromkeys(("values", "height", "depth", "harmonics"), "J"),
    **dict.fromkeys(("time", "start", "duration", "dt", "step", "discard"), "hbar/J"),
    **dict.fromkeys(LENGTHS, "length"),
    **dict.fromkeys(("eta", "noise", "phase", "direction", "permittivity", "rtol", "atol", "tolerance", "amplitudes"), "1"),
    **dict.fromkeys(("seed", "sites", "columns", "rows", "up", "down", "cells", "points", "coarse_points", "particles"), "1"),
    "frequency": "J/hbar",
    "wavenumber": "1/length",
    "mass": "mass",
    "charge": "charge",
}
STRENGTHS = {"harmonic": "J/length^2", "quartic": "J/length^4", "contact": "J length", "soft_coulomb": "J length", "absorber": "J"}


def unit_of(key: str, experiment: Any) -> str:
    """The unit of the number at a key of an experiment, in that of its model; empty where nothing is known of it.

    A trap's strength is per squared lattice constant, a slope per lattice constant: those are 1.
    """
    steps = dotted(key).split(".")
    words = [step for step in steps if not step.isdecimal()]
    word = words.pop()
    if word in ("before", "after"):
        word = words.pop()
    model = experiment.model
    in_space = isinstance(model, AbstractInSpace)
    match word:
        case own if own in model.key_units:
            unit = model.key_units[own]
        case "frequency" if words[-1] == "model":
            unit = "J"  # of a phonon
        case "strength" if in_space:
            unit = STRENGTHS.get(getattr(_at(experiment, steps), "kind", "absorber"), "")
        case "amplitude" if not in_space:
            unit = {"peierls": "1", "dipole": "J"}.get(getattr(_at(experiment, steps), "coupling", ""), "")
        case "width" | "centre" if not in_space:
            unit = "hbar/J"  # of a pulse
        case _:
            unit = KEYS.get(word, "")
    return model.unit(unit)


def ratio(unit: str, per: str) -> str:
    """One unit divided by another, as simple as it can be: J/hbar by J is 1/hbar."""
    powers = _powers(unit)
    powers.subtract(_powers(per))
    above = " ".join(_written(symbol, power) for symbol, power in powers.items() if power > 0)
    below = "".join(f"/{_written(symbol, -power)}" for symbol, power in powers.items() if power < 0)
    return (above or "1") + below


def _powers(unit: str) -> Counter[str]:
    above, *below = unit.split("/")
    powers: Counter[str] = Counter()
    for sign, part in ((1, above), *((-1, part) for part in below)):
        for symbol, power in re.findall(r"([^\W\d]+)(?:\^(\d+))?", part):
            powers[symbol] += sign * int(power or 1)
    return powers


def _written(symbol: str, power: int) -> str:
    return symbol if power == 1 else f"{symbol}^{power}"


def _at(experiment: Any, steps: list[str]) -> Any:
    """The innermost part of an experiment with a kind, or of a drive, that a key leads through."""
    here = found = experiment
    for step in steps:
        here = here[int(step)] if isinstance(here, tuple) and step.isdecimal() else getattr(here, step, None)
        if isinstance(here, Config) and not hasattr(here, "before"):
            found = here
    return found
