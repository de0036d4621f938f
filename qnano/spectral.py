"""Functions of the eigenvalues of a Hermitian matrix, with derivatives that survive degeneracies.

For F(A) = sum_i f(l_i) v_i v_i^+ the derivative along dA is V (Phi * (V^+ dA V)) V^+ with the divided differences
Phi_ij = (f(l_i) - f(l_j)) / (l_i - l_j) (Daleckii and Krein, 1951). Differentiating eigenvectors divides by l_i - l_j alone and
fails at every degeneracy; Phi is finite wherever F itself is smooth. Both modes of differentiation work.
Batches are made by `vmap`.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float, Inexact, Int

Matrix = Inexact[Array, "p p"]
Tridiagonal = tuple[Float[Array, " _"], Float[Array, " _"]]
PLACES = 63  # at which Sturm's count is taken at once


@jax.custom_batching.custom_vmap
def eigh(matrix: Matrix) -> tuple[Float[Array, " p"], Matrix]:
    """Eigenvalues, ascending, and eigenvectors; a batch is done one after the other on a CPU.

    JAX's batched `eigh` waits, in a thread of XLA's pool, for other threads of that pool: two of them at a time can wait for ever.
    """
    values, vectors = jnp.linalg.eigh(matrix)
    return values, vectors


@eigh.def_vmap
def _eigh_batch(_, __, matrices):
    def one_by_one(x):
        return jax.lax.map(eigh, x)

    def at_once(x):
        return tuple(jnp.linalg.eigh(x))

    return jax.lax.platform_dependent(matrices, cpu=one_by_one, default=at_once), (True, True)


@jax.custom_jvp
def eigvalsh(matrix: Matrix) -> Float[Array, " p"]:
    """Eigenvalues, ascending; derivatives are those of <v|dA|v>, right at a degeneracy for symmetric functions of its levels."""
    return eigh(matrix)[0]


@eigvalsh.defjvp
def _eigvalsh_jvp(primals, tangents):
    (matrix,), (tangent,) = primals, tangents
    values, vectors = eigh(matrix)
    return values, jnp.einsum("ia,ij,ja->a", vectors.conj(), tangent, vectors, optimize=True).real


@jax.custom_jvp
def lowest_eigenvalues(matrices: tuple[Inexact[Array, "_ _"], ...]) -> Float[Array, " matrix"]:
    """The lowest eigenvalue of each of some Hermitian matrices, which may differ in size, to rounding.

    Several times as quick as `eigvalsh`, which finds vectors on the way: Householder's tridiagonal form, and in that Sturm's count
    at many places at once. Derivatives are those of <v|dA|v>.
    """
    return _lowest([_tridiagonal(matrix) for matrix in matrices])


@lowest_eigenvalues.defjvp
def _lowest_eigenvalues_jvp(primals, tangents):
    (matrices,), (along,) = primals, tangents
    pairs = [_eigvalsh_jvp((matrix,), (tangent,)) for matrix, tangent in zip(matrices, along, strict=True)]
    return jnp.stack([values[0] for values, _ in pairs]), jnp.stack([slopes[0] for _, slopes in pairs])


@jax.custom_jvp
def extremes(matrix: Matrix) -> Float[Array, " 2"]:
    """Lowest and highest eigenvalue, found as `lowest_eigenvalues` does."""
    diagonal, beside = _tridiagonal(matrix)
    return _lowest([(diagonal, beside), (-diagonal, beside)]) * jnp.array([1, -1])


@extremes.defjvp
def _extremes_jvp(primals, tangents):
    values, slopes = _eigvalsh_jvp(primals, tangents)
    ends = jnp.array([0, -1])
    return values[ends], slopes[ends]


@jax.custom_jvp
def negative_part(matrix: Matrix) -> tuple[Matrix, Float[Array, ""]]:
    """The negative eigenvalues' part, f(l) = min(l, 0), and the lowest eigenvalue, which derivatives take as constant."""
    values, vectors = eigh(matrix)
    return _compose(vectors, jnp.minimum(values, 0.0)), values[0]


@negative_part.defjvp
def _negative_part_jvp(primals, tangents):
    (matrix,), (tangent,) = primals, tangents
    values, vectors = eigh(matrix)
    low, below = jnp.minimum(values, 0.0), values < 0
    # On one side of zero the divided difference is 1 or 0; across it l_i - l_j is as large as |l_i| + |l_j|.
    across = below[:, None] != below[None, :]
    gap = jnp.where(across, jnp.abs(values[:, None]) + jnp.abs(values[None, :]), 1.0)
    differences = jnp.where(across, -(low[:, None] + low[None, :]) / gap, below[:, None].astype(gap.dtype))
    slope = _rotated(vectors, differences, tangent)
    return (_compose(vectors, low), values[0]), (slope, jnp.zeros_like(values[0]))


@jax.custom_jvp
def highest_projector(matrix: Matrix, count: Int[Array, ""]) -> Matrix:
    """The projector on the eigenvectors of the `count` highest eigenvalues.

    Its derivative diverges only where the lowest eigenvalue inside meets the highest outside.
    """
    values, vectors = eigh(matrix)
    return _compose(vectors, _highest(values, count).astype(values.dtype))


@highest_projector.defjvp
def _highest_projector_jvp(primals, tangents):
    (matrix, count), (tangent, _) = primals, tangents
    values, vectors = eigh(matrix)
    inside = _highest(values, count)
    across = inside[:, None] != inside[None, :]
    gap = jnp.where(across, jnp.abs(values[:, None] - values[None, :]), 1.0)
    slope = _rotated(vectors, across / gap, tangent)
    return _compose(vectors, inside.astype(values.dtype)), slope


def frobenius(array: Inexact[Array, "..."]) -> Float[Array, ""]:
    """The root of the sum of all |entries|^2; where it vanishes, its derivative is taken as 0."""
    square = jnp.sum(jnp.abs(array) ** 2)
    return jnp.where(square == 0, 0.0, jnp.sqrt(jnp.where(square == 0, 1.0, square)))


@jax.custom_batching.custom_vmap
def _tridiagonal(matrix: Matrix) -> Tridiagonal:
    """Diagonal and what stands beside it."""
    if len(matrix) == 1:
        return matrix[0].real, jnp.zeros(0, matrix.real.dtype)
    _, diagonal, beside, _ = jax.lax.linalg.tridiagonal(matrix)
    return diagonal, beside


@_tridiagonal.def_vmap
def _tridiagonal_batch(_, __, matrices):
    return jax.lax.map(_tridiagonal, matrices), (True, True)


def _lowest(matrices: Sequence[Tridiagonal]) -> Float[Array, " matrix"]:
    """The lowest eigenvalue of each: the place up to which all ratios of Sturm's sequence are positive.

    It lies between Gershgorin's bound and the lowest number of the diagonal; of `PLACES` in between, those that are below it are
    found at once, and the interval shrinks to rounding.
    """
    size = max(len(diagonal) for diagonal, _ in matrices)
    diagonals = jnp.stack([_padded(diagonal, size, jnp.max(jnp.abs(diagonal))) for diagonal, _ in matrices])
    beside = jnp.stack([_padded(jnp.abs(beside), size, 0.0) for _, beside in matrices])
    before = jnp.roll(beside, 1, axis=1)
    low, high = jnp.min(diagonals - beside - before, axis=1), jnp.min(diagonals, axis=1)
    share = jnp.arange(1, PLACES + 1, dtype=low.dtype) / (PLACES + 1)
    rounds = -(-int(jnp.finfo(low.dtype).nmant + 3) // PLACES.bit_length())

    def narrowed(_, interval):
        low, high = interval
        places = low[:, None] + (high - low)[:, None] * share

        def ratio(carry, entry):
            last, is_above = carry
            diagonal, square = entry
            last = diagonal[:, None] - places - square[:, None] / last
            is_above |= last <= 0
            return (jnp.where(last <= 0, 1.0, last), is_above), None

        start = jnp.ones_like(places), jnp.zeros(places.shape, bool)
        is_above = jax.lax.scan(ratio, start, (diagonals.T, before.T**2), unroll=8)[0][1]
        lower = jnp.max(jnp.where(is_above, low[:, None], places), axis=1)
        return lower, jnp.min(jnp.where(is_above, places, high[:, None]), axis=1)

    low, high = jax.lax.fori_loop(0, rounds, narrowed, (low, high))
    return 0.5 * (low + high)


def _padded(numbers: Float[Array, " some"], size: int, filling: Float[ArrayLike, ""]) -> Float[Array, " p"]:
    return jnp.full(size, filling, numbers.dtype).at[: len(numbers)].set(numbers)


def _highest(values: Float[Array, " p"], count: Int[Array, ""]) -> Bool[Array, " p"]:
    return jnp.arange(len(values)) >= len(values) - count


def _compose(vectors: Matrix, values: Float[Array, " p"]) -> Matrix:
    return (vectors * values) @ vectors.conj().T


def _rotated(vectors: Matrix, differences: Float[Array, "p p"], tangent: Matrix) -> Matrix:
    adjoint = vectors.conj().T
    tangent = 0.5 * (tangent + tangent.conj().T)
    return vectors @ (differences * (adjoint @ tangent @ vectors)) @ adjoint
