"""Hopping on rings and tori with even sides: its band, its action, its exact flow.

    T = -J sum_<ij> (|i><j| + |j><i|),        e_k = -2 J sum_axis cos k_axis,        k = 2 pi m / side

Sites and momenta are in row-major order. The flow exp(-i h T) is a product of ring flows, one for each axis. On a short ring it is
a matrix: with D = diag(1, i, 1, i, ...) the matrix D+ exp(-i h T) D is real, since T joins the two sublattices, so that real and
imaginary parts go through one real product, half the work of a complex one. On a long ring it is a pair of FFTs.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Complex, Float, Inexact

Sides = tuple[int, ...]
LONGEST_MATRIX = 64  # beyond this side FFTs are faster


def band(sides: Sides, hopping: Float[ArrayLike, ""]) -> Float[Array, " site"]:
    """e_k of every momentum, in the order of `jnp.fft.fftn` on the grid of sites."""
    return jnp.asarray(hopping) * cosines(sides)


def cosines(sides: Sides) -> Float[np.ndarray, " site"]:
    """e_k / J, with exact zeros."""
    waves = [-2 * np.cos(2 * np.pi * np.arange(side) / side) for side in sides]
    total = np.sum(np.meshgrid(*waves, indexing="ij"), axis=0).ravel()
    return np.where(np.abs(total) < 1e-12, 0.0, total)


def hop(sides: Sides, hopping: Float[ArrayLike, ""], x: Inexact[Array, "..."], axis: int = -1) -> Inexact[Array, "..."]:
    """T x along the axis of sites."""
    axis %= x.ndim
    grid = x.reshape(*x.shape[:axis], *sides, *x.shape[axis + 1 :])
    total = jnp.zeros_like(grid)
    for k in range(len(sides)):
        total = total + _neighbours(grid, axis + k)
    return -jnp.asarray(hopping) * total.reshape(x.shape)


def hop_flow(
    sides: Sides, hopping: Float[ArrayLike, ""], h: Float[ArrayLike, ""], psi: Complex[Array, "row site"]
) -> Complex[Array, "row site"]:
    """exp(-i h T) on every row."""
    if max(sides) > LONGEST_MATRIX:
        grid = psi.reshape(-1, *sides)
        axes = range(1, grid.ndim)
        phases = jnp.exp(-1j * h * band(sides, hopping)).reshape(sides)
        return jnp.fft.ifftn(jnp.fft.fftn(grid, axes=axes) * phases, axes=axes).reshape(psi.shape)
    parity = np.indices(sides).reshape(len(sides), -1) % 2
    gauge = np.array([1, 1j, -1])[parity.sum(axis=0)]
    x = _turned(psi.real, psi.imag, gauge.conj())
    grid = x.reshape(2, len(psi), *sides)
    for axis, side in enumerate(sides, start=2):
        grid = jnp.moveaxis(jnp.moveaxis(grid, axis, -1) @ ring_flow(side, h * hopping), -1, axis)
    x = grid.reshape(2, *psi.shape)
    return jax.lax.complex(*_turned(x[0], x[1], gauge))


def ring_flow(side: int, angle: Float[ArrayLike, ""]) -> Float[Array, "side side"]:
    """The transpose of D+ exp(i angle A) D, with A the ring's adjacency matrix: real and orthogonal.

    Without D its entries depend on the distance d alone: (1/N) sum_k cos(k d) exp(2 i angle cos k), real or, for odd d, imaginary.
    """
    place = np.arange(side)
    table = np.cos(2 * np.pi * np.outer(place, place) / side)
    phases = 2 * angle * table[1]
    real, imag = jnp.stack([jnp.cos(phases), jnp.sin(phases)]) @ (table / side)
    parts = jnp.where(place % 2 == 0, real, imag)
    signs = np.where((place[:, None] % 2 == 1) & (place % 2 == 0), -1.0, 1.0)
    # Row i of a circulant matrix starts i places back: rows one short of two periods, laid end to end, do that without a gather.
    return jnp.tile(parts, 2 * side - 1).reshape(side, 2 * side - 1)[:, :side] * signs


def _turned(
    real: Float[Array, "row site"], imag: Float[Array, "row site"], phases: Complex[np.ndarray, " site"]
) -> Float[Array, "2 row site"]:
    """phases (real + i imag), in parts."""
    cos, sin = np.real(phases), np.imag(phases)
    return jnp.stack([cos * real - sin * imag, cos * imag + sin * real])


def _neighbours(x: Inexact[Array, "..."], axis: int) -> Inexact[Array, "..."]:
    """The sum of both neighbours around a ring; slices, because `jnp.roll` is slow on CPU."""
    side = x.shape[axis]

    def part(start, stop):
        return jax.lax.slice_in_dim(x, start, stop, axis=axis)

    closed = jnp.concatenate([part(side - 1, side), x, part(0, 1)], axis)
    return jax.lax.slice_in_dim(closed, 0, side, axis=axis) + jax.lax.slice_in_dim(closed, 2, side + 2, axis=axis)
