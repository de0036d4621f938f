"""From the entries of a training's data to where each motion begins, and under which Hamiltonian; quenches may be among them."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from qnano.errors import InputError
from qnano.families.build import build
from qnano.families.experiment import Experiment
from qnano.families.hubbard import schema
from qnano.families.hubbard.build import build_model
from qnano.hubbard.ground_state import DegenerateGroundState
from qnano.hubbard.model import FermiHubbard
from qnano.learning.data import Quench, Start, quenched, quenches
from qnano.tasks.loading import resolved
from qnano.tasks.training.schema import Family, Training

Source = tuple[str, Experiment | Quench]  # with the key of its entry


def sources(training: Training, part: str) -> list[Source]:
    """Every experiment of a part of the data, and every quench, in the order of the entries."""
    return list(_sources(training, part))


def _sources(training: Training, part: str) -> Iterator[Source]:
    lattice = training.model.lattice.geometry
    for k, entry in enumerate(getattr(training, part)):
        if isinstance(entry, Family):
            found = quenches(lattice, entry.family, entry.strengths, entry.interactions, seed=training.seed + k)
        else:
            found = training.experiments(part, k)
        yield from ((f"{part}.{k}", one) for one in found)


def plain(source: Source) -> dict[str, Any]:
    """What tells one from all others, as plain data."""
    _, one = source
    if isinstance(one, Quench):
        return {**asdict(one), "potential": list(one.potential)}
    return {key: value for key, value in resolved(one).items() if key in ("model", "initial", "drive", "precision")}


def hamiltonian(training: Training, source: Source) -> FermiHubbard:
    """Under which it moves from t = 0 on."""
    _, one = source
    if isinstance(one, Quench):
        electrons = training.model.electrons
        return FermiHubbard(training.model.lattice.geometry, (electrons.up, electrons.down), interaction=one.interaction)
    assert isinstance(one.model, schema.FermiHubbard)
    return build_model(one.model, one.drive, one.time.start)


def starts(training: Training, found: list[Source]) -> list[Start]:
    """Where each begins. Raises `InputError`, which names the entry, without a unique ground state, and for a state with spin."""
    return [_start(training, source) for source in found]


def _start(training: Training, source: Source) -> Start:
    key, one = source
    try:
        if isinstance(one, Quench):
            electrons = training.model.electrons
            return quenched(training.model.lattice.geometry, (electrons.up, electrons.down), one)
        exact = build(one)[0]
        return Start(hamiltonian(training, source), exact.state)
    except DegenerateGroundState as error:
        raise InputError(f"{key}: {error}") from None
    except InputError as error:
        raise InputError(f"{key}.{error}") from None
