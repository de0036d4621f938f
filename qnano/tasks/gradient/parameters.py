"""The numbers of an experiment that one can differentiate by: the real ones of model, initial and drive."""

import re
from collections.abc import Iterator
from typing import Any

from qnano.border import got, shown
from qnano.config.base import AbstractTask
from qnano.config.keys import dotted
from qnano.config.references import is_reference, without_references
from qnano.errors import InputError
from qnano.families.experiment import Experiment
from qnano.tasks.gradient.schema import GradientOf
from qnano.tasks.loading import parse
from qnano.tasks.varied import value_at, varied

ALLOWED = "must name a real number of model, initial or drive"
ROOTS = ("model", "initial", "drive")
FIXED = ("lattice", "electrons")


def gradient_of(experiment: AbstractTask, **settings: Any) -> GradientOf:
    """An experiment with keys of its section `gradient`, or none, set. Raises `InputError` for what cannot be."""
    if not isinstance(experiment, Experiment) or experiment.task not in ("dynamics", "gradient"):
        raise InputError(f"task: {got(experiment.task, 'must be dynamics or gradient')}")
    given = experiment.given
    data = {**given, "task": "gradient", "gradient": {**given.get("gradient", {}), **settings}}
    made = parse(without_references(data))
    assert isinstance(made, GradientOf)
    vars(made)["given"] = data
    return made


def parameters(experiment: GradientOf) -> dict[str, float]:
    """The values that `gradient.wrt` names, by key. Raises `InputError` for keys that cannot be differentiated by."""
    plain = varied(experiment, {})
    found: dict[str, float] = {}
    for wanted in experiment.gradient.wrt:
        numbers = dict(_all(experiment, plain) if wanted == "all" else _named(wanted, experiment, plain))
        for key in numbers:
            if same := [other for other in found if _one_in_the_other(key, other)]:
                raise InputError(f"gradient.wrt: got {same[0]} and {key}, which name the same number; must name it once")
        found |= numbers
    _must_not_follow(found, plain)
    return found


def _all(experiment: Experiment, plain: Experiment) -> Iterator[tuple[str, float]]:
    """Every number that was given or has a default; of the initial model only what was given, since the rest follows the model."""
    for root in ROOTS:
        for key, value in _leaves(root, value_at(plain, root)):
            steps = dotted(key).split(".")
            inherited = root == "initial" and _raw(plain.given, steps) is None
            if isinstance(value, float) and not inherited and not _fixed(steps) and not _interpolated(experiment, steps):
                yield key, value


def _named(wanted: str, experiment: Experiment, plain: Experiment) -> Iterator[tuple[str, float]]:
    """The number at a key; of a list all its numbers but those that interpolate others."""
    steps = dotted(wanted).split(".")
    value = value_at(plain, wanted)
    if isinstance(value, dict):
        raise InputError(f"gradient.wrt: got {wanted}, which has {', '.join(value)}; {ALLOWED}")
    for key, number in _leaves(_written(steps), value):
        if steps[0] not in ROOTS or _fixed(steps) or not isinstance(number, float):
            raise InputError(f"gradient.wrt: got {key} ({shown(number)}); {ALLOWED}")
        if not (isinstance(value, list) and _interpolated(experiment, dotted(key).split("."))):
            yield key, number


def _leaves(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    match value:
        case dict():
            for name, entry in value.items():
                yield from _leaves(f"{key}.{name}", entry)
        case list():
            for k, entry in enumerate(value):
                yield from _leaves(f"{key}[{k}]", entry)
        case _:
            yield key, value


def _must_not_follow(found: dict[str, float], plain: Experiment) -> None:
    """Differentiated by on its own, what the initial model inherits would no longer follow the model."""
    paths = {key: dotted(key).split(".") for key in found}
    for key, steps in paths.items():
        if steps[:2] != ["initial", "model"] or _raw(plain.given, steps[:3]) is not None:
            continue
        for other, above in paths.items():
            if above[:2] == ["model", steps[2]]:
                raise InputError(f"gradient.wrt: got {key}, which follows {other}; must be given in the config, or asked for alone")


def _one_in_the_other(key: str, other: str) -> bool:
    short, long = sorted((dotted(key).split("."), dotted(other).split(".")), key=len)
    return long[: len(short)] == short


def _fixed(steps: list[str]) -> bool:
    return any(step in FIXED for step in steps)


def _interpolated(experiment: Experiment, steps: list[str]) -> bool:
    """Whether the number at a key is taken from another key."""
    above = (_raw(experiment.given, steps[: k + 1]) for k in range(len(steps)))
    return any(is_reference(value) for value in above)


def _raw(here: Any, steps: list[str]) -> Any:
    """What was read at a key; None where nothing was."""
    for step in steps:
        if isinstance(here, dict):
            here = here.get(step)
        elif isinstance(here, list) and step.isdecimal() and int(step) < len(here):
            here = here[int(step)]
        else:
            return None
    return here


def _written(steps: list[str]) -> str:
    """A key as one writes it: `model.hopping[3]`."""
    return re.sub(r"\.(\d+)", r"[\1]", ".".join(steps))
