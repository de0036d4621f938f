"""Ground states by SciPy's Lanczos (ARPACK), with degeneracy reported instead of silently resolved."""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex
from scipy.sparse.linalg import LinearOperator, eigsh

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
    hamiltonian = HubbardHamiltonian(model, jnp.asarray(t))
    shape = hamiltonian.diagonal.shape
    size = shape[0] * shape[1]
    dtype = np.promote_types(hamiltonian.hops_up.dtype, np.float64)
    action = eqx.filter_jit(lambda vectors: hamiltonian.apply(vectors))

    def apply(vectors: np.ndarray) -> np.ndarray:
        """H on the columns of `vectors`."""
        columns = vectors.reshape(size, -1).T.reshape(-1, *shape)
        return np.asarray(action(jnp.asarray(columns))).reshape(-1, size).T.astype(dtype)

    if size <= DENSE_UP_TO:
        levels, states = np.linalg.eigh(apply(np.eye(size, dtype=dtype)))
        energy, psi = levels[0], states[:, 0]
        gap = levels[1] - levels[0] if size > 1 else np.inf
    else:
        start = np.random.default_rng(0).normal(size=size).astype(dtype)
        energy, psi = _lowest(apply, start, dtype)
        low, high = (float(bound) for bound in hamiltonian.spectral_bounds())

        def lifted(vectors: np.ndarray) -> np.ndarray:
            """H with the first state moved above the spectrum."""
            columns = vectors.reshape(size, -1)
            return apply(columns) + (high - low) * np.outer(psi, psi.conj() @ columns)

        gap = _lowest(lifted, start, dtype)[0] - energy
    if gap < degeneracy * max(1.0, abs(energy)):
        raise DegenerateGroundState(float(energy), float(gap))
    return GroundState(float(energy), jnp.asarray(psi.reshape(shape), jnp.result_type(1j)), float(gap))


def _lowest(apply, start: np.ndarray, dtype) -> tuple[float, np.ndarray]:
    operator = LinearOperator((start.size, start.size), matvec=lambda v: apply(v)[:, 0], matmat=apply, dtype=dtype)
    levels, states = eigsh(operator, k=1, which="SA", v0=start, tol=0)
    return levels[0], states[:, 0]
