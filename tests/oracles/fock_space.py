"""Brute-force fermions: the Hubbard model in the occupation-number basis, by Jordan-Wigner matrices.

    H = sum_{ij,s} h[i,j] c+_{is} c_{js} + sum_i U_i n_{i,up} n_{i,dn} + sum_{i,s} v_i n_{is}

**Modes.**  Mode i is site i spin up, mode Ns + i is site i spin down.  A basis state is an integer whose bit m says
whether mode m is occupied,

    |n> = (c+_0)^{n_0} (c+_1)^{n_1} ... (c+_{2Ns-1})^{n_{2Ns-1}} |vac>,       c_m |n> = (-1)^{sum_{k<m} n_k} |n - e_m>,

so that all ups stand left of all downs, sites ascending within a spin.

**Sector.**  `Sector(Ns, n_up, n_dn)` keeps the integers of fixed particle numbers in ascending order.  The down pattern
holds the high bits, hence it is the slow index: vector[k_dn * n_up_determinants + k_up], with the determinants of one
spin sorted by ascending bit pattern.  A matrix psi[k_up, k_dn] over the same determinants maps to psi.T.ravel(), without
signs (`Sector.vector`, `Sector.matrix`).

**Reduced density matrices.**  Annihilators (rows) first, normalised to N!/(N-p)! per spin block:

    D1[i; j] = <c+_j c_i>        D2_st[a,b; x,y] = <c+_{xs} c+_{yt} c_{bt} c_{as}>
    D3_uud[a,b,c; x,y,z] = <c+_{x up} c+_{y up} c+_{z dn} c_{c dn} c_{b up} c_{a up}>

Nothing is exploited (no spin symmetry, no Wick theorem): each element is a product of operator matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, reduce
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import solve_ivp
from scipy.sparse.linalg import expm_multiply

UP, DN = 0, 1
Array = NDArray[Any]


@cache
def annihilators(modes: int) -> tuple[sp.csr_matrix, ...]:
    """Jordan-Wigner matrices c_0 ... c_{modes-1} on the whole Fock space, of dimension 2**modes."""
    one, parity, lower = (sp.csr_matrix(m) for m in (np.eye(2), np.diag([1.0, -1.0]), np.array([[0.0, 1.0], [0.0, 0.0]])))

    def kron(a: sp.csr_matrix, b: sp.csr_matrix) -> sp.csr_matrix:
        return sp.kron(a, b, format="csr")  # the default format stores zeros

    def mode(m: int) -> sp.csr_matrix:
        # The leftmost Kronecker factor is the highest bit; the string of parities runs over the lower modes.
        return reduce(kron, [one] * (modes - 1 - m) + [lower] + [parity] * m)

    return tuple(mode(m) for m in range(modes))


class Sector:
    """The Hubbard model on `sites` sites with `n_up` and `n_dn` electrons."""

    def __init__(self, sites: int, n_up: int, n_dn: int) -> None:
        self.sites, self.electrons = sites, (n_up, n_dn)
        self.c = annihilators(2 * sites)
        patterns = np.arange(4**sites)
        bits = patterns[:, None] >> np.arange(2 * sites) & 1
        self.basis: Array = patterns[(bits[:, :sites].sum(1) == n_up) & (bits[:, sites:].sum(1) == n_dn)]
        self.dim = self.basis.size
        self.occupation: Array = bits[self.basis].reshape(self.dim, 2, sites).transpose(1, 2, 0)  # [spin, site, state]
        n_dets = len({int(p) % 2**sites for p in self.basis})
        self.shape = (n_dets, self.dim // n_dets)
        # All c+_i c_j, stacked: a time-dependent H costs one sparse product and one contraction per application.
        self._hops = tuple(
            sp.vstack([self._hop(s, i, j) for i in range(sites) for j in range(sites)], format="csr") for s in (UP, DN)
        )

    def _hop(self, spin: int, i: int, j: int) -> sp.csr_matrix:
        return self.operator(self.mode(spin, i), self.mode(spin, j))

    def mode(self, spin: int, site: int) -> int:
        return spin * self.sites + site

    def operator(self, create: int, annihilate: int) -> sp.csr_matrix:
        """Matrix of c+_create c_annihilate (modes of the same spin) within the sector."""
        product = self.c[create].T @ self.c[annihilate]
        return sp.csr_matrix(product[self.basis][:, self.basis])

    # Amplitudes

    def vector(self, psi: ArrayLike) -> Array:
        """psi[k_up, k_dn], determinants by ascending bit pattern, to a vector of the sector."""
        return np.asarray(psi).reshape(self.shape).T.ravel()

    def matrix(self, vector: ArrayLike) -> Array:
        """Inverse of `vector`."""
        return np.asarray(vector).reshape(self.shape[::-1]).T

    def embed(self, vector: ArrayLike) -> Array:
        """The vector in the whole Fock space, of dimension 4**sites."""
        full = np.zeros(4**self.sites, complex)
        full[self.basis] = vector
        return full

    def determinant(self, up: Sequence[int], dn: Sequence[int]) -> Array:
        """c+_{up[0],up} c+_{up[1],up} ... c+_{dn[0],dn} ... |vac> by applying the matrices one after the other."""
        state = np.eye(1, 4**self.sites)[0]
        for m in reversed([self.mode(UP, i) for i in up] + [self.mode(DN, j) for j in dn]):
            state = self.c[m].T @ state
        return state[self.basis]

    # Hamiltonian

    def _diagonal(self, interaction: ArrayLike, potential: ArrayLike) -> Array:
        n = self.occupation
        u = np.broadcast_to(interaction, self.sites)
        v = np.broadcast_to(potential, (2, self.sites))
        return u @ (n[UP] * n[DN]) + np.einsum("si,sik->k", v, n)

    def hamiltonian(self, hopping: ArrayLike, interaction: ArrayLike = 0.0, potential: ArrayLike = 0.0) -> sp.csr_matrix:
        """H as a sparse matrix: hopping (Ns, Ns), interaction scalar or (Ns), potential (Ns).

        Hopping and potential may carry a leading spin axis of length 2.
        """
        h = np.broadcast_to(hopping, (2, self.sites, self.sites))
        kinetic = sum(h[s, i, j] * self._hop(s, i, j) for s, i, j in np.argwhere(h))
        return sp.csr_matrix(kinetic + sp.diags(self._diagonal(interaction, potential)), dtype=complex)

    def apply(self, vector: Array, hopping: ArrayLike, interaction: ArrayLike = 0.0, potential: ArrayLike = 0.0) -> Array:
        """H @ vector without building H: for Hamiltonians that change at every step."""
        h = np.broadcast_to(hopping, (2, self.sites, self.sites))
        hops = sum(h[s].ravel() @ (self._hops[s] @ vector).reshape(-1, self.dim) for s in (UP, DN))
        return hops + self._diagonal(interaction, potential) * vector

    # Reduced density matrices

    def _removed(self, vector: ArrayLike, *spins: int) -> Array:
        """V[a, b, ...; state] = ... c_{b t} c_{a s} |vector>, one leading site index per spin given."""
        v = self.embed(vector)[None]
        for spin in spins:
            v = np.stack([(self.c[self.mode(spin, i)] @ v.T).T for i in range(self.sites)], 1).reshape(-1, v.shape[-1])
        return v[:, np.abs(v).sum(0) > 0]  # drops exact zeros only: the states outside the smaller sector

    def rdm(self, vector: ArrayLike, *spins: int) -> Array:
        """D[a,b,...; x,y,...] = <c+_x c+_y ... c_b c_a>; particle p has spin `spins[p]`."""
        v = self._removed(vector, *spins)
        return (v @ v.conj().T).reshape((self.sites,) * (2 * len(spins)))

    def d1_up(self, vector: ArrayLike) -> Array:
        return self.rdm(vector, UP)

    def d1_dn(self, vector: ArrayLike) -> Array:
        return self.rdm(vector, DN)

    def d2_updn(self, vector: ArrayLike) -> Array:
        return self.rdm(vector, UP, DN)

    def d2_upup(self, vector: ArrayLike) -> Array:
        return self.rdm(vector, UP, UP)

    def d2_dndn(self, vector: ArrayLike) -> Array:
        return self.rdm(vector, DN, DN)

    def d3_uud(self, vector: ArrayLike) -> Array:
        return self.rdm(vector, UP, UP, DN)


def chain(sites: int, *, hopping: complex = 1.0, periodic: bool = False, flux: float = 0.0) -> Array:
    """h[i+1, i] = -J exp(i flux/Ns) on the bonds of a chain, or of a ring threaded by `flux`; Hermitian."""
    h = np.zeros((sites, sites), complex)
    for i in range(sites if periodic else sites - 1):
        h[(i + 1) % sites, i] -= hopping * np.exp(1j * flux / sites)
    return h + h.conj().T


def ladder(rungs: int, legs: int = 2, *, hopping: float = 1.0) -> Array:
    """Open rectangular patch, site = rung * legs + leg."""
    grid = np.array([[r, leg] for r in range(rungs) for leg in range(legs)])
    return -hopping * (np.abs(grid[:, None] - grid).sum(-1) == 1).astype(complex)


def trap(sites: int, strength: float) -> Array:
    """v_i = strength (i - (Ns-1)/2)^2."""
    return strength * (np.arange(sites) - (sites - 1) / 2) ** 2


def ground_state(hamiltonian: sp.spmatrix) -> tuple[float, Array]:
    """Lowest energy and eigenvector by dense diagonalisation; the largest amplitude is real and positive."""
    energy, vectors = np.linalg.eigh(hamiltonian.toarray())
    v = vectors[:, 0]
    pivot = v[np.abs(v).argmax()]
    return float(energy[0]), v * (abs(pivot) / pivot)


def propagate(hamiltonian: sp.spmatrix, vector: ArrayLike, times: ArrayLike) -> Array:
    """psi[time, state] under a constant H for uniformly spaced `times`; psi = vector at times[0]."""
    times = np.asarray(times, float)
    v = np.asarray(vector, complex)
    if times.size == 1:
        return v[None]
    return expm_multiply(-1j * hamiltonian, v, 0.0, times[-1] - times[0], times.size, True)


def propagate_driven(apply: Callable[[float, Array], Array], vector: ArrayLike, times: ArrayLike, *, rtol: float = 1e-12) -> Array:
    """psi[time, state] for i dpsi/dt = apply(t, psi), by the Dormand-Prince 8(5,3) pair.

    A drive with jumps must be integrated piece by piece by the caller.
    """
    times = np.asarray(times, float)
    solution = solve_ivp(
        lambda t, y: -1j * apply(t, y),
        (times[0], times[-1]),
        np.asarray(vector, complex),
        method="DOP853",
        t_eval=times,
        rtol=rtol,
        atol=rtol * 1e-2,
    )
    if not solution.success:
        raise RuntimeError(solution.message)
    return solution.y.T
