"""A sweep: one experiment at many values of its keys.

sweep:
  model.interaction: {linspace: [0.0, 4.0, 17]}              # an axis; several axes are multiplied
  zip: {model.lattice.sites: [4, 6], model.electrons.up: [2, 3], model.electrons.down: [2, 3]}   # one axis, keys together
  draw: {count: 64, kind: latin_hypercube, ranges: {model.hopping: [0.8, 1.2]}}                  # one axis, at random
"""

import math
from collections import Counter
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import ConfigDict, Field, model_validator

from qnano.border import got
from qnano.config.axes import MOST_VALUES, AnyAxis
from qnano.config.base import Config, Count, Real, require
from qnano.config.keys import dotted
from qnano.families.experiment import Experiment
from qnano.families.register import OBSERVABLES
from qnano.tasks.study.engines import AbstractStudied

# Dimensions of the results that a swept key must not be named like.
TAKEN = {dim for observable in OBSERVABLES.values() for dim in observable.dims} | {"invariant", "status", "stop_time"}
MOST_POINTS = 1_000_000
SHARED = ("time.start", "time.end", "time.samples", "observables", "name", "task", "precision", "sharded")


class Draw(Config):
    """Random points, fixed by the experiment's seed."""

    count: Annotated[Count, Field(le=MOST_VALUES)] = Field(description="number of points")
    kind: Literal["uniform", "latin_hypercube"] = Field("uniform", description="independent, or evenly spread along every key")
    ranges: Annotated[dict[str, tuple[Real, Real]], Field(min_length=1)] = Field(description="lowest and highest value by key")

    @model_validator(mode="after")
    def _ascends(self):
        require([(f"ranges.{key}", got(ends, "must ascend")) for key, ends in self.ranges.items() if not ends[0] < ends[1]])
        return self

    def values(self, seed: int) -> dict[str, tuple[float, ...]]:
        """The drawn values of each key."""
        import numpy as np
        from scipy.stats import qmc

        generator = np.random.default_rng(seed)
        shape = (self.count, len(self.ranges))
        if self.kind == "latin_hypercube":
            unit = qmc.LatinHypercube(shape[1], rng=generator).random(self.count)
        else:
            unit = generator.random(shape)
        return {
            key: tuple((low + (high - low) * column).tolist())
            for (key, (low, high)), column in zip(self.ranges.items(), unit.T, strict=True)
        }


class SweptAxis(NamedTuple):
    """A dimension of the results and what its keys are along it, all equally long."""

    name: str
    values: dict[str, tuple[Any, ...]]

    @property
    def size(self) -> int:
        return len(next(iter(self.values.values())))


class Sweep(Config):
    """Axes by dotted key, multiplied with each other."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, AnyAxis]
    zip: dict[str, AnyAxis] | None = Field(None, description="keys that change together, as one axis")
    draw: Draw | None = Field(None, description="keys that are drawn at random, as one axis")

    @model_validator(mode="after")
    def _is_a_sweep(self):
        problems = []
        keys = [dotted(key) for axis in self.by_key(0) for key in axis]
        if not keys:
            problems.append(("", "empty; must have at least one key, such as model.interaction: [1.0, 2.0]"))
        for key, times in Counter(keys).items():
            if times > 1:
                problems.append((key, "must be swept once"))
            if inside := [other for other in keys if other.startswith(f"{key}.")]:
                problems.append((key, f"holds {inside[0]}, which is swept too: one of the two would be lost"))
            if key.split(".")[0] in SHARED or key in SHARED:
                problems.append((key, "cannot be swept: the points of a sweep share it"))
        if self.zip is not None and len({len(values) for values in self.zip.values()}) > 1:
            lengths = ", ".join(f"{len(values)} for {key}" for key, values in self.zip.items())
            problems.append(("zip", f"got {lengths}; must be equally many values"))
        require(problems)
        return self

    def by_key(self, seed: int) -> list[dict[str, tuple[Any, ...]]]:
        """The values of every axis by key; the axes in the order of the results' dimensions."""
        axes: list[dict[str, tuple[Any, ...]]] = [{key: values} for key, values in (self.__pydantic_extra__ or {}).items()]
        if self.zip:
            axes.append(self.zip)
        if self.draw:
            axes.append(self.draw.values(seed))
        return axes

    def axes(self, seed: int) -> list[SweptAxis]:
        """The axes: each named by its first key's last word, or by the whole key where that is taken; draws by `draw`."""
        found = self.by_key(seed)
        names = ["draw" if self.draw and axis is found[-1] else next(iter(axis)) for axis in found]
        return [SweptAxis(name, axis) for name, axis in zip(short(names), found, strict=True)]


def short(keys: list[str]) -> list[str]:
    """The last word of each key, or all of a key whose last word is a number, another key's or one of the results' own."""
    last = [dotted(key).split(".")[-1] for key in keys]
    free = [word not in TAKEN and not word.isdecimal() and last.count(word) == 1 for word in last]
    return [word if ok else dotted(key) for key, word, ok in zip(keys, last, free, strict=True)]


class Swept(Experiment, AbstractStudied):
    """An experiment at many values of its keys, with results over all of them."""

    keeps_given_initial: ClassVar[bool] = True
    sweep: Sweep = Field(description="keys and their values")

    @model_validator(mode="after")
    def _is_possible(self):
        require([("sharded", got(True, "must be false in a sweep, which shares out its points"))] if self.sharded else [])
        if (points := math.prod(self.shape)) > MOST_POINTS:
            require([("sweep", f"got {points} points; must be at most {MOST_POINTS}")])
        return self

    @cached_property
    def axes(self) -> list[SweptAxis]:
        return self.sweep.axes(self.seed)

    @property
    def shape(self) -> tuple[int, ...]:
        """How many points along each axis."""
        return tuple(axis.size for axis in self.axes)
