"""A surrogate of Holstein dynamics: which network, trained on which ensembles, in which stages, judged how.

task: surrogate
network: {kind: single, channels: 16, blocks: 1}
ensembles: [{name: shallow, model: ..., initial: ..., time: ..., trajectories: {train: 8, validation: 2, test: 8}}]
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from qnano.border import got
from qnano.config.base import AbstractTask, Config, Count, NotBelowZero, NotEmpty, NotNegative, Positive, Real, require
from qnano.config.sizes import MOST_LAYERS
from qnano.tasks.ensemble.schema import Ensemble

Share = Annotated[Real, Field(ge=0, lt=1)]
GROUPS = ("train", "validation", "test")


class Single(Config):
    """One convolutional network from the state to its change over an interval, for one Hamiltonian and one interval."""

    kind: Literal["single"] = "single"
    channels: Count = Field(16, description="channels of a layer")
    blocks: Count = Field(1, description="residual blocks")
    dropout: Share = Field(0.0, description="share of channels that are dropped in training")


class Parc(Config):
    """Two such networks: from the state to its derivative, and from that to the change over an interval."""

    kind: Literal["parc"] = "parc"
    channels: Count = Field(32, description="channels of a layer")
    blocks: Count = Field(2, description="residual blocks of each network")
    dropout: Share = Field(0.2, description="share of channels that are dropped in training")


class Generator(Config):
    """A Hermitian generator K, rho -> exp(-iK) rho exp(iK), by a network shared by all sites, couplings and intervals."""

    kind: Literal["generator"] = "generator"
    width: Count = Field(32, description="channels of a layer")
    depth: Annotated[Count, Field(le=MOST_LAYERS)] = Field(2, description="hidden layers")
    reach: Count = Field(3, description="sites over which K goes beyond the hopping")


class Stage(Config):
    """Optimiser steps on windows of one length. The learning rate rises linearly, then falls along a cosine to zero."""

    steps: Count = Field(description="optimiser steps")
    horizon: Count = Field(1, description="intervals that are predicted one after the other")
    noise: NotBelowZero = Field(0.0, description="standard deviation of what is added to rho, Q and P of the first state")
    learning_rate: Positive = Field(1e-3, description="the largest")
    warm_up: NotNegative = Field(50, description="steps in which it rises")


class SurrogateTraining(AbstractTask):
    """Train a surrogate and judge it on the test groups. Energies are in units of the hopping J, times in hbar/J."""

    trains: ClassVar[bool] = True
    task: Literal["surrogate"] = Field(description="what to do")
    network: Annotated[Single | Parc | Generator, Field(discriminator="kind")] = Field(description="what is trained")
    ensembles: Annotated[tuple[Ensemble, ...], NotEmpty] = Field(description="to learn from; groups train, validation, test")
    transfer: tuple[Ensemble, ...] = Field((), description="further ones to judge by, such as another size; group test")
    stages: Annotated[tuple[Stage, ...], NotEmpty] = Field(description="what is done one after the other")
    batch: Count = Field(16, description="windows of each ensemble in a step")
    weight_decay: NotBelowZero = Field(1e-2, description="of AdamW")
    clip: Positive = Field(1.0, description="largest norm of a gradient")
    every: Count = Field(100, description="optimiser steps between two judgements and checkpoints")
    validation: Count = Field(64, description="intervals that are predicted in a judgement")
    horizons: Annotated[tuple[Count, ...], NotEmpty] = Field((100, 1200), description="intervals after which errors are told")
    lags: Count = Field(250, description="intervals over which autocorrelations are compared")
    precision: Literal["double", "single"] = Field("double", description="of trajectories and judgement; networks train in single")
    seed: NotNegative = Field(0, description="fixes every random number")

    @model_validator(mode="after")
    def _is_consistent(self):
        problems = []
        for key in ("ensembles", "transfer"):
            for k, ensemble in enumerate(getattr(self, key)):
                here = f"{key}.{k}"
                needed = GROUPS if key == "ensembles" else ("test",)
                if missing := [group for group in needed if group not in ensemble.trajectories]:
                    problems.append((f"{here}.trajectories", f"has no {missing[0]}; must have {', '.join(needed)}"))
                if ensemble.observables != Ensemble.model_fields["observables"].default:
                    problems.append((f"{here}.observables", "a surrogate has its own; leave it out"))
                sites = ensemble.model.lattice.geometry.sites
                if isinstance(self.network, Generator) and 2 * self.network.reach >= sites:
                    rule = f"must be less than half of the {sites} sites of {here}"
                    problems.append(("network.reach", got(self.network.reach, rule)))
                if ensemble.time.samples % 2 == 0:
                    problems.append((f"{here}.time.samples", got(ensemble.time.samples, "must be odd: every second is halfway")))
                values = (ensemble.model.coupling, ensemble.model.frequency, ensemble.model.eta)
                if any(not isinstance(value, float) for value in values):
                    problems.append((f"{here}.model", "must have one constant coupling, frequency and eta"))
        names = [ensemble.name for ensemble in (*self.ensembles, *self.transfer)]
        if len(set(names)) < len(names):
            problems.append(("ensembles", got(names, "names must differ")))
        if (longest := max(stage.horizon for stage in self.stages)) > (fewest := min(map(intervals, self.ensembles))):
            problems.append(("stages", got(longest, f"horizon must be at most {fewest}, the intervals of the shortest ensemble")))
        require(problems)
        return self


def intervals(ensemble: Ensemble) -> int:
    """How many intervals of a surrogate its trajectories have: every second sample is halfway."""
    return (ensemble.time.samples - 1) // 2
