"""A few particles in one to three dimensions on a grid, driven by a field or a bias."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from qnano.config.sizes import COMPLEX, Need, about
from qnano.config.solvers import Fixed
from qnano.families.base import AbstractMethod, Built, Fact, Problems, Regime
from qnano.families.in_space import spread
from qnano.families.on_grid import AbstractOnGrid
from qnano.families.packets import packet_warnings
from qnano.families.particles import rules
from qnano.families.particles.absorption import returned
from qnano.families.particles.methods import Wave
from qnano.families.particles.observables import AUDITS, HYDRODYNAMIC, OBSERVABLES
from qnano.families.particles.resolution import features, there_twice, turned
from qnano.families.particles.schema import Eigenstates, ParticlesModel, Relaxed, WavePackets
from qnano.families.resolution import hardly_resolved

if TYPE_CHECKING:
    import xarray as xr

    from qnano.families.base import Drawn
    from qnano.families.curves import Curve
    from qnano.families.experiment import Experiment

BALANCED = {*AUDITS, *HYDRODYNAMIC, "power", "work"}  # what asks for the terms of a balance


class Particles(AbstractOnGrid):
    models = (ParticlesModel,)
    starts = (WavePackets, Eigenstates, Relaxed)
    drives = ("none", "pulse", "oscillation", "bias", "sum")
    methods = (Wave,)
    usual_methods = (Wave(),)
    observables = OBSERVABLES
    usual_observables = ("particle_density", "position", "spread", "energy")
    audits = AUDITS

    def broken(self, experiment: "Experiment") -> Problems:
        return rules.broken(experiment)

    def warnings(self, experiment: "Experiment") -> Iterator[str]:
        """Packets of which a little is cut off, shapes that are there twice, lengths near the grid's spacing, absorbers that
        reflect, steps that turn waves by more than pi."""
        model, initial, time = _model(experiment), experiment.initial, experiment.unit("hbar/J")
        if isinstance(initial, WavePackets):
            for key, *numbers in rules.wave_packets(model, initial):
                yield from packet_warnings(key, *numbers)
        yield from there_twice(model)
        yield from dict.fromkeys(hardly_resolved(features(model, experiment.drive)))
        yield from dict.fromkeys(returned(model, initial))
        longest = model.longest_step
        steps = [getattr(experiment.solver_of(method), "dt", longest) for method in experiment.methods]
        yield from turned(model, max(steps))
        for method in experiment.methods:
            dt = solver.dt if isinstance(solver := experiment.solver_of(method), Fixed) else 0.0
            if dt > longest:
                text = f"{method.name} steps by {dt:.3g}, more than pi hbar / T_max = {longest:.3g} {time}".removesuffix(" 1")
                yield f"{text}: the local balance may be wrong though norm and total energy look right"

    def described(self, experiment: "Experiment") -> Iterator[str]:
        model = _model(experiment)
        lengths, points = (" x ".join(f"{value:.4g}" for value in values) for values in (model.lengths, model.points))
        yield f"particles: {model.particles}; box {lengths} {model.unit('length')}".removesuffix(" 1") + f", {points} points"

    def needs(self, experiment: "Experiment") -> Iterator[Need]:
        """The waves and potentials of a step; balances, which are made of gradients along every axis; the vectors of the search for
        eigenstates."""
        model = _model(experiment)
        waves = 12 + 20 * len(getattr(experiment.initial, "coefficients", ()))
        waves += 10 * len(model.axes) if not BALANCED.isdisjoint(experiment.observables) else 0
        yield "model.points", f"{about(model.size)} points of the wave", waves * COMPLEX * model.size, ""

    def state_size(self, experiment: "Experiment", method: AbstractMethod) -> int:
        return _model(experiment).size

    def build(self, experiment: "Experiment") -> list[Built]:
        from qnano.families.particles.build import build

        return build(experiment)

    def regime(self, experiment: "Experiment") -> Regime:
        from qnano.families.particles.build import regime

        return regime(experiment)

    def facts(self, experiment: "Experiment") -> Mapping[str, Fact]:
        model = _model(experiment)
        ends = {"low": "lowest", "high": "highest"}
        return {
            f"region_{end}": Fact(
                ("region", "axis"),
                np.array([[float(x) for x in spread(getattr(region, end), len(model.axes))] for region in model.regions.values()]),
                model.unit("length"),
                f"{word} place of a region",
            )
            for end, word in ends.items()
            if model.regions
        }

    def figures(self, curves: "list[Curve]", reference: str | None, facts: "xr.Dataset | None") -> "Iterator[Drawn]":
        from qnano.families.particles.figures import figures

        return figures(curves, facts)


def _model(experiment: "Experiment") -> ParticlesModel:
    assert isinstance(experiment.model, ParticlesModel)
    return experiment.model
