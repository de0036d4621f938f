"""The masses of a small assembly of particles: its ground state's answer to a twist of each of them.

    (1/M)_ij = delta_ij / m + (2/m^2) Re sum_n <0|p_i|n><n|p_j|0> / (E_0 - E_n)

is the cell problem of the N-particle Hamiltonian, with one Bloch wavenumber for each particle; here for two of them on a ring.
Without a lattice sum_j (1/M)_ij = 1/m (total momentum). Where the state is localised 1/M vanishes (Thomas, Reiche and Kuhn), so
that there is no coarse motion: the short-scale state has to extend over the assembly. Of a state with nodes (fermions) 1/M can be
indefinite; then the coarse kinetic energy is not bounded from below, and its eigenvalues have to be looked at.
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Complex, Float, Shaped

from qnano.border import complaint, numbers
from qnano.cgwe.bloch import AbstractBloch, Matrix


class Pair(AbstractBloch):
    """Two particles on a ring of `cells` of period 1, in V = depth cos 2 pi x, with an interaction w; m = hbar = 1.

    `kernel` is w at evenly spaced displacements around the ring; the basis has plane waves |m| <= `cutoff` for each particle.
    Raises `ValueError` for numbers that cannot be, and a kernel that is too coarse for the basis.
    """

    cells: int = eqx.field(static=True)
    cutoff: int = eqx.field(static=True)
    depth: Float[Array, ""]
    kernel: Float[Array, " x"]
    hbar: Float[Array, ""]

    def __init__(self, cells: int, depth: Shaped[ArrayLike, ""], kernel: Shaped[ArrayLike, " x"], cutoff: int):
        real = jnp.result_type(float)
        numbers("cells", cells, kind="integer", shape=(), least=1)
        numbers("cutoff", cutoff, kind="integer", shape=(), least=1)
        numbers("depth", depth, shape=())
        numbers("kernel", kernel, shape=(None,))
        if (given := len(jnp.asarray(kernel))) < 4 * cutoff:
            raise ValueError(complaint("kernel", given, f"must be at {4 * cutoff} displacements at least (four times the cutoff)"))
        self.cells, self.cutoff, self.kernel = cells, cutoff, jnp.asarray(kernel, real)
        self.depth, self.hbar = jnp.asarray(depth, real), jnp.ones((), real)

    @property
    def dimension(self) -> int:
        return 2

    @property
    def period(self) -> Float[Array, ""]:
        return jnp.ones(())

    def hamiltonian(self, k: Float[Array, " axis"]) -> Matrix:
        m = np.arange(-self.cutoff, self.cutoff + 1)
        one, unit = np.eye(len(m)), 2 * np.pi / self.cells
        hop = (np.abs(m[:, None] - m) == self.cells).astype(float)
        bodies = [jnp.diag(self.hbar**2 * (unit * m + q) ** 2 / 2) + self.depth / 2 * hop for q in k]
        waves = jnp.fft.fft(self.kernel).real / len(self.kernel)
        first, second = m[:, None, None, None] - m[:, None], m[:, None, None] - m  # what each gains, (m1, m2, m1', m2')
        pair = jnp.where(first == -second, waves[first % len(self.kernel)], 0.0)
        total = jnp.kron(bodies[0], one) + jnp.kron(one, bodies[1]) + pair.reshape(len(m) ** 2, len(m) ** 2)
        return total.astype(jnp.result_type(1j))

    def exchange(self, state: Complex[Array, " basis"]) -> Float[Array, ""]:
        """The expectation value of the exchange of the two particles: 1 or -1 where neither is twisted against the other."""
        side = 2 * self.cutoff + 1
        return jnp.vdot(state, state.reshape(side, side).T.ravel()).real
