"""What must hold between the parts of a problem on two scales."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from qnano.border import got
from qnano.families.base import AbstractMethod, Problems
from qnano.families.in_space import SoftCoulomb
from qnano.families.packets import packet_problems, packets_fit
from qnano.families.resolution import Feature, softening, unresolved
from qnano.families.strengths import Strength, too_strong
from qnano.families.two_scale.methods import CGMF, CGWE, Fine
from qnano.families.two_scale.schema import AbstractTwoScale, Contact, Cosine, CrystalModel, Packets, RibbonModel, Well

if TYPE_CHECKING:
    from qnano.families.experiment import Experiment


def broken(experiment: "Experiment") -> Problems:
    """Every rule of the family."""
    model, initial, methods = experiment.model, experiment.initial, experiment.methods
    assert isinstance(model, CrystalModel | RibbonModel) and isinstance(initial, Packets)
    yield from packets_fit(initial.packets, model.particles)
    if isinstance(model, CrystalModel):
        yield from particles_fit(model, initial, methods)
    yield from pair_masses_fit(model, methods)
    yield from envelopes_fit(model, initial)
    yield from unresolved(features(model))
    yield from too_strong(strengths(model), model.fastest, experiment.precision)


def particles_fit(model: CrystalModel, initial: Packets, methods: Sequence[AbstractMethod]) -> Problems:
    """Waves of up to three particles; products, and nothing else, of more, and of those that can be told apart."""
    for k, method in enumerate(methods):
        most = {"cgmf": 8, "dirac": 1}.get(method.kind, 3)
        if model.particles > most:
            yield f"methods.{k}", f"{method.name} has up to {most} particles, got {model.particles} (model.particles)"
        elif method.kind == "cgmf" and model.statistics != "distinguishable":
            yield f"methods.{k}", got("cgmf", f"a product of orbitals is not {model.statistics}; distinguishable particles only")
        if isinstance(method, Fine) and method.bands and method.bands > model.points:
            yield f"methods.{k}.bands", got(method.bands, f"must be at most {model.points} (model.points)")
    if model.statistics == "antisymmetric" and len({str(packet) for packet in initial.packets}) < model.particles:
        yield "initial.packets", "two are the same; an antisymmetric wave needs different ones"


def pair_masses_fit(model: CrystalModel | RibbonModel, methods: Sequence[AbstractMethod]) -> Problems:
    """Of two particles that interact, at the bottom of the lowest band of a cosine."""
    for k, method in enumerate(methods):
        if not isinstance(method, CGWE | CGMF) or method.pair_cells is None:
            continue
        if isinstance(model, RibbonModel) or model.particles != 2 or model.interaction.kind == "none":
            yield f"methods.{k}.pair_cells", got(method.pair_cells, "needs a model of 2 particles that interact")
        elif model.band or model.wavevector == "edge" or len(model.harmonics) > 1:
            yield f"methods.{k}.pair_cells", got(method.pair_cells, "needs band 0, wavevector centre and one harmonic")


def envelope_packets(model: AbstractTwoScale, initial: Packets) -> Iterator[tuple[Any, ...]]:
    """What `packet_problems` asks for, of every envelope on the coarse grid: `width` is that of its amplitude."""
    for k, packet in enumerate(initial.packets):
        deviation = packet.width / math.sqrt(2)
        yield f"initial.packets.{k}", packet.centre, deviation, packet.wavenumber, model.length, model.coarse_points


def envelopes_fit(model: AbstractTwoScale, initial: Packets) -> Problems:
    for key, *numbers in envelope_packets(model, initial):
        yield from packet_problems(key, *numbers)


def strengths(model: AbstractTwoScale) -> Iterator[Strength]:
    """All that has an energy."""
    match model.confinement:
        case Well(depth=depth):
            yield "model.confinement.depth", depth, 1.0
        case Cosine(height=height):
            yield "model.confinement.height", height, 1.0
    if isinstance(model, CrystalModel):
        yield from ((f"model.harmonics.{k}", value, 1.0) for k, value in enumerate(model.harmonics))
        match model.interaction:
            case SoftCoulomb() as w:
                yield "model.interaction.strength", w.coupling, 1 / w.softening
            case Contact(strength=strength):
                yield "model.interaction.strength", strength, model.points / model.period


def features(model: AbstractTwoScale) -> Iterator[Feature]:
    """The lengths of the slow potential and of the interaction, against the spacing of their grid."""
    if isinstance(model.confinement, Well):
        width = model.confinement.width
        yield Feature("model.confinement.width", width, width, model.length / model.coarse_points, 0.5, 1.0)
    if isinstance(model, CrystalModel) and isinstance(model.interaction, SoftCoulomb):
        yield softening(model.interaction, model.period / model.points)
