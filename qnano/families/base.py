"""What a model family is: what moves, how it starts, what follows it, what is measured, what it costs, how it is built and drawn.

A family is a folder beside this file and a line in `register`. Its schema, methods, observables, rules and needs never import JAX;
what builds and draws is imported by the two methods of the family that say so.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, final, get_args

import numpy as np
from pydantic import ConfigDict, Field, WithJsonSchema

from qnano.config.base import Config, Label
from qnano.config.sizes import Need
from qnano.config.solvers import Solver

if TYPE_CHECKING:
    import xarray as xr
    from jaxtyping import Array, PyTree
    from matplotlib.figure import Figure

    from qnano.families.curves import Curve
    from qnano.families.experiment import Experiment
    from qnano.propagation import AbstractDynamics

Problems = Iterator[tuple[str, str]]  # a key, and what is wrong with it
Names = Sequence[str]
GRID_LIMITS = ("seam_share", "edge_share")  # what tells of a wave that its grid is too small
NAMES = {"spin": ("up", "down"), "extreme": ("lowest", "highest"), "axis": ("x",)}
BEFORE = "keys of the model that differ before time.start; complete and constant once resolved"


class AbstractModel(Config):
    """A Hamiltonian as a config has it, and what stands along the dimensions of its results."""

    if TYPE_CHECKING:
        kind: str  # a field of each model, at its own place

    key_units: ClassVar[Mapping[str, str]] = {}  # of numbers, by the last word of their key, if not those of `families/units.py`

    @property
    def entries(self) -> Mapping[str, int]:
        """How many values stand at a key where there may be one for all or a list."""
        return {}

    @property
    def axes(self) -> tuple[str, ...]:
        """The dimensions that `place` stands for in an observable."""
        return ()

    @property
    def longest_step(self) -> Any:
        """Beyond which a step of fixed length would mean nothing, where that is known; it may be differentiated by."""
        return None

    def unit(self, name: str) -> str:
        """What stands for a unit of the lattice models in the results of this model."""
        return name

    @abstractmethod
    def count(self, dim: str) -> int:
        """How many entries there are along a dimension other than time; known also where lengths are differentiated by."""

    def names(self, dim: str) -> Names | None:
        """What the entries along a dimension are called, where they are not numbered."""
        return NAMES.get(dim)

    def places(self, dim: str) -> np.ndarray | None:
        """Where the entries along a dimension stand in space, in the model's length."""
        return None

    @final
    def labels(self, dim: str) -> Names:
        """How the entries along a dimension are chosen: by name, by place, or by number."""
        if (names := self.names(dim)) is not None:
            return names
        places = self.places(dim)
        return [f"{place:g}" for place in places] if places is not None else [str(entry) for entry in range(self.count(dim))]


Scheme = Literal["exponential", "splitting", "runge_kutta"]


class AbstractMethod(Config):
    """Who propagates; each is a group of the results, named by its label or else its kind."""

    scheme: ClassVar[Scheme]  # what it steps by where `solver` is auto, and the only kind of solver beside Runge-Kutta that it has
    is_reference: ClassVar[bool] = False  # the others of a run are measured against it
    is_pair: ClassVar[bool] = False  # moves a two-particle density matrix
    tells: ClassVar[tuple[str, ...]] = ()  # what is measured with every run, asked for or not

    kind: str
    label: Label | None = Field(default=None, description="name in the results, if not the kind")
    solver: Solver | None = Field(default=None, description="solver of this method, if not the experiment's")

    @property
    def name(self) -> str:
        return self.label or self.kind


def keys_of(model: type[Config]) -> WithJsonSchema:
    """In the file that is read any of the keys of a model may stand, and none must."""
    return WithJsonSchema({"type": "object", "propertyNames": {"enum": [*model.model_fields]}}, mode="validation")


def _nothing_required(schema: dict[str, Any]) -> None:
    del schema["required"]


class AbstractStart(Config):
    """The state at time.start."""

    if TYPE_CHECKING:
        kind: str  # a field of each start


class AbstractEquilibrium(AbstractStart):
    """A start in the equilibrium of the model as it was before: only the keys that differ are given, and none if none does."""

    # Always complete when it gets here, so that it has no default; the file that is read need not have it.
    model_config = ConfigDict(json_schema_extra=_nothing_required)
    of: ClassVar[type[AbstractModel]]

    if TYPE_CHECKING:
        model: AbstractModel  # a field of each


@dataclass(frozen=True)
class Observable:
    """A named quantity as it is stored: `dims` are its labelled dimensions, time first; `place` stands for the axes of a grid."""

    name: str
    dims: tuple[str, ...]
    units: str
    long_name: str
    methods: tuple[str, ...] = ()  # kinds of those that have it; all of its family if none is named
    accumulated: bool = False  # an integral from the first time on

    @property
    def is_complex(self) -> bool:
        return self.name.startswith("rdm") or self.name == "density_matrix"


class Regime(NamedTuple):
    """What a run may be trusted with, known before it: numbers by name with their units, and warnings in words."""

    numbers: dict[str, tuple[float, str]]
    warnings: list[str]


class Fact(NamedTuple):
    """An array that describes a system, kept beside the results so that figures are drawn from those alone."""

    dims: tuple[str, ...]
    values: np.ndarray
    units: str = "1"
    long_name: str = ""


class Built(NamedTuple):
    """A method as what moves and its first state."""

    dynamics: "AbstractDynamics"
    state: "PyTree[Array]"


Drawn = tuple[str, "Figure", set[str]]  # a figure's name, and which observables are in it


class AbstractFamily(ABC):
    """Models of one kind. All of an experiment that is given to a method belongs to the family."""

    models: ClassVar[tuple[type[AbstractModel], ...]]
    starts: ClassVar[tuple[type[AbstractStart], ...]]
    drives: ClassVar[tuple[str, ...]] = ("none",)  # kinds
    methods: ClassVar[tuple[type[AbstractMethod], ...]]
    usual_methods: ClassVar[tuple[AbstractMethod, ...]]
    observables: ClassVar[tuple[Observable, ...]]
    usual_observables: ClassVar[tuple[str, ...]]
    largest: ClassVar[tuple[str, ...]] = ()  # observables whose largest value is told with the regime
    audits: ClassVar[dict[str, str]] = {}  # what comes along with an observable: what its balance does not explain

    def methods_of(self, model: type[AbstractModel]) -> Iterable[type[AbstractMethod]]:
        """Those of the methods that a model has."""
        return self.methods

    def owned(self) -> Iterator[Observable]:
        """The observables with the methods that have them."""
        every = tuple(kind_of(method) for method in self.methods)
        return (observable if observable.methods else replace(observable, methods=every) for observable in self.observables)

    @abstractmethod
    def broken(self, experiment: "Experiment") -> Problems:
        """What does not hold in an experiment, by key."""

    def warnings(self, experiment: "Experiment") -> Iterator[str]:
        """What speaks against a run before it."""
        return iter(())

    @abstractmethod
    def described(self, experiment: "Experiment") -> Iterator[str]:
        """The system in a line or two."""

    @abstractmethod
    def needs(self, experiment: "Experiment") -> Iterator[Need]:
        """What takes memory beside the results."""

    @abstractmethod
    def state_size(self, experiment: "Experiment", method: AbstractMethod) -> int:
        """How many numbers a state consists of."""

    @abstractmethod
    def operations(self, experiment: "Experiment", method: AbstractMethod) -> float:
        """Of a right-hand side."""

    @abstractmethod
    def steps(self, experiment: "Experiment", method: AbstractMethod) -> float:
        """How many of them solver auto takes, of its own accord."""

    @abstractmethod
    def build(self, experiment: "Experiment") -> list[Built]:
        """Every method with its start. Raises `InputError` for what only the physics can tell."""

    def regime(self, experiment: "Experiment") -> Regime | None:
        """What a run may be trusted with, where that can be told."""
        return None

    def facts(self, experiment: "Experiment") -> Mapping[str, Fact]:
        """What its figures ask for beside the results, by name."""
        return {}

    def figures(self, curves: "list[Curve]", reference: str | None, facts: "xr.Dataset | None") -> "Iterator[Drawn]":
        """What is drawn of this family alone; without `facts`, as a run of an older version has none, what does without."""
        return iter(())


def kind_of(schema: type[Config]) -> str:
    """The name by which a config is told from others."""
    return get_args(schema.model_fields["kind"].annotation)[0]
