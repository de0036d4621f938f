"""What the models on a lattice share: sites and bonds along the dimensions of their results."""

from typing import TYPE_CHECKING

from qnano.families.base import NAMES, AbstractModel, Names

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

    def names(self, dim: str) -> Names | None:
        return [f"{i}-{j}" for i, j in self.lattice.geometry.bonds] if dim == "bond" else super().names(dim)
