"""A fence against the compiler's habit of computing a cheap-looking array again wherever it is used.

XLA's CPU backend fuses an elementwise producer into each of its consumers. Where one array is read in several index orders, as
in a symmetrisation, it is so computed several times, element by element and out of order: a TD2RDM right-hand side then takes
2.5 times as long. `jax.lax.optimization_barrier` is gone before fusion; a conditional is not.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree


def computed_once(function: Callable[..., Any], *operands: PyTree[Array]) -> Any:
    """function(*operands), arrays, stored before anything reads it; differentiable and batchable like the function itself."""
    function = jax.jit(function)  # so that it is traced once, and not for every branch

    def fenced(*operands: PyTree[Array]) -> Any:
        # The barrier lives long enough to keep the predicate from being folded.
        always = jax.lax.optimization_barrier(jnp.array(True))
        like = jax.eval_shape(function, *operands)
        return jax.lax.cond(always, function, lambda *_: jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), like), *operands)

    # A GPU would wait for the predicate, and does not need the fence.
    return jax.lax.platform_dependent(*operands, cpu=fenced, default=function)
