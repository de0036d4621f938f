"""Atoms without any symmetry in a cell without right angles."""

import jax.numpy as jnp
import numpy as np

from qnano.descriptors.atoms import Atoms, make_atoms

CELL = np.array([[7.0, 0.0, 0.0], [1.0, 6.0, 0.0], [-0.5, 1.0, 8.0]])
POSITIONS = np.random.default_rng(0).uniform(0, 7, (6, 3))
NAMES = ["Na", "Na", "Cl", "Cl", "Na", "Cl"]
CHARGES = jnp.asarray([1.0, 1.0, -1.0, -1.0, 1.0, -1.0])


def skew(positions=POSITIONS, cell=CELL) -> Atoms:
    return make_atoms(positions, cell, NAMES, ["Na", "Cl"])


def rotation(seed: int = 0) -> np.ndarray:
    matrix, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return matrix * np.sign(np.linalg.det(matrix))
