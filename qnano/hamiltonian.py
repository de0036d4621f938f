"""What the exponential integrators ask of a Hamiltonian."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Inexact, PyTree

from qnano.fusion import computed_once


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

    def overlaps(self, costate: Inexact[Array, "*vectors"], psi: Inexact[Array, "*vectors"]) -> PyTree[Array]:
        """costate . dH psi for every array leaf, in a form that adds up over many such pairs until `slope` reads it."""
        return jax.vjp(lambda hamiltonian: hamiltonian.apply(psi), self)[1](costate)[0]

    def slope(self, overlaps: PyTree[Array]) -> "AbstractHamiltonian":
        """The cotangent of this Hamiltonian from a sum of `overlaps`."""
        return overlaps

    @abstractmethod
    def spectral_bounds(self) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Numbers below and above every eigenvalue."""


class Hermitian(AbstractHamiltonian):
    """`inner`, told that it is its own adjoint, for reverse mode only.

    The transpose of a Hermitian matrix is its conjugate, so a cotangent is pulled back through H psi by H itself; left to the
    rules of its pieces, each gather of a hop would become a scatter, several times slower.
    """

    inner: AbstractHamiltonian

    @property
    def is_real(self) -> bool:
        return self.inner.is_real

    def apply(self, psi: Inexact[Array, "*vectors"]) -> Inexact[Array, "*vectors"]:
        return _apply(self.inner, psi)

    def spectral_bounds(self) -> tuple[Float[Array, ""], Float[Array, ""]]:
        return self.inner.spectral_bounds()


class HermitianMotion(eqx.Module):
    """The Schroedinger equation of `dynamics` with a `Hermitian` Hamiltonian."""

    dynamics: Any

    def hamiltonian(self, t: Float[Array, ""]) -> Hermitian:
        return Hermitian(self.dynamics.hamiltonian(t))

    def vector_field(self, t: Float[Array, ""], state: Complex[Array, "*basis"]) -> Complex[Array, "*basis"]:
        return -1j * self.hamiltonian(t).apply(state)

    def observe(self, t: Float[Array, ""], state: Complex[Array, "*basis"]) -> Mapping[str, Callable[[], Array]]:
        return self.dynamics.observe(t, state)


@jax.custom_vjp
def _apply(hamiltonian: AbstractHamiltonian, psi: Inexact[Array, "*vectors"]) -> Inexact[Array, "*vectors"]:
    return hamiltonian.apply(psi)


def _apply_forward(hamiltonian, psi):
    return hamiltonian.apply(psi), (hamiltonian, psi)


def _apply_backward(residuals, cotangent):
    hamiltonian, psi = residuals
    slope = hamiltonian.slope(hamiltonian.overlaps(cotangent, psi))
    pulled = computed_once(lambda hamiltonian, c: hamiltonian.apply(c.conj()).conj(), hamiltonian, cotangent)
    return slope, pulled


_apply.defvjp(_apply_forward, _apply_backward)


def pack(hamiltonian: AbstractHamiltonian, psi: Complex[Array, "*basis"]) -> Inexact[Array, "part *basis"]:
    """(Re psi, Im psi) for a real Hamiltonian, which halves its work; otherwise psi itself with a leading axis of one."""
    return jnp.stack([psi.real, psi.imag]) if hamiltonian.is_real else psi[None]


def unpack(parts: Inexact[Array, "part *basis"]) -> Complex[Array, "*basis"]:
    """Back from the form of `pack`."""
    return parts[0] + 1j * parts[1] if len(parts) == 2 else parts[0]


def turned(parts: Inexact[Array, "part *basis"]) -> Inexact[Array, "part *basis"]:
    """-i psi, in the form of `pack`."""
    return jnp.stack([parts[1], -parts[0]]) if len(parts) == 2 else -1j * parts
