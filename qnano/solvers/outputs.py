"""What is measured of many states: one by one on a CPU, where what is not wanted costs nothing; together on an accelerator, where
every kernel launched takes as long as many small states in it, and every decision waits for the host.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, PyTree

ROOM = 2**30  # bytes of the largest array that a measurement makes, of all states that are measured together


def saved_where(wanted: Bool[Array, " slot"], save: Callable[..., PyTree[Array]], *slots: PyTree[Array]) -> PyTree[Array]:
    """save(*slot) for each of the `slots`, which run along the first axes, and zeros for one that is not `wanted`."""
    program, shapes = jax.make_jaxpr(save, return_shape=True)(*jax.tree.map(lambda x: x[0], slots))
    together = _together(len(wanted), max(_sizes(program), default=0))

    def one_by_one(wanted: Bool[Array, " slot"], slots: tuple) -> PyTree[Array]:
        nothing = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
        return jax.lax.map(lambda slot: jax.lax.cond(slot[0], lambda: save(*slot[1]), lambda: nothing), (wanted, slots))

    def in_groups(wanted: Bool[Array, " slot"], slots: tuple) -> PyTree[Array]:
        saved = jax.lax.map(lambda slot: save(*slot), slots, batch_size=together)
        return jax.tree.map(lambda x: jnp.where(wanted.reshape(-1, *(1,) * (x.ndim - 1)), x, 0), saved)

    return jax.lax.platform_dependent(wanted, slots, cpu=one_by_one, default=in_groups)


def _together(count: int, bytes_: int) -> int:
    """How many of so many states are measured together: a divisor of their number."""
    return max(n for n in range(1, count + 1) if count % n == 0 and (n == 1 or n * bytes_ <= ROOM))


def _sizes(program: Any) -> Iterator[int]:
    """The bytes of every array that a program makes."""
    for equation in program.eqns:
        yield from (x.aval.size * x.aval.dtype.itemsize for x in equation.outvars if hasattr(x.aval, "dtype"))
        inner = jax.tree.leaves(tuple(equation.params.values()), is_leaf=lambda x: hasattr(x, "eqns"))
        for part in inner:
            if hasattr(part, "eqns"):
                yield from _sizes(part)
