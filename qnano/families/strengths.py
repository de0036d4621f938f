"""Whether energies are of a size that a wave on a grid can follow.

An energy U turns a wave by U dt / hbar in a step, and a step is about pi hbar / T_max, T_max being the largest kinetic energy of
the grid. A phase has no more digits than numbers have: where U / T_max is beyond half of them, nothing is left of the motion.
"""

from collections.abc import Iterable
from typing import Any

from qnano.border import got
from qnano.config.base import traced
from qnano.config.values import ends
from qnano.families.base import Problems

MOST_TURNS = {"double": 2.0**26, "single": 2.0**12}  # of T_max, by precision
Strength = tuple[str, Any, Any]  # a key, the number there, and by what it is multiplied to be an energy


def too_strong(strengths: Iterable[Strength], fastest: Any, precision: str) -> Problems:
    """What is beyond the grid, by key."""
    for key, given, factor in strengths:
        for value in ends(given):
            if traced(value) or traced(factor) or traced(fastest) or abs(value) * factor <= MOST_TURNS[precision] * fastest:
                continue
            most = MOST_TURNS[precision] * fastest / factor
            yield key, got(value, f"must be at most {most:.3g} in size, or no phase of the grid's waves can be told")
            break
