"""Train a learner as a config says, and keep what came of it in a folder; `fitting` says what."""

import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from qnano import runtime
from qnano.errors import InputError
from qnano.hubbard.ground_state import DegenerateGroundState
from qnano.lattice import Lattice
from qnano.learning import dataset, weights
from qnano.learning.data import Quench, Trajectories, motions, quenches, stacked, trajectories
from qnano.learning.losses import Loss
from qnano.learning.training import Plan, Stage, begin, fit
from qnano.storage.folder import FINISHED, RunFolder
from qnano.tasks.fitting import entry, followed, write_curve
from qnano.tasks.keeping import drop_if_damaged, kept, memory_for
from qnano.tasks.training import drawing
from qnano.tasks.training.draws import Drawn
from qnano.tasks.training.schema import Family, SmallSystem, Training


def run(training: Training, folder: RunFolder, *, force: bool = False, quiet: bool = False) -> dict[str, Any]:
    """Train, or go on with it, and return the summary; `force` starts anew.

    Raises `InputError` for quenches without a unique start or a folder that holds something else, and `RunFailed` where memory does
    not suffice.
    """
    runtime.start(training.precision)
    with kept(training, folder, force=force, quiet=quiet) as run, memory_for("training"):
        began = time.perf_counter()
        train, held_out = data(training)
        data_s = time.perf_counter() - began
        plan, settings, mark = plan_of(training), training.learner.model_dump(), run.summary["id"]
        learner = weights.make(settings, train.lattice.sites, jax.random.key(training.seed))
        about = {"identity": mark, "config": run.text}
        keep = lambda best: weights.save(folder.weights, best, settings, weights.system(train), about)  # noqa: E731
        begun, checkpoint = begin(learner, plan, training.seed), folder.checkpoint("training")
        drop_if_damaged(checkpoint)
        reports = fit(begun, plan, train, held_out, checkpoint=checkpoint, identity=mark)
        curve = followed(reports, run, training.learner.kind, plan.steps, keep, data_s=data_s, quiet=quiet)
        write_curve(run.store, curve, "held_out", "mean relative error of D2 on held-out quenches")
        run.keep(training.learner.kind, entry(training.learner.kind, curve, data_s, FINISHED))
    return run.summary


def data(training: Training) -> tuple[Trajectories, Trajectories]:
    """The exact trajectories to learn from and to judge by, equally sampled."""
    window = training.time
    interval = window.end / (window.samples - 1)
    return (
        _kept(training, "train", jnp.linspace(0.0, window.end, window.samples)),
        _kept(training, "held_out", interval * jnp.arange(training.samples("held_out"))),
    )


def _kept(training: Training, part: str, times: jax.Array) -> Trajectories:
    """One part of the data, from the config's `dataset` where it is there already; else propagated, and kept there."""
    entries = getattr(training, part)
    drawn = drawing.sources(training, part) if any(isinstance(entry, Drawn) for entry in entries) else []
    experiments = [drawing.plain(source) for source in drawn]

    def made() -> Trajectories:
        if drawn:
            return motions(drawing.starts(training, drawn), times)
        return propagated(training.model, entries, part, training.seed, times)

    if training.dataset is None:
        return made()
    path = Path(training.dataset) / f"{part}.zarr"
    if not path.exists():
        found = made()
        path.parent.mkdir(parents=True, exist_ok=True)
        dataset.save(path, found, experiments)
        return found
    hamiltonians = stacked([drawing.hamiltonian(training, source) for source in drawn]) if drawn else None
    found = dataset.load(path, experiments, hamiltonians)
    if not (np.array_equal(found.times, times) and (drawn or _same_quenches(training, entries, found))):
        raise InputError(f"dataset: {path} holds other trajectories than {part} asks for; remove it, or choose another folder")
    return found


def _same_quenches(training: Training, families: tuple[Family, ...], found: Trajectories) -> bool:
    """Whether trajectories are those of the families."""
    lattice, electrons = training.model.lattice.geometry, training.model.electrons
    wanted = chosen_quenches(lattice, families, training.seed)
    numbers = [[one.strength for one in wanted], [one.interaction for one in wanted]]
    same = (found.lattice, found.electrons, found.family) == (
        lattice,
        (electrons.up, electrons.down),
        tuple(one.family for one in wanted),
    )
    return same and all(np.array_equal(*pair) for pair in zip(numbers, [found.strength, found.interaction], strict=True))


def plan_of(training: Training) -> Plan:
    """The config's stages as the training loop has them."""
    return Plan(
        stages=tuple(Stage(**stage.model_dump()) for stage in training.stages),
        loss=Loss(observables=tuple(training.observables.items()), invariants=tuple(training.invariants.items())),
        substeps=training.substeps,
        clip=training.clip,
        every=training.every,
        patience=training.patience,
    )


def propagated(system: SmallSystem, families: tuple[Family, ...], key: str, seed: int, times: jax.Array) -> Trajectories:
    """The exact motion after each quench of the `families`. Raises `InputError`, which names the `key`, without a unique start."""
    lattice, electrons = system.lattice.geometry, system.electrons
    chosen = chosen_quenches(lattice, families, seed)
    try:
        return trajectories(lattice, (electrons.up, electrons.down), chosen, times)
    except DegenerateGroundState as error:
        raise InputError(f"{key}: {error}") from None


def chosen_quenches(lattice: Lattice, families: tuple[Family, ...], seed: int) -> list[Quench]:
    """Every quench of the families; the random potentials of each differ."""
    return [
        quench
        for k, family in enumerate(families)
        for quench in quenches(lattice, family.family, family.strengths, family.interactions, seed=seed + k)
    ]
