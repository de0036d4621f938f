"""Real solid harmonics r^l Y_lm in one, two and three dimensions.

They are polynomials, so that they have all derivatives everywhere, at the origin too. On the unit sphere they are orthonormal:

    3D   Y_lm, m = -l..l, without the Condon-Shortley sign; for l = 1 in the order (y, z, x)
    2D   1/sqrt(2 pi); then sin(l phi), cos(l phi), each over sqrt(pi)
    1D   1/sqrt(2) and, the last, x/sqrt(2)

A component's place is l^2 + l + m in three dimensions; `degrees` has its l in any.
"""

from math import factorial, pi, sqrt

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from qnano.border import numbers


def degrees(angular: int, dimension: int = 3) -> Int[np.ndarray, " lm"]:
    """The degree l of every component up to l = `angular`. Raises `ValueError` for what does not exist."""
    numbers("dimension", dimension, kind="integer", shape=())
    numbers("angular", angular, kind="integer", shape=())
    if dimension not in (1, 2, 3):
        raise ValueError(f"dimension: got {dimension}; must be 1, 2 or 3")
    if angular < 0 or (dimension == 1 and angular > 1):
        raise ValueError(f"angular: got {angular}; must be at least 0, and at most 1 in one dimension")
    counts = {1: [1, 1], 2: [1] + [2] * angular, 3: [2 * l + 1 for l in range(angular + 1)]}[dimension]
    return np.repeat(np.arange(angular + 1), counts[: angular + 1])


def solid_harmonics(x: Float[Array, "*point d"], angular: int) -> Float[Array, "*point lm"]:
    """r^l Y_lm of vectors, all components up to l = `angular`."""
    dimension = x.shape[-1]
    degrees(angular, dimension)
    one = jnp.ones_like(x[..., 0])
    if dimension == 1:
        return jnp.stack([one, x[..., 0]][: angular + 1], axis=-1) / sqrt(2)
    cosines, sines = [one], [0 * one]  # of m phi, times (x^2 + y^2)^(m/2)
    for _ in range(angular):
        cosines.append(x[..., 0] * cosines[-1] - x[..., 1] * sines[-1])
        sines.append(x[..., 0] * sines[len(cosines) - 2] + x[..., 1] * cosines[-2])
    if dimension == 2:
        found = [one / sqrt(2 * pi)]
        for l in range(1, angular + 1):
            found += [sines[l] / sqrt(pi), cosines[l] / sqrt(pi)]
        return jnp.stack(found, axis=-1)
    legendre = _legendre(x[..., 2], jnp.sum(x**2, axis=-1), angular)
    found = []
    for l in range(angular + 1):
        for m in range(-l, l + 1):
            k = abs(m)
            norm = sqrt((2 * l + 1) / (4 * pi if m == 0 else 2 * pi) * factorial(l - k) / factorial(l + k))
            found.append(norm * legendre[l, k] * (sines[k] if m < 0 else cosines[k]))
    return jnp.stack(found, axis=-1)


def _legendre(z: Float[Array, "*point"], r2: Float[Array, "*point"], angular: int) -> dict[tuple[int, int], Array]:
    """r^(l-m) P_l^m(z/r) / sin^m, without sign, by the recursion in l."""
    found = {}
    for m in range(angular + 1):
        found[m, m] = jnp.full_like(z, np.prod(np.arange(2 * m - 1, 0, -2), initial=1.0))
        for l in range(m + 1, angular + 1):
            below = (l + m - 1) * r2 * found[l - 2, m] if l > m + 1 else 0.0
            found[l, m] = ((2 * l - 1) * z * found[l - 1, m] - below) / (l - m)
    return found
