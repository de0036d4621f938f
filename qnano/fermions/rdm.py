"""Reduced density matrices of a two-species wavefunction, and their contractions.

Index order: annihilators (rows) first, then creators; norm N!/(N - p)! per spin block:

    D1[i, j]                 = < c+_j c_i >                                              trace N
    D2_updn[a, b, x, y]      = < c+_{x,up} c+_{y,dn} c_{b,dn} c_{a,up} >                 trace N_up N_dn
    D2_upup[a, b, x, y]      = < c+_{x,up} c+_{y,up} c_{b,up} c_{a,up} >                 trace N_up (N_up - 1)
    D3_uud[a, b, c, x, y, z] = < c+_{x,up} c+_{y,up} c+_{z,dn} c_{c,dn} c_{b,up} c_{a,up} >

Each is a Gram matrix D[P, X] = sum_k phi[P, k] conj(phi[X, k]) of the annihilated vectors phi[P] = c_P psi, taken by index
tables: one gather and one matrix product, no operator matrix, positive by construction. For L sites the product of the
two-particle block costs 8 L^4 C(L, N_up - 1) C(L, N_dn - 1) operations.

The wavefunction is psi[up determinant, down determinant] as in `qnano.fermions.fock`. Each function is one program, also where it
is called by itself, and raises `ValueError` for arguments that do not fit each other.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Inexact

from qnano.border import numbers
from qnano.fermions.admission import admitted_wavefunction, require_orbitals, require_spin
from qnano.fermions.fock import annihilation_table
from qnano.fermions.slices import diagonal
from qnano.fermions.types import OneRDM, ThreeRDM, TwoRDM, Wavefunction


@partial(jax.jit, static_argnames=("sites", "electrons", "spin"))
def one_rdm(psi: Wavefunction, sites: int, electrons: tuple[int, int], spin: int) -> OneRDM:
    """D1 of one spin: 0 up, 1 down."""
    require_spin(spin)
    psi = admitted_wavefunction(psi, sites, electrons)
    if electrons[spin] == 0:
        return jnp.zeros((sites, sites), _complex(psi))
    phi = _annihilate(jnp.moveaxis(psi, spin, 0), sites, electrons[spin])
    return _gram(phi.reshape(sites, -1))


@partial(jax.jit, static_argnames=("sites", "electrons"))
def two_rdm_updn(psi: Wavefunction, sites: int, electrons: tuple[int, int]) -> TwoRDM:
    """D2 of one up and one down particle."""
    psi = admitted_wavefunction(psi, sites, electrons)
    up, down = electrons
    if min(up, down) == 0:
        return jnp.zeros((sites,) * 4, _complex(psi))
    return _gram(_annihilate_pair(psi, sites, up, down).reshape(sites**2, -1)).reshape((sites,) * 4)


@partial(jax.jit, static_argnames=("sites", "electrons", "spin"))
def two_rdm_same_spin(psi: Wavefunction, sites: int, electrons: tuple[int, int], spin: int) -> TwoRDM:
    """D2 of two particles of one spin, antisymmetric in (a, b) and in (x, y)."""
    require_spin(spin)
    psi = admitted_wavefunction(psi, sites, electrons)
    if electrons[spin] < 2:
        return jnp.zeros((sites,) * 4, _complex(psi))
    phi = _annihilate_twice(jnp.moveaxis(psi, spin, 0), sites, electrons[spin])
    return _gram(phi.reshape(sites**2, -1)).reshape((sites,) * 4)


@partial(jax.jit, static_argnames=("sites", "electrons"))
def three_rdm_uud(psi: Wavefunction, sites: int, electrons: tuple[int, int]) -> ThreeRDM:
    """D3 of two up particles and one down particle: N_s^6 numbers, for diagnostics and tests alone."""
    psi = admitted_wavefunction(psi, sites, electrons)
    if electrons[0] < 2 or electrons[1] < 1:
        return jnp.zeros((sites,) * 6, _complex(psi))
    return _gram(_annihilate_uud(psi, sites, *electrons).reshape(sites**3, -1)).reshape((sites,) * 6)


@partial(jax.jit, static_argnames=("sites", "electrons"))
def collision_element(psi: Wavefunction, sites: int, electrons: tuple[int, int]) -> TwoRDM:
    """K[a, b, x, y] = D3_uud[a, b, b; x, b, y]: all that an on-site interaction needs of the three-particle RDM.

    One matrix product per b, so the 3RDM itself is never formed.
    """
    psi = admitted_wavefunction(psi, sites, electrons)
    if electrons[0] < 2 or electrons[1] < 1:
        return jnp.zeros((sites,) * 4, _complex(psi))
    phi = _annihilate_uud(psi, sites, *electrons).reshape(sites, sites, sites, -1)
    b = jnp.arange(sites)
    on_site = phi[:, b, b]
    return jnp.einsum("abk,xbyk->abxy", on_site, phi.conj(), optimize=True).astype(_complex(psi))


@partial(jax.jit, static_argnames=("particles",))
def one_rdm_of(two_rdm: TwoRDM, particles: int) -> OneRDM:
    """D1_up[i, j] = sum_k D2_updn[i, k; j, k] / N_dn, the contraction over the down particle, of which there are `particles`."""
    require_orbitals(two_rdm=two_rdm)
    numbers("particles", particles, kind="integer", shape=(), least=1, most=len(two_rdm))
    return diagonal(two_rdm, "ikjk->kij").sum(axis=0) / particles


def _gram(phi: Inexact[Array, "p k"]) -> Complex[Array, "p p"]:
    return (phi @ phi.conj().T).astype(_complex(phi))


def _complex(array: Array) -> jnp.dtype:
    return jnp.result_type(array.dtype, jnp.complex64)


def _annihilate(psi: Inexact[Array, "determinant *rest"], sites: int, particles: int) -> Inexact[Array, "s fewer *rest"]:
    """c_i psi for every site, acting on the first axis."""
    source, sign = annihilation_table(sites, particles)
    weight = jnp.asarray(sign, psi.real.dtype).reshape(sign.shape + (1,) * (psi.ndim - 1))
    return weight * psi[source]


def _annihilate_twice(psi: Inexact[Array, "determinant *rest"], sites: int, particles: int) -> Array:
    """phi[a, b] = c_b c_a psi on the first axis."""
    once = jnp.moveaxis(_annihilate(psi, sites, particles), 1, 0)
    twice = _annihilate(once, sites, particles - 1)
    return jnp.moveaxis(twice, 2, 0)


def _annihilate_pair(psi: Wavefunction, sites: int, up: int, down: int) -> Inexact[Array, "s s k l"]:
    """phi[a, b] = c_{b,dn} c_{a,up} psi, up to the common sign of passing the up creators."""
    once = _annihilate(psi, sites, up)
    both = _annihilate(jnp.moveaxis(once, 2, 0), sites, down)
    return jnp.moveaxis(both, 2, 0)


def _annihilate_uud(psi: Wavefunction, sites: int, up: int, down: int) -> Inexact[Array, "s s s l k"]:
    """phi[a, b, c] = c_{c,dn} c_{b,up} c_{a,up} psi, up to the same common sign."""
    twice = _annihilate_twice(psi, sites, up)
    with_down = _annihilate(jnp.moveaxis(twice, 3, 0), sites, down)
    return jnp.moveaxis(with_down, (0, 1), (2, 3))
