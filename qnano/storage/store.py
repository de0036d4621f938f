"""Labelled arrays on disk: zarr for writing, xarray for reading.

Every array is allocated in full, NaN, when its group is made, and filled by rows of time in whole chunks: what was written is
never touched again, so a process killed at any moment leaves a store in which the finished rows are right and the others NaN.
Every chunk carries a checksum, so that one which is no longer what was written is told (`read`) and can be computed again
(`ResultStore.damaged`).

    xarray.open_datatree("results.zarr", engine="zarr")
    xarray.open_dataset("results.zarr", group="exact", engine="zarr")
"""

import math
import shutil
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.errors import UnstableSpecificationWarning, ZarrUserWarning

from qnano.border import complaint
from qnano.errors import InputError, RunFailed
from qnano.files import REMEDY, must_be_plain
from qnano.storage import inspection, seals
from qnano.storage.inspection import Chunk

GUARDED = {"compressors": (ZstdCodec(), Crc32cCodec())}
DAMAGED = "{}: is {}; {}"
AGAIN = "warning: {}; what it held is computed again"
FACTS = "system.facts"  # a group that no method can be named like
UNDECODED: dict[str, Any] = {"mask_and_scale": False, "decode_times": False, "concat_characters": False}


@dataclass(frozen=True)
class Variable:
    """An array to be filled: the names of its dimensions, time first, its shape, type, unit and meaning."""

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype
    units: str
    long_name: str
    missing: Any = np.nan


@dataclass(frozen=True)
class Coordinate:
    """The labels along the dimension of the same name, or along `dim`; words are stored with one width, as xarray can draw them."""

    values: np.ndarray
    units: str
    long_name: str
    dim: str | None = None


class ResultStore:
    """A zarr store with one group per method."""

    def __init__(self, path: Path, attributes: Mapping[str, Any]):
        """Open the store at `path`, or make it with `attributes`, which must be plain data.

        A group whose metadata are torn is dropped, and so known to be lost; so is the store of a run with another `id`. Raises
        `InputError` for a store that this package would not have written.
        """
        self.path = path
        if (path / "zarr.json").exists():
            _drop_torn(path)
        if (path / "zarr.json").exists():
            found = inspection.inspected(path).get("id")
            if found not in (None, attributes.get("id")):
                print(AGAIN.format(f"{path}: is that of another run, {found}"), file=sys.stderr)
                shutil.rmtree(path)
        if (path / "zarr.json").exists():
            _drop_torn_seals(path)
        self.root = zarr.open_group(path, mode="a", zarr_format=3, attributes=dict(attributes), use_consolidated=False)
        self._opened: dict[tuple[str, str], zarr.Array] = {}

    def create(
        self,
        group: str,
        variables: Mapping[str, Variable],
        coordinates: Mapping[str, Coordinate],
        rows: int | tuple[int, ...],
    ) -> None:
        """Allocate a group, in place of one of that name; `rows` along the first dimensions make a chunk on disk."""
        rows = (rows,) if isinstance(rows, int) else rows
        with warnings.catch_warnings():
            # Words of one width are in no specification of zarr's yet; those of any width are none that xarray's plots take.
            warnings.simplefilter("ignore", UnstableSpecificationWarning)
            # Zarr calls its consolidated metadata unofficial; without it xarray warns at every opening.
            warnings.simplefilter("ignore", ZarrUserWarning)
            made = self.root.create_group(group, overwrite=True)
            self._opened = {key: array for key, array in self._opened.items() if key[0] != group}
            if beside := [name for name, coordinate in coordinates.items() if coordinate.dim is not None]:
                made.attrs["coordinates"] = " ".join(beside)
            for name, coordinate in coordinates.items():
                dims, values = (coordinate.dim or name,), _plain(coordinate.values)
                _described(made, name, dims, coordinate, data=values, chunks=tuple(max(n, 1) for n in np.shape(values)))
            for name, variable in variables.items():
                chunks = (*map(min, rows, variable.shape), *variable.shape[len(rows) :])
                missing = np.full((), variable.missing, variable.dtype)[()]
                kind = {"shape": variable.shape, "dtype": variable.dtype, "chunks": chunks, "fill_value": missing}
                _described(made, name, variable.dims, variable, **kind)
            zarr.consolidate_metadata(self.path, path=group)
            zarr.consolidate_metadata(self.path)
        seals.begin(self.path, group, (*coordinates, *variables))

    def write(self, group: str, first: int, rows: Mapping[str, np.ndarray]) -> None:
        """Write rows `first`, `first + 1`, ... of variables of a group; `first` begins a chunk."""
        for name, values in rows.items():
            self._array(group, name)[first : first + len(values)] = values

    def write_at(self, group: str, place: tuple[int, ...], values: Mapping[str, np.ndarray]) -> None:
        """Write variables of a group at one place along their first dimensions; what an array is too short for is missing.

        All that belongs to the place is written, so that a damaged chunk there need not be read.
        """
        for name, array in values.items():
            stored = self._array(group, name)
            whole = np.full(stored.shape[len(place) :], stored.fill_value, stored.dtype)
            whole[tuple(map(slice, np.shape(array)))] = array
            stored[place] = whole

    def whole(self, group: str, name: str) -> np.ndarray:
        """What is stored of a variable of a group."""
        return np.asarray(self._array(group, name)[...])

    def damaged(self, group: str, written: int | Callable[[Chunk], bool]) -> list[Chunk]:
        """What was written of a group and is no longer there, or no longer the same, told on stderr.

        `written` says how many rows were, or whether a chunk was; labels were.
        """
        if written == 0:
            return []
        due = (lambda chunk: not chunk.place or chunk.place[0] < written) if isinstance(written, int) else written
        if not (self.path / group / "zarr.json").exists():
            return [Chunk("", (0,), self.path / group)]
        found = _damaged(self.path / group, due)
        if found:
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            print(AGAIN.format(f"{found[0].file}: is damaged{more}"), file=sys.stderr)
        return found

    def seal(self) -> None:
        """Note what has been written, once nothing more will be, so that whatever is changed from now on is known."""
        seals.seal(self.path)

    def _array(self, group: str, name: str) -> zarr.Array:
        if not (self.path / "zarr.json").exists():
            raise RunFailed(f"{self.path}: was removed while it was written to")
        if (group, name) not in self._opened:
            seals.unseal(self.path, group)
            with zarr.config.set({"array.write_empty_chunks": True}):  # so that a chunk which is not there is known to be lost
                self._opened[group, name] = zarr.open_array(self.path / group / name, mode="r+")
        return self._opened[group, name]


def _described(group: zarr.Group, name: str, dims: tuple[str, ...], what: Variable | Coordinate, **kind: Any) -> None:
    attributes: dict[str, Any] = {"units": what.units, "long_name": what.long_name}
    group.create_array(name, dimension_names=dims, attributes=attributes, **GUARDED, **kind)


def _drop_torn(path: Path) -> None:
    """Remove the groups of a store whose metadata are no longer JSON, which is told, or all of it where its own are not."""
    must_be_plain(path, deep=True)
    for lost, file in inspection.torn(path).items():
        print(AGAIN.format(f"{file}: is damaged"), file=sys.stderr)
        shutil.rmtree(lost)


def _drop_torn_seals(path: Path) -> None:
    """Remove seals that cannot be read, which is told: what they held is what the chunks' own checksums then vouch for."""
    try:
        seals.known(path)
    except InputError:
        print(AGAIN.format(f"{path / seals.FILE}: is damaged"), file=sys.stderr)
        (path / seals.FILE).unlink()


def _damaged(group: Path, due: Callable[[Chunk], bool] | None = None) -> list[Chunk]:
    """What of a group is not as it was written; of chunks that are not sealed yet, of those that are `due`."""
    found = inspection.damaged(group, due)
    return found + [chunk for chunk in seals.broken(group) if chunk not in found]


def is_whole(path: Path, rows: Mapping[str, int]) -> bool:
    """Whether there is a readable store, and nothing of it damaged or missing; of some groups only so many `rows` were written."""
    try:
        inspection.inspected(path)
        lost = inspection.missing(path) | seals.missing(path)
    except InputError:
        return False
    due = lambda group: lambda chunk: not chunk.place or chunk.place[0] < rows.get(group.name, math.inf)  # noqa: E731
    return not lost and not any(_damaged(group, due(group)) for group in inspection.members(path))


def named(names: Sequence[str]) -> np.ndarray:
    """Labels as they are stored: places as whole numbers."""
    return np.arange(len(names)) if not names or names[0].isdecimal() else np.array(names, str)


def attributes(path: Path) -> dict[str, Any]:
    """Those of a store as a whole. Raises `InputError` where there is no readable store."""
    return inspection.inspected(path)


def _plain(values: np.ndarray) -> np.ndarray:
    return values if values.dtype.kind in "biufc" else np.array(values.tolist(), str)


def must_be_whole(path: Path, remedy: str = REMEDY) -> dict[str, Any]:
    """The attributes of a store. Raises `InputError` where there is none, or one that lacks what it had, or has other chunks."""
    if not path.exists():
        raise InputError(f"{path}: is not there; {REMEDY}")
    about = inspection.inspected(path)
    for group in sorted(inspection.missing(path) | seals.missing(path)):
        raise InputError(DAMAGED.format(path / group, "missing", remedy))
    for group in inspection.members(path):
        for part in (*inspection.altered(group), *seals.broken(group)):
            raise InputError(DAMAGED.format(part.file, "damaged" if part.file.exists() else "missing", remedy))
    return about


def read(path: Path, remedy: str = REMEDY) -> dict[str, xr.Dataset]:
    """Every group of a store in memory, but for the facts.

    Raises `InputError` where there is no readable store, or part of it is damaged; what helps against damage is the `remedy`.
    """
    must_be_whole(path, remedy)
    for group in inspection.members(path):
        for file, dim in inspection.unlabelled(group) if group.name != FACTS else ():
            problem = complaint("dimension_names", dim, "its places must have labels in the group")
            raise InputError(f"{file}: cannot be read: {problem}")
    # Consolidated metadata would be read in the place of those that were inspected; an absolute path is never taken for an address.
    how: dict[str, Any] = {"engine": "zarr", "zarr_format": 3, "consolidated": False}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with xr.open_datatree(path.absolute(), **how, **UNDECODED) as tree:
                names = (name for name in sorted(tree.children) if name != FACTS)
                return {name: _of_one_width(tree[name].to_dataset().load()) for name in names}
    except Exception as error:  # whatever becomes of files that anybody may have made
        for chunk in (chunk for group in inspection.members(path) for chunk in inspection.damaged(group)):
            raise InputError(DAMAGED.format(chunk.file, "damaged", remedy)) from None
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: cannot be read: {reason}") from None


def facts(path: Path) -> xr.Dataset | None:
    """What is kept of a system beside its results, of a store that `read` has read; None where an older version kept nothing."""
    if not (path / FACTS).exists():
        return None
    with xr.open_dataset(path.absolute(), group=FACTS, engine="zarr", zarr_format=3, consolidated=False, **UNDECODED) as data:
        return data.load()


def _of_one_width(data: xr.Dataset) -> xr.Dataset:
    """With words of one width, of whatever width they were stored."""
    words = {name: (x.dims, _plain(x.values), x.attrs) for name, x in data.coords.items() if x.dtype.kind in "TO"}
    return data.assign_coords(words)
