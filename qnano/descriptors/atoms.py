"""Atoms in a periodic cell of any shape; the waves that fit into the cell, and the pairs of atoms within a distance.

Waves and pairs are integers, found on the host once for a geometry: positions and cell may then be differentiated by. Both may be
padded, with zeros and with `centre` = number of atoms, so that frames of different size share one compiled program.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int
from scipy.spatial import KDTree

Waves = Int[Array, "wave 3"]


class Atoms(eqx.Module):
    """Positions, the cell's vectors as rows, and for each atom the number of its species, below `kinds`.

    A species equal to `kinds` marks an atom that is not there, which pads a frame.
    """

    positions: Float[Array, "atom 3"]
    cell: Float[Array, "3 3"]
    species: Int[Array, " atom"]
    kinds: int = eqx.field(static=True)

    @property
    def volume(self) -> Float[Array, ""]:
        return jnp.abs(jnp.linalg.det(self.cell))

    @property
    def members(self) -> Float[Array, "atom kind"]:
        """1 where an atom is of a species."""
        return jax.nn.one_hot(self.species, self.kinds, dtype=self.positions.dtype)

    def wave_vectors(self, waves: Waves) -> Float[Array, "wave 3"]:
        """k with k . a_i = 2 pi m_i."""
        return 2 * jnp.pi * waves @ jnp.linalg.inv(self.cell).T


class Pairs(NamedTuple):
    """Atoms `other` + shift . cell within a distance of atoms `centre`, without an atom itself."""

    centre: Int[Array, " pair"]
    other: Int[Array, " pair"]
    shift: Int[Array, "pair 3"]


def make_atoms(
    positions: Float[ArrayLike, "atom 3"], cell: Float[ArrayLike, "3 3"], names: Sequence[Any], known: Sequence[Any]
) -> Atoms:
    """Atoms whose species have these names, numbered as in `known`.

    Raises `ValueError` for a species that is not known and a cell without volume, such as that of a molecule in open space.
    """
    places, box = np.asarray(positions, float), np.asarray(cell, float)
    if places.ndim != 2 or places.shape != (len(names), 3):
        raise ValueError(f"positions: got shape {places.shape}; must be ({len(names)}, 3) (batch with vmap)")
    if not np.isfinite(places).all():
        atom = int(np.argmax(~np.isfinite(places).all(axis=1)))
        raise ValueError(f"positions: got {places[atom].tolist()} for atom {atom}; must be finite")
    if (
        box.shape != (3, 3)
        or not np.isfinite(box).all()
        or abs(np.linalg.det(box)) < 1e-8 * max(np.abs(box).max(), 1e-300) ** 3
        or not box.any()
    ):
        raise ValueError(f"cell: got {box.tolist()}; must be three vectors that span a volume (put open systems into a large one)")
    if unknown := sorted(set(names) - set(known), key=str):
        raise ValueError(f"species: got {unknown[0]!r}; must be among {', '.join(map(str, known))}")
    numbers = np.array([list(known).index(name) for name in names], np.int32)
    return Atoms(jnp.asarray(places), jnp.asarray(box), jnp.asarray(numbers), len(known))


def find_waves(cell: Float[ArrayLike, "3 3"], cutoff: float) -> Waves:
    """Integer triples m of all waves with 0 < |k| <= cutoff, one of m and -m each."""
    box = np.asarray(cell, float)
    most = np.floor(cutoff * np.linalg.norm(box, axis=1) / (2 * np.pi)).astype(int)
    grid = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in most), indexing="ij"), axis=-1).reshape(-1, 3)
    first = np.where(grid[:, 0] != 0, grid[:, 0], np.where(grid[:, 1] != 0, grid[:, 1], grid[:, 2]))
    grid = grid[first > 0]
    k = 2 * np.pi * grid @ np.linalg.inv(box).T
    return jnp.asarray(grid[np.linalg.norm(k, axis=1) <= cutoff], jnp.int32)


def find_pairs(atoms: Atoms, cutoff: float, nearest: float = 0.0) -> Pairs:
    """All pairs within `cutoff`, images included, each in both directions. On the host, by a tree.

    Raises `ValueError` for atoms that are nearer to each other than `nearest`, or at one place.
    """
    box, places = np.asarray(atoms.cell), np.asarray(atoms.positions)
    there = np.flatnonzero(np.asarray(atoms.species) < atoms.kinds)
    fractional = places[there] @ np.linalg.inv(box)
    home = np.floor(fractional).astype(int)
    inside = (fractional - home) @ box
    margins = cutoff * np.linalg.norm(np.linalg.inv(box), axis=0)  # in units of the cell's vectors
    reach = np.ceil(margins).astype(int)
    shifts = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij"), axis=-1).reshape(-1, 3)
    images = (fractional - home)[None] + shifts[:, None]
    near = np.all((images > -margins - 1e-9) & (images < 1 + margins + 1e-9), axis=-1)
    which, atom = np.nonzero(near)
    found = KDTree(inside).sparse_distance_matrix(KDTree(images[near] @ box), cutoff, output_type="ndarray")
    centre, other, shift = found["i"], atom[found["j"]], shifts[which[found["j"]]]
    apart = (centre != other) | shift.any(axis=1)
    close = apart & (found["v"] <= nearest)
    if close.any():
        k = np.flatnonzero(close)[found["v"][close].argmin()]
        pair = f"atoms {there[centre[k]]} and {there[other[k]]} are {found['v'][k]:.3g} apart"
        raise ValueError(f"positions: {pair}; must be more than {nearest:.3g}")
    centre, other, shift = centre[apart], other[apart], shift[apart] - home[other[apart]] + home[centre[apart]]
    order = np.lexsort((*shift.T, other, centre))
    integer = lambda x: jnp.asarray(x[order], jnp.int32)  # noqa: E731
    return Pairs(integer(there[centre]), integer(there[other]), integer(shift))


def padded_waves(waves: Sequence[Int[Array, "_ 3"]], multiple: int = 1) -> Int[Array, "frame longest 3"]:
    """Waves of several frames, with zeros after the shorter ones; as many as a `multiple`, so that few programs serve all."""
    longest = -(-max(map(len, waves)) // multiple) * multiple
    return jnp.asarray(np.stack([np.pad(x, ((0, longest - len(x)), (0, 0))) for x in map(np.asarray, waves)]))


def padded_pairs(pairs: Sequence[Pairs], atoms: int, multiple: int = 1) -> Pairs:
    """Pairs of several frames along a new first axis; those beyond have no centre among the `atoms` of a frame."""
    longest = -(-max(len(x.centre) for x in pairs) // multiple) * multiple

    def column(k: int, fill: int) -> Array:
        columns = [np.asarray(x[k]) for x in pairs]  # on the host: every length would be a program of its own
        widths = [((0, longest - len(x)), *((0, 0),) * (x.ndim - 1)) for x in columns]
        return jnp.asarray(np.stack([np.pad(x, width, constant_values=fill) for x, width in zip(columns, widths, strict=True)]))

    return Pairs(column(0, atoms), column(1, 0), column(2, 0))
