"""The methods that propagate electrons with classical phonons: two forms of one motion."""

from typing import ClassVar, Literal

from qnano.families.base import AbstractMethod, Scheme


class Orbitals(AbstractMethod):
    """Ehrenfest dynamics of the Holstein model by weighted orbitals; the cheaper form."""

    scheme: ClassVar[Scheme] = "splitting"

    kind: Literal["orbitals"] = "orbitals"


class DensityMatrix(AbstractMethod):
    """Ehrenfest dynamics of the Holstein model by the one-particle density matrix."""

    scheme: ClassVar[Scheme] = "splitting"

    kind: Literal["density_matrix"] = "density_matrix"
