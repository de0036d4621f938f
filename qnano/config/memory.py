"""What a task asks of this machine's memory, told before anything is computed. Crude: within a factor of a few."""

import math
from collections.abc import Iterator
from typing import Any

from qnano import runtime
from qnano.config.sizes import COMPLEX, Need, about, gigabytes
from qnano.errors import InputError
from qnano.families.experiment import Experiment
from qnano.families.holstein import bytes_of_a_step
from qnano.families.hubbard.needs import COPIES, amplitudes, of_a_wavefunction, of_pairs
from qnano.families.register import OBSERVABLES, family_of

from .ensemble import Ensemble
from .evaluation import Evaluation
from .gradient import GradientOf
from .learning_curve import LearningCurve
from .loading import Task
from .regime_map import RegimeMap
from .surrogate import SurrogateTraining
from .training import BlackBox, Dense, Family, Training

OPTIMISER = 48  # bytes of a parameter with its gradient, its two moments and its best value


def require_fit(task: Task) -> None:
    """Raise `InputError`, one line per problem, for what is too large for this machine's memory."""
    there = runtime.memory()
    lines = [
        f"{key}: got {text}; about {gigabytes(bytes_)} are needed and {gigabytes(there)} are there{otherwise}"
        for key, text, bytes_, otherwise in needs(task)
        if bytes_ > there
    ]
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


def _of_experiment(experiment: Experiment) -> Iterator[Need]:
    yield from family_of(experiment.model).needs(experiment)
    samples = experiment.time.samples
    row = sum(bytes_of(name, experiment) for name in experiment.observables for _ in experiment.methods)
    yield "time.samples", f"{about(samples)} times of {about(row)} bytes each", samples * row, ""


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
    yield "model.lattice", f"{ensemble.model.lattice.geometry.sites} sites", bytes_of_a_step(ensemble.model), ""
    yield "time.samples", f"{about(samples)} times of {about(row)} bytes each", samples * row, ""
    text = f"{about(together)} trajectories of {about(samples)} times at once"
    yield "batch", text, together * (bytes_of_a_step(ensemble.model) + 2 * samples * row), ""
    yield "trajectories", f"{about(most := max(ensemble.trajectories.values()))} in a group", 64 * most, ""


def _of_training(training: Training) -> Iterator[Need]:
    """The exact trajectories, the network with its optimiser, and the states between which gradients flow back."""
    yield of_a_wavefunction(training.model)
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
    yield of_a_wavefunction(evaluation.model)
    yield from of_pairs(evaluation.model, evaluation.methods)
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
    numbers = math.prod(experiment.model.count(dim) for dim in experiment.observable(name).dims[1:])
    return numbers * (COMPLEX if OBSERVABLES[name].is_complex else 8)
