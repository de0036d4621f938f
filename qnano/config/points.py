"""The points of a sweep: each an experiment of its own."""

from itertools import product
from typing import Any

from qnano.errors import InputError

from .experiment import Experiment
from .sweep import Swept
from .varied import varied

Place = tuple[int, ...]


def places(sweep: Swept) -> list[Place]:
    """Where the points stand on the axes, the last axis running fastest."""
    return list(product(*map(range, sweep.shape)))


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
