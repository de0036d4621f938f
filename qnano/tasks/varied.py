"""An experiment with some of its numbers changed, as if they stood in its file.

The change is made in what was read, not in what became of it: an initial model that inherits the interaction, and a key that
interpolates another, follow. Nothing looks into the values, so that they may also be numbers that JAX traces.
"""

from typing import Any

from qnano.config.keys import dotted
from qnano.config.references import without_references
from qnano.errors import InputError
from qnano.families.base import AbstractModel
from qnano.families.experiment import Experiment
from qnano.tasks.loading import parse, resolved


def varied(experiment: Experiment, changes: dict[str, Any]) -> Experiment:
    """The experiment with other values for dotted keys. Raises `InputError` for keys or values that cannot be."""
    made = parse(_changed(experiment, changes))
    assert isinstance(made, Experiment)
    return made


def value_at(experiment: Experiment, key: str) -> Any:
    """What an experiment has at a dotted key, as plain data. Raises `InputError` for a key that it has not."""
    steps = dotted(key).split(".")
    here: Any = resolved(experiment)
    for k, step in enumerate(steps):
        if not isinstance(here, dict | list) and step.isdecimal():
            here = _spread(experiment, steps[:k], here)
        entries = (
            here if isinstance(here, dict) else {str(n): entry for n, entry in enumerate(here if isinstance(here, list) else ())}
        )
        if step not in entries:
            above = ".".join(steps[:k]) or "the experiment"
            raise InputError(f"{key}: unknown key; {above} has {', '.join(entries) or 'no keys in it'}")
        here = entries[step]
    return here


def _numbered(entries: list[Any]) -> dict[str, Any]:
    return {str(k): entry for k, entry in enumerate(entries)}


def _changed(experiment: Experiment, changes: dict[str, Any]) -> dict[str, Any]:
    """What was read, with the changes in it and every reference replaced by what it names."""
    done_with_it = type(experiment).model_fields.keys() - Experiment.model_fields.keys()  # sections that are no part of it
    data = {key: value for key, value in experiment.given.items() if key not in done_with_it | {"task"}}
    for key, value in changes.items():
        data = _with(data, dotted(key).split("."), value, [], experiment)
    return without_references(data)


def _with(here: Any, steps: list[str], value: Any, above: list[str], experiment: Experiment) -> Any:
    """A copy of `here` in which `value` stands at `steps`; what is not written there is taken from the whole experiment."""
    if not steps:
        return value
    step, *rest = steps
    path = [*above, step]
    if isinstance(here, list) or step.isdecimal():
        entries = here if isinstance(here, list) else _spread(experiment, above, here)
        if entries is None or not (step.isdecimal() and int(step) < len(entries)):
            there = f"{len(entries)} entries, from 0" if entries is not None else "no entries"
            raise InputError(f"{'.'.join([*path, *rest])}: unknown key; {'.'.join(above)} has {there}")
        place = int(step)
        return [_with(entry, rest, value, path, experiment) if k == place else entry for k, entry in enumerate(entries)]
    if not isinstance(here, dict):
        here = _resolved(experiment, above)  # a shorthand, such as a method's name for its mapping
    if not isinstance(here, dict):
        raise InputError(f"{'.'.join([*path, *rest])}: unknown key; {'.'.join(above)} has no keys in it")
    inner = here[step] if step in here else _filled(experiment, path, rest)
    return {**here, step: _with(inner, rest, value, path, experiment)}


def _filled(experiment: Experiment, path: list[str], rest: list[str]) -> Any:
    """What an experiment has at a key that nobody wrote; of a mapping with mappings in between no more than is needed."""
    whole = _resolved(experiment, path)
    return {} if isinstance(whole, dict) and len(rest) > 1 and not rest[1].isdecimal() else whole


def _resolved(experiment: Experiment, path: list[str]) -> Any:
    here: Any = resolved(experiment)
    for step in path:
        entries = _numbered(here) if isinstance(here, list) else here
        here = entries.get(step, {}) if isinstance(entries, dict) else {}
    return here


def _spread(experiment: Experiment, path: list[str], value: Any) -> list[Any] | None:
    """One value as many equal ones, where the schema takes either: `entries` of the model above says how many."""
    here: Any = experiment
    for step in path[:-1]:
        here = here[int(step)] if isinstance(here, tuple) else getattr(here, step, None)
    length = here.entries.get(path[-1]) if isinstance(here, AbstractModel) else None
    return None if length is None else [value] * length
