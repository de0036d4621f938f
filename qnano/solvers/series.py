"""Sums of Chebyshev vectors, and their pullback by Clenshaw's recursion.

With H = c + r H~ and T_k the polynomials, the vectors and the sums are

    v_0 = psi,  v_1 = H~ v_0,  v_{k+1} = 2 H~ v_k - v_{k-1},        s_o = sum_k w_ok f_k v_k,   f_k = 1 (even k) or -i (odd k).

The sums grow by a chunk of vectors at a time, so that few of many large ones are held at once. The cotangents a_k of the vectors
obey the same recursion, from the last term down, with g_k = f_k sum_o w_ok s*_o for a source (Clenshaw, Math. Comp. 9, 118 (1955)),

    a_k = g_k + c_k H~^T a_{k+1} - a_{k+2},    c_0 = 1, otherwise 2,        dL = a_0 . dpsi + sum_k c_k a_{k+1} . dH~ v_k.

So a gradient takes one more application a term and one overlap, and the only vectors that are kept are the v_k of one series.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact, Int, PyTree

from qnano.hamiltonian import AbstractHamiltonian, Hermitian, turned

ROOM = 2**32  # bytes of the vectors that are held at once, where a few are not more
ADDED = 2**30  # bytes of what is added to the sums at once
FEWEST = 4  # pairs of them

Vector = Inexact[Array, "part *basis"]
Pair = tuple[Vector, Vector]
Vectors = Inexact[Array, "pair part *basis"]
Sums = Inexact[Array, "output part *basis"]


class Interval(NamedTuple):
    """Centre and half width of the spectrum."""

    centre: Float[Array, ""]
    radius: Float[Array, ""]

    @classmethod
    def between(cls, low: Float[Array, ""], high: Float[Array, ""]) -> "Interval":
        """From the ends of the spectrum."""
        return cls((low + high) / 2, jnp.maximum((high - low) / 2, 1e-3))


def series(hamiltonian: AbstractHamiltonian, psi: Vector, weights: Float[Array, "output k"], interval: Interval) -> Sums:
    """The sums over k < 2 n, for every output; differentiable backwards at this cost if `Hermitian`."""
    moving = (hamiltonian, psi, weights)
    if isinstance(hamiltonian, Hermitian):
        return _hermitian_series(moving, jax.lax.stop_gradient(interval))
    return _summed(moving, interval)


def _summed(moving: tuple, interval: Interval) -> Sums:
    hamiltonian, psi, weights = moving
    outputs, pairs = len(weights), weights.shape[1] // 2
    held, first = _held(psi, pairs), first_pair(hamiltonian, interval, psi)
    if held == pairs:
        return _totals(weights, *_vectors(hamiltonian, first, pairs, interval)[1])

    def chunk(carry: tuple, weights: Float[Array, "output k"]) -> tuple[tuple, None]:
        pair, sums = carry
        pair, vectors = _vectors(hamiltonian, pair, held, interval)
        return (pair, _added(sums, weights, *vectors)), None

    nothing = jnp.zeros((outputs, *psi.shape), psi.dtype)
    chunks = weights.reshape(outputs, pairs // held, 2 * held).swapaxes(0, 1)
    return jax.lax.scan(chunk, (first, nothing), chunks)[0][1]


_hermitian_series = eqx.filter_custom_vjp(_summed)


@_hermitian_series.def_fwd
def _forward(perturbed, moving, interval):
    hamiltonian, psi, weights = moving
    _, vectors = _vectors(hamiltonian, first_pair(hamiltonian, interval, psi), weights.shape[1] // 2, interval)
    return _totals(weights, *vectors), vectors


@_hermitian_series.def_bwd
def _backward(residuals, cotangent, perturbed, moving, interval):
    (hermitian, _, weights), (even, odd) = moving, residuals
    of_hamiltonian, _, of_weights = perturbed
    hamiltonian, differentiated = hermitian.inner, any(jax.tree.leaves(of_hamiltonian))

    def overlaps(costate: Vector, vector: Vector) -> PyTree[Array]:
        return hamiltonian.overlaps(costate, vector) if differentiated else None

    def descend(carry: tuple, pair: tuple) -> tuple[tuple, None]:
        above, further, total = carry  # a_{2j+2} and a_{2j+3}; the pair is of 2j and 2j+1
        vector, next_vector, source, next_source, factor = pair
        next_source = _turned_back(next_source)
        middle = next_source + 2 * _transposed(hamiltonian, interval, above) - further
        below = source + factor * _transposed(hamiltonian, interval, middle) - above
        both = overlaps(factor * middle, vector), overlaps(2 * above, next_vector)
        return (below, middle, jax.tree.map(lambda total, one, other: total + one + other, total, *both)), None

    def spread(w):
        return jnp.tensordot(w.T.astype(cotangent.dtype), cotangent, axes=1)

    factors = jnp.full(len(even), 2.0, weights.dtype).at[0].set(1.0)
    pairs = (even, odd, spread(weights[:, 0::2]), spread(weights[:, 1::2]), factors)
    none = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(overlaps, even[0], even[0]))
    start = (jnp.zeros_like(even[0]), jnp.zeros_like(even[0]), none)
    (costate, _, total), _ = jax.lax.scan(descend, start, pairs, reverse=True)

    slope = Hermitian(hamiltonian.slope(total)) if differentiated else hermitian
    slope = jax.tree.map(lambda wanted, x: x / interval.radius if wanted else None, of_hamiltonian, slope)
    if not of_weights:
        return slope, costate, None

    def dots(outer, vectors):
        return jnp.einsum("o...,k...->ok", outer, vectors).real

    by_weights = [dots(cotangent, even), dots(jax.vmap(_turned_back)(cotangent), odd)]
    return slope, costate, jnp.stack(by_weights, axis=-1).reshape(weights.shape)


def _turned_back(costate: Vector) -> Vector:
    """The transpose of `turned`."""
    return jax.linear_transpose(turned, costate)(costate)[0]


def _held(vector: Vector, pairs: int) -> int:
    """How many of so many pairs of vectors make a chunk: a divisor of their number."""
    most = max(FEWEST, ROOM // (2 * vector.size * vector.dtype.itemsize))
    return max(n for n in range(1, pairs + 1) if pairs % n == 0 and n <= most)


def _vectors(hamiltonian: AbstractHamiltonian, first: Pair, pairs: int, interval: Interval) -> tuple[Pair, tuple[Vectors, Vectors]]:
    """v_k of even and of odd k, so many pairs from the first on, and the pair that follows."""

    def recur(pair: Pair, _: Any) -> tuple[Pair, Pair]:
        return next_pair(hamiltonian, interval, *pair), pair

    return jax.lax.scan(recur, first, None, length=pairs)


def _added(sums: Sums, weights: Float[Array, "output k"], even: Vectors, odd: Vectors) -> Sums:
    """`sums` and what these vectors add to them, by blocks of the basis: a second array of the size of large sums is never made."""
    rows, size = sums.shape[2], sums.size * sums.dtype.itemsize
    blocks = min(n for n in range(1, rows + 1) if rows % n == 0 and (size <= n * ADDED or n == rows))

    def add(k: Int[Array, ""] | int, sums: Sums) -> Sums:
        def part(x: Array) -> Array:
            return jax.lax.dynamic_slice_in_dim(x, k * (rows // blocks), rows // blocks, axis=2)

        more = part(sums) + _totals(weights, part(even), part(odd))
        return jax.lax.dynamic_update_slice_in_dim(sums, more, k * (rows // blocks), axis=2)

    return sums + _totals(weights, even, odd) if blocks == 1 else jax.lax.fori_loop(0, blocks, add, sums)


def _totals(weights: Float[Array, "output k"], even: Vectors, odd: Vectors) -> Sums:
    def total(w, v):
        return jnp.tensordot(w.astype(v.dtype), v, axes=1)

    return total(weights[:, 0::2], even) + jax.vmap(turned)(total(weights[:, 1::2], odd))


def first_pair(hamiltonian: AbstractHamiltonian, interval: Interval, psi: Vector) -> Pair:
    """v_0 and v_1."""
    return psi, scaled(hamiltonian, interval, psi)


def next_pair(hamiltonian: AbstractHamiltonian, interval: Interval, first: Vector, second: Vector) -> Pair:
    """v_{k+2} and v_{k+3} from v_k and v_{k+1}."""
    third = 2 * scaled(hamiltonian, interval, second) - first
    return third, 2 * scaled(hamiltonian, interval, third) - second


def scaled(hamiltonian: AbstractHamiltonian, interval: Interval, vector: Vector) -> Vector:
    """H~ v = (H - c) v / r. One division, not one for every amplitude."""
    return (hamiltonian.apply(vector) - interval.centre * vector) * (1 / interval.radius)


def _transposed(hamiltonian, interval, costate):
    """The transpose of a Hermitian matrix is its conjugate."""
    return scaled(hamiltonian, interval, costate.conj()).conj()
