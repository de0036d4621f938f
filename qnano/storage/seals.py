"""Which arrays each group of a store has, and what was in them when the run ended: `seals.json`, beside the groups.

Every chunk has a checksum of its own (`inspection`), so that one which a disk spoils is known. It says nothing of an array that is
gone together with its description, of chunks in each other's places, or of one that another program wrote anew. A seal does: the
checksums of all chunks of an array in their order, and one of its metadata. While a run goes on, arrays are known by name alone.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import google_crc32c

from qnano.errors import InputError
from qnano.files import REMEDY, opened, replacing, text
from qnano.storage import inspection
from qnano.storage.inspection import Chunk, Stored

FILE = "seals.json"
WIDTH = 8  # hexadecimal digits of a checksum
NOTHING = "-" * WIDTH  # of a chunk that was never written

Seal = dict[str, str]  # `metadata` and `chunks`
Seals = dict[str, dict[str, Seal | None]]  # by group and array; None while it is being written


def known(path: Path) -> Seals:
    """Those of a store; none of one that an older version made. Raises `InputError` where they cannot be read."""
    file = path / FILE
    if not file.exists():
        return {}
    try:
        found = json.loads(text(file))
        right = isinstance(found, dict) and all(isinstance(arrays, dict) for arrays in found.values())
        right = right and all(_is_seal(seal) for arrays in found.values() for seal in arrays.values())
    except (OSError, ValueError, RecursionError):
        right = False
    if not right:
        raise InputError(f"{file}: cannot be read: not the seals of a store; {REMEDY}")
    return found


def begin(path: Path, group: str, arrays: Iterable[str]) -> None:
    """Note that a group has these arrays, which are going to be written."""
    _write(path, known(path) | {group: dict.fromkeys(arrays)})


def unseal(path: Path, group: str) -> None:
    """Note that a group is going to be written to again."""
    seals = known(path)
    if any(seals.get(group, {}).values()):
        begin(path, group, seals[group])


def seal(path: Path) -> None:
    """Seal every group that is not yet."""
    seals = known(path)
    for group in inspection.members(path):
        if not all(seals.get(group.name, {}).values()) or group.name not in seals:
            seals[group.name] = {array.path.name: _seal(array) for array in inspection.arrays(group)}
    _write(path, seals)


def missing(path: Path) -> set[str]:
    """The groups that a store had and has no more."""
    return known(path).keys() - {group.name for group in inspection.members(path)}


def broken(group: Path) -> list[Chunk]:
    """What of a group is not there, or not the same, as when it was made or sealed."""
    found, there = [], {array.path.name: array for array in inspection.arrays(group)}
    for name, sealed in known(group.parent).get(group.name, {}).items():
        if name not in there:
            found.append(Chunk(name, (0,), group / name / "zarr.json"))
        elif sealed is not None:
            found += _differences(there[name], sealed)
    return found


def _differences(array: Stored, sealed: Seal) -> list[Chunk]:
    found = _seal(array)
    if found["metadata"] != sealed["metadata"] or len(found["chunks"]) != len(sealed["chunks"]):
        return [Chunk(array.path.name, (0,), array.path / "zarr.json")]
    if found == sealed:
        return []
    differ = lambda k: found["chunks"][k : k + WIDTH] != sealed["chunks"][k : k + WIDTH]  # noqa: E731
    return [chunk for n, chunk in enumerate(array.parts()) if differ(WIDTH * n)]


def _seal(array: Stored) -> Seal:
    about = json.dumps(json.loads(text(array.path / "zarr.json")), sort_keys=True)
    chunks = "".join(map(_checksum, array.parts()))
    return {"metadata": f"{google_crc32c.value(about.encode()):0{WIDTH}x}", "chunks": chunks}


def _checksum(chunk: Chunk) -> str:
    """The last bytes of a chunk, which are a checksum of the others."""
    try:
        with opened(chunk.file) as file:
            file.seek(max(file.seek(0, 2) - WIDTH // 2, 0))
            return file.read().hex().rjust(WIDTH, "0")
    except FileNotFoundError:
        return NOTHING


def _is_seal(found: Any) -> bool:
    return found is None or (
        isinstance(found, dict) and found.keys() == {"metadata", "chunks"} and all(isinstance(part, str) for part in found.values())
    )


def _write(path: Path, seals: Seals) -> None:
    with replacing(path / FILE) as file:
        file.write(json.dumps(seals).encode())
