"""One large state over several devices, along its first index.

A state whose arrays lie on several devices is propagated on all of them: the compiler splits every operation and sends what a
device lacks from the others.
"""

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, PyTree


def shared_out(state: PyTree[Array]) -> tuple[PyTree[Array], str | None]:
    """The state over as many local devices as divide the first dimension of all its arrays; single numbers on every one.

    With it comes what to say where some are left out.
    """
    lengths = [leaf.shape[0] for leaf in jax.tree.leaves(state) if leaf.ndim]
    devices = jax.local_devices()
    count = max(n for n in range(1, len(devices) + 1) if all(length % n == 0 for length in lengths))
    told = None
    if count < len(devices):
        told = f"shared out among {count} of {len(devices)} devices: no larger number divides its first index, of {min(lengths)}"
    mesh = Mesh(np.array(devices[:count]), ("first",))

    def placed(leaf: Array) -> Array:
        return jax.device_put(leaf, NamedSharding(mesh, PartitionSpec("first") if leaf.ndim else PartitionSpec()))

    return jax.tree.map(placed, state), told
