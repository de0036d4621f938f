"""Frames: atoms with the energies and forces that a model is to learn. Made, or read from extended XYZ files."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from qnano.descriptors.atoms import Atoms, Pairs, find_pairs, find_waves, make_atoms, padded_pairs, padded_waves
from qnano.descriptors.ewald import ewald_energy
from qnano.descriptors.kernels import InversePower
from qnano.errors import InputError

IONS, CHARGES = ("cation", "anion"), (1.0, -1.0)
SMEARING = 1.6  # A, of the splitting in the energies of an ion gas: good to 2e-9 of their spread
TRIES = 10_000


class Frame(NamedTuple):
    """Positions and cell in A; a name for each atom; the energy, and forces if they are known."""

    positions: Float[np.ndarray, "atom 3"]
    cell: Float[np.ndarray, "3 3"]
    names: tuple[str, ...]
    energy: float
    forces: Float[np.ndarray, "atom 3"] | None = None


def ion_gas(frames: int, pairs: int, sides: tuple[float, float], distance: float, seed: int) -> list[Frame]:
    """Ions of charge +1 and -1, put one after the other at random into cubes of random side, no two nearer than `distance`.

    Their energies are Coulomb's, in e^2/A. Frame k is the same whatever their number. Raises `ValueError` where ions find no place.
    """
    return [_with_energy(*_placed(pairs, sides, distance, np.random.default_rng([seed, k]))) for k in range(frames)]


def _placed(
    pairs: int, sides: tuple[float, float], distance: float, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "ion 3"], float]:
    side = rng.uniform(*sides)
    placed = np.empty((2 * pairs, 3))
    for k in range(2 * pairs):
        for _ in range(TRIES // 64):
            tried = rng.uniform(0, side, (64, 3))
            apart = tried[:, None] - placed[:k]
            apart -= side * np.round(apart / side)
            free = np.flatnonzero(np.all(np.sum(apart**2, axis=-1) > distance**2, axis=1))
            if len(free):
                placed[k] = tried[free[0]]
                break
        else:
            raise ValueError(f"distance: got {distance} A; {2 * pairs} ions that far apart do not fit into a cube of {side:.3g} A")
    return placed, side


def _with_energy(positions: Float[np.ndarray, "ion 3"], side: float) -> Frame:
    count = len(positions)
    names = tuple(IONS[k % 2] for k in range(count))
    cell = side * np.eye(3)
    atoms = make_atoms(positions, cell, names, IONS)
    charges = jnp.asarray(CHARGES)[atoms.species]
    waves = padded_waves([find_waves(cell, 6.5 / SMEARING)], 2048)[0]
    pairs = padded_pairs([find_pairs(atoms, 6.5 * SMEARING)], count, 8192)
    energy = _energy(InversePower(1, SMEARING), charges, atoms, waves, jax.tree.map(lambda x: x[0], pairs))
    return Frame(positions, cell, names, float(energy))


_energy = jax.jit(ewald_energy)


def read_frames(path: str | Path, energy: str = "energy", forces: str | None = None) -> list[Frame]:
    """Frames of an extended XYZ file; `energy` and `forces` name its columns. Needs the extra `atoms` (ASE).

    Raises `InputError` for a file that cannot be read, an open cell, or an energy or forces that are not there.
    """
    try:
        from ase.io import read
    except ImportError:
        raise InputError(f"{path}: reading it needs ASE: pip install qnano[atoms]") from None
    try:
        found = read(path, index=":", format="extxyz")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise InputError(
            f"{path}: cannot be read as extended XYZ: {str(error).splitlines()[0] if str(error) else error!r}"
        ) from None
    return [_from_ase(atoms, f"{path}: frame {k}", energy, forces) for k, atoms in enumerate(found)]


def _from_ase(atoms, where: str, energy: str, forces: str | None) -> Frame:
    if not atoms.pbc.all() or abs(atoms.cell.volume) < 1e-8:
        raise InputError(f"{where}: open along an axis; must have a cell and be periodic (put a molecule into a large one)")
    computed = atoms.calc.results if atoms.calc else {}
    value, pushed = {**atoms.info, **computed}.get(energy), None
    if not isinstance(value, int | float | np.number):
        raise InputError(f"{where}: has no number {energy!r}; has {', '.join(map(str, {**atoms.info, **computed})) or 'none'}")
    if forces is not None:
        pushed = {**atoms.arrays, **computed}.get(forces)
        if pushed is None or np.shape(pushed) != atoms.positions.shape:
            raise InputError(f"{where}: has no forces {forces!r}; has {', '.join(map(str, {**atoms.arrays, **computed}))}")
    return Frame(atoms.positions, atoms.cell.array, tuple(atoms.get_chemical_symbols()), float(value), pushed)


class Batch(NamedTuple):
    """Frames of one program: atoms, waves and pairs with a first axis, padded to the same shapes."""

    atoms: Atoms
    waves: jax.Array
    pairs: Pairs


def batched(frames: Sequence[Frame], known: Sequence[str], waves: float, cutoff: float, nearest: float = 0.1) -> Batch:
    """Frames padded to a batch, with waves up to |k| = `waves` and pairs up to `cutoff`.

    Raises `ValueError`, naming the frame, for unknown species, cells without volume and atoms that overlap.
    """
    most, found = max(len(frame.names) for frame in frames), []
    for k, frame in enumerate(frames):
        try:
            atoms = make_atoms(frame.positions, frame.cell, frame.names, known)
            found.append((atoms, find_pairs(atoms, cutoff, nearest), find_waves(frame.cell, waves)))
        except ValueError as error:
            raise ValueError(f"frame {k}: {error}") from None
    stacked = jax.tree.map(lambda *x: jnp.asarray(np.stack(x)), *(_padded(atoms, most) for atoms, _, _ in found))
    return Batch(stacked, padded_waves([x for _, _, x in found], 1024), padded_pairs([x for _, x, _ in found], most, 1024))


def _padded(atoms: Atoms, most: int) -> Atoms:
    more = most - len(atoms.species)
    positions = np.pad(np.asarray(atoms.positions), ((0, more), (0, 0)))
    species = np.pad(np.asarray(atoms.species), (0, more), constant_values=atoms.kinds)
    return Atoms(jnp.asarray(positions), atoms.cell, jnp.asarray(species), atoms.kinds)
