"""The store: labels, units, missing rows, and what a killed or starved writer leaves behind."""

import json
import random
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
import xarray as xr
import zarr
from matplotlib.figure import Figure

from qnano.errors import InputError
from qnano.storage.store import Coordinate, ResultStore, Variable, read

TIMES = np.linspace(0.0, 2.0, 21)
WRITER = """
import resource, sys
from pathlib import Path
import numpy as np
from qnano.storage.store import Coordinate, ResultStore, Variable

rows, width, largest = 10, int(sys.argv[2]), int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
store = ResultStore(Path(sys.argv[1]), {"title": "writer"})
noise = Variable(("time", "site"), (400 * rows, width), np.dtype(float), "1", "row number plus noise in the last digits")
store.create("exact", {"x": noise}, {"time": Coordinate(np.arange(400.0 * rows), "hbar/J", "time")}, rows)
print("ready", flush=True)
for first in range(0, 400 * rows, rows):
    values = np.arange(first, first + rows)[:, None] + 1e-3 * np.random.default_rng(first).random((rows, width))
    store.write("exact", first, {"x": values})
    print(first + rows, flush=True)
"""


@pytest.fixture
def store(tmp_path):
    made = ResultStore(tmp_path / "results.zarr", {"title": "small"})
    made.create(
        "exact",
        {
            "density": Variable(("time", "spin", "site"), (21, 2, 3), np.dtype(float), "1", "mean number of electrons"),
            "energy": Variable(("time",), (21,), np.dtype(np.float32), "J", "total energy"),
            "rdm1": Variable(("time", "i"), (21, 3), np.dtype(complex), "1", "density matrix"),
        },
        {
            "time": Coordinate(TIMES, "hbar/J", "time"),
            "spin": Coordinate(np.array(["up", "down"], np.dtypes.StringDType()), "1", "spin"),
            "site": Coordinate(np.arange(3), "1", "lattice site"),
        },
        rows=5,
    )
    return made


def test_labels_units_and_types(store):
    with xr.open_dataset(store.path, group="exact", engine="zarr") as data:
        assert data["density"].dims == ("time", "spin", "site")
        assert data["density"].attrs == {"units": "1", "long_name": "mean number of electrons"}
        assert data["time"].attrs["units"] == "hbar/J"
        assert data["spin"].values.tolist() == ["up", "down"]
        assert (data["energy"].dtype, data["rdm1"].dtype) == (np.float32, np.complex128)
        np.testing.assert_array_equal(data["time"], TIMES)
        assert data["density"].sel(spin="down", site=2).dims == ("time",)
    with xr.open_datatree(store.path, engine="zarr") as tree:
        assert list(tree.children) == ["exact"] and tree.attrs["title"] == "small"


def test_rows_are_written_and_the_others_missing(store):
    density = np.random.default_rng(0).random((5, 2, 3))
    store.write("exact", 5, {"density": density, "rdm1": 1j * density[:, 0]})
    data = read(store.path)["exact"]
    np.testing.assert_array_equal(data["density"][5:10], density)
    np.testing.assert_array_equal(data["rdm1"][5:10], 1j * density[:, 0])
    assert np.isnan(data["density"][:5]).all() and np.isnan(data["rdm1"][10:]).all() and np.isnan(data["energy"]).all()


def test_a_second_group_and_one_made_anew(store):
    store.write("exact", 0, {"energy": np.ones(5)})
    again = ResultStore(store.path, {"title": "small"})
    for group in ("mean_field", "exact"):
        labels = {"time": Coordinate(np.arange(21.0), "hbar/J", "time")}
        again.create(group, {"x": Variable(("time",), (21,), np.dtype(float), "1", "x")}, labels, rows=5)
    data = read(store.path)
    assert set(data) == {"exact", "mean_field"} and list(data["exact"].data_vars) == ["x"]


def test_the_store_of_another_run_is_made_anew(store, capsys):
    path = store.path / "zarr.json"
    about = json.loads(path.read_text())
    assert (store.path / "exact").exists()
    path.write_text(json.dumps(about | {"attributes": {"id": "ba9876543210"}}))
    ResultStore(store.path, {"id": "ba9876543210"})
    assert (store.path / "exact").exists() and not capsys.readouterr().err
    again = ResultStore(store.path, {"id": "0123456789ab"})
    assert capsys.readouterr().err.startswith(f"warning: {store.path}: is that of another run, ba9876543210; what it held is")
    assert not (store.path / "exact").exists() and again.damaged("exact", 3)


def test_no_store(tmp_path):
    with pytest.raises(InputError, match=r"results.zarr: is not there; the command that made it computes it again$"):
        read(tmp_path / "results.zarr")
    (tmp_path / "zarr.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read: "):
        read(tmp_path)


def test_a_killed_writer_leaves_a_readable_store_with_the_finished_rows(tmp_path):
    rng = random.Random(0)
    for trial in range(4):
        path = tmp_path / f"{trial}.zarr"
        writer = subprocess.Popen([sys.executable, "-c", WRITER, path, "2000", "-1"], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None and writer.stdout.readline() == "ready\n"
        time.sleep(rng.uniform(0.02, 0.25))
        writer.send_signal(signal.SIGKILL)
        told = writer.stdout.read().split()
        writer.wait()
        writer.stdout.close()
        rows = int(told[-1]) if told else 0
        assert rows < 4000, "the writer was done before it was killed"
        x = read(path)["exact"]["x"].values
        np.testing.assert_array_equal(np.floor(x[:rows, 0]), np.arange(rows))
        rest = x[rows:]
        assert np.isnan(rest[10:]).all()  # at most one more stretch was on its way
        assert np.isnan(rest[:10]).all() or np.array_equal(np.floor(rest[:10, 0]), np.arange(rows, rows + 10))


def test_a_full_disk_is_an_os_error_and_keeps_what_was_written(tmp_path):
    path = tmp_path / "full.zarr"
    writer = subprocess.run([sys.executable, "-c", WRITER, path, "20000", "100000"], capture_output=True, text=True)
    assert writer.returncode == 1 and "OSError: [Errno 27] File too large" in writer.stderr
    assert np.isnan(read(path)["exact"]["x"]).all()


def test_words_along_a_dimension_can_be_drawn_by_xarray(tmp_path):
    """Also those of a store in which they have any width, once they are read."""
    bonds, path = np.array(["0-1", "1-2"]), tmp_path / "results.zarr"
    made = ResultStore(path, {})
    current = Variable(("time", "bond"), (3, 2), np.dtype(float), "J/hbar", "current")
    labels = {"time": Coordinate(np.arange(3.0), "hbar/J", "time"), "bond": Coordinate(bonds, "1", "bond")}
    made.create("exact", {"current": current}, labels, rows=3)
    made.write("exact", 0, {"current": np.arange(6.0).reshape(3, 2)})
    with xr.open_dataset(path, group="exact", engine="zarr") as data:
        mesh = data["current"].plot.pcolormesh(ax=Figure().subplots(), add_colorbar=False)
        np.testing.assert_array_equal(np.ravel(mesh.get_array()), np.arange(6.0))
    about = {"dimension_names": ("bond",), "attributes": {"units": "1", "long_name": "bond"}}
    zarr.open_group(path)["exact"].create_array("bond", data=bonds.astype(np.dtypes.StringDType()), overwrite=True, **about)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(path, path="exact")
        zarr.consolidate_metadata(path)
    old = read(path)["exact"]
    assert old["bond"].dtype.kind == "U" and old["current"].sel(bond="1-2")[0] == 1.0
    old["current"].plot.pcolormesh(ax=Figure().subplots(), add_colorbar=False)


def test_a_single_number_is_read(tmp_path):
    made = ResultStore(tmp_path / "results.zarr", {})
    made.create("exact", {"value": Variable((), (), np.dtype(float), "J", "energy")}, {}, rows=1)
    made.write_at("exact", (), {"value": np.array(2.5)})
    assert read(tmp_path / "results.zarr")["exact"]["value"] == 2.5
