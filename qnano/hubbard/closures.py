"""Closures of the BBGKY hierarchy: from (D1, two-particle cumulant) to the collision element.

A closure supplies K[a, b, x, y] = D3_uud[a, b, b; x, b, y]. It may carry a memory, a pytree with its own equation of motion,
that is propagated beside D2; a closure local in time has none.
"""

from abc import abstractmethod

import equinox as eqx
from jaxtyping import Array, Complex, Float, PyTree

from qnano.fermions.cumulants import collision_without_three_cumulant
from qnano.fermions.rdm import collision_element
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.model import FermiHubbard

OneRDM = Complex[Array, "s s"]
TwoRDM = Complex[Array, "s s s s"]
Memory = PyTree[Array]


class AbstractClosure(eqx.Module):
    """Supplies the collision element."""

    @abstractmethod
    def collision_element(self, one_rdm: OneRDM, cumulant: TwoRDM, memory: Memory) -> TwoRDM:
        """K from D1 of one spin, the opposite-spin cumulant L, and the memory."""

    @abstractmethod
    def initial_memory(self, psi: Complex[Array, "up down"]) -> Memory:
        """The memory that belongs to an exactly known initial state."""

    @abstractmethod
    def memory_field(self, t: Float[Array, ""], one_rdm: OneRDM, cumulant: TwoRDM, memory: Memory) -> Memory:
        """d memory / dt."""


class Valdemoro(AbstractClosure):
    """The three-particle cumulant is neglected. O(N_s^4)."""

    def collision_element(self, one_rdm: OneRDM, cumulant: TwoRDM, memory: Memory) -> TwoRDM:
        return collision_without_three_cumulant(one_rdm, cumulant)

    def initial_memory(self, psi: Complex[Array, "up down"]) -> Memory:
        return None

    def memory_field(self, t: Float[Array, ""], one_rdm: OneRDM, cumulant: TwoRDM, memory: Memory) -> Memory:
        return None


class ExactClosure(AbstractClosure):
    """The collision element of the exact wavefunction, propagated beside D2 as the closure's memory.

    No approximation is left, so D2 must follow the exact one: the test of the equation of motion, for small systems.
    """

    model: FermiHubbard

    def collision_element(self, one_rdm: OneRDM, cumulant: TwoRDM, memory: Complex[Array, "up down"]) -> TwoRDM:
        return collision_element(memory, self.model.sites, self.model.electrons)

    def initial_memory(self, psi: Complex[Array, "up down"]) -> Complex[Array, "up down"]:
        return psi

    def memory_field(
        self, t: Float[Array, ""], one_rdm: OneRDM, cumulant: TwoRDM, memory: Complex[Array, "up down"]
    ) -> Complex[Array, "up down"]:
        return ExactHubbard(self.model).vector_field(t, memory)
