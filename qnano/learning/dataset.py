"""Trajectories on disk: one zarr store, readable with xarray, complete or not there at all."""

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import google_crc32c
import jax.numpy as jnp
import numpy as np
import xarray as xr

from qnano.errors import InputError
from qnano.lattice import Lattice
from qnano.learning.data import Trajectories
from qnano.storage.store import Coordinate, ResultStore, Variable, attributes, read

GROUP, CHECKSUM = "trajectories", "crc32c"


def save(path: Path, trajectories: Trajectories) -> None:
    """Write them to `path`. Raises `InputError` where something is there already."""
    if path.exists():
        raise InputError(f"{path}: exists; remove it, or choose another place")
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    psi = np.asarray(trajectories.psi)
    kept = {
        "lattice": asdict(trajectories.lattice),
        "electrons": list(trajectories.electrons),
        "family": list(trajectories.family),
    }
    coordinates = {
        "time": Coordinate(np.asarray(trajectories.times), "hbar/J", "time"),
        "trajectory": Coordinate(np.arange(len(trajectories)), "1", "quench"),
    }
    dims = ("trajectory", "time", "up", "down")
    numbers = {
        "psi": Variable(dims, psi.shape, psi.dtype, "1", "wavefunction by determinants of up and down"),
        "strength": Variable(dims[:1], psi.shape[:1], np.dtype(float), "J", "strength of the potential that is switched off"),
        "interaction": Variable(dims[:1], psi.shape[:1], np.dtype(float), "J", "interaction U"),
    }
    try:
        store = ResultStore(unfinished, kept | {CHECKSUM: _checksum(kept)})
        store.create(GROUP, numbers, coordinates, rows=1)
        store.write(GROUP, 0, {name: np.asarray(getattr(trajectories, name)) for name in numbers})
        unfinished.rename(path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def load(path: Path) -> Trajectories:
    """What `save` wrote. Raises `InputError` for a store that is not one of trajectories or whose arrays do not fit each other."""
    groups = read(path, f"remove {path}, and a training makes it anew")
    if GROUP not in groups:
        raise InputError(f"{path}: holds no trajectories")
    found = groups[GROUP]
    try:
        return _checked(found, attributes(path))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"{path}: cannot be used: {error}") from None


def _checked(found: xr.Dataset, about: dict) -> Trajectories:
    kept = {name: about[name] for name in ("lattice", "electrons", "family")}
    if about.get(CHECKSUM, _checksum(kept)) != _checksum(kept):  # older sets have none
        raise ValueError(f"its {', '.join(kept)} are not what was written")
    shape = about["lattice"]
    lattice = Lattice(**{name: _tuples(value) for name, value in shape.items()})
    electrons = tuple(about["electrons"])
    return Trajectories(
        lattice=lattice,
        electrons=electrons,
        family=tuple(about["family"]),
        strength=jnp.asarray(found["strength"].values),
        interaction=jnp.asarray(found["interaction"].values),
        times=jnp.asarray(found["time"].values),
        psi=jnp.asarray(found["psi"].values),
    )


def _checksum(kept: dict[str, Any]) -> int:
    """Of what says which system the wavefunctions belong to: another lattice of as many sites would be believed."""
    return google_crc32c.value(json.dumps(kept, sort_keys=True).encode())


def _tuples(value: Any) -> Any:
    """A list of lists as tuples of tuples."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
