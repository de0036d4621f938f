"""What a propagation may start from: a state of the right form, and times that ascend.

Every solver is given what passes here, and none checks anything of it again. A state may be anything that becomes the arrays of its
form without a loss: lists, integers, real numbers where complex ones move. It is promoted, so that no equation of motion drops an
imaginary part. What JAX traces has no values; there, times that do not ascend make NaN of the state, and so a status.
"""

import itertools
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, PyTree

from qnano import border
from qnano.dynamics import Form


def admitted_times(times: Any) -> Float[Array, " time"]:
    """At least two times that never descend, in the precision set. Raises `ValueError` for others, as far as they are known."""
    border.numbers("times", times, shape=(None,))
    if np.shape(times)[0] < 2:
        raise ValueError(f"times: got {np.shape(times)[0]}; must be at least two, the first of which is that of the state")
    if not isinstance(times, Tracer):
        for here, after in itertools.pairwise(np.asarray(times)):
            if after < here:
                raise ValueError(f"times: got {after:g} after {here:g}; must ascend")
        _must_be_told_apart(np.asarray(times, float))
    return jnp.asarray(times, jnp.result_type(float))


def _must_be_told_apart(times: Float[np.ndarray, " time"]) -> None:
    """Raise `ValueError` where the precision that is set leaves no room for steps between times so far from 0."""
    first, last, finest = times[0], times[-1], 8 * float(jnp.finfo(jnp.result_type(float)).eps) * np.abs(times).max()
    if 0 < last - first <= finest * (len(times) - 1):
        rule = f"between {first:.9g} and {last:.9g} they cannot be told apart; must be fewer, or closer to 0"
        raise ValueError(f"times: got {len(times)}; {rule}")


def admitted_state(forms: Mapping[str, Form], state: PyTree[Any], moving: PyTree) -> PyTree[Array]:
    """`state` as arrays of these forms, in the widest precision of the state and of what is `moving` it.

    The keys of `forms` are places in the state as JAX writes them: "" for a state that is one array, "[0]", ".electrons". What has
    no form keeps its kind. Raises `ValueError` for another structure, shape or kind, and for numbers that are not finite, as far as
    their values are known.
    """
    if "" in forms and not hasattr(state, "dtype"):
        state = _array(state)
    leaves, structure = jax.tree_util.tree_flatten_with_path(state)
    named = {jax.tree_util.keystr(path): leaf for path, leaf in leaves}
    if missing := forms.keys() - named.keys():
        there, wanted = (", ".join(f"state{place}" for place in places) for places in (named, forms))
        raise ValueError(f"state: got {there or 'nothing'} without state{min(missing)}; must have {wanted}")
    for place, leaf in named.items():
        kind = "real" if place in forms and not forms[place].is_complex else "complex"
        border.numbers(f"state{place}", leaf, kind=kind, shape=forms[place].shape if place in forms else None)
    arrays = {place: leaf if hasattr(leaf, "dtype") else np.asarray(leaf) for place, leaf in named.items()}
    found = [leaf.dtype for leaf in (*jax.tree.leaves(moving), *arrays.values()) if eqx.is_inexact_array(leaf)]
    widest = jnp.finfo(jnp.result_type(*found) if found else jnp.result_type(float)).dtype

    def promoted(place: str, leaf: Any) -> Array:
        is_complex = forms[place].is_complex if place in forms else np.dtype(leaf.dtype).kind == "c"
        return jnp.asarray(leaf, jnp.result_type(widest, jnp.complex64) if is_complex else widest)

    return structure.unflatten(promoted(place, leaf) for place, leaf in arrays.items())


def _array(state: Any) -> Any:
    """Nested lists as an array; anything else, which is none, as it is."""
    try:
        return np.asarray(state)
    except ValueError:  # ragged
        return state


def lost_if_unordered(times: Float[Array, " time"], state: PyTree[Array]) -> PyTree[Array]:
    """`state`, or NaN in its place where traced times turn out not to ascend."""
    if not isinstance(times, Tracer):
        return state
    ascend = jnp.all(jnp.diff(times) >= 0)
    return jax.tree.map(lambda x: jnp.where(ascend, x, jnp.nan), state)
