"""Dynamics, and the solvers that move them: the interfaces between what a system is and how it is propagated.

A `Dynamics` holds the Hamiltonian's parameters as leaves and knows its equation of motion, what can be measured, and what must
stay constant. A solver moves any of the kind that it needs. Neither knows of the other more than stands here.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
from jaxtyping import Array, Float, PyTree

from qnano.hamiltonian import AbstractHamiltonian, HermitianMotion
from qnano.trajectory import Trajectory


class Form(NamedTuple):
    """What one array of a state looks like; None stands for a length that may be any."""

    shape: tuple[int | None, ...]
    is_complex: bool = True


class Accumulated(eqx.Module):
    """An entry of `observe` of which the integral since the first time is measured, to the solver's accuracy.

    Called, it is what is integrated: `rate()`, an array of any shape, in the observable's unit over that of time.
    """

    rate: Callable[[], Array]

    def __call__(self) -> Array:
        return self.rate()


class AbstractDynamics(eqx.Module):
    """An equation of motion with its measurements. The state is a pytree of arrays; every method is pure and takes one state.

    `t` is a time in the unit of the model (hbar/J for lattices). Batches are made by `vmap` around `propagate`.
    """

    @abstractmethod
    def vector_field(self, t: Float[Array, ""], state: PyTree[Array]) -> PyTree[Array]:
        """d state / dt, of the structure and shapes of `state`."""

    @abstractmethod
    def observe(self, t: Float[Array, ""], state: PyTree[Array]) -> Mapping[str, Callable[[], Array]]:
        """What can be measured, by name; each entry computes its array when called. One that is `Accumulated` is integrated."""

    @abstractmethod
    def invariants(self, t: Float[Array, ""], state: PyTree[Array]) -> dict[str, Float[Array, ""]]:
        """What the exact motion keeps constant, by name."""

    def negativity(self, t: Float[Array, ""], state: PyTree[Array]) -> dict[str, Float[Array, ""]]:
        """How far probabilities are below 0, where no physical state has them, by name.

        It may cost more than many steps, so that `propagate` leaves it to those who ask, and a run asks a few times.
        """
        return {}

    @abstractmethod
    def limits(self, t: Float[Array, ""], state: PyTree[Array]) -> dict[str, Float[Array, ""]]:
        """How far the state is towards its physical bounds, by name: a run stops where a number exceeds 1."""

    @property
    def forms(self) -> Mapping[str, Form]:
        """What the arrays of a state look like, by their places in it (`qnano.solvers.admission`); none is known here."""
        return {}

    def require_state(self, state: PyTree[Array]) -> None:
        """Raise `ValueError` for a state whose values these dynamics do not describe, as far as they are known."""

    @property
    @abstractmethod
    def jumps(self) -> tuple[Float[Array, ""], ...]:
        """Times at which the equation of motion is not smooth; every solver stops there."""

    @property
    @abstractmethod
    def default_solver(self) -> "AbstractSolver":
        """What `propagate` uses when no solver is named."""

    @property
    def is_reversible(self) -> bool:
        """Whether steps back undo those there without loss."""
        return True

    @property
    def in_reverse(self) -> "AbstractDynamics | HermitianMotion":
        """The same motion, written so that its pullback is cheap."""
        return self


class AbstractSchrodinger(AbstractDynamics):
    """i d psi / dt = H(t) psi, with psi one complex array."""

    @abstractmethod
    def hamiltonian(self, t: Float[Array, ""]) -> AbstractHamiltonian:
        """H(t)."""

    @property
    @abstractmethod
    def is_autonomous(self) -> bool:
        """Whether H is constant."""

    @property
    def in_reverse(self) -> HermitianMotion:
        return HermitianMotion(self)


class AbstractProjectedDynamics(AbstractDynamics):
    """A motion that can be projected back onto physical states between its steps."""

    @abstractmethod
    def project(self, t: Float[Array, ""], state: PyTree[Array]) -> PyTree[Array]:
        """The physical state that belongs to `state`."""

    @property
    @abstractmethod
    def longest_step(self) -> float | None:
        """Project after every step and step at most this far; None: never project."""


class AbstractSplitDynamics(AbstractDynamics):
    """A motion that is the sum of two, each of which is solved exactly."""

    @abstractmethod
    def kick(self, t: Float[Array, ""], h: Float[Array, ""], state: PyTree[Array]) -> PyTree[Array]:
        """`state` moved on by h under the one part, with its parameters as they are at t."""

    @abstractmethod
    def drift(self, h: Float[Array, ""], state: PyTree[Array]) -> PyTree[Array]:
        """`state` moved on by h under the other part, which does not depend on time."""


@dataclass(frozen=True)
class Measurement:
    """What is measured at every output time (`instant`), integrated in between (`accumulated`), and whether `monitor` is on."""

    instant: tuple[str, ...]
    accumulated: tuple[str, ...]
    monitor: bool

    def __call__(self, dynamics: Any, t: Float[Array, ""], state: PyTree[Array]) -> tuple[dict[str, Array], dict[str, Array]]:
        """The observables of one instant and the invariants."""
        return _values(dynamics, t, state, self.instant), dynamics.invariants(t, state) if self.monitor else {}

    def rates(self, motion: Any, t: Float[Array, ""], state: PyTree[Array]) -> dict[str, Array]:
        """What is integrated; its solution begins at zero."""
        return _values(motion, t, state, self.accumulated)


def _values(motion: Any, t: Float[Array, ""], state: PyTree[Array], names: tuple[str, ...]) -> dict[str, Array]:
    known = motion.observe(t, state) if names else {}
    return {name: known[name]() for name in names}


class Problem(NamedTuple):
    """What `propagate` asks of a solver, all of it admitted: states of the right form, times that ascend, observables that exist.

    `adjoint` is one of diffrax's, or `qnano.solvers.reversible.Reversible`; `dt0` the first step, if one is given.
    """

    dynamics: AbstractDynamics
    state: PyTree[Array]
    times: Float[Array, " time"]
    measured: Measurement
    adjoint: Any
    dt0: Float[Array, ""] | float | None
    max_steps: int


class AbstractSolver(eqx.Module):
    """How `propagate` moves a state."""

    @abstractmethod
    def solve(self, problem: Problem) -> Trajectory:
        """The motion from `times[0]`, measured at all `times`.

        Raises `ValueError` where dynamics or adjoint are not of the kind that this solver needs.
        """
