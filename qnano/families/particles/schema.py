"""A few particles in one to three dimensions on a grid, driven by a field or a bias.

    H = sum_i [ p_i^2 / 2m + U(x_i, t) + v(x_i, t) ] + sum_{i<j} w(|x_i - x_j|)

U is the sum of the shapes in `potential`, v belongs to the drive: -q E(t).x of a uniform field, q V(t) s(x) of a bias. The box is
periodic, its middle is the origin. In physical units lengths are in nm, energies in meV, times in fs, masses in those of the
electron and charges in e, so that a voltage is in mV; in natural ones hbar = 1.
"""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Discriminator, Field, Tag, model_validator

from qnano.border import got
from qnano.config.base import Config, Count, NotEmpty, NotNegative, Number, Positive, require, traced
from qnano.config.values import RealValue, Value
from qnano.families.base import AbstractStart, Names
from qnano.families.in_space import AbstractInSpace, NoInteraction, SoftCoulomb, spread

AXES = ("x", "y", "z")
MOST_PERIODS = 1e6
FASTEST = (1e-100, 1e100)  # beyond which squares and quotients of energies are no numbers


def _one_or_many(value: Any) -> str:
    return "many" if isinstance(value, list | tuple) else "one"


Place = Annotated[Annotated[Number, Tag("one")] | Annotated[tuple[Number, ...], Tag("many")], Discriminator(_one_or_many)]
Size = Annotated[Annotated[Positive, Tag("one")] | Annotated[tuple[Positive, ...], Tag("many")], Discriminator(_one_or_many)]


class AbstractShape(Config):
    """A part of U, around `centre`; along one axis alone if there is an `axis`, else the same in all directions."""

    centre: Place = Field(0.0, description="a length, or one for each axis")
    axis: Annotated[NotNegative, Field(le=2)] | None = Field(None, description="the only one that it depends on, from 0")


class Harmonic(AbstractShape):
    """U = strength r^2."""

    kind: Literal["harmonic"]
    strength: RealValue = Field(description="an energy per squared length, m w^2 / 2")


class Quartic(AbstractShape):
    """U = strength r^4."""

    kind: Literal["quartic"]
    strength: RealValue = Field(description="an energy per length to the fourth")


class Gaussian(AbstractShape):
    """U = height exp(-r^2 / (2 width^2)): a barrier, or a well if the height is negative."""

    kind: Literal["gaussian"]
    height: RealValue = Field(description="an energy")
    width: Size = Field(description="standard deviation, a length, or one for each axis")


class DoubleBarrier(AbstractShape):
    """Two walls with edges (1 + tanh(x / edge)) / 2, along one axis, the first if none is given."""

    kind: Literal["double_barrier"]
    height: RealValue = Field(description="of both walls, an energy")
    thickness: Positive = Field(description="of a wall, a length")
    well: Positive = Field(description="length between the walls")
    edge: Positive = Field(description="a length")


class Cosine(AbstractShape):
    """U = height cos(2 pi x / period), along one axis, the first if none is given."""

    kind: Literal["cosine"]
    height: RealValue = Field(description="an energy")
    period: Positive = Field(description="a length")


Interaction = Annotated[NoInteraction | SoftCoulomb, Field(discriminator="kind")]
Shape = Annotated[Harmonic | Quartic | Gaussian | DoubleBarrier | Cosine, Field(discriminator="kind")]


class Absorber(Config):
    """-i strength sin^2 at the ends of every axis, from nothing at `width` from an end to all at the end."""

    width: Positive = Field(description="a length")
    strength: Positive = Field(description="an energy")


class Region(Config):
    """All places between `low` and `high`."""

    low: Place = Field(description="a length, or one for each axis")
    high: Place = Field(description="a length, or one for each axis")


class ParticlesModel(AbstractInSpace):
    """One to three particles in one dimension, one in two or three."""

    kind: Literal["particles"]
    lengths: Annotated[tuple[Positive, ...], NotEmpty] = Field(description="of the box, one for each of one to three axes")
    points: Annotated[tuple[Annotated[Count, Field(ge=4)], ...], NotEmpty] = Field(description="of the grid, one number per axis")
    particles: Count = Field(1, description="number of particles")
    statistics: Literal["distinguishable", "symmetric", "antisymmetric"] = Field(
        "distinguishable", description="under exchange of particles"
    )
    mass: Positive = Field(1.0, description="m")
    charge: Number = Field(1.0, description="q, by which fields and biases act; -1 for electrons")
    potential: tuple[Shape, ...] = Field((), description="U, the sum of these")
    interaction: Interaction = Field(NoInteraction(), description="w between any two particles")
    absorber: Absorber | None = Field(None, description="what leaves through the ends of the box; none if not given")
    regions: dict[str, Region] = Field({}, description="parts of space by name, which budgets are made of")

    @property
    def axes(self) -> tuple[str, ...]:
        return AXES[: len(self.points)]

    @property
    def size(self) -> int:
        """Points of the wave."""
        return math.prod(self.points) ** self.particles

    def count(self, dim: str) -> int:
        return {**dict(zip(self.axes, self.points, strict=True)), "axis": len(self.points), "region": len(self.regions)}[dim]

    def names(self, dim: str) -> Names | None:
        return {"axis": self.axes, "region": tuple(self.regions)}.get(dim)

    def places(self, dim: str) -> np.ndarray | None:
        if dim not in self.axes:
            return None
        axis = self.axes.index(dim)
        return float(self.lengths[axis]) * (np.arange(self.points[axis]) / self.points[axis] - 0.5)

    @property
    def unit_names(self) -> Mapping[str, str]:
        dimension = len(self.points)
        power = {1: "", 2: "^2", 3: "^3"}
        volume, area = f"/nm{power[dimension]}", f"/nm{power[dimension - 1]}" if dimension > 1 else ""
        return {
            **super().unit_names,
            "1/volume": f"1{volume}",
            "J/volume": f"meV{volume}",
            "J/volume/time": f"meV/fs{volume}",
            "J*length/volume/time": f"meV/fs{area}",
            "length/volume/time": f"1/fs{area}",
            "J^2/hbar": "meV/fs",
            "J/hbar": "1/fs",
            "current": "e/fs",
        }

    @property
    def fastest(self) -> Any:
        """T_max, the kinetic energy of a particle with the grid's highest wavenumber along every axis."""
        waves = sum((math.pi * n / length) * (math.pi * n / length) for n, length in zip(self.points, self.lengths, strict=True))
        return self.hbar**2 * waves / self.mass / (2 * self.mass_unit)

    @property
    def longest_step(self) -> Any:
        """pi hbar / T_max: with a longer one the local balance can be wrong while norm and total energy look right."""
        return math.pi * self.hbar / self.fastest

    @model_validator(mode="after")
    def _belongs_together(self):
        dimension, problems = len(self.points), []
        if dimension > 3 or len(self.lengths) != dimension:
            text = f"{len(self.lengths)} lengths; must be as many as points, for one to three axes"
            require([("lengths", f"got {text} ({dimension})")])
        if self.particles * dimension > 3:
            rule = "must be at most 3 particles on one axis, or one on two or three"
            problems.append(("particles", got(self.particles, rule)))
        if self.particles == 1 and self.statistics != "distinguishable":
            problems.append(("statistics", got(self.statistics, "must be distinguishable for one particle")))
        if self.particles == 1 and self.interaction.kind != "none":
            problems.append(("interaction.kind", got(self.interaction.kind, "must be none for one particle")))
        if getattr(self.interaction, "permittivity", None) is not None and self.units != "physical":
            problems.append(("interaction.permittivity", "needs units: physical; give a strength"))
        for k, shape in enumerate(self.potential):
            if shape.axis is not None and shape.axis >= dimension:
                problems.append((f"potential.{k}.axis", got(shape.axis, f"must be below {dimension} (the axes)")))
            problems += _vectors(shape, f"potential.{k}", ("centre", "width"), dimension)
        for name, region in self.regions.items():
            if found := list(_vectors(region, f"regions.{name}", ("low", "high"), dimension)):
                problems += found
            elif any(low >= high for low, high in zip(spread(region.low, dimension), spread(region.high, dimension), strict=True)):
                problems.append((f"regions.{name}.high", got(region.high, "must be greater than low")))
            else:
                problems += self._outside(region, f"regions.{name}", ("low", "high"))
        if self.absorber is not None and any(2 * self.absorber.width > length for length in self.lengths):
            problems.append(("absorber.width", got(self.absorber.width, "must be at most half of the box")))
        require(problems or self._on_the_ring() or self._moves())
        return self

    def _moves(self) -> list[tuple[str, str]]:
        """Energies of the grid that are numbers."""
        numbers = (*self.lengths, self.mass)
        if any(map(traced, numbers)) or FASTEST[0] < self.fastest < FASTEST[1]:
            return []
        key, value = ("lengths", self.lengths) if FASTEST[0] < self.mass < FASTEST[1] else ("mass", self.mass)
        rule = f"the grid's largest kinetic energy would be {self.fastest:g}; must be between {FASTEST[0]:g} and {FASTEST[1]:g}"
        return [(key, got(value, rule))]

    def _on_the_ring(self) -> list[tuple[str, str]]:
        """The box is periodic: what is put into it lies in it, and what repeats does so a whole number of times."""
        problems = []
        for k, shape in enumerate(self.potential):
            problems += self._outside(shape, f"potential.{k}", ("centre",))
            if isinstance(shape, Cosine) and not traced(shape.period) and not traced(length := self.lengths[shape.axis or 0]):
                times = length / shape.period
                if times > MOST_PERIODS or abs(times - round(times)) > 1e-9 * max(times, 1.0):
                    rule = f"must fit into the box, of length {length:g}, a whole number of times; it fits {times:.6g} times"
                    problems.append((f"potential.{k}.period", got(shape.period, rule)))
            if isinstance(shape, DoubleBarrier):
                whole, length = 2 * shape.thickness + shape.well, self.lengths[shape.axis or 0]
                if not traced(whole) and not traced(length) and whole > length:
                    rule = f"walls and well are {whole:g} wide, the box {length:g}"
                    problems.append((f"potential.{k}.well", got(shape.well, rule)))
        return problems

    def _outside(self, config: Config, key: str, names: tuple[str, ...]) -> list[tuple[str, str]]:
        """Places that are not in the box."""
        found = []
        for name in names:
            for place, length in zip(spread(getattr(config, name), len(self.lengths)), self.lengths, strict=True):
                if not traced(place) and not traced(length) and abs(place) > length / 2 * (1 + 1e-12):
                    rule = f"must lie in the box, {-length / 2:g} to {length / 2:g}"
                    found.append((f"{key}.{name}", got(place, rule)))
        return found


def _vectors(config: Config, key: str, names: tuple[str, ...], dimension: int) -> list[tuple[str, str]]:
    """What has not one number for each axis."""
    values = {name: getattr(config, name, None) for name in names}
    rule = f"must be one number, or {dimension} (the axes)"
    return [
        (f"{key}.{name}", f"got {len(value)} numbers; {rule}")
        for name, value in values.items()
        if isinstance(value, tuple) and len(value) != dimension
    ]


class WavePacket(Config):
    """exp(-(x - centre)^2 / (4 width^2) + i wavenumber x), so that `width` is the standard deviation of the place."""

    centre: Place = Field(default=0.0, description="a length, or one for each axis")
    width: Size = Field(description="a length, or one for each axis")
    wavenumber: Place = Field(default=0.0, description="an inverse length, or one for each axis")


class WavePackets(AbstractStart):
    """A Gaussian packet for each particle, their product made (anti)symmetric where the statistics ask for it."""

    kind: Literal["wave_packets"]
    packets: Annotated[tuple[WavePacket, ...], NotEmpty] = Field(description="one per particle")


class Eigenstates(AbstractStart):
    """A superposition of the lowest states without the drive: one coefficient is the ground state. Normalised.

    States are real and positive where all coordinates are large, which fixes what the coefficients' phases mean.
    """

    kind: Literal["eigenstates"]
    coefficients: Annotated[tuple[Value, ...], NotEmpty, Field(max_length=8)] = Field(
        (1.0,), description="of the lowest state, the next, ...; complex as text such as 0.8+0.6j"
    )


class Relaxed(AbstractStart):
    """The ground state by imaginary time, from a wide packet: unlike `eigenstates` it can be differentiated by the model."""

    kind: Literal["relaxed"]
    step: Positive = Field(description="of imaginary time; the error is of its second order")
    steps: Annotated[Count, Field(le=10**7)] = Field(500, description="how many")
    width: Positive = Field(description="of the packet that it starts from, a length")
