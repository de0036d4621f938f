"""exp(-i H t) psi to one time: Chebyshev expansions as long as they need be, whose pullback keeps two vectors of each.

Where no state is wanted on the way, the vectors of an expansion (solvers/series.py has the formulas) need not be held, and the
longer it is the fewer terms it takes: r t and some more, where one of 64 terms takes 1.7 r t. Nor does its pullback hold them: the
recursion runs down as well as up,

    v_{k-1} = 2 H~ v_k - v_{k+1},

beside Clenshaw's for the cotangents, so that from its last two vectors one batch of two applications a term gives both again, and
their overlaps. That is four counts in all, the run's own included, the middle two at the price of one and a half.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Inexact, Int, PyTree

from qnano.hamiltonian import AbstractHamiltonian, Hermitian, pack, turned, unpack
from qnano.solvers.expansion import AbstractExpansion, Expanded, coefficients, reach, signed, spectrum
from qnano.solvers.series import Interval, first_pair, next_pair, scaled

LONGEST = 512  # terms of one expansion; round-off grows with them
CHUNK = 32  # terms between two looks at whether they suffice
KEPT = 16  # expansions of which the last two vectors are kept; what came before is found again from its end

State = Complex[Array, "*basis"]
Vector = Inexact[Array, "part *basis"]
Pair = tuple[Vector, Vector]


class Plan(NamedTuple):
    """An expansion of exp(-i H dt): weights w_k by chunk, pair of terms, even and odd, and how many chunks of them count."""

    interval: Interval
    dt: Float[Array, ""]
    weights: Float[Array, "chunk pair 2"]
    chunks: Int[Array, ""] | int


def exponential(hamiltonian: AbstractHamiltonian, psi: State, dt: Float[Array, ""], terms: int, interval: Interval) -> State:
    """exp(-i H dt) psi with `terms` terms; accurate while the radius of `interval` times dt stays below `reach(terms, ...)`.

    Differentiable backwards at the cost above if `Hermitian`.
    """
    moving, interval = (hamiltonian, psi, dt), jax.lax.stop_gradient(interval)
    if isinstance(hamiltonian, Hermitian):
        return _hermitian_exponential(moving, terms, interval)
    return _exponential(moving, terms, interval)


def _exponential(moving: tuple, terms: int, interval: Interval) -> State:
    hamiltonian, psi, dt = moving
    return _expansion(hamiltonian, psi, _fixed_plan(dt, terms, interval))[0]


_hermitian_exponential = eqx.filter_custom_vjp(_exponential)


@_hermitian_exponential.def_fwd
def _exponential_forward(perturbed, moving, terms, interval):
    hamiltonian, psi, dt = moving
    end, top = _expansion(hamiltonian, psi, _fixed_plan(dt, terms, interval))
    return end, (end, top)


@_hermitian_exponential.def_bwd
def _exponential_backward(residuals, cotangent, perturbed, moving, terms, interval):
    (end, top), (hermitian, _, dt) = residuals, moving
    gradient = Gradient(hermitian, perturbed, interval)
    _, costate, total = _descent(gradient, _fixed_plan(dt, terms, interval), top, cotangent, gradient.none(end))
    return gradient.slope(total), costate, gradient.by_time(cotangent, end)


def expansions(span: Float[Array, ""], interval: Interval, tolerance: float) -> Int[Array, ""]:
    """How many expansions lead over `span`; 0 where the spectrum is not finite or there were beyond 10^9."""
    count = jnp.ceil(jnp.abs(jax.lax.stop_gradient(span)) * interval.radius / reach(LONGEST, tolerance))
    return jnp.where(count < 2.0**30, jnp.maximum(count, 1), 0).astype(int)


def evolve(
    hamiltonian: AbstractHamiltonian,
    psi: State,
    span: Float[Array, ""],
    count: Int[Array, ""],
    interval: Interval,
    tolerance: float,
) -> State:
    """exp(-i H span) psi by `count` equal expansions; differentiable backwards in the memory of `KEPT` of them if `Hermitian`."""
    moving, interval = (hamiltonian, psi, span), jax.lax.stop_gradient(interval)
    if isinstance(hamiltonian, Hermitian):
        return _reversible(moving, count, interval, tolerance)
    return _evolved(moving, count, interval, tolerance)


def propagate_to_end(
    hamiltonian: AbstractHamiltonian,
    psi: State,
    times: Float[Array, "2"],
    save: Callable[[Float[Array, ""], State], PyTree[Array]],
    solver: AbstractExpansion,
    max_steps: int,
) -> Expanded:
    """What `propagate_linear` gives at a first and a last time, with nothing in between."""
    interval = spectrum(hamiltonian, psi)
    wanted = expansions(times[1] - times[0], interval, solver.tolerance)
    count = jnp.minimum(wanted, max_steps)
    complete = (count == wanted) & (wanted > 0)
    time = jnp.where(complete, times[1], times[0] + (times[1] - times[0]) * count / jnp.maximum(wanted, 1))
    end = evolve(hamiltonian, psi, time - times[0], count, interval, solver.tolerance)

    def rows(first, last):
        return jnp.stack([first, jnp.where(complete, last, jnp.nan)])

    saved = jax.tree.map(rows, save(times[0], psi), save(times[1], end))
    return Expanded(saved, end, time, count, 1 + complete)


def _evolved(moving: tuple, count: Int[Array, ""], interval: Interval, tolerance: float) -> State:
    hamiltonian, psi, span = moving
    plan = _plan(span / jnp.maximum(count, 1), interval, tolerance)
    return jax.lax.fori_loop(0, count, lambda _, psi: _expansion(hamiltonian, psi, plan)[0], psi)


_reversible = eqx.filter_custom_vjp(_evolved)


@_reversible.def_fwd
def _forward(perturbed, moving, count, interval, tolerance):
    hamiltonian, psi, span = moving
    plan = _plan(span / jnp.maximum(count, 1), interval, tolerance)
    packed = pack(hamiltonian, psi)
    kept = jnp.zeros((KEPT, 2, *packed.shape), packed.dtype)

    def on(n: Int[Array, ""], carry: tuple) -> tuple:
        psi, kept = carry
        psi, top = _expansion(hamiltonian, psi, plan)
        return psi, kept.at[n % KEPT].set(jnp.stack(top))

    end, kept = jax.lax.fori_loop(0, count, on, (psi, kept))
    return end, (end, kept)


@_reversible.def_bwd
def _backward(residuals, cotangent, perturbed, moving, count, interval, tolerance):
    (end, kept), (hermitian, _, span) = residuals, moving
    gradient = Gradient(hermitian, perturbed, interval)
    dt = span / jnp.maximum(count, 1)
    plan, inverse = _plan(dt, interval, tolerance), _plan(-dt, interval, tolerance)

    def found_again(psi: State) -> Pair:
        start, _ = _expansion(gradient.hamiltonian, psi, inverse)
        return _expansion(gradient.hamiltonian, start, plan)[1]

    def back(carry: tuple) -> tuple:
        n, psi, costate, total = carry
        top = (kept[n % KEPT, 0], kept[n % KEPT, 1])

        def lost(carry):
            return carry[0]

        # A loop of one turn at most: unlike a conditional it stays one under `vmap`.
        _, top = jax.lax.while_loop(lost, lambda _: (jnp.array(False), found_again(psi)), (n < count - KEPT, top))
        return n - 1, *_descent(gradient, plan, top, costate, total)

    carry = (count - 1, end, cotangent, gradient.none(end))
    _, _, costate, total = jax.lax.while_loop(lambda carry: carry[0] >= 0, back, carry)
    return gradient.slope(total), costate, gradient.by_time(cotangent, end)


@dataclass(frozen=True)
class Gradient:
    """What of (hamiltonian, psi, time) is differentiated by, and the overlaps that this asks for."""

    hermitian: Hermitian
    perturbed: tuple
    interval: Interval

    @property
    def hamiltonian(self) -> AbstractHamiltonian:
        return self.hermitian.inner

    def overlaps(self, costate: Vector, vector: Vector) -> PyTree[Array]:
        return self.hamiltonian.overlaps(costate, vector) if any(jax.tree.leaves(self.perturbed[0])) else None

    def none(self, psi: State) -> PyTree[Array]:
        """The empty sum of overlaps."""
        packed = pack(self.hamiltonian, psi)
        return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(self.overlaps, packed, packed))

    def slope(self, total: PyTree[Array]) -> PyTree[Array | None]:
        """The cotangent of the Hamiltonian from the sum of all overlaps."""
        slope = self.hermitian if total is None else Hermitian(self.hamiltonian.slope(total))
        return jax.tree.map(lambda wanted, x: x / self.interval.radius if wanted else None, self.perturbed[0], slope)

    def by_time(self, costate: State, end: State) -> Float[Array, ""] | None:
        return jnp.sum(costate * -1j * self.hamiltonian.apply(end)).real if self.perturbed[2] else None


def _fixed_plan(dt: Float[Array, ""], terms: int, interval: Interval) -> Plan:
    """One chunk of all `terms`."""
    return Plan(interval, dt, signed(coefficients(interval.radius * dt, terms)).reshape(1, -1, 2), 1)


def _plan(dt: Float[Array, ""], interval: Interval, tolerance: float) -> Plan:
    weights = signed(coefficients(interval.radius * dt, LONGEST))
    # Below round-off a coefficient tells nothing.
    least = max(tolerance, 8 * float(jnp.finfo(weights.dtype).eps))
    last = jnp.max(jnp.where(jnp.abs(weights) > least, jnp.arange(LONGEST), 0))
    return Plan(interval, dt, weights.reshape(-1, CHUNK // 2, 2), last // CHUNK + 1)


def _expansion(hamiltonian: AbstractHamiltonian, psi: State, plan: Plan) -> tuple[State, Pair]:
    """The state moved on by `plan.dt`, and the vectors v_K, v_{K+1} after the last that is in it."""
    start = first_pair(hamiltonian, plan.interval, pack(hamiltonian, psi))
    nothing = jnp.zeros_like(start[0])

    def add(carry: tuple, weight: Float[Array, "2"]) -> tuple[tuple, None]:
        (first, second), even, odd = carry
        even, odd = even + weight[0] * first, odd + weight[1] * second
        return (next_pair(hamiltonian, plan.interval, first, second), even, odd), None

    def chunk(n, sums):
        return jax.lax.scan(add, sums, plan.weights[n])[0]

    top, even, odd = jax.lax.fori_loop(0, plan.chunks, chunk, (start, nothing, nothing))
    return _joined(plan, even, odd), top


def _descent(gradient: Gradient, plan: Plan, top: Pair, costate: State, total: PyTree[Array]) -> tuple[State, State, PyTree[Array]]:
    """State and costate at the start of an expansion from its `top` and the costate at its end, and its overlaps added to `total`.

    The costates go beside the vectors conjugated, so that H acts on both.
    """
    hamiltonian, overlaps, parts = gradient.hamiltonian, gradient.overlaps, top[0].shape[0]
    even, odd = jax.vjp(partial(_joined, plan), *top)[1](costate)

    def beside(vector, costate):
        return jnp.concatenate([vector, costate.conj()])

    nothing = jnp.zeros_like(even)
    even, odd = beside(nothing, even), beside(nothing, odd)
    is_costate = jnp.arange(2 * parts).reshape(-1, *(1,) * (even.ndim - 1)) >= parts
    factors = jnp.full(plan.weights.shape[:2], 2.0, plan.weights.dtype).at[0, 0].set(1.0)

    def lower(carry: tuple, term: tuple) -> tuple[tuple, None]:
        above, beyond, total = carry  # of 2j + 2 and 2j + 3, the pair being of 2j and 2j + 1
        weight, factor = term
        middle = weight[1] * odd + 2 * scaled(hamiltonian, plan.interval, above) - beyond
        below = weight[0] * even + jnp.where(is_costate, factor, 2) * scaled(hamiltonian, plan.interval, middle) - above
        one = overlaps(factor * middle[parts:].conj(), below[:parts])
        other = overlaps(2 * above[parts:].conj(), middle[:parts])
        return (below, middle, jax.tree.map(lambda total, x, y: total + x + y, total, one, other)), None

    def chunk(n: Int[Array, ""], falling: tuple) -> tuple:
        place = plan.chunks - 1 - n
        return jax.lax.scan(lower, falling, (plan.weights[place], factors[place]), reverse=True)[0]

    start = (*(beside(vector, nothing) for vector in top), total)
    bottom, _, total = jax.lax.fori_loop(0, plan.chunks, chunk, start)
    psi = unpack(bottom[:parts])
    (costate,) = jax.vjp(partial(pack, hamiltonian), psi)[1](bottom[parts:].conj())
    return psi, costate, total


def _joined(plan: Plan, even: Vector, odd: Vector) -> State:
    return jnp.exp(-1j * plan.interval.centre * plan.dt) * unpack(even + turned(odd))
