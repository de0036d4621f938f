"""Local energy and power of particles on grids (`qnano.energetics.grid`) as measurements of their dynamics.

The potential U is the system's, the force F is the drive: symmetrised ordering, internal partition, densities integrate to totals.
`balance_residual` is d eps/dt along the equation of motion minus what the balance says; it vanishes as far as the grid resolves it.
"""

from collections.abc import Callable
from functools import cache

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from qnano.energetics.grid import Balance, Space, System, energy_balance, energy_density, particle_current
from qnano.propagation import Accumulated
from qnano.schrodinger.model import Particles

Wave = Complex[Array, "*configuration"]


def space_of(model: Particles) -> Space:
    """The grid of one particle as the balances see it."""
    grid = model.grid
    waves = tuple(2 * jnp.pi * n / length * jnp.fft.fftfreq(n) for n, length in zip(grid.points, grid.lengths, strict=True))
    return Space(waves, grid.volume, model.mass, model.hbar, number=model.number)


def system_of(model: Particles, t: Float[Array, ""]) -> System:
    """U, v = -F.x and w at one time, with their rates."""

    def energies(t):
        drive = model.one_body(t) - model.potential(t)
        return model.potential(t), drive, None if model.interaction is None else model.interaction(t)

    (potential, drive, interaction), rates = jax.jvp(energies, (t,), (jnp.ones_like(t),))
    steady = model.interaction is None or model.interaction.is_constant
    return System(potential, drive, interaction, rates[0], rates[1], 0.0 if steady else rates[2])


def energetic_observables(
    model: Particles, t: Float[Array, ""], state: Wave, motion: Callable[[Float[Array, ""], Wave], Wave]
) -> dict[str, Callable[[], Array]]:
    """Energy, flux, power and source densities, their residual, and the integrals from which every region's budget follows."""
    t, space = jnp.asarray(t, state.real.dtype), space_of(model)

    @cache
    def balance() -> Balance:
        return energy_balance(space, system_of(model, t), state)

    def energy(t: Float[Array, ""], state: Wave) -> Float[Array, "*x"]:
        return energy_density(space, system_of(model, t), state)

    def residual() -> Float[Array, "*x"]:
        rate = jax.jvp(energy, (t, state), (jnp.ones_like(t), motion(t, state)))[1]
        flux, power, source = balance()
        return rate - power - source + space.divergence(flux)

    outflow = lambda: space.divergence(balance().flux)  # noqa: E731
    return {
        "energy_density": lambda: energy(t, state),
        "particle_current": lambda: particle_current(space, state),
        "energy_flux": lambda: balance().flux,
        "power_density": lambda: balance().power,
        "source_density": lambda: balance().source,
        "balance_residual": residual,
        "work_density": Accumulated(lambda: balance().power),
        "outflow_density": Accumulated(outflow),
        "transfer_density": Accumulated(lambda: balance().source),
    }
