"""Whether a grid holds a packet: in its box, and among its wavenumbers.

A packet whose density is a Gaussian of standard deviation s around c has in k one of 1 / (2 s) around its wavenumber. The box is
a ring of length L with n points: c lies in it, a packet may reach L / 2 around c and wavenumbers pi n / L; what lies beyond is cut
off or comes back with another wavenumber. Up to `BEYOND` of a packet may; from `TOLD` on it is told.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from qnano.border import got
from qnano.config.base import traced

BEYOND, TOLD = 1e-2, 1e-8


def packet_problems(key: str, centre: Any, deviation: Any, wavenumber: Any, length: Any, points: int) -> Iterator[tuple[str, str]]:
    """What does not fit of a packet along one axis, by key."""
    if any(map(traced, (centre, deviation, wavenumber, length))):
        return
    if abs(centre) > length / 2 * (1 + 1e-12):
        yield f"{key}.centre", got(centre, f"must lie in the box, {-length / 2:g} to {length / 2:g}")
    outside, faster = shares(deviation, wavenumber, length, points)
    if outside > BEYOND:
        yield f"{key}.width", f"too wide: {outside:.2g} of the packet would not fit into the box, of length {length:g}"
    if faster > BEYOND:
        k, spread = math.pi * points / length, 0.5 / deviation if deviation else math.inf
        text = (
            f"the grid ends at {k:.4g}, and the packet's own are spread by {spread:.4g}, so that {faster:.2g} of it would be lost"
        )
        yield f"{key}.wavenumber", got(wavenumber, f"{text}; take more points or a smaller box")


def packet_warnings(key: str, centre: Any, deviation: Any, wavenumber: Any, length: Any, points: int) -> Iterator[str]:
    """What of a packet is cut off though little of it is."""
    if any(map(traced, (centre, deviation, wavenumber, length))):
        return
    outside, faster = shares(deviation, wavenumber, length, points)
    if TOLD < outside <= BEYOND:
        yield f"{key}: {outside:.1e} of the packet does not fit into the box"
    if TOLD < faster <= BEYOND:
        yield f"{key}: {faster:.1e} of the packet is beyond the grid's largest wavenumber, {math.pi * points / length:.4g}"


def shares(deviation: float, wavenumber: float, length: float, points: int) -> tuple[float, float]:
    """How much of a packet is further from its centre than half of the box, and how much beyond the largest wavenumber."""
    if deviation < 1e-300:
        return 0.0, 1.0
    return _beyond(0.0, deviation, length / 2), _beyond(wavenumber, 0.5 / deviation, math.pi * points / length)


def _beyond(mean: float, deviation: float, end: float) -> float:
    """The share of a Gaussian beyond -end and end."""
    low, high = ((end - mean) / deviation, (end + mean) / deviation)
    return (math.erfc(low / math.sqrt(2)) + math.erfc(high / math.sqrt(2))) / 2


def packets_fit(packets: Sequence[Any], particles: int) -> Iterator[tuple[str, str]]:
    """Whether there is one for each particle."""
    if len(packets) != particles:
        yield "initial.packets", f"got {len(packets)}; must be {particles} (the particles)"
