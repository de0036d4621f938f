"""Labelled arrays on disk: zarr for writing, xarray for reading.

Every array is allocated in full, NaN, when its group is made, and filled by rows of time in whole chunks: what was written is
never touched again, so a process killed at any moment leaves a store in which the finished rows are right and the others NaN.

    xarray.open_datatree("results.zarr", engine="zarr")
    xarray.open_dataset("results.zarr", group="exact", engine="zarr")
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from zarr.errors import UnstableSpecificationWarning, ZarrUserWarning

from qnano.errors import InputError


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
        """Open the store at `path`, or make it with `attributes`, which must be plain data."""
        self.path = path
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
                _described(made, name, (coordinate.dim or name,), coordinate, data=_plain(coordinate.values))
            for name, variable in variables.items():
                chunks = (*map(min, rows, variable.shape), *variable.shape[len(rows) :])
                missing = np.full((), variable.missing, variable.dtype)[()]
                kind = {"shape": variable.shape, "dtype": variable.dtype, "chunks": chunks, "fill_value": missing}
                _described(made, name, variable.dims, variable, **kind)
            zarr.consolidate_metadata(self.path, path=group)
            zarr.consolidate_metadata(self.path)

    def write(self, group: str, first: int, rows: Mapping[str, np.ndarray]) -> None:
        """Write rows `first`, `first + 1`, ... of variables of a group; `first` begins a chunk."""
        for name, values in rows.items():
            self._array(group, name)[first : first + len(values)] = values

    def write_at(self, group: str, place: tuple[int, ...], values: Mapping[str, np.ndarray]) -> None:
        """Write variables of a group at one place along their first dimensions; an array may be shorter than what is allocated."""
        for name, array in values.items():
            region = (*place, *map(slice, np.shape(array)))
            self._array(group, name)[region] = array

    def _array(self, group: str, name: str) -> zarr.Array:
        if (group, name) not in self._opened:
            self._opened[group, name] = zarr.open_array(self.path / group / name, mode="r+")
        return self._opened[group, name]


def _described(group: zarr.Group, name: str, dims: tuple[str, ...], what: Variable | Coordinate, **kind: Any) -> None:
    attributes: dict[str, Any] = {"units": what.units, "long_name": what.long_name}
    group.create_array(name, dimension_names=dims, attributes=attributes, **kind)


def _plain(values: np.ndarray) -> np.ndarray:
    return values if values.dtype.kind in "biufc" else np.array(values.tolist(), str)


def read(path: Path) -> dict[str, xr.Dataset]:
    """Every group of a store in memory. Raises `InputError` where there is no readable store."""
    try:
        with xr.open_datatree(path, engine="zarr") as tree:
            return {name: _of_one_width(group.to_dataset().load()) for name, group in tree.children.items()}
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise InputError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from None


def _of_one_width(data: xr.Dataset) -> xr.Dataset:
    """With words of one width, of whatever width they were stored."""
    words = {name: (x.dims, _plain(x.values), x.attrs) for name, x in data.coords.items() if x.dtype.kind in "TO"}
    return data.assign_coords(words)
