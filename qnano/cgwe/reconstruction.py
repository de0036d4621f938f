"""From the envelope back to the fine wave, wherever it is wanted.

    psi(x) = exp(ik0.x) [ u(x) + chi_j(x) k_j ] F(x),    k = -i d/dx

which is a linear map of the envelope's Fourier series, so that any number of particles and any set of points is served without the
fine grid of the whole. u is normalised to <|u|^2> = 1 over a cell, so that psi has norm 1 up to |chi dF|^2 / 2.
"""

import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from qnano.cgwe.bloch import PlaneWaves
from qnano.cgwe.cell import CellProblem
from qnano.schrodinger.grid import Grid

Envelope = Complex[Array, "*configuration"]


def fine_wave(
    bloch: PlaneWaves, cell: CellProblem, grid: Grid, envelope: Envelope, x: Float[Array, "axis point"], corrected: bool = True
) -> Complex[Array, "*place"]:
    """psi at every combination of the `x`, one axis per particle; without chi if not `corrected`."""
    k = grid.wavenumbers.reshape(grid.dimension, -1)
    factor = bloch.at(cell.state, x)[:, None] * jnp.ones(grid.size)
    if corrected:
        factor = factor + sum(bloch.at(chi, x)[:, None] * q for chi, q in zip(cell.correctors, k, strict=True))
    away = x - grid.origin[:, None]
    waves = factor * jnp.exp(1j * (cell.k0 @ x)[:, None] + 1j * jnp.einsum("ax,ak->xk", away, k))
    number = envelope.ndim // grid.dimension
    parts = (jnp.fft.fftn(envelope) / envelope.size).reshape((grid.size,) * number)
    for _ in range(number):
        parts = jnp.moveaxis(jnp.tensordot(waves, parts, axes=(1, 0)), 0, -1)  # the next particle comes first
    return parts


def cell_points(grid: Grid, period: Float[Array, ""] | float, cells: range, points: int) -> Float[Array, "1 point"]:
    """The places of `points` in each of some cells of a ring, counted from its origin."""
    steps = jnp.arange(cells.start * points, cells.stop * points) / points
    return (grid.origin[0] + period * steps)[None]


def fine_density(
    bloch: PlaneWaves, cell: CellProblem, grid: Grid, envelope: Complex[Array, "*x"], x: Float[Array, "axis point"]
) -> Float[Array, " point"]:
    """|psi|^2 of one particle at points."""
    psi = fine_wave(bloch, cell, grid, envelope, x)
    return psi.real**2 + psi.imag**2
