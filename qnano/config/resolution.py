"""Whether a grid resolves what stands in it: the lengths of potentials, biases, absorbers and interactions against its spacing.

Of a Gaussian of standard deviation w the sum over points of spacing h misses 2 exp(-2 pi^2 w^2 / h^2), which is a percent at h / 2
and nothing to speak of at h. A wall may be sharper than the spacing, but then it stands at the nearest points.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from qnano.border import got

from .base import traced
from .coarse import AbstractTwoScale, CrystalModel, SoftCoulomb, Well
from .drives import Drive, Sum, parts_of
from .particles import Bias, Cosine, DoubleBarrier, Gaussian, Harmonic, ParticlesModel, Quartic, spread
from .values import Quench, Ramp

GridModel = ParticlesModel | AbstractTwoScale


class Feature(NamedTuple):
    """A length that stands at a key as `value`, the spacing there, and how many spacings it must have, and had better have."""

    key: str
    value: Any
    length: float
    spacing: float
    least: float
    better: float
    what: str = "it"


def unresolved(model: GridModel, drive: Drive) -> Iterator[tuple[str, str]]:
    """What the grid does not hold at all, by key."""
    for feature in features(model, drive):
        if feature.length < feature.least * feature.spacing:
            rule = f"must be at least {feature.least * feature.spacing:.4g}, {feature.least:g} of the grid's spacing"
            yield feature.key, got(feature.value, rule)


def hardly_resolved(model: GridModel, drive: Drive) -> Iterator[str]:
    """What the grid holds, but not well."""
    for feature in features(model, drive):
        if feature.least * feature.spacing <= feature.length < feature.better * feature.spacing:
            text = f"{feature.what} is {feature.length:.3g} wide, where the grid's spacing is {feature.spacing:.3g}"
            yield f"{feature.key}: {text}; take more points, or see that they change nothing"


def features(model: GridModel, drive: Drive) -> Iterator[Feature]:
    """All of a model of particles, a crystal or a ribbon; not those that one differentiates by."""
    found = _of_particles(model, drive) if isinstance(model, ParticlesModel) else _of_two_scales(model)
    for feature in found:
        if not any(map(traced, feature)):
            yield feature


def _of_particles(model: ParticlesModel, drive: Drive) -> Iterator[Feature]:
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
        yield _softening(model.interaction, spacings[0])
    if model.absorber is not None:
        width = model.absorber.width
        yield from (Feature("model.absorber.width", width, width, spacing, 1.0, 1.0) for spacing in spacings)
    for k, part in enumerate(parts_of(drive)):
        if isinstance(part, Bias):
            key = f"drive.parts.{k}.width" if isinstance(drive, Sum) else "drive.width"
            yield Feature(key, part.width, part.width, spacings[0], 0.0, 0.5, "the fall of the voltage")


def _of_two_scales(model: AbstractTwoScale) -> Iterator[Feature]:
    if isinstance(model.confinement, Well):
        width = model.confinement.width
        yield Feature("model.confinement.width", width, width, model.length / model.coarse_points, 0.5, 1.0)
    if isinstance(model, CrystalModel) and isinstance(model.interaction, SoftCoulomb):
        yield _softening(model.interaction, model.period / model.points)


def _softening(interaction: SoftCoulomb, spacing: Any) -> Feature:
    return Feature("model.interaction.softening", interaction.softening, interaction.softening, spacing, 0.5, 1.0)


def _bound(model: ParticlesModel, strength: Any, power: int) -> Iterator[float]:
    """The length on which strength r^(power - 2) weighs as much as the kinetic energy, where it binds at all."""
    for value in extremes(strength):
        if not traced(value) and not traced(model.mass) and value > 0:
            yield (model.hbar**2 / (model.mass * model.mass_unit * 2 * value)) ** (1 / power)


def extremes(value: Any) -> tuple[Any, ...]:
    """Between which a number of the config lies at all times."""
    return (value.before, value.after) if isinstance(value, Quench | Ramp) else (value,)


def turned(model: ParticlesModel, dt: float) -> Iterator[str]:
    """Heights that turn a wave by more than pi in a step."""
    for k, shape in enumerate(model.potential):
        for height in extremes(getattr(shape, "height", 0.0)):
            if not traced(height) and abs(height) * dt > math.pi * model.hbar:
                yield f"model.potential.{k}.height: {height:.4g} turns a wave by more than pi in a step of {dt:.3g}"
                break
