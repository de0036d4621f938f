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
from math import exp, factorial, lgamma, pi, sqrt

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float


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
        if channels < 1:
            raise ValueError(f"channels: got {channels}; must be at least 1")
        self.width, self.channels = jnp.asarray(width, jnp.result_type(float)), channels

    def transform(self, degree: int, k2: Float[Array, "*point"], dimension: int = 3) -> Float[Array, "n *point"]:
        z = k2 * self.width**2
        scale = self.width ** (degree + dimension / 2) * (2 * pi) ** (dimension / 2) * jnp.exp(-z / 2)
        rows = [
            self._norm(q, degree, dimension) * (-1) ** q * self._sum(q, degree, dimension, 1.0, -z) for q in range(self.channels)
        ]
        return scale * jnp.stack(rows)

    def overlap(
        self, degree: int, r2: Float[Array, "*point"], smearing: Float[ArrayLike, ""], dimension: int = 3
    ) -> Float[Array, "n *point"]:
        both = self.width**2 + smearing**2
        sigma, z = (smearing**2 - self.width**2) / both, jnp.asarray(r2 / (2 * both))
        scale = self.width ** (degree + dimension / 2) * both ** (-degree - dimension / 2) * jnp.exp(-z)
        sums = [(-1) ** q * self._sum(q, degree, dimension, sigma, jnp.asarray((1 - sigma) * z)) for q in range(self.channels)]
        return scale * jnp.stack([self._norm(q, degree, dimension) * total for q, total in enumerate(sums)])

    @staticmethod
    def _norm(q: int, degree: int, dimension: int) -> float:
        """N_ql b^(d/2)."""
        return sqrt(2 * factorial(q) * exp(-lgamma(q + degree + dimension / 2)))

    @staticmethod
    def _sum(q: int, degree: int, dimension: int, sigma: Float[ArrayLike, ""], z: Float[Array, "*point"]) -> Float[Array, "*point"]:
        """sum_j binom(q+a, q-j) sigma^(q-j) z^j / j!; with sigma = 1 it is L_q^a(-z)."""
        a = degree + dimension / 2 - 1
        total = jnp.zeros_like(z)
        for j in range(q, -1, -1):
            binomial = exp(lgamma(q + a + 1) - lgamma(q - j + 1) - lgamma(a + j + 1))
            total = total + binomial / factorial(j) * sigma ** (q - j) * z**j
        return total
