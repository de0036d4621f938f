"""Commutator-free Magnus integrator of fourth order for a driven Hamiltonian.

With H_1, H_2 at the Gauss points t + (1/2 -+ sqrt(3)/6) h and a = 1/4 +- sqrt(3)/6,

    U(t + h, t) = exp(-i h (a_- H_1 + a_+ H_2)) exp(-i h (a_+ H_1 + a_- H_2)) + O(h^5)

(Blanes and Moan, Appl. Numer. Math. 56, 1519 (2006), scheme CF4:2). Each exponential is a Chebyshev expansion of fixed length, so a
step is unitary to that expansion's tolerance whatever h is. The error estimate is the difference between one step and two
half steps, a fifteenth of which is the error of the latter, which is kept.
"""

import math
from typing import ClassVar

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp

from qnano.border import numbers
from qnano.dynamics import AbstractSchrodinger
from qnano.solvers.evolution import exponential
from qnano.solvers.expansion import reach
from qnano.solvers.scheme import AbstractScheme, Convert, Demands
from qnano.solvers.series import Interval


class Magnus(AbstractScheme):
    """A scheme for a wavefunction under any Hamiltonian, for `adaptive` or `fixed` steps.

    `terms`: the length of each Chebyshev expansion, even, at least 4; a step that would reach beyond it is rejected.
    """

    terms: int = eqx.field(static=True, default=24)
    demands: ClassVar = Demands(AbstractSchrodinger, "a wavefunction", lands_on_outputs=True, is_reversible=True)

    def __check_init__(self):
        numbers("terms", self.terms, kind="integer", shape=(), least=4)

    def between(self, narrow: Convert, widen: Convert) -> "Magnus":
        return self  # a wavefunction is of one dtype as it is

    def order(self, terms):
        return 4

    def error_order(self, terms):
        return 5

    def step(self, terms, t0, t1, y0, args, solver_state, made_jump):
        h = t1 - t0
        whole, angle = self._step(args, t0, h, y0)
        y1 = self.advance(args, t0, h, y0)
        tolerance = 1e-13 if y0.dtype == jnp.complex128 else 1e-6
        beyond = jnp.where(angle > reach(self.terms, tolerance), 1.0, 0.0)
        error = jnp.abs(y1 - whole) / 15 + beyond
        return y1, error, dict(y0=y0, y1=y1), None, diffrax.RESULTS.successful

    def advance(self, dynamics, t, h, psi):
        """The step that is kept, two of h / 2. It is symmetric in time: one of -h from its end leads back to its start."""

        def half(psi, start):
            return self._step(dynamics, start, h / 2, psi)[0], None

        return jax.lax.scan(half, psi, jnp.stack([t, t + h / 2]))[0]

    def _step(self, dynamics, t, h, psi):
        """The two exponentials, and the largest angle that either had to reach. As a loop they are compiled once."""
        shift = math.sqrt(3) / 6
        early, late = dynamics.hamiltonian(t + (0.5 - shift) * h), dynamics.hamiltonian(t + (0.5 + shift) * h)

        def factor(psi, weights):
            mixed = jax.tree.map(lambda x, y: weights[0] * x + weights[1] * y, early, late)
            interval = jax.lax.stop_gradient(Interval.between(*mixed.spectral_bounds()))
            return exponential(mixed, psi, h, self.terms, interval), jax.lax.stop_gradient(interval.radius * h)

        weights = jnp.array([[0.25 + shift, 0.25 - shift], [0.25 - shift, 0.25 + shift]], dtype=h.dtype)
        psi, angles = jax.lax.scan(factor, psi, weights)
        return psi, jnp.maximum(jnp.max(angles), 0)
