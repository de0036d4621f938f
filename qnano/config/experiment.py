"""One experiment: what moves, how it starts, what drives it, which methods follow it, what is measured."""

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from . import rules
from .base import AbstractTask, Flag, NotEmpty, NotNegative, require
from .coarse import AbstractTwoScale, CrystalModel, RibbonModel
from .drives import Drive, NoDrive
from .holstein import Holstein
from .methods import CGWE2, Exact, Fine, Method, Orbitals, Wave
from .model import FermiHubbard
from .observables import AUDIT_OF, OBSERVABLES, Observable
from .particles import ParticlesModel
from .solvers import Auto, Solver, Time
from .starts import GroundState, Initial, Neel, Thermal
from .values import just_before, time_dependent

Model = Annotated[FermiHubbard | Holstein | CrystalModel | RibbonModel | ParticlesModel, Field(discriminator="kind")]
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


class Experiment(AbstractTask):
    """One experiment. Energies are in units of the hopping J, times in hbar/J, lengths in lattice constants."""

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
