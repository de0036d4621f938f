"""From a YAML file and the command line's overrides to an `Experiment`, and back."""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import Field, TypeAdapter, ValidationError
from yaml import MappingNode, ScalarNode, SequenceNode, YAMLError

from qnano.border import got
from qnano.errors import InputError

from . import problems
from .ensemble import Ensemble
from .evaluation import Evaluation
from .experiment import Experiment
from .gradient import GradientOf
from .learning_curve import LearningCurve
from .regime_map import RegimeMap
from .surrogate import SurrogateTraining
from .sweep import Swept
from .training import Training

Task = Experiment | Training | Evaluation | SurrogateTraining | LearningCurve
TASKS = {
    "dynamics": Experiment,
    "regime_map": RegimeMap,
    "gradient": GradientOf,
    "training": Training,
    "ensemble": Ensemble,
    "surrogate": SurrogateTraining,
    "evaluation": Evaluation,
    "learning_curve": LearningCurve,
}


def load(path: str | Path, overrides: Sequence[str] = ()) -> Task:
    """Read an experiment; `overrides` such as "model.interaction=2.0" or "methods.1.closure=exact" come last.

    Raises `InputError`, one line per problem, for a file that cannot be read or an experiment that cannot be.
    """
    try:
        config = _read(Path(path))
        for override in overrides:
            _override(config, override)
        return interpreted(OmegaConf.to_container(config))
    except OmegaConfBaseException as error:
        raise InputError(f"{error.full_key}: {_first_line(error)}") from None
    except RecursionError:
        raise InputError(f"{path}: nested too deeply") from None


def parse(data: Any) -> Task:
    """An experiment from plain data. Raises `InputError`, one line per problem."""
    task = data.get("task", "dynamics") if isinstance(data, dict) else "dynamics"
    if not isinstance(task, str) or task not in TASKS:
        rule = f"must be one of {', '.join(TASKS)}"
        raise InputError(f"task: {got(task, rule)}{problems.suggestion(task, TASKS)}")
    schema = Swept if task == "dynamics" and "sweep" in data else TASKS[task]
    try:
        experiment = schema.model_validate(data)
    except ValidationError as error:
        raise InputError("\n".join(problems.lines(error, schema))) from None
    # The place of a cached property: beside the schema, and no part of equality.
    experiment.__dict__["given"] = data
    return experiment


def interpreted(given: Any) -> Task:
    """An experiment from plain data as they stand in a file, in which values may interpolate others."""
    experiment = parse(OmegaConf.to_container(OmegaConf.create(given), resolve=True, throw_on_missing=True))
    experiment.__dict__["given"] = given
    return experiment


def resolved(experiment: Task) -> dict[str, Any]:
    """The complete experiment as plain data, every default written out; `parse` gives an equal experiment back."""
    data = experiment.model_dump(mode="json", exclude_none=True)
    if experiment.keeps_given_initial:
        given: Any = OmegaConf.to_container(OmegaConf.create(experiment.given), resolve=True)
        data["initial"] = given["initial"]
    return data


def to_yaml(experiment: Task) -> str:
    """The complete experiment as a file that `load` reads."""
    return OmegaConf.to_yaml(OmegaConf.create(_reproducible(experiment)))


def identity(experiment: Task) -> str:
    """Twelve hexadecimal digits that every number in the results depends on: all of the experiment but its name."""
    content = {key: value for key, value in _reproducible(experiment).items() if key != "name"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def schema() -> dict[str, Any]:
    """The JSON schema of an experiment, of any task."""
    known = Experiment | Swept | RegimeMap | Ensemble | GradientOf | Training | Evaluation | SurrogateTraining | LearningCurve
    return TypeAdapter(Annotated[known, Field(title="Experiment")]).json_schema()


def _reproducible(experiment: Task) -> dict[str, Any]:
    """The complete experiment, in which what interpolates another key still does where that key is going to be varied."""
    data = resolved(experiment)
    return _interpolating(data, experiment.given) if experiment.keeps_given_initial else data


def _interpolating(data: Any, given: Any) -> Any:
    match data, given:
        case _, str() if "${" in given:
            return given
        case dict(), dict():
            return {key: _interpolating(value, given.get(key)) for key, value in data.items()}
        case list(), list() if len(data) == len(given):
            return [_interpolating(*pair) for pair in zip(data, given, strict=True)]
        case _:
            return data


def _read(path: Path) -> DictConfig:
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise InputError(f"{path}: cannot be read: not a regular file")  # reading a pipe might wait for ever
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, yaml.SafeLoader)
        if node is not None and not isinstance(node, MappingNode):
            raise InputError(f"{path}: must be a mapping of keys to values")
        config = OmegaConf.create(text)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: cannot be read: not a text file") from None
    except (YAMLError, OmegaConfBaseException) as error:
        raise InputError(f"{path}: not valid YAML: {_yaml_problem(error)}") from None
    assert isinstance(config, DictConfig)
    if odd := list(_odd_keys(node, (), set())):
        raise InputError("\n".join(f"{key}: unknown key; keys are words" for key in odd))
    if not config:
        raise InputError(f"{path}: empty; must be a mapping with at least {', '.join(_required())}")
    return config


def _odd_keys(node: Any, path: tuple[str, ...], seen: set[int]) -> Iterator[str]:
    """Keys that YAML takes for something else than text, such as true or 3, as they are written; each node is seen once."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, SequenceNode):
        for k, entry in enumerate(node.value):
            yield from _odd_keys(entry, (*path, str(k)), seen)
    elif isinstance(node, MappingNode):
        for key, value in node.value:
            place = (*path, key.value if isinstance(key, ScalarNode) else "...")
            if key.tag not in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"):
                yield ".".join(place)
            yield from _odd_keys(value, place, seen)


def _override(config: DictConfig, override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not re.fullmatch(r"\w+(\.\w+)*", key):
        raise InputError(f"override {override!r}: must be key=value, such as model.interaction=2.0")
    try:
        _must_exist(config, key.split("."), override)
        value = OmegaConf.from_dotlist([f"value={text}"])._get_node("value")
        OmegaConf.update(config, key, value, merge=False)
    except InputError:
        raise
    except YAMLError as error:
        raise InputError(f"override {override!r}: not valid YAML: {_yaml_problem(error)}") from None
    except (OmegaConfBaseException, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"override {override!r}: {_first_line(error)}") from None


def _must_exist(config: DictConfig, steps: list[str], override: str) -> None:
    """Lists do not grow: an override may only name entries that are there."""
    for k, step in enumerate(steps[1:], start=1):
        above = ".".join(steps[:k])
        entries = OmegaConf.select(config, above)
        if isinstance(entries, ListConfig) and not (step.isdecimal() and int(step) < len(entries)):
            there = ", ".join(f"{above}.{n}" for n in range(len(entries)))
            raise InputError(f"override {override!r}: {above} is a list; must be one of {there or 'none, since it is empty'}")


def _required() -> list[str]:
    return [name for name, field in Experiment.model_fields.items() if field.is_required()]


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _yaml_problem(error: Exception) -> str:
    """What the parser stumbled over, and where, in one line."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or _first_line(error)
    return f"{problem}, line {mark.line + 1}, column {mark.column + 1}" if mark else problem
