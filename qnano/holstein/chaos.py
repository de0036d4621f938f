"""Lyapunov exponents: how fast neighbouring trajectories part.

Tangent vectors are carried along by forward-mode derivatives of the propagation itself, all as one batch, and made orthonormal
after each interval; the exponents are the mean logarithms of the lengths that this takes away (Benettin et al., Meccanica 15, 9
(1980)). Lengths and angles are those of the density matrix, Q and P together, so that orbitals, which are defined only up to a
rotation, give the same numbers as the matrix.

The flow is Hamiltonian: exponents come in pairs +-lambda, and each conserved quantity adds a pair of zeros.
"""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from qnano.border import numbers, random_key
from qnano.dynamics import AbstractSolver
from qnano.holstein.ehrenfest import AbstractEhrenfest, EhrenfestState
from qnano.propagation import propagate


class Lyapunov(eqx.Module):
    """`growth[i, a]`: the rate at which direction a grew in interval i; directions in descending order of their long-time rates."""

    growth: Float[Array, "interval direction"]

    def exponents(self, discard: int = 0) -> Float[Array, " direction"]:
        """The mean rates, without the first `discard` intervals, in which the directions find their way.

        Raises `ValueError` where none is left.
        """
        self._require_left(discard)
        return self.growth[discard:].mean(axis=0)

    def errors(self, discard: int = 0, blocks: int = 8) -> Float[Array, " direction"]:
        """Standard errors of the exponents, from the scatter of the means of `blocks` consecutive pieces.

        Raises `ValueError` for fewer intervals than pieces.
        """
        self._require_left(discard)
        numbers("blocks", blocks, kind="integer", shape=(), least=2)
        kept = self.growth[discard:]
        length = len(kept) // blocks
        if length < 1:
            raise ValueError(f"blocks: got {blocks} for {len(kept)} intervals; must have one interval each")
        means = kept[: blocks * length].reshape(blocks, length, -1).mean(axis=1)
        return means.std(axis=0, ddof=1) / jnp.sqrt(blocks)

    def _require_left(self, discard: int) -> None:
        numbers("discard", discard, kind="integer", shape=(), least=0, most=len(self.growth) - 1)


def lyapunov(
    dynamics: AbstractEhrenfest,
    state: EhrenfestState,
    key: PRNGKeyArray,
    *,
    intervals: int,
    interval: Float[ArrayLike, ""] = 2.56,
    directions: int = 1,
    start: Float[ArrayLike, ""] = 0.0,
    solver: AbstractSolver | None = None,
) -> tuple[Lyapunov, EhrenfestState]:
    """The growth rates of the first `directions` over `intervals` intervals from time `start`, and the state at their end.

    Directions begin as random displacements and momenta of the lattice. Raises `ValueError` for numbers that cannot be, among them
    more directions than displacements and momenta.
    """
    random_key("key", key)
    numbers("intervals", intervals, kind="integer", shape=(), least=1)
    numbers("interval", interval, shape=(), above=0.0)
    numbers("directions", directions, kind="integer", shape=(), least=1, most=2 * dynamics.model.sites)
    numbers("start", start, shape=())
    return _lyapunov(dynamics, state, key, intervals, interval, directions, start, solver)


@eqx.filter_jit
def _lyapunov(dynamics, state, key, intervals, interval, directions, start, solver) -> tuple[Lyapunov, EhrenfestState]:
    def advance(t: Float[Array, ""], state: EhrenfestState) -> EhrenfestState:
        times = jnp.stack([t, t + interval])
        return propagate(dynamics, state, times, solver=solver, adjoint=diffrax.ForwardMode(), monitor=False).state

    def onwards(carry: tuple, _: None) -> tuple:
        t, state, tangents = carry

        def push(tangent):
            return jax.jvp(lambda state: advance(t, state), (state,), (tangent,))

        state, tangents = jax.vmap(push, out_axes=(None, 0))(tangents)
        tangents, growth = _orthonormal(dynamics, state, tangents)
        return (t + interval, state, tangents), growth / interval

    tangents, _ = _orthonormal(dynamics, state, _random_directions(key, state, directions))
    (_, state, _), growth = jax.lax.scan(onwards, (jnp.asarray(start, float), state, tangents), length=intervals)
    return Lyapunov(growth), state


def _random_directions(key: PRNGKeyArray, state: EhrenfestState, count: int) -> EhrenfestState:
    def direction(key: PRNGKeyArray) -> EhrenfestState:
        return EhrenfestState(jnp.zeros_like(state.electrons), *jax.random.normal(key, (2, len(state.momentum))))

    return jax.vmap(direction)(jax.random.split(key, count))


def _orthonormal(
    dynamics: AbstractEhrenfest, state: EhrenfestState, tangents: EhrenfestState
) -> tuple[EhrenfestState, Float[Array, " direction"]]:
    """The tangents, orthonormal in the space of rho, Q and P, and the logarithm of each one's length beyond those before it."""
    points = jax.vmap(lambda tangent: jax.jvp(dynamics.coordinates, (state,), (tangent,))[1])(tangents)
    lengths = jnp.linalg.qr(points.T, mode="r")
    inverse = jnp.linalg.inv(lengths)
    combined = jax.tree.map(lambda x: jnp.tensordot(inverse, x, axes=(0, 0)), tangents)
    return combined, jnp.log(jnp.abs(jnp.diagonal(lengths)))
