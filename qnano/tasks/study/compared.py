"""A point at which a motion of the two-particle density matrix is held against the exact one."""

from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Complex, Float, PyTree

from qnano.dynamics import AbstractDynamics, AbstractSolver
from qnano.hubbard.diagnostics import relative_error
from qnano.hubbard.exact import ExactHubbard
from qnano.propagation import propagate
from qnano.tasks.stops import reason
from qnano.tasks.study.points import FORWARD, AbstractPoint, Failure, without_state
from qnano.trajectory import Status, Trajectory


class Compared(AbstractPoint):
    """|D2 - exact| / |exact| at all times, NaN after a stop, and how the exact motion and the other ended; `solvers` are theirs."""

    exact: ExactHubbard
    psi: Complex[Array, "up down"]
    dynamics: AbstractDynamics
    state: PyTree[Array]
    times: Float[Array, " time"]
    solvers: tuple[AbstractSolver | None, AbstractSolver | None]

    def __call__(self) -> tuple[Float[Array, " time"], Trajectory, Trajectory]:
        settings: dict[str, Any] = {"observables": ("rdm2",), "monitor": False, "adjoint": FORWARD}
        truth = propagate(self.exact, self.psi, self.times, solver=self.solvers[0], **settings)
        motion = propagate(self.dynamics, self.state, self.times, solver=self.solvers[1], **settings)
        return jax.vmap(relative_error)(motion.observables["rdm2"], truth.observables["rdm2"]), ended(truth), ended(motion)


def failure_of(motion: Trajectory) -> Failure | None:
    """Why a motion did not reach its end, if so, once it is known."""
    status, stop = int(motion.status), float(motion.stop_time)
    return None if status == Status.DONE else Failure(stop, reason(motion, status, stop, "hbar/J"))


def ended(motion: Trajectory) -> Trajectory:
    """How a motion ended, without what was measured."""
    return without_state(eqx.tree_at(lambda t: t.observables, motion, {}))
