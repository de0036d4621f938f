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
from typing import ClassVar

import diffrax
import equinox as eqx

from qnano.dynamics import AbstractSplitDynamics
from qnano.solvers.scheme import AbstractScheme, Convert, Demands, inside

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


class Splitting(AbstractScheme):
    """A scheme for dynamics with `kick` and `drift`; made by `strang` or `blanes_moan`, for `fixed` steps.

    `kicks`, `drifts`: the shares k_s and d_s of a step, one kick more than drifts, each summing to 1.
    `accuracy`: the order of the scheme.
    `narrow`, `widen`: from the one dtype that diffrax asks for to the state of the dynamics and back; `between` sets them.
    """

    kicks: tuple[float, ...] = eqx.field(static=True)
    drifts: tuple[float, ...] = eqx.field(static=True)
    accuracy: int = eqx.field(static=True)
    narrow: Convert = lambda state: state
    widen: Convert = lambda state: state
    demands: ClassVar = Demands(
        AbstractSplitDynamics,
        "fixed steps and a motion of two solvable parts",
        lands_on_outputs=True,
        even_steps=True,
        is_reversible=True,
    )

    def between(self, narrow: Convert, widen: Convert) -> "Splitting":
        return dataclasses.replace(self, narrow=narrow, widen=widen)

    def order(self, terms):
        return self.accuracy

    def step(self, terms, t0, t1, y0, args, solver_state, made_jump):
        state = self.advance(args, t0, t1 - t0, self.narrow(y0))
        y1 = self.widen(state)
        return y1, None, dict(y0=y0, y1=y1), None, diffrax.RESULTS.successful

    def advance(self, dynamics, t, h, state):
        end = t + h
        state = dynamics.kick(inside(t, t, end), self.kicks[0] * h, state)
        for kick, drift, past in zip(self.kicks[1:], self.drifts, itertools.accumulate(self.drifts), strict=True):
            state = dynamics.drift(drift * h, state)
            state = dynamics.kick(inside(t + past * h, t, end), kick * h, state)
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
