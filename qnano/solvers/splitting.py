"""Splitting: a motion that is the sum of two, each solved exactly, stepped by their flows in turn.

With K(h) the flow of the one part ("kick") and D(h) that of the other ("drift"), a step of length h is

    K(k_s h) D(d_s h) ... K(k_1 h) D(d_1 h) K(k_0 h),        sum k = sum d = 1, both symmetric.

What both flows keep (norms, traces, the symplectic structure) the step keeps to round-off, and a step of -h leads back. A kick may
depend on time: then time itself drifts, and each kick holds its parameters at the time it has come to.

Coefficients: Strang, SIAM J. Numer. Anal. 5, 506 (1968); Blanes and Moan, J. Comput. Appl. Math. 142, 313 (2002), S6 of order 4
and S10 of order 6.
"""

import dataclasses
import itertools
from collections.abc import Callable
from typing import ClassVar

import diffrax
import equinox as eqx
import equinox.internal as eqxi
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, PyTree

_HALF_KICKS = {
    2: (0.5,),
    4: (0.0792036964311957, 0.353172906049774, -0.0420650803577195),
    6: (0.050262764400392, 0.413514300428344, 0.0450798897943977, -0.188054853819569, 0.541960678450780),
}
_HALF_DRIFTS = {
    2: (),
    4: (0.209515106613362, -0.143851773179818),
    6: (0.148816447901042, -0.132385865767784, 0.067307604692185, 0.432666402578175),
}


class Splitting(diffrax.AbstractSolver):
    """A diffrax solver for dynamics with `kick` and `drift`, which `propagate` passes as `args`; see `strang`, `blanes_moan`.

    It has no error estimate, so only `fixed` steps suit it, and steps onto every output time, since nothing interpolates.
    `narrow` and `widen` lead from the one dtype that diffrax asks for to the state of the dynamics and back.
    """

    kicks: tuple[float, ...] = eqx.field(static=True)
    drifts: tuple[float, ...] = eqx.field(static=True)
    accuracy: int = eqx.field(static=True)
    narrow: Callable[[PyTree[Array]], PyTree[Array]] = lambda state: state
    widen: Callable[[PyTree[Array]], PyTree[Array]] = lambda state: state
    term_structure: ClassVar = diffrax.ODETerm
    interpolation_cls: ClassVar = diffrax.LocalLinearInterpolation

    def between(
        self, narrow: Callable[[PyTree[Array]], PyTree[Array]], widen: Callable[[PyTree[Array]], PyTree[Array]]
    ) -> "Splitting":
        """The same scheme for states of one dtype, which `narrow` makes those of the dynamics."""
        return dataclasses.replace(self, narrow=narrow, widen=widen)

    def order(self, terms):
        return self.accuracy

    def init(self, terms, t0, t1, y0, args):
        return None

    def func(self, terms, t0, y0, args):
        return terms.vf(t0, y0, args)

    def step(self, terms, t0, t1, y0, args, solver_state, made_jump):
        state = self.advance(args, t0, t1 - t0, self.narrow(y0))
        y1 = self.widen(state)
        return y1, None, dict(y0=y0, y1=y1), None, diffrax.RESULTS.successful

    def advance(self, dynamics, t, h, state):
        """`state` moved on from t by a step of h, which may be negative."""
        # A parameter that jumps at an end of the step is read on this side of the jump.
        inside = lambda at: jnp.clip(at, eqxi.nextafter(jnp.minimum(t, t + h)), eqxi.prevbefore(jnp.maximum(t, t + h)))  # noqa: E731
        state = dynamics.kick(inside(t), self.kicks[0] * h, state)
        for kick, drift, past in zip(self.kicks[1:], self.drifts, itertools.accumulate(self.drifts), strict=True):
            state = dynamics.drift(drift * h, state)
            state = dynamics.kick(inside(t + past * h), kick * h, state)
        return state


def strang() -> Splitting:
    """Order 2: half a kick, a drift, half a kick."""
    return _symmetric(2)


def blanes_moan(order: int = 6) -> Splitting:
    """Order 4 (six drifts a step) or 6 (ten), with small error constants. Raises `ValueError` for another order.

    On the Holstein chain order 6 needs half the drifts of order 4 for an error of 1e-6, a third for 1e-9.
    """
    if order not in (4, 6):
        raise ValueError(f"order: got {order}; must be 4 or 6")
    return _symmetric(order)


def _symmetric(order: int) -> Splitting:
    kicks, drifts = _HALF_KICKS[order], _HALF_DRIFTS[order]
    middle = () if order == 2 else (1 - 2 * sum(kicks),)
    pair = (1.0,) if order == 2 else (0.5 - sum(drifts),) * 2
    return Splitting((*kicks, *middle, *kicks[::-1]), (*drifts, *pair, *drifts[::-1]), order)


class EvenSteps(diffrax.AbstractStepSizeController):
    """Between neighbouring stops (output times and jumps) equal steps of at most `dt`.

    No step depends on the state, so a batch made by `vmap` goes on in step, and what a flow needs of the step alone is made once.
    """

    dt: Float[ArrayLike, ""]
    stops: Float[Array, " stop"]

    def __init__(self, dt: Float[ArrayLike, ""], times: Float[Array, " time"], jumps: Float[Array, " jump"] | None):
        self.dt = dt
        self.stops = times if jumps is None else jnp.sort(jnp.concatenate([times, jumps]))

    def wrap(self, direction):
        del direction  # times ascend
        return self

    def init(self, terms, t0, t1, y0, dt0, args, func, error_order):
        del terms, t1, y0, dt0, args, func, error_order
        place = jnp.sum(self.stops <= t0)
        return self._end(t0, place), place

    def adapt_step_size(self, t0, t1, y0, y1_candidate, args, y_error, error_order, controller_state):
        del t0, y0, y1_candidate, args, y_error, error_order
        place = controller_state + (t1 >= self._stop(controller_state))
        return True, t1, self._end(t1, place), False, place, diffrax.RESULTS.successful

    def _stop(self, place):
        return self.stops[jnp.minimum(place, self.stops.size - 1)]

    def _end(self, t, place):
        stop = self._stop(place)
        count = jnp.ceil((stop - t) / self.dt - 1e-6)
        return jnp.where(count > 1, t + (stop - t) / jnp.maximum(count, 1.0), stop)
