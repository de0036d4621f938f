"""Driving a run: rows, progress, stops, and going on after a kill."""

import json
import shutil
import subprocess
import sys
from itertools import pairwise

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from qnano.errors import InputError, RunFailed
from qnano.families.build import build
from qnano.storage import store
from qnano.storage.folder import RunFolder
from qnano.tasks.dynamics import run as module
from qnano.tasks.dynamics.progress import Progress, load_checkpoint, save_checkpoint
from qnano.tasks.dynamics.report import deviations, draw
from qnano.tasks.dynamics.report import method_table as table
from qnano.tasks.dynamics.run import run, stretches
from qnano.tasks.keeping import drop_if_damaged, failures
from qnano.tasks.loading import identity
from qnano.trajectory import Trajectory
from tests.config.examples import experiment
from tests.tasks import fake
from tests.tasks.harm import cut, flip

OBSERVABLES = ["density", "double_occupancy", "energy", "rdm2"]


@pytest.fixture(autouse=True)
def fake_physics(monkeypatch):
    monkeypatch.setattr(module, "build", fake.build)


def start(tmp_path, **changes):
    chosen = experiment(**{"observables": OBSERVABLES} | changes)
    folder = RunFolder(tmp_path / chosen.name / identity(chosen))
    return chosen, folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of all methods: its experiment, folder and summary."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "build", fake.build)
        chosen, folder = start(tmp_path_factory.mktemp("runs"))
        return chosen, folder, run(chosen, folder, quiet=True)


@pytest.mark.parametrize("samples", [2, 3, 11, 21, 100, 201, 998, 4001])
def test_stretches_cover_every_row_once_and_rarely_differ_in_length(samples):
    parts = stretches(samples)
    assert parts[0][0] == 0 and parts[-1][1] == samples - 1
    assert all(before[1] == after[0] for before, after in pairwise(parts))
    lengths = [last - first for first, last in parts]
    assert len(set(lengths)) <= 2 and max(lengths) >= min(lengths) > 0
    assert len(parts) <= 40
    if samples in (21, 100, 201, 4001):
        assert len(set(lengths)) == 1


def test_results_are_those_of_the_dynamics(finished):
    _, folder, summary = finished
    times = np.linspace(0, 2, 21)
    for label, growth in {"exact": 0.0, "td2rdm": 0.1, "mean_field": 0.01}.items():
        with xr.open_dataset(folder.results, group=label, engine="zarr") as data:
            exact = fake.psi(times, growth, 4)
            np.testing.assert_allclose(data["density"].sel(spin="up"), abs(exact) ** 2, atol=1e-7)
            np.testing.assert_allclose(data["density"].sel(spin="down"), exact.real, atol=1e-7)
            np.testing.assert_allclose(data["rdm2"][:, 1, 2, 3, 0], exact[:, 1], atol=1e-7)
            norm = (abs(exact) ** 2).sum(axis=1)
            np.testing.assert_allclose(data["invariant_drift"].sel(invariant="norm"), norm - norm[0], atol=1e-7)
            assert data["invariant_drift"].dims == ("time", "invariant")
            np.testing.assert_array_equal(data["time"], times)
            method = summary["methods"][label]
            assert method["state"] == "finished" and method["rows"] == 21 and method["time"] == 2.0
            assert method["final"] == {"energy": pytest.approx(norm[-1], abs=1e-7)}
            assert method["worst_drift"]["norm"] == pytest.approx(norm[-1] - norm[0], abs=1e-7)
    assert not folder.checkpoints.exists()


def test_stored_density_matrices_have_the_labels_of_their_indices(tmp_path, monkeypatch):
    """Traced over one electron, D2 is D1 of the others times the number of those traced over, by the names of dimensions alone."""
    monkeypatch.setattr(module, "build", build)
    chosen, folder = start(
        tmp_path,
        methods=["exact"],
        observables=["rdm1", "rdm2"],
        model__lattice={"kind": "chain", "sites": 3},
        model__electrons={"up": 2, "down": 1},
        initial__model={"potential": {"kind": "values", "values": [1.0, 0.0, -2.0]}},
        time={"end": 1.0, "samples": 3},
    )
    run(chosen, folder, quiet=True)
    data = store.read(folder.results)["exact"]
    one, two = data["rdm1"], data["rdm2"]
    assert one.dims == ("time", "spin", "i", "j") and two.dims == ("time", "i1", "i2", "j1", "j2")
    for name, meaning in zip(
        two.dims[1:], ("first annihilator", "second annihilator", "first creator", "second creator"), strict=True
    ):
        np.testing.assert_array_equal(data[name], range(3))
        assert data[name].attrs == {"units": "1", "long_name": f"site of the {meaning}"}
    assert two.attrs["units"] == "1" and two.attrs["long_name"].endswith("<c+_j1,up c+_j2,dn c_i2,dn c_i1,up>")
    for spin, kept, traced, others in (("up", "1", "2", 1), ("down", "2", "1", 2)):
        found = sum(two.sel({f"i{traced}": k, f"j{traced}": k}, drop=True) for k in range(3))
        wanted = others * one.sel(spin=spin, drop=True)
        assert np.abs(wanted[-1] - wanted[-1].values.T).max() > 0.1  # so that exchanged labels would be seen
        np.testing.assert_allclose(found.transpose("time", f"i{kept}", f"j{kept}"), wanted, atol=1e-8)


def test_the_summary_says_what_ran_and_where(finished):
    chosen, folder, _ = finished
    summary = json.loads(folder.summary.read_text())
    assert summary["name"] == "small" and summary["id"] == identity(chosen) and summary["state"] == "finished"
    assert summary["device"].startswith(("cpu", "gpu"))
    assert {"qnano", "jax", "diffrax", "python", "platform"} <= summary["versions"].keys()
    method = summary["methods"]["exact"]
    assert method["steps"] > 0 and method["wall_s"] > 0 and method["compile_s"] >= 0


def test_a_diverging_method_stops_and_the_others_go_on(tmp_path):
    chosen, folder = start(tmp_path, model__interaction=20.0)
    summary = run(chosen, folder, quiet=True)
    assert summary["state"] == "diverged"
    assert {label: method["state"] for label, method in summary["methods"].items()} == {
        "exact": "finished",
        "td2rdm": "diverged",
        "mean_field": "finished",
    }
    stop = np.log(fake.LIMIT)
    assert summary["methods"]["td2rdm"]["time"] == pytest.approx(stop, abs=0.3)
    (line,) = failures(summary)
    assert line.startswith("td2rdm: left its physical bounds at t = 1.") and line.endswith(
        "hbar/J: largest_element no longer holds"
    )
    data = store.read(folder.results)["td2rdm"]
    reached = data["time"].values <= summary["methods"]["td2rdm"]["time"]
    assert np.isfinite(data["energy"].values[reached]).all() and np.isnan(data["energy"].values[~reached]).all()
    assert 0 < reached.sum() < 21


@pytest.mark.slow
def test_a_method_without_a_finite_row_has_diverged(tmp_path, monkeypatch):
    """The state stays finite here, what is measured does not: the motion itself sees no fault."""

    class Unmeasurable(fake.Fake):
        def observe(self, t, state):
            return {**super().observe(t, state), "energy": lambda: jnp.array(jnp.nan)}

    monkeypatch.setattr(fake, "Fake", Unmeasurable)
    chosen, folder = start(tmp_path, methods=["exact"])
    summary = run(chosen, folder, quiet=True)
    assert summary["state"] == "diverged"
    assert failures(summary) == ["exact: what was measured at t = 0 hbar/J is not a finite number"]
    assert draw(folder)


class Killed(BaseException):
    """Stands for a kill: nothing in the package catches it."""


@pytest.mark.slow
@pytest.mark.parametrize("place", ["write", "save_checkpoint", "write_summary"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_killed_run_goes_on_where_it_was_and_ends_the_same(tmp_path, monkeypatch, place, moment):
    chosen, folder = start(tmp_path, methods=["exact", "td2rdm"], time={"end": 2.0, "samples": 11}, observables=["energy"])
    run(chosen, folder, quiet=True)
    undisturbed = store.read(folder.results)

    owner = {"write": module.ResultStore, "save_checkpoint": module, "write_summary": RunFolder}[place]
    original, calls = getattr(owner, place), 0

    def killed_at_the_14th(*arguments):
        nonlocal calls
        calls += 1
        if calls == 14 and moment == "before":
            raise Killed
        original(*arguments)
        if calls == 14:
            raise Killed

    monkeypatch.setattr(owner, place, killed_at_the_14th)
    with pytest.raises(Killed):
        run(chosen, folder, force=True, quiet=True)
    summary = folder.read_summary()
    assert summary["state"] == "running" and summary["methods"]["exact"]["state"] == "finished"
    partial = store.read(folder.results)["td2rdm"]
    assert np.isfinite(partial["energy"][: summary["methods"]["td2rdm"]["rows"]]).all()

    advanced = []
    monkeypatch.setattr(owner, place, original)

    def awaited(found, bar):
        if isinstance(found, Trajectory):  # and not a look for negative probabilities
            advanced.append(float(found.times[0]))
        return found

    monkeypatch.setattr(module, "_awaited", awaited)
    resumed = run(chosen, folder, quiet=True)
    assert resumed["state"] == "finished"
    assert advanced[0] >= 0.4 and advanced == sorted(advanced)  # td2rdm alone, from its third stretch or so
    for label, data in store.read(folder.results).items():
        xr.testing.assert_identical(data, undisturbed[label])


def killed_within_td2rdm(chosen, folder, monkeypatch):
    """Run anew the exact motion and TD2RDM over ten stretches each, up to the fifth of the second."""
    original, calls = module.save_checkpoint, iter(range(100))

    def killed(*arguments):
        original(*arguments)
        if next(calls) == 14:
            raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(module, "save_checkpoint", killed)
        run(chosen, folder, force=True, quiet=True)


@pytest.mark.slow
@pytest.mark.parametrize("chunk", ["td2rdm/energy/c/1", "td2rdm/time/c/0", "exact/energy/c/0"])
@pytest.mark.parametrize("ended", [False, True])
def test_what_is_damaged_is_computed_again(tmp_path, monkeypatch, capsys, chunk, ended):
    chosen, folder = start(tmp_path, methods=["exact", "td2rdm"], time={"end": 2.0, "samples": 11}, observables=["energy"])
    run(chosen, folder, quiet=True)
    undisturbed = store.read(folder.results)
    if not ended:
        killed_within_td2rdm(chosen, folder, monkeypatch)
    path = folder.results / chunk
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert run(chosen, folder, quiet=True)["state"] == "finished"
    assert f"{path}: is damaged; what it held is computed again" in capsys.readouterr().err
    for label, data in store.read(folder.results).items():
        xr.testing.assert_identical(data, undisturbed[label])


@pytest.mark.parametrize("harm", [cut, flip])
def test_a_damaged_checkpoint_is_told_and_its_method_begins_anew(tmp_path, monkeypatch, capsys, harm):
    chosen, folder = start(tmp_path, methods=["exact", "td2rdm"], time={"end": 2.0, "samples": 11}, observables=["energy"])
    run(chosen, folder, quiet=True)
    undisturbed = store.read(folder.results)
    killed_within_td2rdm(chosen, folder, monkeypatch)
    path = folder.checkpoint("td2rdm")
    harm(path)
    assert run(chosen, folder, quiet=True)["state"] == "finished"
    assert capsys.readouterr().err == f"warning: {path}: is damaged; what it held is computed again\n"
    for label, data in store.read(folder.results).items():
        xr.testing.assert_identical(data, undisturbed[label])


def test_a_checkpoint_on_a_full_disk_says_so(tmp_path):
    """A limit of the size of a file stands for the disk; in a process of its own, since it stays."""
    script = (
        "import errno, resource, sys; from pathlib import Path; import numpy as np; from qnano import checkpoints\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "try: checkpoints.write(Path(sys.argv[1]), {}, np.ones(10_000))\n"
        "except OSError as error: sys.exit(error.errno != errno.EFBIG)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, tmp_path / "a.eqx"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_removed_while_it_is_run_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    chosen, folder = start(tmp_path, methods=["exact"], observables=["energy"])
    original = module.save_checkpoint

    def removed(*arguments):
        original(*arguments)
        shutil.rmtree(folder.path)

    monkeypatch.setattr(module, "save_checkpoint", removed)
    with pytest.raises(RunFailed, match="was removed while it was run"):
        run(chosen, folder, quiet=True)
    assert not folder.path.exists()
    monkeypatch.setattr(module, "save_checkpoint", original)
    assert run(chosen, folder, quiet=True)["state"] == "finished"


def test_a_run_that_an_older_version_began_with_other_invariants_is_told():
    times = jnp.linspace(0.0, 1.0, 3)
    rows, number = {"energy": times}, jnp.array(0)
    motion = Trajectory(times, {}, rows, None, number, number, times[-1], number, times[1])
    with pytest.raises(InputError, match="another version of qnano began it, with other invariants; --force runs anew"):
        Progress("td2rdm", initial_invariants={"energy": 0.0, "d2_negativity": 0.0}).drifts(motion)


def test_a_checkpoint_that_cannot_be_used_is_told(tmp_path, capsys):
    path, state = tmp_path / "exact.eqx", jnp.arange(1000.0)
    save_checkpoint(path, Progress("exact", rows=3), state)
    drop_if_damaged(path)
    progress, resumed = load_checkpoint(path, jnp.zeros(1000))
    assert progress.rows == 3 and jnp.array_equal(resumed, state)
    with pytest.raises(InputError, match=r"exact.eqx: cannot be resumed: another version of qnano wrote it; --force runs anew$"):
        load_checkpoint(path, jnp.zeros(999))
    content = bytearray(path.read_bytes())
    for damaged in (content[:-4000] + b"!" + content[-3999:], content[:-1], b"{}\n", b""):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"exact.eqx: is damaged"):
            load_checkpoint(path, jnp.zeros(1000))
        drop_if_damaged(path)
        assert not path.exists()
        assert capsys.readouterr().err == f"warning: {path}: is damaged; what it held is computed again\n"
    drop_if_damaged(path)
    assert not capsys.readouterr().err


def test_lack_of_memory_is_told_in_a_line(tmp_path, monkeypatch):
    def exhausted(_):
        raise MemoryError

    monkeypatch.setattr(module, "build", exhausted)
    chosen, folder = start(tmp_path)
    with pytest.raises(RunFailed, match=r"^the initial states: out of memory$"):
        run(chosen, folder, quiet=True)
    assert not folder.path.exists()


def test_deviations_and_table(finished):
    _, folder, _ = finished
    found = deviations(store.read(folder.results), "exact")
    times = np.linspace(0, 2, 21)
    exact, other = (fake.psi(times, growth, 4) for growth in (0.0, 0.1))
    expected = np.abs(abs(other) ** 2 + other.real - abs(exact) ** 2 - exact.real).max()  # both spins, as in the figures
    assert found["exact"] == {} and found["td2rdm"]["density"] == pytest.approx(expected, rel=1e-5)
    assert found["td2rdm"]["rdm2"] == pytest.approx(np.exp(0.2) - 1, rel=1e-5)
    made = table(folder)
    assert [column.header for column in made.columns][:5] == ["method", "max |Δn|", "max |Δd|", "max |ΔD2|/|D2|", "worst drift"]
    assert list(made.columns[0].cells) == ["exact", "td2rdm", "mean_field"]
    assert deviations(store.read(folder.results), None) == {"exact": {}, "td2rdm": {}, "mean_field": {}}


@pytest.mark.slow
def test_two_sites_with_the_real_physics(tmp_path, monkeypatch):
    """On which the sums over a particle fix all of Delta3, so that its own equation lacks nothing."""
    monkeypatch.setattr(module, "build", build)
    known = {"kind": "td2rdm", "closure": "exact"}
    methods = ["exact", known, {"kind": "td2rdm", "label": "third", "closure": "third_equation"}]
    lattice = {"kind": "chain", "sites": 2}
    potential = {"kind": "values", "values": [2.0, -2.0]}
    chosen, folder = start(
        tmp_path,
        methods=methods,
        model__lattice=lattice,
        model__electrons={"up": 1, "down": 1},
        initial__model={"potential": potential},
    )
    summary = run(chosen, folder, quiet=True)
    assert summary["state"] == "finished"
    assert all(method["worst_drift"]["energy"] < 1e-6 for method in summary["methods"].values())
    td2rdm, times = summary["methods"]["td2rdm"], np.linspace(chosen.time.start, chosen.time.end, chosen.time.samples)
    ends = [times[last] for _, last in stretches(len(times))]
    np.testing.assert_allclose(td2rdm["watched"], [*ends[4:-1:5], ends[-1]])
    assert td2rdm["worst_drift"]["d2_negativity"] < 1e-6 and "d2_negativity" not in summary["methods"]["exact"]["worst_drift"]
    data = store.read(folder.results)
    assert float(np.ptp(data["exact"]["density"].values)) > 0.3
    for name in ("td2rdm", "third"):
        np.testing.assert_allclose(data[name]["rdm2"], data["exact"]["rdm2"], atol=1e-6)
