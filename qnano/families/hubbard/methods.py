"""The methods that propagate electrons on a lattice."""

from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from qnano.border import got
from qnano.checkpoints import read_checksum
from qnano.config.base import BrokenRules, Config, Count, FilePath, Flag, Positive, Real
from qnano.families.base import AbstractMethod, Scheme
from qnano.shipped import SHIPPED, located


class Exact(AbstractMethod):
    """The full wavefunction."""

    scheme: ClassVar[Scheme] = "exponential"
    is_reference: ClassVar = True

    kind: Literal["exact"] = "exact"


class Purification(Config):
    """Positivity of D2 and Q2 (and G2), at fixed one-particle density matrix, spin and energy."""

    tolerance: Annotated[Real, Field(gt=0, lt=1)] = Field(default=1e-7, description="how far below 0 an eigenvalue may stay")
    max_iterations: Count = Field(default=500, description="iterations of one purification at most")
    particle_hole: Flag = Field(default=False, description="also the positivity of G2")
    every: Positive = Field(default=0.05, description="longest step between two purifications, in hbar/J")


Known = Literal["valdemoro", "nakatsuji_yasuda", "nakatsuji_yasuda_smooth", "third_equation", "exact"]


class Trained(Config):
    """What `qnano train` has written, known again by its checksum."""

    weights: FilePath = Field(description="file of weights")
    checksum: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        None, description="SHA-256 of the file's contents; filled in where it is left out"
    )

    @model_validator(mode="before")
    @classmethod
    def _is_known_again(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("checksum") is not None:
            return given
        named = given.get("weights", cls.model_fields["weights"].default)
        if not isinstance(named, str):
            return given
        try:
            return given | {"checksum": read_checksum(located(named))}
        except OSError as error:
            raise BrokenRules([("weights", got(named, f"cannot be read: {error.strerror}"))]) from None
        except (RuntimeError, ValueError):  # a home of nobody, a path with a zero byte
            raise BrokenRules([("weights", got(named, "must be a path"))]) from None


class Learned(Trained):
    """A learned closure; always contraction consistent. Without `weights` it is the one that comes with qnano."""

    kind: Literal["learned"] = "learned"
    weights: FilePath = Field(SHIPPED, description="file of weights; the one that comes with qnano if not given")


def _origin(closure: Any) -> str:
    return "learned" if isinstance(closure, dict | Learned) else "known"


def _word(closure: Any) -> Any:
    """The word alone stands for the weights that come with qnano. Raises `ValueError` for a word that is none."""
    if isinstance(closure, str) and closure not in (words := (*get_args(Known), "learned")):
        raise ValueError(got(closure, f"must be one of {', '.join(words)}"))
    return {"kind": "learned"} if closure == "learned" else closure


def _switch(value: Any) -> Any:
    """true and false stand for the default settings and for nothing."""
    return ({} if value else None) if isinstance(value, bool) else value


class TD2RDM(AbstractMethod):
    """The two-particle reduced density matrix, with a closure for the collisions with a third particle."""

    scheme: ClassVar[Scheme] = "runge_kutta"
    is_pair: ClassVar = True

    kind: Literal["td2rdm"] = "td2rdm"
    closure: Annotated[
        Annotated[Known, Tag("known")] | Annotated[Learned, Tag("learned")],
        Discriminator(_origin),
        BeforeValidator(_word, json_schema_input_type=Literal["learned"] | Known | Learned),
    ] = Field(default="valdemoro", description="where the third particle comes from; learned: as it comes with qnano")
    contraction_consistent: Flag = Field(
        default=False,
        description="correct the closure so that energy, spin and the motion of the one-particle density matrix are exact",
    )
    purification: Annotated[Purification | None, BeforeValidator(_switch, json_schema_input_type=bool | Purification)] = Field(
        default=None, description="remove negative probabilities after every step; true for the default settings"
    )


class NeuralODE(AbstractMethod, Trained):
    """A network as the whole motion of the two-particle reduced density matrix."""

    scheme: ClassVar[Scheme] = "runge_kutta"
    is_pair: ClassVar = True

    kind: Literal["neural_ode"] = "neural_ode"


CHANNELS = ("particle_particle", "particle_hole", "polarisation")


class Pair(AbstractMethod):
    """Cumulant BBGKY: one- and two-particle correlations move independently; with all channels the dynamically screened ladder."""

    scheme: ClassVar[Scheme] = "runge_kutta"
    is_pair: ClassVar = True

    kind: Literal["pair"] = "pair"
    channels: tuple[Literal["particle_particle", "particle_hole", "polarisation"], ...] = Field(
        CHANNELS, description="what two correlated electrons feel; none is the second Born approximation"
    )


class MeanField(AbstractMethod):
    """Time-dependent Hartree-Fock."""

    scheme: ClassVar[Scheme] = "runge_kutta"

    kind: Literal["mean_field"] = "mean_field"
