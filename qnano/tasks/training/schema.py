"""A training: which learner, on which exact trajectories, in which stages.

A quench begins in the ground state of the lattice in a potential of some family, which is switched off at t = 0: shorthand for
experiments of one kind. All others are drawn (`draws`).
"""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from qnano.border import got
from qnano.config.axes import Axis
from qnano.config.base import AbstractTask, Config, Count, FilePath, Flag, NotEmpty, NotNegative, Positive, Real, require
from qnano.config.lattices import AnyLattice
from qnano.config.sizes import MOST_LAYERS
from qnano.config.solvers import Time
from qnano.errors import InputError
from qnano.families.drives import NoDrive
from qnano.families.experiment import Experiment
from qnano.families.hubbard.schema import Electrons, FermiHubbard
from qnano.tasks.training.draws import Drawn, belongs, difference, form

Base = Literal["valdemoro", "nakatsuji_yasuda"] | None


class Blend(Config):
    """The Nakatsuji-Yasuda cumulant times a factor: one number, or a network of bulk invariants where `width` is not 0."""

    kind: Literal["blend"] = "blend"
    width: NotNegative = Field(0, description="neurons of a layer; 0: the factor is a number")
    depth: Annotated[Count, Field(le=MOST_LAYERS)] = Field(1, description="hidden layers")


class Features(Config):
    """What a network sees of the density around a site, on chains, rectangles and boxes: projections of it and of its 1/r^p."""

    exponent: Annotated[Count, Field(le=6)] = Field(1, description="p")
    radial: Annotated[Count, Field(le=8)] = Field(3, description="radial functions; n of them make n (n + 2) inputs")
    width: Annotated[Real, Field(gt=0)] = Field(1.0, description="of the radial functions, in lattice constants")


class Equivariant(Config):
    """Covariant terms with coefficients from a network that all sites share: trained small, run large."""

    kind: Literal["equivariant"] = "equivariant"
    base: Base = Field(default=None, description="a closure to which the network adds")
    width: Count = Field(default=16, description="neurons of a layer")
    dissipative: Flag = Field(default=False, description="complex coefficients, which break the symmetry under reversal of time")
    features: Features | None = Field(default=None, description="local and long-range inputs of the network; none if not given")


class Products(Config):
    """Learned mixes of all that is of second order in the cumulant: trained small, run large."""

    kind: Literal["products"] = "products"
    mixes: Count = Field(16, description="mixes of channels, of each of two kinds")
    width: Count = Field(16, description="neurons of the layer that looks at sites")


class Dense(Config):
    """A dense network from all numbers of D2 to all of the collision element, for one size."""

    kind: Literal["dense"] = "dense"
    base: Base = Field(None, description="a closure to which the network adds")
    width: Count = Field(64, description="neurons of a layer")
    depth: Annotated[Count, Field(le=MOST_LAYERS)] = Field(2, description="hidden layers")


class Modes(Config):
    """A closure with memory: hidden modes that are fed by the covariant terms, oscillate and decay."""

    kind: Literal["modes"] = "modes"
    local: Annotated[Equivariant | Dense, Field(discriminator="kind")] = Field(Equivariant(), description="what it adds to")
    modes: Count = Field(4, description="number of modes")


class ThreeBody(Config):
    """A closure with memory: the three-particle cumulant moves by its own equation, and is pulled to a closure without memory."""

    kind: Literal["three_body"] = "three_body"
    pull: Positive = Field(0.3, description="rate of the pull where the training begins, in J/hbar")
    width: NotNegative = Field(0, description="neurons of a layer of the pull's network; 0: the pull is a number")
    depth: Annotated[Count, Field(le=MOST_LAYERS)] = Field(1, description="hidden layers")


class BlackBox(Config):
    """A dense network as the whole right-hand side of D2, for one size and one Hamiltonian."""

    kind: Literal["black_box"] = "black_box"
    width: Count = Field(128, description="neurons of a layer")
    depth: Annotated[Count, Field(le=MOST_LAYERS)] = Field(2, description="hidden layers")
    rate: Positive = Field(1.0, description="scale of the network's output, in J/hbar")


Learner = Annotated[Blend | Equivariant | Products | Dense | Modes | ThreeBody | BlackBox, Field(discriminator="kind")]


class Family(Config):
    """Quenches of every strength with every interaction."""

    family: Literal["trap", "tilt", "staggered", "random"] = Field(description="the potential before the quench")
    strengths: Axis = Field(description="its strength, in J, per squared (trap) or per (tilt) lattice constant")
    interactions: Axis = Field(description="values of U, in J")

    @property
    def count(self) -> int:
        """How many quenches there are."""
        return len(self.strengths) * len(self.interactions)


def _which(entry: Any) -> str:
    drawn = isinstance(entry, Drawn) or (isinstance(entry, dict) and Drawn.model_fields.keys() & entry.keys())
    return "drawn" if drawn else "family"


Data = Annotated[Annotated[Family, Tag("family")] | Annotated[Drawn, Tag("drawn")], Discriminator(_which)]


def tilts_jump(lattice: AnyLattice, families: tuple[Family | Drawn, ...], key: str) -> list[tuple[str, str]]:
    """Quenches from a tilted lattice which is closed along the tilt."""
    quenches = ((k, family) for k, family in enumerate(families) if isinstance(family, Family))
    tilted = [k for k, family in quenches if family.family == "tilt" and any(family.strengths)]
    if not (tilted and lattice.geometry.closed[0]):
        return []
    rule = "would jump where model.lattice closes along axis 0; must be another family, or an open lattice"
    return [(f"{key}.{k}.family", got("tilt", rule)) for k in tilted]


class Stage(Config):
    """Steps of one kind: velocities along exact paths, or propagations through windows of them."""

    kind: Literal["velocity", "rollout"] = Field(description="what is compared")
    steps: Count = Field(description="optimiser steps")
    learning_rate: Positive = Field(1e-2, description="where the learning rate begins; it falls to a tenth along a cosine")
    batch: Count = Field(8, description="windows in a step")
    horizon: Count = Field(10, description="samples of a window after its first (rollout)")
    anywhere: Flag = Field(True, description="windows begin at any time, or at the first alone (rollout)")


class SmallSystem(Config):
    """Where the training happens; hopping J = 1."""

    lattice: AnyLattice = Field(description="sites and bonds")
    electrons: Electrons = Field(description="numbers of electrons")

    def no_singlet(self) -> Iterator[tuple[str, str]]:
        """What keeps its electrons from being one, which the up-down block of D2 stands for."""
        up, down = self.electrons.up, self.electrons.down
        if up != down or not 0 < up < self.lattice.geometry.sites:
            yield "model.electrons", f"got {up} up and {down} down; must be equal, for a singlet"


class Training(AbstractTask):
    """Train a learner through the equation of motion of TD2RDM. Energies are in units of the hopping J, times in hbar/J."""

    trains: ClassVar[bool] = True
    task: Literal["training"] = Field(description="what to do")
    model: SmallSystem = Field(description="the system")
    learner: Learner = Field(description="what is trained")
    time: Time = Field(description="the window of training, and its samples")
    train: Annotated[tuple[Data, ...], NotEmpty] = Field(description="quenches, or other experiments, to learn from")
    held_out: Annotated[tuple[Data, ...], NotEmpty] = Field(
        description="quenches, or other experiments, to judge by, best of other families or interactions"
    )
    dataset: FilePath | None = Field(
        None, description="folder that keeps the exact trajectories: written by the first training, read by later ones"
    )
    judged_until: Positive | None = Field(None, description="held-out quenches are propagated so far; time.end if not given")
    stages: Annotated[tuple[Stage, ...], NotEmpty] = Field(description="what is done one after the other")
    substeps: Count = Field(1, description="steps of RK4 between two samples")
    clip: Positive = Field(1.0, description="largest norm of a gradient")
    every: Count = Field(20, description="optimiser steps between two judgements and checkpoints")
    patience: Count = Field(1_000_000, description="judgements in a row that bring nothing better before the training ends")
    observables: dict[str, Real] = Field({}, description="weights of observables in the loss of rollouts, beside D2")
    invariants: dict[str, Real] = Field({}, description="weights of the drifts of invariants in the loss of rollouts")
    precision: Literal["double", "single"] = Field("double", description="float64 and complex128, or half of that")
    seed: NotNegative = Field(0, description="fixes every random number")

    @model_validator(mode="after")
    def _is_consistent(self):
        problems = list(self.model.no_singlet())
        key, closure = ("learner.local", self.learner.local) if self.learner.kind == "modes" else ("learner", self.learner)
        if getattr(closure, "features", None) is not None:
            try:
                _ = self.model.lattice.geometry.box
            except ValueError:
                rule = "must be a chain, rectangle or box for learned closures with features"
                problems.append(("model.lattice", got(self.model.lattice.kind, f"{rule} ({key}.features)")))
        for k, stage in enumerate(self.stages):
            if stage.kind == "rollout" and stage.horizon >= self.time.samples:
                rule = f"must be less than time.samples ({self.time.samples})"
                problems.append((f"stages.{k}.horizon", got(stage.horizon, rule)))
        if self.judged_until is not None and self.judged_until < self.time.end:
            problems.append(("judged_until", got(self.judged_until, f"must be at least time.end ({self.time.end:g})")))
        for key in ("train", "held_out"):
            problems += tilts_jump(self.model.lattice, getattr(self, key), key)
        if self.time.start != 0:
            problems.append(("time.start", got(self.time.start, "must be 0, when the potential is switched off")))
        require(problems)
        require([problem for part in ("train", "held_out") for problem in self._undrawable(part)])
        return self

    def samples(self, part: str) -> int:
        """How many samples a part of the data has, equally far apart."""
        interval = self.time.end / (self.time.samples - 1)
        until = (self.judged_until or self.time.end) if part == "held_out" else self.time.end
        return round(until / interval) + 1

    def experiments(self, part: str, k: int) -> list[Experiment]:
        """Those of the entry `k` of a part, which must be a draw. Raises `InputError`, which names the entry and the point."""
        entry, samples = getattr(self, part)[k], self.samples(part)
        interval = self.time.end / (self.time.samples - 1)
        shared = {
            "name": "drawn",
            "time": {"end": interval * (samples - 1), "samples": samples},
            # Of the second, no more than that its step resolves what is drawn.
            "methods": ["exact", {"kind": "td2rdm", "solver": {"kind": "rk4", "dt": interval / self.substeps}}],
            "observables": ["density"],
            "precision": self.precision,
            "seed": self.seed + k,
        }
        try:
            return entry.experiments(shared)
        except InputError as error:
            lines = str(error).replace("a solver with a smaller dt", "more substeps").splitlines()
            raise InputError("\n".join(f"{part}.{k}.{line}" for line in lines)) from None

    def _undrawable(self, part: str) -> Iterator[tuple[str, str]]:
        """What is wrong with the draws of a part: points that cannot be, others than a training has, Hamiltonians of two forms."""
        entries = getattr(self, part)
        if all(isinstance(entry, Family) for entry in entries):
            return
        if self.learner.kind == "black_box":
            yield "learner.kind", got("black_box", f"must be another for {part}, whose Hamiltonians differ: it is told of none")
        first: tuple[str, dict[str, Any]] | None = None
        for k, entry in enumerate(entries):
            key = f"{part}.{k}"
            if isinstance(entry, Family):
                here = [(key, FermiHubbard(kind="fermi_hubbard", interaction=0.0, **dict(self.model)), NoDrive())]
            else:
                try:
                    found = self.experiments(part, k)
                except InputError as error:
                    yield from ((line.partition(": ")[0], line.partition(": ")[2]) for line in str(error).splitlines())
                    continue
                if problems := next(filter(None, (belongs(key, one, self.model) for one in found)), None):
                    yield from problems
                    continue
                if "energy" in self.invariants and any(one.changes for one in found):
                    rule = f"must not be there, since the Hamiltonian of {key} changes"
                    yield "invariants.energy", got(self.invariants["energy"], rule)
                here = [(key, one.model, one.drive) for one in found if isinstance(one.model, FermiHubbard)]
            for key, model, drive in here:
                first = first or (key, form(model, drive))
                if unlike := difference(form(model, drive), first[1]):
                    where, mine, other = unlike
                    rule = f"must be alike, since the Hamiltonians of {part} differ in numbers alone"
                    yield f"{key}.{where}", f"got {mine}, where {first[0]} has {other}; {rule}"
                    break
