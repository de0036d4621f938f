"""Frames: atoms with the energies and forces that a model is to learn. Made here, or read from files (`qnano.extended_xyz`)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from qnano.border import complaint, numbers
from qnano.descriptors.atoms import Atoms, Pairs, find_pairs, find_waves, make_atoms, padded_pairs, padded_waves
from qnano.descriptors.ewald import ewald_energy, ewald_forces
from qnano.descriptors.kernels import InversePower
from qnano.extended_xyz import Frame
from qnano.extended_xyz import read_frames as read_frames

IONS, CHARGES = ("cation", "anion"), (1.0, -1.0)
SMEARING = 1.6  # A, of the splitting in the energies of an ion gas: good to 2e-9 of their spread
TRIES = 10_000


def ion_gas(
    frames: int, pairs: int, sides: tuple[float, float], distance: float, seed: int, forces: bool = False, exponent: int = 1
) -> list[Frame]:
    """Ions of charge +1 and -1, put one after the other at random into cubes of random side, no two nearer than `distance`.

    Their energies are sums of q q / r^p, for p = 1 Coulomb's in e^2/A; with `forces` those too. Frame k is the same whatever
    their number, and energies are those of double precision whatever JAX's. Raises `ValueError` where ions find no place.
    """
    for key, value, least in (("frames", frames, 1), ("pairs", pairs, 1), ("seed", seed, 0)):
        numbers(key, value, kind="integer", shape=(), least=least)
    _require_ascending("sides", sides, above=0)
    numbers("distance", distance, shape=(), least=0)
    with jax.enable_x64(True):
        return [
            _with_energy(*_placed(pairs, sides, distance, np.random.default_rng([seed, k])), forces, exponent)
            for k in range(frames)
        ]


def _require_ascending(key: str, ends: Any, **bounds: Any) -> None:
    numbers(key, ends, shape=(2,), **bounds)
    if ends[0] > ends[1]:
        raise ValueError(complaint(key, ends, "must ascend"))


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


def _with_energy(positions: Float[np.ndarray, "ion 3"], side: float, forces: bool, exponent: int) -> Frame:
    count = len(positions)
    names = tuple(IONS[k % 2] for k in range(count))
    cell = side * np.eye(3)
    atoms = make_atoms(positions, cell, names, IONS)
    charges = jnp.asarray(CHARGES)[atoms.species]
    waves = padded_waves([find_waves(cell, 6.5 / SMEARING)], 2048)[0]
    pairs = padded_pairs([find_pairs(atoms, 6.5 * SMEARING)], count, 8192)
    given = InversePower(exponent, SMEARING), charges, atoms, waves, jax.tree.map(lambda x: x[0], pairs)
    return Frame(positions, cell, names, float(_energy(*given)), np.asarray(_forces(*given)) if forces else None)


_energy, _forces = jax.jit(ewald_energy), jax.jit(ewald_forces)


def polarisable_chains(frames: int, atoms: tuple[int, int], side: float, seed: int, bond: float = 1.9) -> list[Frame]:
    """Bent chains of atoms of polarisability 1 A^3 in the middle of a cube, and the polarisability (A^3) of each as its `tensor`.

    alpha_ab = sum_ij (1 - T)^-1_(ia,jb), T_ij = (3 r r^T / r^2 - 1) / r^3: dipoles that induce each other (Applequist, Carl and
    Fung, J. Am. Chem. Soc. 94, 2952 (1972)), of the chain alone, without its images. Bonds turn by up to 60 degrees; the energy
    stands at 0. A chain that comes so near to itself that its response has no bound is drawn anew. Raises `ValueError` for a cube
    that the longest chain does not fit into, and for bonds that leave no such bound.
    """
    numbers("frames", frames, kind="integer", shape=(), least=1)
    numbers("seed", seed, kind="integer", shape=(), least=0)
    _require_ascending("atoms", atoms, kind="integer", least=1)
    numbers("bond", bond, shape=(), least=1.69)  # closer, a long straight chain has no bound
    numbers("side", side, shape=(), above=0)
    if atoms[1] * bond > side:
        raise ValueError(f"side: got {side} A; must be at least {atoms[1] * bond:g} A, the longest chain")
    return [_chain(atoms, side, bond, np.random.default_rng([seed, k])) for k in range(frames)]


def _chain(atoms: tuple[int, int], side: float, bond: float, rng: np.random.Generator) -> Frame:
    direction, places = rng.normal(size=3), [np.zeros(3)]
    direction /= np.linalg.norm(direction)
    for _ in range(rng.integers(atoms[0], atoms[1] + 1) - 1):
        places.append(places[-1] + bond * direction)
        aside = np.cross(direction, rng.normal(size=3))
        angle = rng.uniform(0, np.pi / 3)
        direction = np.cos(angle) * direction + np.sin(angle) * aside / np.linalg.norm(aside)
    positions = np.array(places) - np.mean(places, axis=0) + side / 2
    x = positions[:, None] - positions
    r = np.linalg.norm(x, axis=-1) + np.eye(len(x))
    field = (3 * np.einsum("ija,ijb->ijab", x, x) / r[..., None, None] ** 2 - np.eye(3)) / r[..., None, None] ** 3
    field[np.arange(len(x)), np.arange(len(x))] = 0.0
    stiffness = np.eye(3 * len(x)) - field.transpose(0, 2, 1, 3).reshape(3 * len(x), -1)
    if np.linalg.eigvalsh(stiffness)[0] <= 0:  # nearer than about 1.3 A atoms would polarise each other without bound
        return _chain(atoms, side, bond, rng)
    response = np.linalg.inv(stiffness)
    polarisability = response.reshape(len(x), 3, len(x), 3).sum(axis=(0, 2))
    return Frame(positions, side * np.eye(3), ("C",) * len(x), 0.0, tensor=polarisability)


def turning(tensor: Float[np.ndarray, "..."], order: int) -> Float[np.ndarray, " mu"]:
    """What of a vector (order 1) or a symmetric tensor (orders 0 and 2) turns like Y_lm; norms are kept.

    Raises `ValueError` where it has no such part.
    """
    numbers("tensor", tensor)
    numbers("order", order, kind="integer", shape=())
    t = np.asarray(tensor, float)
    if order == 1 and t.shape == (3,):
        return t[[1, 2, 0]]
    if order == 0 and t.shape == (3, 3):
        return np.array([np.trace(t) / 3**0.5])
    if order == 2 and t.shape == (3, 3):
        s = (t + t.T) / 2**0.5
        return np.array([s[0, 1], s[1, 2], (2 * t[2, 2] - t[0, 0] - t[1, 1]) / 6**0.5, s[0, 2], (t[0, 0] - t[1, 1]) / 2**0.5])
    raise ValueError(f"order: got {order} of {t.size} numbers; a vector has 1, a symmetric tensor 0 and 2")


class Batch(NamedTuple):
    """Frames of one program: atoms, waves and pairs with a first axis, padded to the same shapes."""

    atoms: Atoms
    waves: jax.Array
    pairs: Pairs


def batched(
    frames: Sequence[Frame], known: Sequence[str], waves: float, cutoff: float, nearest: float = 0.1, atoms: int = 0
) -> Batch:
    """Frames padded to a batch of at least so many `atoms` each, with waves up to |k| = `waves` and pairs up to `cutoff`.

    Raises `ValueError`, naming the frame, for unknown species, cells without volume and atoms that overlap.
    """
    most, found = max(atoms, *(len(frame.names) for frame in frames)), []
    for k, frame in enumerate(frames):
        try:
            there = make_atoms(frame.positions, frame.cell, frame.names, known, inside=True)
            found.append((there, find_pairs(there, cutoff, nearest), find_waves(frame.cell, waves)))
        except ValueError as error:
            raise ValueError(f"{frame.origin or f'frame {k}'}: {error}") from None
    stacked = jax.tree.map(lambda *x: jnp.asarray(np.stack(x)), *(_padded(there, most) for there, _, _ in found))
    return Batch(stacked, padded_waves([x for _, _, x in found], 1024), padded_pairs([x for _, x, _ in found], most, 1024))


def _padded(atoms: Atoms, most: int) -> Atoms:
    more = most - len(atoms.species)
    positions = np.pad(np.asarray(atoms.positions), ((0, more), (0, 0)))
    species = np.pad(np.asarray(atoms.species), (0, more), constant_values=atoms.kinds)
    return Atoms(jnp.asarray(positions), atoms.cell, jnp.asarray(species), atoms.kinds)
