"""Diagonals of arrays, read as such.

`einsum("ikjk->ij", x)` is compiled into "set all of x but the diagonal to zero, then add everything up": three times through an
array of which a small part is wanted. Here the part alone is gathered; no element twice, so that its derivative is no loop of
scatters.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Inexact


def diagonal(x: Inexact[Array | np.ndarray, "..."], letters: str) -> Inexact[Array, "..."]:
    """What stands where the axes of one repeated letter have the same index, as in "abxb->abx"."""
    x, (given, wanted) = jnp.asarray(x), letters.split("->")
    (repeated,) = {letter for letter in given if given.count(letter) > 1}
    first, last = given.index(repeated), given.rindex(repeated)
    places = jnp.arange(x.shape[first])
    index = tuple(places if letter == repeated else slice(None) for letter in given)
    found = x.at[index].get(unique_indices=True, mode="promise_in_bounds")
    together = set(given[first : last + 1]) == {repeated}
    others = given.replace(repeated, "")
    order = others[:first] + repeated + others[first:] if together else repeated + others
    return found.transpose([order.index(letter) for letter in wanted])


def placed(x: Any, letters: str, axes: str) -> Any:
    """`x` with its axes named by `letters`, along `axes`: of length one where it has none of that name, so that it broadcasts.

    A letter that comes again takes a diagonal.
    """
    there = "".join(axis for axis in axes if axis in letters)
    if len(there) == len(letters):
        found = x.transpose([letters.index(axis) for axis in there])
    else:
        found = diagonal(x, f"{letters}->{there}")
    return jnp.expand_dims(found, [k for k, axis in enumerate(axes) if axis not in there])
