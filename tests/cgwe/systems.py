"""The crystal of the reference numbers: V = 10 cos 2 pi x, a slow cosine over 16/eps cells, a packet beside its minimum."""

from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from qnano.cgwe.bloch import PlaneWaves
from qnano.cgwe.cell import cell_problem
from qnano.cgwe.reconstruction import fine_wave
from qnano.cgwe.wave import CoarseWave, Kinetics, metric_energy
from qnano.schrodinger.bloch import BlochSchrodinger
from qnano.schrodinger.grid import Grid
from qnano.schrodinger.model import Particles, normalised

DEPTH = 10.0
LATTICE = PlaneWaves([(1,)], [DEPTH])


@cache
def solved():
    return jax.jit(cell_problem)(LATTICE)


def slow(eps, depth=16.0, length=16.0):
    """U as a function of one point of the fine problem."""
    return lambda x: eps**2 * depth * (1 - jnp.cos(2 * jnp.pi * eps * x[0] / length))


def ring(eps, points, length=16.0):
    return Grid((points,), [length / eps])


def envelope(grid, eps, centre=-2.0, width=1.0, momentum=1.0):
    scaled = eps * np.asarray(grid.coordinates[0])
    return jax.jit(normalised)(jnp.asarray(np.exp(-((scaled - centre) ** 2) / (2 * width**2) + 1j * momentum * scaled)), grid)


def coarse(eps, points, second, particles=1, interaction=None, cross=None, potential=slow, dt=1.0, **of_potential):
    grid = ring(eps, points, of_potential.get("length", 16.0))
    u = potential(eps, **of_potential)
    kinetics = jax.jit(Kinetics)(LATTICE, solved(), grid)
    values, bent = jax.jit(lambda x: (jax.vmap(u)(x.T), metric_energy(u, solved().metric, x)))(grid.coordinates)
    return CoarseWave(grid, kinetics, values, bent, particles, interaction, cross, second, dt)


def fine(eps, q, particles=1, kernel=None, coarse_points=None, potential=slow, **of_potential):
    length = of_potential.get("length", 16.0)
    grid = ring(eps, q * round(length / eps), length)
    u = potential(eps, **of_potential)
    pair = None if kernel is None else grid.pairs(kernel)
    model = Particles(grid, jax.jit(jax.vmap(u))(grid.coordinates.T), particles, pair)
    cell = LATTICE.potential(jnp.arange(q)[None] / q + grid.origin[0])
    return eqx.filter_jit(BlochSchrodinger)(model, cell, coarse_points=coarse_points)


def prepared(fine_grid, coarse_grid, psi, corrected=True):
    """The fine wave of an envelope."""
    found = jax.jit(fine_wave, static_argnames="corrected")(LATTICE, solved(), coarse_grid, psi, fine_grid.coordinates, corrected)
    return normalised(found, fine_grid, psi.ndim)


def distance(a, b, grid, number=1):
    """The L2 distance of two waves, the global phase as it is."""
    return float(jnp.sqrt(jnp.sum(jnp.abs(a - b) ** 2) * grid.volume**number))
