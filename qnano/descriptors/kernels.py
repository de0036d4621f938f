"""What a point is made into: a Gaussian, or the potential 1/r^p of a Gaussian, by their Fourier transforms in d dimensions.

    v_p(r) = gamma(p/2, r^2/2s^2) / (Gamma(p/2) r^p),        p = 1: erf(r / sqrt(2) s) / r

    v^_p(k) = pi^(d/2) / Gamma(p/2) (k^2/4)^((p-d)/2) Gamma((d-p)/2, k^2 s^2 / 2),      d = 3, p = 1: 4 pi exp(-k^2 s^2/2) / k^2

with the lower and upper incomplete gamma functions. At k = 0 it is finite for p > d; for p <= d it is left out, which is a uniform
background that makes the whole neutral.

Reference: Huguenin-Dumittan, Loche, Ni and Ceriotti, arXiv:2308.13208 (any exponent).
"""

from abc import abstractmethod
from math import gamma, pi

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erfc
from jaxtyping import Array, ArrayLike, Float

from qnano.border import numbers


class AbstractKernel(eqx.Module):
    """A function of the distance, by its Fourier transform."""

    @abstractmethod
    def transform(self, k2: Float[Array, "*point"], dimension: int = 3) -> Float[Array, "*point"]:
        """At k^2; at k = 0 the integral over space, or 0 where it diverges."""


class Gaussian(AbstractKernel):
    """exp(-r^2 / 2 s^2), of unit integral."""

    smearing: Float[Array, ""]

    def __init__(self, smearing: Float[ArrayLike, ""]):
        numbers("smearing", smearing, shape=(), above=0)
        self.smearing = jnp.asarray(smearing, jnp.result_type(float))

    def transform(self, k2: Float[Array, "*point"], dimension: int = 3) -> Float[Array, "*point"]:
        return jnp.exp(-k2 * self.smearing**2 / 2)


class InversePower(AbstractKernel):
    """The potential 1/r^p of a Gaussian of standard deviation s, p = 1 to 6."""

    exponent: int = eqx.field(static=True)
    smearing: Float[Array, ""]

    def __init__(self, exponent: int, smearing: Float[ArrayLike, ""]):
        numbers("exponent", exponent, kind="integer", shape=(), least=1, most=6)
        numbers("smearing", smearing, shape=(), above=0)
        self.exponent, self.smearing = int(exponent), jnp.asarray(smearing, jnp.result_type(float))

    def transform(self, k2: Float[Array, "*point"], dimension: int = 3) -> Float[Array, "*point"]:
        inside = jnp.where(k2 > 0, k2, 1.0)  # both branches of a `where` are differentiated
        p, d = self.exponent, dimension
        value = pi ** (d / 2) / gamma(p / 2) * (inside / 4) ** ((p - d) / 2) * upper_gamma(d - p, inside * self.smearing**2 / 2)
        return jnp.where(k2 > 0, value, self.continued(d) if p > d else 0.0)

    def continued(self, dimension: int = 3) -> Float[Array, ""]:
        """The transform at k = 0 for p > d, and what its formula continues to for p < d.

        Raises `ValueError` for p = d, where it diverges from both sides.
        """
        p, d = self.exponent, dimension
        if p == d:
            raise ValueError(f"exponent: got {p} in {d} dimensions; the integral of 1/r^{p} diverges at both ends")
        return pi ** (d / 2) / gamma(p / 2) * 2 / (p - d) * (2 * self.smearing**2) ** ((d - p) / 2)

    def remainder(self, r: Float[Array, "*point"]) -> Float[Array, "*point"]:
        """1/r^p - v_p, which is short ranged, at distances r > 0."""
        return upper_gamma(self.exponent, r**2 / (2 * self.smearing**2)) / gamma(self.exponent / 2) / r**self.exponent

    @property
    def centre(self) -> Float[Array, ""]:
        """v_p(0)."""
        return (2 * self.smearing**2) ** (-self.exponent / 2) / gamma(self.exponent / 2 + 1)


def upper_gamma(twice: int, u: Float[Array, "*point"]) -> Float[Array, "*point"]:
    """Gamma(twice / 2, u) for u > 0, by Gamma(a + 1, u) = a Gamma(a, u) + u^a exp(-u) from a = 0, 1/2 or 1.

    Downwards the recursion loses a factor u / |a| of precision at each step; what follows exp(-u) then does not matter.
    """
    if twice % 2:
        a, value = 0.5, pi**0.5 * erfc(jnp.sqrt(u))
    elif twice > 0:
        a, value = 1.0, jnp.exp(-u)
    else:
        a, value = 0.0, exponential_integral(u)
    while 2 * a > twice:
        a -= 1
        value = (value - u**a * jnp.exp(-u)) / a
    while 2 * a < twice:
        value = a * value + u**a * jnp.exp(-u)
        a += 1
    return value


@jax.custom_jvp
def exponential_integral(u: Float[Array, "*point"]) -> Float[Array, "*point"]:
    """E_1(u) = Gamma(0, u) for u > 0 to 3e-15: its series below 2, its continued fraction above.

    Of fixed length: the loops in `jax.scipy.special.exp1` do not end for some arrays.
    """
    small, large = jnp.minimum(u, 2.0), jnp.maximum(u, 2.0)
    term, series = jnp.ones_like(u), -np.euler_gamma - jnp.log(small)
    for n in range(1, 30):
        term = -term * small / n
        series = series - term / n
    fraction = large + 121
    for n in range(60, 0, -1):
        fraction = large + 2 * n - 1 - n**2 / fraction
    return jnp.where(u < 2, series, jnp.exp(-large) / fraction)


@exponential_integral.defjvp
def _exponential_integral_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (u,), (du,) = primals, tangents
    return exponential_integral(u), -jnp.exp(-u) / u * du
