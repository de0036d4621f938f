"""Clebsch-Gordan coefficients of real spherical harmonics.

    R_(lambda mu) = sum_(m m') C[mu, m, m'] A_lm B_l'm'

turns like Y_(lambda mu) if A and B turn like Y_lm and Y_l'm'. Only l + l' + lambda even is had here: what is odd changes sign under
inversion where a proper tensor does not, and its coefficients are imaginary.
"""

from functools import cache
from math import factorial, sqrt

import numpy as np
from jaxtyping import Complex, Float

from qnano.border import numbers

LARGEST = 4


@cache
def clebsch_gordan(order: int, left: int, right: int) -> Float[np.ndarray, "mu m1 m2"]:
    """C[mu, m, m'] for lambda = `order`, l = `left`, l' = `right`, normalised so that C C^T = 1.

    Raises `ValueError` where the triangle rule or parity forbids it.
    """
    for key, value in (("order", order), ("left", left), ("right", right)):
        numbers(key, value, kind="integer", shape=(), least=0)
    if not abs(left - right) <= order <= left + right or (order + left + right) % 2:
        raise ValueError(f"order: got {order} from {left} and {right}; must be from |l-l'| to l+l' with an even sum of the three")
    coupled = np.zeros((2 * order + 1, 2 * left + 1, 2 * right + 1))
    for m1 in range(-left, left + 1):
        for m2 in range(-right, right + 1):
            if abs(m1 + m2) <= order:
                coupled[m1 + m2 + order, m1 + left, m2 + right] = _complex_coefficient(order, left, right, m1, m2)
    real = np.einsum(
        "uM,Mab,ma,nb->umn", _real_from_complex(order), coupled, _real_from_complex(left).conj(), _real_from_complex(right).conj()
    )
    return np.ascontiguousarray(real.real)


def _real_from_complex(degree: int) -> Complex[np.ndarray, "m m"]:
    """Rows: real harmonics in terms of the complex ones, which have the Condon-Shortley sign."""
    matrix = np.zeros((2 * degree + 1, 2 * degree + 1), complex)
    matrix[degree, degree] = 1
    for m in range(1, degree + 1):
        sign = (-1) ** m
        matrix[degree + m, [degree + m, degree - m]] = sign / sqrt(2), 1 / sqrt(2)
        matrix[degree - m, [degree + m, degree - m]] = -sign * 1j / sqrt(2), 1j / sqrt(2)
    return matrix


def _complex_coefficient(j: int, j1: int, j2: int, m1: int, m2: int) -> float:
    """<j1 m1 j2 m2 | j m1+m2> by Racah's formula."""
    f, m = factorial, m1 + m2
    norm = (2 * j + 1) * f(j + j1 - j2) * f(j - j1 + j2) * f(j1 + j2 - j) / f(j1 + j2 + j + 1)
    norm *= f(j + m) * f(j - m) * f(j1 - m1) * f(j1 + m1) * f(j2 - m2) * f(j2 + m2)
    total = 0.0
    for k in range(max(0, j2 - j - m1, j1 - j + m2), min(j1 + j2 - j, j1 - m1, j2 + m2) + 1):
        parts = (k, j1 + j2 - j - k, j1 - m1 - k, j2 + m2 - k, j - j2 + m1 + k, j - j1 - m2 + k)
        total += (-1) ** k / np.prod([float(f(part)) for part in parts])
    return sqrt(norm) * total
