"""What checksums of chunks do not tell: an array gone with its description, chunks in each other's places, numbers written anew."""

import json
import shutil

import numpy as np
import pytest
import zarr

from qnano.errors import InputError
from qnano.storage.store import Coordinate, ResultStore, Variable, is_whole, read

ENERGIES = np.array([1.0, 2.0, 3.0])


@pytest.fixture
def store(tmp_path):
    made = ResultStore(tmp_path / "results.zarr", {"title": "small"})
    for group in ("exact", "mean_field"):
        energy = Variable(("time",), (3,), np.dtype(float), "J", "energy")
        made.create(group, {"energy": energy}, {"time": Coordinate(np.arange(3.0), "hbar/J", "time")}, rows=1)
        made.write(group, 0, {"energy": ENERGIES})
    made.seal()
    return made


def gone(path):
    """With its description in all copies."""
    shutil.rmtree(path / "exact" / "energy")
    for group in ({"path": "exact"}, {}):
        zarr.consolidate_metadata(path, **group)


def swapped(path):
    chunks = path / "exact" / "energy" / "c"
    (chunks / "0").rename(chunks / "aside")
    (chunks / "1").rename(chunks / "0")
    (chunks / "aside").rename(chunks / "1")


def rewritten(path):
    zarr.open_array(path / "exact" / "energy", mode="r+")[1] = 2.5


def another_unit(path):
    zarr.open_array(path / "exact" / "energy", mode="r+").attrs["units"] = "eV"
    for group in ({"path": "exact"}, {}):
        zarr.consolidate_metadata(path, **group)


def lost(path):
    (path / "exact" / "energy" / "c" / "2").unlink()


HARM = {
    gone: ("exact/energy/zarr.json: is missing", [(0,)]),
    swapped: ("exact/energy/c/0: is damaged", [(0,), (1,)]),
    rewritten: ("exact/energy/c/1: is damaged", [(1,)]),
    another_unit: ("exact/energy/zarr.json: is damaged", [(0,)]),
    lost: ("exact/energy/c/2: is missing", [(2,)]),
}


@pytest.mark.filterwarnings("ignore")  # zarr's, of consolidated metadata
@pytest.mark.parametrize("harm", HARM)
def test_what_was_changed_is_told_and_known(store, harm):
    words, places = HARM[harm]
    assert read(store.path)["exact"]["energy"].values.tolist() == ENERGIES.tolist()
    assert is_whole(store.path, {}) and not store.damaged("exact", 3)
    harm(store.path)
    with pytest.raises(InputError, match=f"results.zarr/{words}; the command that made it"):
        read(store.path)
    assert not is_whole(store.path, {})
    assert [chunk.place for chunk in store.damaged("exact", 3)] == places
    assert not store.damaged("mean_field", 3)


def test_a_group_that_is_gone(store):
    shutil.rmtree(store.path / "exact")
    with pytest.raises(InputError, match=r"results.zarr/exact: is missing; the command that made it"):
        read(store.path)
    assert not is_whole(store.path, {})


def test_what_is_mended_is_sealed_anew(store):
    swapped(store.path)
    again = ResultStore(store.path, {})
    again.write("exact", 0, {"energy": ENERGIES})
    assert is_whole(store.path, {})  # while it is written to, by the checksums of chunks alone
    again.seal()
    assert read(store.path)["exact"]["energy"].values.tolist() == ENERGIES.tolist()
    rewritten(store.path)
    assert not is_whole(store.path, {})


@pytest.mark.parametrize("content", ["", "[]", '{"exact": 1}', '{"exact": {"energy": {"chunks": 1, "metadata": ""}}}', "[" * 10**5])
def test_seals_that_are_none(store, content, capsys):
    file = store.path / "seals.json"
    file.write_text(content)
    with pytest.raises(InputError, match=r"seals.json: cannot be read: not the seals of a store; the command that made it"):
        read(store.path)
    assert not is_whole(store.path, {})
    again = ResultStore(store.path, {})
    assert capsys.readouterr().err == f"warning: {file}: is damaged; what it held is computed again\n"
    again.seal()
    assert json.loads(file.read_text()).keys() == {"exact", "mean_field"} and is_whole(store.path, {})
