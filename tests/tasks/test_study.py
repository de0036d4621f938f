"""Studies of points with a closed form: what is computed, what a kill leaves, what is told, and what older versions left."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from jaxtyping import Array, Float

from qnano.errors import InputError
from qnano.storage import store
from qnano.storage.folder import RunFolder
from qnano.storage.store import Coordinate, ResultStore, Variable
from qnano.tasks import register
from qnano.tasks.loading import identity, parse, to_yaml
from qnano.tasks.study import batches, computed
from qnano.tasks.study.axes import places
from qnano.tasks.study.batches import Batch, _dealt, form
from qnano.tasks.study.computed import Computed, stacked
from qnano.tasks.study.conduct import conducted
from qnano.tasks.study.engines import AbstractStudied
from qnano.tasks.study.points import AbstractPoint, AbstractStudy, Failure, Outcome
from tests.config import test_holstein
from tests.config.examples import experiment
from tests.tasks import test_damage, test_ensemble, test_regime_map
from tests.tasks.harm import flip

SIZES, STEPS = (2, 3), 5


class Powers(AbstractPoint):
    """x, x^2, ... of vectors, the longest at the first place of the first axis."""

    x: Float[Array, " component"]

    def __call__(self) -> Float[Array, "step component"]:
        return self.x ** jnp.arange(1, STEPS + 1)[:, None]


class Study(AbstractStudy):
    labels = ("plain", "doubled")

    def __init__(self, impossible=()):
        self.cannot = impossible

    def must_be_possible(self):
        pass

    def kind(self, label):
        return "powers"

    def shape(self, label):
        return SIZES

    def told(self, label, place):
        return f"place {place}"

    def point(self, label, place):
        if place in self.cannot:
            raise InputError(f"{place}: cannot be")
        return Powers(np.arange(1.0, 4.0 - place[0]) * (1 + place[1]) * (1 + (label == "doubled")))

    def outcome(self, label, place, found):
        failure = Failure(0.5, "grew") if found.max() > 1000 else None
        return Outcome({"power": found}, {"norm": float(found[0].max())}, failure)

    def impossible(self, label, place, error):
        return Outcome({}, failure=Failure(None, str(error)))

    def layout(self, label):
        shape = (*SIZES, STEPS, 3)
        variables = {"power": Variable(("a", "b", "step", "component"), shape, np.dtype(float), "1", "power")}
        coordinates = {name: Coordinate(np.arange(n), "1", name) for name, n in zip(variables["power"].dims, shape, strict=True)}
        return variables, coordinates

    def summed_up(self, label, stored):
        return {"largest": float(np.nanmax(stored("power")))}


def wanted(label):
    """By closed form; what the shorter vectors lack is missing."""
    factor = 1 + (label == "doubled")
    x = factor * np.arange(1.0, 4.0) * np.arange(1, 4)[:, None]
    powers = np.stack([x, x])[:, :, None] ** np.arange(1, STEPS + 1)[:, None]
    powers[1, :, :, 2] = np.nan
    return powers


def task():
    chosen = experiment(sweep={"model.interaction": [1.0]})
    assert isinstance(chosen, AbstractStudied)
    return chosen


def conduct(folder, study=None, *, force=False):
    return conducted(task(), study or Study(), folder, force=force, quiet=True)


def test_every_point_is_in_its_place(tmp_path):
    folder = RunFolder(tmp_path / "run")
    summary = conduct(folder)
    found = store.read(folder.results)
    for label in Study.labels:
        np.testing.assert_allclose(found[label]["power"], wanted(label), rtol=1e-14)
        entry = summary["methods"][label]
        assert (entry["state"], entry["rows"], entry["points"], entry["compilations"]) == ("finished", 6, 6, 2)
        assert entry["worst_drift"] == {"norm": wanted(label)[0, 2, 0].max()}
        assert entry["numbers"] == {"largest": np.nanmax(wanted(label))}
        grown = {f"place {place}" for place in places(SIZES) if np.nanmax(wanted(label)[place]) > 1000}
        assert {failure["point"] for failure in entry["failures"]} == grown and entry["failed"] == len(grown) > 0
    assert folder.read_summary() == summary


def test_a_point_that_cannot_be_spoils_no_other(tmp_path):
    folder = RunFolder(tmp_path / "run")
    summary = conduct(folder, Study(impossible=[(0, 1)]))
    expected = wanted("plain")
    expected[0, 1] = np.nan
    np.testing.assert_allclose(store.read(folder.results)["plain"]["power"], expected, rtol=1e-14)
    failures = {failure["point"]: failure["reason"] for failure in summary["methods"]["plain"]["failures"]}
    assert failures["place (0, 1)"] == "(0, 1): cannot be"


class Killed(BaseException):
    pass


@pytest.mark.parametrize(("owner", "name"), [(ResultStore, "write_at"), (RunFolder, "write_summary")])
@pytest.mark.parametrize("last", [2, 4, 6])
def test_what_is_finished_is_not_computed_again(tmp_path, monkeypatch, owner, name, last):
    undisturbed, folder = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "cut")
    conduct(undisturbed)
    original, calls, computed, at = getattr(owner, name), [], [], Computed.at

    def killed(*arguments):
        original(*arguments)
        calls.append(arguments)
        if len(calls) == last:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, killed)
        with pytest.raises(Killed):
            conduct(folder)
    entries = folder.read_summary()["methods"].items()
    done = {label: set(np.flatnonzero(bits(entry))) for label, entry in entries}
    monkeypatch.setattr(Computed, "at", lambda self, chosen: computed.append((self.label, chosen)) or at(self, chosen))
    conduct(folder)
    for label, chosen in computed:
        assert set(map(places(SIZES).index, chosen)) == set(range(6)) - done.get(label, set())
    for label, data in store.read(folder.results).items():
        xr.testing.assert_identical(data, store.read(undisturbed.results)[label])


def bits(entry):
    return np.unpackbits(np.frombuffer(bytes.fromhex(entry["finished"]), np.uint8), count=entry["points"])


def test_a_damaged_point_is_computed_again_and_no_other(tmp_path, monkeypatch, capsys):
    folder, computed, at = RunFolder(tmp_path / "run"), [], Computed.at
    before = conduct(folder)
    flip(folder.results / "plain" / "power" / "c" / "1" / "2" / "0" / "0")
    monkeypatch.setattr(Computed, "at", lambda self, chosen: computed.append((self.label, chosen)) or at(self, chosen))
    after = conduct(folder)
    assert computed == [("plain", [(1, 2)])] and "is damaged" in capsys.readouterr().err
    np.testing.assert_allclose(store.read(folder.results)["plain"]["power"], wanted("plain"), rtol=1e-14)
    assert sorted(map(str, after["methods"]["plain"]["failures"])) == sorted(map(str, before["methods"]["plain"]["failures"]))


def test_points_that_differ_in_numbers_share_a_program():
    study = Study()
    one, other, shorter = (study.point("plain", place) for place in ((0, 0), (0, 2), (1, 0)))
    assert form(one) == form(other) != form(shorter)
    batch = Batch(one, at_most=3)
    found = batch.collect(batch.launch([one, other]))
    np.testing.assert_allclose(found, wanted("plain")[0, ::2], rtol=1e-14)


def test_side_by_side_in_calls_of_about_a_second(monkeypatch):
    """As on an accelerator: a second program, for more places or fewer, where the first call is much too short or too long."""
    for module in (batches, computed):
        monkeypatch.setattr(module, "point_by_point", lambda devices: False)
        monkeypatch.setattr(module, "FIRST_PLACES", 8)

    class Long(Study):
        def shape(self, label):
            return (1, 40)

    for call_s, last in ((1e9, 32), (1e-9, 1)):
        monkeypatch.setattr(batches, "CALL_S", call_s)
        runs, calls = Computed(Long(), "plain"), []
        for outcomes in runs.at(places((1, 40))):
            calls.append(len(outcomes))
            for (_, k), outcome in outcomes:
                np.testing.assert_allclose(outcome.values["power"][0], (1 + k) * np.arange(1.0, 4.0), rtol=1e-14)
        assert runs.cost.compilations == 2 and sum(calls) == 40 and calls[-1] == last


def test_points_are_dealt_out_evenly():
    assert _dealt(5, 8, 2).tolist() == [0, 2, 4, -1, 1, 3, -1, -1]


def test_points_stacked_in_memory():
    class Equal(Study):
        def shape(self, label):
            return (1, 3)

    np.testing.assert_allclose(stacked(Equal(), "plain")["power"], wanted("plain")[0], rtol=1e-14)


OLDER = {  # what entries had before there were studies
    "regime_map": {"points": 4, "failed": 1, "stopped": 0, "rows": 2},
    "ensemble": {"trajectories": 3, "rows": 2},
    "evaluation": {"inside": 0.1, "beyond": None, "failed_at": 2.0, "diverged": 0, "rows": 2},
}
CHOSEN = {
    "regime_map": lambda: parse(test_regime_map.data(methods=["exact", "mean_field"])),
    "ensemble": lambda: parse(test_holstein.data(**test_ensemble.KEYS)),
    "evaluation": lambda: parse(test_damage.EVALUATION),
}


@pytest.mark.parametrize("name", OLDER)
def test_what_an_older_version_began_is_refused_with_the_reason(tmp_path, name):
    folder, chosen = RunFolder(tmp_path / "run"), CHOSEN[name]()
    study = register.study(chosen)
    with folder.claimed(text := to_yaml(chosen)):
        pass
    label = study.labels[0]
    entry = {"kind": study.kind(label), "state": "running", "message": None, "wall_s": 0.1, "compile_s": 0.1} | OLDER[name]
    about = {
        "name": chosen.name,
        "id": identity(chosen),
        "task": name,
        "state": "running",
        "device": "cpu: cpu",
        "methods": {label: entry},
    }
    folder.summary.write_text(json.dumps(about | {"versions": {"qnano": "0.0.9"}}))
    assert folder.read_summary()["methods"][label] == entry and folder.holds(text) is False
    line = rf"was begun by qnano 0\.0\.9, which did not keep which points of {label} are done; .* anew with --force$"
    with pytest.raises(InputError, match=line):
        register.run(chosen, folder, force=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", CHOSEN)
def test_workers_compute_the_same(tmp_path, name):
    """Two real processes of Dask."""
    found = {}
    for out, engine in (("here", {"kind": "local"}), ("there", {"kind": "workers", "workers": 2})):
        chosen, folder = parse(CHOSEN[name]().given | {"engine": engine}), RunFolder(tmp_path / out)
        summary = register.run(chosen, folder, force=False)
        assert {entry["state"] for entry in summary["methods"].values()} == {"finished"}
        found[out] = store.read(folder.results)
    for label, data in found["here"].items():
        xr.testing.assert_allclose(found["there"][label], data, rtol=1e-11, atol=1e-12)
