"""What can be measured: names, dimensions, units, and which methods have it.

A new observable is one line here and one function in the physics.
"""

from dataclasses import dataclass

RDM3 = ("i1", "i2", "i3", "j1", "j2", "j3")
SINGLETS = ("td2rdm", "pair")
ALL_METHODS = ("exact", "td2rdm", "pair", "mean_field")


@dataclass(frozen=True)
class Observable:
    """A named quantity as it is stored: `dims` are its labelled dimensions, time first."""

    name: str
    dims: tuple[str, ...]
    units: str
    long_name: str
    methods: tuple[str, ...] = ALL_METHODS

    @property
    def is_complex(self) -> bool:
        return self.name.startswith("rdm")


OBSERVABLES = {
    observable.name: observable
    for observable in (
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
        Observable("rdm2", ("time", "i1", "i2", "j1", "j2"), "1", "two-particle density matrix, up and down"),
        Observable("rdm2_upup", ("time", "i1", "i2", "j1", "j2"), "1", "two-particle density matrix, both up", ("exact",)),
        Observable("rdm2_dndn", ("time", "i1", "i2", "j1", "j2"), "1", "two-particle density matrix, both down", ("exact",)),
        Observable("rdm3_uud", ("time", *RDM3), "1", "three-particle density matrix, up, up and down", ("exact",)),
        Observable("d2_extremes", ("time", "extreme"), "1", "lowest and highest eigenvalue of D2, up and down"),
        Observable("q2_extremes", ("time", "extreme"), "1", "lowest and highest eigenvalue of Q2, up and down"),
        Observable("g2_extremes", ("time", "extreme"), "1", "lowest and highest eigenvalue of G2, both couplings", SINGLETS),
        Observable("purification", ("time",), "1", "sum of the norms of purification's changes of D2", ("td2rdm",)),
        Observable("loschmidt_echo", ("time",), "1", "return probability |<psi(0)|psi(t)>|^2", ("exact",)),
    )
}
