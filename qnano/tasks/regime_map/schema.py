"""A regime map: the same quench over a grid of interactions and of traps that are switched off."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from qnano.border import got
from qnano.config.axes import Axis
from qnano.config.base import Config, NotEmpty, Real, require
from qnano.config.values import RealValues
from qnano.families.experiment import Experiment
from qnano.families.hubbard.methods import TD2RDM, Exact, Purification
from qnano.families.hubbard.schema import FermiHubbard, GroundState, Harmonic
from qnano.families.register import Method
from qnano.tasks.study.engines import AbstractStudied

MOST_POINTS = 100_000


class Grid(Config):
    """The axes of a map."""

    interaction: Axis = Field(description="values of U, in J, ascending")
    trap: Axis = Field(description="strengths V of the trap before time.start, ascending, in J per squared lattice constant")

    @model_validator(mode="after")
    def _is_a_grid(self):
        problems = []
        for name, values in self:
            if sorted(set(values)) != list(values):
                problems.append((name, got(values, "must ascend")))
        if (points := len(self.interaction) * len(self.trap)) > MOST_POINTS:
            problems.append(("", f"got {points} points; must be at most {MOST_POINTS}"))
        if 0 in self.interaction:
            problems.append(("interaction", "got 0; must not be among them: nothing is correlated"))
        if min(self.trap) <= 0:
            problems.append(("trap", got(min(self.trap), "must be greater than 0")))
        require(problems)
        return self


class MappedFermiHubbard(FermiHubbard):
    """The model of every point of a map; its interaction is the point's."""

    interaction: RealValues = Field(1.0, exclude=True, description="left out: map.interaction sets it")


CLOSURES = (
    Exact(),
    TD2RDM(label="valdemoro"),
    TD2RDM(label="valdemoro-consistent", contraction_consistent=True),
    TD2RDM(label="nakatsuji-yasuda", closure="nakatsuji_yasuda_smooth", contraction_consistent=True),
    TD2RDM(
        label="nakatsuji-yasuda-purified",
        closure="nakatsuji_yasuda_smooth",
        contraction_consistent=True,
        purification=Purification(tolerance=1e-6, max_iterations=100),
    ),
)


class RegimeMap(Experiment, AbstractStudied):
    """Where closures work and where they fail: one exact method, and others whose two-particle density matrix it judges."""

    watches: ClassVar[bool] = False
    task: Literal["regime_map"] = Field(description="what to do")
    map: Grid = Field(description="the points")
    tolerated: Annotated[Real, Field(gt=0, lt=1)] = Field(0.05, description="relative error of D2 beyond which a closure fails")
    model: MappedFermiHubbard = Field(description="the Hamiltonian after the trap is switched off, but for its interaction")
    initial: GroundState = Field(
        {"kind": "ground_state", "model": {}}, exclude=True, validate_default=True, description="left out: map.trap sets it"
    )
    methods: Annotated[tuple[Method, ...], NotEmpty] = Field(CLOSURES, description="who propagates; one must be exact")
    observables: tuple[str, ...] = Field(("rdm2",), exclude=True, description="left out: a map has its own")

    @model_validator(mode="after")
    def _leaves_to_the_map_what_it_sets(self):
        problems = []
        for key, config, name in (
            ("model.interaction", self.model, "map.interaction sets it"),
            ("initial", self, "map.trap sets it"),
            ("observables", self, "a regime map has its own"),
        ):
            if key.split(".")[-1] in config.model_fields_set:
                problems.append((key, f"{name}; leave it out"))
        exact = sum(method.kind == "exact" for method in self.methods)
        if exact != 1:
            problems.append(("methods", f"got {exact} exact methods; a regime map needs one to measure the others by"))
        require(problems)
        return self

    def at(self, interaction: float, trap: float) -> Experiment:
        """The experiment of one point."""
        after = self.model.model_copy(update={"interaction": interaction})
        before = self.initial.model.model_copy(update={"interaction": interaction, "potential": Harmonic(strength=trap)})
        shared = {name: getattr(self, name) for name in Experiment.model_fields if name not in ("task", "model", "initial")}
        return Experiment(**shared, model=after, initial=GroundState(model=before))
