"""What a sweep asks of a machine, judged by some of its points, and what it is in words."""

from collections.abc import Iterator
from math import prod

from qnano.config.sizes import must_fit
from qnano.families.estimates import Cost, needs
from qnano.tasks.dynamics import estimates as of_a_point
from qnano.tasks.study import engines
from qnano.tasks.sweep.places import experiment_at, samples
from qnano.tasks.sweep.schema import Swept


def cost(sweep: Swept) -> Cost:
    """The memory of the largest point, room and time for all. Raises `InputError` for a point that cannot be, or does not fit."""
    some = [experiment_at(sweep, place) for place in samples(sweep)]
    for experiment in some:
        must_fit(needs(experiment))
    each = [of_a_point.cost(experiment) for experiment in some]
    found = Cost(*(max(numbers) for numbers in zip(*each, strict=True)))
    return found._replace(disk=prod(sweep.shape) * found.disk, seconds=prod(sweep.shape) * found.seconds)


def described(sweep: Swept) -> Iterator[str]:
    axes = " x ".join(f"{axis.size} {axis.name}" for axis in sweep.axes)
    count, points = len(samples(sweep)), prod(sweep.shape)
    told = f"sweep: {axes}, {points} points" + f", {count} of them looked at" * (count < points)
    yield from of_a_point.described(sweep, told)


def warnings(sweep: Swept) -> Iterator[str]:
    """Strangers who may run code here, and what is wrong with the experiment."""
    yield from engines.warnings(sweep)
    yield from of_a_point.warnings(sweep)
