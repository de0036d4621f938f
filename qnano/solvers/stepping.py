"""A stepper: a scheme with the control of its steps, driven by diffrax."""

import warnings
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, PyTree, Shaped

from qnano import border
from qnano.dynamics import AbstractDynamics, AbstractProjectedDynamics, AbstractSolver, Problem
from qnano.solvers.accumulating import LONGEST_PIECE, Accumulating
from qnano.solvers.carried import Carried
from qnano.solvers.even_steps import EvenSteps
from qnano.solvers.projected import Projected
from qnano.solvers.reversible import Reversible, step_reversibly
from qnano.solvers.scheme import AbstractScheme, demands
from qnano.trajectory import Status, Trajectory


class Stepper(AbstractSolver):
    """How `propagate` steps. Make one by `adaptive` or `fixed`.

    `scheme`: what makes a step: one of diffrax's Runge-Kutta pairs, `RK4`, `Magnus`, or a splitting.
    `controller`: how long a step is.
    `dt`: the given step of a `fixed` stepper, in the dynamics' unit of time; None for an `adaptive` one.

    When it solves, it raises `ValueError` for dynamics that the scheme cannot step, and for the adjoint `Reversible` where scheme
    or dynamics do not lead back.
    """

    scheme: diffrax.AbstractSolver
    controller: diffrax.PIDController
    dt: Float[ArrayLike, ""] | None = None

    def solve(self, problem: Problem) -> Trajectory:
        self._require(problem.dynamics)
        if isinstance(problem.adjoint, Reversible):
            return self._solve_reversibly(problem)
        is_backward = isinstance(problem.adjoint, diffrax.RecursiveCheckpointAdjoint)
        motion = problem.dynamics.in_reverse if is_backward else problem.dynamics
        return self._solve(problem, motion)[0]

    def _require(self, dynamics: AbstractDynamics) -> None:
        wanted = demands(self.scheme)
        unsteady = wanted.even_steps and self.dt is None
        if unsteady or not isinstance(dynamics, wanted.kind):
            lacking = "adaptive ones" if unsteady else type(dynamics).__name__
            raise ValueError(f"solver: got {type(self.scheme).__name__}; it needs {wanted.in_words}, not {lacking}")

    def _solve_reversibly(self, problem: Problem) -> Trajectory:
        dynamics, state, times, measured, _, dt0, max_steps = problem
        if names := measured.accumulated:
            raise ValueError(f"adjoint: got Reversible; it cannot accumulate {', '.join(names)}, use RecursiveCheckpointAdjoint")
        if not (isinstance(self.scheme, AbstractScheme) and demands(self.scheme).is_reversible and dynamics.is_reversible):
            raise ValueError(
                "adjoint: got Reversible; it needs a wavefunction propagated by Chebyshev or Magnus, or a splitting without "
                f"losses, not {type(dynamics).__name__} by {type(self.scheme).__name__}"
            )

        def solve(dynamics, state, times, stepper, dt0):
            there = Problem(dynamics, state, times, measured, diffrax.ForwardMode(), dt0, max_steps)
            return stepper._solve(there, dynamics, record=True)

        jumps = _jumps(dynamics, times) if dynamics.jumps else jnp.zeros(0, times.dtype)
        return step_reversibly((dynamics, jumps, state, times), solve, measured, self.scheme, self, jax.lax.stop_gradient(dt0))

    def _solve(self, problem: Problem, motion: Any, record: bool = False) -> tuple[Trajectory, Float[Array, " step"] | None]:
        """The solve by diffrax along the vector field of `motion`, and the ends of its steps if `record` (inf after the last)."""
        dynamics, start, times, measured, adjoint, dt0, max_steps = problem
        first_step: Any = dt0 if self.dt is None else self.dt
        carried, limits = Carried.of(problem), tuple(dynamics.limits(times[0], start))
        scheme, controller = self._fitted(problem, carried)

        @eqx.filter_jit
        def field(t: Any, both: PyTree[Array], motion: Any) -> PyTree[Array]:
            state = carried.state_of(both)
            return carried.join(motion.vector_field(t, state), measured.rates(motion, t, state))

        def measure(t: Float[Array, ""], both: PyTree[Array], args: Any) -> tuple[dict[str, Array], dict[str, Array]]:
            state, integrals = carried.part(both)
            instant, invariants = measured(dynamics, t, state)
            return instant | integrals, invariants

        def exceeded(t: Float[Array, ""], both: PyTree[Array], args: Any, **_: Any) -> Bool[Array, ""]:
            return ~jnp.all(_towards_limits(dynamics, t, carried.state_of(both)) <= 1)

        rows, last = diffrax.SubSaveAt(ts=times, fn=measure), diffrax.SubSaveAt(t1=True)
        ends = diffrax.SubSaveAt(steps=True, fn=lambda t, both, args: None)
        with warnings.catch_warnings():
            # The parts of diffrax used here are tested with complex states; BacksolveAdjoint, which is wrong, is refused before.
            warnings.filterwarnings("ignore", message="Complex dtype support in Diffrax")
            solution = diffrax.diffeqsolve(
                diffrax.ODETerm(field),
                scheme,
                t0=times[0],
                t1=times[-1],
                dt0=first_step,
                y0=carried.start(start),
                args=motion,
                saveat=diffrax.SaveAt(subs=(rows, last, ends) if record else (rows, last)),
                stepsize_controller=controller,
                adjoint=adjoint,
                event=diffrax.Event(exceeded) if limits else None,
                max_steps=max_steps,
                throw=False,
            )
        assert solution.ts is not None
        return _trajectory(problem, carried, limits, solution), solution.ts[2] if record else None

    def _fitted(self, problem: Problem, carried: Carried) -> tuple[diffrax.AbstractSolver, diffrax.AbstractStepSizeController]:
        """Scheme and controller, so that they serve this problem: projected, with integrals, and with stops where they are due."""
        dynamics, times, measured = problem.dynamics, problem.times, problem.measured
        scheme, controller, wanted = self.scheme, self.controller, demands(self.scheme)
        stops = times if wanted.lands_on_outputs else None
        jumps = _jumps(dynamics, times) if dynamics.jumps else None
        if isinstance(scheme, AbstractScheme):
            scheme = scheme.between(carried.narrow, carried.widen)
        if isinstance(dynamics, AbstractProjectedDynamics) and (longest := dynamics.longest_step) is not None:

            def project(motion: Any, t: Float[Array, ""], both: PyTree[Array]) -> PyTree[Array]:
                state, integrals = carried.part(both)
                return carried.join(motion.project(t, state), integrals)

            scheme, stops = Projected(scheme, project), times  # nothing interpolates across a projection
            longest = longest if controller.dtmax is None else jnp.minimum(controller.dtmax, longest)
            controller = eqx.tree_at(lambda c: c.dtmax, controller, longest, is_leaf=lambda x: x is None)
        if wanted.even_steps:
            assert self.dt is not None
            controller = EvenSteps(self.dt / LONGEST_PIECE if measured.accumulated else self.dt, times, jumps)
        elif stops is not None or jumps is not None:
            controller = diffrax.ClipStepSizeController(controller, step_ts=stops, jump_ts=jumps)
        if measured.accumulated and wanted.lands_on_outputs:

            def rates(motion: Any, t: Float[Array, ""], state: PyTree[Array]) -> PyTree[Array]:
                return carried.widen(measured.rates(motion, t, carried.narrow(state)))

            scheme = Accumulating(scheme, rates)
        return scheme, controller


def reachable(tolerance: float) -> float:
    """`tolerance`, or as little above it as the precision that is set allows: eight roundings of a number of order 1."""
    return max(tolerance, 8 * float(jnp.finfo(jnp.result_type(float)).eps))


def adaptive(scheme: diffrax.AbstractSolver, rtol: float = 1e-8, atol: float = 1e-10) -> Stepper:
    """Steps chosen so that the local error stays below `atol + rtol |state|`, or below what rounding leaves where that is more.

    Raises `ValueError` for a negative tolerance.
    """
    border.numbers("rtol", rtol, shape=(), least=0.0)
    border.numbers("atol", atol, shape=(), least=0.0)
    # Arrays, not Python's numbers, so that another tolerance or step is no other program.
    rtol, atol = (np.float64(reachable(tolerance)) for tolerance in (rtol, atol))
    return Stepper(scheme, diffrax.PIDController(rtol=rtol, atol=atol, dtmin=reachable(1e-12)))


def fixed(scheme: diffrax.AbstractSolver, dt: float) -> Stepper:
    """Steps of length `dt`, for convergence studies and comparisons; shorter where an output or a jump comes first.

    That is a controlled step of boundless tolerance, since a constant one would run over the jumps. Raises `ValueError` for a
    step that is not positive.
    """
    border.numbers("dt", dt, shape=(), above=0.0)
    dt = np.float64(dt)
    return Stepper(scheme, diffrax.PIDController(rtol=0.0, atol=1e30, dtmax=dt), dt)


def _trajectory(problem: Problem, carried: Carried, limits: tuple[str, ...], solution: diffrax.Solution) -> Trajectory:
    """What the solution by diffrax means."""
    assert solution.ys is not None and solution.ts is not None  # rows at all times, and the last state
    dynamics, times = problem.dynamics, problem.times
    (observables, invariants), final = solution.ys[:2]
    state, stop_time = carried.state_of(jax.tree.map(lambda x: x[-1], final)), solution.ts[1][-1]
    steps, status = solution.stats["num_accepted_steps"], _status(solution.result)
    culprit = jnp.argmax(_towards_limits(dynamics, stop_time, state)) if limits else jnp.array(-1)
    reached = (status == Status.DONE) | (times <= stop_time)
    return Trajectory(
        times=times,
        observables={name: _rows(reached, values) for name, values in observables.items()},
        invariants={name: _rows(reached, values) for name, values in invariants.items()},
        state=state,
        status=status,
        culprit=jnp.where(status == Status.OUT_OF_BOUNDS, culprit, -1),
        stop_time=stop_time,
        steps=steps,
        last_dt=(stop_time - times[0]) / jnp.maximum(steps, 1),
        limits=limits,
    )


def _jumps(dynamics: AbstractDynamics, times: Float[Array, " time"]) -> Float[Array, " jump"]:
    return jnp.stack(dynamics.jumps).astype(times.dtype)


def _towards_limits(dynamics: AbstractDynamics, t: Float[Array, ""], state: PyTree[Array]) -> Float[Array, " limit"]:
    return jnp.stack(list(dynamics.limits(t, state).values()))


def _rows(reached: Bool[Array, " time"], values: Shaped[Array, "time ..."]) -> Shaped[Array, "time ..."]:
    """`values` where they were reached, else NaN."""
    return jnp.where(reached.reshape(-1, *(1,) * (values.ndim - 1)), values, jnp.nan)


def _status(result: diffrax.RESULTS) -> Any:
    """How diffrax says that the solve ended, as a number of `Status`."""
    status = jnp.where(result == diffrax.RESULTS.max_steps_reached, Status.STEP_LIMIT, Status.NOT_FINITE)
    status = jnp.where(result == diffrax.RESULTS.event_occurred, Status.OUT_OF_BOUNDS, status)
    return jnp.where(result == diffrax.RESULTS.successful, Status.DONE, status)
