"""Dotted keys, which name any value in an experiment."""

import re

from qnano.errors import InputError

KEY = re.compile(r"\w+(\.\w+)*")


def dotted(key: str) -> str:
    """`model.hopping[3]` and `model.hopping.3` are the same key. Raises `InputError` for what is none."""
    plain = re.sub(r"\[(\d+)\]", r".\1", key.strip())
    if not KEY.fullmatch(plain):
        raise InputError(f"{key}: not a key; must be words joined by dots, such as model.interaction or model.hopping[3]")
    return plain
