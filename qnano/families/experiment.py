"""One experiment: what moves, how it starts, what drives it, which methods follow it, what is measured."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from qnano.config.base import AbstractTask, Config, Flag, NotEmpty, NotNegative, require
from qnano.config.solvers import Auto, Solver, Time
from qnano.config.values import just_before, time_dependent
from qnano.families import rules
from qnano.families.base import AbstractEquilibrium, Observable, kind_of
from qnano.families.drives import Drive, NoDrive
from qnano.families.register import AUDITS, EQUILIBRIA, FAMILIES, OBSERVABLES, Method, Model, Start, family_of


def _usual_methods(data: dict[str, Any]) -> tuple[Method, ...]:
    return family_of(data["model"]).usual_methods if "model" in data else FAMILIES[0].usual_methods


def _usual_observables(data: dict[str, Any]) -> tuple[str, ...]:
    return family_of(data["model"]).usual_observables if "model" in data else FAMILIES[0].usual_observables


class Monitor(Config):
    """Negative probabilities are looked for at the end of stretches of a run (there are some twenty), and of points of a sweep.

    Where a motion has such (`td2rdm`, `neural_ode`), to find the lowest takes as long as many of its steps.
    """

    every: NotNegative = Field(default=5, description="stretches from one look to the next; the last is the run's end; 0: never")


class Experiment(AbstractTask):
    """One experiment. Energies are in units of the hopping J, times in hbar/J, lengths in lattice constants."""

    watches: ClassVar[bool] = True  # whether negative probabilities are looked for

    task: Literal["dynamics"] = Field("dynamics", description="what to do")
    model: Model = Field(description="the Hamiltonian")
    time: Time = Field(description="when results are saved")
    initial: Start = Field(description="the state at time.start")
    drive: Drive = Field(NoDrive(), description="an external field")
    methods: Annotated[tuple[Method, ...], NotEmpty] = Field(default_factory=_usual_methods, description="who propagates")
    solver: Solver = Field(Auto(), description="time stepping, for the methods without a solver of their own")
    observables: Annotated[tuple[str, ...], NotEmpty] = Field(
        default_factory=_usual_observables, description="what is saved at every time"
    )
    monitor: Monitor | None = Field(
        None, description="how often one looks for negative probabilities of pairs; after each quarter of a run if not given"
    )
    precision: Literal["double", "single"] = Field("double", description="float64 and complex128, or half of that")
    seed: NotNegative = Field(0, description="fixes every random number")
    sharded: Flag = Field(False, description="share out each state among all local devices along its first index")

    @field_validator("observables")
    @classmethod
    def _audit(cls, observables: tuple[str, ...]) -> tuple[str, ...]:
        """Whoever asks for local energies is told what their balance does not explain."""
        audits = dict.fromkeys(AUDITS[name] for name in observables if name in AUDITS)
        return (*observables, *(audit for audit in audits if audit not in observables))

    @field_validator("initial", mode="wrap")
    @classmethod
    def _complete(cls, initial: Any, validated: Callable[[Any], Any], info: Any) -> Any:
        """The initial model is the model up to time.start, but for the keys that differ; what would still change in it is held.

        What is wrong with the model or the time is reported there.
        """
        kind = initial.get("kind") if isinstance(initial, dict) else None
        if not isinstance(kind, str) or kind not in EQUILIBRIA:
            return _held_still(validated(initial), info)
        if not {"model", "time"} <= info.data.keys():
            return initial
        model = info.data["model"]
        if not isinstance(model, EQUILIBRIA[kind].of):
            require(list(rules.belongs("kind", kind, map(kind_of, family_of(model).starts), model)))
        merged = merge(just_before(model, info.data["time"].start), initial.get("model", {}))
        return _held_still(validated({**initial, "model": merged}), info)

    @model_validator(mode="after")
    def _is_consistent(self):
        if self.monitor is not None and not self.watches:
            require([("monitor", f"must not be there: the task {self.task} looks for no negative probabilities")])
        require(list(rules.broken(self)))
        return self

    @property
    def watched_every(self) -> int:
        """Stretches from one look for negative probabilities to the next; 0: never."""
        return (self.monitor or Monitor()).every

    @property
    def in_stretches(self) -> bool:
        """Whether it is propagated from one stretch of its samples to the next, and not in one."""
        return type(self) is Experiment

    def solver_of(self, method: Method) -> Solver:
        """The solver that a method is propagated with: its own, or the experiment's."""
        return method.solver or self.solver

    def unit(self, name: str) -> str:
        """What stands for a unit of the lattice models in the results of this model."""
        return self.model.unit(name)

    def observable(self, name: str) -> Observable:
        """An observable with the dimensions and the units that it has in the results of this model."""
        known = OBSERVABLES[name]
        dims = tuple(part for dim in known.dims for part in (self.model.axes if dim == "place" else (dim,)))
        return replace(known, dims=dims, units=self.unit(known.units))

    @property
    def changes(self) -> bool:
        """Whether the Hamiltonian changes after time.start."""
        quenched = any(value.changes_after(self.time.start) for _, value in time_dependent(self.model, "model"))
        return quenched or self.drive.kind != "none"


def _held_still(initial: Any, info: Any) -> Any:
    """A start in whose model nothing changes any more: it is the model at time.start."""
    if not isinstance(initial, AbstractEquilibrium) or "time" not in info.data:
        return initial
    model = type(initial.model).model_validate(just_before(initial.model, info.data["time"].start))
    return initial.model_copy(update={"model": model})


def merge(base: Any, changes: Any) -> Any:
    """`base` with `changes`, key by key; what is not a mapping, or is of another kind, is replaced as a whole."""
    if not (isinstance(base, dict) and isinstance(changes, dict)):
        return changes
    if "kind" in changes and changes["kind"] != base.get("kind"):
        return changes
    return {**base, **{key: merge(base.get(key), value) for key, value in changes.items()}}
