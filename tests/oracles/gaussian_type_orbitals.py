"""The radial basis of featomic in SciPy: Gaussian type orbitals r^n exp(-r^2/2 s_n^2), made orthonormal after Loewdin.

    s_n = R max(sqrt(n), 1) / N,    n = 0 ... N - 1

Both integrals are confluent hypergeometric functions, by Kummer's transformation where that is stable.
"""

import equinox as eqx
import jax
import numpy as np
from scipy.special import gamma, hyp1f1

from qnano.descriptors.radial import AbstractRadial


class GaussianTypeOrbitals(AbstractRadial):
    """`radius` is R: featomic's cutoff or projection radius. Computed on the host, without derivatives."""

    radius: float = eqx.field(static=True)
    channels: int = eqx.field(static=True)

    def transform(self, degree, k2, dimension=3):
        return self._called(lambda k2: self._transform(degree, k2), k2)

    def overlap(self, degree, r2, smearing, dimension=3):
        return self._called(lambda r2, s: self._overlap(degree, r2, float(s)), r2, smearing)

    def _called(self, function, x, *others):
        shape = jax.ShapeDtypeStruct((self.channels, *x.shape), x.dtype)
        return jax.pure_callback(lambda *args: function(*map(np.asarray, args)), shape, x, *others)

    def _transform(self, degree, k2):
        rows = []
        for n, s in enumerate(self.widths):
            a, b = (n + degree + 3) / 2, degree + 1.5
            rows.append(
                np.sqrt(np.pi)
                / 2
                * 2 ** ((n + 1) / 2)
                * s ** (n + 3)
                * (s / np.sqrt(2)) ** degree
                * gamma(a)
                / gamma(b)
                * np.exp(-k2 * s**2 / 2)
                * hyp1f1(b - a, b, k2 * s**2 / 2)
            )
        return 4 * np.pi * np.tensordot(self.orthonormal, np.array(rows), 1)

    def _overlap(self, degree, r2, smearing):
        rows, big = [], 1 / (2 * smearing**2)
        for n, s in enumerate(self.widths):
            a, b, small = (n + degree + 3) / 2, degree + 1.5, 1 / (2 * s**2)
            z = big**2 * r2 / (big + small)
            rows.append(
                np.pi**1.5 * gamma(a) / gamma(b) * big**degree * (big + small) ** -a * np.exp(z - big * r2) * hyp1f1(b - a, b, -z)
            )
        return (2 * np.pi * smearing**2) ** -1.5 * np.tensordot(self.orthonormal, np.array(rows), 1)

    @property
    def widths(self):
        return self.radius * np.maximum(np.sqrt(np.arange(self.channels)), 1) / self.channels

    @property
    def orthonormal(self):
        n, s = np.arange(self.channels), self.widths
        powers, sums = n[:, None] + n + 3, 1 / s[:, None] ** 2 + 1 / s**2
        overlap = 0.5 * gamma(powers / 2) * (sums / 2) ** (-powers / 2)
        norms = np.sqrt(np.diag(overlap))
        values, vectors = np.linalg.eigh(overlap / np.outer(norms, norms))
        return vectors @ np.diag(values**-0.5) @ vectors.T / norms
