"""Integrals along a motion, for schemes that know their state at the ends of a step alone (`Magnus`, `Splitting`).

One step h is made of four of the scheme, between the nodes of Lobatto's rule with five points, whose error falls as h^9. That of
Simpson's rule on three of the same nodes falls as h^5: with d their difference, relative to the integral of the magnitude, d^(9/5)
estimates the former, and the step size control holds it to the tolerance of the state. A Runge-Kutta scheme needs none of this:
there the integrals are further components of the state.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from qnano.solvers.scheme import inside

NODES = np.array([0.0, 0.5 - np.sqrt(21) / 14, 0.5, 0.5 + np.sqrt(21) / 14, 1.0])
WEIGHTS = np.array([1 / 20, 49 / 180, 16 / 45, 49 / 180, 1 / 20])
SIMPSON = np.array([1 / 6, 0.0, 4 / 6, 0.0, 1 / 6])
LONGEST_PIECE = float(np.diff(NODES).max())


class Accumulating(diffrax.AbstractSolver):
    """`solver` for the first entry of a state of two, and in the second the integrals of `rates(args, t, first entry)`."""

    solver: diffrax.AbstractSolver
    rates: Callable[[Any, Any, PyTree[Array]], PyTree[Array]]
    term_structure: ClassVar = diffrax.ODETerm
    interpolation_cls: ClassVar = diffrax.LocalLinearInterpolation

    def order(self, terms):
        return self.solver.order(terms)

    def error_order(self, terms):
        return self.solver.error_order(terms)

    def init(self, terms, t0, t1, y0, args):
        return None

    def func(self, terms, t0, y0, args):
        return terms.vf(t0, y0, args)

    def step(self, terms, t0, t1, y0, args, solver_state, made_jump):
        state, integrals = y0
        times = jnp.stack([t0, *(t0 + c * (t1 - t0) for c in NODES[1:-1]), t1])

        def piece(state, ends):
            start, end = ends
            state, error, _, _, _ = self.solver.step(terms, start, end, state, args, None, made_jump)
            return state, (error, self.rates(args, inside(end, t0, t1), state))

        first = self.rates(args, inside(t0, t0, t1), state)
        state, (errors, rates) = jax.lax.scan(piece, state, (times[:-1], times[1:]))
        rates = jax.tree.map(lambda x, y: jnp.concatenate([x[None], y]), first, rates)

        def weighted(weights, of=lambda x: x):
            return jax.tree.map(lambda x: (t1 - t0) * jnp.tensordot(weights.astype(x.dtype), of(x).astype(x.dtype), 1), rates)

        y1 = state, jax.tree.map(jnp.add, integrals, weighted(WEIGHTS))
        error = None
        if errors is not None:
            added = jax.tree.map(lambda x: x.sum(axis=0), errors)
            error = added, jax.tree.map(_uncertain, weighted(WEIGHTS - SIMPSON), weighted(WEIGHTS, jnp.abs))
        return y1, error, dict(y0=y0, y1=y1), None, diffrax.RESULTS.successful


def _uncertain(difference: Array, magnitude: Array) -> Array:
    """The error of the better rule; it only controls steps, so no gradient passes."""
    difference, magnitude = jax.lax.stop_gradient((jnp.abs(difference), jnp.abs(magnitude)))
    share = difference / jnp.maximum(magnitude, jnp.finfo(magnitude.dtype).tiny)
    return magnitude * share ** (9 / 5)
