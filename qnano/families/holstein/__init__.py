"""Electrons with classical phonons: the semiclassical Holstein model."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from qnano.config.sizes import COMPLEX, Need
from qnano.families.base import AbstractFamily, AbstractMethod, Built, Fact, Problems
from qnano.families.holstein.methods import DensityMatrix, Orbitals
from qnano.families.holstein.observables import OBSERVABLES
from qnano.families.holstein.schema import Holstein as Model
from qnano.families.holstein.schema import Thermal

if TYPE_CHECKING:
    import xarray as xr

    from qnano.families.base import Drawn
    from qnano.families.curves import Curve
    from qnano.families.experiment import Experiment


class Holstein(AbstractFamily):
    models = (Model,)
    starts = (Thermal,)
    methods = (Orbitals, DensityMatrix)
    usual_methods = (Orbitals(),)
    observables = OBSERVABLES
    usual_observables = ("charge_order", "lattice_order", "energy")

    def broken(self, experiment: "Experiment") -> Problems:
        initial = experiment.initial
        assert isinstance(initial, Thermal)
        if initial.model.lattice != _model(experiment).lattice:
            yield "initial.model.lattice", "differs from model.lattice; must be the same before and after"

    def described(self, experiment: "Experiment") -> Iterator[str]:
        model = _model(experiment)
        lattice = model.lattice.geometry
        yield f"lattice: {model.lattice.kind}, {lattice.sites} sites, {len(lattice.bonds)} bonds"
        yield f"electrons: {lattice.sites // 2}, spinless, and {lattice.sites} classical oscillators"

    def needs(self, experiment: "Experiment") -> Iterator[Need]:
        model = _model(experiment)
        yield "model.lattice", f"{model.lattice.geometry.sites} sites", bytes_of_a_step(model), ""

    def state_size(self, experiment: "Experiment", method: AbstractMethod) -> int:
        return _model(experiment).lattice.geometry.sites ** 2

    def operations(self, experiment: "Experiment", method: AbstractMethod) -> float:
        return 100.0 * _model(experiment).lattice.geometry.sites ** 2

    def steps(self, experiment: "Experiment", method: AbstractMethod) -> float:
        return max(float(experiment.time.samples), 4 * (float(experiment.time.end) - float(experiment.time.start)))

    def build(self, experiment: "Experiment") -> list[Built]:
        from qnano.families.holstein.build import build

        return build(experiment, _model(experiment))

    def facts(self, experiment: "Experiment") -> Mapping[str, Fact]:
        return _model(experiment).facts()

    def figures(self, curves: "list[Curve]", reference: str | None, facts: "xr.Dataset | None") -> "Iterator[Drawn]":
        from qnano.families.holstein.figures import figures

        return figures([curve.data for curve in curves], facts)


def bytes_of_a_step(model: Model) -> int:
    """The density matrix of electrons on oscillators, its copies within a step, and the levels of the start."""
    return 20 * COMPLEX * model.lattice.geometry.sites**2


def _model(experiment: "Experiment") -> Model:
    assert isinstance(experiment.model, Model)
    return experiment.model
