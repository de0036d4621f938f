"""The solver for a wavefunction under a constant Hamiltonian: Chebyshev expansions (`qnano.solvers.expansion` has the formulas)."""

from functools import partial

import diffrax
import equinox as eqx
import jax.numpy as jnp

from qnano.border import complaint, numbers
from qnano.dynamics import AbstractSchrodinger, Problem
from qnano.hamiltonian import Hermitian
from qnano.solvers.evolution import propagate_to_end
from qnano.solvers.expansion import AbstractExpansion, Expanded, propagate_linear
from qnano.solvers.magnus import Magnus
from qnano.solvers.reversible import Reversible, expand_reversibly
from qnano.solvers.stepping import adaptive
from qnano.trajectory import Status, Trajectory


class Chebyshev(AbstractExpansion):
    """Propagation under a time-independent Hamiltonian, many output times to one recursion.

    `tolerance`: bounds the first term left out of each expansion, relative to the norm of the state; above 0, at most 1.
    `terms`: the length of one recursion, whose vectors are held at once; even, at least 8.
    `outputs`: the largest number of output times that one recursion serves; at least 1.

    To a single time no vectors are held, and a recursion is as long as it need be (solvers/evolution.py). Where integrals along
    the motion are asked for, Magnus steps take its place. Raises `ValueError` for numbers that cannot be, and, when it solves, for
    dynamics without a wavefunction or with a Hamiltonian that changes.
    """

    tolerance: float = eqx.field(static=True, default=1e-12)
    terms: int = eqx.field(static=True, default=64)
    outputs: int = eqx.field(static=True, default=24)

    def __check_init__(self):
        numbers("tolerance", self.tolerance, shape=(), above=0.0, most=1.0)
        numbers("terms", self.terms, kind="integer", shape=(), least=8)
        if self.terms % 2:
            raise ValueError(complaint("terms", self.terms, "must be even"))
        numbers("outputs", self.outputs, kind="integer", shape=(), least=1)

    def solve(self, problem: Problem) -> Trajectory:
        if problem.measured.accumulated:
            return adaptive(Magnus(), rtol=1e-10, atol=1e-12).solve(problem)
        dynamics, times = problem.dynamics, problem.times
        if not isinstance(dynamics, AbstractSchrodinger) or not dynamics.is_autonomous:
            raise ValueError("solver: got Chebyshev; it needs a wavefunction under a time-independent Hamiltonian")
        (observables, invariants), state, stop_time, steps, done = self._expanded(dynamics, problem)
        complete, finite = done == times.size, jnp.all(jnp.isfinite(state))
        stopped = jnp.where(finite & (steps >= problem.max_steps), Status.STEP_LIMIT, Status.NOT_FINITE)
        return Trajectory(
            times=times,
            observables=observables,
            invariants=invariants,
            state=state,
            status=jnp.where(finite & complete, Status.DONE, stopped),
            culprit=jnp.array(-1),
            stop_time=jnp.where(complete, times[-1], stop_time),
            steps=steps,
            last_dt=(stop_time - times[0]) / jnp.maximum(steps, 1),
        )

    def _expanded(self, dynamics: AbstractSchrodinger, problem: Problem) -> Expanded:
        state, times, measured, max_steps = problem.state, problem.times, problem.measured, problem.max_steps
        hamiltonian, save = dynamics.hamiltonian(times[0]), partial(measured, dynamics)
        is_forward = isinstance(problem.adjoint, diffrax.ForwardMode)
        if not is_forward:
            hamiltonian = Hermitian(hamiltonian)
        if times.size == 2:
            return propagate_to_end(hamiltonian, state, times, save, self, max_steps)
        if isinstance(problem.adjoint, Reversible):
            return expand_reversibly((hamiltonian, dynamics, state, times), measured, self, max_steps)
        return propagate_linear(hamiltonian, state, times, save, self, "lax" if is_forward else "checkpointed", max_steps)
