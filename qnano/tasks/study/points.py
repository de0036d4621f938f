"""A point of a study, which is called, and what came out of it; and a study, which makes its points."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from qnano.dynamics import AbstractDynamics, AbstractSolver
from qnano.errors import InputError
from qnano.propagation import propagate
from qnano.storage.store import Coordinate, Variable
from qnano.tasks.study.axes import Place
from qnano.trajectory import Trajectory

FORWARD = diffrax.ForwardMode()  # nothing here is differentiated backwards, and so needs no checkpoints


class AbstractPoint(eqx.Module):
    """What is to be computed at a point. Points that differ in the numbers of their arrays alone share one compiled program."""

    @abstractmethod
    def __call__(self) -> PyTree[Array]:
        """What is measured. Pure; safe under jit and vmap."""
        raise NotImplementedError


class Propagated(AbstractPoint):
    """One motion, measured at all times; of the state nothing is kept, since many take memory.

    Where it is `watched`, how far probabilities are below 0 at its end stands among the invariants, after zeros.
    """

    dynamics: AbstractDynamics
    state: PyTree[Array]
    solver: AbstractSolver | None
    times: Float[Array, " time"]
    observables: tuple[str, ...] = eqx.field(static=True)
    monitor: bool = eqx.field(static=True, default=True)
    watched: bool = eqx.field(static=True, default=False)

    def __call__(self) -> Trajectory:
        settings: dict[str, Any] = {"solver": self.solver, "observables": self.observables, "monitor": self.monitor}
        motion = propagate(self.dynamics, self.state, self.times, adjoint=FORWARD, **settings)
        if self.watched:
            found = self.dynamics.negativity(motion.stop_time, motion.state)
            late = {name: jnp.zeros_like(motion.times).at[-1].set(value) for name, value in found.items()}
            motion = eqx.tree_at(lambda t: t.invariants, motion, motion.invariants | late)
        return without_state(motion)


def without_state(trajectory: Trajectory) -> Trajectory:
    return eqx.tree_at(lambda t: t.state, trajectory, None)


class Failure(NamedTuple):
    """Why a point did not reach its end, and when; None: before it began."""

    time: float | None
    reason: str


class Outcome(NamedTuple):
    """What is kept of a point: arrays by name, how far each invariant moved at most, and why it stopped, if so."""

    values: dict[str, np.ndarray]
    drifts: Mapping[str, float] = MappingProxyType({})
    failure: Failure | None = None


class AbstractStudy(ABC):
    """Points, labels (methods, or groups), and what is measured of each point under each label.

    `labels`: the groups of the results, in the order in which they are computed.
    `word`: what a point is called where progress is told.
    `at_most`: points that an accelerator is to compute side by side, where its memory holds more.
    """

    labels: Sequence[str]
    word: str = "points"
    at_most: int | None = None

    @abstractmethod
    def must_be_possible(self) -> None:
        """Raise `InputError` for what is wrong with a point, as far as that is to be told before any is computed."""

    @abstractmethod
    def kind(self, label: str) -> str:
        """What stands behind a label."""

    @abstractmethod
    def shape(self, label: str) -> tuple[int, ...]:
        """How many points along each axis."""

    @abstractmethod
    def told(self, label: str, place: Place) -> str:
        """A point in words."""

    @abstractmethod
    def layout(self, label: str) -> tuple[dict[str, Variable], dict[str, Coordinate]]:
        """What its group of the results holds; the axes of the points come first."""

    @abstractmethod
    def point(self, label: str, place: Place) -> AbstractPoint:
        """The point at a place on the axes. Raises `InputError` for one that cannot be."""

    @abstractmethod
    def outcome(self, label: str, place: Place, found: PyTree[np.ndarray]) -> Outcome:
        """What is kept of what the point came to."""

    def impossible(self, label: str, place: Place, error: InputError) -> Outcome:
        """What is kept of a point that cannot be, where that does not end the study."""
        raise error

    def summed_up(self, label: str, stored: Callable[[str], np.ndarray]) -> Mapping[str, float | int | None]:
        """Some numbers for the summary when all points are there; `stored` gives what was kept of them, by name."""
        return {}
