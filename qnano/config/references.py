"""Values that name others: `${model.interaction}` stands for the value at a key, `${.up}` for that of a neighbour.

Within longer text a value is written out. There is nothing else in `${}`: no environment, no functions. What a config means must
not depend on where it is read, and one from somebody else must not carry secrets of a machine into results that are shared.
"""

import re
from typing import Any

from qnano.border import complaint
from qnano.errors import InputError

from .keys import dotted

MOST_STEPS, MOST_DEEP, LONGEST = 200_000, 60, 10_000
REFERENCE = re.compile(r"\$\{\s*(\.*)([A-Za-z0-9_][A-Za-z0-9_.\[\]-]*)\s*\}")
RULE = "must name another key, such as ${model.interaction}; nothing else is read"
Path = tuple[str, ...]


def without_references(data: Any) -> Any:
    """Plain data with every reference replaced by what it names; other values, of any type, are kept as they are.

    Raises `InputError` for one that names nothing, itself, or more than anyone could mean.
    """
    return _Replacing(data).value(data, (), ())


def is_reference(value: Any) -> bool:
    """Whether a value is, or contains, a reference."""
    return isinstance(value, str) and "${" in value


class _Replacing:
    def __init__(self, root: Any):
        self.root, self.steps, self.depth = root, 0, 0

    def value(self, here: Any, path: Path, within: tuple[Path, ...]) -> Any:
        """What stands at `path`; `within` are the references that are being followed."""
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise InputError(f"{_told((within or (path,))[0])}: expands to more than {MOST_STEPS} values")
        if self.depth >= MOST_DEEP:
            raise InputError(f"{_told((within or (path[:3],))[0])}: nested too deeply, or names what names what names")
        self.depth += 1
        value = self._replaced(here, path, within)
        self.depth -= 1
        return value

    def _replaced(self, here: Any, path: Path, within: tuple[Path, ...]) -> Any:
        match here:
            case dict():
                return {key: self.value(entry, (*path, str(key)), within) for key, entry in here.items()}
            case list():
                return [self.value(entry, (*path, str(k)), within) for k, entry in enumerate(here)]
            case "???":
                raise InputError(f"{_told(path)}: missing; must be given")
            case str() if "${" in here:
                return self._text(here, path, within)
        return here

    def _text(self, text: str, path: Path, within: tuple[Path, ...]) -> Any:
        if path in within:
            raise InputError(complaint(_told(path), text, "names itself; must name another key"))
        found = list(REFERENCE.finditer(text))
        if len(found) != text.count("${"):
            raise InputError(complaint(_told(path), text, RULE))
        if len(found) == 1 and found[0].group() == text.strip():
            return self._named(found[0], text, path, within)
        parts, end = [], 0
        for match in found:
            value = self._named(match, text, path, within)
            if isinstance(value, dict | list):
                raise InputError(complaint(_told(path), text, "only text and numbers can be part of a text"))
            parts += [text[end : match.start()], str(value)]
            end = match.end()
            if sum(map(len, parts)) > LONGEST:
                raise InputError(f"{_told(path)}: expands to more than {LONGEST} characters")
        return "".join([*parts, text[end:]])

    def _named(self, match: re.Match[str], text: str, path: Path, within: tuple[Path, ...]) -> Any:
        """The value that a reference names, with what it names in turn."""
        dots, key = match[1], match[2]
        try:
            steps = dotted(key).split(".")
        except InputError:
            raise InputError(complaint(_told(path), text, RULE)) from None
        if len(dots) > len(path):
            raise InputError(complaint(_told(path), text, f"there is no key {dots}{key}"))
        whole = (*(path[: len(path) - len(dots)] if dots else ()), *steps)
        inside = (*within, path)
        here = self.root
        for k, step in enumerate(whole):
            if is_reference(here):
                here = self.value(here, whole[:k], inside)
            if isinstance(here, dict) and step in here:
                here = here[step]
            elif isinstance(here, list) and step.isdecimal() and int(step) < len(here):
                here = here[int(step)]
            else:
                raise InputError(complaint(_told(path), text, f"there is no key {'.'.join(whole)}"))
        return self.value(here, whole, inside)


def _told(path: Path) -> str:
    return ".".join(path) or "the config"
