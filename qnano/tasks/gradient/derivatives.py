"""How a derivative is taken, and what that asks of memory.

Forward, a tangent for each number moves beside the state. In reverse the motion is run again from checkpoints, each of which holds
what a step leaves to the next: of a splitting the state, of a Runge-Kutta method its stages and interpolation too. Their number is
fixed by the largest number of steps, not by those that are taken. The factors are measured, in whole multiples of a state.
"""

from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING, Any

from qnano.config.coarse import CrystalModel, RibbonModel
from qnano.config.memory import COMPLEX, Need, about, amplitudes, bytes_of, wave_points
from qnano.config.model import FermiHubbard
from qnano.config.observables import HOLSTEIN, SINGLETS
from qnano.config.particles import ParticlesModel
from qnano.tasks.gradient.schema import labels

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
        scheme, pairs = _scheme(experiment, method), method.kind in SINGLETS
        moved = EXPANSION if scheme == "chebyshev" and times > 2 else MOVED_PAIRS if pairs else MOVED
        if mode == "forward":
            text, states = f"{method.kind} forward by {about(numbers)} numbers", moved * (1 + numbers)
        else:
            held = 0 if scheme == "chebyshev" and times == 2 else CHECKPOINTS * HELD[scheme]
            text = f"{method.kind} in reverse from {about(results)} results"
            states = held + (BACK_PAIRS if pairs else BACK) * (1 + results)
        tangents = 1 + (numbers if mode == "forward" else 0)
        need = states * COMPLEX * _state(experiment, method) + times * row * tangents
        yield f"methods.{k}", text, need, ""


def _results(experiment: "GradientOf") -> int:
    selection = experiment.selection
    return prod(experiment.time.samples if dim == "time" else len(labels(dim, experiment.model)) for dim in selection.dims)


def _scheme(experiment: "GradientOf", method: Any) -> str:
    """What a method steps by; `auto` as the builders take it."""
    kind = experiment.solver_of(method).kind
    if kind in ("magnus", "chebyshev"):
        return kind
    if kind in ("strang", "blanes_moan"):
        return "splitting"
    if kind != "auto" or method.kind in (*SINGLETS, "mean_field"):
        return "runge_kutta"
    if method.kind == "exact":
        return "magnus" if experiment.changes else "chebyshev"
    return "splitting"


def _state(experiment: "GradientOf", method: Any) -> int:
    """How many numbers a state consists of."""
    match experiment.model:
        case ParticlesModel() as model:
            return model.size
        case CrystalModel() | RibbonModel() as model:
            return wave_points(model, experiment.methods)
        case FermiHubbard() as model if method.kind == "exact":
            return amplitudes(model)
        case model:
            sites = model.lattice.geometry.sites
            return sites**4 if method.kind in SINGLETS else sites**2 * (1 if method.kind in HOLSTEIN else 2)
