"""What a task asks of this machine's memory, told before anything is computed. Crude: within a factor of a few."""

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from qnano import runtime
from qnano.errors import InputError

from .base import traced
from .coarse import Contact, CrystalModel, RibbonModel
from .ensemble import Ensemble
from .evaluation import Evaluation
from .experiment import Experiment
from .gradient import GradientOf
from .holstein import Holstein
from .learning_curve import LearningCurve
from .loading import Task
from .methods import AbstractMethod
from .model import FermiHubbard
from .observables import AUDIT_OF, HYDRODYNAMIC, OBSERVABLES, SINGLETS
from .particles import ParticlesModel
from .regime_map import RegimeMap
from .surrogate import SurrogateTraining
from .training import BlackBox, Dense, Family, SmallSystem, Training

MOST_SITES = 62  # the determinants of one spin are the bits of an integer
ALTERNATIVE = "only td2rdm, pair and mean_field from an initial interaction of 0 do without"
COMPLEX = 16
COPIES = 25  # of D2 within a step: the stages of a Runge-Kutta method and what each of them makes
BALANCED = {*AUDIT_OF, *HYDRODYNAMIC, "power", "work"}  # what asks for the terms of a balance
OPTIMISER = 48  # bytes of a parameter with its gradient, its two moments and its best value
Need = tuple[str, str, int, str]  # a key, what it asks for, the bytes, and what else could be done


def require_fit(task: Task) -> None:
    """Raise `InputError`, one line per problem, for what is too large for this machine's memory."""
    there = runtime.memory()
    lines = [
        f"{key}: got {text}; about {gigabytes(bytes_)} are needed and {gigabytes(there)} are there{otherwise}"
        for key, text, bytes_, otherwise in needs(task)
        if bytes_ > there
    ]
    if (system := _numbered(task)) is not None and (sites := system.lattice.geometry.sites) > MOST_SITES:
        lines = [f"model.lattice: got {sites} sites; must be at most {MOST_SITES} for a wavefunction; {ALTERNATIVE}"]
    if lines:
        raise InputError("\n".join(lines))


def needs(task: Task) -> Iterator[Need]:
    """What takes memory."""
    match task:
        case LearningCurve():
            from .frames import needs_of_frames  # which stands on this module

            yield from ((need.key, need.text, need.bytes, "") for need in needs_of_frames(task, task.data.extent))
        case SurrogateTraining():
            yield from _of_surrogate(task)
        case Training():
            yield from _of_training(task)
        case Evaluation():
            yield from _of_evaluation(task)
        case RegimeMap():
            yield from _of_experiment(task)
            yield from _of_map(task)
        case Ensemble():
            yield from _of_ensemble(task)
        case GradientOf():
            from .derivatives import needs_of_derivatives  # which stands on this module

            yield from _of_experiment(task)
            yield from needs_of_derivatives(task)
        case _:
            yield from _of_experiment(task)


def _numbered(task: Task) -> FermiHubbard | SmallSystem | None:
    """The system whose determinants are to be numbered, where they are."""
    if isinstance(task, Training | Evaluation):
        return task.model
    if isinstance(task, Experiment) and isinstance(task.model, FermiHubbard) and not starts_independent(task):
        return task.model
    return None


def amplitudes(system: FermiHubbard | SmallSystem) -> int:
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


def _of_experiment(experiment: Experiment) -> Iterator[Need]:
    match experiment.model:
        case Holstein() as model:
            yield "model.lattice", f"{model.lattice.geometry.sites} sites", _of_a_lattice(model), ""
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
                yield _of_a_wavefunction(model, 100 if any(map(_needs_wavefunction, experiment.methods)) else 40)
            yield from _of_pairs(model, experiment.methods)
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


def _of_a_lattice(model: Holstein) -> int:
    """The density matrix of electrons on oscillators, its copies within a step, and the levels of the start."""
    return 20 * COMPLEX * model.lattice.geometry.sites**2


def _of_a_wavefunction(system: FermiHubbard | SmallSystem, vectors: int) -> Need:
    """What a propagation holds at once: the vectors of a Chebyshev recursion; a ground state: a Lanczos space and the matrix."""
    text = f"{system.lattice.geometry.sites} sites, {about(amplitudes(system))} amplitudes of the wavefunction"
    return "model.lattice", text, COMPLEX * amplitudes(system) * vectors, f"; {ALTERNATIVE}"


def _of_pairs(system: FermiHubbard | SmallSystem, methods: Sequence[AbstractMethod]) -> Iterator[Need]:
    """D2, with four indices, and its copies."""
    sites = system.lattice.geometry.sites
    for k, method in enumerate(methods):
        if method.kind in SINGLETS:
            text = f"{method.kind} on {sites} sites, {about(sites**4)} numbers of D2"
            yield f"methods.{k}", text, COPIES * COMPLEX * sites**4, ""


def _of_map(regimes: RegimeMap) -> Iterator[Need]:
    """The start of every method at every point, and the exact motion of a column."""
    sites, points = regimes.model.lattice.geometry.sites, len(regimes.map.interaction) * len(regimes.map.trap)
    starts = points * (amplitudes(regimes.model) + (len(regimes.methods) - 1) * sites**4)
    text = f"{about(points)} points with {len(regimes.methods)} initial states each"
    yield "map", text, COMPLEX * starts, ""
    # the wavefunctions of a motion, and D3 with six indices at one time
    text = f"{about(regimes.time.samples)} times, at each a wavefunction that is kept"
    yield "time.samples", text, COMPLEX * (regimes.time.samples * amplitudes(regimes.model) + 4 * sites**6), ""


def _of_ensemble(ensemble: Ensemble) -> Iterator[Need]:
    samples, row = ensemble.time.samples, sum(bytes_of(name, ensemble) for name in ensemble.observables)
    together = min(ensemble.batch, max(ensemble.trajectories.values()))
    yield "model.lattice", f"{ensemble.model.lattice.geometry.sites} sites", _of_a_lattice(ensemble.model), ""
    yield "time.samples", f"{about(samples)} times of {about(row)} bytes each", samples * row, ""
    text = f"{about(together)} trajectories of {about(samples)} times at once"
    yield "batch", text, together * (_of_a_lattice(ensemble.model) + 2 * samples * row), ""
    yield "trajectories", f"{about(most := max(ensemble.trajectories.values()))} in a group", 64 * most, ""


def _of_training(training: Training) -> Iterator[Need]:
    """The exact trajectories, the network with its optimiser, and the states between which gradients flow back."""
    yield _of_a_wavefunction(training.model, 100)
    pairs = training.model.lattice.geometry.sites**4
    for key, families in (("train", training.train), ("held_out", training.held_out)):
        count = quenches(families)
        text = f"{about(count)} quenches of {about(training.time.samples)} samples of D2 with {about(pairs)} numbers"
        yield key, text, 2 * COMPLEX * count * training.time.samples * pairs, ""
    learner, width = training.learner, width_of(training.learner)
    text = f"{learner.kind} of width {about(width)}, {about(weights := weights_of(training))} weights"
    yield "learner", text, OPTIMISER * weights, ""
    for k, stage in enumerate(training.stages):
        steps = 1 + (stage.kind == "rollout") * stage.horizon * training.substeps
        text = f"{about(stage.batch)} windows of {about(steps)} steps"
        size = COPIES * COMPLEX * pairs + 8 * width * math.isqrt(pairs)
        yield f"stages.{k}.batch", text, stage.batch * (size + steps * COMPLEX * pairs), ""


def _of_evaluation(evaluation: Evaluation) -> Iterator[Need]:
    yield _of_a_wavefunction(evaluation.model, 100)
    yield from _of_pairs(evaluation.model, evaluation.methods)
    pairs, samples, count = evaluation.model.lattice.geometry.sites**4, evaluation.time.samples, quenches(evaluation.quenches)
    motions = 1 + len(evaluation.methods) + len(evaluation.forecasts)
    text = f"{about(count)} quenches of {about(samples)} samples of D2 with {about(pairs)} numbers"
    yield "quenches", text, COMPLEX * samples * pairs * (motions + count), ""
    if "hankel_dmd" in evaluation.forecasts:
        stacked = evaluation.delays * pairs
        yield "delays", f"{about(evaluation.delays)} samples of {about(pairs)} numbers", 4 * COMPLEX * samples * stacked, ""


def _of_surrogate(training: SurrogateTraining) -> Iterator[Need]:
    """The trajectories, the network with its optimiser, and its layers at every step of a window."""
    largest = 0
    for key in ("ensembles", "transfer"):
        for k, ensemble in enumerate(getattr(training, key)):
            sites, count = ensemble.model.lattice.geometry.sites, sum(ensemble.trajectories.values())
            largest = max(largest, sites) if key == "ensembles" else largest
            for part, text, bytes_, otherwise in _of_ensemble(ensemble):
                yield f"{key}.{k}.{part}", text, bytes_, otherwise
            numbers = count * ensemble.time.samples * (2 * sites**2 + 2 * sites)
            yield f"{key}.{k}.trajectories", f"{about(count)} trajectories, {about(numbers)} numbers", 8 * numbers, ""
    network, weights = training.network, weights_of(training)
    width = width_of(network)
    name = "width" if network.kind == "generator" else "channels"
    yield f"network.{name}", f"{about(width)}, {about(weights)} weights", OPTIMISER * weights, ""
    layers = 4 * (getattr(network, "blocks", 0) + getattr(network, "depth", 0) + 1)
    windows = training.batch * len(training.ensembles)
    for k, stage in enumerate(training.stages):
        text = f"{about(windows)} windows of {about(stage.horizon)} intervals through {about(width)} channels"
        yield f"stages.{k}", text, 4 * windows * stage.horizon * largest**2 * (layers * width + 8), ""


def quenches(families: tuple[Family, ...]) -> int:
    """How many there are in families."""
    return sum(len(family.strengths) * len(family.interactions) for family in families)


def width_of(network: Any) -> int:
    """The most numbers side by side in a network."""
    inner = width_of(network.local) if network.kind == "modes" else 0
    return max(inner, *(getattr(network, name, 0) for name in ("width", "channels", "modes")))


def weights_of(task: Training | SurrogateTraining) -> int:
    """About how many numbers are trained."""
    network = task.learner if isinstance(task, Training) else task.network
    width, layers = width_of(network), getattr(network, "depth", 2) + 2 * getattr(network, "blocks", 0)
    kernel = 9 if hasattr(network, "channels") else 1
    ends = 100
    if isinstance(task, Training) and isinstance(task.learner, Dense | BlackBox):
        ends = 4 * task.model.lattice.geometry.sites**4
    return width * (kernel * layers * width + ends)


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
