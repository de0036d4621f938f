"""What can be measured: names, dimensions, units, and which methods have it.

A new observable is one line here and one function in the physics.
"""

from dataclasses import dataclass

RDM3 = ("i1", "i2", "i3", "j1", "j2", "j3")
SINGLETS = ("td2rdm", "pair", "neural_ode")
HUBBARD = ("exact", "td2rdm", "pair", "mean_field", "neural_ode")
HOLSTEIN = ("orbitals", "density_matrix")
ENVELOPES = ("cgwe", "cgwe2", "cgmf")
ESTIMATES = ("corrector_norm", "non_parabolicity", "metric_term", "zone_filling")
TWO_SCALE = ("fine", *ENVELOPES, "dirac")
WAVE = ("wave",)
GRID_LIMITS = ("seam_share", "edge_share")


@dataclass(frozen=True)
class Observable:
    """A named quantity as it is stored: `dims` are its labelled dimensions, time first; `place` stands for the axes of a grid."""

    name: str
    dims: tuple[str, ...]
    units: str
    long_name: str
    methods: tuple[str, ...] = HUBBARD
    accumulated: bool = False  # an integral from the first time on

    @property
    def is_complex(self) -> bool:
        return self.name.startswith("rdm") or self.name == "density_matrix"


ENERGETICS = ("site_energy", "site_power", "energy_current", "interaction_source", "energy_residual")
AUDIT = "energy_residual"
BUDGET = ("site_work", "energy_transport", "interaction_transfer")
DENSITIES = ("energy_density", "energy_flux", "power_density", "source_density", "loss_density", "balance_residual")
GRID_AUDIT = "balance_residual"
REGIONAL = ("region_energy", "region_power", "region_outflow", "region_source", "region_loss")
REGION_BUDGET = ("region_work", "region_transport", "region_transfer", "region_absorbed")
AUDIT_OF = {
    **dict.fromkeys(ENERGETICS + BUDGET, AUDIT),
    **dict.fromkeys(DENSITIES + REGIONAL + REGION_BUDGET, GRID_AUDIT),
}
HYDRODYNAMIC = ("convective_density", "quantum_density", "region_convective", "region_quantum")
# What is computed from the first of particles that are all alike.
SHARED_OUT = (*AUDIT_OF, *HYDRODYNAMIC, "particle_current", "internal_energy", "power", "work", "bias_current")

OBSERVABLES = {
    observable.name: observable
    for observable in (
        Observable("density", ("time", "spin", "site"), "1", "mean number of electrons"),
        Observable("double_occupancy", ("time", "site"), "1", "probability of two electrons on a site"),
        Observable("energy", ("time",), "J", "total energy", HUBBARD + HOLSTEIN + TWO_SCALE + WAVE),
        Observable("kinetic_energy", ("time",), "J", "kinetic energy", HUBBARD + WAVE),
        Observable("interaction_energy", ("time",), "J", "interaction energy"),
        Observable("potential_energy", ("time",), "J", "potential energy", HUBBARD + WAVE),
        Observable("current", ("time", "bond"), "J/hbar", "particle current along a bond, both spins"),
        Observable("natural_occupations", ("time", "spin", "orbital"), "1", "natural occupation numbers"),
        Observable("site_entropy", ("time", "site"), "1", "entanglement entropy of a site, natural logarithm"),
        Observable("two_cumulant", ("time",), "1", "norm of the two-particle cumulant, up and down"),
        Observable("three_cumulant", ("time",), "1", "norm of the three-particle cumulant, up, up and down", ("exact",)),
        Observable("rdm1", ("time", "spin", "i", "j"), "1", "one-particle density matrix <c+_j c_i>"),
        Observable(
            "rdm2", ("time", "i1", "i2", "j1", "j2"), "1", "two-particle density matrix <c+_j1,up c+_j2,dn c_i2,dn c_i1,up>"
        ),
        Observable(
            "rdm2_upup",
            ("time", "i1", "i2", "j1", "j2"),
            "1",
            "two-particle density matrix <c+_j1 c+_j2 c_i2 c_i1>, all up",
            ("exact",),
        ),
        Observable(
            "rdm2_dndn",
            ("time", "i1", "i2", "j1", "j2"),
            "1",
            "two-particle density matrix <c+_j1 c+_j2 c_i2 c_i1>, all down",
            ("exact",),
        ),
        Observable(
            "rdm3_uud",
            ("time", *RDM3),
            "1",
            "three-particle density matrix <c+_j1,up c+_j2,up c+_j3,dn c_i3,dn c_i2,up c_i1,up>",
            ("exact",),
        ),
        Observable("d2_extremes", ("time", "extreme"), "1", "lowest and highest eigenvalue of D2, up and down"),
        Observable("q2_extremes", ("time", "extreme"), "1", "lowest and highest eigenvalue of Q2, up and down"),
        Observable("g2_extremes", ("time", "extreme"), "1", "lowest and highest eigenvalue of G2, both couplings", SINGLETS),
        Observable("purification", ("time",), "1", "sum of the norms of purification's changes of D2", ("td2rdm",)),
        Observable("loschmidt_echo", ("time",), "1", "return probability |<psi(0)|psi(t)>|^2", ("exact",)),
        Observable("site_energy", ("time", "site"), "J", "energy of a site, the dipole drive left out"),
        Observable("site_power", ("time", "site"), "J^2/hbar", "power of the drive on a site"),
        Observable("energy_current", ("time", "bond"), "J^2/hbar", "energy current along a bond"),
        Observable("interaction_source", ("time", "site"), "J^2/hbar", "power of the interaction with other sites on a site"),
        Observable("energy_residual", ("time", "site"), "J^2/hbar", "rate of a site's energy that its balance does not explain"),
        Observable("site_work", ("time", "site"), "J", "energy delivered to a site by the drive", accumulated=True),
        Observable("energy_transport", ("time", "bond"), "J", "energy that came along a bond", accumulated=True),
        Observable("interaction_transfer", ("time", "site"), "J", "energy that a site has by the interaction", accumulated=True),
        Observable("charge_order", ("time",), "1", "staggered mean of the density", HOLSTEIN),
        Observable("lattice_order", ("time",), "1", "staggered mean of the displacement", HOLSTEIN),
        Observable("site_density", ("time", "site"), "1", "mean number of spinless electrons", HOLSTEIN),
        Observable("displacement", ("time", "site"), "1", "displacement Q of a site's oscillator", HOLSTEIN),
        Observable("momentum", ("time", "site"), "1", "momentum P of a site's oscillator", HOLSTEIN),
        Observable("hopping_energy", ("time",), "J", "energy of the hopping", HOLSTEIN),
        Observable("coupling_energy", ("time",), "J", "energy between electrons and oscillators", HOLSTEIN),
        Observable("elastic_energy", ("time",), "J", "potential energy of the oscillators", HOLSTEIN),
        Observable("phonon_kinetic_energy", ("time",), "J", "kinetic energy of the oscillators", HOLSTEIN),
        Observable("charge_structure_factor", ("time", "wavevector"), "1", "structure factor of the density", HOLSTEIN),
        Observable("lattice_structure_factor", ("time", "wavevector"), "1", "structure factor of the displacement", HOLSTEIN),
        Observable("kink_density", ("time",), "1", "share of bonds across which the lattice order changes sign", HOLSTEIN),
        Observable("momentum_distribution", ("time", "wavevector"), "1", "mean number of electrons by momentum", HOLSTEIN),
        Observable("density_matrix", ("time", "i", "j"), "1", "one-particle density matrix <c+_j c_i>", HOLSTEIN),
        Observable("coarse_density", ("time", "x"), "1/length", "density without what oscillates with the lattice", TWO_SCALE),
        Observable("position", ("time", "axis"), "length", "mean place", TWO_SCALE + WAVE),
        Observable("spread", ("time", "axis"), "length", "standard deviation of the place", TWO_SCALE + WAVE),
        Observable("other_bands", ("time",), "1", "mean number of particles outside the band", ("fine", "dirac")),
        Observable("corrector_norm", ("time",), "1", "norm of the corrector, the error of the bare envelope", ENVELOPES),
        Observable("non_parabolicity", ("time",), "1", "deviation of the kinetic energy from that of the mass", ENVELOPES),
        Observable("metric_term", ("time",), "J", "energy of the quantum metric in the slow potential", ENVELOPES),
        Observable("zone_filling", ("time",), "1", "largest filled wavenumber over that of the zone's edge", ENVELOPES),
        Observable("seam_share", ("time",), "1", "probability at the seam of the periodic box", TWO_SCALE + WAVE),
        Observable("edge_share", ("time",), "1", "probability near the grid's largest wavenumber", TWO_SCALE + WAVE),
        Observable("particle_density", ("time", "place"), "1/volume", "density of particles", WAVE),
        Observable("particle_current", ("time", "axis", "place"), "length/volume/time", "current of particles", WAVE),
        Observable("norm", ("time",), "1", "norm of the wave", WAVE),
        Observable("wave_momentum", ("time", "axis"), "momentum", "mean momentum of a particle", WAVE),
        Observable("energy_density", ("time", "place"), "J/volume", "density of energy", WAVE),
        Observable("energy_flux", ("time", "axis", "place"), "J*length/volume/time", "energy current", WAVE),
        Observable("power_density", ("time", "place"), "J/volume/time", "density of the drive's power", WAVE),
        Observable("source_density", ("time", "place"), "J/volume/time", "density of the interaction's power", WAVE),
        Observable("loss_density", ("time", "place"), "J/volume/time", "rate of the energy's density by the absorber", WAVE),
        Observable("balance_residual", ("time", "place"), "J/volume/time", "rate that the balance does not explain", WAVE),
        Observable("convective_density", ("time", "place"), "J/volume", "density of m v^2 / 2", WAVE),
        Observable("quantum_density", ("time", "place"), "J/volume", "density of the quantum potential", WAVE),
        Observable("internal_energy", ("time",), "J", "energy without the drive, all space", WAVE),
        Observable("power", ("time",), "J^2/hbar", "power of the drive, all space", WAVE),
        Observable("work", ("time",), "J", "work of the drive, all space", WAVE, accumulated=True),
        Observable("bias_current", ("time",), "current", "current through the electrodes, displacement included", WAVE),
        Observable("region_probability", ("time", "region"), "1", "mean number of particles in a region", WAVE),
        Observable("region_energy", ("time", "region"), "J", "energy of a region", WAVE),
        Observable("region_power", ("time", "region"), "J^2/hbar", "power of the drive in a region", WAVE),
        Observable("region_outflow", ("time", "region"), "J^2/hbar", "energy current out of a region", WAVE),
        Observable("region_source", ("time", "region"), "J^2/hbar", "power of the interaction in a region", WAVE),
        Observable("region_loss", ("time", "region"), "J^2/hbar", "rate of a region's energy by the absorber", WAVE),
        Observable("region_convective", ("time", "region"), "J", "m v^2 / 2 of a region", WAVE),
        Observable("region_quantum", ("time", "region"), "J", "quantum potential of a region", WAVE),
        Observable("region_work", ("time", "region"), "J", "work of the drive in a region", WAVE, accumulated=True),
        Observable("region_transport", ("time", "region"), "J", "energy that came into a region", WAVE, accumulated=True),
        Observable(
            "region_transfer", ("time", "region"), "J", "energy that a region has by the interaction", WAVE, accumulated=True
        ),
        Observable("region_absorbed", ("time", "region"), "J", "energy that a region has by the absorber", WAVE, accumulated=True),
    )
}
