"""A lattice and something slow in it: crystals, ribbons, and their envelopes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from qnano.config.sizes import COMPLEX, Need, about
from qnano.families.base import AbstractMethod, AbstractModel, Built, Fact, Problems, Regime
from qnano.families.on_grid import AbstractOnGrid
from qnano.families.packets import packet_warnings
from qnano.families.resolution import hardly_resolved
from qnano.families.two_scale import rules
from qnano.families.two_scale.methods import CGMF, CGWE, CGWE2, ESTIMATES, Dirac, Fine
from qnano.families.two_scale.observables import OBSERVABLES
from qnano.families.two_scale.schema import Contact, CrystalModel, Packets, RibbonModel, plane_waves

if TYPE_CHECKING:
    import xarray as xr

    from qnano.families.base import Drawn
    from qnano.families.curves import Curve
    from qnano.families.experiment import Experiment


class TwoScale(AbstractOnGrid):
    models = (CrystalModel, RibbonModel)
    starts = (Packets,)
    methods = (Fine, CGWE, CGWE2, CGMF, Dirac)
    usual_methods = (Fine(), CGWE2())
    observables = OBSERVABLES
    largest = (*ESTIMATES, "other_bands")
    usual_observables = ("coarse_density", "position", "spread", "energy")

    def methods_of(self, model: type[AbstractModel]) -> Iterable[type[AbstractMethod]]:
        return (method for method in self.methods if method is not CGMF or model is not RibbonModel)

    def broken(self, experiment: "Experiment") -> Problems:
        return rules.broken(experiment)

    def warnings(self, experiment: "Experiment") -> Iterator[str]:
        """Packets of which a little is cut off, and lengths near the grid's spacing."""
        model, initial = _model(experiment), experiment.initial
        assert isinstance(initial, Packets)
        for key, *numbers in rules.envelope_packets(model, initial):
            yield from packet_warnings(key, *numbers)
        yield from dict.fromkeys(hardly_resolved(rules.features(model)))

    def described(self, experiment: "Experiment") -> Iterator[str]:
        model = _model(experiment)
        length = f"{float(model.length):.4g} {model.unit('length')}".removesuffix(" 1")
        yield f"{model.kind}: {model.cells} cells, length {length}, {model.coarse_points} coarse points"
        yield f"particles: {model.particles}; {about(wave_points(model, experiment.methods))} points of the largest wave"

    def needs(self, experiment: "Experiment") -> Iterator[Need]:
        """The factors are measured, as whole multiples of the largest arrays."""
        model, methods = _model(experiment), experiment.methods
        number, fine = wave_points(model, methods), any(isinstance(method, Fine) for method in methods)
        points = model.points if isinstance(model, CrystalModel) else 2
        text = f"{about(model.cells)} cells, {about(number)} points of the wave"
        waves = 24 * number
        if fine:  # which comes from the envelope by one matrix, and of a crystal moves by one for each crystal momentum
            waves += 3 * model.cells * points * model.coarse_points
            waves += 24 * model.cells * points**2 if isinstance(model, CrystalModel) else 0
        if model.particles > 1:
            waves += 4 * model.coarse_points**2
        yield "model.cells", text, COMPLEX * waves, ""
        if isinstance(model, CrystalModel):
            basis = plane_waves(points)
            yield "model.points", f"{about(points)}, {about(basis)} plane waves of a cell", 16 * COMPLEX * basis**2, ""
            if isinstance(model.interaction, Contact):
                pair = (model.interaction.ring * points) ** 2
                yield "model.interaction.ring", f"{about(pair)} points of a pair on it", 80 * COMPLEX * pair, ""

    def state_size(self, experiment: "Experiment", method: AbstractMethod) -> int:
        return wave_points(_model(experiment), experiment.methods)

    def build(self, experiment: "Experiment") -> list[Built]:
        from qnano.families.two_scale.build import build

        return build(experiment)

    def regime(self, experiment: "Experiment") -> Regime:
        from qnano.families.two_scale.regime import regime

        return regime(experiment)

    def facts(self, experiment: "Experiment") -> Mapping[str, Fact]:
        from qnano.families.two_scale.facts import facts

        return facts(experiment)

    def figures(self, curves: "list[Curve]", reference: str | None, facts: "xr.Dataset | None") -> "Iterator[Drawn]":
        from qnano.families.two_scale.figures import figures

        return figures(curves, reference, facts)


def wave_points(model: CrystalModel | RibbonModel, methods: Sequence[AbstractMethod]) -> int:
    """How many numbers the largest wave of a problem on two scales consists of."""
    fine = any(isinstance(method, Fine) for method in methods)
    each = model.cells * getattr(model, "points", 2) if fine else model.coarse_points
    product = all(isinstance(method, CGMF) for method in methods)
    return each * model.particles if product else each**model.particles


def _model(experiment: "Experiment") -> CrystalModel | RibbonModel:
    assert isinstance(experiment.model, CrystalModel | RibbonModel)
    return experiment.model
