"""The lengths of potentials, absorber, interaction and biases of particles, against the spacing of their grid."""

import math
from collections.abc import Iterator
from typing import Any

from qnano.config.base import traced
from qnano.config.values import ends
from qnano.families.drives import Bias, Drive, Sum, parts_of
from qnano.families.in_space import SoftCoulomb, spread
from qnano.families.particles.schema import Cosine, DoubleBarrier, Gaussian, Harmonic, ParticlesModel, Quartic
from qnano.families.resolution import Feature, softening
from qnano.families.strengths import Strength


def features(model: ParticlesModel, drive: Drive) -> Iterator[Feature]:
    """All that has a length."""
    spacings = [length / n for length, n in zip(model.lengths, model.points, strict=True)]
    for k, shape in enumerate(model.potential):
        key, along = f"model.potential.{k}", spacings[shape.axis or 0]
        axes = range(len(spacings)) if shape.axis is None else (shape.axis,)
        match shape:
            case Gaussian(width=width):
                widths = spread(width, len(spacings))
                yield from (Feature(f"{key}.width", widths[a], widths[a], spacings[a], 0.5, 1.0) for a in axes)
            case DoubleBarrier(thickness=thickness, well=well, edge=edge):
                yield Feature(f"{key}.thickness", thickness, thickness, along, 1.0, 1.0)
                yield Feature(f"{key}.well", well, well, along, 1.0, 1.0)
                yield Feature(f"{key}.edge", edge, edge, along, 0.0, 0.5, "an edge")
            case Cosine(period=period):
                yield Feature(f"{key}.period", period, period, along, 2.0, 2.0)
            case Harmonic(strength=strength) | Quartic(strength=strength):
                power = 4 if isinstance(shape, Harmonic) else 6
                for length in _bound(model, strength, power):
                    yield Feature(f"{key}.strength", strength, length, max(spacings), 0.0, 0.75, "the state that it binds")
    if isinstance(model.interaction, SoftCoulomb):
        yield softening(model.interaction, spacings[0])
    if model.absorber is not None:
        width = model.absorber.width
        yield from (Feature("model.absorber.width", width, width, spacing, 1.0, 1.0) for spacing in spacings)
    for k, part in enumerate(parts_of(drive)):
        if isinstance(part, Bias):
            key = f"drive.parts.{k}.width" if isinstance(drive, Sum) else "drive.width"
            yield Feature(key, part.width, part.width, spacings[0], 0.0, 0.5, "the fall of the voltage")


def _bound(model: ParticlesModel, strength: Any, power: int) -> Iterator[float]:
    """The length on which strength r^(power - 2) weighs as much as the kinetic energy, where it binds at all."""
    for value in ends(strength):
        if not traced(value) and not traced(model.mass) and value > 0:
            yield (model.hbar**2 / (model.mass * model.mass_unit * 2 * value)) ** (1 / power)


def strengths(model: ParticlesModel, drive: Drive) -> Iterator[Strength]:
    """All that has an energy, which of powers of the distance is that at the end of the box."""
    for k, shape in enumerate(model.potential):
        key, axes = f"model.potential.{k}", range(len(model.lengths)) if shape.axis is None else (shape.axis,)
        square = sum((model.lengths[a] / 2) ** 2 for a in axes)
        match shape:
            case Harmonic(strength=strength):
                yield f"{key}.strength", strength, square
            case Quartic(strength=strength):
                yield f"{key}.strength", strength, square**2
            case _:
                yield f"{key}.height", shape.height, 1.0
    if isinstance(w := model.interaction, SoftCoulomb):
        yield "model.interaction.strength", w.coupling, 1 / w.softening
    for k, part in enumerate(parts_of(drive)):
        key = f"drive.parts.{k}" if isinstance(drive, Sum) else "drive"
        yield f"{key}.amplitude", part.amplitude, abs(model.charge) * (1.0 if isinstance(part, Bias) else max(model.lengths) / 2)


def turned(model: ParticlesModel, dt: float) -> Iterator[str]:
    """Heights that turn a wave by more than pi in a step."""
    for k, shape in enumerate(model.potential):
        for height in ends(getattr(shape, "height", 0.0)):
            if not traced(height) and abs(height) * dt > math.pi * model.hbar:
                yield f"model.potential.{k}.height: {height:.4g} turns a wave by more than pi in a step of {dt:.3g}"
                break


def there_twice(model: ParticlesModel) -> Iterator[str]:
    """Equal shapes at one place of the periodic box: what stands at one end of it stands at the other too."""
    seen: dict[str, int] = {}
    for k, shape in enumerate(model.potential):
        centre = spread(shape.centre, len(model.axes))
        if any(map(traced, (*centre, *model.lengths))):
            continue
        along = range(len(centre)) if shape.axis is None else (shape.axis,)
        place = [round(centre[a] / model.lengths[a] % 1, 9) % 1 for a in along]
        name = f"{shape.model_copy(update={'centre': 0.0})} {place}"
        if (first := seen.setdefault(name, k)) != k:
            yield f"model.potential.{k}: stands where model.potential.{first} does, round the periodic box, and adds to it"
