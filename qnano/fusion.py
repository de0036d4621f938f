"""A fence against the compiler's habit of computing a cheap-looking array again wherever it is used.

XLA's CPU backend fuses an elementwise producer into each of its consumers. Where one array is read in several index orders, as
in a symmetrisation, it is so computed several times, element by element and out of order: a TD2RDM right-hand side then takes
2.5 times as long. `jax.lax.optimization_barrier` is gone before fusion; a conditional is not.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.experimental.layout import Layout, with_layout_constraint
from jaxtyping import Array, PyTree


def computed_once(function: Callable[..., Array], *operands: PyTree[Array]) -> Array:
    """function(*operands), stored before anything reads it; differentiable and batchable like the function itself."""
    function = jax.jit(function)  # so that it is traced once, and not for every branch

    def fenced(*operands: PyTree[Array]) -> Array:
        # The barrier lives long enough to keep the predicate from being folded.
        always = jax.lax.optimization_barrier(jnp.array(True))
        like = jax.eval_shape(function, *operands)
        return jax.lax.cond(always, function, lambda *_: jnp.zeros(like.shape, like.dtype), *operands)

    # A GPU would wait for the predicate, and does not need the fence.
    return jax.lax.platform_dependent(*operands, cpu=fenced, default=function)


def in_order(x: Array) -> Array:
    """`x`; on a GPU it is stored with its last index running fastest.

    There the compiler else stores a sum of transposed arrays in the order that suits one of them or one reader, and turns all
    others to that in passes of their own. JAX before 0.11 may return wrongly what is such an array, transposed.
    """
    if jax.__version_info__ < (0, 11):
        return x
    layout = Layout(major_to_minor=tuple(range(x.ndim)))
    return jax.lax.platform_dependent(x, cuda=lambda x: with_layout_constraint(x, layout), default=lambda x: x)
