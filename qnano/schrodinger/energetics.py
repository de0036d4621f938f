"""Local energy and power of particles on grids (`qnano.energetics.grid`) as measurements of their dynamics.

The potential U is the system's, the force F and the bias v are the drive; densities integrate to totals. With an absorber energy is
also lost, at the rate `loss_density`. `balance_residual` is d eps/dt along the equation of motion without absorber minus what the
balance says; it vanishes as far as the grid resolves it. What begins with `region_` is integrated over regions.
"""

from collections.abc import Callable
from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from qnano.border import numbers
from qnano.dynamics import Accumulated
from qnano.energetics.grid import (
    Balance,
    Partition,
    Space,
    System,
    electrode_current,
    energy_balance,
    energy_density,
    particle_current,
    require_choice,
)
from qnano.energetics.hydrodynamics import Split, hydrodynamic_split
from qnano.schrodinger import observables
from qnano.schrodinger.model import Particles

Wave = Complex[Array, "*configuration"]


class Electrodes(eqx.Module):
    """Between which a bias is: the `profile` s of a unit of it, and the `charge` that it acts on.

    Raises `ValueError` for what is no number.
    """

    profile: Float[Array, "*x"]
    charge: Float[Array, ""]

    def __check_init__(self):
        numbers("profile", self.profile)
        numbers("charge", self.charge, shape=())


class Probe(eqx.Module):
    """How local energies are measured.

    `regions` are weights by which sums over the points are integrals over regions (`qnano.energetics.grid.interval`), or None.
    Raises `ValueError` for an ordering or a partition that does not exist, and for regions that are no numbers.
    """

    regions: Float[Array, "region *x"] | None = None
    electrodes: Electrodes | None = None
    ordering: float = eqx.field(static=True, default=1.0)
    partition: Partition = eqx.field(static=True, default="internal")

    def __check_init__(self):
        require_choice(self.ordering, self.partition)
        if self.regions is not None:
            numbers("regions", self.regions)


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
    model: Particles,
    t: Float[Array, ""],
    state: Wave,
    motion: Callable[[Float[Array, ""], Wave], Wave],
    absorption: Float[Array, "*configuration"] | None = None,
    probe: Probe = Probe(),  # noqa: B008
) -> dict[str, Callable[[], Array]]:
    """Energy, flux, power and source densities, their residual, integrals over space, time and regions.

    `motion` is d psi/dt without the absorption eta.
    """
    t, space = jnp.asarray(t, state.real.dtype), space_of(model)

    @cache
    def balance() -> Balance:
        return energy_balance(space, system_of(model, t), state, probe.ordering, probe.partition)

    @cache
    def split() -> Split:
        return hydrodynamic_split(space, state)

    def energy(t: Float[Array, ""], state: Wave) -> Float[Array, "*x"]:
        return energy_density(space, system_of(model, t), state, probe.ordering, probe.partition)

    def residual() -> Float[Array, "*x"]:
        rate = jax.jvp(energy, (t, state), (jnp.ones_like(t), motion(t, state)))[1]
        flux, power, source = balance()
        return rate - power - source + space.divergence(flux)

    def loss() -> Float[Array, "*x"]:
        if absorption is None:
            return jnp.zeros(state.shape[: space.axes])
        return jax.jvp(lambda psi: energy(t, psi), (state,), (-absorption / model.hbar * state,))[1]

    def outflow():
        return space.divergence(balance().flux)

    power, source = lambda: balance().power, lambda: balance().source
    convective, quantum = lambda: split().convective, lambda: split().quantum

    def everywhere(density):
        return lambda: jnp.sum(density()) * space.volume

    measured = {
        "energy_density": lambda: energy(t, state),
        "particle_current": lambda: particle_current(space, state),
        "energy_flux": lambda: balance().flux,
        "power_density": power,
        "source_density": source,
        "loss_density": loss,
        "balance_residual": residual,
        "convective_density": convective,
        "quantum_density": quantum,
        "work_density": Accumulated(power),
        "outflow_density": Accumulated(outflow),
        "transfer_density": Accumulated(source),
        "internal_energy": everywhere(lambda: energy(t, state)),
        "power": everywhere(power),
        "work": Accumulated(everywhere(power)),
    }
    if (electrodes := probe.electrodes) is not None:

        def current():
            return particle_current(space, state)

        measured["bias_current"] = lambda: electrode_current(space, electrodes.charge, current(), electrodes.profile)
    if (regions := probe.regions) is not None:

        def within(density):
            return lambda: jnp.tensordot(regions, density(), space.axes)

        measured |= {
            "region_probability": within(lambda: observables.density(model.grid, model.number, state)),
            "region_energy": within(lambda: energy(t, state)),
            "region_power": within(power),
            "region_outflow": within(outflow),
            "region_source": within(source),
            "region_loss": within(loss),
            "region_convective": within(convective),
            "region_quantum": within(quantum),
            "region_work": Accumulated(within(power)),
            "region_transport": Accumulated(within(lambda: -outflow())),
            "region_transfer": Accumulated(within(source)),
            "region_absorbed": Accumulated(within(loss)),
        }
    return measured
