"""The methods that propagate the electrons; each is a group of the results, named by its label or else its kind."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from .base import Config, Count, Flag, Positive, Real
from .solvers import Solver


class AbstractMethod(Config):
    kind: str
    label: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")] | None = Field(
        default=None, description="name in the results, if not the kind"
    )
    solver: Solver | None = Field(default=None, description="solver of this method, if not the experiment's")

    @property
    def name(self) -> str:
        return self.label or self.kind


class Exact(AbstractMethod):
    """The full wavefunction."""

    kind: Literal["exact"] = "exact"


class Purification(Config):
    """Positivity of D2 and Q2 (and G2), at fixed one-particle density matrix, spin and energy."""

    tolerance: Annotated[Real, Field(gt=0, lt=1)] = Field(1e-7, description="how far below 0 an eigenvalue may stay")
    max_iterations: Count = Field(500, description="iterations of one purification at most")
    particle_hole: Flag = Field(False, description="also the positivity of G2")
    every: Positive = Field(0.05, description="longest step between two purifications, in hbar/J")


def _switch(value: Any) -> Any:
    """true and false stand for the default settings and for nothing."""
    return ({} if value else None) if isinstance(value, bool) else value


class TD2RDM(AbstractMethod):
    """The two-particle reduced density matrix, with a closure for the collisions with a third particle."""

    kind: Literal["td2rdm"] = "td2rdm"
    closure: Literal["valdemoro", "nakatsuji_yasuda", "nakatsuji_yasuda_smooth", "exact"] = Field(
        "valdemoro", description="where the third particle comes from"
    )
    contraction_consistent: Flag = Field(
        False, description="correct the closure so that energy, spin and the motion of the one-particle density matrix are exact"
    )
    purification: Annotated[Purification | None, BeforeValidator(_switch, json_schema_input_type=bool | Purification)] = Field(
        None, description="remove negative probabilities after every step; true for the default settings"
    )


CHANNELS = ("particle_particle", "particle_hole", "polarisation")


class Pair(AbstractMethod):
    """Cumulant BBGKY: one- and two-particle correlations move independently; with all channels the dynamically screened ladder."""

    kind: Literal["pair"] = "pair"
    channels: tuple[Literal["particle_particle", "particle_hole", "polarisation"], ...] = Field(
        CHANNELS, description="what two correlated electrons feel; none is the second Born approximation"
    )


class MeanField(AbstractMethod):
    """Time-dependent Hartree-Fock."""

    kind: Literal["mean_field"] = "mean_field"


class Orbitals(AbstractMethod):
    """Ehrenfest dynamics of the Holstein model by weighted orbitals; the cheaper form."""

    kind: Literal["orbitals"] = "orbitals"


class DensityMatrix(AbstractMethod):
    """Ehrenfest dynamics of the Holstein model by the one-particle density matrix."""

    kind: Literal["density_matrix"] = "density_matrix"


def _in_full(method: Any) -> Any:
    return {"kind": method} if isinstance(method, str) else method


Name = Literal["exact", "td2rdm", "pair", "mean_field", "orbitals", "density_matrix"]
Full = Exact | TD2RDM | Pair | MeanField | Orbitals | DensityMatrix
Method = Annotated[Annotated[Full, Field(discriminator="kind")], BeforeValidator(_in_full, json_schema_input_type=Name | Full)]
