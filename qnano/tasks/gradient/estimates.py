"""What a gradient asks of a machine, and what it is in words."""

from collections.abc import Iterator

from qnano.config.sizes import Need
from qnano.families.estimates import Cost, disk_and_seconds, total
from qnano.families.estimates import needs as needs_of_experiment
from qnano.families.estimates import warnings as warnings
from qnano.tasks.dynamics import estimates as of_the_experiment
from qnano.tasks.gradient.derivatives import needs_of_derivatives
from qnano.tasks.gradient.parameters import parameters
from qnano.tasks.gradient.schema import GradientOf


def needs(gradient: GradientOf) -> Iterator[Need]:
    """Those of the experiment itself, and what its derivatives add."""
    yield from needs_of_experiment(gradient)
    yield from needs_of_derivatives(gradient)


def cost(gradient: GradientOf) -> Cost:
    """Some twenty times that of the motions."""
    return total(needs(gradient), 1e6, 20 * disk_and_seconds(gradient)[1])


def described(gradient: GradientOf) -> Iterator[str]:
    told = f"gradient: of {gradient.gradient.of} by {', '.join(parameters(gradient))}"
    yield from of_the_experiment.described(gradient, told)
