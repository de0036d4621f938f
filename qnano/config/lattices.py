"""The lattices by kind; the geometry itself is `qnano.lattice`."""

from abc import abstractmethod
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from qnano import lattice

from .base import BrokenRules, Config, Count, Flag, NotNegative, Number, require

MOST_BONDS = 100_000


class AbstractLattice(Config):
    """A lattice that can be built, or else says which of its keys forbids it."""

    if TYPE_CHECKING:
        kind: str  # a field of each lattice

    @property
    @abstractmethod
    def size(self) -> int:
        """How many sites it has at most, known without building it."""

    @abstractmethod
    def build(self) -> lattice.Lattice: ...

    @cached_property
    def geometry(self) -> lattice.Lattice:
        """Sites, bonds and positions."""
        return _built(self)  # pyright: ignore[reportArgumentType]

    @model_validator(mode="after")
    def _can_be_built(self):
        if self.size > lattice.MOST_SITES:
            require([("", f"got {self.size} sites; must be at most {lattice.MOST_SITES}")])
        try:
            _ = self.geometry
        except ValueError as error:
            key, _, text = str(error).partition(": ")
            raise BrokenRules([(key, text) if key in type(self).model_fields else ("", str(error))]) from None
        return self


@lru_cache(maxsize=16)
def _built(config: AbstractLattice) -> lattice.Lattice:
    """Once for all points of a sweep that share it."""
    return config.build()


class Chain(AbstractLattice):
    kind: Literal["chain"] = "chain"
    sites: Count = Field(description="number of sites")
    periodic: Flag = Field(False, description="close the chain to a ring")

    @property
    def size(self) -> int:
        return self.sites

    def build(self) -> lattice.Lattice:
        return lattice.chain(self.sites, self.periodic)


def _both(periodic: Any) -> Any:
    return [periodic, periodic] if isinstance(periodic, bool) else periodic


PerAxis = Annotated[tuple[Flag, Flag], BeforeValidator(_both, json_schema_input_type=bool | tuple[bool, bool])]


class Rectangle(AbstractLattice):
    kind: Literal["rectangle"] = "rectangle"
    columns: Count = Field(description="number of sites along the first axis")
    rows: Count = Field(description="number of sites along the second axis; site = column * rows + row")
    periodic: PerAxis = Field((False, False), description="periodic along both axes, or along each")

    @property
    def size(self) -> int:
        return self.columns * self.rows

    def build(self) -> lattice.Lattice:
        return lattice.rectangle(self.columns, self.rows, self.periodic)


class Ladder(AbstractLattice):
    kind: Literal["ladder"] = "ladder"
    rungs: Count = Field(description="number of rungs; site = 2 * rung + leg")
    periodic: Flag = Field(False, description="close the legs to rings")

    @property
    def size(self) -> int:
        return 2 * self.rungs

    def build(self) -> lattice.Lattice:
        return lattice.ladder(self.rungs, self.periodic)


class Ribbon(AbstractLattice):
    """A honeycomb ribbon along the first axis."""

    kind: Literal["ribbon"] = "ribbon"
    edge: Literal["armchair", "zigzag"] = Field(description="shape of the long edges")
    width: Count = Field(description="number of dimer lines (armchair) or zigzag lines (zigzag)")
    length: Count = Field(description="columns of dimers (armchair) or sites of a zigzag line (zigzag)")
    periodic: Flag = Field(False, description="close the ribbon along its length")

    @property
    def size(self) -> int:
        return (self.width + (self.edge == "armchair")) * self.length

    def build(self) -> lattice.Lattice:
        return lattice.ribbon(self.edge, self.width, self.length, self.periodic)


class Bonds(AbstractLattice):
    """Any graph."""

    kind: Literal["bonds"] = "bonds"
    sites: Count = Field(description="number of sites")
    bonds: Annotated[tuple[tuple[NotNegative, NotNegative], ...], Field(max_length=MOST_BONDS)] = Field(
        description="pairs of sites, each once"
    )
    positions: tuple[tuple[Number, ...], ...] | None = Field(
        None, description="one vector per site, in lattice constants; on a line with unit spacing if not given"
    )

    @property
    def size(self) -> int:
        return self.sites

    def build(self) -> lattice.Lattice:
        return lattice.from_bonds(self.sites, self.bonds, self.positions)


AnyLattice = Annotated[Chain | Rectangle | Ladder | Ribbon | Bonds, Field(discriminator="kind")]
