"""What drives a system from outside, beside what changes in its model."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from qnano.border import got
from qnano.config.base import Config, NotBelowZero, NotEmpty, Number, Positive
from qnano.config.values import RealValue
from qnano.families.base import Problems


class NoDrive(Config):
    kind: Literal["none"] = "none"


class Pulse(Config):
    """s(t) = amplitude exp(-(t - centre)^2 / (2 width^2)) cos(frequency (t - centre) + phase) along `direction`."""

    kind: Literal["pulse"] = "pulse"
    coupling: Literal["peierls", "dipole"] = Field(
        description="s is a phase per lattice constant of hopping, or a force in J per lattice constant"
    )
    amplitude: Number = Field(description="peak of the envelope: 1 (peierls) or J per lattice constant (dipole)")
    frequency: NotBelowZero = Field(description="angular frequency, in J/hbar")
    phase: Number = Field(0.0, description="phase at the centre, in radians")
    centre: Number = Field(description="time of the peak, in hbar/J")
    width: Positive = Field(description="standard deviation of the envelope, in hbar/J")
    direction: tuple[Number, ...] | None = Field(None, description="vector in space; the first axis if not given")


class Oscillation(Config):
    """A uniform field E(t) = amplitude cos(frequency t + phase) along `direction`."""

    kind: Literal["oscillation"]
    amplitude: Number = Field(description="a force per charge")
    frequency: NotBelowZero = Field(description="angular, an inverse time")
    phase: Number = Field(0.0, description="in radians")
    direction: tuple[Number, ...] | None = Field(None, description="vector in space; the first axis if not given")


class Bias(Config):
    """A voltage V(t) = amplitude cos(frequency t + phase) between electrodes along the first axis.

    v = q V(t) s(x) with s = (1 + erf((x - centre) / width)) / 2.
    """

    kind: Literal["bias"]
    amplitude: RealValue = Field(description="an energy per charge")
    frequency: NotBelowZero = Field(0.0, description="angular, an inverse time")
    phase: Number = Field(0.0, description="in radians")
    width: Positive = Field(description="over which the voltage falls, a length")
    centre: Number = Field(0.0, description="of the fall, a length")


Part = Pulse | Oscillation | Bias


class Sum(Config):
    """Several drives at once."""

    kind: Literal["sum"]
    parts: Annotated[tuple[Annotated[Part, Field(discriminator="kind")], ...], NotEmpty] = Field(
        description="of any kind but sum, at most one bias"
    )


Drive = Annotated[NoDrive | Pulse | Oscillation | Bias | Sum, Field(discriminator="kind")]


def parts_of(drive: Drive) -> Sequence[Part]:
    """The drives, one by one."""
    match drive:
        case NoDrive():
            return ()
        case Sum():
            return drive.parts
        case _:
            return (drive,)


def directed(key: str, direction: tuple[float, ...] | None, dimension: int) -> Problems:
    """Whether a direction, where one is given, is one in a space of this dimension."""
    if direction is not None and (len(direction) != dimension or not any(direction)):
        yield key, got(direction, f"must be a vector of {dimension} numbers, not all zero")
