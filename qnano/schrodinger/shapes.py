"""What is put on a grid: potentials of simple shapes, packets, the fall of a voltage between electrodes, regions of space.

The box is periodic, so that places are seen from their nearest image.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Complex, Float, Shaped

from qnano.border import numbers
from qnano.energetics.grid import interval
from qnano.schrodinger.grid import Grid

Away = Float[Array, "axis *x"]
Place = Shaped[ArrayLike, " axis"] | Sequence[float]


def away_from(centre: Place, grid: Grid) -> Away:
    """x - centre, for every point, along every axis. Raises `ValueError` for a centre that is no place in the grid's space."""
    numbers("centre", centre, shape=(grid.dimension,))
    return _images(centre, grid) - _along(jnp.asarray(centre, float), grid)


def gaussian(away: Away, width: Shaped[ArrayLike, "#axis"] | Sequence[float]) -> Float[Array, "*x"]:
    """exp(-sum_a s_a^2 / (2 width_a^2)), s the distance."""
    numbers("width", width, shape=(None,), above=0.0)
    widths = jnp.expand_dims(jnp.asarray(width, float), tuple(range(1, away.ndim)))
    return jnp.exp(-jnp.sum((away / widths) ** 2, axis=0) / 2)


def double_barrier(
    along: Float[Array, "*x"], thickness: Float[ArrayLike, ""], well: Float[ArrayLike, ""], edge: Float[ArrayLike, ""]
) -> Float[Array, "*x"]:
    """Two walls of height 1 on both sides of a well, with edges (1 + tanh(s / edge)) / 2; `along` is the distance on one axis."""
    for name, length in (("thickness", thickness), ("well", well), ("edge", edge)):
        numbers(name, length, shape=(), above=0.0)

    def step(s):
        return (1 + jnp.tanh(s / edge)) / 2

    def wall(low):
        return step(along - low) - step(along - low - thickness)

    half = jnp.asarray(well, float) / 2
    return wall(-half - thickness) + wall(half)


def packet(grid: Grid, centre: Place, width: Place, wavenumber: Place) -> Complex[Array, "*x"]:
    """exp(sum_a -(x_a - centre_a)^2 / (4 width_a^2) + i wavenumber_a x_a): its density has the standard deviation `width`.

    Not normalised. Raises `ValueError` for numbers that are not one for each axis, or a width that is not positive.
    """
    numbers("width", width, shape=(grid.dimension,), above=0.0)
    numbers("wavenumber", wavenumber, shape=(grid.dimension,))
    widths, waves = (_along(jnp.asarray(one, float), grid) for one in (width, wavenumber))
    exponents = -((away_from(centre, grid) / (2 * widths)) ** 2) + 1j * waves * _images(centre, grid)
    return jnp.exp(jnp.sum(exponents, axis=0))


def fall(grid: Grid, centre: Float[ArrayLike, ""], width: Float[ArrayLike, ""]) -> Float[Array, "*x"]:
    """s = (1 + erf((x - centre) / width)) / 2 along the first axis, the share of a voltage that has fallen up to x."""
    numbers("centre", centre, shape=())
    numbers("width", width, shape=(), above=0.0)
    return (1 + jax.scipy.special.erf((grid.coordinates[0] - centre) / width)) / 2


def region(grid: Grid, low: Place, high: Place) -> Float[Array, "*x"]:
    """Weights by which a sum over the points is the integral over all places between `low` and `high`, for any ends."""
    for name, place in (("low", low), ("high", high)):
        numbers(name, place, shape=(grid.dimension,))
    total = jnp.ones(())
    ends = zip(jnp.asarray(low, float), jnp.asarray(high, float), strict=True)
    for n, length, origin, (first, last) in zip(grid.points, grid.lengths, grid.origin, ends, strict=True):
        waves = 2 * jnp.pi * n / length * jnp.fft.fftfreq(n)
        total = total[..., None] * interval(waves, origin, first, last)
    return total


def directed(wave: Shaped[Array, "*configuration"], grid: Grid, particles: int = 1) -> Complex[Array, "*configuration"]:
    """A wave with the phase that makes it positive where the coordinates are large, those of later particles even more.

    So an eigenstate is the same whoever computed it.
    """
    numbers("wave", wave, kind="complex", shape=grid.points * particles)
    weight = jnp.ones(())
    for particle in range(particles):
        one = jnp.exp(8 * (particle + 1) * jnp.sum(grid.coordinates / _along(grid.lengths, grid), axis=0))
        weight = jnp.tensordot(weight, one, 0)
    overlap = jnp.sum(weight * wave)
    return wave * overlap.conj() / jnp.abs(overlap)


def _images(centre: Place, grid: Grid) -> Away:
    """The points, each as the image of it that is nearest to the centre."""
    away, box = grid.coordinates - _along(jnp.asarray(centre, float), grid), _along(grid.lengths, grid)
    return grid.coordinates - box * jnp.round(away / box)


def _along(vector: Float[Array, " axis"], grid: Grid) -> Float[Array, "axis *one"]:
    """One number for each axis, beside the points of the grid."""
    return jnp.expand_dims(vector, tuple(range(1, grid.dimension + 1)))
