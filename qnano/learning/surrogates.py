"""Surrogates: maps of the Holstein state at one sample to that at the next, an interval of time later.

The state is that of `EhrenfestDensity`: rho, Q and P. A surrogate says what becomes of it; a roll-out feeds back what it said.
"""

from abc import abstractmethod
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, PRNGKeyArray

from qnano.border import alike, numbers
from qnano.holstein.ehrenfest import EhrenfestState


class Conditions(eqx.Module):
    """The uniform model and the interval of a surrogate's step: numbers, of which those for one Hamiltonian take no notice.

    Raises `ValueError` for what is no number, a frequency that is not positive and an interval below 0.
    """

    coupling: Float[Array, ""]
    frequency: Float[Array, ""]
    eta: Float[Array, ""]
    interval: Float[Array, ""]

    def __check_init__(self):
        numbers("coupling", self.coupling, shape=())
        numbers("frequency", self.frequency, shape=(), above=0.0)
        numbers("eta", self.eta, shape=())
        numbers("interval", self.interval, shape=(), least=0.0)


class AbstractSurrogate(eqx.Module):
    """What all surrogates can do."""

    @abstractmethod
    def __call__(
        self, state: EhrenfestState, conditions: Conditions, key: PRNGKeyArray | None = None
    ) -> tuple[EhrenfestState, EhrenfestState | None]:
        """The state an interval later, and the time derivative halfway if the surrogate has one. A `key` is for dropout."""


def roll_out(
    surrogate: AbstractSurrogate,
    state: EhrenfestState,
    conditions: Conditions,
    steps: int,
    key: PRNGKeyArray | None = None,
    unroll: int = 1,
) -> tuple[EhrenfestState, EhrenfestState | None]:
    """States after 1, 2, ... `steps` intervals, and the derivatives on the way if there are any; axes (time, ...).

    `unroll` steps are compiled in a row: faster to differentiate, longer to compile. Raises `ValueError` for less than one.
    """
    numbers("steps", steps, kind="integer", shape=(), least=1)
    numbers("unroll", unroll, kind="integer", shape=(), least=1)

    def onwards(state: EhrenfestState, step: Array) -> tuple[EhrenfestState, tuple[EhrenfestState, EhrenfestState | None]]:
        state, rate = surrogate(state, conditions, None if key is None else jax.random.fold_in(key, step))
        return state, (state, rate)

    return jax.lax.scan(onwards, state, jnp.arange(steps), unroll=unroll)[1]


class FieldErrors(NamedTuple):
    """Root mean square errors of rho on and off the diagonal, of Q and of P; complex moduli."""

    diagonal: Float[Array, "..."]
    off_diagonal: Float[Array, "..."]
    displacement: Float[Array, "..."]
    momentum: Float[Array, "..."]


def field_errors(found: EhrenfestState, exact: EhrenfestState, over: tuple[int, ...] = ()) -> FieldErrors:
    """Errors, pooled over the sites and over the axes `over` in front of them. Raises `ValueError` for states of two shapes."""
    for name in ("electrons", "displacement", "momentum"):
        alike(name, getattr(found, name), getattr(exact, name))
    apart = found.electrons - exact.electrons
    square = apart.real**2 + apart.imag**2
    sites = square.shape[-1]
    diagonal = jnp.diagonal(square, axis1=-2, axis2=-1)
    off = (square.sum((-2, -1)) - diagonal.sum(-1)) / (sites * (sites - 1))
    squares = (
        diagonal.mean(-1),
        off,
        jnp.mean((found.displacement - exact.displacement) ** 2, -1),
        jnp.mean((found.momentum - exact.momentum) ** 2, -1),
    )
    # The root has no derivative at 0, where a network that begins as the identity may start.
    return FieldErrors(*(jnp.sqrt(jnp.mean(x, over) + 1e-16) for x in squares))


def rate(state: EhrenfestState, conditions: Conditions) -> EhrenfestState:
    """The exact time derivative, on a ring with hopping 1."""
    rho, q, p = state.electrons, state.displacement, state.momentum
    hopped = -(jnp.roll(rho, 1, 0) + jnp.roll(rho, -1, 0)) + (jnp.roll(rho, 1, 1) + jnp.roll(rho, -1, 1))
    levels = -conditions.coupling * q
    commutator = hopped + (levels[:, None] - levels) * rho
    push = conditions.eta * conditions.coupling * (jnp.diagonal(rho).real - 0.5) - conditions.frequency * q
    return EhrenfestState(-1j * commutator, conditions.frequency * p, push)


def with_noise(state: EhrenfestState, size: Float[Array, ""], key: PRNGKeyArray) -> EhrenfestState:
    """The state plus normal random numbers of a standard deviation on every entry of rho (its modulus), Q and P."""
    parts = jax.random.normal(key, (2, *state.electrons.shape), state.displacement.dtype) / 2**0.5
    shake = jax.random.normal(jax.random.fold_in(key, 1), (2, *state.displacement.shape), state.displacement.dtype)
    kick: Complex[Array, ...] = jax.lax.complex(parts[0], parts[1])
    return EhrenfestState(state.electrons + size * kick, state.displacement + size * shake[0], state.momentum + size * shake[1])
