"""Diagonals of arrays, read as such.

`einsum("ikjk->ij", x)` is compiled into "set all of x but the diagonal to zero, then add everything up": three times through an array
of which a small part is wanted. Here the part alone is gathered; no element twice, so that its derivative is no loop of scatters.
"""

import jax.numpy as jnp
from jaxtyping import Array, Inexact


def diagonal(x: Inexact[Array, "..."], letters: str) -> Inexact[Array, "..."]:
    """What stands where axes of the same letter have the same index, as in "abxb->abx"."""
    given, wanted = letters.split("->")
    repeated = {letter for letter in given if given.count(letter) > 1}
    others = "".join(letter for letter in given if letter not in repeated)
    front = "".join(sorted(repeated))
    ahead = [axis for letter in front for axis in range(len(given)) if given[axis] == letter]
    turned = x.transpose(ahead + [given.index(letter) for letter in others])
    places = jnp.meshgrid(*(jnp.arange(x.shape[given.index(letter)]) for letter in front), indexing="ij")
    index = tuple(place for place, letter in zip(places, front, strict=True) for _ in range(given.count(letter)))
    found = turned.at[index].get(unique_indices=True, mode="promise_in_bounds")
    return found.transpose([(front + others).index(letter) for letter in wanted])
