"""What an experiment asks of a machine, and what it is in words; other tasks on experiments add to it."""

from collections.abc import Iterator

from qnano.config.cost import Cost, disk_and_seconds, total
from qnano.config.experiment import Experiment
from qnano.config.memory import needs_of_experiment as needs
from qnano.config.outline import system, times
from qnano.config.outline import warnings as warnings


def cost(experiment: Experiment) -> Cost:
    """Results at all times by all methods."""
    return total(needs(experiment), *disk_and_seconds(experiment))


def described(experiment: Experiment, *more: str) -> Iterator[str]:
    """What it is, with `more` lines on what is done with it."""
    yield from system(experiment)
    yield from more
    yield f"methods: {', '.join(method.name for method in experiment.methods)}"
    yield times(experiment, experiment.unit("hbar/J"))
