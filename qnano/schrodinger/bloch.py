"""Bloch-resolved splitting: kinetic energy and lattice together as one exact flow, everything slow in the kick.

On a ring of n cells with q points each, H0 = p^2/2m + V(x) is n blocks of size q, one for each crystal momentum, of which a
transform over cells finds the place. Steps are then limited by the slow potential alone, not by the depth of the lattice.

Such a splitting resonates where a step turns the phase between two bands by 2 pi: what the kick couples then adds up from step to
step, if it has structure on the scale of a cell. So energies above the `bands` lowest are set to the top of those, which
bounds the phase, and the default step keeps it below pi for all particles together. What is propagated is then the
Hamiltonian with these flattened bands, whose effect is of the order of their (virtual) population.

Reference: Huang, Jin, Markowich and Sparber, SIAM J. Sci. Comput. 29, 515 (2007).
"""

from collections.abc import Callable, Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Complex, Float, Shaped

from qnano.border import numbers
from qnano.dynamics import AbstractSolver
from qnano.schrodinger.grid import resampled
from qnano.schrodinger.model import Particles
from qnano.schrodinger.wave import AbstractParticleWave, AbstractWave, Wave
from qnano.solvers.splitting import blanes_moan
from qnano.solvers.stepping import fixed
from qnano.spectral import eigh

Blocks = Complex[Array, "k q q"]


class Crystal(eqx.Module):
    """p^2/2m + V on a ring of `cells`, as blocks by crystal momentum k = 2 pi kappa / (n a), kappa in the order of the FFT.

    Energies above the `bands` lowest are those bands' highest. `lattice` is V at the points of one cell of length `period`.
    Raises `ValueError` for numbers that cannot be.
    """

    blocks: Blocks
    energies: Float[Array, "k q"]
    modes: Blocks

    def __init__(
        self,
        lattice: Shaped[ArrayLike, " q"],
        cells: int,
        bands: int,
        period: Shaped[ArrayLike, ""],
        mass: Shaped[ArrayLike, ""] = 1.0,
        hbar: Shaped[ArrayLike, ""] = 1.0,
    ):
        numbers("lattice", lattice, shape=(None,))
        lattice = jnp.asarray(lattice, jnp.result_type(float))
        q = lattice.size
        numbers("cells", cells, kind="integer", shape=(), least=1)
        numbers("bands", bands, kind="integer", shape=(), least=1, most=q)
        for name, value in (("period", period), ("mass", mass), ("hbar", hbar)):
            numbers(name, value, shape=(), above=0.0)
        # All wavenumbers of the ring in units of 2 pi / (n a), one row for each kappa; the FFT's, so that both splittings agree.
        m = np.fft.fftfreq(cells * q, 1 / (cells * q)).reshape(q, cells).T
        waves = np.exp(2j * np.pi / (cells * q) * m[:, None, :] * np.arange(q)[:, None]) / np.sqrt(q)
        kinetic = (hbar * 2 * jnp.pi * m / (cells * period)) ** 2 / (2 * mass)
        blocks = jnp.einsum("ksm,km,ktm->kst", waves, kinetic, waves.conj()) + jnp.diag(lattice)
        energies, self.modes = jax.vmap(eigh)(jax.lax.stop_gradient(blocks))
        highest = jnp.argmax(energies[:, bands - 1])
        state = self.modes[highest, :, bands - 1]
        top = jnp.vdot(state, blocks[highest] @ state).real  # so that derivatives move it along
        self.blocks = blocks if bands == q else _flattened(blocks, top, energies, self.modes)
        self.energies = jax.lax.stop_gradient(jnp.minimum(energies, top))

    @property
    def width(self) -> Float[Array, ""]:
        """From the lowest energy to the highest."""
        return jnp.max(self.energies) - jnp.min(self.energies)

    def flow(self, h: Float[Array, ""]) -> Blocks:
        """exp(-i h H0)."""
        return unitary(h, self.blocks, self.energies, self.modes)

    def along(self, axis: int, matrices: Blocks, psi: Wave) -> Wave:
        """A matrix for each k applied to one particle's place."""
        cells, q = self.energies.shape
        psi = jnp.moveaxis(psi, axis, 0)
        parts = jnp.fft.fft(psi.reshape(cells, q, -1), axis=0)
        parts = jnp.fft.ifft(matrices @ parts, axis=0)
        return jnp.moveaxis(parts.reshape(psi.shape), 0, axis)


# Functions of the blocks by their known eigenvectors. Derivatives of eigenvectors diverge where levels cross, those of functions
# of a matrix do not (Daleckii and Krein): in the eigenbasis df(A)_bc = dA_bc (f_b - f_c) / (e_b - e_c). Energies and modes are
# no variables of their own.


def _composed(modes: Blocks, inside: Blocks) -> Blocks:
    return jnp.einsum("ksb,kbc,ktc->kst", modes, inside, modes.conj())


@jax.custom_jvp
def unitary(h: Float[Array, ""], block: Blocks, energies: Float[Array, "k q"], modes: Blocks) -> Blocks:
    return jnp.einsum("ksb,kb,ktb->kst", modes, jnp.exp(-1j * h * energies), modes.conj())


@unitary.defjvp
def _unitary_jvp(primals, tangents):
    (h, block, energies, modes), (dh, dblock, *_) = primals, tangents
    step = unitary(h, block, energies, modes)
    mean, apart = (energies[:, :, None] + energies[:, None, :]) / 2, energies[:, :, None] - energies[:, None, :]
    slopes = -1j * h * jnp.exp(-1j * h * mean) * jnp.sinc(h * apart / (2 * jnp.pi))
    inside = jnp.einsum("ksb,kst,ktc->kbc", modes.conj(), dblock, modes)
    return step, _composed(modes, slopes * inside) - 1j * dh * (block @ step)


@jax.custom_jvp
def _flattened(block: Blocks, top: Float[Array, ""], energies: Float[Array, "k q"], modes: Blocks) -> Blocks:
    return jnp.einsum("ksb,kb,ktb->kst", modes, jnp.minimum(energies, top), modes.conj())


@_flattened.defjvp
def _flattened_jvp(primals, tangents):
    (block, top, energies, modes), (dblock, dtop, *_) = primals, tangents
    below = energies <= top
    values = jnp.where(below, energies, top)
    apart, rise = energies[:, :, None] - energies[:, None, :], values[:, :, None] - values[:, None, :]
    equal = apart == 0
    slopes = jnp.where(equal, below[:, :, None], rise / jnp.where(equal, 1.0, apart))
    inside = slopes * jnp.einsum("ksb,kst,ktc->kbc", modes.conj(), dblock, modes)
    inside = inside + dtop * jnp.where(below, 0.0, 1.0)[:, :, None] * jnp.eye(energies.shape[1])
    return _flattened(block, top, energies, modes), _composed(modes, inside)


class BlochSchrodinger(AbstractParticleWave):
    """H0 is the lattice with the kinetic energy; the model's potential is the slow rest. One-dimensional particles.

    `lattice` is V at the points of one cell, `bands` (None: all) how many are resolved. What is measured beside: `other_bands`, the
    mean number of particles outside of `band`, and `coarse_density` on `coarse_points` (one per cell if not given), the density
    without what those cannot carry. Raises `ValueError` for numbers that cannot be, and a grid that is not of whole cells.
    """

    model: Particles
    crystal: Crystal
    bands: int = eqx.field(static=True)
    band: int = eqx.field(static=True)
    coarse_points: int = eqx.field(static=True)
    dt: float | None = eqx.field(static=True)

    def __init__(
        self,
        model: Particles,
        lattice: Shaped[ArrayLike, " q"],
        bands: int | None = None,
        dt: float | None = None,
        band: int = 0,
        coarse_points: int | None = None,
    ):
        numbers("lattice", lattice, shape=(None,))
        lattice = jnp.asarray(lattice, jnp.result_type(float))
        points, q = model.grid.points, lattice.size
        if len(points) != 1 or q == 0 or points[0] % q:
            raise ValueError(f"lattice: got {q} points of a cell for a grid of {points}; must divide a one-dimensional grid")
        cells = points[0] // q
        self.band, self.coarse_points = band, cells if coarse_points is None else coarse_points
        self.model, self.bands, self.dt = model, q if bands is None else bands, dt
        numbers("bands", self.bands, kind="integer", shape=(), least=1, most=q)
        numbers("band", band, kind="integer", shape=(), least=0, most=q - 1)
        numbers("coarse_points", self.coarse_points, kind="integer", shape=(), least=1)
        if dt is not None:
            numbers("dt", dt, shape=(), above=0.0)
        self.crystal = Crystal(lattice, cells, self.bands, model.grid.lengths[0] / cells, model.mass, model.hbar)

    @property
    def longest_step(self) -> Float[Array, ""]:
        """Below which no two states of the resolved bands turn by pi against each other in one step."""
        return jnp.pi * self.hbar / (self.number * self.crystal.width)

    @property
    def default_solver(self) -> AbstractSolver:
        if self.dt is None:
            raise ValueError("dt: got None; give a step below longest_step, or a solver")
        return fixed(blanes_moan(4), self.dt)

    def drift(self, h: Float[Array, ""], state: Wave) -> Wave:
        steps = self.crystal.flow(h / self.hbar)
        for axis in range(self.number):
            state = self.crystal.along(axis, steps, state)
        return state

    def free(self, psi: Wave) -> Wave:
        parts = [self.crystal.along(axis, self.crystal.blocks, psi) for axis in range(self.number)]
        return sum(parts[1:], parts[0])

    def observe(self, t: Float[Array, ""], state: Wave) -> Mapping[str, Callable[[], Array]]:
        measured = AbstractWave.observe(self, t, state)
        return {
            **measured,
            "coarse_density": lambda: resampled(measured["particle_density"](), (self.coarse_points,)).real,
            "other_bands": lambda: self._outside(state),
        }

    def _outside(self, state: Wave) -> Float[Array, ""]:
        cells, q = self.crystal.energies.shape
        found = jnp.zeros(())
        for axis in range(self.number):
            parts = jnp.fft.fft(jnp.moveaxis(state, axis, 0).reshape(cells, q, -1), axis=0)
            inside = jnp.einsum("ks,ksr->kr", self.crystal.modes[:, :, self.band].conj(), parts)
            found = found + 1 - jnp.sum(jnp.abs(inside) ** 2) / jnp.sum(jnp.abs(parts) ** 2)
        return found
