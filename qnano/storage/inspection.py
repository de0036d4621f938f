"""What a store of zarr holds, looked at before zarr opens anything in it.

A store may come from a stranger. Zarr and numcodecs can run code for some of their formats, wait for pipes, follow links, or
allocate whatever a file says; so only what `store` itself writes is let through: format 3, few types of numbers, few codecs,
regular chunks, in sizes that this machine can hold. No link or other odd thing may be anywhere in it.
"""

import json
import math
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import google_crc32c

from qnano import runtime
from qnano.errors import InputError
from qnano.files import must_be_plain, opened, text

TYPES = {"bool": 1, "int8": 1, "int16": 2, "int32": 4, "int64": 8, "uint8": 1, "uint16": 2, "uint32": 4, "uint64": 8}
LONGEST_WORD = 4 * 1000  # bytes
TYPES |= {"float16": 2, "float32": 4, "float64": 8, "complex64": 8, "complex128": 16}
LABEL = 2**12  # bytes of a label on the average, at most
SERIALISERS, COMPRESSORS = ("bytes", "vlen-utf8"), ("zstd", "crc32c")
OLD = (".zarray", ".zgroup", ".zattrs", ".zmetadata")  # of format 2, in which a codec may run code
DIMENSIONS = 32
MOST_CHUNKS = 10**7
MAGIC = b"\x28\xb5\x2f\xfd"  # of a frame of zstd


class Chunk(NamedTuple):
    """Part of an array: the array's name, the first index along each dimension, and the file; all of it where that describes it."""

    array: str
    place: tuple[int, ...]
    file: Path

    @property
    def is_all(self) -> bool:
        return self.file.name == "zarr.json"


class Stored(NamedTuple):
    """An array as its metadata describe it."""

    path: Path
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    itemsize: int | None
    codecs: tuple[str, ...]

    @property
    def checked(self) -> bool:
        """Whether its chunks have checksums; those of older versions had none."""
        return self.codecs[-1] == "crc32c"

    @property
    def counts(self) -> tuple[int, ...]:
        return tuple(-(-n // chunk) for n, chunk in zip(self.shape, self.chunks, strict=True))

    @property
    def largest(self) -> int:
        """Bytes of a chunk, at most."""
        return math.prod(self.chunks) * (self.itemsize or LABEL)

    def parts(self) -> Iterator[Chunk]:
        for index in product(*map(range, self.counts)):
            place = tuple(k * chunk for k, chunk in zip(index, self.chunks, strict=True))
            yield Chunk(self.path.name, place, self.path.joinpath("c", *map(str, index)))


def inspected(path: Path) -> dict[str, Any]:
    """The attributes of a store that may be opened. Raises `InputError`, in one line, for any other."""
    if not path.is_dir():
        raise InputError(f"{path}: cannot be read: {'not a folder' if path.exists() else 'no such store'}")
    must_be_plain(path, deep=True)
    found, root = [], _metadata(path)
    if root["node_type"] != "group":
        raise InputError(f"{path}: cannot be read: must be a group")
    for place in members(path):
        if _metadata(place)["node_type"] != "group":
            raise InputError(f"{place}: cannot be read: must be a group")
        found += arrays(place)
    for old in (file for name in OLD for file in path.rglob(name)):
        raise InputError(f"{old}: cannot be read: zarr format 2; must be format 3")
    needed, there = sum(math.prod(array.shape) * (array.itemsize or 1) for array in found), runtime.memory()
    if needed > there:
        raise InputError(f"{path}: cannot be read: its arrays take {needed:.1e} bytes, of which this machine has {there:.1e}")
    if (count := sum(math.prod(array.counts) for array in found)) > MOST_CHUNKS:
        raise InputError(f"{path}: cannot be read: got {count:.1e} chunks; must be at most {MOST_CHUNKS:.0e}")
    for array in found:
        _must_unpack(array)
    return root["attributes"]


def damaged(group: Path, due: Callable[[Chunk], bool] | None = None) -> list[Chunk]:
    """The chunks of a group that are not as they were written; of those that are `due`, also what is not there.

    Only the due ones are looked at; without `due`, all that are there. Arrays without checksums have none. Coordinates are due.
    """
    found, always = altered(group), set(_coordinates(group))
    for array in arrays(group):
        if not array.checked:
            continue
        for chunk in array.parts():
            if due is None and not chunk.file.exists():
                continue
            if due is not None and array.path.name not in always and not due(chunk):
                continue
            if not _intact(chunk.file):
                found.append(chunk)
    return found


def torn(path: Path) -> dict[Path, Path]:
    """The groups of a store, or the store itself, with a zarr.json in them that is no mapping in JSON, and so cannot be read."""
    if not _is_mapping(path / "zarr.json"):
        return {path: path / "zarr.json"}
    places = ((group, place / "zarr.json") for group in members(path) for place in (group, *members(group)))
    return {group: file for group, file in places if not _is_mapping(file)}


def altered(group: Path) -> list[Chunk]:
    """The arrays of a group whose metadata are not there, or not the same as in their second copy, at the group itself."""
    copies = _metadata(group).get("consolidated_metadata") or {}
    copies = copies.get("metadata", {}) if isinstance(copies, dict) else {}
    there = {place.name: _metadata(place) for place in members(group)}
    return [Chunk(name, (0,), group / name / "zarr.json") for name, copy in copies.items() if there.get(name) != copy]


def unlabelled(group: Path) -> Iterator[tuple[Path, str]]:
    """The arrays of a group that are filled along a dimension without labels, and that dimension: `store` writes none such."""
    dims = {place: _metadata(place).get("dimension_names") or [] for place in members(group)}
    labelled = {place.name for place, names in dims.items() if names == [place.name]}
    yield from ((place / "zarr.json", names[0]) for place, names in dims.items() if names and names[0] not in labelled)


def missing(path: Path) -> set[str]:
    """The groups that a store had when its metadata were last brought together, and has no more."""
    copies = _metadata(path).get("consolidated_metadata") or {}
    known = copies.get("metadata", {}) if isinstance(copies, dict) else {}
    return {name for name in known if "/" not in name} - {place.name for place in members(path)}


def members(place: Path) -> list[Path]:
    """The groups or arrays in a group; what a kill left without metadata is none, to zarr as well."""
    return sorted(child for child in place.iterdir() if child.is_dir() and (child / "zarr.json").exists())


def arrays(group: Path) -> list[Stored]:
    """The arrays in a group. Raises `InputError` for one of a kind that `store` does not write."""
    return list(map(_array, members(group)))


def _coordinates(group: Path) -> Iterator[str]:
    """The names of the labels along dimensions."""
    yield from _metadata(group)["attributes"].get("coordinates", "").split()
    yield from (child.name for child in members(group) if _metadata(child).get("dimension_names") == [child.name])


def _intact(file: Path) -> bool:
    try:
        with opened(file) as content:
            data = content.read()
    except OSError:
        return False
    return google_crc32c.value(data[:-4]).to_bytes(4, "little") == data[-4:]


def _is_mapping(file: Path) -> bool:
    try:
        return isinstance(json.loads(text(file)), dict)
    except (OSError, ValueError, RecursionError):
        return False


def _metadata(place: Path) -> dict[str, Any]:
    """What zarr.json says. Raises `InputError` where there is none of format 3."""
    path = place / "zarr.json"
    try:
        about = json.loads(text(path))
    except (OSError, ValueError, RecursionError) as error:
        old = next((place / name for name in OLD if (place / name).exists()), None)
        if old is not None:
            raise InputError(f"{old}: cannot be read: zarr format 2; must be format 3") from None
        reason = error.strerror if isinstance(error, OSError) else str(error).splitlines()[0]
        raise InputError(f"{path}: cannot be read: {reason}") from None
    if not isinstance(about, dict) or about.get("zarr_format") != 3 or about.get("node_type") not in ("group", "array"):
        raise InputError(f"{path}: cannot be read: not a group or an array in zarr format 3")
    if not isinstance(about.setdefault("attributes", {}), dict):
        raise InputError(f"{path}: cannot be read: attributes must be a mapping")
    if not isinstance(about["attributes"].get("coordinates", ""), str):
        raise InputError(f"{path}: cannot be read: coordinates must be names")
    return about


def _array(place: Path) -> Stored:
    """An array of a kind that `store` writes."""
    about, path = _metadata(place), place / "zarr.json"

    def must(good: bool, key: str, rule: str) -> None:
        if not good:
            raise InputError(f"{path}: cannot be read: {key}: must be {rule}")

    must(about["node_type"] == "array", "node_type", "array")
    kind, size = _kind(about.get("data_type"))
    must(kind is not None, "data_type", "a number or a string")
    shape: Any = about.get("shape")
    grid: Any = about.get("chunk_grid")
    must(_sizes(shape, 0), "shape", f"at most {DIMENSIONS} whole numbers")
    regular = isinstance(grid, dict) and grid.get("name") == "regular" and isinstance(grid.get("configuration"), dict)
    chunks: Any = grid["configuration"].get("chunk_shape") if regular else None
    must(_sizes(chunks, 1) and len(chunks) == len(shape), "chunk_grid", "regular, with chunks of at least 1 along each dimension")
    names = about.get("dimension_names") or []  # zarr writes none of a single number
    must(isinstance(names, list) and len(names) == len(shape), "dimension_names", "one for each dimension")
    must(all(isinstance(name, str) for name in names), "dimension_names", "words")
    must(about.get("chunk_key_encoding") == _ENCODING, "chunk_key_encoding", "the default one")
    must(not about.get("storage_transformers"), "storage_transformers", "none")
    for name in ("units", "long_name"):
        words = about["attributes"].get(name)
        must(isinstance(words, str) and len(words) <= LONGEST_WORD and words.isprintable(), name, "printable words")
    codecs: Any = about.get("codecs")
    known = isinstance(codecs, list) and all(isinstance(codec, dict) and isinstance(codec.get("name"), str) for codec in codecs)
    must(known and len(codecs) > 0, "codecs", "a list")
    first, *others = (codec["name"] for codec in codecs)
    must(first == SERIALISERS[kind == "string"], "codecs", f"first {SERIALISERS[kind == 'string']}")
    must(others in ([], ["zstd"], ["crc32c"], ["zstd", "crc32c"]), "codecs", f"then {' and '.join(COMPRESSORS)} alone")
    return Stored(place, tuple(shape), tuple(chunks), size, (first, *others))


def _kind(data_type: Any) -> tuple[str | None, int | None]:
    """Its name, if it is one that `store` writes, and the bytes of an entry: none of words of any length."""
    match data_type:
        case "string":
            return "string", None
        case str() if data_type in TYPES:
            return data_type, TYPES[data_type]
        case {"name": "fixed_length_utf32", "configuration": {"length_bytes": int(size), **other}} if not other:
            return ("words", size) if 0 < size <= LONGEST_WORD and size % 4 == 0 else (None, None)
        case _:
            return None, None


_ENCODING = {"name": "default", "configuration": {"separator": "/"}}


def _sizes(found: Any, least: int) -> bool:
    whole = isinstance(found, list) and len(found) <= DIMENSIONS and all(type(n) is int for n in found)
    return whole and all(least <= n < 2**62 for n in found)


def _must_unpack(array: Stored) -> None:
    """Raise `InputError` where a file of an array would become larger than its chunk is.

    One that says so because it is damaged is never unpacked: its checksum is looked at first.
    """
    for file in (array.path / "c").rglob("*") if array.shape else [array.path / "c"]:
        if not file.is_file() or file.suffix == ".partial":
            continue
        size = file.stat().st_size
        most = array.largest + 64
        if "zstd" in array.codecs:
            with opened(file) as content:
                unpacked, size = _unpacked(content.read(18)), size // 2
            if unpacked > most >= size and array.checked and not _intact(file):
                continue
            size = max(unpacked, size)
        if size > most:
            raise InputError(f"{file}: cannot be read: it is larger than a chunk of its array")


def _unpacked(head: bytes) -> int | float:
    """How many bytes a frame of zstd says that it holds; infinity where it does not, 0 where it is none, which zstd will tell."""
    if head[:4] != MAGIC or len(head) < 6:
        return 0
    flags = head[4]
    single, kind = flags >> 5 & 1, flags >> 6
    first = 5 + (not single) + (0, 1, 2, 4)[flags & 3]
    width = (1 if single else 0, 2, 4, 8)[kind]
    if not width:
        return math.inf
    return int.from_bytes(head[first : first + width], "little") + (256 if width == 2 else 0)
