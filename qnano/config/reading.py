"""From the text of a YAML file, or of an override, to plain data, with an end to everything: size, depth, repetition.

Text, numbers, true, false, null, lists and mappings with words for keys; anchors, aliases and merge keys. What YAML 1.1 reads in
two ways is refused or left as text: 010 is no eight, and 1:30 no ninety.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml
from yaml import MappingNode, Node, ScalarNode, SequenceNode

from qnano.border import complaint
from qnano.errors import InputError

MOST_BYTES, MOST_VALUES, MOST_DEEP, MOST_DIGITS, MOST_OF_A_KEY = 4_000_000, 500_000, 30, 400, 200
TAG = "tag:yaml.org,2002:"
TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
SPECIAL = {".inf": "inf", "+.inf": "inf", "-.inf": "-inf", ".nan": "nan"}
INTEGER = re.compile(r"^[-+]?(?:0|[1-9][0-9_]*|0[0-7_]+|0b[01_]+|0x[0-9a-fA-F_]+)$")
REAL = re.compile(
    r"""^(?:[-+]?[0-9]+(?:_[0-9]+)*\.[0-9_]*(?:[eE][-+]?[0-9]+)?
        |[-+]?[0-9]+(?:_[0-9]+)*[eE][-+]?[0-9]+
        |[-+]?\.[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+)?
        |[-+]?\.(?:inf|Inf|INF)
        |\.(?:nan|NaN|NAN))$""",
    re.X,
)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """A parser of YAML whose numbers are those of `INTEGER` and `REAL`, and which knows no dates."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in known if tag not in (f"{TAG}{kind}" for kind in ("int", "float", "timestamp", "value"))]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(f"{TAG}int", INTEGER, list("-+0123456789"))
_Loader.add_implicit_resolver(f"{TAG}float", REAL, list("-+0123456789."))


def plain(text: str, key: str = "") -> Any:
    """The data that a text stands for; `key` is where it is going to stand.

    Raises `InputError` for what cannot be, `YAMLError` for what is no YAML, and `RecursionError` for what is nested too deeply.
    """
    _must_be_shallow(text)
    node = yaml.compose(text, _Loader)
    building = _Building()
    data = None if node is None else building.value(node, (key,) if key else ())
    if building.odd:
        raise InputError("\n".join(f"{odd}: unknown key; keys are words" for odd in building.odd))
    return data


class _Building:
    """Data from nodes; each node is built as often as aliases name it, and counted."""

    def __init__(self) -> None:
        self.count = 0
        self.odd: dict[str, None] = {}  # keys that are no words, in order

    def value(self, node: Node, path: tuple[str, ...]) -> Any:
        self.count += 1
        if self.count > MOST_VALUES:
            raise InputError(f"{_told(path)}: expands to more than {MOST_VALUES} values")
        if len(path) > MOST_DEEP:
            raise RecursionError
        match node:
            case ScalarNode():
                return _scalar(node, _told(path))
            case SequenceNode() if node.tag == f"{TAG}seq":
                return [self.value(entry, (*path, str(k))) for k, entry in enumerate(node.value)]
            case MappingNode() if node.tag == f"{TAG}map":
                return self._mapping(node, path)
        raise InputError(_tagged(_told(path), node))

    def _mapping(self, node: MappingNode, path: tuple[str, ...]) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key, entry in node.value:
            if not _is_word(key):
                self.odd[_told((*path, _written(key)))] = None
            elif key.tag == f"{TAG}merge":
                for base in self._bases(entry, (*path, "<<")):
                    merged = {**base, **merged}
            elif key.value in own:
                raise yaml.MarkedYAMLError(problem=f"found duplicate key {key.value}", problem_mark=key.start_mark)
            else:
                own[key.value] = self.value(entry, (*path, key.value))
        return {**merged, **own}

    def _bases(self, node: Node, path: tuple[str, ...]) -> Iterator[dict[str, Any]]:
        """What is merged into a mapping; the first has the last word."""
        value = self.value(node, path)
        for base in value if isinstance(value, list) else [value]:
            if not isinstance(base, dict):
                raise InputError(complaint(_told(path), base, "must be a mapping, or a list of them"))
            yield base


def _must_be_shallow(text: str) -> None:
    """Before anything is built: parsers that build recurse, and some of them without an end."""
    depth = 0
    for event in yaml.parse(text, _Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_DEEP:
            raise RecursionError


def _scalar(node: ScalarNode, key: str) -> Any:
    """A scalar by its tag. Raises `InputError` for one that its tag does not describe."""
    text = node.value
    match node.tag.removeprefix(TAG):
        case "str":
            return text
        case "null" if text.lower() in ("", "~", "null"):
            return None
        case "bool" if text.lower() in TRUTH:
            return TRUTH[text.lower()]
        case "int" if INTEGER.match(text):
            return _integer(text, key)
        case "float" if text.lower() in SPECIAL:
            return float(SPECIAL[text.lower()])
        case "float" if REAL.match(text) or INTEGER.match(text):
            return float(text.replace("_", "")) if REAL.match(text) else _real(_integer(text, key))
    raise InputError(_tagged(key, node))


def _integer(text: str, key: str) -> int:
    digits = text.lstrip("-+")
    if len(digits) > 1 and digits[0] == "0" and digits[1] not in "bx":
        raise InputError(complaint(key, text, "must be written without leading zeros"))
    if len(digits) > MOST_DIGITS:
        raise InputError(complaint(key, text, f"must be a number of at most {MOST_DIGITS} digits"))
    try:
        return int(text.replace("_", ""), 0)
    except ValueError:
        raise InputError(complaint(key, text, "must be a number, or text in quotes")) from None


def _real(number: int) -> float:
    try:
        return float(number)
    except OverflowError:
        return float("inf")  # for the schema to refuse


def _tagged(key: str, node: Node) -> str:
    tag = node.tag.removeprefix(TAG)
    value = node.value if isinstance(node, ScalarNode) else "..."
    return complaint(key, f"!{tag} {value}", "must be text, a number, true, false, null, a list or a mapping, without a tag")


def _is_word(key: Node) -> bool:
    if not isinstance(key, ScalarNode):
        return False
    return key.tag == f"{TAG}merge" or (key.tag == f"{TAG}str" and key.value.isprintable() and 0 < len(key.value) <= MOST_OF_A_KEY)


def _written(key: Node) -> str:
    """A key as it stands in the file, in one short line."""
    text = key.value if isinstance(key, ScalarNode) else "..."
    return text if text.isprintable() and 0 < len(text) <= 40 else repr(text)[:40]


def _told(path: tuple[str, ...]) -> str:
    return ".".join(path) or "the config"
