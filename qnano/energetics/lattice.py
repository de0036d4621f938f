"""Where a field puts its energy on a lattice, and how it moves: exact local balances from one- and two-particle density matrices.

    H = sum_ac h_ac c+_a c_c + 1/2 sum_{a != b} W_ab n_a n_b + sum_a v_a n_a,            hbar = 1,

with any Hermitian h(t), any real symmetric W(t) without diagonal, and a drive v(t) that is kept apart from the system's energy.
Half of every bond and half of every interaction belong to each of its ends,

    E_a = Re sum_c h_ac <c+_a c_c> + 1/2 sum_b W_ab <n_a n_b>,            sum_a E_a = <H> without v,

and then, because W is made of densities alone, [H, E_a] needs no three-particle density matrix:

    dE_a/dt = P_a + sum_c J_{a<-c} + S_a
    J_{a<-c} = Im[h_ac (h g)_ca - h_ca (h g)_ac] + 1/4 sum_b (W_ab + W_cb) I_{a<-c|b}            energy current along a bond
    S_a = sum_b s_{a<-b},   s_{a<-b} = (p_{a|b} - p_{b|a}) / 2,   p_{a|b} = -1/2 sum_c (W_ab - W_cb) I_{a<-c|b}   by interaction
    P_a = Re(dh/dt g)_aa + 1/2 sum_b dW_ab/dt <n_a n_b> + 1/2 sum_c (v_c - v_a) I_{a<-c}            power of the field

with the particle current I_{a<-c} = 2 Im(h_ac g_ca), and the same given a particle at b, I_{a<-c|b} = 2 Im(h_ac g_{ca|b}). J and s
are antisymmetric, so that both only move energy. A local energy and power in the sense of Albareda, Traversa and Oriols
(arXiv:1511.03989); for free particles see Kara Slimane, Reck and Fleury (arXiv:1912.09386). Neither E_a nor J is unique: another
way to share the bonds moves energy between neighbours.

Orbitals a, b, c are any that can be occupied once (site and spin); matrices in the package's order,

    one[c, a] = g_ca = < c+_a c_c >,            given[c, a, b] = g_{ca|b} = < c+_a n_b c_c > = D2[c, b, a, b].

All functions raise `ValueError` for matrices that do not fit each other.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Inexact, Int

from qnano.border import Kind, complaint, numbers

Matrix = Inexact[Array, "a a"]
RealMatrix = Float[Array, "a a"]
Conditional = Inexact[Array, "a a a"]


class Hamiltonian(NamedTuple):
    """h, W and v at one time, with the time derivatives of h and W."""

    one_body: Matrix
    pair: RealMatrix
    drive: Float[Array, " a"]
    one_body_rate: Matrix
    pair_rate: RealMatrix


class Balance(NamedTuple):
    """The terms of dE_a/dt = power_a + sum_c current[a, c] + sum_b transfer[a, b]; both matrices are antisymmetric, into a from the
    second index."""

    power: Float[Array, " a"]
    current: RealMatrix
    transfer: RealMatrix

    @property
    def rate(self) -> Float[Array, " a"]:
        """dE_a/dt."""
        return self.power + self.current.sum(axis=1) + self.transfer.sum(axis=1)


def particle_current(one_body: Matrix, one: Matrix) -> RealMatrix:
    """I[a, c], particles per time into a from c."""
    _require(len(one_body), one_body=one_body, one=one)
    return 2 * (one_body * one.T).imag


def local_energy(one_body: Matrix, pair: RealMatrix, one: Matrix, given: Conditional) -> Float[Array, " a"]:
    """E_a."""
    _require(len(one_body), one_body=one_body, one=one, given=given)
    _require(len(one_body), "real", pair=pair)
    hopping = jnp.einsum("ac,ca->a", one_body, one).real
    return hopping + 0.5 * jnp.sum(pair * _pairs(given), axis=1)


def local_balance(hamiltonian: Hamiltonian, one: Matrix, given: Conditional) -> Balance:
    """How E_a changes, term by term; O(N^3) for N orbitals."""
    h, w, v, h_rate, w_rate = hamiltonian
    _require(len(h), one_body=h, one_body_rate=h_rate, one=one, given=given)
    _require(len(h), "real", pair=w, pair_rate=w_rate, drive=v)
    current = particle_current(h, one)
    power = jnp.einsum("ac,ca->a", h_rate, one).real + 0.5 * jnp.sum(w_rate * _pairs(given), axis=1)
    power = power + 0.5 * (current @ v - v * current.sum(axis=1))
    product = h @ one
    free = (h * product.T - h.T * product).imag
    conditional = 2 * (h[:, :, None] * given.transpose(1, 0, 2)).imag  # I[a, c, b]
    near, far = jnp.einsum("ab,acb->ac", w, conditional), jnp.einsum("cb,acb->ac", w, conditional)
    work = -0.5 * (w * conditional.sum(axis=1) - jnp.einsum("cb,acb->ab", w, conditional))  # p[a, b]
    return Balance(power, free + 0.25 * (near + far), 0.5 * (work - work.T))


def conditional_of(two_rdm: Inexact[Array, "a a a a"]) -> Conditional:
    """g_{ca|b} from D2[a, b, x, y] = < c+_x c+_y c_b c_a >."""
    _require(len(two_rdm), two_rdm=two_rdm)
    return jnp.einsum("cbab->cab", two_rdm)


def boundary(bonds: Int[np.ndarray, "bond 2"], region: Bool[np.ndarray, " a"]) -> Float[np.ndarray, " bond"]:
    """1 for a bond (i, j) by which what comes to i from j enters the region, -1 where it leaves, 0 elsewhere.

    So the energy that flows into a region is `boundary(...) @ current`, with the current along the bonds or its integral.
    """
    if np.ndim(region) != 1 or np.asarray(region).dtype != bool:
        raise ValueError(complaint("region", region, "must say true or false for each orbital"))
    numbers("bonds", bonds, kind="integer", shape=(None, 2), least=0, most=len(region) - 1)
    into, out_of = region[bonds].T
    return into.astype(float) - out_of


RANKS = {"drive": 1, "given": 3, "two_rdm": 4}


def _require(size: int, kind: Kind = "complex", **arrays: Inexact[Array, "..."]) -> None:
    """Raise `ValueError` unless each of these arrays has `size` orbitals on every axis."""
    for name, array in arrays.items():
        numbers(name, array, kind=kind, shape=(size,) * RANKS.get(name, 2))


def _pairs(given: Conditional) -> RealMatrix:
    """<n_a n_b>, normally ordered: 0 for a = b."""
    return jnp.einsum("aab->ab", given).real
