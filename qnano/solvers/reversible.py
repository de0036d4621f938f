"""Reverse mode in constant memory: what can be run backwards need not be kept.

That is unitary motion, and a splitting into flows without losses. With psi_1 = U psi_0 and the costate, the gradient of a real loss
with respect to psi, known at the end of a step, the start of the step is found again as psi_0 = U^-1 psi_1, and one step's ordinary
pullback gives the costate there and what the step adds to the gradient of the parameters. Costates of output times are added on the
way. The walk back holds two states and the pullback of one step, whatever the number of steps; the states differ from those of the
way there by round-off and the tolerance of the expansion. (The recomputation by inverse steps is that of reversible networks,
Gomez et al., arXiv:1707.04585; such motion needs no auxiliary variables for it.)
"""

from collections.abc import Callable
from functools import partial
from numbers import Number
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from qnano.dynamics import AbstractSolver
from qnano.solvers.evolution import exponential
from qnano.solvers.expansion import AbstractExpansion, Expanded, output_slots, propagate_linear, reach, serve, spectrum
from qnano.solvers.scheme import AbstractScheme

Save = Callable[[Any, Float[Array, ""], PyTree[Array]], PyTree[Array]]


class Reversible(eqx.Module):
    """As `adjoint` of `propagate`: reverse mode whose memory does not grow with the number of steps."""


@eqx.filter_custom_vjp
def expand_reversibly(moving, save: Save, solver: AbstractExpansion, max_steps: int) -> Expanded:
    """`propagate_linear` of moving = (hamiltonian, dynamics, psi, times), where save(dynamics, t, psi) is measured."""
    hamiltonian, dynamics, psi, times = moving
    return propagate_linear(hamiltonian, psi, times, partial(save, dynamics), solver, "lax", max_steps)


@expand_reversibly.def_fwd
def _expand_forward(perturbed, moving, save, solver, max_steps):
    expanded = expand_reversibly(_arrays(moving), save, solver, max_steps)
    return expanded, (expanded.psi, expanded.time, expanded.done)


@expand_reversibly.def_bwd
def _expand_backward(residuals, cotangent, perturbed, moving, save, solver, max_steps):
    """The expansions of the way back are laid like those of the way there, from the last output time to the first."""
    psi, now, done = residuals
    hamiltonian, dynamics, _, times = _arrays(moving)
    parameters, constants = eqx.partition((hamiltonian, dynamics), perturbed[:2])
    count = times.size
    interval = spectrum(hamiltonian, psi)
    longest = reach(solver.terms, solver.tolerance) / interval.radius
    slots = jnp.arange(output_slots(solver, times) + 1)  # the output at the end of the window besides
    rows = _filled(cotangent.saved, _shapes(save, dynamics, times, psi))
    costate = _filled(cotangent.psi, psi)
    timed = perturbed[3]
    slope = _slope(dynamics, times[-1], psi, costate)
    by_time = jnp.zeros_like(times).at[-1].add(slope).at[0].add(-slope) if timed else None

    def back(carry: tuple) -> tuple:
        left, now, psi, costate, gradient, by_time = carry
        index = left - 1 - slots
        place = jnp.maximum(index, 0)
        behind = now - times[place]
        served = (index >= 0) & (behind <= longest)
        last = jnp.max(jnp.where(served, behind, 0.0))
        to_output = (last > 0) | (served & (index == 0)).any()
        last = jnp.where(to_output, last, longest)
        psi = exponential(hamiltonian, psi, -last, solver.terms, interval)

        def window(parameters, psi, offsets):
            hamiltonian, dynamics = eqx.combine(parameters, constants)
            return serve(hamiltonian, psi, interval, now - last, offsets, served, partial(save, dynamics), solver.terms)

        offsets = jnp.append(jnp.where(served, last - behind, last), last)
        wanted = jax.tree.map(lambda x: jnp.where(served.reshape(-1, *(1,) * (x.ndim - 1)), x[place], 0), rows)
        if timed:
            _, pull = eqx.filter_vjp(window, parameters, psi, offsets)
            more, costate, by_offset = pull((wanted, costate))
            by_offset = jnp.where(served, by_offset[:-1], 0.0)
            by_time = by_time.at[place].add(by_offset).at[0].add(-by_offset.sum())
        else:
            _, pull = eqx.filter_vjp(partial(window, offsets=offsets), parameters, psi)
            more, costate = pull((wanted, costate))
        left = left - served.sum()
        now = jnp.where(to_output, times[left], now - last)
        return left, now, psi, costate, jax.tree.map(jnp.add, gradient, more), by_time

    def unfinished(carry: tuple):
        left, now, *_ = carry
        return (left > 0) & (now - longest < now)

    now = jnp.where(done == count, times[-1], now)
    carry = (done, now, psi, costate, jax.tree.map(jnp.zeros_like, parameters), by_time)
    _, _, _, costate, gradient, by_time = jax.lax.while_loop(unfinished, back, carry)
    return *gradient, costate, by_time


@eqx.filter_custom_vjp
def step_reversibly(moving, solve: Callable, save: Save, scheme: AbstractScheme, solver: AbstractSolver, dt0) -> PyTree:
    """The trajectory of solve(dynamics, psi, times, solver, dt0), which gives it with the ends of its steps (inf after the last).

    What was stepped there by the solver is stepped back by its `scheme`.
    moving = (dynamics, jumps, psi, times); the steps end at all `times` and `jumps`. Their lengths are taken as constant in
    between, where the solution does not depend on them but for the error of the steps.
    """
    dynamics, _, psi, times = moving
    return solve(dynamics, psi, times, solver, dt0)[0]


@step_reversibly.def_fwd
def _step_forward(perturbed, moving, solve, save, scheme, solver, dt0):
    dynamics, _, psi, times = _arrays(moving)
    trajectory, ends = solve(dynamics, psi, times, solver, dt0)
    return trajectory, (trajectory.state, trajectory.steps, trajectory.stop_time, jnp.append(times[0], ends))


@step_reversibly.def_bwd
def _step_backward(residuals, cotangent, perturbed, moving, solve, save, scheme, solver, dt0):
    psi, steps, stop_time, ends = residuals
    dynamics, jumps, _, times = _arrays(moving)
    parameters, constants = eqx.partition(dynamics, perturbed[0])
    timed = perturbed[1] or perturbed[3]

    def nearest(t):
        return jnp.searchsorted((ends[:-1] + ends[1:]) / 2, t)

    output_ends = nearest(times)
    rows = _filled((cotangent.observables, cotangent.invariants), _shapes(save, dynamics, times, psi))
    costate = _filled(cotangent.state, psi)
    slope = _slope(dynamics, times[-1], psi, costate)
    by_end = jnp.zeros_like(ends).at[steps].add(-slope) if timed else None
    by_time = jnp.zeros_like(times).at[-1].add(slope) if timed else None

    def measure(carry: tuple) -> tuple:
        """An output time: its costate joins. Where `timed`, moving the time moves this output, but no step."""
        end, left, psi, costate, gradient, by_end, by_time = carry
        place = left - 1
        _, pull = eqx.filter_vjp(lambda p, t, psi: save(eqx.combine(p, constants), t, psi), parameters, times[place], psi)
        more, explicit, joining = pull(jax.tree.map(lambda x: x[place], rows))
        if timed:
            slope = _slope(dynamics, times[place], psi, joining)
            by_end, by_time = by_end.at[end].add(-slope), by_time.at[place].add(slope + explicit)
        costate = jax.tree.map(jnp.add, costate, joining)
        return end, place, psi, costate, jax.tree.map(jnp.add, gradient, more), by_end, by_time

    def back(carry: tuple) -> tuple:
        end, left, psi, costate, gradient, by_end, by_time = carry
        span = ends[end - 1], ends[end]
        psi = scheme.advance(dynamics, span[1], span[0] - span[1], psi)

        def step(parameters, psi, span):
            motion = eqx.combine(parameters, constants).in_reverse
            return scheme.advance(motion, span[0], span[1] - span[0], psi)

        if timed:
            _, pull = eqx.filter_vjp(step, parameters, psi, span)
            more, costate, (by_start, by_stop) = pull(costate)
            by_end = by_end.at[end - 1].add(by_start).at[end].add(by_stop)
        else:
            _, pull = eqx.filter_vjp(partial(step, span=span), parameters, psi)
            more, costate = pull(costate)
        return end - 1, left, psi, costate, jax.tree.map(jnp.add, gradient, more), by_end, by_time

    def onwards(carry: tuple) -> tuple:
        end, left, *_ = carry
        here = (left > 0) & (output_ends[left - 1] >= end)
        return jax.lax.cond(here, measure, back, carry)

    gradient = jax.tree.map(jnp.zeros_like, parameters)
    carry = (steps, jnp.sum(times <= stop_time), psi, costate, gradient, by_end, by_time)
    carry = jax.lax.while_loop(lambda carry: (carry[0] > 0) | (carry[1] > 0), onwards, carry)
    *_, costate, gradient, by_end, by_time = carry
    if by_end is None or by_time is None:
        return gradient, None, costate, None
    # A step towards a jump ends one unit in the last place before it; jumps outside the run move nothing.
    inside = (jumps > times[0]) & (jumps < stop_time)
    return gradient, jnp.where(inside, by_end[nearest(jumps)], 0.0), costate, by_time.at[0].add(by_end[0])


def _arrays(moving: PyTree) -> PyTree:
    """`moving` with the constants of an inner jit, which reach these rules as JAX's own kind of number, as arrays."""
    return jax.tree.map(lambda x: jnp.asarray(x) if isinstance(x, Number) else x, moving)


def _slope(dynamics: Any, t: Float[Array, ""], psi: PyTree[Array], costate: PyTree[Array]) -> Float[Array, ""]:
    """The derivative of the loss as psi moves on in time."""
    slopes = jax.tree.map(lambda c, rate: jnp.sum(c * rate).real, costate, dynamics.vector_field(t, psi))
    return jnp.sum(jnp.stack(jax.tree.leaves(slopes)))


def _shapes(save: Save, dynamics: Any, times: Float[Array, " time"], psi: PyTree[Array]) -> PyTree:
    return jax.eval_shape(lambda: jax.vmap(lambda t: save(dynamics, t, psi))(times))


def _filled(cotangent: PyTree, like: PyTree) -> PyTree[Array]:
    """`cotangent` with its symbolic zeros, None, as arrays."""

    def fill(c, x):
        return jnp.zeros(x.shape, x.dtype) if c is None else c

    return jax.tree.map(fill, cotangent, like, is_leaf=lambda x: x is None)
