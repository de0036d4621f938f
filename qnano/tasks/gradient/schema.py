"""The derivative of something measured by the numbers of an experiment.

task: gradient
gradient: {of: "double_occupancy[site=2,time=5.0]", wrt: [model.interaction, "model.hopping[3]"]}
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from qnano.border import got
from qnano.config.base import Config, Flag, NotEmpty, require
from qnano.config.problems import suggestion
from qnano.families.base import Observable
from qnano.families.experiment import Experiment, Monitor
from qnano.families.register import OBSERVABLES
from qnano.families.rules import without

FORM = re.compile(r"(\w+)(?:\[([^\[\]]*)\])?")


@dataclass(frozen=True)
class Selection:
    """An observable, or a part of it: the place that is chosen along some of its dimensions, and the time if one is."""

    observable: Observable
    places: dict[str, int]
    time: float | None

    @property
    def dims(self) -> tuple[str, ...]:
        """The dimensions along which nothing is chosen."""
        chosen = {*self.places, *(() if self.time is None else ("time",))}
        return tuple(dim for dim in self.observable.dims if dim not in chosen)


class Gradient(Config):
    """What is differentiated by what."""

    of: str = Field(description="an observable, or a part of one, such as density[spin=up,site=2,time=5.0]")
    wrt: Annotated[
        tuple[str, ...],
        NotEmpty,
        BeforeValidator(lambda wrt: [wrt] if isinstance(wrt, str) else wrt, json_schema_input_type=str | tuple[str, ...]),
    ] = Field(description="keys of numbers of model, initial and drive, such as model.hopping[3], or all")
    mode: Literal["auto", "forward", "reverse"] = Field("auto", description="forward where there are no more keys than results")
    check: Flag = Field(False, description="compute central differences as well")


class GradientOf(Experiment):
    """An experiment of which something measured is differentiated by its numbers."""

    keeps_given_initial: ClassVar[bool] = True
    task: Literal["gradient"] = Field(description="what to do")
    gradient: Gradient = Field(description="what is differentiated by what")
    monitor: Monitor | None = Field(None, exclude=True, description="without effect")
    observables: tuple[str, ...] = Field((), exclude=True, description="without effect: gradient.of says what is measured")

    @model_validator(mode="after")
    def _measures_what_is_there(self):
        require([("gradient.of", problem) for problem in _problems(self)])
        return self

    @property
    def selection(self) -> Selection:
        """What is differentiated."""
        name, chosen = _parts(self.gradient.of)
        time = chosen.pop("time", None)
        places = {dim: place for dim, label in chosen.items() if (place := _place(label, self.model.labels(dim))) is not None}
        return Selection(self.observable(name), places, None if time is None else float(time))


def _parts(of: str) -> tuple[str, dict[str, str]]:
    """The name of the observable, and the label that is asked for by dimension. Raises `ValueError` for what has another form."""
    found = FORM.fullmatch(of.strip())
    pairs = [part.split("=") for part in found[2].split(",")] if found and found[2] else []
    chosen = {pair[0].strip(): pair[-1].strip() for pair in pairs}
    if not found or any(len(pair) != 2 for pair in pairs) or len(chosen) < len(pairs):
        raise ValueError
    return found[1], chosen


def _place(label: str, labels: Sequence[str]) -> int | None:
    """Where a label is, which may also be the number of its place."""
    if label in labels:
        return list(labels).index(label)
    return int(label) if label.isdecimal() and int(label) < len(labels) else None


def _problems(experiment: GradientOf) -> Iterator[str]:
    try:
        name, chosen = _parts(experiment.gradient.of)
    except ValueError:
        yield got(experiment.gradient.of, "must be an observable, or a part of one such as double_occupancy[site=2,time=5.0]")
        return
    if name not in OBSERVABLES:
        yield got(name, f"must be one of {', '.join(OBSERVABLES)}{suggestion(name, OBSERVABLES)}")
        return
    if problem := without(name, experiment.methods):
        yield got(name, problem)
    dims = experiment.observable(name).dims
    for dim, label in chosen.items():
        if dim not in dims:
            yield got(dim, f"{name} has {', '.join(dims)}{suggestion(dim, dims)}")
        elif dim == "time":
            if not _within(label, experiment.time.start, experiment.time.end):
                span = f"{experiment.time.start:g} and {experiment.time.end:g} (time.start and time.end)"
                yield f"got time={label}; must be a number between {span}"
        elif _place(label, known := experiment.model.labels(dim)) is None:
            allowed = ", ".join(known) if len(known) <= 8 else f"one of {len(known)}, {known[0]} to {known[-1]}"
            yield f"got {dim}={label}; must be {allowed}"


def _within(label: str, first: float, last: float) -> bool:
    try:
        return first <= float(label) <= last
    except ValueError:
        return False
