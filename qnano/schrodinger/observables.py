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


def seam_share(grid: Grid, number: int, n: Float[Array, "*x"]) -> Float[Array, ""]:
    """The probability to find a particle at the seam of the periodic box: in the outermost points of any axis, from the density."""
    outermost = jnp.zeros(n.shape, bool)
    for axis in range(n.ndim):
        ends = jnp.zeros(n.shape[axis], bool).at[jnp.array([0, -1])].set(True)
        outermost |= jnp.expand_dims(ends, [a for a in range(n.ndim) if a != axis])
    return jnp.sum(jnp.where(outermost, n, 0.0)) * grid.volume / number


def edge_share(wavenumbers: Float[Array, "axis *x"], n: Float[Array, "*x"]) -> Float[Array, ""]:
    """The probability of a wavenumber in the last tenth before the grid's largest, along any axis; n is over wavenumbers."""
    fastest = jnp.max(jnp.abs(wavenumbers), axis=range(1, wavenumbers.ndim), keepdims=True)
    return jnp.sum(jnp.where(jnp.any(jnp.abs(wavenumbers) > 0.9 * fastest, axis=0), n, 0.0)) / jnp.sum(n)


def momentum(grid: Grid, number: int, hbar: Float[Array, ""], psi: Wave) -> Float[Array, " axis"]:
    """Mean momentum of a particle along each axis."""
    n = momentum_distribution(grid, number, psi)
    return hbar * jnp.sum(grid.wavenumbers * n, axis=range(1, n.ndim + 1)) / number


def momentum_distribution(grid: Grid, number: int, psi: Wave) -> Float[Array, "*x"]:
    """How many particles have the wavenumbers of the grid; their sum is the number of particles."""
    n = density(grid, number, jnp.fft.fftn(psi))
    return number * n / jnp.sum(n)
