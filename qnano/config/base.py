"""What every part of the schema is made of: a frozen model, strict numbers, and rules that span several keys."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WrapValidator, model_validator

from qnano.border import got


class Config(BaseModel):
    """A frozen mapping of known keys. Unions of configs are told apart by their key `kind`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False):
        """A copy; one in which something changes is validated, which Pydantic's own is not."""
        if not update:
            return super().model_copy(deep=deep)
        return self.model_validate({name: getattr(self, name) for name in self.model_fields_set} | dict(update))


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
# Whole numbers are those of 64 bits, in which they are computed with and written.
Integer = Annotated[int, Field(strict=True, ge=-(2**63), le=2**63 - 1)]
Count = Annotated[Integer, Field(ge=1)]
Flag = Annotated[bool, Field(strict=True)]
NotNegative = Annotated[Integer, Field(ge=0)]
# What folders and groups of results are named by; file systems have no longer ones.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=120)]
Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=120)]


class BrokenRules(ValueError):
    """Rules that span several keys and do not hold: the keys, seen from the config that checks, and what is wrong."""

    def __init__(self, problems: list[tuple[str, str]]):
        super().__init__("; ".join(f"{key}: {text}" for key, text in problems))
        self.problems = problems


def require(problems: list[tuple[str, str]]) -> None:
    """Raise `BrokenRules` if there are any."""
    if problems:
        raise BrokenRules(problems)


def _path(value: str) -> str:
    """A path with `~` written out."""
    if not value or not value.isprintable():
        raise ValueError(got(value, "must be a path"))
    return os.path.expanduser(value)


FilePath = Annotated[str, Field(strict=True), AfterValidator(_path)]


def _some(entries: tuple | dict) -> tuple | dict:
    if not entries:
        raise ValueError("empty; must have at least one entry")
    return entries


# Pydantic's own min_length does not count entries that are wrong, and then complains about their absence as well.
NotEmpty = AfterValidator(_some)


# The least and the largest size of a number, by precision: those whose squares it holds as well.
HELD = {"double": (2.0**-511, 2.0**511), "single": (2.0**-63, 2.0**63)}


def _reals(value: Any, key: str) -> Iterator[tuple[str, float | complex]]:
    """Every known number in a config but the whole ones, with its key."""
    match value:
        case float() | complex():
            yield key, value
        case Config():
            for name in (*type(value).model_fields, *(value.model_extra or ())):
                yield from _reals(getattr(value, name), f"{key}.{name}" if key else name)
        case dict():
            for name, entry in value.items():
                yield from _reals(entry, f"{key}.{name}")
        case tuple() | list():
            for k, entry in enumerate(value):
                yield from _reals(entry, f"{key}.{k}")


class AbstractTask(Config):
    """What a config as a whole asks for. The folder in `qnano/tasks` that is named like its key `task` has all the rest."""

    # Whether the complete config names the initial model's changes alone, since what it inherits has to follow the model.
    keeps_given_initial: ClassVar[bool] = False
    trains: ClassVar[bool] = False  # whether weights come out

    name: Name = Field(description="name of the results' folder: letters, digits, dots, dashes and underscores")
    task: str = Field(description="what to do")

    if TYPE_CHECKING:  # which every task has, but in its own place among its keys
        precision: str

    @model_validator(mode="after")
    def _is_within_precision(self):
        """A number beyond it would be computed with as 0 or as infinity, without a word."""
        least, most = HELD[self.precision]
        rule = f"must be 0, or from {least:.3g} to {most:.3g} in size, in {self.precision} precision"
        beyond: dict[Any, str] = {}  # what a start inherits from the model is told there alone
        for key, value in _reals(self, ""):
            if value and not least <= abs(value) <= most:
                beyond.setdefault(value, key)
        require([(key, got(value, rule)) for value, key in beyond.items()])
        return self

    @cached_property
    def given(self) -> dict[str, Any]:
        """What was read, before defaults and what is inherited were filled in; complete where nothing was read."""
        return self.model_dump(mode="json", exclude_none=True)
