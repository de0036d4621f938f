"""The methods that propagate the electrons; each is a group of the results, named by its label or else its kind."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from qnano.border import got
from qnano.checkpoints import read_checksum

from .base import BrokenRules, Config, Count, FilePath, Flag, Label, Positive, Real
from .solvers import Solver


class AbstractMethod(Config):
    kind: str
    label: Label | None = Field(default=None, description="name in the results, if not the kind")
    solver: Solver | None = Field(default=None, description="solver of this method, if not the experiment's")

    @property
    def name(self) -> str:
        return self.label or self.kind


class Exact(AbstractMethod):
    """The full wavefunction."""

    kind: Literal["exact"] = "exact"


class Purification(Config):
    """Positivity of D2 and Q2 (and G2), at fixed one-particle density matrix, spin and energy."""

    tolerance: Annotated[Real, Field(gt=0, lt=1)] = Field(default=1e-7, description="how far below 0 an eigenvalue may stay")
    max_iterations: Count = Field(default=500, description="iterations of one purification at most")
    particle_hole: Flag = Field(default=False, description="also the positivity of G2")
    every: Positive = Field(default=0.05, description="longest step between two purifications, in hbar/J")


Known = Literal["valdemoro", "nakatsuji_yasuda", "nakatsuji_yasuda_smooth", "exact"]


class Trained(Config):
    """What `qnano train` has written, known again by its checksum."""

    weights: FilePath = Field(description="file of weights")
    checksum: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        None, description="SHA-256 of the file's contents; filled in where it is left out"
    )

    @model_validator(mode="before")
    @classmethod
    def _is_known_again(cls, given: Any) -> Any:
        if not isinstance(given, dict) or not isinstance(given.get("weights"), str) or given.get("checksum") is not None:
            return given
        try:
            return given | {"checksum": read_checksum(Path(os.path.expanduser(given["weights"])))}
        except OSError as error:
            raise BrokenRules([("weights", got(given["weights"], f"cannot be read: {error.strerror}"))]) from None
        except (RuntimeError, ValueError):  # a home of nobody, a path with a zero byte
            raise BrokenRules([("weights", got(given["weights"], "must be a path"))]) from None


class Learned(Trained):
    """A learned closure; always contraction consistent."""

    kind: Literal["learned"] = "learned"


def _origin(closure: Any) -> str:
    return "learned" if isinstance(closure, dict | Learned) else "known"


def _switch(value: Any) -> Any:
    """true and false stand for the default settings and for nothing."""
    return ({} if value else None) if isinstance(value, bool) else value


class TD2RDM(AbstractMethod):
    """The two-particle reduced density matrix, with a closure for the collisions with a third particle."""

    kind: Literal["td2rdm"] = "td2rdm"
    closure: Annotated[Annotated[Known, Tag("known")] | Annotated[Learned, Tag("learned")], Discriminator(_origin)] = Field(
        default="valdemoro", description="where the third particle comes from"
    )
    contraction_consistent: Flag = Field(
        default=False,
        description="correct the closure so that energy, spin and the motion of the one-particle density matrix are exact",
    )
    purification: Annotated[Purification | None, BeforeValidator(_switch, json_schema_input_type=bool | Purification)] = Field(
        default=None, description="remove negative probabilities after every step; true for the default settings"
    )


class NeuralODE(AbstractMethod, Trained):
    """A network as the whole motion of the two-particle reduced density matrix."""

    kind: Literal["neural_ode"] = "neural_ode"


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


class Fine(AbstractMethod):
    """The wavefunction on all points of a lattice: the reference of the coarse-grained methods."""

    kind: Literal["fine"] = "fine"
    bands: Count | None = Field(default=None, description="bands that the splitting resolves; all if not given. Not for ribbons")


PairCells = Annotated[
    Annotated[Count, Field(le=4)] | None,
    Field(description="masses and the cross mass of two particles that interact on a ring of that many cells, in place of W"),
]


class CGWE(AbstractMethod):
    """The coarse-grained wave equation: an effective mass."""

    kind: Literal["cgwe"] = "cgwe"
    pair_cells: PairCells = None


class CGWE2(AbstractMethod):
    """Its second order: the band itself, the quantum metric in potential and density."""

    kind: Literal["cgwe2"] = "cgwe2"


class CGMF(AbstractMethod):
    """The second order for a product of orbitals, one per particle; the first with the masses of a pair."""

    kind: Literal["cgmf"] = "cgmf"
    pair_cells: PairCells = None


class Dirac(AbstractMethod):
    """Envelopes of the band and of that which is nearest to it, coupled at first order in k and by all other bands at second."""

    kind: Literal["dirac"] = "dirac"


class Wave(AbstractMethod):
    """The wavefunction of particles on a grid, by splitting. Ordering and partition are choices of what energy belongs where."""

    kind: Literal["wave"] = "wave"
    ordering: Annotated[Real, Field(ge=0, le=1)] = Field(
        default=1.0, description="of local energies: 1 symmetrised, 0 gradient, or between"
    )
    partition: Literal["kinetic", "internal", "total"] = Field(
        default="internal", description="which energy is local: with U and w, v too"
    )


def _in_full(method: Any) -> Any:
    return {"kind": method} if isinstance(method, str) else method


Name = Literal[
    "exact", "td2rdm", "pair", "mean_field", "orbitals", "density_matrix", "fine", "cgwe", "cgwe2", "cgmf", "dirac", "wave"
]
Full = Exact | TD2RDM | Pair | MeanField | NeuralODE | Orbitals | DensityMatrix | Fine | CGWE | CGWE2 | CGMF | Dirac | Wave
Method = Annotated[Annotated[Full, Field(discriminator="kind")], BeforeValidator(_in_full, json_schema_input_type=Name | Full)]
