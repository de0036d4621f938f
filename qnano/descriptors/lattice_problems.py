"""Random problems on periodic lattices with their answers: what closures and regressions on lattice densities can be tried on.

Spinless electrons fill the lowest levels of hopping 1 in a smooth random potential; the answer asked for is the mean field of their
density under a given interaction,

    h = -sum_<ij> c+_i c_j + sum_i u_i n_i,        v_i = sum_j w(i - j) n_j.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from qnano.border import numbers


class LatticeProblem(NamedTuple):
    """Potential u, density matrix and density of its ground state, and the mean field v of that density; in row-major order."""

    potential: Float[np.ndarray, "*site"]
    one_rdm: Float[np.ndarray, "s s"]
    density: Float[np.ndarray, "*site"]
    field: Float[np.ndarray, "*site"]


def lattice_problems(
    count: int, interaction: Float[np.ndarray, "*site"], electrons: int, seed: int, finest: int | None = None
) -> list[LatticeProblem]:
    """So many of them on the ring, rectangle or box of the interaction w, each fixed by the seed and its place alone.

    Potentials are waves of up to `finest` periods along the lattice, a sixth of the shortest side if not given, with normal
    amplitudes. Raises `ValueError` for electrons that the lattice does not hold or no wave that fits.
    """
    numbers("interaction", interaction)
    for key, value, least in (("count", count, 1), ("electrons", electrons, None), ("seed", seed, 0)):
        numbers(key, value, kind="integer", shape=(), least=least)
    shape = interaction.shape
    waves = min(shape) // 6 if finest is None else finest
    numbers("finest", waves, kind="integer", shape=())
    if not 0 < electrons < interaction.size:
        raise ValueError(f"electrons: got {electrons}; must be from 1 to {interaction.size - 1} on {interaction.size} sites")
    if not 0 < waves <= min(shape) // 2:
        raise ValueError(f"finest: got {waves}; must be from 1 to {min(shape) // 2}, half of the shortest side")
    return [_problem(interaction, electrons, waves, np.random.default_rng([seed, k])) for k in range(count)]


def hartree(interaction: Float[Array | np.ndarray, "*site"], density: Float[Array, "*site"]) -> Float[Array, "*site"]:
    """v_i = sum_j w(i - j) n_j on a periodic lattice; `interaction` is w at the displacement that the index counts."""
    return jnp.fft.irfftn(jnp.fft.rfftn(jnp.asarray(interaction)) * jnp.fft.rfftn(density), s=density.shape)


def _problem(interaction: Float[np.ndarray, "*site"], electrons: int, finest: int, rng: np.random.Generator) -> LatticeProblem:
    shape, size = interaction.shape, interaction.size
    places = np.stack(np.meshgrid(*(np.arange(side) / side for side in shape), indexing="ij"), axis=-1)
    waves = np.array([m for m in np.ndindex(*(2 * finest + 1,) * len(shape))]) - finest
    waves = [m for m in waves if 0 < m @ m <= finest**2 and tuple(m) > (0,) * len(shape)]
    potential = np.zeros(shape)
    for wave in waves:
        phase = 2 * np.pi * places @ wave
        potential += rng.normal() * np.cos(phase) + rng.normal() * np.sin(phase)
    hopping, number = np.zeros((size, size)), np.arange(size).reshape(shape)
    for axis in range(len(shape)):
        hopping[number.ravel(), np.roll(number, -1, axis).ravel()] = -1.0
    _, levels = np.linalg.eigh(hopping + hopping.T + np.diag(potential.ravel()))
    one_rdm = levels[:, :electrons] @ levels[:, :electrons].T
    density = np.diagonal(one_rdm).reshape(shape)
    return LatticeProblem(potential, one_rdm, density, np.asarray(hartree(interaction, jnp.asarray(density))))
