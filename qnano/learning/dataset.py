"""Trajectories on disk: one zarr store, readable with xarray, complete or not there at all.

What Hamiltonians other than those of quenches are is told in words, as plain data of an experiment for each trajectory: layout 2.
"""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import google_crc32c
import jax.numpy as jnp
import numpy as np
import xarray as xr

from qnano.errors import InputError
from qnano.hubbard.model import FermiHubbard
from qnano.lattice import Lattice
from qnano.learning.data import Trajectories
from qnano.storage.store import Coordinate, ResultStore, Variable, attributes, read

GROUP, CHECKSUM = "trajectories", "crc32c"
LAYOUT = 2

Plain = dict[str, Any]  # what an experiment is, as it would stand in a file


def save(path: Path, trajectories: Trajectories, experiments: Sequence[Plain] = ()) -> None:
    """Write them to `path`, with what their Hamiltonians are where they have some of their own.

    Raises `InputError` where something is there already, and `ValueError` for other than one of the `experiments` for each.
    """
    if len(experiments) != (wanted := 0 if trajectories.hamiltonians is None else len(trajectories)):
        raise ValueError(f"experiments: got {len(experiments)}; must be {wanted}, one for each Hamiltonian")
    if path.exists():
        raise InputError(f"{path}: exists; remove it, or choose another place")
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    psi = np.asarray(trajectories.psi)
    kept = {
        "lattice": asdict(trajectories.lattice),
        "electrons": list(trajectories.electrons),
        "family": list(trajectories.family),
    }
    if experiments:
        kept |= {"experiments": list(experiments), "layout": LAYOUT}
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
        store.seal()
        unfinished.rename(path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def load(path: Path, experiments: Sequence[Plain] = (), hamiltonians: FermiHubbard | None = None) -> Trajectories:
    """What `save` wrote, with the `hamiltonians` of its `experiments`, if it has such.

    Raises `InputError` for a store that is not one of trajectories or whose arrays do not fit each other, or of other experiments.
    """
    groups = read(path, f"remove {path}, and a training makes it anew")
    if GROUP not in groups:
        raise InputError(f"{path}: holds no trajectories")
    found = groups[GROUP]
    try:
        about = attributes(path)
        if about.get("layout", 1) not in (1, LAYOUT):
            raise ValueError(f"its layout is {about['layout']!r}, of another version of qnano; this one reads 1 and {LAYOUT}")
        read_back = _checked(found, about)
        if about.get("experiments", []) != list(experiments):
            raise ValueError("it holds motions of other experiments; remove it, or choose another place")
        return replace(read_back, hamiltonians=hamiltonians)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"{path}: cannot be used: {error}") from None


def _checked(found: xr.Dataset, about: dict) -> Trajectories:
    names = ("lattice", "electrons", "family")
    kept = {name: about[name] for name in (*names, *({"experiments", "layout"} & about.keys()))}
    if about.get(CHECKSUM, _checksum(kept)) != _checksum(kept):  # older sets have none
        raise ValueError(f"its {', '.join(names)} are not what was written")
    if found["psi"].dtype.itemsize < np.dtype(jnp.result_type(complex)).itemsize:
        raise ValueError("psi is in single precision; must be in double, as what is learned from it")
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
