"""Weights and checkpoints on disk: a checksum, one line of JSON that says what they are, and arrays. No pickle.

A file is replaced by renaming a finished one over it, so a process killed at any moment leaves it whole. JAX is imported where
there are arrays: configs know weights by their checksum.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.lib import format as npy

from qnano.errors import InputError
from qnano.files import LARGEST_TEXT, opened, replacing

Tree = TypeVar("Tree")
CHECKSUM = hashlib.sha256().digest_size  # bytes at the head


def write(path: Path, header: dict[str, Any], tree: Any) -> None:
    """Put `header`, plain data, and the arrays of `tree` in the place of what was there."""
    import equinox as eqx
    import jax

    with replacing(path) as file:
        file.write(bytes(CHECKSUM))
        file.write(json.dumps(header).encode() + b"\n")
        for leaf in filter(eqx.is_array_like, jax.tree.leaves(tree)):
            # Not np.save: where a disk is full, that says neither so nor anything else.
            array = np.asarray(leaf, order="C")
            npy.write_array_header_1_0(file, npy.header_data_from_array_1_0(array))
            file.write(array.tobytes())
        found = _checksum(file)
        file.seek(0)
        file.write(found)


def read_checksum(path: Path) -> str:
    """The checksum that stands at the head of the file, in hexadecimal digits. Raises `OSError` where it cannot be read."""
    with opened(path) as file:
        return file.read(CHECKSUM).hex()


def is_sealed(path: Path) -> bool:
    """Whether there is a file, and at its head the checksum of what follows."""
    try:
        with opened(path) as file:
            return file.read(CHECKSUM) == _checksum(file)
    except OSError:
        return False


def read_header(path: Path) -> dict[str, Any]:
    """What the file says of itself. Raises `InputError` where it is missing, damaged, or not one of these."""
    try:
        with opened(path) as file:
            whole = file.read(CHECKSUM) == _checksum(file)
            file.seek(CHECKSUM)
            header = json.loads(file.readline(LARGEST_TEXT)) if whole else None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise InputError(f"{path}: is damaged, or no file of weights")
    return header


def read_tree(path: Path, like: Tree) -> Tree:
    """The arrays, in the place of those of `like`. Raises `InputError` where they are not of the same shapes, or more follow."""
    import equinox as eqx
    import jax

    try:
        with opened(path) as file:
            file.seek(CHECKSUM)
            file.readline(LARGEST_TEXT)
            leaves, structure = jax.tree.flatten(like)
            tree = structure.unflatten([_read(file, leaf) if eqx.is_array_like(leaf) else leaf for leaf in leaves])
            if file.read(1):
                raise ValueError("more follows")
            return tree
    except ValueError:
        raise InputError(f"{path}: holds other arrays than this version of qnano makes") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def _read(file: BinaryIO, like: Any) -> Any:
    """One array, of the shape and type of `like`, or of the same kind in another precision: nothing is allocated for any other."""
    import jax

    if npy.read_magic(file) != (1, 0):
        raise ValueError("another format")
    shape, fortran, dtype = npy.read_array_header_1_0(file)
    known = np.asarray(like).dtype if not hasattr(like, "dtype") else like.dtype
    rounds = not hasattr(like, "dtype") or known.kind in "fc"
    if shape != np.shape(like) or dtype.kind != known.kind or (dtype != known and not rounds):
        raise ValueError("another shape or type")
    content = file.read(dtype.itemsize * int(np.prod(shape)))
    array = np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")
    if isinstance(like, jax.Array):
        return jax.numpy.asarray(array.astype(known))
    return array.astype(known) if isinstance(like, np.ndarray) else type(like)(array.item())


def _checksum(file: BinaryIO) -> bytes:
    """Of all that follows the place of the checksum."""
    file.seek(CHECKSUM)
    return hashlib.file_digest(file, "sha256").digest()  # pyright: ignore[reportArgumentType]
