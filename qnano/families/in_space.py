"""What the models in continuous space share: units, dimensions along axes, and an interaction.

In physical units lengths are in nm, energies in meV, times in fs and masses in those of the electron; in natural ones hbar = 1.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from qnano.config.base import Config, Number, Positive, require
from qnano.families.base import AbstractModel

HBAR = 658.2119569  # meV fs
ELECTRON_MASS = 5685.63007  # meV fs^2 / nm^2
COULOMB = 1439.964548  # e^2 / 4 pi eps0, in meV nm

PHYSICAL = {
    "J": "meV",
    "hbar/J": "fs",
    "J/hbar": "1/fs",
    "length": "nm",
    "1/length": "1/nm",
    "J/length^2": "meV/nm^2",
    "J/length^4": "meV/nm^4",
    "J length": "meV nm",
    "momentum": "meV fs/nm",
    "mass": "m_e",
    "charge": "e",
}

EXCHANGE = {"distinguishable": 0, "symmetric": 1, "antisymmetric": -1}  # the sign under exchange; 0 for none


class AbstractInSpace(AbstractModel):
    """A model whose lengths are not lattice constants."""

    units: Literal["natural", "physical"] = Field("natural", description="hbar = 1, or nm, meV, fs and electron masses")

    @property
    def hbar(self) -> float:
        return HBAR if self.units == "physical" else 1.0

    @property
    def mass_unit(self) -> float:
        """What masses of the config are multiplied by."""
        return ELECTRON_MASS if self.units == "physical" else 1.0

    @property
    def unit_names(self) -> Mapping[str, str]:
        """What stands for the units of a lattice model; in natural units nothing does."""
        return PHYSICAL

    def unit(self, name: str) -> str:
        return self.unit_names.get(name, name) if self.units == "physical" else "1"


class NoInteraction(Config):
    kind: Literal["none"] = "none"


class SoftCoulomb(Config):
    """w = strength / sqrt(r^2 + softening^2), r the distance, of a crystal the chord of its ring."""

    kind: Literal["soft_coulomb"] = "soft_coulomb"
    strength: Number | None = Field(None, description="an energy times a length; not with permittivity")
    permittivity: Positive | None = Field(None, description="relative permittivity, in physical units, in place of the strength")
    softening: Positive = Field(description="a length, such as the width of a wire")

    @model_validator(mode="after")
    def _has_one_strength(self):
        if (self.strength is None) == (self.permittivity is None):
            require([("strength", "must be given, or else permittivity, and not both")])
        return self

    @property
    def coupling(self) -> Any:
        """The strength, however it is given."""
        return self.strength if self.permittivity is None else COULOMB / self.permittivity


def spread(value: Any, dimension: int) -> tuple[Any, ...]:
    """One number for each axis, where it may be one for all."""
    return value if isinstance(value, tuple) else (value,) * dimension
