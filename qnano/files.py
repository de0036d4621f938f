"""Files that others may have made, or that a kill may cut short: what is read is a regular file, what is written is whole.

A link could point anywhere, and reading a pipe or a device might never end: none of them is opened.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from qnano.errors import InputError

REMEDY = "the command that made it computes it again"
LARGEST_TEXT = 2**28  # bytes of a file that is read as a whole


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A regular file to read; the path may lead through links, its end is none. Raises `OSError` for anything else."""
    if not stat.S_ISREG(os.lstat(path).st_mode) and not path.is_dir():
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    # It could have become another thing since: then nothing is followed, and nothing waited for.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with open(path, "rb", opener=lambda name, _: os.open(name, flags)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        yield file


def text(path: Path) -> str:
    """All of a text file. Raises `OSError`, or `UnicodeDecodeError`."""
    with opened(path) as file:
        if os.fstat(file.fileno()).st_size > LARGEST_TEXT:
            raise OSError(errno.EFBIG, "too large a file", str(path))
        return file.read(LARGEST_TEXT).decode()


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path`, or of a link there, once it is written completely.

    Its folder is made, but nothing above that: where all of it was removed meanwhile, `FileNotFoundError` says so.
    """
    path.parent.mkdir(exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    try:
        with unfinished.open("x+b") as file:
            yield file
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def must_be_plain(folder: Path, deep: bool = False) -> None:
    """Raise `InputError` unless a folder, and with `deep` all that is in it, holds folders and regular files alone."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror}") from None
    for entry in entries:
        if entry.is_symlink():
            raise InputError(f"{entry.path}: is a link; a folder of results must have none")
        if entry.is_dir(follow_symlinks=False):
            if deep:
                must_be_plain(Path(entry.path), deep)
        elif not entry.is_file(follow_symlinks=False):
            raise InputError(f"{entry.path}: is neither a file nor a folder; a folder of results must have no other")
