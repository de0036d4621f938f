"""An ensemble: one Holstein experiment from many random starts, in groups such as train, validation and test.

task: ensemble
trajectories: {train: 64, validation: 4, test: 64}
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from qnano.border import got
from qnano.config.base import Count, Flag, NotBelowZero, NotEmpty, require
from qnano.families.experiment import Experiment
from qnano.families.holstein.schema import Holstein
from qnano.tasks.study.engines import AbstractStudied


class Ensemble(Experiment, AbstractStudied):
    """Trajectories that differ in their noise and, if `phases`, in when they are sampled; the data sets of surrogates.

    Time is counted from the end of `discard`. Trajectory k of n is sampled k / n intervals later than the first, so that a group
    sees every phase of a periodic motion.
    """

    watches: ClassVar[bool] = False
    task: Literal["ensemble"] = Field("ensemble", description="what to do")
    model: Holstein = Field(description="the Hamiltonian")
    trajectories: Annotated[dict[str, Count], NotEmpty] = Field(description="how many, by the name of their group")
    discard: NotBelowZero = Field(0.0, description="time between the start and the first sample, in hbar/J")
    phases: Flag = Field(True, description="shift the samples of each trajectory by another share of an interval")
    batch: Count = Field(8, description="trajectories that are computed together, at most")
    stored: Literal["double", "single"] = Field("single", description="precision of what is written")
    observables: Annotated[tuple[str, ...], NotEmpty] = Field(
        ("density_matrix", "displacement", "momentum"), description="what is saved at every time"
    )

    @model_validator(mode="after")
    def _is_one_program(self):
        problems = []
        if len(self.methods) > 1:
            problems.append(("methods", f"got {len(self.methods)}; must be one"))
        if self.time.start != 0:
            problems.append(("time.start", got(self.time.start, "must be 0, since it is counted from the end of discard")))
        if self.sharded:
            problems.append(("sharded", got(True, "must be false in an ensemble")))
        if self.stored == "double" and self.precision == "single":
            problems.append(("stored", got(self.stored, "must be single, as what is computed, in single precision")))
        if bad := [name for name in self.trajectories if not name.isidentifier()]:
            problems.append(("trajectories", got(bad[0], "names of groups must be words")))
        require(problems)
        return self

    @property
    def interval(self) -> float:
        """Time between two samples."""
        return self.time.end / (self.time.samples - 1)
