"""What a training learns from beside its families of quenches: experiments with a draw over their keys.

    model: {kind: fermi_hubbard, lattice: "${model.lattice}", electrons: "${model.electrons}", interaction: 2.0}
    initial: {kind: ground_state}
    drive: {kind: pulse, coupling: peierls, amplitude: 0.5, frequency: 2.0, centre: 2.0, width: 0.5}
    draw: {drive.amplitude: [0.2, 0.4], model.interaction: {linspace: [1.0, 2.0, 3]}}      # six experiments

A draw has the axes of a sweep (`qnano.tasks.sweep.schema`), and its experiments are a sweep's points.
"""

import math
from collections.abc import Iterator
from typing import Any

from pydantic import Field, model_validator

from qnano.config.base import Config, require
from qnano.config.keys import dotted
from qnano.config.values import time_dependent
from qnano.errors import InputError
from qnano.families.drives import Drive, NoDrive
from qnano.families.experiment import Experiment
from qnano.families.hubbard.schema import FermiHubbard
from qnano.tasks.loading import parse
from qnano.tasks.study.axes import places
from qnano.tasks.sweep.places import experiment_at
from qnano.tasks.sweep.schema import Sweep, Swept

SECTIONS = ("model", "initial", "drive")
MOST_DRAWN = 1000  # each is propagated exactly


class Drawn(Config):
    """Experiments which differ in some of their keys."""

    model: FermiHubbard = Field(description="the Hamiltonian, on the lattice and with the electrons of the training's model")
    initial: dict[str, Any] = Field(description="the state at t = 0, as in an experiment")
    drive: Drive = Field(NoDrive(), description="an external field")
    draw: Sweep | None = Field(None, description="keys below model, initial or drive, and their values, as in a sweep")

    @model_validator(mode="after")
    def _is_a_draw(self):
        problems = []
        for key in (key for axis in self.axes for key in axis):
            if dotted(key).split(".")[0] not in SECTIONS:
                problems.append((f"draw.{key}", f"cannot be drawn; must be below {', '.join(SECTIONS[:-1])} or {SECTIONS[-1]}"))
        if self.count > MOST_DRAWN:
            problems.append(("draw", f"got {self.count} experiments; must be at most {MOST_DRAWN}"))
        require(problems)
        return self

    @property
    def axes(self) -> list[dict[str, tuple[Any, ...]]]:
        """The values of each axis by key."""
        return [] if self.draw is None else self.draw.by_key(0)

    @property
    def count(self) -> int:
        """How many experiments there are."""
        return math.prod(len(next(iter(axis.values()))) for axis in self.axes)

    def experiments(self, shared: dict[str, Any]) -> list[Experiment]:
        """All of them; what they have in `shared` is plain data by key. Raises `InputError`, which names the point."""
        given = shared | {
            "model": self.model.model_dump(mode="json", exclude_none=True),
            "initial": self.initial,
            "drive": self.drive.model_dump(mode="json", exclude_none=True),
        }
        drawn = {} if self.draw is None else {"sweep": self.draw.model_dump(mode="json", exclude_none=True)}
        try:
            made = parse(given | drawn)
            assert isinstance(made, Experiment)
            return [experiment_at(made, place) for place in places(made.shape)] if isinstance(made, Swept) else [made]
        except InputError as error:
            raise InputError(str(error).replace("sweep, at ", "draw, at ")) from None


def form(model: FermiHubbard, drive: Drive) -> dict[str, Any]:
    """What must be equal for Hamiltonians to be one array each of their numbers: by key, what is no number, and what changes."""
    found = dict(_flat(model.model_dump(exclude={"lattice", "electrons"}), "model")) | dict(_flat(drive.model_dump(), "drive"))
    return found | {key: "a change in time" for key, value in time_dependent(model, "model") if value.changes_after(0.0)}


def _flat(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    match value:
        case dict():
            for name, entry in value.items():
                yield from _flat(entry, f"{key}.{name}")
        case tuple():
            for k, entry in enumerate(value):
                yield from _flat(entry, f"{key}.{k}")
        case _:
            yield key, "a number" if isinstance(value, int | float | complex) else value


def difference(one: dict[str, Any], other: dict[str, Any]) -> tuple[str, Any, Any] | None:
    """The first key at which two forms differ, and what each has there."""
    keys = (key for key in {**one, **other} if one.get(key, "nothing") != other.get(key, "nothing"))
    return next(((key, one.get(key, "nothing"), other.get(key, "nothing")) for key in keys), None)


def belongs(key: str, experiment: Experiment, system: Any) -> list[tuple[str, str]]:
    """Whether an experiment has the lattice and the electrons of a training."""
    model = experiment.model
    assert isinstance(model, FermiHubbard)
    same = {"lattice": model.lattice.geometry == system.lattice.geometry, "electrons": model.electrons == system.electrons}
    rule = "differs from model.{0}; must be the same (${{model.{0}}}), a training has one"
    return [(f"{key}.model.{name}", rule.format(name)) for name, ok in same.items() if not ok]
