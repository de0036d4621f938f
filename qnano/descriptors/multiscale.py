"""Blocks of invariants of a frame, summed over the atoms of each species: what linear models of extensive quantities take."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from qnano.descriptors.atoms import Atoms, Pairs, Waves
from qnano.descriptors.features import KernelBank, LocalDensity, by_waves
from qnano.descriptors.products import invariants, pooled, squares


class Block(eqx.Module):
    """rho x rho, rho x V or V x V, by which of the two are given."""

    density: LocalDensity | None
    potential: KernelBank | None

    def __check_init__(self):
        if self.density is None and self.potential is None:
            raise ValueError("density, potential: got neither; a block needs one of them")

    def of_atoms(self, atoms: Atoms, waves: Waves, pairs: Pairs) -> Float[Array, "atom feature"]:
        """Invariants of every atom. `pairs` may reach beyond the density's cutoff, where their weight is zero."""
        density = None if self.density is None else self.density(atoms, pairs)
        potential = None if self.potential is None else by_waves(self.potential, atoms, waves)
        if density is not None and potential is not None:
            return invariants(density, potential)
        (given,) = [x for x in (density, potential) if x is not None]
        return squares(given)

    def __call__(self, atoms: Atoms, waves: Waves, pairs: Pairs) -> Float[Array, " feature"]:
        """Summed over the atoms of each species."""
        return pooled(self.of_atoms(atoms, waves, pairs), atoms).reshape(-1)


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
