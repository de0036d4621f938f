"""What a training asks of a machine, and what it is in words; some of it serves other trainings too."""

import math
from collections.abc import Iterator
from typing import Any

from qnano.config.sizes import COMPLEX, Need, about
from qnano.families.estimates import COMPILATION, PER_SECOND, Cost, times, total
from qnano.families.estimates import warnings as of_an_experiment
from qnano.families.hubbard import described as of_a_system
from qnano.families.hubbard.needs import COPIES, COPIES_OF_CHANNELS, of_a_wavefunction, operations, pace
from qnano.tasks.training.draws import Drawn
from qnano.tasks.training.schema import BlackBox, Dense, Family, Products, ThreeBody, Training

OPTIMISER = 48  # bytes of a parameter with its gradient, its two moments and its best value


def needs(training: Training) -> Iterator[Need]:
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
    moved = pairs + isinstance(training.learner, ThreeBody) * training.model.lattice.geometry.sites**6
    for k, stage in enumerate(training.stages):
        steps = 1 + (stage.kind == "rollout") * stage.horizon * training.substeps
        text = f"{about(stage.batch)} windows of {about(steps)} steps"
        copies = COPIES + isinstance(training.learner, Products) * 2 * COPIES_OF_CHANNELS
        size = copies * COMPLEX * moved + 8 * width * math.isqrt(pairs)
        yield f"stages.{k}.batch", text, stage.batch * (size + steps * COMPLEX * moved), ""


def cost(training: Training) -> Cost:
    """Exact trajectories, then steps along windows of them, each forth and back."""
    pairs = float(training.model.lattice.geometry.sites) ** 4
    count = quenches(training.train) + quenches(training.held_out)
    drawn = (entry.model for entry in (*training.train, *training.held_out) if isinstance(entry, Drawn))
    rates, span = max(map(pace, (training.model, *drawn))), float(training.time.end)
    seconds = count * (COMPILATION / 10 + span * rates * operations("exact", training.model) / PER_SECOND)
    calls = 1.0 if training.learner.kind in ("dense", "black_box") else pairs**0.5  # of a network: one, or for pairs of sites
    has_three = isinstance(training.learner, ThreeBody)
    each = operations("td2rdm", training.model, is_pair=True, has_three=has_three) + 2.0 * weights_of(training) * calls
    for stage in training.stages:
        right = 4 * stage.horizon * training.substeps if stage.kind == "rollout" else 1
        seconds += COMPILATION * 5 + float(stage.steps) * stage.batch * right * 3 * each / PER_SECOND
    return total(needs(training), 16 * pairs * count * training.time.samples + 30.0 * weights_of(training), seconds)


def described(training: Training) -> Iterator[str]:
    yield from of_a_system(training.model)
    steps = sum(stage.steps for stage in training.stages)
    told = f"training: {training.learner.kind}, {steps} steps on {quenches(training.train)} quenches, "
    yield told + f"judged by {quenches(training.held_out)} others"
    yield times(training)


def warnings(training: Training) -> Iterator[str]:
    """What speaks against the experiments that are drawn: of each entry, what its first says."""
    for part in ("train", "held_out"):
        for k, entry in enumerate(getattr(training, part)):
            if isinstance(entry, Drawn):
                yield from (f"{part}.{k}.{line}" for line in of_an_experiment(training.experiments(part, k)[0]))


def quenches(families: tuple[Family | Drawn, ...]) -> int:
    """How many there are in families; of experiments that are drawn likewise."""
    return sum(family.count for family in families)


def width_of(network: Any) -> int:
    """The most numbers side by side in a network."""
    inner = width_of(network.local) if network.kind == "modes" else 0
    return max(inner, *(getattr(network, name, 0) for name in ("width", "channels", "modes")))


def weights(network: Any, ends: int = 100) -> int:
    """About how many numbers are trained, with so many at the ends of each of the widest numbers."""
    width, layers = width_of(network), getattr(network, "depth", 2) + 2 * getattr(network, "blocks", 0)
    kernel = 9 if hasattr(network, "channels") else 1
    return width * (kernel * layers * width + ends)


def weights_of(training: Training) -> int:
    """About how many numbers are trained."""
    if isinstance(training.learner, Dense | BlackBox):
        return weights(training.learner, 4 * training.model.lattice.geometry.sites**4)
    return weights(training.learner)
