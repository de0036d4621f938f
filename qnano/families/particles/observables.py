"""What can be measured of particles on a grid, with dimensions and units."""

from qnano.families.base import Observable

AUDIT = "balance_residual"
DENSITIES = ("energy_density", "energy_flux", "power_density", "source_density", "loss_density", "balance_residual")
REGIONAL = ("region_energy", "region_power", "region_outflow", "region_source", "region_loss")
REGION_BUDGET = ("region_work", "region_transport", "region_transfer", "region_absorbed")
AUDITS: dict[str, str] = dict.fromkeys(DENSITIES + REGIONAL + REGION_BUDGET, AUDIT)
HYDRODYNAMIC = ("convective_density", "quantum_density", "region_convective", "region_quantum")
# What is computed from the first of particles that are all alike.
SHARED_OUT = (*AUDITS, *HYDRODYNAMIC, "particle_current", "internal_energy", "power", "work", "bias_current")

OBSERVABLES = (
    Observable("energy", ("time",), "J", "total energy"),
    Observable("kinetic_energy", ("time",), "J", "kinetic energy"),
    Observable("potential_energy", ("time",), "J", "potential energy"),
    Observable("position", ("time", "axis"), "length", "mean place"),
    Observable("spread", ("time", "axis"), "length", "standard deviation of the place"),
    Observable("seam_share", ("time",), "1", "probability at the seam of the periodic box"),
    Observable("edge_share", ("time",), "1", "probability near the grid's largest wavenumber"),
    Observable("particle_density", ("time", "place"), "1/volume", "density of particles"),
    Observable("particle_current", ("time", "axis", "place"), "length/volume/time", "current of particles"),
    Observable("norm", ("time",), "1", "norm of the wave"),
    Observable("wave_momentum", ("time", "axis"), "momentum", "mean momentum of a particle"),
    Observable("energy_density", ("time", "place"), "J/volume", "density of energy"),
    Observable("energy_flux", ("time", "axis", "place"), "J*length/volume/time", "energy current"),
    Observable("power_density", ("time", "place"), "J/volume/time", "density of the drive's power"),
    Observable("source_density", ("time", "place"), "J/volume/time", "density of the interaction's power"),
    Observable("loss_density", ("time", "place"), "J/volume/time", "rate of the energy's density by the absorber"),
    Observable("balance_residual", ("time", "place"), "J/volume/time", "rate that the balance does not explain"),
    Observable("convective_density", ("time", "place"), "J/volume", "density of m v^2 / 2"),
    Observable("quantum_density", ("time", "place"), "J/volume", "density of the quantum potential"),
    Observable("internal_energy", ("time",), "J", "energy without the drive, all space"),
    Observable("power", ("time",), "J^2/hbar", "power of the drive, all space"),
    Observable("work", ("time",), "J", "work of the drive, all space", accumulated=True),
    Observable("bias_current", ("time",), "current", "current through the electrodes, displacement included"),
    Observable("region_probability", ("time", "region"), "1", "mean number of particles in a region"),
    Observable("region_energy", ("time", "region"), "J", "energy of a region"),
    Observable("region_power", ("time", "region"), "J^2/hbar", "power of the drive in a region"),
    Observable("region_outflow", ("time", "region"), "J^2/hbar", "energy current out of a region"),
    Observable("region_source", ("time", "region"), "J^2/hbar", "power of the interaction in a region"),
    Observable("region_loss", ("time", "region"), "J^2/hbar", "rate of a region's energy by the absorber"),
    Observable("region_convective", ("time", "region"), "J", "m v^2 / 2 of a region"),
    Observable("region_quantum", ("time", "region"), "J", "quantum potential of a region"),
    Observable("region_work", ("time", "region"), "J", "work of the drive in a region", accumulated=True),
    Observable("region_transport", ("time", "region"), "J", "energy that came into a region", accumulated=True),
    Observable("region_transfer", ("time", "region"), "J", "energy that a region has by the interaction", accumulated=True),
    Observable("region_absorbed", ("time", "region"), "J", "energy that a region has by the absorber", accumulated=True),
)
