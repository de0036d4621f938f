"""What the functions of this folder take: arrays that fit the lattice. JAX clamps an index beyond an array, and says nothing."""

import math
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Inexact

from qnano.border import numbers

RANKS = {"one_rdm": 2, "up": 2, "down": 2, "sign": 2, "three_uud": 6, "three_cumulant": 6}  # all others have four


def admitted_wavefunction(psi: Any, sites: int, electrons: tuple[int, int]) -> Inexact[Array, "up down"]:
    """`psi` as an array of floating-point numbers over the determinants of up and of down electrons.

    Raises `ValueError` for numbers of electrons that the sites do not hold, and for another shape.
    """
    numbers("sites", sites, kind="integer", shape=(), least=1)
    numbers("electrons", electrons, kind="integer", shape=(2,), least=0, most=sites)
    numbers("psi", psi, kind="complex", shape=tuple(math.comb(sites, n) for n in electrons))
    psi = jnp.asarray(psi)
    return psi if jnp.issubdtype(psi.dtype, jnp.inexact) else psi.astype(jnp.result_type(float))


def require_spin(spin: int) -> None:
    """Raise `ValueError` unless it is 0 for up or 1 for down."""
    numbers("spin", spin, kind="integer", shape=(), least=0, most=1)


def require_orbitals(sites: int | None = None, **arrays: Any) -> None:
    """Raise `ValueError` unless each array has `sites` orbitals on every axis; by default as many as the first has on its first."""
    for name, array in arrays.items():
        rank = RANKS.get(name, 4)
        numbers(name, array, kind="complex", shape=(sites,) * rank)
        if sites is None:
            sites = len(array)
            numbers(name, array, kind="complex", shape=(sites,) * rank)
