"""Lowest states of a wavefunction's Hamiltonian.

`lowest_states` finds them by SciPy (dense, or LOBPCG preconditioned with the kinetic energy, which any grid is too fine for
otherwise); `relaxed` by imaginary time, whose splitting leaves an error of the order of its step squared.
"""

import itertools
import math
import warnings
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float
from scipy import linalg
from scipy.sparse.linalg import LinearOperator, lobpcg

from qnano.border import known, numbers
from qnano.schrodinger import observables
from qnano.schrodinger.grid import Grid, summed
from qnano.schrodinger.model import require_exchange
from qnano.schrodinger.wave import AbstractWave, Schrodinger, Wave

DENSE_UP_TO = 600


class States(NamedTuple):
    """`energies` in ascending order and `waves`, each of norm 1 on the grid."""

    energies: Float[Array, " state"]
    waves: Complex[Array, "state *configuration"]


class NotConverged(ValueError):
    """An eigensolver did not reach its tolerance."""


def lowest_states(dynamics: AbstractWave, count: int = 1, t: float = 0.0, exchange: int = 0, tolerance: float = 1e-9) -> States:
    """The `count` lowest eigenstates of H(t), without absorption, outside of `jit`.

    `exchange` 1 or -1 keeps to wavefunctions of one-dimensional particles that are symmetric or antisymmetric. `tolerance` is
    that of the search for |H psi - E psi|. Raises `NotConverged`, and `ValueError` for arguments that cannot be.
    """
    grid, number = dynamics.grid, dynamics.number
    shape = grid.points * number
    size = int(np.prod(shape))
    require_exchange(exchange, number, grid.dimension)
    numbers("count", count, kind="integer", shape=(), least=1, most=count_of_states(grid, number, exchange))
    numbers("t", t, shape=())
    numbers("tolerance", tolerance, shape=(), above=0.0)
    apply = jax.jit(jax.vmap(lambda psi: dynamics.apply(jnp.asarray(t), psi), in_axes=-1, out_axes=-1))
    project = _projector(number, exchange)
    unit = 1 / np.sqrt(float(grid.volume) ** number)
    if size <= DENSE_UP_TO and not exchange:
        matrix = np.asarray(apply(jnp.eye(size, dtype=complex).reshape(*shape, size))).reshape(size, size)
        energies, vectors = linalg.eigh(matrix, subset_by_index=(0, count - 1))
    else:
        energies, vectors = _iterated(dynamics, apply, project, shape, count, tolerance)
    waves = jnp.asarray(vectors.T.reshape(count, *shape) * unit, jnp.result_type(1j))
    return States(jnp.asarray(energies), waves)


def count_of_states(grid: Grid, number: int, exchange: int) -> int:
    """How many states the particles have on the grid, with their statistics."""
    side = grid.size + number - 1 if exchange > 0 else grid.size
    return math.comb(side, number) if exchange else grid.size**number


def _iterated(dynamics, apply, project, shape, count, tolerance):
    size, kinetic = int(np.prod(shape)), np.asarray(summed(dynamics.kinetic_energies, dynamics.number))
    block = count + 2  # guards: the last states of a block converge slowest

    def as_waves(x):
        return x.reshape(*shape, -1)

    def hamiltonian(x):
        return np.asarray(apply(jnp.asarray(as_waves(x)))).reshape(size, -1)

    axes = tuple(range(len(shape)))
    lift = kinetic + 0.02 * np.ptp(np.asarray(dynamics.potential(jnp.asarray(0.0)))) + 1e-3 * kinetic.max()

    def precondition(x):
        waves = np.fft.ifftn(np.fft.fftn(as_waves(x), axes=axes) / lift[..., None], axes=axes)
        return project(waves).reshape(size, -1)

    rng = np.random.default_rng(0)
    start = precondition(rng.normal(size=(size, block)) + 0j)
    kind = {"shape": (size, size), "dtype": complex}
    operators = [LinearOperator(matvec=f, matmat=f, **kind) for f in (hamiltonian, precondition)]  # pyright: ignore[reportCallIssue]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its residuals are judged below
        energies, vectors = lobpcg(operators[0], start, M=operators[1], largest=False, tol=tolerance, maxiter=600)
    order = np.argsort(energies)[:count]
    energies, vectors = energies[order], vectors[:, order]
    worst = np.linalg.norm(hamiltonian(vectors) - vectors * energies, axis=0).max()
    if not worst < 1e3 * tolerance * max(1.0, np.abs(energies).max()):
        raise NotConverged(f"lowest states: residual {worst:.1e} after 600 iterations; use fewer states or a coarser grid")
    return energies, vectors


def _projector(number: int, exchange: int) -> Callable[[np.ndarray], np.ndarray]:
    """Onto symmetric or antisymmetric waves with a trailing axis of vectors."""
    if not exchange:
        return lambda x: x
    permutations = list(itertools.permutations(range(number)))

    def sign(p):
        return np.linalg.det(np.eye(number)[list(p)]) if exchange < 0 else 1.0

    return lambda x: np.mean([sign(p) * np.transpose(x, (*p, number)) for p in permutations], axis=0)


def relaxed(dynamics: Schrodinger, psi: Wave, dt: float, steps: int, t: float = 0.0) -> Wave:
    """`psi` after `steps` of imaginary time, normalised: Strang's splitting of exp(-H dt / hbar).

    Warns where what comes out is far from an eigenstate: its energy is spread by more than 3 % of its kinetic energy. Raises
    `ValueError` for a step that is not positive, or no steps.
    """
    numbers("psi", psi, kind="complex", shape=dynamics.grid.points * dynamics.number)
    numbers("dt", dt, shape=(), above=0.0)
    numbers("steps", steps, kind="integer", shape=(), least=1)
    model = dynamics.model
    kinetic = jnp.exp(-dt / model.hbar * summed(model.kinetic_energies, model.number))
    half = jnp.exp(-0.5 * dt / model.hbar * dynamics.potential(jnp.asarray(t)))
    cell = model.grid.volume**model.number

    def step(_, psi):
        psi = half * jnp.fft.ifftn(kinetic * jnp.fft.fftn(half * psi))
        return psi / jnp.sqrt(jnp.sum(jnp.abs(psi) ** 2) * cell)

    psi = jax.lax.fori_loop(0, steps, step, psi)
    if known(psi):
        _tell_unless_still(dynamics, psi, t)
    return psi


def _tell_unless_still(dynamics: Schrodinger, psi: Wave, t: float) -> None:
    grid, number = dynamics.grid, dynamics.number
    mean = lambda changed: float(observables.mean(grid, number, psi, changed))  # noqa: E731
    changed = dynamics.apply(jnp.asarray(t), psi)
    energy, kinetic = mean(changed), mean(dynamics.free(psi))
    spread = float(observables.norm(grid, number, changed - energy * psi)) ** 0.5
    # In an empty box the kinetic energy vanishes; there, what counts is that of the longest wave.
    slowest = np.sort(np.asarray(dynamics.kinetic_energies), axis=None)[:2].max()
    if spread > 0.03 * max(kinetic, slowest):
        text = f"relaxed: the energy {energy:.4g} is spread by {spread:.2g}, so that this is not yet the ground state"
        warnings.warn(f"{text}; take more steps, or a shorter one", stacklevel=3)
