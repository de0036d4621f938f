"""What moves starts in one of these states; those of waves and envelopes stand beside their models."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, WithJsonSchema

from .base import Config, NotBelowZero, NotNegative
from .coarse import Packets
from .holstein import Holstein
from .model import FermiHubbard
from .particles import Eigenstates, Relaxed, WavePackets

BEFORE = "keys of the model that differ before time.start; complete and constant once resolved"


def _keys_of(model: type[Config]) -> WithJsonSchema:
    """In the file that is read any of the keys of a model may stand, and none must."""
    return WithJsonSchema({"type": "object", "propertyNames": {"enum": [*model.model_fields]}}, mode="validation")


def _nothing_required(schema: dict[str, Any]) -> None:
    del schema["required"]


class GroundState(Config):
    """The ground state of the model as it was before: only the keys that differ are given, and none if none does."""

    # Always complete when it gets here, so that it has no default; the file that is read need not have it.
    model_config = ConfigDict(json_schema_extra=_nothing_required)
    kind: Literal["ground_state"] = "ground_state"
    model: Annotated[FermiHubbard, _keys_of(FermiHubbard)] = Field(description=BEFORE)


class Thermal(Config):
    """Lattice and electrons in equilibrium in the Holstein model as it was before: with its charge-density wave, if there is one.

    Every Q and P may get a random number, fixed by the experiment's seed; the electrons fill the levels of that lattice.
    """

    model_config = ConfigDict(json_schema_extra=_nothing_required)
    kind: Literal["thermal"] = "thermal"
    model: Annotated[Holstein, _keys_of(Holstein)] = Field(description=BEFORE)
    temperature: NotBelowZero = Field(0.0, description="kT of the electrons, in J; the static lattice is theirs")
    noise: NotBelowZero = Field(0.0, description="standard deviation of the random part of every Q and P")


class Neel(Config):
    """Spin up on one sublattice, spin down on the other."""

    kind: Literal["neel"] = "neel"


class Occupation(Config):
    """Electrons on the sites that are listed."""

    kind: Literal["occupation"] = "occupation"
    up: tuple[NotNegative, ...] = Field(description="sites with a spin-up electron")
    down: tuple[NotNegative, ...] = Field(description="sites with a spin-down electron")


Start = GroundState | Neel | Occupation | Thermal | Packets | WavePackets | Eigenstates | Relaxed
Initial = Annotated[Start, Field(discriminator="kind")]
