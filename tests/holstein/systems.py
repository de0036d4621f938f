"""Models and starts that the tests share."""

import jax
import jax.numpy as jnp
import numpy as np

from qnano import lattice
from qnano.holstein.ehrenfest import EhrenfestState
from qnano.holstein.model import Holstein


def ring(sites: int, coupling, **parameters) -> Holstein:
    return Holstein(lattice.chain(sites, True), coupling, **parameters)


def random_state(sites: int, orbitals: int, seed: int = 0) -> EhrenfestState:
    """Orbitals of unequal weight in a random lattice: a mixed state without any symmetry."""
    rng = np.random.default_rng(seed)
    vectors = np.linalg.qr(rng.normal(size=(sites, orbitals)) + 1j * rng.normal(size=(sites, orbitals)))[0]
    weights = rng.uniform(0.2, 1.0, orbitals)
    return EhrenfestState(jnp.asarray(vectors.T * np.sqrt(weights)[:, None]), *jnp.asarray(rng.normal(scale=0.3, size=(2, sites))))


def stacked(state: EhrenfestState) -> np.ndarray:
    """All numbers of a state in one vector."""
    return np.concatenate([np.ravel(x) for x in jax.tree.leaves(state)])
