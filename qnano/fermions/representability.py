"""Conditions that a two-particle RDM of fermions must satisfy, as eigenvalues.

D2 and Q2 are the probabilities to find two particles and two holes: both are positive matrices over pairs (a, b). Here for the
block of opposite spins, with d_up and d_dn the one-particle RDMs:

    Q2[ab;xy] = delta_ax delta_by - d_up[a, x] delta_by - delta_ax d_dn[b, y] + D2[ab;xy].
"""

import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

OneRDM = Complex[Array, "s s"]
TwoRDM = Complex[Array, "s s s s"]


def two_hole_rdm(up: OneRDM, down: OneRDM, two_rdm: TwoRDM) -> TwoRDM:
    """Q2 of opposite spins: < c_{a,up} c_{b,dn} c+_{y,dn} c+_{x,up} > in the index order of D2."""
    one = jnp.eye(up.shape[0], dtype=up.dtype)
    pair = lambda left, right: jnp.einsum("ax,by->abxy", left, right)  # noqa: E731
    return pair(one, one) - pair(up, one) - pair(one, down) + two_rdm


def pair_eigenvalues(two_body: TwoRDM) -> Float[Array, " s*s"]:
    """Eigenvalues, ascending, of a Hermitian two-body array as a matrix over pairs (a, b); O(s^6)."""
    size = two_body.shape[0] ** 2
    return jnp.linalg.eigvalsh(two_body.reshape(size, size))
