"""Pydantic's findings in the user's words: one line per problem, with the key as it stands in the file."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import Tag, ValidationError

from qnano.border import got

from .base import BrokenRules, Config

# What pydantic's types of error ask for. What is not listed is worded well enough by itself.
MUST_BE = {
    "float_type": "a number",
    "finite_number": "a finite number",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "string_too_long": "text of at most {max_length} characters",
    "greater_than": "greater than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
    "string_pattern_mismatch": "letters, digits, {dots}dashes and underscores only, the first a letter or digit",
}


def lines(error: ValidationError, root: type[Config]) -> list[str]:
    """Every problem in a line: `model.electrons.up: got -1; must be at least 0`."""
    found = []
    for problem in error.errors():
        path, here = _locate(problem["loc"], root)
        for key, text in _explain(problem, here):
            where = ".".join([*path, key] if key else path)
            found.append(f"{where}: {text}" if where else text)
    return found


def suggestion(name: Any, known: Iterable[str]) -> str:
    """`; did you mean ...?` where a known name is close, or else nothing."""
    close = get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _explain(problem: Any, here: Any) -> list[tuple[str, str]]:
    """What is wrong, and the key below the problem's place that it concerns ("" for the place itself)."""
    value, context = problem["input"], problem.get("ctx", {})
    match problem["type"]:
        case "missing":
            return [("", "missing; must be given")]
        case "extra_forbidden" | "invalid_key":
            known = list(here.model_fields)
            return [("", f"unknown key; allowed: {', '.join(known)}{suggestion(problem['loc'][-1], known)}")]
        case "union_tag_not_found":
            return [("kind", f"missing; must be one of {', '.join(_kinds(here))}")]
        case "union_tag_invalid":
            return [("kind", _one_of(value["kind"], _kinds(here)))]
        case "literal_error":
            return [("", _one_of(value, get_args(_bare(here))))]
        case "value_error" if isinstance(context["error"], BrokenRules):
            return context["error"].problems
        case "value_error":
            return [("", str(context["error"]))]
        case "default_factory_not_called":  # a default that depends on what is wrong elsewhere
            return []
        case "too_long":
            return [("", got(value, f"must have at most {context['max_length']} entries"))]
        case kind if kind in MUST_BE:
            context = context | {"dots": "dots, " if "." in context.get("pattern", "") else ""}
            return [("", got(value, f"must be {MUST_BE[kind].format(**context)}"))]
        case _:
            return [("", got(value, problem["msg"].replace("Input should be", "must be")))]


def _one_of(value: Any, known: Sequence[str | int]) -> str:
    names = [str(name) for name in known]
    return got(value, f"must be {'one of ' if len(names) > 1 else ''}{', '.join(names)}{suggestion(value, names)}")


def _locate(steps: tuple[int | str, ...], root: type[Config]) -> tuple[list[str], Any]:
    """The user's key path of a problem and the type expected there; for an unknown key, the config without it.

    Pydantic's path also names the member of every union on the way; the user's does not.
    """
    path, here = [], root
    for step in steps:
        members = _members(here)
        if len(members) > 1:
            here = next(member for member in members if step in _tags(member))
            continue
        path.append(str(step))
        here = _child(_bare(members[0]), step)
    return path, here


def _child(annotation: Any, step: int | str) -> Any:
    if get_origin(annotation) is dict:
        return get_args(annotation)[1]
    if get_origin(annotation) is tuple:
        entries = [entry for entry in get_args(annotation) if entry is not Ellipsis]
        return entries[min(int(step), len(entries) - 1)]
    return annotation.model_fields[step].annotation if step in annotation.model_fields else annotation


def _bare(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _members(annotation: Any) -> list[Any]:
    """The members of a union (without None), or the one thing that is no union."""
    annotation = _bare(annotation)
    if get_origin(annotation) not in (Union, UnionType):
        return [annotation]
    members = [member for member in get_args(annotation) if member is not NoneType]
    return _members(members[0]) if len(members) == 1 else members


def _tags(member: Any) -> tuple[str, ...]:
    """What pydantic calls a member of a union."""
    tags = tuple(entry.tag for entry in get_args(member)[1:] if isinstance(entry, Tag))
    return tags or get_args(member.model_fields["kind"].annotation)


def _kinds(annotation: Any) -> list[str]:
    """The values that the key `kind` may have in a union of configs."""
    members = [_bare(member) for member in _members(annotation)]
    configs = [member for member in members if isinstance(member, type) and issubclass(member, Config)]
    return [kind for config in configs for kind in get_args(config.model_fields["kind"].annotation)]
