"""An evaluation: how far motions of D2, learned and classical, are from the exact one, beside forecasts that know no physics."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from qnano.border import got
from qnano.config.base import Count, NotEmpty, NotNegative, Positive, Real, require
from qnano.config.solvers import EXACT_SOLVERS, SPLIT_SOLVERS, Time
from qnano.errors import InputError
from qnano.families.experiment import Experiment
from qnano.families.register import Method
from qnano.tasks.loading import parse
from qnano.tasks.study.engines import AbstractStudied
from qnano.tasks.training.draws import Drawn, belongs
from qnano.tasks.training.schema import Data, Family, SmallSystem, tilts_jump

Forecast = Literal["dmd", "hankel_dmd", "persistence", "mean"]
JUDGED = ("td2rdm", "pair", "mean_field", "neural_ode")


class Evaluation(AbstractStudied):
    """Judge methods on quenches that they have not seen, and beyond their window. Energies in J, times in hbar/J."""

    task: Literal["evaluation"] = Field(description="what to do")
    model: SmallSystem = Field(description="the system")
    quenches: Annotated[tuple[Data, ...], NotEmpty] = Field(description="quenches, or other experiments, to judge the methods on")
    window: Positive = Field(description="how far learned motions were trained, and what a forecast sees of every quench")
    time: Time = Field(description="how far everything is propagated, and the samples")
    methods: Annotated[tuple[Method, ...], NotEmpty] = Field(description="motions of D2")
    forecasts: tuple[Forecast, ...] = Field(("dmd", "hankel_dmd", "persistence", "mean"), description="and what knows no physics")
    rank: Count = Field(20, description="singular vectors of a DMD")
    delays: Count = Field(10, description="samples that a Hankel-DMD stacks")
    tolerated: Annotated[Real, Field(gt=0, lt=1)] = Field(0.05, description="relative error of D2 beyond which a method has failed")
    precision: Literal["double", "single"] = Field("double", description="float64 and complex128, or half of that")
    seed: NotNegative = Field(0, description="fixes the random potentials")

    @model_validator(mode="after")
    def _is_consistent(self):
        problems = list(self.model.no_singlet())
        problems += tilts_jump(self.model.lattice, self.quenches, "quenches")
        if self.time.start != 0:
            problems.append(("time.start", got(self.time.start, "must be 0, when the potential is switched off")))
        if not self.window < self.time.end:
            problems.append(("window", got(self.window, f"must be less than time.end ({self.time.end:g})")))
        seen = int(self.window / (self.time.end / (self.time.samples - 1)) + 1e-9) + 1
        if "dmd" in self.forecasts and seen < 3:
            problems.append(("time.samples", got(self.time.samples, f"at least 3 must lie in the window (0, {self.window:g})")))
        elif "hankel_dmd" in self.forecasts and seen < self.delays + 2:
            problems.append(("delays", got(self.delays, f"must be at most {seen - 2}, for {seen} samples in the window")))
        for k, name in enumerate(self.forecasts):
            if name in self.forecasts[:k]:
                problems.append((f"forecasts.{k}", got(name, "must be named once")))
        names = [method.name for method in self.methods]
        for k, method in enumerate(self.methods):
            if method.kind not in JUDGED:
                problems.append((f"methods.{k}.kind", got(method.kind, f"must be one of {', '.join(JUDGED)}")))
            if method.solver is not None and method.solver.kind in (*EXACT_SOLVERS, *SPLIT_SOLVERS):
                rule = "must be one that takes steps of any equation, such as tsit5"
                problems.append((f"methods.{k}.solver.kind", got(method.solver.kind, rule)))
            if method.name in (*names[:k], *self.forecasts, "exact"):  # what all are measured by
                problems.append((f"methods.{k}", f"several are named {method.name}; give each a label of its own"))
        require(problems)
        require(list(dict.fromkeys(problem for k in range(len(self.quenches)) for problem in self._wrong(k))))
        return self

    @property
    def shared(self) -> dict[str, Any]:
        """What the experiments have in common, as plain data; the exact method comes last: others keep their numbers."""
        methods = [method.model_dump(mode="json", exclude_none=True) for method in self.methods]
        return {
            "name": "judged",
            "time": self.time.model_dump(mode="json"),
            "methods": [*methods, "exact"],
            "observables": ["rdm2"],
            "precision": self.precision,
            "seed": self.seed,
        }

    def quenched(self, interaction: float, potential: Sequence[float]) -> Experiment:
        """The experiment that begins in the ground state in a `potential` (J, by site). Raises `InputError` where it cannot be."""
        before = {"potential": {"kind": "values", "values": list(potential)}}
        model = {"kind": "fermi_hubbard", "interaction": interaction, **self.model.model_dump(mode="json")}
        made = parse(self.shared | {"model": model, "initial": {"kind": "ground_state", "model": before}})
        assert isinstance(made, Experiment)
        return made

    def drawn(self, k: int) -> list[Experiment]:
        """Those of the entry `k`, which must be a draw. Raises `InputError`, which names the entry and the point."""
        entry = self.quenches[k]
        assert isinstance(entry, Drawn)
        try:
            return entry.experiments(self.shared)
        except InputError as error:
            raise InputError("\n".join(f"quenches.{k}.{line}" for line in str(error).splitlines())) from None

    def _wrong(self, k: int) -> Iterator[tuple[str, str]]:
        """What is wrong with a draw, or with what is done on quenches, whatever their potential."""
        entry = self.quenches[k]
        try:
            if isinstance(entry, Family):
                self.quenched(max(entry.interactions, key=abs), [0.0] * self.model.lattice.geometry.sites)
                return
            found = self.drawn(k)
        except InputError as error:
            yield from ((line.partition(": ")[0], line.partition(": ")[2]) for line in str(error).splitlines())
            return
        yield from next(filter(None, (belongs(f"quenches.{k}", one, self.model) for one in found)), ())
