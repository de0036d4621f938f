"""The methods of a problem on two scales: the fine wave, its envelopes, and the envelopes of several bands."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from qnano.config.base import Count
from qnano.families.base import GRID_LIMITS, AbstractMethod, Scheme

ESTIMATES = ("corrector_norm", "non_parabolicity", "metric_term", "zone_filling")


class Fine(AbstractMethod):
    """The wavefunction on all points of a lattice: the reference of the coarse-grained methods."""

    scheme: ClassVar[Scheme] = "splitting"
    is_reference: ClassVar = True
    tells: ClassVar = GRID_LIMITS

    kind: Literal["fine"] = "fine"
    bands: Count | None = Field(default=None, description="bands that the splitting resolves; all if not given. Not for ribbons")


PairCells = Annotated[
    Annotated[Count, Field(le=4)] | None,
    Field(description="masses and the cross mass of two particles that interact on a ring of that many cells, in place of W"),
]


class CGWE(AbstractMethod):
    """The coarse-grained wave equation: an effective mass."""

    scheme: ClassVar[Scheme] = "splitting"
    tells: ClassVar = (*GRID_LIMITS, *ESTIMATES)

    kind: Literal["cgwe"] = "cgwe"
    pair_cells: PairCells = None


class CGWE2(AbstractMethod):
    """Its second order: the band itself, the quantum metric in potential and density."""

    scheme: ClassVar[Scheme] = "splitting"
    tells: ClassVar = (*GRID_LIMITS, *ESTIMATES)

    kind: Literal["cgwe2"] = "cgwe2"


class CGMF(AbstractMethod):
    """The second order for a product of orbitals, one per particle; the first with the masses of a pair."""

    scheme: ClassVar[Scheme] = "splitting"
    tells: ClassVar = (*GRID_LIMITS, *ESTIMATES)

    kind: Literal["cgmf"] = "cgmf"
    pair_cells: PairCells = None


class Dirac(AbstractMethod):
    """Envelopes of the band and of that which is nearest to it, coupled at first order in k and by all other bands at second."""

    scheme: ClassVar[Scheme] = "splitting"
    tells: ClassVar = GRID_LIMITS

    kind: Literal["dirac"] = "dirac"
