"""What must hold between the parts of any experiment. Each rule yields a key and what is wrong with it."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from qnano.border import got
from qnano.config.base import traced
from qnano.config.problems import suggestion
from qnano.config.solvers import EXACT_SOLVERS, MOST_STEPS, SPLIT_SOLVERS, Fixed, Solver, stretches
from qnano.config.values import time_dependent
from qnano.families.base import AbstractMethod, AbstractModel, Problems, Scheme, kind_of
from qnano.families.drives import Pulse, Sum, parts_of
from qnano.families.register import METHODS, OBSERVABLES, family_of

if TYPE_CHECKING:
    from qnano.families.experiment import Experiment

FINEST = {"double": 1e-14, "single": 1e-6}
EPSILON = {"double": 2.0**-52, "single": 2.0**-23}


def broken(experiment: "Experiment") -> Problems:
    """What does not hold; whether the parts belong to the model comes first."""
    if problems := list(parts_belong(experiment)):
        yield from problems
        return
    yield from family_of(experiment.model).broken(experiment)
    for rule in OF_ALL:
        yield from rule(experiment)


def parts_belong(experiment: "Experiment") -> Problems:
    model, family = experiment.model, family_of(experiment.model)
    yield from belongs("initial.kind", experiment.initial.kind, map(kind_of, family.starts), model)
    yield from belongs("drive.kind", experiment.drive.kind, family.drives, model)
    for k, method in enumerate(experiment.methods):
        yield from belongs(f"methods.{k}", method.kind, map(kind_of, family.methods_of(type(model))), model)


def belongs(key: str, kind: str, known: Iterable[str], model: AbstractModel) -> Problems:
    """Whether a part is of a kind that the model has."""
    if kind not in (known := tuple(known)):
        yield key, got(kind, f"must be {'one of ' if len(known) > 1 else ''}{', '.join(known)} for model {model.kind}")


def method_names_differ(experiment: "Experiment") -> Problems:
    names = Counter(method.name for method in experiment.methods)
    for k, method in enumerate(experiment.methods):
        if names[method.name] > 1:
            names[method.name] = 0
            yield f"methods.{k}", f"several methods are named {method.name}; give each a label of its own"


def observables_exist(experiment: "Experiment") -> Problems:
    for k, name in enumerate(experiment.observables):
        key = f"observables.{k}"
        if name not in OBSERVABLES:
            yield key, got(name, f"must be one of {', '.join(OBSERVABLES)}{suggestion(name, OBSERVABLES)}")
            continue
        if name in experiment.observables[:k]:
            yield key, got(name, "must be named once")
        if problem := without(name, experiment.methods):
            yield key, got(name, problem)


def without(name: str, methods: Sequence[AbstractMethod]) -> str | None:
    """Which of the methods do not have an observable, if some do not."""
    owners = OBSERVABLES[name].methods
    lacking = [method.name for method in methods if method.kind not in owners]
    if not lacking:
        return None
    return f"{' and '.join(lacking)} {'do not' if len(lacking) > 1 else 'does not'} have it, only {', '.join(owners)}"


def solvers_fit(experiment: "Experiment") -> Problems:
    for key, solver in _solvers(experiment):
        users = [method for method in experiment.methods if experiment.solver_of(method) is solver]
        if solver.kind in EXACT_SOLVERS and (others := _otherwise(users, "exponential")):
            own = "give those solvers of their own" if len(others) > 1 else "give that a solver of its own"
            yield f"{key}.kind", got(solver.kind, f"only method {_with('exponential')} has it, not {' and '.join(others)}; {own}")
        elif solver.kind in SPLIT_SOLVERS and (others := _otherwise(users, "splitting")):
            yield f"{key}.kind", got(solver.kind, f"only {_with('splitting')} have it, not {' and '.join(others)}")
        elif solver.kind == "chebyshev" and users and experiment.changes:
            yield f"{key}.kind", got(solver.kind, "the Hamiltonian must not change after time.start; use magnus or auto")


def precision_suffices(experiment: "Experiment") -> Problems:
    precision, time = experiment.precision, experiment.time
    if not time.resolved_by(EPSILON[precision]):
        yield "time.samples", got(time.samples, f"too many between {time.start:g} and {time.end:g} in {precision} precision")
    for key, solver in _solvers(experiment):
        for name in ("rtol", "tolerance"):
            if (tolerance := getattr(solver, name, 1.0)) < FINEST[precision]:
                yield f"{key}.{name}", got(tolerance, f"must be at least {FINEST[precision]:g} in {precision} precision")


def seed_suffices(experiment: "Experiment") -> Problems:
    """In single precision JAX would drop the upper half of a seed."""
    if experiment.precision == "single" and experiment.seed >= 2**32:
        yield "seed", got(experiment.seed, f"must be at most {2**32 - 1} in single precision")


def steps_fit(experiment: "Experiment") -> Problems:
    span = experiment.time.end - experiment.time.start
    for key, solver in _solvers(experiment):
        if not isinstance(solver, Fixed):
            continue
        if solver.dt > span:
            yield f"{key}.dt", got(solver.dt, f"must be at most {span:g} (time.end - time.start)")
        elif (steps := span * _longest_stretch(experiment) / solver.dt) > MOST_STEPS:
            text = f"{steps:.3g} steps in a row; must be at least {solver.dt * steps / MOST_STEPS:.3g}, or have more time.samples"
            yield f"{key}.dt", f"got {solver.dt:g}, {text}"
    longest = experiment.model.longest_step
    chosen = any(not isinstance(experiment.solver_of(method), Fixed) for method in experiment.methods)
    if longest is None or traced(longest) or not chosen:
        return
    if (steps := span * _longest_stretch(experiment) / longest) > MOST_STEPS / 2:  # the step that is taken is a power of two
        yield "time.end", got(experiment.time.end, f"{steps:.3g} steps in a row; must be sooner, or have more time.samples")


def _longest_stretch(experiment: "Experiment") -> float:
    """The share of the times that is propagated in a row."""
    if not experiment.in_stretches:
        return 1.0
    return max(last - first for first, last in stretches(experiment.time.samples)) / (experiment.time.samples - 1)


def drives_are_followed(experiment: "Experiment") -> Problems:
    """An oscillation of which a step of fixed length sees less than two points would come out as a slower one."""
    for key, part, name, dt in fixed_steps(experiment):
        if not traced(part.frequency) and abs(part.frequency) * dt > math.pi:
            rule = f"must be at most {math.pi / dt:.4g}, since {name} steps by {dt:.3g}; give a solver with a smaller dt"
            yield f"{key}.frequency", got(part.frequency, rule)


def drives_are_hardly_followed(experiment: "Experiment") -> Iterator[str]:
    """The same where it comes out, but not well, or where a pulse is over within a step."""
    for key, part, name, dt in fixed_steps(experiment):
        if not traced(part.frequency) and (turns := abs(part.frequency) * dt) > 1:
            yield f"{key}.frequency: {part.frequency:.4g} turns by {turns:.3g} in a step of {name}, {dt:.3g}; take a smaller dt"
        if isinstance(part, Pulse) and not traced(part.width) and part.width < dt:
            yield f"{key}.width: {part.width:.4g} is shorter than a step of {name}, {dt:.3g}; take a smaller dt"


def fixed_steps(experiment: "Experiment") -> Iterator[tuple[str, Any, str, float]]:
    """The key and settings of every part of the drive, and the name and step of every method whose steps do not adapt to it."""
    for k, part in enumerate(parts_of(experiment.drive)):
        key = f"drive.parts.{k}" if isinstance(experiment.drive, Sum) else "drive"
        for method in experiment.methods:
            dt = getattr(experiment.solver_of(method), "dt", experiment.model.longest_step)
            if dt is not None and not traced(dt):
                yield key, part, method.name, dt


def changes_happen(experiment: "Experiment") -> Problems:
    end = experiment.time.end
    for key, value in time_dependent(experiment.model, "model"):
        name, begin = value.begin
        if begin > end:
            yield f"{key}.{name}", got(begin, f"must be at most {end:g} (time.end)")


def _solvers(experiment: "Experiment") -> Iterator[tuple[str, Solver]]:
    """Every solver that is given, with its key."""
    yield "solver", experiment.solver
    for k, method in enumerate(experiment.methods):
        if method.solver:
            yield f"methods.{k}.solver", method.solver


def _with(scheme: Scheme) -> str:
    """The kinds of methods that have the solvers of a scheme."""
    return " and ".join(kind for kind, method in METHODS.items() if method.scheme == scheme)


def _otherwise(methods: Sequence[AbstractMethod], scheme: Scheme) -> list[str]:
    """Those of some methods that have them not."""
    return [method.name for method in methods if method.scheme != scheme]


OF_ALL = (
    method_names_differ,
    observables_exist,
    solvers_fit,
    precision_suffices,
    seed_suffices,
    steps_fit,
    drives_are_followed,
    changes_happen,
)
