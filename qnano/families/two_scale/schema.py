"""Problems on two scales: a lattice, and something slow in it. All particles move on a ring along one line.

    crystal    H = sum_i [ p_i^2 / 2m + sum_h V_h cos(2 pi h x_i / a) + U(x_i) ] + sum_{i<j} w(x_i - x_j)
    ribbon     an armchair graphene ribbon by hopping between neighbours, and U along it

The coarse description follows one band near one wavevector. In physical units lengths are in nm, energies in meV, times in fs and
masses in those of the electron; in natural ones hbar = 1, and masses in units of one's own.
"""

from abc import abstractmethod
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from qnano.border import got
from qnano.config.base import Config, Count, Flag, NotEmpty, NotNegative, Number, Positive, require
from qnano.config.values import RealValue
from qnano.families.base import AbstractStart, Names
from qnano.families.in_space import AbstractInSpace, NoInteraction, SoftCoulomb


class NoConfinement(Config):
    kind: Literal["none"] = "none"


class Cosine(Config):
    """U = height (1 - cos(2 pi x / L)) around the whole ring."""

    kind: Literal["cosine"] = "cosine"
    height: RealValue = Field(description="half the height of the wall, an energy")


class Well(Config):
    """U = depth (1 - exp(-x^2 / (2 width^2))), a dot in the middle."""

    kind: Literal["well"] = "well"
    depth: RealValue = Field(description="how deep the dot is, an energy")
    width: Positive = Field(description="standard deviation, a length")


class Contact(Config):
    """w = strength delta(x_1 - x_2). That of the envelopes gives a pair on a small ring the lowest energy that it has by this."""

    kind: Literal["contact"] = "contact"
    strength: Number = Field(description="an energy times a length")
    ring: Annotated[Count, Field(ge=2, le=16)] = Field(10, description="cells of the ring on which the contact is matched")


Confinement = Annotated[NoConfinement | Cosine | Well, Field(discriminator="kind")]
Interaction = Annotated[NoInteraction | SoftCoulomb | Contact, Field(discriminator="kind")]


class AbstractTwoScale(AbstractInSpace):
    """What crystals and ribbons share."""

    cells: Annotated[Count, Field(ge=4)] = Field(description="cells around the ring")
    coarse_points: Annotated[Count, Field(ge=4)] = Field(description="points of the coarse grid, at most the cells")
    confinement: Confinement = Field(NoConfinement(), description="U, slow on the scale of a cell")

    @property
    @abstractmethod
    def period(self) -> Any:
        """The length of a cell."""

    @property
    @abstractmethod
    def fastest(self) -> Any:
        """The largest kinetic energy of the fine grid."""

    @property
    def length(self) -> Any:
        """Around the ring."""
        return self.cells * self.period

    def count(self, dim: str) -> int:
        return {"x": self.coarse_points, "axis": 1}[dim]

    def names(self, dim: str) -> Names | None:
        """Places are chosen by their number."""
        return [str(place) for place in range(self.coarse_points)] if dim == "x" else super().names(dim)

    def places(self, dim: str) -> np.ndarray | None:
        return float(self.length) * (np.arange(self.coarse_points) / self.coarse_points - 0.5) if dim == "x" else None

    @model_validator(mode="after")
    def _grid_fits(self):
        if self.coarse_points > self.cells:
            require([("coarse_points", got(self.coarse_points, f"must be at most {self.cells} (cells)"))])
        return self


class CrystalModel(AbstractTwoScale):
    """Particles in a periodic potential, followed near one wavevector of one band."""

    kind: Literal["crystal"]
    spacing: Positive = Field(1.0, description="a, the length of a cell")
    mass: Positive = Field(1.0, description="m of the fine problem")
    harmonics: Annotated[tuple[Number, ...], NotEmpty] = Field(description="V_1, V_2, ..., energies")
    points: Annotated[Count, Field(ge=4)] = Field(10, description="points of the fine grid in a cell")
    band: NotNegative = Field(0, description="from 0, the lowest")
    wavevector: Literal["centre", "edge"] = Field("centre", description="of the zone, where the band has its extremum")
    particles: Annotated[Count, Field(le=8)] = Field(1, description="number of particles")
    statistics: Literal["distinguishable", "symmetric", "antisymmetric"] = Field(
        "distinguishable", description="of the envelope, under exchange of particles in one band"
    )
    interaction: Interaction = Field(NoInteraction(), description="w between any two particles")

    @property
    def period(self) -> Any:
        return self.spacing

    @property
    def fastest(self) -> Any:
        return (self.hbar * np.pi * self.points / self.spacing) ** 2 / (2 * self.mass * self.mass_unit)

    @model_validator(mode="after")
    def _belongs_together(self):
        problems = []
        if self.band >= self.points:
            problems.append(("band", got(self.band, f"must be below {self.points} (points)")))
        if self.wavevector == "edge" and self.cells % 2:
            problems.append(("cells", got(self.cells, "must be even for wavevector edge")))
        if len(self.harmonics) > self.points // 2:
            problems.append(("harmonics", got(self.harmonics, f"at most {self.points // 2} fit the points of a cell")))
        if getattr(self.interaction, "permittivity", None) is not None and self.units != "physical":
            problems.append(("interaction.permittivity", "needs units: physical; give a strength"))
        if self.particles == 1 and self.interaction.kind != "none":
            problems.append(("interaction.kind", got(self.interaction.kind, "must be none for one particle")))
        elif isinstance(self.interaction, Contact):
            problems += self._contact_problems(self.interaction)
        require(problems)
        return self

    def _contact_problems(self, contact: Contact) -> list[tuple[str, str]]:
        """A contact is matched to the ground state of two particles that can meet, on the spacing of the coarse grid."""
        if self.particles != 2:
            return [("particles", got(self.particles, "must be 2 for interaction contact"))]
        if self.statistics == "antisymmetric":
            return [("statistics", got("antisymmetric", "such particles never meet; a contact does nothing"))]
        if self.band or self.wavevector == "edge":
            return [("interaction.kind", got("contact", "is matched to a pair at the bottom of band 0; others have no contact"))]
        if contact.ring * self.coarse_points % self.cells:
            rule = f"must be a whole number of coarse points, {self.coarse_points} / {self.cells} of it (coarse_points / cells)"
            return [("interaction.ring", got(contact.ring, rule))]
        return []


class RibbonModel(AbstractTwoScale):
    """An electron in the lowest conduction band of an armchair ribbon; a cell is 3/2 bonds long."""

    particles: ClassVar[int] = 1
    statistics: ClassVar[str] = "distinguishable"
    kind: Literal["ribbon"]
    lines: Annotated[Count, Field(ge=2)] = Field(description="dimer lines across the ribbon")
    hopping: Positive = Field(description="t, an energy")
    bond: Positive = Field(description="length of a bond")

    @property
    def period(self) -> Any:
        return 1.5 * self.bond

    @property
    def fastest(self) -> Any:
        """Half the width of all bands, there being no kinetic energy."""
        return 3 * self.hopping


class Packet(Config):
    """exp(-(x - centre)^2 / (2 width^2) + i wavenumber x)."""

    centre: Number = Field(0.0, description="where it starts, a length")
    width: Positive = Field(description="a length")
    wavenumber: Number = Field(0.0, description="of the envelope, beside that of the band, an inverse length")


class Packets(AbstractStart):
    """A Gaussian envelope for each particle, (anti)symmetrised where the statistics ask for it."""

    kind: Literal["packets"] = "packets"
    packets: Annotated[tuple[Packet, ...], NotEmpty] = Field(description="one per particle")
    prepared: Flag = Field(True, description="start the fine wave with the corrector; else part of it is in other bands for ever")


def plane_waves(points: int) -> int:
    """By how many plane waves the lattice of a crystal is solved, with so many points in a cell."""
    return 2 * max(10, points) + 1
