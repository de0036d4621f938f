"""Coefficients of density and potential around every point of a grid, by FFT, and around atoms by way of a grid.

    c_qlm(x) = int chi_qlm(y) V(x + y) dy,      c^(k) = B_qlm(k) i^l n^(k),      V = v * n

at once for all x: one transform for each species, one back for each channel. Three densities n are made so:

    on a grid       n is given at the points of a periodic grid in one to three dimensions
    atoms           their B-splines on a mesh, and c is read off by the same splines: O(N log N) at fixed density
                    (Essmann et al., J. Chem. Phys. 103, 8577 (1995), for energies)
    on a lattice    sites instead of space: chi and v are sampled at the displacements between sites, sums replace integrals
"""

from itertools import product
from math import prod

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from qnano.border import numbers
from qnano.descriptors.atoms import Atoms
from qnano.descriptors.features import Coefficients, KernelBank
from qnano.descriptors.harmonics import degrees, solid_harmonics
from qnano.descriptors.radial import AbstractRadial


def on_grid(bank: KernelBank, density: Float[Array, "*grid"], cell: Float[Array, "d d"]) -> Float[Array, "n lm *grid"]:
    """Coefficients around every point of a periodic grid; the density is per volume, the cell's rows are its vectors.

    O(M log M) in the number of points. Raises `ValueError` where grid and cell have different dimensions.
    """
    shape = density.shape
    if cell.shape != (len(shape), len(shape)):
        raise ValueError(f"cell: got shape {cell.shape}; a density with {len(shape)} axes needs ({len(shape)}, {len(shape)})")
    return _back(_filter(bank, cell, shape) * jnp.fft.rfftn(density), shape)


def by_mesh(bank: KernelBank, atoms: Atoms, shape: tuple[int, int, int], order: int = 6) -> Coefficients:
    """Coefficients around every atom, by splines of an even order on a mesh of `shape` points along the cell's vectors.

    Spacings of half the smearing make five digits with order 6. Raises `ValueError` for a mesh that is smaller than a spline.
    """
    numbers("shape", shape, kind="integer", shape=(3,), least=1)
    numbers("order", order, kind="integer", shape=())
    if order % 2 or order < 2 or min(shape) < order:
        raise ValueError(f"order: got {order} on a mesh of {shape}; must be even, at least 2 and at most the shortest side")
    points = jnp.asarray(shape)
    u = atoms.positions @ atoms.dual.T * points
    first = jnp.floor(jax.lax.stop_gradient(u))
    weights = splines(u - first, order)
    steps = jnp.arange(order) - order // 2 + 1
    places = (first.astype(jnp.int32)[:, :, None] + steps) % points[:, None]
    flat = (places[:, 0, :, None, None] * shape[1] + places[:, 1, None, :, None]) * shape[2] + places[:, 2, None, None, :]
    spread = weights[:, 0, :, None, None] * weights[:, 1, None, :, None] * weights[:, 2, None, None, :]
    flat, spread = flat.reshape(len(u), -1), spread.reshape(len(u), -1)
    mesh = jnp.zeros((atoms.kinds, prod(shape)), u.dtype)
    there = atoms.species < atoms.kinds
    kind = jnp.where(there, atoms.species, 0)
    mesh = mesh.at[kind[:, None], flat].add(jnp.where(there[:, None], spread, 0.0)).reshape(atoms.kinds, *shape)
    damped = [_spline_transform(side, order) for side in shape]
    damped[2] = damped[2][: shape[2] // 2 + 1]
    smooth = (damped[0][:, None, None] * damped[1][:, None] * damped[2]) ** 2
    bank_table = _filter(bank, atoms.cell, shape) / smooth * (prod(shape) / atoms.volume)

    def around(spectrum: Complex[Array, "k1 k2 k3"]) -> Float[Array, "n lm atom"]:
        return jnp.sum(_back(bank_table * spectrum, shape).reshape(*bank_table.shape[:2], -1)[..., flat] * spread, axis=-1)

    return jnp.moveaxis(jax.lax.map(around, jnp.fft.rfftn(mesh, axes=(1, 2, 3))), -1, 0)


def on_lattice(
    radial: AbstractRadial, angular: int, interaction: Float[Array, "*site"], density: Float[Array, "..."]
) -> Float[Array, "n lm *site"]:
    """Coefficients of V_x = sum_y v(x - y) n_y around every site of a periodic chain, rectangle or box.

    `interaction` is v at the displacement that the index counts, periodically; with v = 1 at zero and 0 elsewhere V is the density.
    Raises `ValueError` for shapes that differ.
    """
    if interaction.shape != density.shape:
        raise ValueError(f"interaction: got shape {interaction.shape}; must be that of the density, {density.shape}")
    shape = density.shape
    spectrum = jnp.conj(jnp.fft.rfftn(_sampled(radial, angular, shape), axes=_last(shape)))
    return _back(spectrum * jnp.fft.rfftn(interaction) * jnp.fft.rfftn(density), shape)


def inverse_power(shape: tuple[int, ...], exponent: float, onsite: float = 0.0) -> Float[np.ndarray, "*site"]:
    """v = 1/r^p between the sites of a periodic lattice at their shortest distance, and `onsite` at zero."""
    numbers("exponent", exponent, shape=())
    numbers("onsite", onsite, shape=())
    r = _distances(shape)
    return np.where(r > 0, np.maximum(r, 1.0) ** -exponent, onsite)


def soft_coulomb(shape: tuple[int, ...], softening: float = 1.0) -> Float[np.ndarray, "*site"]:
    """v = 1/sqrt(r^2 + a^2) between the sites of a periodic lattice at their shortest distance."""
    numbers("softening", softening, shape=(), above=0)
    return 1 / np.hypot(_distances(shape), softening)


def splines(fraction: Float[Array, "*point"], order: int) -> Float[Array, "*point order"]:
    """Values of the cardinal B-spline at the `order` mesh points around, from the leftmost on; their sum is 1."""
    values = [jnp.ones_like(fraction)]
    for n in range(2, order + 1):
        # M_n(u) = (u M_(n-1)(u) + (n - u) M_(n-1)(u - 1)) / (n - 1), at u = fraction + n - 1 - j for the j-th point
        padded = [jnp.zeros_like(fraction), *values, jnp.zeros_like(fraction)]
        values = [((fraction + n - 1 - j) * padded[j] + (1 - fraction + j) * padded[j + 1]) / (n - 1) for j in range(n)]
    return jnp.stack(values, axis=-1)


def _spline_transform(side: int, order: int) -> Float[Array, " k"]:
    """The discrete Fourier transform of a spline around a mesh point; real, and without zeros for an even order."""
    values = splines(jnp.zeros(()), order)[:-1]  # at a mesh point the last one vanishes
    place = np.arange(order - 1) - (order // 2 - 1)
    return jnp.asarray(np.cos(2 * np.pi * np.outer(np.arange(side), place) / side)) @ values


def _filter(bank: KernelBank, cell: Float[Array, "d d"], shape: tuple[int, ...]) -> Complex[Array, "n lm *k"]:
    """B_qlm i^l on the waves of a real FFT. Odd l vanish where k and -k are the same wave."""
    axes = [np.fft.fftfreq(side, 1 / side) for side in shape[:-1]] + [np.fft.rfftfreq(shape[-1], 1 / shape[-1])]
    waves = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    k = 2 * jnp.pi * jnp.asarray(waves) @ jnp.linalg.inv(cell).T
    factors = 1j ** degrees(bank.angular, len(shape))
    return bank.table(k) * jnp.asarray(factors).reshape(-1, *(1,) * len(shape))


def _back(spectrum: Complex[Array, "n lm *k"], shape: tuple[int, ...]) -> Float[Array, "n lm *grid"]:
    return jnp.fft.irfftn(spectrum, s=shape, axes=_last(shape))


def _distances(shape: tuple[int, ...]) -> Float[np.ndarray, "*site"]:
    """From site 0, the short way round."""
    numbers("shape", shape, kind="integer", shape=(None,), least=1)
    axes = [np.minimum(np.arange(side), side - np.arange(side)) for side in shape]
    return np.sqrt(np.sum([x**2.0 for x in np.meshgrid(*axes, indexing="ij")], axis=0))


def _last(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(range(-len(shape), 0))


def _sampled(radial: AbstractRadial, angular: int, shape: tuple[int, ...]) -> Float[Array, "n lm *site"]:
    """chi_qlm at the displacements of a periodic lattice, images of less than 3/2 of a side included: as many on either side."""
    parts = []
    for image in product(*((-1, 0, 1) for _ in shape)):
        axes = [np.fft.fftfreq(side, 1 / side) + side * step for side, step in zip(shape, image, strict=True)]
        x = jnp.asarray(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1))
        inside = jnp.all(jnp.abs(x) < 1.5 * np.array(shape), axis=-1)
        r2, harmonics = jnp.sum(x**2, axis=-1), jnp.where(inside[..., None], solid_harmonics(x, angular), 0.0)
        found = [radial.overlap(l, r2, 0.0, len(shape)) for l in range(angular + 1)]
        parts.append(jnp.stack([found[l] * harmonics[..., lm] for lm, l in enumerate(degrees(angular, len(shape)))], axis=1))
    return jnp.sum(jnp.stack(parts), axis=0)
