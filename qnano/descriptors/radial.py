"""Radial functions: eigenfunctions of the isotropic oscillator in d dimensions, and what Gaussians make of them.

    chi_qlm(x) = R_ql(r) Y_lm,    R_ql(r) = N_ql (r/b)^l L_q^a(r^2/b^2) exp(-r^2 / 2 b^2),    a = l + d/2 - 1

are orthonormal, smooth at the origin, and their own Fourier transforms: they span the Gaussians r^(l+2q) exp(-r^2/2b^2).
With the solid harmonics S_lm = r^l Y_lm everything is a polynomial in r^2 or k^2 times a Gaussian:

    int chi_qlm(x) exp(i k.x) dx = i^l S_lm(k) T_ql(k^2),     T_ql = N_ql b^(l+d) (2 pi)^(d/2) (-1)^q L_q^a(k^2 b^2) exp(-k^2 b^2/2)

and the overlap with a Gaussian of unit integral and standard deviation s, at r, is S_lm(r) G_ql(r^2) with C^2 = b^2 + s^2,
sigma = (s^2 - b^2) / C^2, z = r^2 / 2C^2 (from the generating function of the Laguerre polynomials):

    G_ql = N_ql b^(l+d) C^(-2l-d) exp(-z) (-1)^q sum_j binom(q+a, q-j) sigma^(q-j) ((1 - sigma) z)^j / j!
"""

from abc import abstractmethod
from math import exp, lgamma, pi, sqrt

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from qnano.border import numbers

MOST = 24  # radial functions: the exponential of further ones underflows in single precision where they are not yet small


class AbstractRadial(eqx.Module):
    """Radial functions, by their Fourier transforms and their overlaps with Gaussians, without the factor S_lm."""

    channels: eqx.AbstractVar[int]

    @abstractmethod
    def transform(self, degree: int, k2: Float[Array, "*point"], dimension: int = 3) -> Float[Array, "n *point"]:
        """T_ql at k^2."""

    @abstractmethod
    def overlap(
        self, degree: int, r2: Float[Array, "*point"], smearing: Float[ArrayLike, ""], dimension: int = 3
    ) -> Float[Array, "n *point"]:
        """G_ql at r^2."""


class Oscillators(AbstractRadial):
    """The first `channels` eigenfunctions for each l; `width` is b."""

    width: Float[Array, ""]
    channels: int = eqx.field(static=True)

    def __init__(self, width: Float[ArrayLike, ""], channels: int):
        numbers("width", width, shape=(), above=0)
        numbers("channels", channels, kind="integer", shape=(), least=1, most=MOST)
        self.width, self.channels = jnp.asarray(width, jnp.result_type(float)), int(channels)

    def transform(self, degree: int, k2: Float[Array, "*point"], dimension: int = 3) -> Float[Array, "n *point"]:
        z = k2 * self.width**2
        scale = self.width ** (degree + dimension / 2) * (2 * pi) ** (dimension / 2) * jnp.exp(-z / 2)
        return self._expanded(degree, dimension, 1.0, -z, scale)

    def overlap(
        self, degree: int, r2: Float[Array, "*point"], smearing: Float[ArrayLike, ""], dimension: int = 3
    ) -> Float[Array, "n *point"]:
        both = self.width**2 + smearing**2
        sigma, z = (smearing**2 - self.width**2) / both, jnp.asarray(r2 / (2 * both))
        scale = self.width ** (degree + dimension / 2) * both ** (-degree - dimension / 2) * jnp.exp(-z)
        return self._expanded(degree, dimension, sigma, jnp.asarray((1 - sigma) * z), scale)

    def _expanded(
        self, degree: int, dimension: int, sigma: Float[ArrayLike, ""], z: Float[Array, "*point"], scale: Float[Array, "*point"]
    ) -> Float[Array, "n *point"]:
        """scale N_ql b^(d/2) (-1)^q P_q, P_q = sum_j binom(q+a, q-j) sigma^(q-j) z^j / j! = sigma^q L_q^a(-z / sigma).

        By the recursion of the Laguerre polynomials, from the exponential on: the sum loses digits where its terms alternate.
        """
        a = degree + dimension / 2 - 1
        rows, before = [scale], jnp.zeros_like(scale)
        for q in range(self.channels - 1):
            last = rows[-1]
            rows.append(jnp.asarray((((2 * q + 1 + a) * sigma + z) * last - (q + a) * sigma**2 * before) / (q + 1)))
            before = last
        norms = [sqrt(2 * exp(lgamma(q + 1) - lgamma(q + degree + dimension / 2))) for q in range(self.channels)]
        return jnp.stack([(-1) ** q * norm * row for q, (norm, row) in enumerate(zip(norms, rows, strict=True))])
