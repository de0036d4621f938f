"""The interaction that envelopes feel: averaged over the lattice's densities, local fields included.

    W(q) = |f(q)|^2 sum_G |n_G|^2 w(q + G),      n_G = <exp(-iGx) |u|^2>,      |f(q)|^2 = 1 - q g q

for q in the first zone. For w smooth on the scale of a cell only G = 0 counts, and W = w. What w has on that scale gives a
contact interaction by the other G. This is the first order in w; the next is a contact c delta(R), chosen so that the lowest
energy of a pair on a small ring is the same in the fine and the coarse description (`matched_contact`); c depends on the ring.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from qnano import spectral
from qnano.border import complaint, numbers
from qnano.cgwe.wave import CoarseWave
from qnano.schrodinger.grid import resampled


def circulant(kernel: Float[Array, " x"]) -> Float[Array, "x x"]:
    """w(x_i - x_j) on a ring, from w at the displacements x_0, x_1, ... Raises `ValueError` for what is no list of numbers."""
    numbers("kernel", kernel, shape=(None,))
    i = jnp.arange(len(kernel))
    return kernel[(i[:, None] - i) % len(kernel)]


def coarse_kernel(
    kernel: Float[Array, " x"],
    cells: int,
    points: int,
    harmonics: Complex[Array, " harmonic"],
    metric: Float[Array, ""] | float = 0.0,
    period: Float[Array, ""] | float = 1.0,
) -> Float[Array, " coarse"]:
    """W at the displacements of a coarse ring of `points`, from w at those of a fine ring of `cells`.

    `harmonics` n_G for G = -M..M; `metric` g for the form factor |f|^2, 0 for none. Raises `ValueError` for a ring that does not
    consist of whole cells, and numbers that cannot be.
    """
    numbers("kernel", kernel, shape=(None,))
    numbers("cells", cells, kind="integer", shape=(), least=1)
    numbers("points", points, kind="integer", shape=(), least=1)
    numbers("metric", metric, shape=())
    numbers("period", period, shape=(), above=0.0)
    numbers("harmonics", harmonics, kind="complex", shape=(None,))
    if not len(kernel) or len(kernel) % cells:
        raise ValueError(complaint("kernel", len(kernel), f"must be a whole number of displacements for each of {cells} cells"))
    if len(harmonics) % 2 == 0:
        raise ValueError(complaint("harmonics", len(harmonics), "must be an odd number of them, G = -M..M"))
    q = len(kernel) // cells
    waves = jnp.fft.fft(kernel).real.reshape(q, cells)  # row: G in the order of the FFT, column: q in the first zone
    number = jnp.arange(cells * q).reshape(q, cells)
    number = jnp.where(number < (cells * q + 1) // 2, number, number - cells * q)
    first = jnp.where(jnp.arange(cells) < (cells + 1) // 2, jnp.arange(cells), jnp.arange(cells) - cells)
    order = (number - first) // cells
    most = len(harmonics) // 2
    weights = jnp.where(jnp.abs(order) <= most, jnp.abs(harmonics[jnp.clip(order + most, 0, 2 * most)]) ** 2, 0.0)
    form = 1 - metric * (2 * jnp.pi * first / (cells * period)) ** 2
    return resampled(jnp.fft.ifft(form * jnp.sum(weights * waves, axis=0)).real / q, (points,)).real


def naive_kernel(kernel: Float[Array, " x"], cells: int, points: int) -> Float[Array, " coarse"]:
    """w itself as a coarse ring of `points` sees it: G = 0 alone."""
    return coarse_kernel(kernel, cells, points, jnp.ones(1, complex))


def matched_contact(wanted: Float[Array, ""], coarse: CoarseWave, iterations: int = 8) -> Float[Array, ""]:
    """c for which `coarse` plus c delta(x_1 - x_2) has the lowest energy `wanted`, that of two particles in the fine problem.

    For a small ring, since the matrix is dense; energies count from the band's edge. Newton's method, from c = 0, whose last step
    carries the first derivatives of c; outside of `jit`. Raises `ValueError` unless `coarse` is of two particles on a line.
    """
    numbers("wanted", wanted, shape=())
    numbers("iterations", iterations, kind="integer", shape=(), least=1)
    if coarse.number != 2 or coarse.grid.dimension != 1:
        text = f"{coarse.number} particles on {coarse.grid.dimension} axes"
        raise ValueError(f"coarse: got {text}; must be two on one")
    grid = coarse.grid
    contact = (jnp.eye(grid.size) / grid.volume).ravel()
    waves = jnp.eye(grid.size**2, dtype=complex).reshape(-1, grid.size, grid.size)
    plain = jax.vmap(lambda psi: coarse.apply(jnp.zeros(()), psi))(waves).reshape(grid.size**2, -1).T
    still, goal, strength = *jax.lax.stop_gradient((plain, wanted)), jnp.zeros(())
    for _ in range(iterations):
        levels, modes = spectral.eigh(still + strength * jnp.diag(jax.lax.stop_gradient(contact)))
        slope = jnp.sum(jnp.abs(modes[:, 0]) ** 2 * jax.lax.stop_gradient(contact))
        strength = strength + (goal - levels[0]) / slope
    energy = jnp.vdot(modes[:, 0], plain @ modes[:, 0] + strength * contact * modes[:, 0]).real
    return strength + (wanted - energy) / slope
