"""Functions of the eigenvalues of a Hermitian matrix, with derivatives that survive degeneracies.

For F(A) = sum_i f(l_i) v_i v_i^+ the derivative along dA is V (Phi * (V^+ dA V)) V^+ with the divided differences
Phi_ij = (f(l_i) - f(l_j)) / (l_i - l_j) (Daleckii and Krein, 1951). Differentiating eigenvectors divides by l_i - l_j alone and
fails at every degeneracy; Phi is finite wherever F itself is smooth. Both modes of differentiation work.
Batches are made by `vmap`.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Inexact, Int

Matrix = Inexact[Array, "p p"]


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


def _highest(values: Float[Array, " p"], count: Int[Array, ""]) -> Bool[Array, " p"]:
    return jnp.arange(len(values)) >= len(values) - count


def _compose(vectors: Matrix, values: Float[Array, " p"]) -> Matrix:
    return (vectors * values) @ vectors.conj().T


def _rotated(vectors: Matrix, differences: Float[Array, "p p"], tangent: Matrix) -> Matrix:
    adjoint = vectors.conj().T
    tangent = 0.5 * (tangent + tangent.conj().T)
    return vectors @ (differences * (adjoint @ tangent @ vectors)) @ adjoint
