"""Numbers that may change in time: a quench or a ramp stands wherever a *Value* is allowed.

    interaction: 4.0
    interaction: {kind: quench, before: 0.0, after: 4.0, time: 1.0}
    interaction: {kind: ramp, before: 0.0, after: 4.0, start: 0.0, duration: 2.0, shape: smooth}

Energies are in J, times in hbar/J.
"""

import math
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, PlainSerializer, PlainValidator, Tag, WithJsonSchema

from qnano.border import got

from .base import Config, Differentiable, Number, Positive, require, traced


def _amplitude(value: Any) -> float | complex:
    """A finite number: a real one as a float, a complex one, written as text such as "0.8+0.6j", as complex."""
    try:
        number = complex(re.sub(r"\s*([+-])\s*", r"\1", value) if isinstance(value, str) else value)
        if isinstance(value, bool) or not (math.isfinite(number.real) and math.isfinite(number.imag)):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise ValueError(got(value, "must be a finite number")) from None
    return number if number.imag else number.real


Amplitude = Annotated[
    Any,
    PlainValidator(_amplitude),
    Differentiable,
    PlainSerializer(lambda z: str(z).strip("()") if isinstance(z, complex) else z),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "description": "complex, such as 0.8+0.6j"}]}),
]


class Quench(Config):
    """A sudden change: `before` for t < time, `after` from then on."""

    kind: Literal["quench"] = "quench"
    before: Amplitude = Field(description="value before the quench, in J")
    after: Amplitude = Field(description="value after the quench, in J")
    time: Number = Field(description="when it happens, in hbar/J")

    def just_before(self, time: float) -> Any:
        """The value up to `time`: a quench that happens at `time` itself has not yet happened."""
        return self.before if time <= self.time else self.after

    def changes_after(self, time: float) -> bool:
        return self.time > time and _differ(self.before, self.after)

    @property
    def begin(self) -> tuple[str, Any]:
        """The key that says when it begins, and that time."""
        return "time", self.time


class Ramp(Config):
    """A change from `before` to `after` between `start` and `start + duration`: x, or x^2 (3 - 2 x) if smooth."""

    kind: Literal["ramp"] = "ramp"
    before: Amplitude = Field(description="value before the ramp, in J")
    after: Amplitude = Field(description="value after the ramp, in J")
    start: Number = Field(description="when it begins, in hbar/J")
    duration: Positive = Field(description="how long it takes, in hbar/J")
    shape: Literal["linear", "smooth"] = Field("linear", description="straight, or with flat ends")

    def just_before(self, time: float) -> Any:
        """The value at `time`."""
        x = min(max((time - self.start) / self.duration, 0.0), 1.0)
        share = x * x * (3 - 2 * x) if self.shape == "smooth" else x
        return self.before + share * (self.after - self.before)

    def changes_after(self, time: float) -> bool:
        return self.start + self.duration > time and _differ(self.before, self.after)

    @property
    def begin(self) -> tuple[str, Any]:
        """The key that says when it begins, and that time."""
        return "start", self.start


def ends(value: Any) -> tuple[Any, ...]:
    """The numbers between which a value lies at all times."""
    return (value.before, value.after) if isinstance(value, Quench | Ramp) else (value,)


def _differ(before: Any, after: Any) -> bool:
    """Whether a change is one; where one of its ends is differentiated by, the other does not move along."""
    return traced(before) or traced(after) or before != after


def _kind(value: Any) -> Any:
    if isinstance(value, Quench | Ramp):
        return value.kind
    return value.get("kind") if isinstance(value, dict) else "number"


def _one_or_many(value: Any) -> str:
    return "many" if isinstance(value, list | tuple) else "one"


def _real(value: Any) -> Any:
    """Refuse a complex number where the Hamiltonian would not be hermitian."""
    parts = {"before": value.before, "after": value.after} if isinstance(value, Quench | Ramp) else {"": value}
    require([(key, got(number, "must be real")) for key, number in parts.items() if isinstance(number, complex)])
    return value


Value = Annotated[
    Annotated[Amplitude, Tag("number")] | Annotated[Quench, Tag("quench")] | Annotated[Ramp, Tag("ramp")],
    Discriminator(_kind),
]
RealValue = Annotated[Value, AfterValidator(_real)]
Values = Annotated[Annotated[Value, Tag("one")] | Annotated[tuple[Value, ...], Tag("many")], Discriminator(_one_or_many)]
RealValues = Annotated[
    Annotated[RealValue, Tag("one")] | Annotated[tuple[RealValue, ...], Tag("many")], Discriminator(_one_or_many)
]


def time_dependent(config: Any, key: str) -> Iterator[tuple[str, Quench | Ramp]]:
    """Every quench and ramp inside a config that stands at `key`, with its own key."""
    if isinstance(config, Quench | Ramp):
        yield key, config
    elif isinstance(config, Config):
        for name in type(config).model_fields:
            yield from time_dependent(getattr(config, name), f"{key}.{name}")
    elif isinstance(config, tuple):
        for k, entry in enumerate(config):
            yield from time_dependent(entry, f"{key}.{k}")


def just_before(config: Any, time: float) -> Any:
    """A config as plain data in which every quench and ramp is the number that it was up to `time`."""
    match config:
        case Quench() | Ramp():
            return config.just_before(time)
        case Config():
            return {name: just_before(getattr(config, name), time) for name in type(config).model_fields}
        case tuple():
            return [just_before(entry, time) for entry in config]
        case _:
            return config
