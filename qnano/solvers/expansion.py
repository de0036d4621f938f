"""Chebyshev expansion of exp(-i H t) (Tal-Ezer and Kosloff, J. Chem. Phys. 81, 3967 (1984)).

With H = c + r H~, the spectrum of H~ in [-1, 1],

    exp(-i H t) psi = exp(-i c t) sum_k (2 - delta_k0) (-i)^k J_k(r t) T_k(H~) psi,
    T_{k+1}(H~) psi = 2 H~ T_k(H~) psi - T_{k-1}(H~) psi.

The vectors T_k(H~) psi do not depend on t: one recursion serves every output time within its reach, and the sum over k for all
of them is one matrix product. Beyond k = r t the coefficients fall faster than exponentially, so with a fixed number of terms
the reach is set by the tolerance, and the truncation error by the first term left out. What is exact: nothing but round-off
and that tail; the norm is conserved to the same tolerance.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import equinox as eqx
import equinox.internal as eqxi
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float, Inexact, Int, PyTree
from scipy.special import jv

from qnano.dynamics import AbstractSolver
from qnano.hamiltonian import AbstractHamiltonian, pack, unpack
from qnano.solvers.outputs import saved_where
from qnano.solvers.series import Interval, series
from qnano.spectral import eigh


class AbstractExpansion(AbstractSolver):
    """A solver by recursions of `terms` vectors, `tolerance` for the first left out, of which each serves `outputs` at most."""

    tolerance: eqx.AbstractVar[float]
    terms: eqx.AbstractVar[int]
    outputs: eqx.AbstractVar[int]


class Expanded(NamedTuple):
    """What was saved, the last state and its time, the number of expansions, and how many of the output times were reached."""

    saved: PyTree[Array]
    psi: Complex[Array, "*basis"]
    time: Float[Array, ""]
    expansions: Int[Array, ""]
    done: Int[Array, ""]


@lru_cache(maxsize=32)
def reach(terms: int, tolerance: float) -> float:
    """The largest r t for which `terms` terms leave a tail below `tolerance`."""
    within, beyond = 0.0, float(terms)
    while (middle := (within + beyond) / 2) not in (within, beyond):  # J_terms grows up to there
        within, beyond = (middle, beyond) if 2 * jv(terms, middle) <= tolerance else (within, middle)
    return within


def coefficients(angle: Float[Array, "*batch"], terms: int) -> Float[Array, "*batch {terms}"]:
    """(2 - delta_k0) J_k(angle) for k < terms, by the Fourier series exp(i z sin(theta)) = sum_k J_k(z) exp(i k theta).

    With 2 `terms` points the aliases are J_{2 terms - k}, below the tail already neglected.
    """
    theta = jnp.arange(2 * terms) * (jnp.pi / terms)
    series = jnp.fft.fft(jnp.exp(1j * angle[..., None] * jnp.sin(theta).astype(angle.dtype))).real / (2 * terms)
    return series[..., :terms] * jnp.where(jnp.arange(terms) == 0, 1.0, 2.0).astype(angle.dtype)


def propagate_linear(
    hamiltonian: AbstractHamiltonian,
    psi: Complex[Array, "*basis"],
    times: Float[Array, " time"],
    save: Callable[[Float[Array, ""], Complex[Array, "*basis"]], PyTree[Array]],
    solver: AbstractExpansion,
    loop: Literal["lax", "checkpointed"],
    max_steps: int,
) -> Expanded:
    """save(t, exp(-i H (t - times[0])) psi) at all `times` (ascending).

    `loop` is the kind of the loop over expansions: "checkpointed" can be differentiated backwards, "lax" forwards. It ends after
    `max_steps` expansions, or where one is no step forward at all (a spectrum that is not finite); rows not reached are NaN.
    """
    interval = spectrum(hamiltonian, psi)
    longest = reach(solver.terms, solver.tolerance) / interval.radius
    slots = jnp.arange(output_slots(solver, times))
    count = times.size
    first = save(times[0], psi)
    saved = jax.tree.map(lambda x: jnp.full((count, *x.shape), jnp.nan, x.dtype).at[0].set(x), first)

    def body(carry: tuple) -> tuple:
        done, now, psi, saved, expansions = carry
        index = done + slots
        ahead = times[jnp.minimum(index, count - 1)] - now
        served = (index < count) & (ahead <= longest)
        last = jnp.where(served.any(), jnp.max(jnp.where(served, ahead, 0.0)), longest)
        # A slot out of reach is given the step's own end, where its (unused) coefficients still converge.
        offsets = jnp.append(jnp.where(served, ahead, last), last)
        values, psi = serve(hamiltonian, psi, interval, now, offsets, served, save, solver.terms)
        where = jnp.where(served, index, count)
        saved = jax.tree.map(lambda x, v: x.at[where].set(v, mode="drop"), saved, values)
        return done + served.sum(), now + last, psi, saved, expansions + 1

    carry = (jnp.array(1), times[0], psi, saved, jnp.array(0))

    def unfinished(carry: tuple) -> Bool[Array, ""]:
        done, now, _, _, expansions = carry
        return (done < count) & (expansions < max_steps) & (now + longest > now)

    checkpoints = 32 if loop == "checkpointed" else None
    done, now, psi, saved, expansions = eqxi.while_loop(unfinished, body, carry, kind=loop, checkpoints=checkpoints)
    return Expanded(saved, psi, now, expansions, done)


def output_slots(solver: AbstractExpansion, times: Float[Array, " time"]) -> int:
    """How many output times one expansion can serve."""
    return max(1, min(solver.outputs, times.size - 1))


def serve(
    hamiltonian: AbstractHamiltonian,
    psi: Complex[Array, "*basis"],
    interval: Interval,
    now: Float[Array, ""],
    offsets: Float[Array, " output"],
    wanted: Bool[Array, " slot"],
    save: Callable[[Float[Array, ""], Complex[Array, "*basis"]], PyTree[Array]],
    terms: int,
) -> tuple[PyTree[Array], Complex[Array, "*basis"]]:
    """save(t, exp(-i H (t - now)) psi) at t = now + offset, zeros where that is not wanted, and the state at the last offset.

    There is one slot less than offsets.
    """
    # Even and odd orders are summed apart, (-i)^k being real for the ones and imaginary for the others.
    sums = series(hamiltonian, pack(hamiltonian, psi), signed(coefficients(interval.radius * offsets, terms)), interval)

    def state(offset: Float[Array, ""], parts: Inexact[Array, "part *basis"]) -> Complex[Array, "*basis"]:
        return jnp.exp(-1j * interval.centre * offset) * unpack(parts)

    def save_slot(offset: Float[Array, ""], parts: Inexact[Array, "part *basis"]) -> PyTree[Array]:
        return save(now + offset, state(offset, parts))

    # The end is among the slots, unwanted: all of the sums but one would be a copy of them.
    saved = saved_where(jnp.append(wanted, False), save_slot, offsets, sums)
    return jax.tree.map(lambda x: x[:-1], saved), state(offsets[-1], sums[-1])


def spectrum(hamiltonian: AbstractHamiltonian, psi: Complex[Array, "*basis"]) -> Interval:
    """The interval in which the spectrum lies; of `psi` only the shape counts.

    An expansion's value does not depend on its interval, so no gradient passes.
    """
    return Interval.between(*lanczos_bounds(jax.lax.stop_gradient(hamiltonian), psi))


def lanczos_bounds(
    hamiltonian: AbstractHamiltonian, psi: Complex[Array, "*basis"], steps: int = 24
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Tighter bounds of the spectrum, from a few Lanczos steps, which save more work than they cost.

    The outermost Ritz values, moved out by twice their residual and a hundredth of the width, but not beyond the Hamiltonian's
    own rigorous bounds. (Zhou and Li, Linear Algebra Appl. 435, 480 (2011), move out by the whole last residual vector, which
    is safe after fewer steps but gains nothing here.) A fixed pseudo-random start makes the result repeatable.
    """
    start = jax.random.normal(jax.random.key(0), psi.shape, psi.real.dtype).astype(pack(hamiltonian, psi).dtype)

    def dot(x, y):
        return jnp.sum(x.conj() * y).real

    tiny = jnp.finfo(start.real.dtype).tiny

    def step(carry: tuple, _: Any) -> tuple[tuple, tuple]:
        previous, vector, beta = carry
        following = hamiltonian.apply(vector) - beta * previous
        alpha = dot(vector, following)
        following = following - alpha * vector
        norm = jnp.sqrt(dot(following, following))
        # An exhausted Krylov space goes on with round-off for a vector; its Ritz values stay within the spectrum.
        return (vector, following / jnp.maximum(norm, tiny), norm), (alpha, norm)

    first = start / jnp.sqrt(dot(start, start))
    _, (alpha, beta) = jax.lax.scan(step, (jnp.zeros_like(first), first, jnp.zeros(())), None, length=steps)
    tridiagonal = jnp.diag(alpha) + jnp.diag(beta[:-1], 1) + jnp.diag(beta[:-1], -1)
    ritz, vectors = eigh(jax.lax.stop_gradient(tridiagonal))
    margin = 2 * beta[-1] * jnp.abs(vectors[-1]) + 0.01 * (ritz[-1] - ritz[0])
    low, high = hamiltonian.spectral_bounds()
    return jnp.maximum(low, ritz[0] - margin[0]), jnp.minimum(high, ritz[-1] + margin[-1])


def signed(weights: Float[Array, "*batch k"]) -> Float[Array, "*batch k"]:
    """The signs of (-i)^k = 1, -i, -1, i, with the factor -i of the odd orders left for the sums."""
    signs = jnp.where(jnp.arange(weights.shape[-1]) % 4 < 2, 1.0, -1.0)
    return weights * signs.astype(weights.dtype)
