"""Closures of the BBGKY hierarchy: from (D1, two-particle cumulant) to the collision element.

A closure supplies K[a, b, x, y] = D3_uud[a, b, b; x, b, y]. It may carry a memory, a pytree with its own equation of motion,
that is propagated beside D2; a closure local in time has none.
"""

from abc import abstractmethod
from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, PyTree

from qnano.fermions.contractions import (
    ThreeCumulant,
    consistent_collision,
    exact_over_up,
    nearest_consistent_collision,
    nearest_spin_scalar,
    nearest_with_contractions,
)
from qnano.fermions.cumulants import collision_without_three_cumulant
from qnano.fermions.rdm import collision_element
from qnano.fermions.reconstruction import hard_sign, nakatsuji_yasuda, nakatsuji_yasuda_cumulant, smooth_sign
from qnano.fermions.slices import diagonal
from qnano.fermions.types import OneRDM, ThreeRDM, TwoRDM
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.model import FermiHubbard
from qnano.hubbard.third_equation import Cumulants, consistent_motion, cumulant_motion

Memory = PyTree[Array]


class AbstractClosure(eqx.Module):
    """Supplies the collision element."""

    @abstractmethod
    def collision_element(self, one_rdm: OneRDM, cumulant: TwoRDM, memory: Memory) -> TwoRDM:
        """K[a, b, x, y] from d[a, x] of one spin, the opposite-spin cumulant L[a, b, x, y], and the memory."""

    def connected_element(self, one_rdm: OneRDM, cumulant: TwoRDM, memory: Memory) -> TwoRDM | None:
        """What the three-particle cumulant has in K: K without that of Valdemoro's closure; None stands for 0."""
        return self.collision_element(one_rdm, cumulant, memory) - collision_without_three_cumulant(one_rdm, cumulant)

    def at(self, t: Float[Array, ""]) -> "AbstractClosure":
        """The closure at a time (hbar/J), for one that knows the Hamiltonian."""
        return self

    def distance(self, one_rdm: OneRDM, cumulant: TwoRDM) -> Float[Array, ""]:
        """How far a state is from what the closure was made for, 1 at the edge; 0 for a closure that is made for none."""
        return jnp.zeros((), cumulant.real.dtype)

    @abstractmethod
    def initial_memory(self, psi: Complex[Array, "up down"]) -> Memory:
        """The memory that belongs to an exactly known initial state."""

    @abstractmethod
    def memory_field(self, t: Float[Array, ""], one_rdm: OneRDM, cumulant: TwoRDM, memory: Memory) -> Memory:
        """d memory / dt."""

    def projected(self, one_rdm: OneRDM, cumulant: TwoRDM, memory: Memory) -> Memory:
        """The memory that belongs to d and L where those were changed between two steps; as it is, unless the two are tied."""
        return memory


class AbstractReconstruction(AbstractClosure):
    """A closure, local in time, that reconstructs the three-particle cumulant itself, so that its contractions are known too."""

    @abstractmethod
    def three_cumulant(self, one_rdm: OneRDM, cumulant: TwoRDM) -> ThreeCumulant | None:
        """Collision element and contractions of Delta3; None stands for Delta3 = 0."""

    def collision_element(self, one_rdm: OneRDM, cumulant: TwoRDM, memory: Memory) -> TwoRDM:
        connected = self.connected_element(one_rdm, cumulant, memory)
        disconnected = collision_without_three_cumulant(one_rdm, cumulant)
        return disconnected if connected is None else disconnected + connected

    def connected_element(self, one_rdm: OneRDM, cumulant: TwoRDM, memory: Memory) -> TwoRDM | None:
        three = self.three_cumulant(one_rdm, cumulant)
        return None if three is None else three.collision

    def initial_memory(self, psi: Complex[Array, "up down"]) -> Memory:
        return None

    def memory_field(self, t: Float[Array, ""], one_rdm: OneRDM, cumulant: TwoRDM, memory: Memory) -> Memory:
        return None


class Valdemoro(AbstractReconstruction):
    """The three-particle cumulant is neglected: C. Valdemoro, Phys. Rev. A 45, 4462 (1992). O(N_s^4).

    With d the D1 of one spin, L the opposite-spin cumulant and L_upup[ab;xy] = L[ab;xy] - L[ba;xy],

        D3_uud = d d d + d L antisymmetrised,
        K[abxy] = (d_ax d_bb - d_ab d_bx + L_upup[ab;xb]) d_by + d_ax L[bb;by] - d_bx L[ab;by] - d_ab L[bb;xy] + d_bb L[ab;xy].
    """

    def three_cumulant(self, one_rdm: OneRDM, cumulant: TwoRDM) -> None:
        return None


class NakatsujiYasuda(AbstractReconstruction):
    """Two two-particle cumulants joined by a line of sign +1 on occupied and -1 on virtual natural orbitals. O(N_s^5).

    `smooth`: take 2 d - 1 for that sign instead: no diagonalisation, no jump where occupations cross.

    H. Nakatsuji and K. Yasuda, Phys. Rev. Lett. 76, 1039 (1996); the formula is in `qnano.fermions.reconstruction`.
    """

    smooth: bool = eqx.field(static=True, default=False)

    def three_cumulant(self, one_rdm: OneRDM, cumulant: TwoRDM) -> ThreeCumulant:
        sign = smooth_sign(one_rdm) if self.smooth else hard_sign(one_rdm)
        return nakatsuji_yasuda(sign, cumulant)


class ContractionConsistent(AbstractClosure):
    """Another closure, moved the least that makes it agree with D2: energy, spin and the motion of D1 become exact.

    `closure`: the one that is moved; its memory is that of both.

    A reconstruction is corrected in its three-particle cumulant, O(N_s^5) for Valdemoro and O(N_s^6) for Nakatsuji-Yasuda; a
    closure that knows only its collision element, a learned one say, in that, O(N_s^4). Both leave alone what is exact already.
    Lackner et al., Phys. Rev. A 91, 023412 (2015); the formulas are in `qnano.fermions.contractions`.
    """

    closure: AbstractClosure

    def at(self, t: Float[Array, ""]) -> AbstractClosure:
        return ContractionConsistent(self.closure.at(t))

    def distance(self, one_rdm: OneRDM, cumulant: TwoRDM) -> Float[Array, ""]:
        return self.closure.distance(one_rdm, cumulant)

    def collision_element(self, one_rdm: OneRDM, cumulant: TwoRDM, memory: Memory) -> TwoRDM:
        disconnected = collision_without_three_cumulant(one_rdm, cumulant)
        return disconnected + self.connected_element(one_rdm, cumulant, memory)

    def connected_element(self, one_rdm: OneRDM, cumulant: TwoRDM, memory: Memory) -> TwoRDM:
        if isinstance(self.closure, AbstractReconstruction):
            return consistent_collision(one_rdm, cumulant, self.closure.three_cumulant(one_rdm, cumulant))
        connected = self.closure.connected_element(one_rdm, cumulant, memory)
        return nearest_consistent_collision(one_rdm, cumulant, jnp.zeros_like(cumulant) if connected is None else connected)

    def initial_memory(self, psi: Complex[Array, "up down"]) -> Memory:
        return self.closure.initial_memory(psi)

    def memory_field(self, t: Float[Array, ""], one_rdm: OneRDM, cumulant: TwoRDM, memory: Memory) -> Memory:
        return self.closure.memory_field(t, one_rdm, cumulant, memory)

    def projected(self, one_rdm: OneRDM, cumulant: TwoRDM, memory: Memory) -> Memory:
        return self.closure.projected(one_rdm, cumulant, memory)


class ThirdEquation(AbstractClosure):
    """Delta3_uud itself is propagated beside D2, with the four-particle cumulant neglected; N_s^6 numbers, O(N_s^7).

    `model`: the Hamiltonian.
    `pull`: from d and L to a rate in J/hbar at which Delta3 is pulled towards that of Nakatsuji and
    Yasuda, smooth sign, which knows of no past; None for no pull.

    The sum over a particle of Delta3 stays what D2 says: energy, spin and the motion of D1 are kept to the solver's accuracy.
    The formulas are in `qnano.hubbard.third_equation`.
    """

    model: FermiHubbard
    pull: Callable[[OneRDM, TwoRDM], Float[Array, ""]] | None = None

    def collision_element(self, one_rdm: OneRDM, cumulant: TwoRDM, memory: ThreeRDM) -> TwoRDM:
        return collision_without_three_cumulant(one_rdm, cumulant) + self.connected_element(one_rdm, cumulant, memory)

    def connected_element(self, one_rdm: OneRDM, cumulant: TwoRDM, memory: ThreeRDM) -> TwoRDM:
        return diagonal(memory, "abbxby->abxy")

    def initial_memory(self, psi: Complex[Array, "up down"]) -> ThreeRDM:
        return Cumulants.of(psi, self.model).three

    def memory_field(self, t: Float[Array, ""], one_rdm: OneRDM, cumulant: TwoRDM, memory: ThreeRDM) -> ThreeRDM:
        known = Cumulants(one_rdm, cumulant, memory)
        moved = cumulant_motion(self.model, t, known)
        if self.pull is not None:
            local = nakatsuji_yasuda_cumulant(smooth_sign(one_rdm), cumulant)
            moved = moved._replace(three=moved.three - self.pull(one_rdm, cumulant) * (memory - local))
        return consistent_motion(known, moved)

    def projected(self, one_rdm: OneRDM, cumulant: TwoRDM, memory: ThreeRDM) -> ThreeRDM:
        """The nearest Delta3 with the contractions that d and L fix."""
        return nearest_with_contractions(nearest_spin_scalar(memory), exact_over_up(one_rdm, cumulant))


class ExactClosure(AbstractClosure):
    """The collision element of the exact wavefunction, propagated beside D2 as the closure's memory.

    `model`: the Hamiltonian that moves the memory, psi[up, down].

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


# What a config calls a closure, for a model.
NAMED: dict[str, Callable[[FermiHubbard], AbstractClosure]] = {
    "valdemoro": lambda model: Valdemoro(),
    "nakatsuji_yasuda": lambda model: NakatsujiYasuda(),
    "nakatsuji_yasuda_smooth": lambda model: NakatsujiYasuda(smooth=True),
    "third_equation": ThirdEquation,
    "exact": ExactClosure,
}
