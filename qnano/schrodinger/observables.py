"""What is measured in wavefunctions on grids. Densities are of all particles together and integrate to their number."""

import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from qnano.schrodinger.grid import Grid

Wave = Complex[Array, "*configuration"]


def norm(grid: Grid, number: int, psi: Wave) -> Float[Array, ""]:
    """<psi|psi>."""
    return jnp.sum(psi.real**2 + psi.imag**2) * grid.volume**number


def mean(grid: Grid, number: int, psi: Wave, changed: Wave) -> Float[Array, ""]:
    """Re <psi|A psi>, from A psi."""
    return jnp.sum(psi.real * changed.real + psi.imag * changed.imag) * grid.volume**number


def density(grid: Grid, number: int, psi: Wave) -> Float[Array, "*x"]:
    """n(x), particles per length (area, volume)."""
    weights = (psi.real**2 + psi.imag**2) * grid.volume ** (number - 1)
    axes, d = range(psi.ndim), grid.dimension
    one = [jnp.sum(weights, axis=[a for a in axes if not p * d <= a < (p + 1) * d]) for p in range(number)]
    return sum(one[1:], one[0])


def position(grid: Grid, number: int, n: Float[Array, "*x"]) -> Float[Array, " axis"]:
    """Mean place of a particle, from the density."""
    return jnp.sum(grid.coordinates * n, axis=range(1, n.ndim + 1)) * grid.volume / number


def spread(grid: Grid, number: int, n: Float[Array, "*x"]) -> Float[Array, " axis"]:
    """Standard deviation of a particle's place, from the density."""
    away = grid.coordinates - jnp.expand_dims(position(grid, number, n), tuple(range(1, n.ndim + 1)))
    return jnp.sqrt(jnp.sum(away**2 * n, axis=range(1, n.ndim + 1)) * grid.volume / number)


def momentum(grid: Grid, number: int, hbar: Float[Array, ""], psi: Wave) -> Float[Array, " axis"]:
    """Mean momentum of a particle along each axis."""
    n = momentum_distribution(grid, number, psi)
    return hbar * jnp.sum(grid.wavenumbers * n, axis=range(1, n.ndim + 1)) / number


def momentum_distribution(grid: Grid, number: int, psi: Wave) -> Float[Array, "*x"]:
    """How many particles have the wavenumbers of the grid; their sum is the number of particles."""
    n = density(grid, number, jnp.fft.fftn(psi))
    return number * n / jnp.sum(n)
