"""What can be measured of electrons on a lattice, with dimensions and units.

A new observable is one line here and one function in the physics.
"""

from qnano.families.base import Observable

RDM3 = ("i1", "i2", "i3", "j1", "j2", "j3")
SINGLETS = ("td2rdm", "pair", "neural_ode")
AUDIT = "energy_residual"
ENERGETICS = ("site_energy", "site_power", "energy_current", "interaction_source", "energy_residual")
BUDGET = ("site_work", "energy_transport", "interaction_transfer")
AUDITS: dict[str, str] = dict.fromkeys(ENERGETICS + BUDGET, AUDIT)

OBSERVABLES = (
    Observable("density", ("time", "spin", "site"), "1", "mean number of electrons"),
    Observable("double_occupancy", ("time", "site"), "1", "probability of two electrons on a site"),
    Observable("energy", ("time",), "J", "total energy"),
    Observable("kinetic_energy", ("time",), "J", "kinetic energy"),
    Observable("interaction_energy", ("time",), "J", "interaction energy"),
    Observable("potential_energy", ("time",), "J", "potential energy"),
    Observable("current", ("time", "bond"), "J/hbar", "particle current along a bond, both spins"),
    Observable("natural_occupations", ("time", "spin", "orbital"), "1", "natural occupation numbers"),
    Observable("site_entropy", ("time", "site"), "1", "entanglement entropy of a site, natural logarithm"),
    Observable("two_cumulant", ("time",), "1", "norm of the two-particle cumulant, up and down"),
    Observable("three_cumulant", ("time",), "1", "norm of the three-particle cumulant, up, up and down", ("exact",)),
    Observable("rdm1", ("time", "spin", "i", "j"), "1", "one-particle density matrix <c+_j c_i>"),
    Observable("rdm2", ("time", "i1", "i2", "j1", "j2"), "1", "two-particle density matrix <c+_j1,up c+_j2,dn c_i2,dn c_i1,up>"),
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
    Observable("closure_distance", ("time",), "1", "from the states that a learned closure knows, 1 at their edge", ("td2rdm",)),
    Observable("loschmidt_echo", ("time",), "1", "return probability |<psi(0)|psi(t)>|^2", ("exact",)),
    Observable("site_energy", ("time", "site"), "J", "energy of a site, the dipole drive left out"),
    Observable("site_power", ("time", "site"), "J^2/hbar", "power of the drive on a site"),
    Observable("energy_current", ("time", "bond"), "J^2/hbar", "energy current along a bond"),
    Observable("interaction_source", ("time", "site"), "J^2/hbar", "power of the interaction with other sites on a site"),
    Observable("energy_residual", ("time", "site"), "J^2/hbar", "rate of a site's energy that its balance does not explain"),
    Observable("site_work", ("time", "site"), "J", "energy delivered to a site by the drive", accumulated=True),
    Observable("energy_transport", ("time", "bond"), "J", "energy that came along a bond", accumulated=True),
    Observable("interaction_transfer", ("time", "site"), "J", "energy that a site has by the interaction", accumulated=True),
)
