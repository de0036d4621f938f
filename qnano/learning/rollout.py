"""Propagation for training: fixed steps of the classical Runge-Kutta scheme, with its adjoint written out.

Differentiating a loop of stages in a loop of steps in a loop of samples makes JAX trace and compile the vector field some ten
times. Here it is compiled once forward and once as a vector-Jacobian product. With a step y' = y + dt sum_i b_i k_i and
k_i = f(t + a_i dt, y + a_i dt k_{i-1}),

    k_i* = dt (b_i y'* + a_{i+1} u_{i+1}),      u_i = (df/dy)^T k_i*,      y* = y'* + sum_i u_i,      w* = sum_i (df/dw)^T k_i*,

the discrete adjoint: gradients are those of the numbers that were computed. A step across a jump of H(t) loses its order. Of a
stretch between two samples only its first state is kept.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int, PyTree

from qnano.border import numbers
from qnano.dynamics import AbstractDynamics

REACH, WEIGHT = (0.0, 0.5, 0.5, 1.0), (1 / 6, 1 / 3, 1 / 3, 1 / 6)


def rollout(
    dynamics: AbstractDynamics,
    start: PyTree[Array],
    measure: Callable[[Float[Array, ""], PyTree[Array]], PyTree[Array]],
    interval: Float[Array, ""],
    samples: int,
    substeps: int,
    begin: Float[ArrayLike, ""] = 0.0,
) -> PyTree[Array]:
    """What `measure`(t, state) says after 1, 2, ... `samples` intervals (hbar/J) from `begin`, each made of so many steps.

    Raises `ValueError` for numbers that cannot be, as far as they are known.
    """
    numbers("interval", interval, shape=(), above=0.0)
    numbers("samples", samples, kind="integer", shape=(), least=1)
    numbers("substeps", substeps, kind="integer", shape=(), least=1)
    numbers("begin", begin, shape=())

    begin = jnp.asarray(begin)

    def stretch(state: PyTree[Array], k: Int[Array, ""]) -> tuple[PyTree[Array], PyTree[Array]]:
        state = advance((dynamics, state), begin + k * interval, interval / substeps, substeps)
        return state, measure(begin + (k + 1) * interval, state)

    return jax.lax.scan(stretch, _together(start), jnp.arange(samples))[1]


def _together(state: PyTree[Array]) -> PyTree[Array]:
    """The same numbers, which `vmap` batches all or none: newer JAX refuses a custom derivative some of whose outputs it shares."""
    nothing = 0 * jnp.sum(jnp.stack([jnp.sum(x.real) for x in jax.tree.leaves(state)]))
    return jax.tree.map(lambda x: x + nothing.astype(x.dtype), state)


@eqx.filter_custom_vjp
def advance(
    moving: tuple[AbstractDynamics, PyTree[Array]], begin: Float[Array, ""], dt: Float[Array, ""], steps: int
) -> PyTree[Array]:
    """The state after so many steps from `begin`; differentiable once, in reverse mode, by the leaves of dynamics and state."""
    dynamics, state = moving
    return jax.lax.scan(lambda y, t: (_step(dynamics, t, y, dt)[0], None), state, _starts(begin, dt, steps))[0]


@advance.def_fwd
def _advance_fwd(perturbed, moving, begin, dt, steps):
    del perturbed
    return advance(moving, begin, dt, steps), None


@advance.def_bwd
def _advance_bwd(residuals, cotangent, perturbed, moving, begin, dt, steps):
    del residuals, perturbed
    dynamics, state = moving
    starts = _starts(begin, dt, steps)
    _, inputs = jax.lax.scan(lambda y, t: _step(dynamics, t, y, dt), state, starts)

    def back_a_stage(carry, stage):
        t, reached, reach_after, weight = stage
        after, of_step, of_weights, total = carry
        slope = jax.tree.map(lambda y, u: dt * (weight * y + reach_after * u), of_step, after)
        _, pull = eqx.filter_vjp(lambda dynamics, y: dynamics.vector_field(t, y), dynamics, reached)
        here, u = pull(slope)
        return (u, of_step, _add(of_weights, here), _add(total, u)), None

    def back_a_step(carry, step):
        t, reached = step
        of_step, of_weights = carry
        still = jax.tree.map(jnp.zeros_like, of_step)
        stages = (t + dt * jnp.array(REACH), reached, jnp.array([*REACH[1:], 0.0]), jnp.array(WEIGHT))
        (_, _, of_weights, total), _ = jax.lax.scan(back_a_stage, (still, of_step, of_weights, of_step), stages, reverse=True)
        return (total, of_weights), None

    nothing = jax.tree.map(jnp.zeros_like, eqx.filter(dynamics, eqx.is_inexact_array))
    (of_state, of_weights), _ = jax.lax.scan(back_a_step, (cotangent, nothing), (starts, inputs), reverse=True)
    return of_weights, of_state


def _starts(begin: Float[Array, ""], dt: Float[Array, ""], steps: int) -> Float[Array, " step"]:
    """When each step begins."""
    return begin + dt * jnp.arange(steps)


def _step(
    dynamics: AbstractDynamics, t: Float[Array, ""], state: PyTree[Array], dt: Float[Array, ""]
) -> tuple[PyTree[Array], PyTree[Array]]:
    """A step from t, and the states at which it evaluated the vector field."""

    def along(x, slope, length):
        return jax.tree.map(lambda x, v: x + length * v, x, slope)

    def stage(carry: tuple[Any, Any], tableau: tuple[Array, Array]) -> tuple[tuple[Any, Any], Any]:
        slope, total = carry
        reach, weight = tableau
        reached = along(state, slope, reach * dt)
        slope = dynamics.vector_field(t + reach * dt, reached)
        return (slope, along(total, slope, weight * dt)), reached

    still = jax.tree.map(jnp.zeros_like, state)
    (_, after), reached = jax.lax.scan(stage, (still, state), (jnp.array(REACH), jnp.array(WEIGHT)))
    return after, reached


def _add(left: PyTree[Array], right: PyTree[Array]) -> PyTree[Array]:
    return jax.tree.map(jnp.add, left, right)
