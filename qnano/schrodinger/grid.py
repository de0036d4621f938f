"""A uniform periodic grid in one to three dimensions.

Point j of an axis with n points stands at x_j = origin + j L / n; its wavenumbers are k_m = 2 pi m / L in the order of the FFT.
Sums over points times the volume of one are integrals, exact for what the grid resolves.
"""

import math
from collections.abc import Callable, Sequence

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Complex, Float, Inexact, Shaped

from qnano.border import numbers


class Grid(eqx.Module):
    """`points` on each axis (static), `lengths` L and `origin` (numbers that can be differentiated).

    Raises `ValueError` where the three do not have the same length of 1 to 3.
    """

    points: tuple[int, ...] = eqx.field(static=True)
    lengths: Float[Array, " axis"]
    origin: Float[Array, " axis"]

    def __init__(self, points: Sequence[int], lengths: Shaped[Array, " axis"] | Sequence, origin: Sequence | None = None):
        numbers("points", points, kind="integer", shape=(None,), least=1)
        numbers("lengths", lengths, above=0.0)
        self.points = tuple(map(int, points))
        self.lengths = jnp.asarray(lengths, jnp.result_type(float))
        if origin is not None:
            numbers("origin", origin)
        self.origin = -self.lengths / 2 if origin is None else jnp.asarray(origin, jnp.result_type(float))

    def __check_init__(self):
        shape = (len(self.points),)
        if not 1 <= len(self.points) <= 3 or self.lengths.shape != shape or self.origin.shape != shape:
            got = f"points {self.points}, lengths of shape {self.lengths.shape}, origin of shape {self.origin.shape}"
            raise ValueError(f"grid: got {got}; must be one number each for each of 1 to 3 axes")

    @property
    def dimension(self) -> int:
        return len(self.points)

    @property
    def size(self) -> int:
        return math.prod(self.points)

    @property
    def volume(self) -> Float[Array, ""]:
        """Of one point."""
        return jnp.prod(self.lengths) / self.size

    @property
    def coordinates(self) -> Float[Array, "axis *x"]:
        """x at every point."""
        steps = [jnp.arange(n) / n for n in self.points]
        axes = [x0 + length * step for x0, length, step in zip(self.origin, self.lengths, steps, strict=True)]
        return jnp.stack(jnp.meshgrid(*axes, indexing="ij"))

    @property
    def wavenumbers(self) -> Float[Array, "axis *x"]:
        """k at every point of the reciprocal grid."""
        axes = [2 * jnp.pi * n / length * jnp.fft.fftfreq(n) for n, length in zip(self.points, self.lengths, strict=True)]
        return jnp.stack(jnp.meshgrid(*axes, indexing="ij"))

    def pairs(
        self, interaction: Callable[[Float[Array, "x x"]], Shaped[ArrayLike, "x x"]], periodic: bool = True
    ) -> Float[Array, "x x"]:
        """w(|x - x'|) as a matrix over the points of one axis; of the shorter way round the ring if `periodic`.

        Raises `ValueError` on a grid of more axes.
        """
        if self.dimension != 1:
            raise ValueError(f"grid: got {self.dimension} axes; pairs live on one")
        x, length = self.coordinates[0], self.lengths[0]
        apart = jnp.abs(x[:, None] - x)
        return jnp.asarray(interaction(jnp.minimum(apart, length - apart) if periodic else apart))


def spread_out(values: Inexact[Array, "*x"], particle: int, number: int) -> Inexact[Array, "*configuration"]:
    """A function of one particle's place as one of all `number` places, broadcastable."""
    return values.reshape((1,) * (values.ndim * particle) + values.shape + (1,) * (values.ndim * (number - 1 - particle)))


def summed(values: Inexact[Array, "*x"], number: int) -> Inexact[Array, "*configuration"]:
    """f(x_1) + ... + f(x_N)."""
    return sum((spread_out(values, p, number) for p in range(1, number)), spread_out(values, 0, number))


def multiplied(
    values: Inexact[Array, "*x"], number: int, psi: Inexact[Array, "*configuration"]
) -> Inexact[Array, "*configuration"]:
    """f(x_1) ... f(x_N) psi."""
    for p in range(number):
        psi = psi * spread_out(values, p, number)
    return psi


def resampled(values: Inexact[Array, "*x"], points: tuple[int, ...]) -> Complex[Array, "*y"]:
    """A periodic function on another number of points on each axis, by its Fourier series; what those cannot carry is left out.

    Raises `ValueError` unless there is one number of points for each axis.
    """
    numbers("points", points, kind="integer", shape=(values.ndim,), least=1)
    waves = jnp.fft.fftn(values) / values.size
    for axis, (old, new) in enumerate(zip(values.shape, points, strict=True)):
        kept = min(old, new)
        m = jnp.arange(kept) - kept // 2  # for an even number the wave on the edge stands once, at -kept / 2
        taken = jnp.take(waves, m % old, axis=axis)
        if kept % 2 == 0 and old != new:
            edge = jnp.where(jnp.arange(kept) == 0, 0.0, 1.0).reshape([-1 if a == axis else 1 for a in range(values.ndim)])
            taken = taken * edge
        shape = [new if a == axis else n for a, n in enumerate(waves.shape)]
        waves = jnp.moveaxis(jnp.zeros(shape, waves.dtype), axis, 0).at[m % new].set(jnp.moveaxis(taken, axis, 0))
        waves = jnp.moveaxis(waves, 0, axis)
    return jnp.fft.ifftn(waves) * waves.size
