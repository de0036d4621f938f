"""The points of a sweep: each an experiment of its own."""

from collections.abc import Iterator
from itertools import islice, product
from math import prod
from typing import Any

from qnano.errors import InputError
from qnano.families.experiment import Experiment
from qnano.tasks.study.axes import Place, places
from qnano.tasks.sweep.schema import Swept, SweptAxis
from qnano.tasks.varied import varied

FEW = 100


def samples(sweep: Swept) -> list[Place]:
    """The points that are looked at before a sweep: all of a small one; else corners, at extreme numbers, and others."""
    points = prod(sweep.shape)
    if points <= FEW:
        return places(sweep.shape)
    ends = [sorted({0, axis.size - 1, *_extremes(axis)}) for axis in sweep.axes]
    corners = islice(product(*(reversed(places) for places in ends)), FEW // 2)
    spread = (_place(k * (points - 1) // (FEW // 2 - 1), sweep.shape) for k in range(FEW // 2))
    return list(dict.fromkeys([*corners, *spread]))


def _extremes(axis: SweptAxis) -> Iterator[int]:
    """Where the numbers of each key are least and most."""
    for values in axis.values.values():
        numbers = {k: value for k, value in enumerate(values) if isinstance(value, int | float)}
        if numbers:
            yield min(numbers, key=numbers.__getitem__)
            yield max(numbers, key=numbers.__getitem__)


def _place(number: int, shape: tuple[int, ...]) -> Place:
    """The place of a point by its number in `places`."""
    place = []
    for size in reversed(shape):
        number, here = divmod(number, size)
        place.append(here)
    return tuple(reversed(place))


def values_at(sweep: Swept, place: Place) -> dict[str, Any]:
    """The value of each swept key."""
    return {key: values[k] for axis, k in zip(sweep.axes, place, strict=True) for key, values in axis.values.items()}


def experiment_at(sweep: Swept, place: Place) -> Experiment:
    """The experiment at a place on the axes. Raises `InputError`, which names the point, for one that cannot be."""
    try:
        return varied(sweep, values_at(sweep, place))
    except InputError as error:
        raise InputError("\n".join(f"sweep, at {told(sweep, place)}: {line}" for line in str(error).splitlines())) from None


def told(sweep: Swept, place: Place) -> str:
    """A point in words."""
    shown = {key: f"{value:.6g}" if isinstance(value, float) else value for key, value in values_at(sweep, place).items()}
    return ", ".join(f"{key} = {value}" for key, value in shown.items())
