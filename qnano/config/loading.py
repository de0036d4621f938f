"""From a YAML file and the command line's overrides to an `Experiment`, and back."""

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError
from yaml import YAMLError

from qnano.errors import InputError

from . import problems
from .experiment import Experiment


def load(path: str | Path, overrides: Sequence[str] = ()) -> Experiment:
    """Read an experiment; `overrides` such as "model.interaction=2.0" or "methods.1.closure=exact" come last.

    Raises `InputError`, one line per problem, for a file that cannot be read or an experiment that cannot be.
    """
    config = _read(Path(path))
    for override in overrides:
        _override(config, override)
    try:
        data = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise InputError(f"{error.full_key}: {_first_line(error)}") from None
    return parse(data)


def parse(data: Any) -> Experiment:
    """An experiment from plain data. Raises `InputError`, one line per problem."""
    try:
        return Experiment.model_validate(data)
    except ValidationError as error:
        raise InputError("\n".join(problems.lines(error, Experiment))) from None


def resolved(experiment: Experiment) -> dict[str, Any]:
    """The complete experiment as plain data, every default written out; `parse` gives an equal experiment back."""
    return experiment.model_dump(mode="json", exclude_none=True)


def to_yaml(experiment: Experiment) -> str:
    """The complete experiment as a file that `load` reads."""
    return OmegaConf.to_yaml(OmegaConf.create(resolved(experiment)))


def identity(experiment: Experiment) -> str:
    """Twelve hexadecimal digits that every number in the results depends on: all of the experiment but its name."""
    content = {key: value for key, value in resolved(experiment).items() if key != "name"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def _read(path: Path) -> DictConfig:
    try:
        config = OmegaConf.load(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: cannot be read: not a text file") from None
    except (YAMLError, OmegaConfBaseException) as error:
        raise InputError(f"{path}: not valid YAML: {_yaml_problem(error)}") from None
    if not isinstance(config, DictConfig):
        raise InputError(f"{path}: must be a mapping of keys to values")
    if not config:
        raise InputError(f"{path}: empty; must be a mapping with at least {', '.join(_required())}")
    return config


def _override(config: DictConfig, override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not re.fullmatch(r"\w+(\.\w+)*", key):
        raise InputError(f"override {override!r}: must be key=value, such as model.interaction=2.0")
    try:
        value = OmegaConf.from_dotlist([f"value={text}"])._get_node("value")
        OmegaConf.update(config, key, value, merge=False)
    except YAMLError as error:
        raise InputError(f"override {override!r}: not valid YAML: {_yaml_problem(error)}") from None
    except (OmegaConfBaseException, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"override {override!r}: {_first_line(error)}") from None


def _required() -> list[str]:
    return [name for name, field in Experiment.model_fields.items() if field.is_required()]


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _yaml_problem(error: Exception) -> str:
    """What the parser stumbled over, and where, in one line."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or _first_line(error)
    return f"{problem}, line {mark.line + 1}, column {mark.column + 1}" if mark else problem
