"""Steps of any diffrax solver, with a projection of the state after each.

A motion may leave the set to which its exact solution belongs; the projection leads back to it. The stage that a first-same-as-last
scheme keeps for its next step is stale after that, so the next step is told of a jump. A projection that does nothing costs its
own evaluation and that stage.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree


class Projected(diffrax.AbstractWrappedSolver):
    """`solver`, with `project(args, t, state)` after each step.

    Within a step the solution is interpolated as `solver` does it; at its end it is the projected state.
    """

    solver: diffrax.AbstractSolver
    project: Callable[[Any, Any, PyTree[Array]], PyTree[Array]]

    @property
    def term_structure(self):
        return self.solver.term_structure

    @property
    def term_compatible_contr_kwargs(self):
        return self.solver.term_compatible_contr_kwargs

    @property
    def interpolation_cls(self):
        return partial(_interpolate, self.solver.interpolation_cls)

    @property
    def scan_kind(self):
        """How a Runge-Kutta scheme goes through its stages, which diffrax sets for forward mode."""
        return getattr(self.solver, "scan_kind", None)

    def order(self, terms):
        return self.solver.order(terms)

    def strong_order(self, terms):
        return self.solver.strong_order(terms)

    def error_order(self, terms):
        return self.solver.error_order(terms)

    def func(self, terms, t0, y0, args):
        return self.solver.func(terms, t0, y0, args)

    def init(self, terms, t0, t1, y0, args):
        return self.solver.init(terms, t0, t1, y0, args), jnp.array(False)

    def step(self, terms, t0, t1, y0, args, solver_state, made_jump):
        inner, moved = solver_state
        end, error, inside, inner, result = self.solver.step(terms, t0, t1, y0, args, inner, made_jump | moved)
        end = self.project(args, t1, end)
        return end, error, dict(inside=inside, end=end), (inner, jnp.array(True)), result


class _Interpolation(diffrax.AbstractLocalInterpolation):
    """The step's own interpolation before its end, and the projected state there."""

    t0: Float[Array, ""]
    t1: Float[Array, ""]
    inside: diffrax.AbstractLocalInterpolation
    end: PyTree[Array]

    def evaluate(self, t0: Any, t1: Any = None, left: bool = True) -> PyTree[Array]:
        if t1 is not None:
            return jax.tree.map(jnp.subtract, self.evaluate(t1, left=left), self.evaluate(t0, left=left))
        return jax.tree.map(lambda x, y: jnp.where(t0 == self.t1, x, y), self.end, self.inside.evaluate(t0, left=left))


def _interpolate(interpolation_cls, *, t0, t1, inside, end):
    return _Interpolation(t0, t1, interpolation_cls(t0=t0, t1=t1, **inside), end)
