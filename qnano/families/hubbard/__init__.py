"""Electrons on a lattice that hop and repel each other: the Fermi-Hubbard model."""

from collections.abc import Iterator, Mapping
from math import cos, exp, isfinite
from typing import TYPE_CHECKING

from qnano.config.sizes import Need, about
from qnano.families.base import AbstractFamily, AbstractMethod, Built, Fact, Problems
from qnano.families.drives import Pulse
from qnano.families.hubbard import needs, rules
from qnano.families.hubbard.methods import TD2RDM, Exact, MeanField, NeuralODE, Pair
from qnano.families.hubbard.observables import AUDITS, OBSERVABLES
from qnano.families.hubbard.schema import FermiHubbard, GroundState, Neel, Occupation

if TYPE_CHECKING:
    import xarray as xr

    from qnano.families.base import Drawn
    from qnano.families.curves import Curve
    from qnano.families.experiment import Experiment

LARGEST_JUMP = 3e-3  # of a Peierls phase: what it does to the energy is of its second order, some 1e-5 J a bond


class Hubbard(AbstractFamily):
    models = (FermiHubbard,)
    starts = (GroundState, Neel, Occupation)
    drives = ("none", "pulse")
    methods = (Exact, TD2RDM, Pair, MeanField, NeuralODE)
    usual_methods = (Exact(),)
    observables = OBSERVABLES
    usual_observables = ("density", "double_occupancy", "energy")
    audits = AUDITS

    def broken(self, experiment: "Experiment") -> Problems:
        return rules.broken(experiment)

    def warnings(self, experiment: "Experiment") -> Iterator[str]:
        """Vector potentials that are not 0 when the motion starts: the initial state knows nothing of them."""
        drive, start = experiment.drive, float(experiment.time.start)
        if not isinstance(drive, Pulse) or drive.coupling != "peierls":
            return
        since = start - float(drive.centre)
        turns = float(drive.frequency) * since + float(drive.phase)
        wave = cos(turns) if isfinite(turns) else 1.0
        jump = float(drive.amplitude) * exp(-0.5 * min(abs(since) / float(drive.width), 1e2) ** 2) * wave
        if abs(jump) > LARGEST_JUMP:
            text = f"drive: the vector potential jumps from 0 to {jump:.3g} at time.start = {start:g}, which kicks the electrons"
            yield f"{text}; it starts from 0 where drive.centre is several drive.width later"

    def described(self, experiment: "Experiment") -> Iterator[str]:
        return described(_model(experiment))

    def needs(self, experiment: "Experiment") -> Iterator[Need]:
        model = _model(experiment)
        yield from needs.of_a_start(experiment, model)
        yield from needs.of_pairs(model, experiment.methods, [experiment.solver_of(method) for method in experiment.methods])

    def state_size(self, experiment: "Experiment", method: AbstractMethod) -> int:
        model = _model(experiment)
        sites = model.lattice.geometry.sites
        if method.kind == "exact":
            return needs.amplitudes(model)
        return sites**4 + needs.moves_three(method) * sites**6 if method.is_pair else 2 * sites**2

    def operations(self, experiment: "Experiment", method: AbstractMethod) -> float:
        purified = isinstance(method, TD2RDM) and method.purification is not None
        each = needs.operations(method.kind, _model(experiment), is_pair=method.is_pair, has_three=needs.moves_three(method))
        return each * (20 if purified else 1)

    def steps(self, experiment: "Experiment", method: AbstractMethod) -> float:
        span = float(experiment.time.end) - float(experiment.time.start)
        purified = method.purification if isinstance(method, TD2RDM) else None
        every = span / purified.every if purified else 0.0
        many = method.kind == "exact" and experiment.changes
        return max(float(experiment.time.samples), every, span * needs.pace(_model(experiment))) * (4 if many else 1)

    def build(self, experiment: "Experiment") -> list[Built]:
        from qnano.families.hubbard.build import build

        return build(experiment, _model(experiment))

    def facts(self, experiment: "Experiment") -> Mapping[str, Fact]:
        return _model(experiment).facts()

    def figures(self, curves: "list[Curve]", reference: str | None, facts: "xr.Dataset | None") -> "Iterator[Drawn]":
        from qnano.families.hubbard.figures import figures

        return figures(curves, reference, facts)


def described(system: needs.System) -> Iterator[str]:
    """Lattice and electrons, of an experiment or of a training, in words."""
    lattice, electrons = system.lattice.geometry, dict(system.electrons)
    yield f"lattice: {system.lattice.kind}, {lattice.sites} sites, {len(lattice.bonds)} bonds"
    count = about(needs.amplitudes(system))
    yield f"electrons: {electrons['up']} up, {electrons['down']} down; {count} amplitudes of the wavefunction"


def _model(experiment: "Experiment") -> FermiHubbard:
    assert isinstance(experiment.model, FermiHubbard)
    return experiment.model
