"""Dynamics, propagate, Trajectory: the one way in which anything in qnano moves in time.

A `Dynamics` holds the Hamiltonian's parameters as leaves and knows its equation of motion, what can be measured, and what must
stay constant. `propagate` drives any of them by diffrax, or, where the Hamiltonian is linear and constant, by a Chebyshev
expansion. So a gradient is one `eqx.filter_grad` over `propagate`, a sweep one `eqx.filter_vmap`, and a training step both:

    trajectory = propagate(dynamics, state, times, observables=("density",))
    energy = lambda dynamics: propagate(dynamics, state, times, observables=("energy",)).observables["energy"][-1]
    slope = eqx.filter_grad(energy)(dynamics)
"""

import warnings
from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from qnano import runtime
from qnano.border import numbers
from qnano.solvers.accumulating import LONGEST_PIECE, Accumulating
from qnano.solvers.admission import Form, admitted_state, admitted_times, lost_if_unordered
from qnano.solvers.chebyshev import Chebyshev, propagate_linear
from qnano.solvers.evolution import propagate_to_end
from qnano.solvers.hamiltonian import AbstractHamiltonian, Hermitian, HermitianMotion
from qnano.solvers.magnus import Magnus
from qnano.solvers.projected import Projected
from qnano.solvers.reversible import Reversible, expand_reversibly, step_reversibly
from qnano.solvers.splitting import EvenSteps, Splitting
from qnano.solvers.stepping import Stepper, adaptive

DONE, OUT_OF_BOUNDS, STEP_LIMIT, NOT_FINITE = range(4)


class Accumulated(eqx.Module):
    """An entry of `observe` of which the integral since the first time is measured, to the solver's accuracy.

    Called, it is what is integrated.
    """

    rate: Callable[[], Array]

    def __call__(self) -> Array:
        return self.rate()


class AbstractDynamics(eqx.Module):
    """An equation of motion with its measurements. The state is a pytree of arrays; every method is pure."""

    @abstractmethod
    def vector_field(self, t: Float[Array, ""], state: PyTree[Array]) -> PyTree[Array]:
        """d state / dt."""

    @abstractmethod
    def observe(self, t: Float[Array, ""], state: PyTree[Array]) -> Mapping[str, Callable[[], Array]]:
        """What can be measured, by name; each entry computes its array when called."""

    @abstractmethod
    def invariants(self, t: Float[Array, ""], state: PyTree[Array]) -> dict[str, Float[Array, ""]]:
        """What the exact motion keeps constant, by name."""

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
        """Times at which the equation of motion is not smooth."""

    @property
    @abstractmethod
    def default_solver(self) -> "Solver":
        """What `propagate` uses when no solver is named."""


class AbstractSchrodinger(AbstractDynamics):
    """i d psi / dt = H(t) psi."""

    @abstractmethod
    def hamiltonian(self, t: Float[Array, ""]) -> AbstractHamiltonian:
        """H(t)."""

    @property
    @abstractmethod
    def is_autonomous(self) -> bool:
        """Whether H is constant."""


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

    @property
    def is_reversible(self) -> bool:
        """Whether steps back undo those there without loss."""
        return True


Solver = Chebyshev | Stepper


class Trajectory(eqx.Module):
    """What `propagate` returns. Rows after `stop_time` are NaN.

    `status` is DONE, OUT_OF_BOUNDS (a limit was exceeded: `culprit` is its place among `limits`, else -1), STEP_LIMIT, or
    NOT_FINITE (the step shrank to nothing or a number was lost). `steps` counts accepted steps (expansions for Chebyshev).
    `last_dt` is a good first step for a propagation that goes on from `state`.
    """

    times: Float[Array, " time"]
    observables: dict[str, Array]
    invariants: dict[str, Float[Array, " time"]]
    state: PyTree[Array]
    status: Int[Array, ""]
    culprit: Int[Array, ""]
    stop_time: Float[Array, ""]
    steps: Int[Array, ""]
    last_dt: Float[Array, ""]


def propagate(
    dynamics: AbstractDynamics,
    state: PyTree[Any],
    times: Any,
    *,
    solver: Solver | None = None,
    observables: tuple[str, ...] = (),
    adjoint: diffrax.AbstractAdjoint | Reversible | None = None,
    monitor: bool = True,
    dt0: Float[Array, ""] | float | None = None,
    max_steps: int = 100_000,
) -> Trajectory:
    """Propagate `state` from `times[0]` and measure at all `times` (ascending), inside the solve.

    `state` and `times` may be anything that becomes arrays without a loss: lists, integers, real numbers where complex ones move,
    single precision. Called again with the same shapes it compiles nothing, whatever the numbers.

    `solver` defaults to the dynamics' own choice. `adjoint` is diffrax's `RecursiveCheckpointAdjoint()` (default; reverse mode),
    `ForwardMode()` or `DirectAdjoint()`, or `Reversible()`: reverse mode whose memory does not grow with the number of steps,
    for a wavefunction propagated by `Chebyshev` or `Magnus` and for splittings. `monitor=False` leaves the invariants out, where
    only their cost would be seen, as under a gradient. `dt0` is the first step of an adaptive solver; by default it finds one.

    An `Accumulated` observable is integrated along with the state, its error being controlled with that of the state, and starts
    from 0 at `times[0]`. A Chebyshev expansion has no steps to integrate along: in its place come Magnus steps, which for a
    constant Hamiltonian are such expansions, as short as the integrals ask for.

    Raises `ValueError` for a state of another form, norm or kind than the dynamics', for times that do not ascend (where JAX traces
    them, the status says NOT_FINITE), for an unknown observable, for a first step or a number of
    steps that cannot be, for a solver or adjoint that cannot serve these dynamics, and for `BacksolveAdjoint`, whose gradients of
    complex states are wrong.
    """
    adjoint = diffrax.RecursiveCheckpointAdjoint() if adjoint is None else adjoint
    if isinstance(adjoint, diffrax.BacksolveAdjoint):
        raise ValueError("adjoint: got BacksolveAdjoint; its gradients of complex states are wrong, choose another")
    numbers("max_steps", max_steps, kind="integer", shape=(), least=1)
    if dt0 is not None:
        numbers("dt0", dt0, shape=(), above=0.0)
    runtime.tell_precision()
    times, state = admitted_times(times), admitted_state(dynamics.forms, state, dynamics)
    dynamics.require_state(state)
    solver = dynamics.default_solver if solver is None else solver
    return _propagate(dynamics, state, times, solver, tuple(observables), adjoint, monitor, dt0, max_steps)


@eqx.filter_jit
def _propagate(dynamics, state, times, solver, observables, adjoint, monitor, dt0, max_steps) -> Trajectory:
    """What `propagate` compiles, once for all calls that differ in nothing but numbers."""
    state = lost_if_unordered(times, state)
    known = dynamics.observe(times[0], state)
    if missing := [name for name in observables if name not in known]:
        raise ValueError(f"observables: got {', '.join(missing)}; {type(dynamics).__name__} has {', '.join(known)}")

    accumulated = tuple(name for name in observables if isinstance(known[name], Accumulated))
    if accumulated and isinstance(solver, Chebyshev):
        solver = adaptive(Magnus(), rtol=1e-10, atol=1e-12)

    def save(dynamics: AbstractDynamics, t: Float[Array, ""], state: PyTree[Array]) -> tuple[dict[str, Array], dict[str, Array]]:
        measured = dynamics.observe(t, state)
        instant = {name: measured[name]() for name in observables if name not in accumulated}
        return instant, dynamics.invariants(t, state) if monitor else {}

    if isinstance(solver, Chebyshev):
        return _expand(dynamics, state, times, solver, save, adjoint, max_steps)
    return _step(dynamics, state, times, solver, save, adjoint, dt0, max_steps, accumulated)


def _expand(dynamics, state, times, solver, save, adjoint, max_steps) -> Trajectory:
    if not isinstance(dynamics, AbstractSchrodinger) or not dynamics.is_autonomous:
        raise ValueError("solver: got Chebyshev; it needs a wavefunction under a time-independent Hamiltonian")
    hamiltonian = dynamics.hamiltonian(times[0])
    if times.size == 2:
        hamiltonian = hamiltonian if isinstance(adjoint, diffrax.ForwardMode) else Hermitian(hamiltonian)
        expanded = propagate_to_end(hamiltonian, state, times, partial(save, dynamics), solver, max_steps)
    elif isinstance(adjoint, Reversible):
        expanded = expand_reversibly((Hermitian(hamiltonian), dynamics, state, times), save, solver, max_steps)
    else:
        forward = isinstance(adjoint, diffrax.ForwardMode)
        loop: Literal["lax", "checkpointed"] = "lax" if forward else "checkpointed"
        hamiltonian = hamiltonian if forward else Hermitian(hamiltonian)
        expanded = propagate_linear(hamiltonian, state, times, partial(save, dynamics), solver, loop, max_steps)
    (measured, invariants), state, stop_time, steps, done = expanded
    complete = done == times.size
    finite = jnp.all(jnp.isfinite(state))
    limited = jnp.where(steps >= max_steps, STEP_LIMIT, NOT_FINITE)
    return Trajectory(
        times=times,
        observables=measured,
        invariants=invariants,
        state=state,
        status=jnp.where(finite & complete, DONE, jnp.where(finite, limited, NOT_FINITE)),
        culprit=jnp.array(-1),
        stop_time=jnp.where(complete, times[-1], stop_time),
        steps=steps,
        last_dt=(stop_time - times[0]) / jnp.maximum(steps, 1),
    )


def _step(dynamics, state, times, solver, save, adjoint, dt0, max_steps, accumulated) -> Trajectory:
    is_wave, is_magnus = isinstance(dynamics, AbstractSchrodinger), isinstance(solver.scheme, Magnus)
    if is_magnus and not is_wave:
        raise ValueError(f"solver: got Magnus; it needs a wavefunction, not {type(dynamics).__name__}")
    if isinstance(solver.scheme, Splitting) and (not isinstance(dynamics, AbstractSplitDynamics) or solver.dt is None):
        kind = type(dynamics).__name__ if solver.dt is not None else "adaptive ones"
        raise ValueError(f"solver: got Splitting; it needs fixed steps and a motion of two solvable parts, not {kind}")
    if not isinstance(adjoint, Reversible):
        motion = HermitianMotion(dynamics) if is_wave and isinstance(adjoint, diffrax.RecursiveCheckpointAdjoint) else dynamics
        return _solve(dynamics, motion, state, times, solver, save, adjoint, dt0, max_steps, accumulated)[0]
    if accumulated:
        raise ValueError(f"adjoint: got Reversible; it cannot accumulate {', '.join(accumulated)}, use RecursiveCheckpointAdjoint")
    if not is_magnus and not (isinstance(solver.scheme, Splitting) and dynamics.is_reversible):
        raise ValueError(
            "adjoint: got Reversible; it needs a wavefunction propagated by Chebyshev or Magnus, or a splitting without losses, "
            f"not {type(dynamics).__name__} by {type(solver.scheme).__name__}"
        )

    def solve(dynamics, state, times, solver, dt0):
        return _solve(dynamics, dynamics, state, times, solver, save, diffrax.ForwardMode(), dt0, max_steps, record=True)

    jumps = jnp.stack(dynamics.jumps).astype(times.dtype) if dynamics.jumps else jnp.zeros(0, times.dtype)
    return step_reversibly((dynamics, jumps, state, times), solve, save, solver, jax.lax.stop_gradient(dt0))


def _solve(
    dynamics, motion, state, times, solver, save, adjoint, dt0, max_steps, accumulated=(), record=False
) -> tuple[Trajectory, Float[Array, " step"] | None]:
    """The solve by diffrax along the vector field of `motion`, and the ends of its steps if `record` (inf after the last).

    What is solved for is the state with the integrals of what is `accumulated`.
    """

    def rates(motion, t, state):
        measured = (motion.dynamics if isinstance(motion, HermitianMotion) else motion).observe(t, state)
        return {name: measured[name]() for name in accumulated}

    # Without integrals the state stays alone, as the schemes for wavefunctions have it.
    joined = (lambda state, integrals: (state, integrals)) if accumulated else lambda state, _: state
    parted = (lambda both: both) if accumulated else lambda state: (state, {})
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), eqx.filter_eval_shape(rates, dynamics, times[0], state))
    start = joined(state, zeros)
    dtype = jnp.result_type(*jax.tree.leaves(start))
    (widen, narrow), (widen_state, narrow_state) = _one_dtype(start, dtype), _one_dtype(state, dtype)
    if solver.dt is not None:
        dt0 = solver.dt
    scheme, controller = solver.scheme, solver.controller
    if isinstance(dynamics, AbstractProjectedDynamics) and dynamics.longest_step is not None:

        def project(motion, t, both):
            state, integrals = parted(both)
            return joined(widen_state(motion.project(t, narrow_state(state))), integrals)

        scheme = Projected(scheme, project)
        longest = dynamics.longest_step if controller.dtmax is None else jnp.minimum(controller.dtmax, dynamics.longest_step)
        controller = eqx.tree_at(lambda c: c.dtmax, controller, longest, is_leaf=lambda x: x is None)
    # Neither has an interpolation of its own order, so they step onto every output time.
    stops = times if isinstance(scheme, Magnus | Projected) else None
    jumps = jnp.stack(dynamics.jumps).astype(times.dtype) if dynamics.jumps else None
    if isinstance(scheme, Splitting) and solver.dt is not None:
        scheme = scheme.between(narrow_state, widen_state)
        controller = EvenSteps(solver.dt / LONGEST_PIECE if accumulated else solver.dt, times, jumps)
    elif stops is not None or jumps is not None:
        controller = diffrax.ClipStepSizeController(controller, step_ts=stops, jump_ts=jumps)
    if accumulated and isinstance(scheme, Magnus | Splitting):
        scheme = Accumulating(scheme, lambda motion, t, state: widen(rates(motion, t, narrow_state(state))))

    @eqx.filter_jit
    def field(t, both, motion):
        state = narrow_state(parted(both)[0])
        return joined(widen_state(motion.vector_field(t, state)), widen(rates(motion, t, state)))

    def excess(t, both, args, **_):
        del args
        return ~jnp.all(_stacked(dynamics.limits(t, narrow_state(parted(both)[0]))) <= 1)

    def measure(t, both, args):
        del args
        state, integrals = parted(narrow(both))
        instant, invariants = save(dynamics, t, state)
        return instant | integrals, invariants

    bounded = bool(dynamics.limits(times[0], state))
    every = diffrax.SubSaveAt(ts=times, fn=measure)
    last, ends = diffrax.SubSaveAt(t1=True), diffrax.SubSaveAt(steps=True, fn=lambda t, state, args: None)
    with warnings.catch_warnings():
        # The parts of diffrax used here are tested with complex states; BacksolveAdjoint, which is wrong, is refused above.
        warnings.filterwarnings("ignore", message="Complex dtype support in Diffrax")
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(field),
            scheme,
            t0=times[0],
            t1=times[-1],
            dt0=dt0,
            y0=widen(start),
            args=motion,
            saveat=diffrax.SaveAt(subs=(every, last, ends) if record else (every, last)),
            stepsize_controller=controller,
            adjoint=adjoint,
            event=diffrax.Event(excess) if bounded else None,
            max_steps=max_steps,
            throw=False,
        )
    assert solution.ys is not None and solution.ts is not None
    (measured, invariants), final = solution.ys[:2]
    state, _ = parted(narrow(jax.tree.map(lambda x: x[-1], final)))
    stop_time = solution.ts[1][-1]
    done, stopped = (solution.result == result for result in (diffrax.RESULTS.successful, diffrax.RESULTS.event_occurred))
    limited = solution.result == diffrax.RESULTS.max_steps_reached
    status = jnp.where(done, DONE, jnp.where(stopped, OUT_OF_BOUNDS, jnp.where(limited, STEP_LIMIT, NOT_FINITE)))
    reached = done | (times <= stop_time)
    rows = lambda x: jnp.where(reached.reshape(-1, *(1,) * (x.ndim - 1)), x, jnp.nan)  # noqa: E731
    steps = solution.stats["num_accepted_steps"]
    culprit = jnp.argmax(_stacked(dynamics.limits(stop_time, state))) if bounded else jnp.array(-1)
    trajectory = Trajectory(
        times=times,
        observables=jax.tree.map(rows, measured),
        invariants=jax.tree.map(rows, invariants),
        state=state,
        status=status,
        culprit=jnp.where(stopped, culprit, -1),
        stop_time=stop_time,
        steps=steps,
        last_dt=(stop_time - times[0]) / jnp.maximum(steps, 1),
    )
    return trajectory, solution.ts[2] if record else None


def _one_dtype(
    like: PyTree[Array], dtype: jnp.dtype
) -> tuple[Callable[[PyTree[Array]], PyTree[Array]], Callable[[PyTree[Array]], PyTree[Array]]]:
    """To one dtype for all arrays of a state, which diffrax asks for, and back to those of `like`."""

    def narrow(state: PyTree[Array]) -> PyTree[Array]:
        return jax.tree.map(lambda x, y: x if jnp.iscomplexobj(y) else x.real.astype(y.dtype), state, like)

    return lambda state: jax.tree.map(lambda x: x.astype(dtype), state), narrow


def _stacked(limits: dict[str, Float[Array, ""]]) -> Float[Array, " limit"]:
    return jnp.stack(list(limits.values()))


__all__ = [
    "DONE",
    "NOT_FINITE",
    "OUT_OF_BOUNDS",
    "STEP_LIMIT",
    "AbstractDynamics",
    "AbstractProjectedDynamics",
    "AbstractSchrodinger",
    "AbstractSplitDynamics",
    "Accumulated",
    "Chebyshev",
    "Reversible",
    "Solver",
    "Stepper",
    "Trajectory",
    "adaptive",
    "propagate",
]
