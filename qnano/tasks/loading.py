"""From a YAML file and the command line's overrides to a task, and back."""

import hashlib
import json
import os
from collections.abc import Sequence
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from yaml import YAMLError

from qnano.border import shown
from qnano.config import problems
from qnano.config.base import AbstractTask
from qnano.config.keys import dotted
from qnano.config.reading import MOST_BYTES, plain
from qnano.config.references import is_reference, without_references
from qnano.errors import InputError
from qnano.tasks import register


def load(path: str | Path, overrides: Sequence[str] = ()) -> AbstractTask:
    """Read an experiment; `overrides` such as "model.interaction=2.0" or "methods.1.closure=exact" come last.

    Raises `InputError`, one line per problem, for a file that cannot be read or an experiment that cannot be.
    """
    config = _read(Path(os.path.expanduser(path)))
    for override in overrides:
        _override(config, override)
    return interpreted(config)


def parse(data: Any) -> AbstractTask:
    """An experiment from plain data. Raises `InputError`, one line per problem."""
    schema = register.schema(register.wanted(data))
    try:
        experiment = schema.model_validate(data)
    except ValidationError as error:
        raise InputError("\n".join(problems.lines(error, schema))) from None
    _keep_given(experiment, data)
    return experiment


def interpreted(given: Any) -> AbstractTask:
    """An experiment from plain data as they stand in a file, in which values may name others."""
    experiment = parse(without_references(given))
    _keep_given(experiment, given)
    return experiment


def _keep_given(experiment: AbstractTask, given: Any) -> None:
    """In the place of a cached property: beside the schema, and no part of equality."""
    vars(experiment)["given"] = given


def resolved(experiment: AbstractTask) -> dict[str, Any]:
    """The complete experiment as plain data, every default written out; `parse` gives an equal experiment back."""
    data = experiment.model_dump(mode="json", exclude_none=True)
    if experiment.keeps_given_initial:
        data["initial"] = without_references(experiment.given)["initial"]
    return data


def to_yaml(experiment: AbstractTask) -> str:
    """The complete experiment as a file that `load` reads."""
    from omegaconf import OmegaConf

    return OmegaConf.to_yaml(OmegaConf.create(_reproducible(experiment)))


def identity(experiment: AbstractTask) -> str:
    """Twelve hexadecimal digits that every number in the results depends on: all of the experiment but its name."""
    content = {key: value for key, value in _reproducible(experiment).items() if key != "name"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def schema() -> dict[str, Any]:
    """The JSON schema of an experiment, of any task."""
    known: Any = reduce(or_, map(register.schema, register.TASKS))
    return TypeAdapter(known).json_schema() | {"title": "Experiment"}


def _reproducible(experiment: AbstractTask) -> dict[str, Any]:
    """The complete experiment, in which what interpolates another key still does where that key is going to be varied."""
    data = resolved(experiment)
    if experiment.keeps_given_initial:
        return _interpolating(data, experiment.given)
    return data


def _interpolating(data: Any, given: Any) -> Any:
    match data, given:
        case _, str() if is_reference(given):
            return given
        case dict(), dict():
            return {key: _interpolating(value, given.get(key)) for key, value in data.items()}
        case list(), list() if len(data) == len(given):
            return [_interpolating(*pair) for pair in zip(data, given, strict=True)]
        case _:
            return data


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise InputError(f"{path}: cannot be read: not a regular file")  # reading a pipe might wait for ever
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise InputError(f"{path}: longer than {MOST_BYTES} bytes")
        data = plain(content.decode("utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: cannot be read: not a text file") from None
    except RecursionError:
        raise InputError(f"{path}: nested too deeply") from None
    except YAMLError as error:
        raise InputError(f"{path}: not valid YAML: {_yaml_problem(error)}") from None
    if not isinstance(data, dict | None.__class__):
        raise InputError(f"{path}: must be a mapping of keys to values")
    if not data:
        raise InputError(f"{path}: empty; must be a mapping with at least {', '.join(_required())}")
    return data


def _override(config: dict[str, Any], override: str) -> None:
    """Set a value in a config; what is not there is made, but lists do not grow."""
    key, equals, text = override.partition("=")
    try:
        steps = dotted(key).split(".") if equals else []
    except InputError:
        steps = []
    if not steps:
        raise InputError(f"override {shown(override)}: must be key=value, such as model.interaction=2.0")
    name = f"override {shown(override)}"
    try:
        value = plain(text, ".".join(steps))
    except RecursionError:
        raise InputError(f"{name}: nested too deeply") from None
    except YAMLError as error:
        raise InputError(f"{name}: not valid YAML: {_yaml_problem(error)}") from None
    here: Any = config
    for k, step in enumerate(steps):
        above = ".".join(steps[:k])
        if isinstance(here, list) and not (step.isdecimal() and int(step) < len(here)):
            there = ", ".join(f"{above}.{n}" for n in range(min(len(here), 8))) + ", ..." * (len(here) > 8)
            raise InputError(f"{name}: {above} is a list; must be one of {there or 'none, since it is empty'}")
        if not isinstance(here, dict | list):
            raise InputError(f"{name}: {above} is {shown(here)}, which has no keys in it")
        place: Any = int(step) if isinstance(here, list) else step
        if k + 1 == len(steps):
            here[place] = value
        elif isinstance(here, dict) and here.get(place) is None:
            here[place] = {}
        here = here[place]


def _required() -> list[str]:
    return [name for name, field in register.schema(register.USUAL).model_fields.items() if field.is_required()]


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _yaml_problem(error: Exception) -> str:
    """What the parser stumbled over, and where, in one line."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or _first_line(error)
    return f"{problem}, line {mark.line + 1}, column {mark.column + 1}" if mark else problem
