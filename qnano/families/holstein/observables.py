"""What can be measured of electrons with classical phonons, with dimensions and units."""

from qnano.families.base import Observable

OBSERVABLES = (
    Observable("energy", ("time",), "J", "total energy"),
    Observable("charge_order", ("time",), "1", "staggered mean of the density"),
    Observable("lattice_order", ("time",), "1", "staggered mean of the displacement"),
    Observable("site_density", ("time", "site"), "1", "mean number of spinless electrons"),
    Observable("displacement", ("time", "site"), "1", "displacement Q of a site's oscillator"),
    Observable("momentum", ("time", "site"), "1", "momentum P of a site's oscillator"),
    Observable("hopping_energy", ("time",), "J", "energy of the hopping"),
    Observable("coupling_energy", ("time",), "J", "energy between electrons and oscillators"),
    Observable("elastic_energy", ("time",), "J", "potential energy of the oscillators"),
    Observable("phonon_kinetic_energy", ("time",), "J", "kinetic energy of the oscillators"),
    Observable("charge_structure_factor", ("time", "wavevector"), "1", "structure factor of the density"),
    Observable("lattice_structure_factor", ("time", "wavevector"), "1", "structure factor of the displacement"),
    Observable("kink_density", ("time",), "1", "share of bonds across which the lattice order changes sign"),
    Observable("momentum_distribution", ("time", "wavevector"), "1", "mean number of electrons by momentum"),
    Observable("density_matrix", ("time", "i", "j"), "1", "one-particle density matrix <c+_j c_i>"),
)
