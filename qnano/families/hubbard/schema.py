"""The Fermi-Hubbard model: lattice, hopping, interaction, potential, electrons.

    H = - sum_{(i,j),s} J_ij c+_{is} c_{js} + h.c. + sum_i U_i n_{i,up} n_{i,dn} + sum_{i,s} v_i n_{is}
        + sum_{(i,j)} V_ij n_i n_j

Hopping, interactions and potential may change in time (`values`).
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from qnano.border import got
from qnano.config.base import Config, NotNegative, require
from qnano.config.lattices import AnyLattice
from qnano.config.values import RealValue, RealValues, Values
from qnano.families.base import BEFORE, AbstractEquilibrium, AbstractStart, keys_of
from qnano.families.on_lattice import AbstractOnLattice


class NoPotential(Config):
    kind: Literal["none"] = "none"


class Harmonic(Config):
    """v_i = strength |r_i - centre|^2."""

    kind: Literal["harmonic"] = "harmonic"
    strength: RealValue = Field(description="curvature of the trap, in J per squared lattice constant")


class Staggered(Config):
    """v_i = +strength on one sublattice, -strength on the other."""

    kind: Literal["staggered"] = "staggered"
    strength: RealValue = Field(description="half the difference between the sublattices, in J")


class Linear(Config):
    """v_i = slope x_i, x from the centre along the first axis."""

    kind: Literal["linear"] = "linear"
    slope: RealValue = Field(description="slope along the first axis, in J per lattice constant")


class SiteValues(Config):
    """v_i as listed."""

    kind: Literal["values"] = "values"
    values: tuple[RealValue, ...] = Field(description="one value per site, in J")


Potential = Annotated[NoPotential | Harmonic | Staggered | Linear | SiteValues, Field(discriminator="kind")]


class Electrons(Config):
    """How many electrons of either spin."""

    up: NotNegative = Field(description="number of spin-up electrons, at most the number of sites")
    down: NotNegative = Field(description="number of spin-down electrons, at most the number of sites")


class FermiHubbard(AbstractOnLattice):
    """Electrons on a lattice that hop, and repel each other on a site. The unit of energy is the hopping J."""

    kind: Literal["fermi_hubbard"]
    lattice: AnyLattice = Field(description="sites and bonds")
    hopping: Values = Field(1.0, description="J, for all bonds or per bond; complex as text such as 0.8+0.6j")
    interaction: RealValues = Field(description="U, for all sites or per site, in J")
    neighbour_interaction: RealValues | None = Field(None, description="V of n_i n_j, for all bonds or per bond, in J; or none")
    potential: Potential = Field(NoPotential(), description="static potential on the sites")
    electrons: Electrons = Field(description="numbers of electrons")

    @property
    def entries(self) -> dict[str, int]:
        bonds, sites = len(self.lattice.geometry.bonds), self.lattice.geometry.sites
        return {"hopping": bonds, "interaction": sites, "neighbour_interaction": bonds}

    @model_validator(mode="after")
    def _fits_the_lattice(self):
        sites = self.lattice.geometry.sites
        problems = []
        for spin, count in self.electrons:
            if count > sites:
                rule = f"must be between 0 and {sites} (the number of sites)"
                problems.append((f"electrons.{spin}", got(count, rule)))
        for key, values, number, name in (
            ("hopping", self.hopping, self.entries["hopping"], "bonds"),
            ("interaction", self.interaction, self.entries["interaction"], "sites"),
            ("neighbour_interaction", self.neighbour_interaction, self.entries["neighbour_interaction"], "bonds"),
            ("potential.values", getattr(self.potential, "values", None), sites, "sites"),
        ):
            if isinstance(values, tuple) and len(values) != number:
                problems.append((key, f"got {len(values)} values; must be {number} (the number of {name})"))
        if self.potential.kind == "staggered" and not self.lattice.geometry.is_bipartite:
            problems.append(("potential.kind", got("staggered", "the lattice has no two sublattices; use values")))
        require(problems)
        return self


class GroundState(AbstractEquilibrium):
    """The ground state of the model as it was before: only the keys that differ are given, and none if none does."""

    of: ClassVar = FermiHubbard

    kind: Literal["ground_state"] = "ground_state"
    model: Annotated[FermiHubbard, keys_of(FermiHubbard)] = Field(description=BEFORE)


class Neel(AbstractStart):
    """Spin up on one sublattice, spin down on the other."""

    kind: Literal["neel"] = "neel"


class Occupation(AbstractStart):
    """Electrons on the sites that are listed."""

    kind: Literal["occupation"] = "occupation"
    up: tuple[NotNegative, ...] = Field(description="sites with a spin-up electron")
    down: tuple[NotNegative, ...] = Field(description="sites with a spin-down electron")
