"""What can be measured of a problem on two scales, with dimensions and units."""

from qnano.families.base import Observable

ENVELOPES = ("cgwe", "cgwe2", "cgmf")

OBSERVABLES = (
    Observable("energy", ("time",), "J", "total energy"),
    Observable("coarse_density", ("time", "x"), "1/length", "density without what oscillates with the lattice"),
    Observable("position", ("time", "axis"), "length", "mean place"),
    Observable("spread", ("time", "axis"), "length", "standard deviation of the place"),
    Observable("other_bands", ("time",), "1", "mean number of particles outside the band", ("fine", "dirac")),
    Observable("corrector_norm", ("time",), "1", "norm of the corrector, the error of the bare envelope", ENVELOPES),
    Observable("non_parabolicity", ("time",), "1", "deviation of the kinetic energy from that of the mass", ENVELOPES),
    Observable("metric_term", ("time",), "J", "energy of the quantum metric in the slow potential", ENVELOPES),
    Observable("zone_filling", ("time",), "1", "largest filled wavenumber over that of the zone's edge", ENVELOPES),
    Observable("seam_share", ("time",), "1", "probability at the seam of the periodic box"),
    Observable("edge_share", ("time",), "1", "probability near the grid's largest wavenumber"),
)
