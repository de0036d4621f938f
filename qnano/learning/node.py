"""The black-box neural ODE: a network is the whole right-hand side of the vectorised D2.

    d x / dt = f(x),        x the independent real numbers of D2 (`qnano.learning.packing`).

Nothing of the Hamiltonian, of the commutator or of conservation laws is put in: the comparison by which a closure inside the known
equation is judged. After Egenlauf et al., arXiv:2512.13913, whose abstract gives the idea but no width, loss or window: those
here are ours.
Hermiticity and exchange symmetry hold, because only independent numbers are moved; particles, energy and spin are what was learned.
"""

from collections.abc import Callable, Mapping

import diffrax
import equinox as eqx
from jaxtyping import Array, Complex, Float, PRNGKeyArray

from qnano.border import numbers
from qnano.dynamics import AbstractSolver, Form
from qnano.hubbard.closures import Valdemoro
from qnano.hubbard.energetics import energetic_observables
from qnano.hubbard.model import FermiHubbard
from qnano.hubbard.reduced import AbstractReduced
from qnano.hubbard.td2rdm import TD2RDM, State
from qnano.learning.closures import AbstractLearner
from qnano.learning.networks import feedforward
from qnano.learning.packing import pack, packed_size, unpack
from qnano.solvers.stepping import adaptive


class BlackBox(AbstractLearner):
    """A dense network of all numbers of D2, for one number of sites and one Hamiltonian; `rate` scales what it says (J/hbar)."""

    network: eqx.nn.MLP
    sites: int = eqx.field(static=True)
    rate: float = eqx.field(static=True)

    def __init__(self, sites: int, width: int = 128, depth: int = 2, rate: float = 1.0, *, key: PRNGKeyArray):
        numbers("sites", sites, kind="integer", shape=(), least=1)
        numbers("rate", rate, shape=())
        self.sites, self.rate = sites, rate
        self.network = feedforward(packed_size(sites), packed_size(sites), width, depth, key)

    def dynamics(self, model: FermiHubbard) -> "NeuralODE":
        if model.sites != self.sites:
            raise ValueError(f"model: got {model.sites} sites; this neural ODE is for {self.sites}")
        return NeuralODE(self, TD2RDM(model, Valdemoro()))


class NeuralODE(AbstractReduced):
    """The motion of D2 by a `BlackBox`; everything but the vector field is that of TD2RDM, the state included."""

    learned: BlackBox
    measured: TD2RDM

    @property
    def forms(self) -> Mapping[str, Form]:
        return self.measured.forms

    def vector_field(self, t: Float[Array, ""], state: State) -> State:
        two_rdm, memory, change = state
        velocity = self.learned.rate * self.learned.network(pack(two_rdm))
        return unpack(velocity, self.learned.sites), memory, 0 * change

    def observe(self, t: Float[Array, ""], state: State) -> Mapping[str, Callable[[], Array]]:
        energetics = energetic_observables(self.measured.model, t, state, self.vector_field, self.measured.local_rdms)
        return {**self.measured.observe(t, state), **energetics}

    def invariants(self, t: Float[Array, ""], state: State) -> dict[str, Float[Array, ""]]:
        return self.measured.invariants(t, state)

    def negativity(self, t: Float[Array, ""], state: State) -> dict[str, Float[Array, ""]]:
        return self.measured.negativity(t, state)

    def limits(self, t: Float[Array, ""], state: State) -> dict[str, Float[Array, ""]]:
        return self.measured.limits(t, state)

    @property
    def jumps(self) -> tuple[Float[Array, ""], ...]:
        return ()

    @property
    def default_solver(self) -> AbstractSolver:
        return adaptive(diffrax.Dopri5())

    def from_wavefunction(self, psi: Complex[Array, "up down"]) -> State:
        """D2 of an exactly known state."""
        return self.measured.from_wavefunction(psi)

    def from_one_rdms(self, one_rdms: Complex[Array, "2 s s"]) -> State:
        """D2 of independent electrons."""
        return self.measured.from_one_rdms(one_rdms)
