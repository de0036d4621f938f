"""How a derivative is taken, and what that asks of memory.

Forward, a tangent for each number moves beside the state. In reverse the motion is run again from checkpoints, each of which holds
what a step leaves to the next: of a splitting the state, of a Runge-Kutta method its stages and interpolation too. Their number is
fixed by the largest number of steps, not by those that are taken. The factors are measured, in whole multiples of a state.
"""

from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING

from qnano.config.sizes import COMPLEX, Need, about
from qnano.config.solvers import EXACT_SOLVERS, SPLIT_SOLVERS
from qnano.families.base import AbstractMethod
from qnano.families.estimates import bytes_of
from qnano.families.register import family_of

if TYPE_CHECKING:
    from qnano.tasks.gradient.schema import GradientOf

CHECKPOINTS = 446  # s of them serve s (s + 3) / 2 steps at twice the work; a propagation may take 100 000
EXPANSION = 75  # the vectors of a recursion that serves many times
HELD = {"splitting": 2, "magnus": 6, "chebyshev": 6, "runge_kutta": 33}  # states in a checkpoint
MOVED, BACK = 12, 30  # states of a motion within a step, of a wave and of one back
MOVED_PAIRS, BACK_PAIRS = 20, 300  # the same of D2


def mode_of(experiment: "GradientOf", numbers: int) -> str:
    """forward or reverse: the one costs as many motions as there are numbers, the other as many as there are results."""
    wanted = experiment.gradient.mode
    return wanted if wanted != "auto" else "forward" if numbers <= _results(experiment) else "reverse"


def needs_of_derivatives(experiment: "GradientOf") -> Iterator[Need]:
    """What takes memory beside the experiment itself, by method."""
    from qnano.tasks.gradient.parameters import parameters  # which reads experiments, and so stands on what checks them

    numbers, results = len(parameters(experiment)), _results(experiment)
    mode, selection = mode_of(experiment, numbers), experiment.selection
    times = experiment.time.samples if selection.time is None else 2
    row = bytes_of(selection.observable.name, experiment)
    for k, method in enumerate(experiment.methods):
        scheme, pairs = _scheme(experiment, method), method.is_pair
        moved = EXPANSION if scheme == "chebyshev" and times > 2 else MOVED_PAIRS if pairs else MOVED
        if mode == "forward":
            text, states = f"{method.kind} forward by {about(numbers)} numbers", moved * (1 + numbers)
        else:
            held = 0 if scheme == "chebyshev" and times == 2 else CHECKPOINTS * HELD[scheme]
            text = f"{method.kind} in reverse from {about(results)} results"
            states = held + (BACK_PAIRS if pairs else BACK) * (1 + results)
        tangents = 1 + (numbers if mode == "forward" else 0)
        need = states * COMPLEX * family_of(experiment.model).state_size(experiment, method) + times * row * tangents
        yield f"methods.{k}", text, need, ""


def _results(experiment: "GradientOf") -> int:
    selection = experiment.selection
    return prod(experiment.time.samples if dim == "time" else experiment.model.count(dim) for dim in selection.dims)


def _scheme(experiment: "GradientOf", method: AbstractMethod) -> str:
    """What a method steps by; `auto` as the builders take it."""
    kind = experiment.solver_of(method).kind
    if kind in EXACT_SOLVERS:
        return kind
    if kind in SPLIT_SOLVERS:
        return "splitting"
    if kind == "auto" and method.scheme == "exponential":
        return "magnus" if experiment.changes else "chebyshev"
    return method.scheme if kind == "auto" else "runge_kutta"
