"""What a scheme declares: which motions it can step, and what `Stepper` must see to. A new scheme is one file with one class.

A scheme that asks for a vector field alone, and interpolates within its steps to its own order, is a diffrax solver and declares
nothing. Any other is an `AbstractScheme`, for instance

    class Leapfrog(AbstractScheme):
        demands = Demands(AbstractSplitDynamics, "fixed steps and a motion of two solvable parts", even_steps=True)
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import diffrax
import equinox.internal as eqxi
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, PyTree

from qnano.dynamics import AbstractDynamics

Time = Float[ArrayLike, ""]
Convert = Callable[[PyTree[Array]], PyTree[Array]]


class Demands(NamedTuple):
    """`kind` of dynamics that are needed, with what is needed `in_words`, and

    `lands_on_outputs`: a step ends at every output time, since nothing interpolates within one to the order of the scheme;
    `even_steps`: there is no error estimate; between two stops all steps are equal and `dt` at most;
    `is_reversible`: a step of -h leads back, wherever the dynamics lose nothing.
    """

    kind: type[AbstractDynamics] = AbstractDynamics
    in_words: str = "a vector field"
    lands_on_outputs: bool = False
    even_steps: bool = False
    is_reversible: bool = False


class AbstractScheme(diffrax.AbstractSolver):
    """A diffrax solver that is given the dynamics themselves, as `args`, and knows its state at the ends of a step alone."""

    demands: ClassVar[Demands]
    term_structure: ClassVar = diffrax.ODETerm
    interpolation_cls: ClassVar = diffrax.LocalLinearInterpolation

    @abstractmethod
    def advance(self, dynamics: Any, t: Time, h: Time, state: PyTree[Array]) -> PyTree[Array]:
        """`state`, as the dynamics have it, moved on from t by a step of h, which may be negative."""

    @abstractmethod
    def between(self, narrow: Convert, widen: Convert) -> "AbstractScheme":
        """The same scheme for states of one dtype, as diffrax has them: `narrow` makes one of the dynamics, `widen` leads back."""

    def init(self, terms, t0, t1, y0, args):
        return None

    def func(self, terms, t0, y0, args):
        return terms.vf(t0, y0, args)


def demands(scheme: diffrax.AbstractSolver) -> Demands:
    """What a scheme declares."""
    return scheme.demands if isinstance(scheme, AbstractScheme) else Demands()


def inside(t: Time, start: Time, end: Time) -> Float[Array, ""]:
    """`t`, but just within the step from `start` to `end`: a parameter that jumps there is read on this side of the jump."""
    return jnp.clip(t, eqxi.nextafter(jnp.minimum(start, end)), eqxi.prevbefore(jnp.maximum(start, end)))
