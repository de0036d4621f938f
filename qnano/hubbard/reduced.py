"""Motions of less than the wavefunction, which begin from one."""

from abc import abstractmethod

from jaxtyping import Array, Complex, PyTree

from qnano.dynamics import AbstractDynamics


class AbstractReduced(AbstractDynamics):
    """An equation of motion of density matrices."""

    @abstractmethod
    def from_wavefunction(self, psi: Complex[Array, "up down"]) -> PyTree[Array]:
        """The state that belongs to a wavefunction."""
