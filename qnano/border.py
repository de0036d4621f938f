"""The border: whatever comes from outside is checked once, where it comes in, and every complaint has one form.

    KEY: got VALUE; must be RULE

The key is that of a config, the name of an argument, or the place in a file. The schema, the constructors and the readers of files
all word their complaints here; nothing here imports JAX.
"""

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np

Kind = Literal["integer", "real", "complex"]
KINDS: dict[Kind, str] = {"integer": "iu", "real": "iuf", "complex": "iufc"}


def numbers(
    key: str,
    value: Any,
    *,
    kind: Kind = "real",
    shape: tuple[int | None, ...] | None = None,
    above: int | float | None = None,
    least: int | float | None = None,
    most: int | float | None = None,
) -> None:
    """Raise `ValueError` unless `value` is a finite number, or an array of them, of this kind and shape and within these bounds.

    `shape` has None for a length that does not matter; () is one number, and no shape means any. Of what JAX traces, the shape and
    the kind are checked, since there are no values to look at.
    """
    many = shape is None or len(shape) > 0
    rule = _rule(kind, many, above, least, most)
    shaped, values = _seen(value)
    if shaped is None or shaped[1] not in KINDS[kind]:
        raise ValueError(complaint(key, value, rule))
    if shape is not None and not _fits(shaped[0], shape):
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(complaint(key, value, f"must have shape ({wanted}), not {shaped[0]}" if shape else rule))
    if values is None:
        return
    wrong = ~np.isfinite(values)
    if kind != "complex":
        wrong |= values <= above if above is not None else False
        wrong |= values < least if least is not None else False
        wrong |= values > most if most is not None else False
    if np.any(wrong):
        first = np.asarray(values)[wrong].flat[0].item() if np.ndim(values) else value
        raise ValueError(complaint(key, first, rule))


def alike(key: str, value: Any, other: Any) -> None:
    """Raise `ValueError` unless `value` has the shape of `other`, against which it would be stretched without a word."""
    if np.shape(value) != np.shape(other):
        raise ValueError(complaint(key, value, f"must have shape {np.shape(other)}"))


def choice(key: str, value: Any, allowed: Iterable[Any]) -> None:
    """Raise `ValueError` unless `value` is one of those `allowed`."""
    if value not in (names := tuple(allowed)):
        raise ValueError(complaint(key, value, f"must be one of {', '.join(map(str, names))}"))


def truth(key: str, value: Any) -> None:
    """Raise `ValueError` unless `value` is true or false; what only counts as such, like a word, is neither."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(complaint(key, value, "must be true or false"))


def instance(key: str, value: Any, kinds: type | tuple[type, ...], rule: str) -> None:
    """Raise `ValueError` unless `value` is an object of one of these kinds, which the rule describes."""
    if not isinstance(value, kinds):
        raise ValueError(complaint(key, value, rule))


def several(key: str, value: Any, kind: type, what: str) -> None:
    """Raise `ValueError` unless `value` is a list or tuple of at least one of a `kind`; `what` are many of these."""
    if not isinstance(value, list | tuple) or not all(isinstance(entry, kind) for entry in value):
        raise ValueError(complaint(key, value, f"must be a list of {what}"))
    numbers(key, len(value), kind="integer", shape=(), least=1)


def random_key(key: str, value: Any) -> None:
    """Raise `ValueError` unless `value` is one key of JAX's random numbers, of the new kind or the old."""
    kind, shape = str(getattr(value, "dtype", "")), getattr(value, "shape", None)
    if not (kind.startswith("key<") and shape == ()) and (kind, shape) != ("uint32", (2,)):
        raise ValueError(complaint(key, value, "must be one key, such as jax.random.key(0)"))


def known(value: Any) -> bool:
    """Whether there are values to look at, which there are not of what JAX traces."""
    return _seen(value)[1] is not None


def complaint(key: str, value: Any, rule: str) -> str:
    """`key: got value; rule`."""
    return f"{key}: {got(value, rule)}"


def got(value: Any, rule: str) -> str:
    """The one form of every complaint about a value: `got 7; must be ...`."""
    return f"got {shown(value)}; {rule}"


def shown(value: Any) -> str:
    """A value as YAML would have it, in at most 40 characters."""
    match value:
        case None:
            text = "nothing"
        case bool():
            text = str(value).lower()
        case complex():
            text = str(value).strip("()")
        case dict():
            text = "a mapping"
        case list() | tuple():
            text = f"[{', '.join(map(shown, value[:40]))}]"
        case np.generic():
            text = shown(value.item())
        case _ if getattr(value, "ndim", 0) > 0:
            return f"an array of shape {tuple(value.shape)} and type {value.dtype}"
        case _ if getattr(value, "ndim", None) == 0 and (known := _seen(value)[1]) is not None:
            text = shown(known.item())
        case _:
            text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _rule(kind: Kind, many: bool, above: int | float | None, least: int | float | None, most: int | float | None) -> str:
    noun = {"integer": "whole number", "real": "real number", "complex": "number"}[kind]
    finite = "" if kind == "integer" else "finite "
    text = f"must be {finite}{noun}s" if many else f"must be a {finite}{noun}"
    bounds = [f"above {above:g}"] if above is not None else []
    bounds += [f"at least {least:g}"] if least is not None else []
    bounds += [f"at most {most:g}"] if most is not None else []
    return " ".join([text, *(" and ".join(bounds),)]) if bounds else text


def _fits(found: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(found) == len(wanted) and all(n in (None, m) for m, n in zip(found, wanted, strict=True))


def _seen(value: Any) -> tuple[tuple[tuple[int, ...], str] | None, np.ndarray | None]:
    """Shape and kind of what was given, None where it is no array of numbers, and its values, None where JAX traces it."""
    if isinstance(value, bool | str | bytes | None.__class__):
        return None, None
    try:
        array = np.asarray(value)
    except TypeError:  # a tracer of JAX, several of them, or something that is no array at all
        if isinstance(value, list | tuple) and value:
            parts = [part for part in (_seen(part)[0] for part in value) if part is not None]
            if len(parts) < len(value) or len({shape for shape, _ in parts}) > 1:
                return None, None
            return ((len(parts), *parts[0][0]), max((kind for _, kind in parts), key="iufc".index)), None
        if hasattr(value, "aval"):
            return (tuple(np.shape(value)), np.dtype(getattr(value, "dtype", float)).kind), None
        return None, None
    except (ValueError, OverflowError):  # ragged
        return None, None
    if array.dtype.kind not in "iufc":
        if array.dtype.kind == "V" and hasattr(value, "aval"):  # bfloat16 and the like
            array = np.asarray(value, np.float64)
        else:
            return None, None
    return (array.shape, array.dtype.kind), array
