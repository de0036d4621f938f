"""What can be measured on electrons and lattice, from densities, displacements and the one-particle density matrix.

Orders are staggered means with s_i = +1 on site 0; momenta are 2 pi m / side along each axis, in row-major order.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from qnano.holstein.hopping import Sides
from qnano.holstein.model import Holstein, Phonons

Sites = Float[Array, " site"]


def order(model: Holstein, x: Sites) -> Float[Array, ""]:
    """(1/N) sum_i s_i x_i."""
    return jnp.mean(model.signs * x)


def structure_factor(sides: Sides, x: Sites) -> Float[Array, " momentum"]:
    """|sum_j exp(-i q r_j) x_j|^2 / N; the order squared times N at q = (pi, ..., pi)."""
    waves = jnp.fft.fftn(x.reshape(sides))
    return ((waves.real**2 + waves.imag**2) / x.size).ravel()


def kink_density(model: Holstein, displacement: Sites) -> Float[Array, ""]:
    """The share of bonds across which the staggered displacement s_i Q_i changes sign."""
    staggered = model.signs * displacement
    i, j = model.lattice.bond_array.T
    return jnp.mean(staggered[i] * staggered[j] < 0, dtype=displacement.dtype)


def coupling_energy(phonons: Phonons, density: Sites, displacement: Sites) -> Float[Array, ""]:
    """-sum_i g_i Q_i (n_i - 1/2)."""
    return -jnp.sum(phonons.coupling * displacement * (density - 0.5))


def oscillator_energy(phonons: Phonons, coordinate: Sites) -> Float[Array, ""]:
    """sum_i K_i x_i^2 / (2 eta_i): potential energy of x = Q, kinetic energy of x = P."""
    return jnp.sum(phonons.frequency / (2 * phonons.eta) * coordinate**2)
