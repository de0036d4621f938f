"""Weights and checkpoints on disk: a checksum, one line of JSON that says what they are, and arrays. No pickle.

A file is replaced by renaming a finished one over it, so a process killed at any moment leaves it whole.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import equinox as eqx
from jaxtyping import PyTree

from qnano.errors import InputError
from qnano.storage.folder import replacing

CHECKSUM = hashlib.sha256().digest_size  # bytes at the head of a file
Tree = TypeVar("Tree", bound=PyTree)


def write(path: Path, header: dict[str, Any], tree: PyTree) -> None:
    """Put `header`, plain data, and the arrays of `tree` in the place of what was there."""
    with replacing(path) as file:
        file.write(bytes(CHECKSUM))
        file.write(json.dumps(header).encode() + b"\n")
        eqx.tree_serialise_leaves(file, tree)
        checksum = _checksum(file)
        file.seek(0)
        file.write(checksum)


def read_checksum(path: Path) -> str:
    """The checksum that stands at the head of the file, in hexadecimal digits. Raises `InputError` where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(CHECKSUM).hex()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def read_header(path: Path) -> dict[str, Any]:
    """What the file says of itself. Raises `InputError` where it is missing, damaged, or not one of these."""
    try:
        with path.open("rb") as file:
            whole = file.read(CHECKSUM) == _checksum(file)
            file.seek(CHECKSUM)
            header = json.loads(file.readline()) if whole else None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if header is None:
        raise InputError(f"{path}: is damaged, or no file of weights")
    return header


def read_tree(path: Path, like: Tree) -> Tree:
    """The arrays, in the place of those of `like`. Raises `InputError` where they are not of the same shapes."""
    with path.open("rb") as file:
        file.seek(CHECKSUM)
        file.readline()
        try:
            return eqx.tree_deserialise_leaves(file, like)
        except (ValueError, TypeError, RuntimeError, EOFError):
            raise InputError(f"{path}: holds other arrays than this version of qnano makes") from None


def _checksum(file: BinaryIO) -> bytes:
    """Of all that follows the place of the checksum."""
    file.seek(CHECKSUM)
    return hashlib.file_digest(file, "sha256").digest()
