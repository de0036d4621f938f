"""What the models on a lattice share: sites and bonds along the dimensions of their results."""

from typing import TYPE_CHECKING

import numpy as np

from qnano.families.base import NAMES, AbstractModel, Fact, Names

if TYPE_CHECKING:
    from qnano.config.lattices import AbstractLattice


class AbstractOnLattice(AbstractModel):
    """Energies in the hopping J, times in hbar/J, lengths in lattice constants."""

    if TYPE_CHECKING:
        lattice: AbstractLattice  # a field of each model, of the kinds of lattice that it has

    def count(self, dim: str) -> int:
        geometry = self.lattice.geometry
        if dim in NAMES:
            return len(NAMES[dim])
        return len(geometry.bonds) if dim == "bond" else geometry.sites

    def facts(self) -> dict[str, Fact]:
        """Where the sites are, on which sublattice, and which of them are bound."""
        geometry = self.lattice.geometry
        found = {
            "position": Fact(("site", "space"), geometry.coordinates, "1", "place of a site, in lattice constants"),
            "bond_ends": Fact(("bond", "end"), geometry.bond_array, "1", "sites of a bond (i, j)"),
            "bond_vector": Fact(("bond", "space"), geometry.bond_vectors, "1", "r_i - r_j, in lattice constants"),
        }
        if geometry.is_bipartite:
            found["sublattice"] = Fact(("site",), np.array(geometry.signs), "1", "sublattice of a site, 1 or -1")
        return {name: fact for name, fact in found.items() if fact.values.size}

    def names(self, dim: str) -> Names | None:
        return [f"{i}-{j}" for i, j in self.lattice.geometry.bonds] if dim == "bond" else super().names(dim)
