"""The semiclassical Holstein model: spinless electrons at half filling on a ring or torus, one classical oscillator on each site.

    H = -J sum_<ij> (c+_i c_j + c+_j c_i) - sum_i g_i Q_i (n_i - 1/2) + sum_i K_i / (2 eta_i) (P_i^2 + Q_i^2)

Coupling g, phonon frequency K and eta may change in time (`values`) and differ from site to site.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from qnano.border import got
from qnano.config.base import NotBelowZero, Positive, require, traced
from qnano.config.lattices import Chain, Rectangle
from qnano.config.values import RealValues, ends
from qnano.families.base import BEFORE, AbstractEquilibrium, keys_of
from qnano.families.on_lattice import AbstractOnLattice


class Holstein(AbstractOnLattice):
    """Electrons that hop and pull at the oscillator of their site. The unit of energy is the hopping J."""

    kind: Literal["holstein"]
    lattice: Annotated[Chain | Rectangle, Field(discriminator="kind")] = Field(description="a ring or torus with even sides")
    hopping: Positive = Field(1.0, description="J, the unit of energy")
    coupling: RealValues = Field(description="g, for all sites or per site, in J")
    frequency: RealValues = Field(0.3, description="K, the bare phonon frequency, for all sites or per site, in J")
    eta: RealValues = Field(0.8, description="ratio of an electron's force on its oscillator to the coupling")

    @property
    def entries(self) -> dict[str, int]:
        return dict.fromkeys(("coupling", "frequency", "eta"), self.lattice.geometry.sites)

    @model_validator(mode="after")
    def _fits_the_lattice(self):
        lattice, problems = self.lattice, []
        closed = lattice.periodic if isinstance(lattice, Chain) else all(lattice.periodic)
        sides = (lattice.sites,) if isinstance(lattice, Chain) else (lattice.columns, lattice.rows)
        if not closed:
            problems.append(("lattice.periodic", got(False, "must be true: the model lives on rings and tori")))
        if any(side % 2 or side < 4 for side in sides):
            problems.append(("lattice", f"got sides {', '.join(map(str, sides))}; must be even and at least 4"))
        for key, number in self.entries.items():
            values = getattr(self, key)
            many = values if isinstance(values, tuple) else (values,)
            if isinstance(values, tuple) and len(values) != number:
                problems.append((key, f"got {len(values)} values; must be {number} (the number of sites)"))
            wrong = [end for value in many for end in ends(value) if not traced(end) and not end > 0]
            if key != "coupling" and wrong:
                problems.append((key, got(wrong[0], "must be greater than 0")))
        require(problems)
        return self


class Thermal(AbstractEquilibrium):
    """Lattice and electrons in equilibrium in the Holstein model as it was before: with its charge-density wave, if there is one.

    Every Q and P may get a random number, fixed by the experiment's seed; the electrons fill the levels of that lattice.
    """

    of: ClassVar = Holstein

    kind: Literal["thermal"] = "thermal"
    model: Annotated[Holstein, keys_of(Holstein)] = Field(description=BEFORE)
    temperature: NotBelowZero = Field(0.0, description="kT of the electrons, in J; the static lattice is theirs")
    noise: NotBelowZero = Field(0.0, description="standard deviation of the random part of every Q and P")
