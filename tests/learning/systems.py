"""Small trajectories and every kind of learner, disturbed so that nothing is zero."""

from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from qnano import lattice
from qnano.learning.data import Trajectories, quenches, trajectories
from qnano.learning.weights import make

LOCAL = {"kind": "equivariant", "width": 4, "base": "valdemoro"}
CLOSURES = {
    "blend": {"kind": "blend", "width": 3},
    "equivariant": LOCAL | {"dissipative": True, "features": {"radial": 2}},
    "dense": {"kind": "dense", "width": 4, "base": "nakatsuji_yasuda"},
    "modes": {"kind": "modes", "local": LOCAL, "modes": 2},
    "three_body": {"kind": "three_body", "width": 3},
}
BLACK_BOX = {"kind": "black_box", "width": 8}
SHARED = ("blend", "equivariant", "modes", "three_body")


def learner(settings, sites=4, size=0.05):
    """An untrained learner whose weights are all moved by random numbers."""
    random = np.random.default_rng(1)  # JAX would compile a program for every shape

    def moved(x):
        return jnp.asarray(np.asarray(x) + size * random.normal(size=x.shape)) if eqx.is_inexact_array(x) else x

    return jax.tree.map(moved, make(settings, sites))


@cache
def some(sites: int = 4, end: float = 2.0, samples: int = 21) -> Trajectories:
    """Two traps and a random potential at two interactions."""
    chain = lattice.chain(sites)
    chosen = quenches(chain, "trap", (0.3, 0.6), (1.0, 2.0)) + quenches(chain, "random", (0.5,), (1.0,), seed=3)
    return trajectories(chain, (sites // 2, sites // 2), chosen, jnp.linspace(0.0, end, samples))
