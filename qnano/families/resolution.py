"""Whether a grid resolves what stands in it: the lengths of potentials, biases, absorbers and interactions against its spacing.

Of a Gaussian of standard deviation w the sum over points of spacing h misses 2 exp(-2 pi^2 w^2 / h^2), which is a percent at h / 2
and nothing to speak of at h. A wall may be sharper than the spacing, but then it stands at the nearest points.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from qnano.border import got
from qnano.config.base import traced
from qnano.families.base import Problems
from qnano.families.in_space import SoftCoulomb


class Feature(NamedTuple):
    """A length that stands at a key as `value`, the spacing there, and how many spacings it must have, and had better have."""

    key: str
    value: Any
    length: float
    spacing: float
    least: float
    better: float
    what: str = "it"


Features = Iterator[Feature]


def unresolved(features: Features) -> Problems:
    """What the grid does not hold at all, by key."""
    for feature in features:
        if _known(feature) and feature.length < feature.least * feature.spacing:
            rule = f"must be at least {feature.least * feature.spacing:.4g}, {feature.least:g} of the grid's spacing"
            yield feature.key, got(feature.value, rule)


def hardly_resolved(features: Features) -> Iterator[str]:
    """What the grid holds, but not well."""
    for feature in features:
        if _known(feature) and feature.least * feature.spacing <= feature.length < feature.better * feature.spacing:
            text = f"{feature.what} is {feature.length:.3g} wide, where the grid's spacing is {feature.spacing:.3g}"
            yield f"{feature.key}: {text}; take more points, or see that they change nothing"


def softening(interaction: SoftCoulomb, spacing: Any) -> Feature:
    """The length within which two particles do not repel each other any more."""
    return Feature("model.interaction.softening", interaction.softening, interaction.softening, spacing, 0.5, 1.0)


def _known(feature: Feature) -> bool:
    """Whether it is none that one differentiates by."""
    return not any(map(traced, feature))
