"""The energy of charges with the interaction 1/r^p in a periodic cell, by the tables of the potential.

    E = 1/2 sum'_ij q_i q_j / r_ij^p
      = 1/(2 Omega) sum_(k != 0) v^_p(k) |S(k)|^2 + 1/2 sum'_(r_ij < R) q_i q_j (1/r^p - v_p(r)) - v_p(0)/2 sum_i q_i^2
        + v^_p(0) / (2 Omega) (sum_i q_i)^2

v^_p(0) is the analytic continuation for p < 3, which is a neutralising background, -pi s^2 Q^2 / Omega for p = 1. The sum over k
has its conducting-boundary value. Gaussian units: e^2/A = 14.399645 eV.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from qnano.descriptors.atoms import Atoms, Pairs, Waves
from qnano.descriptors.kernels import InversePower


def ewald_energy(
    potential: InversePower, charges: Float[Array, " atom"], atoms: Atoms, waves: Waves, pairs: Pairs
) -> Float[Array, ""]:
    """E, in charge^2 / length^p. `waves` up to 2 pi / s and `pairs` up to 6.5 s make nine digits.

    For p = 3 only differences between states of the same charge have a meaning unless the cell is neutral.
    """
    there = jnp.any(waves != 0, axis=-1)
    k = jnp.where(there[:, None], atoms.wave_vectors(waves), 1.0)
    phases = atoms.positions @ k.T
    factors = jnp.square(charges @ jnp.cos(phases)) + jnp.square(charges @ jnp.sin(phases))
    transform = jnp.where(there, potential.transform(jnp.sum(k**2, axis=-1)), 0.0)
    far = jnp.sum(transform * factors) / atoms.volume
    present = pairs.centre < len(charges)
    x = atoms.positions[pairs.other] + pairs.shift @ atoms.cell - atoms.positions[pairs.centre]
    r = jnp.sqrt(jnp.sum(jnp.where(present[:, None], x, 1.0) ** 2, axis=-1))
    near = jnp.sum(jnp.where(present, charges[pairs.centre] * charges[pairs.other] * potential.remainder(r), 0.0)) / 2
    itself = potential.centre * jnp.sum(charges**2) / 2
    mean = 0.0 if potential.exponent == 3 else potential.continued() * jnp.sum(charges) ** 2 / (2 * atoms.volume)
    return far + near - itself + mean


def ewald_forces(
    potential: InversePower, charges: Float[Array, " atom"], atoms: Atoms, waves: Waves, pairs: Pairs
) -> Float[Array, "atom 3"]:
    """-dE/dr."""

    def energy(positions: Float[Array, "atom 3"]) -> Float[Array, ""]:
        moved = Atoms(positions, atoms.cell, atoms.species, atoms.kinds)
        return ewald_energy(potential, charges, moved, waves, pairs)

    return -jax.grad(energy)(atoms.positions)
