"""What every part of the schema is made of: a frozen model, strict numbers, and rules that span several keys."""

from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WrapValidator


class Config(BaseModel):
    """A frozen mapping of known keys. Unions of configs are told apart by their key `kind`."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def traced(value: Any) -> bool:
    """Whether a number is one of JAX's, which may be traced: then it is kept as it is, so that derivatives pass."""
    return hasattr(value, "aval")


def _kept(value: Any, handler: Callable[[Any], Any]) -> Any:
    if not traced(value):
        return handler(value)
    with suppress(TypeError):  # JAX does not tell the value of what it traces
        handler(float(value))
    return value


# Strict, so that "6", true or 6.5 is never taken for the number of sites. What differentiates is the outermost, over all limits.
Real = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Differentiable = WrapValidator(_kept)
Number = Annotated[Real, Differentiable]
Positive = Annotated[Real, Field(gt=0), Differentiable]
NotBelowZero = Annotated[Real, Field(ge=0), Differentiable]
Integer = Annotated[int, Field(strict=True)]
Count = Annotated[Integer, Field(ge=1)]
Flag = Annotated[bool, Field(strict=True)]
NotNegative = Annotated[Integer, Field(ge=0)]


class BrokenRules(ValueError):
    """Rules that span several keys and do not hold: the keys, seen from the config that checks, and what is wrong."""

    def __init__(self, problems: list[tuple[str, str]]):
        super().__init__("; ".join(f"{key}: {text}" for key, text in problems))
        self.problems = problems


def require(problems: list[tuple[str, str]]) -> None:
    """Raise `BrokenRules` if there are any."""
    if problems:
        raise BrokenRules(problems)


def _some(entries: tuple | dict) -> tuple | dict:
    if not entries:
        raise ValueError("empty; must have at least one entry")
    return entries


# Pydantic's own min_length does not count entries that are wrong, and then complains about their absence as well.
NotEmpty = AfterValidator(_some)
