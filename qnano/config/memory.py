"""What an experiment asks of this machine's memory, told before anything is computed. Crude: within a factor of a few."""

import math
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Protocol, runtime_checkable

from qnano import runtime
from qnano.errors import InputError

from .base import traced
from .coarse import Contact, CrystalModel, RibbonModel
from .experiment import Experiment
from .holstein import Holstein
from .methods import AbstractMethod
from .model import FermiHubbard
from .observables import AUDIT_OF, HYDRODYNAMIC, OBSERVABLES, SINGLETS
from .particles import ParticlesModel

MOST_SITES = 62  # the determinants of one spin are the bits of an integer
ALTERNATIVE = "only td2rdm, pair and mean_field from an initial interaction of 0 do without"
COMPLEX = 16
COPIES = 25  # of D2 within a step: the stages of a Runge-Kutta method and what each of them makes
BALANCED = {*AUDIT_OF, *HYDRODYNAMIC, "power", "work"}  # what asks for the terms of a balance
Need = tuple[str, str, int, str]  # a key, what it asks for, the bytes, and what else could be done


@runtime_checkable
class System(Protocol):
    """Electrons on a lattice."""

    @property
    def lattice(self) -> Any: ...
    @property
    def electrons(self) -> Any: ...


def must_fit(needs: Iterable[Need]) -> None:
    """Raise `InputError`, one line per problem, for what is too large for this machine's memory."""
    there = runtime.memory()
    lines = [
        f"{key}: got {text}; about {gigabytes(bytes_)} are needed and {gigabytes(there)} are there{otherwise}"
        for key, text, bytes_, otherwise in needs
        if bytes_ > there
    ]
    if lines:
        raise InputError("\n".join(lines))


def amplitudes(system: System) -> int:
    """How many numbers a wavefunction consists of."""
    sites = system.lattice.geometry.sites
    return math.prod(math.comb(sites, count) for _, count in system.electrons)


def wave_points(model: CrystalModel | RibbonModel, methods: Sequence[AbstractMethod]) -> int:
    """How many numbers the largest wave of a problem on two scales consists of."""
    fine = any(method.kind == "fine" for method in methods)
    each = model.cells * getattr(model, "points", 2) if fine else model.coarse_points
    product = all(method.kind == "cgmf" for method in methods)
    return each * model.particles if product else each**model.particles


def starts_independent(experiment: Experiment) -> bool:
    """Whether the initial state is a Fermi sea, and no method asks for its wavefunction: then no size is too large for it.

    It is none where one differentiates by an interaction of 0, since the derivative is that of a correlated state.
    """
    if experiment.initial.kind != "ground_state" or any(map(_needs_wavefunction, experiment.methods)):
        return False
    if experiment.initial.model.neighbour_interaction is not None:
        return False
    interaction = experiment.initial.model.interaction
    return not any(traced(u) or u for u in (interaction if isinstance(interaction, tuple) else (interaction,)))


def about(count: int) -> str:
    """A whole number of any size, in three digits where it is large."""
    return str(count) if count < 10**6 else f"{Decimal(count):.3g}"


def needs_of_experiment(experiment: Experiment) -> Iterator[Need]:
    """What takes memory. Raises `InputError` for a wavefunction that cannot be numbered."""
    match experiment.model:
        case Holstein() as model:
            yield "model.lattice", f"{model.lattice.geometry.sites} sites", of_a_lattice(model), ""
        case CrystalModel() | RibbonModel() as model:
            yield from _of_two_scales(model, experiment.methods)
        case ParticlesModel() as model:
            # The waves and potentials of a step; balances, which are made of gradients along every axis; the vectors of the search
            # for eigenstates.
            waves = 12 + 20 * len(getattr(experiment.initial, "coefficients", ()))
            waves += 10 * len(model.axes) if not BALANCED.isdisjoint(experiment.observables) else 0
            yield "model.points", f"{about(model.size)} points of the wave", waves * COMPLEX * model.size, ""
        case FermiHubbard() as model:
            if not starts_independent(experiment):
                yield of_a_wavefunction(model, 100 if any(map(_needs_wavefunction, experiment.methods)) else 40)
            yield from of_pairs(model, experiment.methods)
    samples = experiment.time.samples
    row = sum(bytes_of(name, experiment) for name in experiment.observables for _ in experiment.methods)
    yield "time.samples", f"{about(samples)} times of {about(row)} bytes each", samples * row, ""


def _of_two_scales(model: CrystalModel | RibbonModel, methods: Sequence[AbstractMethod]) -> Iterator[Need]:
    """What takes memory in a problem on two scales. The factors are measured, as whole multiples of its largest arrays."""
    number, fine = wave_points(model, methods), any(method.kind == "fine" for method in methods)
    points = model.points if isinstance(model, CrystalModel) else 2
    text = f"{about(model.cells)} cells, {about(number)} points of the wave"
    waves = 24 * number
    if fine:  # which comes from the envelope by one matrix, and of a crystal moves by one for each crystal momentum
        waves += 3 * model.cells * points * model.coarse_points
        waves += 24 * model.cells * points**2 if model.kind == "crystal" else 0
    if model.particles > 1:
        waves += 4 * model.coarse_points**2
    yield "model.cells", text, COMPLEX * waves, ""
    if isinstance(model, CrystalModel):
        basis = plane_waves(points)
        yield "model.points", f"{about(points)}, {about(basis)} plane waves of a cell", 16 * COMPLEX * basis**2, ""
        if isinstance(model.interaction, Contact):
            pair = (model.interaction.ring * points) ** 2
            yield "model.interaction.ring", f"{about(pair)} points of a pair on it", 80 * COMPLEX * pair, ""


def plane_waves(points: int) -> int:
    """By how many plane waves the lattice of a crystal is solved, with so many points in a cell."""
    return 2 * max(10, points) + 1


def of_a_lattice(model: Holstein) -> int:
    """The density matrix of electrons on oscillators, its copies within a step, and the levels of the start."""
    return 20 * COMPLEX * model.lattice.geometry.sites**2


def of_a_wavefunction(system: System, vectors: int) -> Need:
    """What a propagation holds at once: the vectors of a Chebyshev recursion; a ground state: a Lanczos space and the matrix.

    Raises `InputError` where the determinants cannot be numbered, whatever memory there is.
    """
    if (sites := system.lattice.geometry.sites) > MOST_SITES:
        rule = f"must be at most {MOST_SITES} for a wavefunction; {ALTERNATIVE}"
        raise InputError(f"model.lattice: got {sites} sites; {rule}")
    text = f"{sites} sites, {about(amplitudes(system))} amplitudes of the wavefunction"
    return "model.lattice", text, COMPLEX * amplitudes(system) * vectors, f"; {ALTERNATIVE}"


def of_pairs(system: System, methods: Sequence[AbstractMethod]) -> Iterator[Need]:
    """D2, with four indices, and its copies."""
    sites = system.lattice.geometry.sites
    for k, method in enumerate(methods):
        if method.kind in SINGLETS:
            text = f"{method.kind} on {sites} sites, {about(sites**4)} numbers of D2"
            yield f"methods.{k}", text, COPIES * COMPLEX * sites**4, ""


def bytes_of(name: str, experiment: Experiment) -> int:
    """The bytes of an observable at one time."""
    numbers = math.prod(size(dim, experiment) for dim in experiment.observable(name).dims[1:])
    return numbers * (COMPLEX if OBSERVABLES[name].is_complex else 8)


def size(dim: str, experiment: Experiment) -> int:
    """How many entries the results of an experiment have along a dimension other than time."""
    model = experiment.model
    if not isinstance(model, FermiHubbard | Holstein):
        return model.counts[dim]
    lattice = model.lattice.geometry
    return {"spin": 2, "extreme": 2, "axis": 1, "bond": len(lattice.bonds)}.get(dim, lattice.sites)


def _needs_wavefunction(method: AbstractMethod) -> bool:
    return method.kind == "exact" or getattr(method, "closure", None) == "exact"


def gigabytes(count: int | float) -> str:
    return f"{Decimal(count) / 10**9:.3g} GB"
