"""What an absorber gives back of a wave that comes to it: reflected, or let through to the other end of the periodic box.

The wave of one wavenumber k obeys psi'' = -q^2 psi, q^2 = k^2 + 2 i m eta / hbar^2, behind which only a wave outwards is left,
psi'/psi = i k. From there the slope y = psi'/psi is carried back through thin slices, each with its eta in the middle,

    y <- (y + q tan q h) / (1 - y tan(q h) / q),

which does not grow where the wave does. Then the reflected share is |(i k - y) / (i k + y)|^2, and the wave's own growth on the way
gives what comes through. In one dimension, of a wave that nothing else holds or drives: what stands at the ends of the box beside
the absorber changes it.
"""

import cmath
import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from qnano.config.base import traced
from qnano.families.in_space import spread
from qnano.families.particles.schema import ParticlesModel, WavePackets

TOLD = 1e-4  # of a wave, which in front of it makes ripples of 2 percent
SLICES, TURN, MOST_SLICES = 256, 0.5, 2**16  # at least so many slices, none of which turns the wave by more
STRONGEST = 1e100  # beyond which squares are no numbers; all of a wave is reflected long before


def returned(model: ParticlesModel, initial: Any) -> Iterator[str]:
    """What comes back of packets that move towards the ends of the box, by the mean wavenumber along each axis."""
    if model.absorber is None or not isinstance(initial, WavePackets):
        return
    width, strength = model.absorber.width, model.absorber.strength
    scale = 2 * model.mass * model.mass_unit * strength / model.hbar**2
    for packet in initial.packets:
        for wavenumber in spread(packet.wavenumber, len(model.points)):
            if any(map(traced, (width, scale, wavenumber))) or not wavenumber:
                continue
            reflected, through = of_edges(abs(wavenumber), width, min(scale, STRONGEST))
            if reflected + through > TOLD:
                text = f"of a wave with wavenumber {wavenumber:g} it reflects {reflected:.1e} and lets {through:.1e} through"
                yield f"model.absorber: {text}; take it wider, or {'weaker' if reflected > through else 'stronger'}"


@lru_cache(maxsize=1024)
def of_edges(wavenumber: float, width: float, strength: float) -> tuple[float, float]:
    """The shares that the absorbing edges on both sides of the seam reflect and let through; `strength` is 2 m eta / hbar^2."""
    count = math.ceil(min(max(SLICES, 2 * width * wavenumber / TURN), MOST_SLICES))
    places = ((n + 0.5) / count for n in range(count))
    return scattered(wavenumber, [strength * math.sin(math.pi * x) ** 2 for x in places], 2 * width / count)


def scattered(wavenumber: float, strengths: Sequence[float], step: float) -> tuple[float, float]:
    """The shares that slices of these strengths, each `step` thick, reflect and let through."""
    slope, grown = 1j * wavenumber, 0.0
    for strength in reversed(strengths):
        q = cmath.sqrt(wavenumber**2 + 1j * strength)
        tangent = cmath.tan(q * step)
        change = 1 - slope * tangent / q
        # cos z = exp(-i z) (1 + exp(2 i z)) / 2, the logarithm of which no strength is too large for
        grown += (q * step).imag + math.log(abs(1 + cmath.exp(2j * q * step)) / 2 * abs(change))
        slope = (slope + q * tangent) / change
    amplitude = (1j * wavenumber - slope) / (1j * wavenumber + slope)
    arrived = abs(1 + amplitude)
    return abs(amplitude) ** 2, (arrived * math.exp(-grown)) ** 2 if grown < 700 else 0.0
