"""Atoms in a periodic cell of any shape; the waves that fit into the cell, and the pairs of atoms within a distance.

Waves and pairs are integers, found on the host once for a geometry: positions and cell may then be differentiated by. Both may be
padded, with zeros and with `centre` = number of atoms, so that frames of different size share one compiled program.
"""

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int
from scipy.spatial import KDTree

from qnano.border import complaint, numbers
from qnano.extended_xyz import FARTHEST, spans_volume

Waves = Int[Array, "wave 3"]
MOST = 10**8  # waves, pairs or images of a frame: some GB of integers
ONE_PLACE = 1e-6  # A, below which two atoms are at one place


class Atoms(eqx.Module):
    """Positions, the cell's vectors as rows, and for each atom the number of its species, below `kinds`.

    A species equal to `kinds` marks an atom that is not there, which pads a frame.
    """

    positions: Float[Array, "atom 3"]
    cell: Float[Array, "3 3"]
    species: Int[Array, " atom"]
    kinds: int = eqx.field(static=True)

    def __check_init__(self):
        numbers("positions", self.positions, shape=(None, 3))
        numbers("cell", self.cell, shape=(3, 3))
        numbers("species", self.species, kind="integer", shape=(self.positions.shape[0],), least=0)
        numbers("kinds", self.kinds, kind="integer", shape=(), least=1)

    @property
    def volume(self) -> Float[Array, ""]:
        return jnp.abs(_spat(self.cell)[0])

    @property
    def dual(self) -> Float[Array, "3 3"]:
        """Rows b_i with b_i . a_j = delta_ij. In closed form: a factorisation of three rows takes a GPU as long as one of many."""
        spat, crosses = _spat(self.cell)
        return crosses / spat

    @property
    def members(self) -> Float[Array, "atom kind"]:
        """1 where an atom is of a species."""
        return jax.nn.one_hot(self.species, self.kinds, dtype=self.positions.dtype)

    def wave_vectors(self, waves: Waves) -> Float[Array, "wave 3"]:
        """k with k . a_i = 2 pi m_i."""
        return 2 * jnp.pi * waves @ self.dual


def _spat(cell: Float[Array, "3 3"]) -> tuple[Float[Array, ""], Float[Array, "3 3"]]:
    """a_1 . (a_2 x a_3), which is negative for left-handed vectors, and a_2 x a_3, a_3 x a_1, a_1 x a_2."""
    crosses = jnp.cross(jnp.roll(cell, -1, axis=0), jnp.roll(cell, -2, axis=0))
    return jnp.sum(cell[0] * crosses[0]), crosses


class Pairs(NamedTuple):
    """Atoms `other` + shift . cell within a distance of atoms `centre`, without an atom itself."""

    centre: Int[Array, " pair"]
    other: Int[Array, " pair"]
    shift: Int[Array, "pair 3"]


def make_atoms(
    positions: Float[ArrayLike, "atom 3"],
    cell: Float[ArrayLike, "3 3"],
    names: Sequence[Any],
    known: Sequence[Any],
    *,
    inside: bool = False,
) -> Atoms:
    """Atoms whose species have these names, numbered as in `known`; with `inside`, all are put into the cell.

    Raises `ValueError` for a species that is not known, a cell without volume, such as that of a molecule in open space, and places
    so far away that JAX's precision loses 1e-3 of them.
    """
    numbers("positions", positions, shape=(len(names), 3), least=-FARTHEST, most=FARTHEST)
    numbers("cell", cell, shape=(3, 3), least=-FARTHEST, most=FARTHEST)
    places, box = np.asarray(positions, float), np.asarray(cell, float)
    if not spans_volume(box):
        raise ValueError(f"cell: got {box.tolist()}; must be three vectors that span a volume (put open systems into a large one)")
    if unknown := sorted(set(names) - set(known), key=str):
        raise ValueError(f"species: got {unknown[0]!r}; must be among {', '.join(map(str, known))}")
    number = {name: k for k, name in enumerate(known)}
    species = np.array([number[name] for name in names], np.int32)
    if inside:
        places = places - np.floor(places @ np.linalg.inv(box)) @ box
    kept = places.astype(jnp.result_type(float))
    if (lost := np.abs(kept.astype(float) - places)).max(initial=0.0) > 1e-3:
        far = places.flat[lost.argmax()].item()
        raise ValueError(complaint("positions", far, f"must be nearer in {kept.dtype}; put the atoms into the cell"))
    return Atoms(jnp.asarray(kept), jnp.asarray(box), jnp.asarray(species), len(known))


def find_waves(cell: Float[ArrayLike, "3 3"], cutoff: float) -> Waves:
    """Integer triples m of all waves with 0 < |k| <= cutoff, one of m and -m each.

    Raises `ValueError` for more of them than can be held.
    """
    numbers("cell", cell, shape=(3, 3))
    numbers("cutoff", cutoff, shape=(), least=0)
    box = np.asarray(cell, float)
    most = np.floor(cutoff * np.linalg.norm(box, axis=1) / (2 * np.pi))
    _require_few(cutoff, prod(2 * n + 1 for n in most), "waves in the cell")
    grid = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in most.astype(int)), indexing="ij"), axis=-1).reshape(-1, 3)
    first = np.where(grid[:, 0] != 0, grid[:, 0], np.where(grid[:, 1] != 0, grid[:, 1], grid[:, 2]))
    grid = grid[first > 0]
    k = 2 * np.pi * grid @ np.linalg.inv(box).T
    return jax.device_put(grid[np.linalg.norm(k, axis=1) <= cutoff].astype(np.int32))


def find_pairs(atoms: Atoms, cutoff: float, nearest: float = 0.0) -> Pairs:
    """All pairs within `cutoff`, images included, each in both directions. On the host, by a tree.

    Raises `ValueError` for atoms that are nearer to each other than `nearest`, or at one place, whatever the cutoff, and for more
    pairs than can be held.
    """
    numbers("cutoff", cutoff, shape=(), least=0)
    numbers("nearest", nearest, shape=(), least=0)
    least = max(nearest, ONE_PLACE)
    within = max(cutoff, least)
    box, places = np.asarray(atoms.cell, float), np.asarray(atoms.positions, float)
    there = np.flatnonzero(np.asarray(atoms.species) < atoms.kinds)
    fractional = places[there] @ np.linalg.inv(box)
    home = np.floor(fractional).astype(int)
    inside = (fractional - home) @ box
    margins = within * np.linalg.norm(np.linalg.inv(box), axis=0)  # in units of the cell's vectors
    _require_few(cutoff, len(there) * prod(2 * n + 1 for n in np.ceil(margins)), "images of the atoms")
    _require_few(cutoff, len(there) ** 2 * 4.2 * float(within) ** 3 / float(atoms.volume), "pairs")
    reach = np.ceil(margins).astype(int)
    shifts = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij"), axis=-1).reshape(-1, 3)
    images = (fractional - home)[None] + shifts[:, None]
    near = np.all((images > -margins - 1e-9) & (images < 1 + margins + 1e-9), axis=-1)
    which, atom = np.nonzero(near)
    found = KDTree(inside).sparse_distance_matrix(KDTree(images[near] @ box), within, output_type="ndarray")
    centre, other, shift = found["i"], atom[found["j"]], shifts[which[found["j"]]]
    apart = (centre != other) | shift.any(axis=1)
    close = apart & (found["v"] <= least)
    if close.any():
        k = np.flatnonzero(close)[found["v"][close].argmin()]
        pair = f"atoms {there[centre[k]]} and {there[other[k]]} are {found['v'][k]:.3g} apart"
        raise ValueError(f"positions: {pair}; must be more than {nearest:.3g}")
    apart &= found["v"] <= cutoff
    centre, other, shift = centre[apart], other[apart], shift[apart] - home[other[apart]] + home[centre[apart]]
    order = np.lexsort((*shift.T, other, centre))

    def integer(x):
        return jax.device_put(x[order].astype(np.int32))  # compiles nothing

    return Pairs(integer(there[centre]), integer(there[other]), integer(shift))


def _require_few(cutoff: Any, count: float, what: str) -> None:
    if count > MOST:
        raise ValueError(complaint("cutoff", float(cutoff), f"must be smaller: makes {count:.1e} {what}, of at most {MOST:.0e}"))


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
