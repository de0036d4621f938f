"""Blocks of features of a frame, summed over the atoms of each species: what linear models of extensive quantities take."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from qnano.border import numbers
from qnano.descriptors.atoms import Atoms, Pairs, Waves
from qnano.descriptors.features import Coefficients, KernelBank, LocalDensity, by_waves
from qnano.descriptors.fields import by_mesh
from qnano.descriptors.products import Others, equivariants, invariants, pooled, squares


class Block(eqx.Module):
    """rho x rho, rho x V or V x V, by which of the two are given; V by a `mesh` of so many points, or else by waves."""

    density: LocalDensity | None
    potential: KernelBank | None
    mesh: tuple[int, int, int] | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        if self.density is None and self.potential is None:
            raise ValueError("density, potential: got neither; a block needs one of them")
        if self.mesh is not None:
            numbers("mesh", self.mesh, kind="integer", shape=(3,), least=1)

    def of_atoms(self, atoms: Atoms, waves: Waves, pairs: Pairs) -> Float[Array, "atom feature"]:
        """Invariants of every atom. `pairs` may reach beyond the density's cutoff, where their weight is zero."""
        left, right = self._factors(atoms, waves, pairs)
        return squares(left) if right is left else invariants(left, right)

    def __call__(self, atoms: Atoms, waves: Waves, pairs: Pairs) -> Float[Array, " feature"]:
        """Summed over the atoms of each species."""
        return pooled(self.of_atoms(atoms, waves, pairs), atoms).reshape(-1)

    def tensor(self, order: int, atoms: Atoms, waves: Waves, pairs: Pairs) -> Float[Array, "mu feature"]:
        """What turns like Y_(lambda mu), lambda = `order`, summed over the atoms of each species."""
        summed = pooled(equivariants(*self._factors(atoms, waves, pairs), order), atoms)
        return jnp.moveaxis(summed, 1, 0).reshape(2 * order + 1, -1)

    def _factors(self, atoms: Atoms, waves: Waves, pairs: Pairs) -> tuple[Coefficients, Others]:
        """Left and right factor, one and the same where only one is given."""
        given = []
        if self.density is not None:
            given.append(self.density(atoms, pairs))
        if self.potential is not None:
            mesh = self.mesh
            given.append(by_waves(self.potential, atoms, waves) if mesh is None else by_mesh(self.potential, atoms, mesh))
        return given[0], given[-1]


def with_slopes(
    block: Block, atoms: Atoms, waves: Waves, pairs: Pairs
) -> tuple[Float[Array, " feature"], Float[Array, "coordinate feature"]]:
    """A frame's features and their derivatives by all positions: rows for a fit of energies and (minus) forces together.

    Forward mode, in as many sweeps as there are coordinates. A fitted model needs none of that: its forces are one gradient.
    """

    def features(positions: Float[Array, "atom 3"]) -> Float[Array, " feature"]:
        return block(Atoms(positions, atoms.cell, atoms.species, atoms.kinds), waves, pairs)

    values, slope = jax.linearize(features, atoms.positions)
    steps = jnp.eye(atoms.positions.size, dtype=atoms.positions.dtype).reshape(-1, *atoms.positions.shape)
    return values, jax.lax.map(slope, steps)
