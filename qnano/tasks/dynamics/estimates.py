"""What an experiment asks of a machine, and what it is in words; other tasks on experiments add to it."""

from collections.abc import Iterator

from qnano.families.estimates import Cost, disk_and_seconds, needs, times, total
from qnano.families.estimates import warnings as warnings
from qnano.families.experiment import Experiment
from qnano.families.register import family_of


def cost(experiment: Experiment) -> Cost:
    """Results at all times by all methods."""
    return total(needs(experiment), *disk_and_seconds(experiment))


def described(experiment: Experiment, *more: str) -> Iterator[str]:
    """What it is, with `more` lines on what is done with it."""
    yield from family_of(experiment.model).described(experiment)
    yield from more
    yield f"methods: {', '.join(method.name for method in experiment.methods)}"
    yield times(experiment, experiment.unit("hbar/J"))
