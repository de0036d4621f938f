"""Starts: the lattice that is its own cause, and the electrons that fill its levels.

A static lattice obeys Q_i = (eta_i g_i / K_i) (n_i - 1/2) with n the Fermi-Dirac density of T - diag(g Q) at temperature kT. Where
all sites are alike this has the charge-density wave Q_i = s_i Q as solution, with the gap equation

    1 = (eta g^2 / K) (1/N) sum_k tanh(E_k / 2 kT) / (2 E_k),        E_k = sqrt(e_k^2 + (g Q)^2),

and the gap 2 g Q. At kT = 0 a lattice with levels at e_k = 0, such as a ring of 4 m sites, is ordered for every g > 0; without
order those levels are half filled, and the state is mixed.

All of it is differentiable, degenerate levels included: orbitals are defined only up to a rotation among equally filled ones, and
their derivatives are chosen such that those of the density matrix are right.

Reference: Ning, Yang and Chern, arXiv:2412.06631.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from qnano.border import numbers, random_key
from qnano.holstein.ehrenfest import EhrenfestState
from qnano.holstein.hopping import band, hop
from qnano.holstein.model import Holstein
from qnano.solvers.stepping import reachable
from qnano.spectral import eigh

COLD = 1e-8  # kT in place of zero: far below every gap that is meant, far above rounding in double precision
BISECTIONS = 100


def gap_order(model: Holstein, t: Float[ArrayLike, ""] = 0.0, temperature: Float[ArrayLike, ""] = COLD) -> Float[Array, ""]:
    """Q >= 0 of the gap equation at the parameters of time t; 0 where only the homogeneous state is static.

    Raises `ValueError` where sites differ, and for a temperature that is not positive.
    """
    _require_conditions(t, temperature)
    if not model.is_uniform:
        raise ValueError("model: got parameters of single sites; the gap equation needs all sites alike")
    coupling, frequency, eta = (field[0] for field in model.phonons(t))
    energies = band(model.sides, model.hopping)

    def excess(q: Float[Array, ""]) -> Float[Array, ""]:
        # tanh(E / 2 kT) / E is even and smooth in E, so that the root's derivative at E = 0 is all there is to avoid.
        square = energies**2 + (coupling * q) ** 2
        energy = jnp.sqrt(jnp.where(square > 0, square, 1.0))
        share = jnp.where(square > 0, jnp.tanh(energy / (2 * temperature)) / (2 * energy), 1 / (4 * temperature))
        return eta * coupling**2 / frequency * jnp.mean(share) - 1

    most = eta * jnp.abs(coupling) / (2 * frequency)  # a density deviates from 1/2 by no more than 1/2
    return jnp.where(excess(jnp.zeros_like(most)) > 0, falling_root(excess, most), 0.0)


def fermi_dirac(
    energies: Float[Array, " level"], particles: Float[ArrayLike, ""], temperature: Float[ArrayLike, ""]
) -> Float[Array, " level"]:
    """The occupations of `particles` on the levels; degenerate levels share evenly, however low the temperature.

    Raises `ValueError` for energies that are no list of numbers, more particles than levels, and a temperature not above 0.
    """
    numbers("energies", energies, shape=(None,))
    numbers("particles", particles, shape=(), least=0.0, most=len(energies))
    numbers("temperature", temperature, shape=(), above=0.0)
    margin = 50 * temperature + 1.0
    low, high = jnp.min(energies) - margin, jnp.max(energies) + margin

    def missing(shift: Float[Array, ""]) -> Float[Array, ""]:
        return jnp.asarray(particles) - jnp.sum(jax.nn.sigmoid((low + shift - energies) / temperature))

    return jax.nn.sigmoid((low + falling_root(missing, high - low) - energies) / temperature)


def thermal_state(
    model: Holstein,
    t: Float[ArrayLike, ""] = 0.0,
    *,
    temperature: Float[ArrayLike, ""] | None = None,
    displacement: Float[Array, " site"] | None = None,
    key: PRNGKeyArray | None = None,
    noise: Float[ArrayLike, ""] = 0.0,
    particles: Float[ArrayLike, ""] | None = None,
    orbitals: int | None = None,
) -> EhrenfestState:
    """Electrons in equilibrium with a lattice at rest, at the parameters of time t, as orbitals.

    `displacement` is the lattice; by default the static one, `relaxed_lattice`. With a `key`, every Q_i and P_i gets a normal
    random number of standard deviation `noise`, and the electrons fill the levels of the noisy lattice. `particles` defaults to
    half filling. `orbitals` counts the lowest levels that are kept: if neither `temperature` nor `particles` is given,
    `model.cold_levels`, which is enough for them; else all.

    Raises `ValueError` for a temperature that is not positive, negative noise, more particles than sites, or what is no key.
    """
    _require_conditions(t, COLD if temperature is None else temperature)
    numbers("noise", noise, shape=(), least=0.0)
    if displacement is not None:
        numbers("displacement", displacement, shape=(model.sites,))
    if key is not None:
        random_key("key", key)
    if particles is not None:
        numbers("particles", particles, shape=(), least=0.0, most=model.sites)
    if orbitals is not None:
        numbers("orbitals", orbitals, kind="integer", shape=(), least=1, most=model.sites)
    kt = COLD if temperature is None else temperature
    kept = orbitals or (model.cold_levels if temperature is None and particles is None else model.sites)
    lattice = relaxed_lattice(model, t, kt) if displacement is None else displacement
    shake = jnp.zeros((2, model.sites)) if key is None else noise * jax.random.normal(key, (2, model.sites))
    q, p = lattice + shake[0], shake[1]
    filled = model.sites / 2 if particles is None else particles
    return EhrenfestState(_filled_levels(model, t, q, filled, kt)[:kept] + 0j, q, p)


def relaxed_lattice(
    model: Holstein,
    t: Float[ArrayLike, ""] = 0.0,
    temperature: Float[ArrayLike, ""] = COLD,
    start: Float[Array, " site"] | None = None,
    tolerance: float = 1e-11,
    iterations: int = 10_000,
) -> Float[Array, " site"]:
    """Q_i of the static lattice, at half filling and the parameters of time t, by Q <- (eta g / K) (n - 1/2) from `start`.

    Where all sites are alike and no `start` is given, it is the charge-density wave of `gap_order`, with Q > 0 on site 0. NaN where
    `iterations` do not bring the residual below `tolerance`. Raises `ValueError` for numbers that cannot be.
    """
    _require_conditions(t, temperature)
    numbers("tolerance", tolerance, shape=(), least=0.0)
    numbers("iterations", iterations, kind="integer", shape=(), least=1)
    if start is not None:
        numbers("start", start, shape=(model.sites,))
    if start is None and model.is_uniform:
        return jnp.asarray(model.signs) * gap_order(model, t, temperature)
    coupling, frequency, eta = model.phonons(t)
    ratio, tolerance = eta * coupling / frequency, reachable(tolerance)

    def better(q: Float[Array, " site"]) -> Float[Array, " site"]:
        levels = _filled_levels(model, t, q, model.sites / 2, temperature)
        return ratio * (jnp.sum(levels**2, axis=0) - 0.5)

    def unfinished(carry: tuple) -> Array:
        count, _, residual = carry
        return (count < iterations) & (residual > tolerance)

    def iterate(carry: tuple) -> tuple:
        count, q, _ = carry
        improved = better(q)
        return count + 1, improved, jnp.max(jnp.abs(improved - q))

    first = model.signs * ratio / 2 if start is None else start
    _, q, residual = jax.lax.while_loop(unfinished, iterate, (0, first, jnp.array(jnp.inf)))
    return jnp.where(residual > tolerance, jnp.nan, q)


def _require_conditions(t: Float[ArrayLike, ""], temperature: Float[ArrayLike, ""]) -> None:
    numbers("t", t, shape=())
    numbers("temperature", temperature, shape=(), above=0.0)


def _filled_levels(model, t, displacement, particles, temperature) -> Float[Array, "level site"]:
    """The levels of the lattice, lowest first, each with the root of its occupation as norm."""
    hopping = hop(model.sides, model.hopping, jnp.eye(model.sites))
    # Far above the rounding of degenerate levels, which would otherwise be filled one after the other: 2e-4 in single precision.
    kt = jnp.maximum(jnp.asarray(temperature, hopping.dtype), 0.5 * jnp.finfo(hopping.dtype).eps ** 0.5)
    particles = jnp.asarray(particles, hopping.dtype)
    return filled_levels(hopping - jnp.diag(model.phonons(t).coupling * displacement), particles, kt)


@jax.custom_jvp
def filled_levels(
    matrix: Float[Array, "site site"], particles: Float[Array, ""], temperature: Float[Array, ""]
) -> Float[Array, "level site"]:
    """Eigenvectors of a real symmetric matrix, lowest first, with the roots of their occupations f as norms.

    With rho = V f V^T and the divided differences Phi_ij of f (`qnano.spectral`), a change dH turns level j into level i by
    Phi_ij dH_ij f_j / (f_i + f_j): that is the one choice in which d(rho) gets from each of the two levels by its share.
    """
    energies, vectors = eigh(matrix)
    return (vectors * jnp.sqrt(fermi_dirac(energies, particles, temperature))).T


@filled_levels.defjvp
def _filled_levels_jvp(primals, tangents):
    (matrix, particles, kt), (change, *rest) = primals, tangents
    energies, vectors = eigh(matrix)
    change = vectors.T @ change @ vectors
    # The chemical potential answers to all levels, and to temperature and filling.
    filling, d_filling = jax.jvp(fermi_dirac, (energies, particles, kt), (jnp.diagonal(change), *rest))
    low, high = jnp.minimum(energies[:, None], energies), jnp.maximum(energies[:, None], energies)
    lower = energies[:, None] <= energies
    occupied = jnp.where(lower, filling[:, None], filling)
    empty = 1 - jnp.where(lower, filling, filling[:, None])
    x = (high - low) / kt
    # f(low) - f(high) = f(low) (1 - f(high)) (1 - exp(-x)), which does not cancel.
    slope = -occupied * empty * jnp.where(x > 0, -jnp.expm1(-x) / jnp.where(x > 0, x, 1.0), 1.0) / kt
    both = filling[:, None] + filling
    share = jnp.where(both > 0, jnp.sqrt(filling) / jnp.where(both > 0, both, 1.0), 0.0)
    turned = jnp.where(jnp.eye(len(energies), dtype=bool), 0.0, slope * change * share)
    root = jnp.sqrt(filling)
    grown = jnp.where(filling > 0, d_filling / (2 * jnp.where(filling > 0, root, 1.0)), 0.0)
    return (vectors * root).T, (vectors @ (turned + jnp.diag(grown))).T


def falling_root(function: Callable[[Float[Array, ""]], Float[Array, ""]], upper: Float[Array, ""]) -> Float[Array, ""]:
    """The root between 0 and `upper` of a function that falls through zero, with the derivatives of an implicit function."""
    fixed = eqx.filter_closure_convert(function, upper)

    def halve(_, bounds: tuple) -> tuple:
        low, high = bounds
        middle = (low + high) / 2
        positive = fixed(middle) > 0
        return jnp.where(positive, middle, low), jnp.where(positive, high, middle)

    low, high = jax.lax.fori_loop(0, BISECTIONS, halve, (jnp.zeros_like(upper), upper))
    root = jax.lax.stop_gradient((low + high) / 2)
    slope = jax.lax.stop_gradient(jax.grad(function)(root))
    # Where the function is flat, as between two filled levels, nothing is left to correct.
    return root - jnp.where(slope < 0, function(root) / jnp.where(slope < 0, slope, 1.0), 0.0)
