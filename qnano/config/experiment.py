"""One experiment: what moves, how it starts, what drives it, which methods follow it, what is measured."""

from dataclasses import replace
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, WithJsonSchema, field_validator, model_validator

from . import rules
from .base import Config, Flag, Name, NotBelowZero, NotEmpty, NotNegative, Number, Positive, require
from .coarse import AbstractTwoScale, CrystalModel, Packets, RibbonModel
from .holstein import Holstein
from .methods import CGWE2, Exact, Fine, Method, Orbitals, Wave
from .model import FermiHubbard
from .observables import AUDIT_OF, OBSERVABLES, Observable
from .particles import Bias, Eigenstates, Oscillation, ParticlesModel, Relaxed, WavePackets
from .solvers import Auto, Solver, Time
from .values import just_before, time_dependent


def _nothing_required(schema: dict[str, Any]) -> None:
    del schema["required"]


class GroundState(Config):
    """The ground state of the model as it was before: only the keys that differ are given, and none if none does."""

    # Always complete when it gets here, so that it has no default; the file that is read need not have it.
    model_config = ConfigDict(json_schema_extra=_nothing_required)
    kind: Literal["ground_state"] = "ground_state"
    model: Annotated[
        FermiHubbard,
        WithJsonSchema({"type": "object", "propertyNames": {"enum": [*FermiHubbard.model_fields]}}, mode="validation"),
    ] = Field(description="keys of the model that differ before time.start; complete and constant once resolved")


class Thermal(Config):
    """Lattice and electrons in equilibrium in the Holstein model as it was before: with its charge-density wave, if there is one.

    Every Q and P may get a random number, fixed by the experiment's seed; the electrons fill the levels of that lattice.
    """

    model_config = ConfigDict(json_schema_extra=_nothing_required)
    kind: Literal["thermal"] = "thermal"
    model: Annotated[
        Holstein,
        WithJsonSchema({"type": "object", "propertyNames": {"enum": [*Holstein.model_fields]}}, mode="validation"),
    ] = Field(description="keys of the model that differ before time.start; complete and constant once resolved")
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


class NoDrive(Config):
    kind: Literal["none"] = "none"


class Pulse(Config):
    """s(t) = amplitude exp(-(t - centre)^2 / (2 width^2)) cos(frequency (t - centre) + phase) along `direction`."""

    kind: Literal["pulse"] = "pulse"
    coupling: Literal["peierls", "dipole"] = Field(
        description="s is a phase per lattice constant of hopping, or a force in J per lattice constant"
    )
    amplitude: Number = Field(description="peak of the envelope: 1 (peierls) or J per lattice constant (dipole)")
    frequency: NotBelowZero = Field(description="angular frequency, in J/hbar")
    phase: Number = Field(0.0, description="phase at the centre, in radians")
    centre: Number = Field(description="time of the peak, in hbar/J")
    width: Positive = Field(description="standard deviation of the envelope, in hbar/J")
    direction: tuple[Number, ...] | None = Field(None, description="vector in space; the first axis if not given")


class Sum(Config):
    """Several drives at once."""

    kind: Literal["sum"]
    parts: Annotated[tuple[Annotated[Pulse | Oscillation | Bias, Field(discriminator="kind")], ...], NotEmpty] = Field(
        description="of any kind but sum, at most one bias"
    )


Model = Annotated[FermiHubbard | Holstein | CrystalModel | RibbonModel | ParticlesModel, Field(discriminator="kind")]
Start = GroundState | Neel | Occupation | Thermal | Packets | WavePackets | Eigenstates | Relaxed
Initial = Annotated[Start, Field(discriminator="kind")]
Drive = Annotated[NoDrive | Pulse | Oscillation | Bias | Sum, Field(discriminator="kind")]


BEFORE = {"ground_state": FermiHubbard, "thermal": Holstein}  # starts in the equilibrium of a model, which is completed


def _usual_methods(data: dict[str, Any]) -> tuple[Any, ...]:
    match data.get("model"):
        case Holstein():
            return (Orbitals(),)
        case AbstractTwoScale():
            return Fine(), CGWE2()
        case ParticlesModel():
            return (Wave(),)
        case _:
            return (Exact(),)


def _usual_observables(data: dict[str, Any]) -> tuple[str, ...]:
    match data.get("model"):
        case Holstein():
            return "charge_order", "lattice_order", "energy"
        case AbstractTwoScale():
            return "coarse_density", "position", "spread", "energy"
        case ParticlesModel():
            return "particle_density", "position", "spread", "energy"
        case _:
            return "density", "double_occupancy", "energy"


class Experiment(Config):
    """One experiment. Energies are in units of the hopping J, times in hbar/J, lengths in lattice constants."""

    # Whether the complete experiment names the initial model's changes alone, since what it inherits has to follow the model.
    keeps_given_initial: ClassVar[bool] = False
    name: Name = Field(description="name of the results' folder: letters, digits, dots, dashes and underscores")
    task: Literal["dynamics"] = Field("dynamics", description="what to do")
    model: Model = Field(description="the Hamiltonian")
    time: Time = Field(description="when results are saved")
    initial: Initial = Field(description="the state at time.start")
    drive: Drive = Field(NoDrive(), description="an external field")
    methods: Annotated[tuple[Method, ...], NotEmpty] = Field(default_factory=_usual_methods, description="who propagates")
    solver: Solver = Field(Auto(), description="time stepping, for the methods without a solver of their own")
    observables: Annotated[tuple[str, ...], NotEmpty] = Field(
        default_factory=_usual_observables, description="what is saved at every time"
    )
    precision: Literal["double", "single"] = Field("double", description="float64 and complex128, or half of that")
    seed: NotNegative = Field(0, description="fixes every random number")
    sharded: Flag = Field(False, description="share out each state among all local devices along its first index")

    @cached_property
    def given(self) -> dict[str, Any]:
        """What was read, before defaults and what is inherited were filled in; complete where nothing was read."""
        return self.model_dump(mode="json", exclude_none=True)

    @field_validator("observables")
    @classmethod
    def _audit(cls, observables: tuple[str, ...]) -> tuple[str, ...]:
        """Whoever asks for local energies is told what their balance does not explain."""
        audits = dict.fromkeys(AUDIT_OF[name] for name in observables if name in AUDIT_OF)
        return (*observables, *(audit for audit in audits if audit not in observables))

    @field_validator("initial", mode="before")
    @classmethod
    def _complete(cls, initial: Any, info: Any) -> Any:
        """The initial model is the model up to time.start, except for the keys that differ."""
        if not isinstance(initial, dict) or not isinstance(initial.get("kind"), str) or initial["kind"] not in BEFORE:
            return initial
        if not {"model", "time"} <= info.data.keys():
            return Neel()  # what is wrong there is reported there
        if not isinstance(info.data["model"], BEFORE[initial["kind"]]):
            require(list(rules.belongs("kind", initial["kind"], rules.PARTS[info.data["model"].kind][0], info.data["model"].kind)))
        start = info.data["time"].start
        merged = merge(just_before(info.data["model"], start), initial.get("model", {}))
        return {**initial, "model": merged}

    @field_validator("initial")
    @classmethod
    def _hold_still(cls, initial: Any, info: Any) -> Any:
        """What would still change in the initial model is taken at time.start."""
        if not isinstance(initial, GroundState | Thermal) or "time" not in info.data:
            return initial
        model = type(initial.model).model_validate(just_before(initial.model, info.data["time"].start))
        return initial.model_copy(update={"model": model})

    @model_validator(mode="after")
    def _is_consistent(self):
        require(list(rules.broken(self)))
        return self

    def solver_of(self, method: Method) -> Solver:
        """The solver that a method is propagated with: its own, or the experiment's."""
        return method.solver or self.solver

    def unit(self, name: str) -> str:
        """What stands for a unit of the lattice models in the results of this model."""
        return getattr(self.model, "unit_names", {}).get(name, name)

    def observable(self, name: str) -> Observable:
        """An observable with the dimensions and the units that it has in the results of this model."""
        known = OBSERVABLES[name]
        axes = getattr(self.model, "axes", ())
        dims = tuple(part for dim in known.dims for part in (axes if dim == "place" else (dim,)))
        return replace(known, dims=dims, units=self.unit(known.units))

    @property
    def changes(self) -> bool:
        """Whether the Hamiltonian changes after time.start."""
        quenched = any(value.changes_after(self.time.start) for _, value in time_dependent(self.model, "model"))
        return quenched or self.drive.kind != "none"


def merge(base: Any, changes: Any) -> Any:
    """`base` with `changes`, key by key; what is not a mapping, or is of another kind, is replaced as a whole."""
    if not (isinstance(base, dict) and isinstance(changes, dict)):
        return changes
    if "kind" in changes and changes["kind"] != base.get("kind"):
        return changes
    return {**base, **{key: merge(base.get(key), value) for key, value in changes.items()}}
