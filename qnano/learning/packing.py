"""The independent real numbers of a singlet's two-particle arrays, and back, without loss.

D2 is Hermitian and symmetric under exchange of its particles, so it falls apart into two Hermitian matrices over pairs of orbitals,
even and odd: [N_s (N_s + 1) / 2]^2 + [N_s (N_s - 1) / 2]^2 real numbers (136, 666, 2080 for 4, 6, 8 sites). Lengths are kept: the
Frobenius norm of an array is the Euclidean norm of its numbers.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from qnano.fermions.representability import PARITIES, from_pair_matrix, pair_matrix
from qnano.fermions.types import TwoRDM


def packed_size(sites: int) -> int:
    """How many numbers `pack` gives."""
    return sum((sites * (sites + parity) // 2) ** 2 for parity in PARITIES)


def pack(two_body: TwoRDM) -> Float[Array, " number"]:
    """The independent numbers of an array with the symmetries of D2."""
    return jnp.concatenate([pack_hermitian(pair_matrix(two_body, parity)) for parity in PARITIES])


def unpack(numbers: Float[Array, " number"], sites: int) -> TwoRDM:
    """The array of which these are the numbers; whatever they are, it has the symmetries of D2."""
    even = (sites * (sites + 1) // 2) ** 2
    blocks = zip(PARITIES, (numbers[:even], numbers[even:]), strict=True)
    symmetric, antisymmetric = (from_pair_matrix(unpack_hermitian(part), sites, parity) for parity, part in blocks)
    return symmetric + antisymmetric


def pack_hermitian(matrix: Complex[Array, "p p"]) -> Float[Array, " number"]:
    """Diagonal, then real, then imaginary parts above it, the latter two times sqrt(2)."""
    above = matrix[np.triu_indices(len(matrix), 1)] * np.sqrt(2.0)
    return jnp.concatenate([jnp.diagonal(matrix).real, above.real, above.imag])


def unpack_hermitian(numbers: Float[Array, " number"]) -> Complex[Array, "p p"]:
    """Undoes `pack_hermitian`."""
    size = round(len(numbers) ** 0.5)
    row, column = np.triu_indices(size, 1)
    real, imaginary = jnp.split(numbers[size:] * np.sqrt(0.5), 2)
    above = jnp.zeros((size, size), jnp.result_type(numbers, jnp.complex64)).at[row, column].set(real + 1j * imaginary)
    return above + above.conj().T + jnp.diag(numbers[:size])
