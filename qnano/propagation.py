"""propagate: the one way in which anything in qnano moves in time.

A gradient is one `eqx.filter_grad` over it, a sweep one `eqx.filter_vmap`, and a training step both:

    trajectory = propagate(dynamics, state, times, observables=("density",))
    energy = lambda dynamics: propagate(dynamics, state, times, observables=("energy",)).observables["energy"][-1]
    slope = eqx.filter_grad(energy)(dynamics)

Here is what is checked before, for every solver alike; how a state moves is its solver's own (`qnano.solvers`).
"""

from typing import Any

import diffrax
import equinox as eqx
from jaxtyping import Array, Float, PyTree

from qnano import runtime
from qnano.border import complaint, instance, numbers, truth
from qnano.dynamics import AbstractDynamics, AbstractSolver, Accumulated, Measurement, Problem
from qnano.solvers.admission import admitted_state, admitted_times, lost_if_unordered
from qnano.solvers.reversible import Reversible
from qnano.trajectory import Trajectory


def propagate(
    dynamics: AbstractDynamics,
    state: PyTree[Any],
    times: Any,
    *,
    solver: AbstractSolver | None = None,
    observables: tuple[str, ...] = (),
    adjoint: diffrax.AbstractAdjoint | Reversible | None = None,
    monitor: bool = True,
    dt0: Float[Array, ""] | float | None = None,
    max_steps: int = 100_000,
) -> Trajectory:
    """Propagate `state` from `times[0]` and measure at all `times`, inside the solve.

    Called again with the same shapes it compiles nothing, whatever the numbers.

    `dynamics`: the equation of motion, as `ExactHubbard(model)`.
    `state`: a pytree of arrays of the dynamics' form, or what becomes such without a loss: lists, integers, real numbers where
        complex ones move, single precision.
    `times`: at least two, shape (time,), ascending, in the dynamics' unit (hbar/J for lattices); at the first `state` is given.
    `solver`: `Chebyshev()`, or a scheme with its steps, `adaptive(...)` or `fixed(...)`; by default the dynamics' own choice.
    `observables`: names of what `dynamics.observe` offers. An `Accumulated` one is integrated along with the state, its error
        being controlled with that of the state, and starts from 0 at `times[0]`. A Chebyshev expansion has no steps to integrate
        along: in its place come Magnus steps, which for a constant Hamiltonian are such expansions, as short as the integrals ask.
    `adjoint`: diffrax's `RecursiveCheckpointAdjoint()` (default; reverse mode), `ForwardMode()` or `DirectAdjoint()`, or
        `Reversible()`: reverse mode whose memory does not grow with the number of steps, for a wavefunction propagated by
        `Chebyshev` or `Magnus` and for splittings.
    `monitor`: False leaves the invariants out, where only their cost would be seen, as under a gradient.
    `dt0`: the first step of an adaptive solver; by default it finds one.
    `max_steps`: after so many steps (or expansions) the run ends with STEP_LIMIT.

    Raises `ValueError` for a state of another form, norm or kind than the dynamics', for times that do not ascend (where JAX traces
    them, the status says NOT_FINITE), for an unknown observable, for a first step or a number of
    steps that cannot be, for a solver or adjoint that cannot serve these dynamics, and for `BacksolveAdjoint`, whose gradients of
    complex states are wrong. What fails during the run is a `Status` in the trajectory.
    """
    adjoint = diffrax.RecursiveCheckpointAdjoint() if adjoint is None else adjoint
    instance("dynamics", dynamics, AbstractDynamics, "must be an equation of motion, such as ExactHubbard(model)")
    instance("solver", solver, (AbstractSolver, type(None)), "must be Chebyshev(), adaptive(...) or fixed(...)")
    instance("adjoint", adjoint, (diffrax.AbstractAdjoint, Reversible), "must be an adjoint of diffrax, or Reversible()")
    truth("monitor", monitor)
    if isinstance(adjoint, diffrax.BacksolveAdjoint):
        raise ValueError("adjoint: got BacksolveAdjoint; its gradients of complex states are wrong, choose another")
    numbers("max_steps", max_steps, kind="integer", shape=(), least=1)
    if dt0 is not None:
        numbers("dt0", dt0, shape=(), above=0.0)
    if not isinstance(observables, list | tuple) or not all(isinstance(name, str) for name in observables):
        raise ValueError(complaint("observables", observables, "must be a list of names"))
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
    instant = tuple(name for name in observables if name not in accumulated)
    measured = Measurement(instant, accumulated, monitor)
    return solver.solve(Problem(dynamics, state, times, measured, adjoint, dt0, max_steps))
