"""What the exponential integrators ask of a Hamiltonian."""

from abc import abstractmethod

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Inexact


class AbstractHamiltonian(eqx.Module):
    """A Hermitian operator at one instant, known by its action.

    Every array leaf must be linear in the operator, so that `jax.tree.map` forms linear combinations of Hamiltonians.
    A real operator acts on the real and imaginary parts apart: `apply` takes any leading axes.
    """

    @property
    @abstractmethod
    def is_real(self) -> bool:
        """Whether the matrix is real in the basis used."""

    @abstractmethod
    def apply(self, psi: Inexact[Array, "*vectors"]) -> Inexact[Array, "*vectors"]:
        """H psi, over any number of leading axes."""

    @abstractmethod
    def spectral_bounds(self) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Numbers below and above every eigenvalue."""


def pack(hamiltonian: AbstractHamiltonian, psi: Complex[Array, "*basis"]) -> Inexact[Array, "part *basis"]:
    """(Re psi, Im psi) for a real Hamiltonian, which halves its work; otherwise psi itself with a leading axis of one."""
    return jnp.stack([psi.real, psi.imag]) if hamiltonian.is_real else psi[None]


def unpack_rotated(even: Inexact[Array, "*parts"], odd: Inexact[Array, "*parts"], parts_axis: int) -> Complex[Array, "*vectors"]:
    """even - i odd, back from the form of `pack`."""
    if even.shape[parts_axis] == 1:
        return jnp.squeeze(even - 1j * odd, parts_axis)
    part = lambda x, k: jnp.take(x, k, axis=parts_axis)  # noqa: E731
    return (part(even, 0) + part(odd, 1)) + 1j * (part(even, 1) - part(odd, 0))
