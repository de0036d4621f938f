"""The energy of a wavefunction in the hydrodynamic picture: what has a classical counterpart and what has none.

With Psi = R exp(i S / hbar), rho = R^2, v = J / rho and Q_k = -(hbar^2/2m) lap_k R / R (Madelung; Bohm), of the first particle

    t_s = rho (m v^2/2 + Q),       t_g = rho m v^2/2 + (hbar^2/8m) |grad rho|^2 / rho

    d(rho m v^2/2)/dt + div(...) = J.(all forces) - J.grad Q             `quantum_power`: a force without counterpart
    d(rho Q)/dt + div(rho Q v)   = rho DQ/Dt                             `nonlocal_source`

and integrated over all space, summed over particles, both quantum terms cancel: energy conservation knows nothing of them. For one
particle rho dQ/dt = -div J_Q, J_Q = (hbar^2/4m) rho grad(d ln rho/dt). Only products with rho are formed, rho grad Q = div P being
the divergence of the quantum stress P = -(hbar^2/4m) rho grad grad ln rho; where rho is below `FLOOR` of its largest value,
quotients are 0. Near nodes they need a finer grid than the balances of `qnano.energetics.grid`. All raise `ValueError` for a
wavefunction or a field that does not fit the grid.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from qnano.border import numbers
from qnano.energetics.grid import Field, Space, Vector, Wave, currents, kinetic_density, particle_current, particle_density

FLOOR = 1e-16


class Split(NamedTuple):
    """Energy densities: convective rho m v^2/2, quantum rho Q, osmotic (hbar^2/8m) |grad rho|^2 / rho; summed over particles."""

    convective: Field
    quantum: Field
    osmotic: Field


class DensityMatrixSplit(NamedTuple):
    """What remains of t_g where only D1 is known: m j^2/2n, (hbar^2/8m) |grad n|^2/n, and the dispersion, never negative."""

    convective: Field
    weizsaecker: Field
    dispersion: Field


def hydrodynamic_split(space: Space, psi: Wave) -> Split:
    """The kinetic energy in its parts; convective + quantum = t_s, convective + osmotic = t_g."""
    space.require_wave(psi)
    rho = jnp.abs(psi) ** 2
    convective = 0.5 * space.mass * sum(_over(c**2, rho) for c in currents(space, psi))
    slopes = [2 * (psi.conj() * slope).real for slope in space.covariant(psi, 0)]
    osmotic = space.hbar**2 / (8 * space.mass) * sum(_over(slope**2, rho) for slope in slopes)
    quantum = (psi.conj() * space.kinetic(psi)).real - convective
    return Split(*map(space.marginal, (convective, quantum, osmotic)))


def quantum_power(space: Space, psi: Wave) -> Field:
    """-J.grad Q, the quantum potentials of all particles together; summed over particles."""
    space.require_wave(psi)
    rho = jnp.abs(psi) ** 2
    axes = range(psi.ndim)
    slopes = [2 * (psi.conj() * _slope(space, psi, axis)).real for axis in axes]
    total = jnp.zeros_like(rho)
    for a, current in enumerate(currents(space, psi)):
        stress = [_over(slopes[b] * slopes[a], rho) - space.gradient(slopes[a], b) for b in axes]
        force = space.hbar**2 / (4 * space.mass) * sum(space.gradient(stress[b], b) for b in axes)
        total = total - _over(current * force, rho)
    return space.marginal(total)


def nonlocal_source(space: Space, psi: Wave, motion: Callable[[Wave], Wave]) -> Field:
    """rho DQ/Dt, from d psi/dt = motion(psi); summed over particles."""
    space.require_wave(psi)

    def quantum(psi):
        return hydrodynamic_split(space, psi).quantum

    rate = jax.jvp(quantum, (psi,), (motion(psi),))[1]
    rho = jnp.abs(psi) ** 2
    first = currents(space, psi)
    convective = 0.5 * space.mass * sum(_over(c**2, rho) for c in first)
    potential = (psi.conj() * space.kinetic(psi)).real - convective
    carried = jnp.stack([space.marginal(_over(potential * c, rho)) for c in first])
    return rate + space.divergence(carried)


def quantum_flux(space: Space, psi: Wave) -> Vector:
    """J_Q of one particle: the energy current that no particle carries. Raises `ValueError` for more."""
    if space.number > 1:
        raise ValueError(f"number: got {space.number} particles; the flux of one alone is local")
    density = jnp.abs(psi) ** 2
    rate = -space.divergence(particle_current(space, psi))
    slopes = [space.gradient(density, a) for a in range(space.axes)]
    flux = [space.gradient(rate, a) - _over(rate * slope, density) for a, slope in enumerate(slopes)]
    return space.hbar**2 / (4 * space.mass) * jnp.stack(flux)


def density_matrix_split(space: Space, psi: Wave) -> DensityMatrixSplit:
    """t_g in parts that need no more than the one-particle density matrix."""
    density, current = particle_density(space, psi), particle_current(space, psi)
    return split_kinetic_density(space, density, current, kinetic_density(space, psi, 0.0))


def split_kinetic_density(space: Space, density: Field, current: Vector, kinetic: Field) -> DensityMatrixSplit:
    """The same from n, j and t_g, however they were found."""
    space.require_field("density", density)
    space.require_field("kinetic", kinetic)
    numbers("current", current, shape=(space.axes, *space.points))
    convective = 0.5 * space.mass * sum(_over(current[a] ** 2, density) for a in range(space.axes))
    slopes = [space.gradient(density, a) for a in range(space.axes)]
    weizsaecker = space.hbar**2 / (8 * space.mass) * sum(_over(slope**2, density) for slope in slopes)
    return DensityMatrixSplit(convective, weizsaecker, kinetic - convective - weizsaecker)


def _slope(space: Space, psi: Wave, axis: int) -> Wave:
    return space.covariant(psi, axis // space.axes)[axis % space.axes]


def _over(numerator: Float[Array, "*any"], density: Float[Array, "*any"]) -> Float[Array, "*any"]:
    there = density > FLOOR * jnp.max(density)
    return jnp.where(there, numerator / jnp.where(there, density, 1.0), 0.0)
