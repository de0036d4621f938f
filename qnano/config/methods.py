"""The methods that propagate the electrons; each is a group of the results, named by its label or else its kind."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from .base import Config
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


class TD2RDM(AbstractMethod):
    """The two-particle reduced density matrix, with a closure for the collisions with a third particle."""

    kind: Literal["td2rdm"] = "td2rdm"
    closure: Literal["valdemoro", "exact"] = Field("valdemoro", description="where the third particle comes from")


class MeanField(AbstractMethod):
    """Time-dependent Hartree-Fock."""

    kind: Literal["mean_field"] = "mean_field"


def _in_full(method: Any) -> Any:
    return {"kind": method} if isinstance(method, str) else method


Name = Literal["exact", "td2rdm", "mean_field"]
Method = Annotated[
    Annotated[Exact | TD2RDM | MeanField, Field(discriminator="kind")],
    BeforeValidator(_in_full, json_schema_input_type=Name | Exact | TD2RDM | MeanField),
]
