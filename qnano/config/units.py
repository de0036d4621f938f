"""Units of continuous space: natural ones, or nm, meV, fs and electron masses."""

from typing import Literal

from pydantic import Field

from .base import Config

HBAR = 658.2119569  # meV fs
ELECTRON_MASS = 5685.63007  # meV fs^2 / nm^2
COULOMB = 1439.964548  # e^2 / 4 pi eps0, in meV nm


class AbstractInSpace(Config):
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
    def unit_names(self) -> dict[str, str]:
        """What stands for the units of a lattice model in results."""
        if self.units == "physical":
            return {"J": "meV", "hbar/J": "fs", "length": "nm", "1/length": "1/nm", "momentum": "meV fs/nm"}
        return {"J": "1", "hbar/J": "1", "length": "1", "1/length": "1", "momentum": "1"}
