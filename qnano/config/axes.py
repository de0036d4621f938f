"""Values along an axis: a list, or evenly or logarithmically spaced between two ends.

[0.5, 1.0, 2.0]      {linspace: [0.0, 4.0, 17]}      {logspace: [0.01, 100.0, 9]}
"""

import math
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from qnano.border import got

from .base import NotEmpty, Real

MOST_VALUES = 100_000
Spread = dict[Literal["linspace", "logspace"], tuple[float, float, int]]


def _spread(values: Any) -> Any:
    """The list that a spacing stands for."""
    if not isinstance(values, dict):
        return values
    match values:
        case {"linspace": [first, last, int(count)], **rest} if _spans(first, last, count) and not rest:
            return [first + (last - first) * k / (count - 1) for k in range(count)]
        case {"logspace": [first, last, int(count)], **rest} if _spans(first, last, count) and not rest and min(first, last) > 0:
            return [first * (last / first) ** (k / (count - 1)) for k in range(count)]
    rule = "must be a list, {linspace: [first, last, count]} or {logspace: [first, last, count]} of positive ends"
    raise ValueError(got(values, f"{rule}, count from 2 to {MOST_VALUES}"))


def _spans(first: Any, last: Any, count: int) -> bool:
    """Whether there are numbers between two ends, and not too many."""
    if any(isinstance(end, bool) or not isinstance(end, int | float) for end in (first, last)) or not 1 < count <= MOST_VALUES:
        return False
    try:
        return math.isfinite(float(last) - float(first))
    except OverflowError:
        return False


def _plain(value: Any) -> bool | int | float | str:
    """What may stand in an axis of any key."""
    if not isinstance(value, bool | int | float | str):
        raise ValueError(got(value, "must be a number, text, true or false"))
    if (
        isinstance(value, int | float)
        and not -(2.0**63) <= value < 2.0**63
        and not (isinstance(value, float) and math.isfinite(value))
    ):
        raise ValueError(got(value, "must be a finite number, or a whole one of 64 bits"))
    return value


Few = Field(max_length=MOST_VALUES)
Axis = Annotated[tuple[Real, ...], Few, NotEmpty, BeforeValidator(_spread, json_schema_input_type=list[float] | Spread)]
AnyValue = Annotated[
    Any, PlainValidator(_plain), WithJsonSchema({"anyOf": [{"type": kind} for kind in ("boolean", "integer", "number", "string")]})
]
AnyAxis = Annotated[
    tuple[AnyValue, ...],
    Few,
    NotEmpty,
    BeforeValidator(_spread, json_schema_input_type=list[bool | int | float | str] | Spread),
]
