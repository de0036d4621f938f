"""A stepper: a diffrax solver with its step size controller, and the classical Runge-Kutta scheme that diffrax leaves out."""

from collections.abc import Callable
from typing import ClassVar

import diffrax
import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float

from qnano import border


class Stepper(eqx.Module):
    """How `propagate` steps: scheme and control of the step. Make one by `adaptive` or `fixed`."""

    scheme: diffrax.AbstractSolver
    controller: diffrax.PIDController
    dt: Float[ArrayLike, ""] | None = None


def reachable(tolerance: float) -> float:
    """`tolerance`, or as little above it as the precision that is set allows: eight roundings of a number of order 1."""
    return max(tolerance, 8 * float(jnp.finfo(jnp.result_type(float)).eps))


def adaptive(scheme: diffrax.AbstractSolver, rtol: float = 1e-8, atol: float = 1e-10) -> Stepper:
    """Steps chosen so that the local error stays below `atol + rtol |state|`, or below what rounding leaves where that is more."""
    border.numbers("rtol", rtol, shape=(), least=0.0)
    border.numbers("atol", atol, shape=(), least=0.0)
    # Arrays, not Python's numbers, so that another tolerance or step is no other program.
    rtol, atol = (np.float64(reachable(tolerance)) for tolerance in (rtol, atol))
    return Stepper(scheme, diffrax.PIDController(rtol=rtol, atol=atol, dtmin=reachable(1e-12)))


def fixed(scheme: diffrax.AbstractSolver, dt: float) -> Stepper:
    """Steps of length `dt`, for convergence studies and comparisons; shorter where an output or a jump comes first.

    That is a controlled step of boundless tolerance, since a constant one would run over the jumps.
    """
    border.numbers("dt", dt, shape=(), above=0.0)
    dt = np.float64(dt)
    return Stepper(scheme, diffrax.PIDController(rtol=0.0, atol=1e30, dtmax=dt), dt)


class RK4(diffrax.AbstractERK):
    """The classical Runge-Kutta scheme of fourth order; it has no error estimate, so only `fixed` steps suit it."""

    tableau: ClassVar[diffrax.ButcherTableau] = diffrax.ButcherTableau(
        c=np.array([0.5, 0.5, 1.0]),
        b_sol=np.array([1 / 6, 1 / 3, 1 / 3, 1 / 6]),
        b_error=np.zeros(4),
        a_lower=(np.array([0.5]), np.array([0.0, 0.5]), np.array([0.0, 0.0, 1.0])),
    )
    interpolation_cls: ClassVar[Callable] = diffrax.ThirdOrderHermitePolynomialInterpolation.from_k

    def order(self, terms):
        return 4
