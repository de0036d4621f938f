"""Ground states by SciPy's Lanczos (ARPACK), with degeneracy reported instead of silently resolved."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, eigsh

from qnano.fermions.fock import determinants
from qnano.hubbard.exact import HubbardHamiltonian
from qnano.hubbard.model import FermiHubbard

DENSE_UP_TO = 400


class DegenerateGroundState(ValueError):
    """Several states share the lowest energy, so that "the" ground state is not defined."""

    def __init__(self, energy: float, gap: float):
        super().__init__(
            f"the ground state is degenerate (E = {energy:.10g}, next level {gap:.1e} above): "
            "lift the degeneracy by a small potential or another filling, or start from an `occupation`"
        )


class GroundState(NamedTuple):
    """`energy`, the wavefunction psi[up, down] of norm 1, and the `gap` to the next level (infinite in a space of one state)."""

    energy: float
    psi: Complex[Array, "up down"]
    gap: float


def ground_state(model: FermiHubbard, t: float = 0.0, degeneracy: float = 1e-9) -> GroundState:
    """The ground state of H(t) in the model's particle sector.

    The gap comes from a second search, orthogonal to the first state, since a Lanczos space holds only one state of each level.
    Raises `DegenerateGroundState` where the gap is below `degeneracy` (in units of the energy scale).
    """
    matrix = sparse_matrix(HubbardHamiltonian(model, jnp.asarray(t)))
    size = matrix.shape[0]
    if size <= DENSE_UP_TO:
        levels, states = np.linalg.eigh(matrix.toarray())
        energy, psi = levels[0], states[:, 0]
        gap = levels[1] - levels[0] if size > 1 else np.inf
    else:
        start = np.random.default_rng(0).normal(size=size).astype(matrix.dtype)
        energy, psi = _lowest(matrix.dot, start)
        lift = 2 * abs(matrix).sum(axis=1).max()  # at least the width of the spectrum, so the state moves above it
        gap = _lowest(lambda v: matrix @ v + lift * np.vdot(psi, v) * psi, start)[0] - energy
    if gap < degeneracy * max(1.0, abs(energy)):
        raise DegenerateGroundState(float(energy), float(gap))
    shape = tuple(determinants(model.sites, n).size for n in model.electrons)
    return GroundState(float(energy), jnp.asarray(psi.reshape(shape), jnp.result_type(1j)), float(gap))


def fermi_sea(model: FermiHubbard, t: float = 0.0, degeneracy: float = 1e-9) -> Complex[Array, "2 s s"]:
    """D1 of up and down in the ground state of H(t) without its interaction: the lowest orbitals filled, for any size.

    Raises `DegenerateGroundState` where the highest filled and the lowest empty orbital have one energy.
    """
    levels, orbitals = np.linalg.eigh(np.asarray(model.one_body(t)))
    filled = []
    for number in model.electrons:
        if 0 < number < model.sites and (gap := levels[number] - levels[number - 1]) < degeneracy:
            raise DegenerateGroundState(float(sum(levels[:n].sum() for n in model.electrons)), float(gap))
        filled.append(orbitals[:, :number] @ orbitals[:, :number].conj().T)
    return jnp.asarray(np.stack(filled), jnp.result_type(1j))


def sparse_matrix(hamiltonian: HubbardHamiltonian) -> sparse.csr_array:
    """H as a SciPy matrix over the pairs (up, down), down running fastest; always in double precision."""
    hops = []
    for source, amplitudes in zip(hamiltonian.sources, (hamiltonian.hops_up, hamiltonian.hops_down), strict=True):
        row, entry = np.nonzero(np.asarray(amplitudes))
        values = np.asarray(amplitudes).astype(np.promote_types(amplitudes.dtype, np.float64))
        hops.append(sparse.csr_array((values[row, entry], (row, source[row, entry])), shape=(len(source), len(source))))
    diagonal = np.asarray(hamiltonian.diagonal, dtype=np.float64)
    up, down = (sparse.eye_array(n) for n in diagonal.shape)
    return (sparse.kron(hops[0], down) + sparse.kron(up, hops[1]) + sparse.diags_array(diagonal.ravel())).tocsr()


def _lowest(action: Callable[[np.ndarray], np.ndarray], start: np.ndarray) -> tuple[float, np.ndarray]:
    operator = LinearOperator((start.size, start.size), matvec=action, dtype=start.dtype)
    levels, states = eigsh(operator, k=1, which="SA", v0=start, tol=0)
    return levels[0], states[:, 0]
