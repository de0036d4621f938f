"""The method of particles on a grid."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from qnano.config.base import Real
from qnano.families.base import GRID_LIMITS, AbstractMethod, Scheme


class Wave(AbstractMethod):
    """The wavefunction of particles on a grid, by splitting. Ordering and partition are choices of what energy belongs where."""

    scheme: ClassVar[Scheme] = "splitting"
    tells: ClassVar = GRID_LIMITS

    kind: Literal["wave"] = "wave"
    ordering: Annotated[Real, Field(ge=0, le=1)] = Field(
        default=1.0, description="of local energies: 1 symmetrised, 0 gradient, or between"
    )
    partition: Literal["kinetic", "internal", "total"] = Field(
        default="internal", description="which energy is local: with U and w, v too"
    )
