"""Ground states by SciPy's Lanczos (ARPACK), with degeneracy reported instead of silently resolved.

They are searched with plain numbers, and differentiated by what they satisfy: (H - E) psi = 0 gives, in first order,

    (H - E) dpsi = -(dH - dE) psi,     <psi|dpsi> = 0,     dE = <psi|dH|psi>,

where H - E is positive on all that is orthogonal to psi, so that conjugate gradients solve it, by H's action alone.
"""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Complex, Float
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, eigsh

from qnano.border import numbers
from qnano.hubbard.exact import HubbardHamiltonian
from qnano.hubbard.model import FermiHubbard
from qnano.solvers.stepping import reachable
from qnano.spectral import highest_projector

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

    energy: Float[Array, ""]
    psi: Complex[Array, "up down"]
    gap: float


def ground_state(model: FermiHubbard, t: float = 0.0, degeneracy: float = 1e-9) -> GroundState:
    """The ground state of H(t) in the model's particle sector.

    Energy and wavefunction can be differentiated by every leaf of the model, in both modes, but not inside `jit`: there, search
    outside and let `eigenstate` follow the Hamiltonian. The gap is a plain number.

    The gap comes from a second search, orthogonal to the first state, since a Lanczos space holds only one state of each level.
    Raises `DegenerateGroundState` where the gap is below `degeneracy` (in units of the energy scale; in single precision it is at
    least 1e-6), and `ValueError` for a model whose numbers are traced or not finite, a time that is none or a negative
    `degeneracy`.
    """
    _require_numbers(t, degeneracy)
    psi, gap = _search(_hamiltonian(_still(model), jnp.asarray(t)), degeneracy)
    hamiltonian = _hamiltonian(model, jnp.asarray(t))
    psi = eigenstate(hamiltonian, psi)
    return GroundState(_energy(hamiltonian, psi), psi, gap)


# Compiled, since a sweep builds many.
_hamiltonian = eqx.filter_jit(HubbardHamiltonian)
_energy = eqx.filter_jit(lambda hamiltonian, psi: jnp.vdot(psi, hamiltonian.apply(psi)).real)


@jax.custom_jvp
def eigenstate(hamiltonian: HubbardHamiltonian, psi: Complex[Array, "up down"]) -> Complex[Array, "up down"]:
    """`psi`, the known ground state of `hamiltonian`, of norm 1, as a function of `hamiltonian`; also under `jit` and `vmap`.

    Its derivative is that of perturbation theory, with the phase that <psi|dpsi> = 0 fixes. A derivative by `psi` is none.
    """
    return psi


@eigenstate.defjvp
def _eigenstate_jvp(primals, tangents):
    (hamiltonian, known), (change, _) = primals, tangents
    psi = eigenstate(hamiltonian, known)
    energy = jnp.vdot(psi, hamiltonian.apply(psi)).real

    def across(vector):
        return vector - jnp.vdot(psi, vector) * psi

    def lifted(vector):
        """H - E, with psi, which is otherwise at 0, at 1."""
        return hamiltonian.apply(vector) - energy * vector + jnp.vdot(psi, vector) * psi

    def solve(matrix, force):
        return jax.scipy.sparse.linalg.cg(matrix, force, tol=100 * float(jnp.finfo(force.dtype).eps))[0]

    force = -across(change.apply(psi))  # every leaf is linear in H, so that the tangent is a Hamiltonian too
    return psi, across(jax.lax.custom_linear_solve(lifted, force, solve, transpose_solve=solve))


def fermi_sea(model: FermiHubbard, t: float = 0.0, degeneracy: float = 1e-9) -> Complex[Array, "2 s s"]:
    """D1 of up and down in the ground state of H(t) without its interaction: the lowest orbitals filled, for any size.

    It can be differentiated like `ground_state`. Raises `DegenerateGroundState` where the highest filled and the lowest empty
    orbital have one energy, and `ValueError` as `ground_state` does.
    """
    _require_numbers(t, degeneracy)
    one_body = np.asarray(_still(model).one_body(t))
    if not np.isfinite(one_body).all():
        raise ValueError("model: got numbers that are not finite; there is no ground state")
    levels = np.linalg.eigvalsh(one_body)
    for number in model.electrons:
        if 0 < number < model.sites and (gap := levels[number] - levels[number - 1]) < reachable(degeneracy):
            raise DegenerateGroundState(float(sum(levels[:n].sum() for n in model.electrons)), float(gap))
    filled = [highest_projector(-model.one_body(t), jnp.asarray(number)) for number in model.electrons]
    return jnp.stack(filled).astype(jnp.result_type(1j))


def _require_numbers(t: float, degeneracy: float) -> None:
    numbers("t", t, shape=())
    numbers("degeneracy", degeneracy, shape=(), least=0.0)


def _still(model: FermiHubbard) -> FermiHubbard:
    """The model as plain numbers. Raises `ValueError` where `jit` or `vmap` leaves none."""
    still = jax.tree.map(lambda x: jax.lax.stop_gradient(x) if eqx.is_array(x) else x, model)
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(still)):
        raise ValueError(
            "model: got numbers that jit or vmap traces; a ground state is searched with plain numbers, outside of them"
        )
    return still


def _search(hamiltonian: HubbardHamiltonian, degeneracy: float) -> tuple[Complex[Array, "up down"], float]:
    """The ground state and the gap above it."""
    matrix = sparse_matrix(hamiltonian)
    if not np.isfinite(matrix.data).all():
        raise ValueError("model: got numbers that are not finite; there is no ground state")
    size = hamiltonian.diagonal.size
    if size <= DENSE_UP_TO:
        levels, states = np.linalg.eigh(matrix.toarray())
        energy, psi = levels[0], states[:, 0]
        gap = levels[1] - levels[0] if size > 1 else np.inf
    else:
        start = np.random.default_rng(0).normal(size=size).astype(matrix.dtype)
        energy, psi = _lowest(matrix.dot, start)
        lift = 2 * abs(matrix).sum(axis=1).max()  # at least the width of the spectrum, so the state moves above it
        gap = _lowest(lambda v: matrix @ v + lift * np.vdot(psi, v) * psi, start)[0] - energy
    if gap < reachable(degeneracy) * max(1.0, abs(energy)):
        raise DegenerateGroundState(float(energy), float(gap))
    return jnp.asarray(psi.reshape(hamiltonian.diagonal.shape), jnp.result_type(1j)), float(gap)


def sparse_matrix(hamiltonian: HubbardHamiltonian) -> sparse.csr_array:
    """H as a SciPy matrix over the pairs (up, down), down running fastest; always in double precision."""
    hops = []
    for table, amplitudes in zip(hamiltonian.tables, (hamiltonian.hops_up, hamiltonian.hops_down), strict=True):
        values = np.asarray(amplitudes).T.astype(np.promote_types(amplitudes.dtype, np.float64))
        row, entry = np.nonzero(values)
        shape = (len(table.source), len(table.source))
        hops.append(sparse.csr_array((values[row, entry], (row, table.source[row, entry])), shape=shape))
    diagonal = np.asarray(hamiltonian.diagonal, dtype=np.float64)
    up, down = (sparse.eye_array(n) for n in diagonal.shape)
    return (sparse.kron(hops[0], down) + sparse.kron(up, hops[1]) + sparse.diags_array(diagonal.ravel())).tocsr()


def _lowest(action: Callable[[np.ndarray], np.ndarray], start: np.ndarray) -> tuple[float, np.ndarray]:
    operator = LinearOperator((start.size, start.size), matvec=action, dtype=start.dtype)  # pyright: ignore[reportCallIssue]
    levels, states = eigsh(operator, k=1, which="SA", v0=start, tol=0)
    return levels[0], states[:, 0]
