"""Values along an axis: a list, or evenly or logarithmically spaced between two ends.

[0.5, 1.0, 2.0]      {linspace: [0.0, 4.0, 17]}      {logspace: [0.01, 100.0, 9]}
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from qnano.border import got

from .base import NotEmpty, Real

Spread = dict[Literal["linspace", "logspace"], tuple[float, float, int]]


def _spread(values: Any) -> Any:
    """The list that a spacing stands for."""
    match values:
        case {"linspace": [int() | float() as first, int() | float() as last, int(count)], **rest} if count > 1 and not rest:
            return [first + (last - first) * k / (count - 1) for k in range(count)]
        case {"logspace": [int() | float() as first, int() | float() as last, int(count)], **rest} if (
            count > 1 and not rest and first > 0 and last > 0
        ):
            return [first * (last / first) ** (k / (count - 1)) for k in range(count)]
        case dict():
            rule = "must be a list, {linspace: [first, last, count]} or {logspace: [first, last, count]} of positive ends"
            raise ValueError(got(values, rule))
    return values


Axis = Annotated[tuple[Real, ...], NotEmpty, BeforeValidator(_spread, json_schema_input_type=list[float] | Spread)]
AnyAxis = Annotated[
    tuple[bool | int | float | str, ...],
    NotEmpty,
    BeforeValidator(_spread, json_schema_input_type=list[bool | int | float | str] | Spread),
]
