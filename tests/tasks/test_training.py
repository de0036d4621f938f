"""From a training to a run and an evaluation by way of the file of weights; kills; devices; weights that do not fit."""

import json
import os
import signal
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from qnano.errors import InputError
from qnano.hubbard.closures import ContractionConsistent, NakatsujiYasuda
from qnano.hubbard.mean_field import MeanField
from qnano.hubbard.td2rdm import TD2RDM
from qnano.learning import weights
from qnano.learning.evaluation import breakdown, motion_errors
from qnano.solvers.rk4 import RK4
from qnano.solvers.stepping import fixed
from qnano.storage.folder import RunFolder
from qnano.tasks.dynamics import run
from qnano.tasks.evaluation import report as evaluation_report
from qnano.tasks.evaluation import run as evaluation
from qnano.tasks.loading import identity, load, parse
from qnano.tasks.training import report as training_report
from qnano.tasks.training import run as training
from tests.learning.systems import LOCAL, learner, some
from tests.tasks.test_sweep import qnano

SYSTEM = {"lattice": {"kind": "chain", "sites": 4}, "electrons": {"up": 2, "down": 2}}
TRAINING = """
name: trained
task: training
model: {lattice: {kind: chain, sites: 4}, electrons: {up: 2, down: 2}}
learner: {kind: black_box, width: 4, depth: 1}
time: {end: 1.0, samples: 11}
train: [{family: trap, strengths: [0.3, 0.6], interactions: [2.0]}]
held_out: [{family: tilt, strengths: [0.3], interactions: [2.0]}]
stages: [{kind: velocity, steps: 12, batch: 4}, {kind: rollout, steps: 4, batch: 4, horizon: 2}]
every: 2
"""


def folder_of(experiment, place):
    return RunFolder(place / experiment.name / identity(experiment))


def dynamics(methods, **changes):
    given = {
        "name": "judged",
        "model": SYSTEM | {"kind": "fermi_hubbard", "interaction": 2.0},
        "initial": {"kind": "ground_state", "model": {"potential": {"kind": "linear", "slope": 0.3}}},
        "methods": methods,
        "time": {"end": 2.0, "samples": 5},
        "observables": ["rdm2"],
    }
    return parse(given | changes)


def untrained(path, settings, sites=4):
    """The weights of a learner that says nothing yet."""
    weights.save(path, weights.make(settings, sites), settings, weights.system(some(sites, end=0.2, samples=3)))
    return {"kind": "learned", "weights": str(path)}


@pytest.mark.slow
def test_an_untrained_closure_in_a_run_is_its_base(tmp_path):
    closure = untrained(tmp_path / "w.eqx", LOCAL | {"base": "nakatsuji_yasuda"})
    known = {"kind": "td2rdm", "label": "known", "closure": "nakatsuji_yasuda_smooth", "contraction_consistent": True}
    chosen = dynamics([known, {"kind": "td2rdm", "label": "learned", "closure": closure}])
    folder = folder_of(chosen, tmp_path)
    run.run(chosen, folder, quiet=True)
    found = xr.open_datatree(folder.results, engine="zarr")
    np.testing.assert_allclose(found["learned/rdm2"], found["known/rdm2"], atol=1e-9)
    assert parse(json.loads(json.dumps(chosen.model_dump(mode="json", exclude_none=True)))) == chosen


@pytest.mark.slow
def test_weights_that_do_not_fit_are_refused(tmp_path):
    black, small = tmp_path / "black.eqx", tmp_path / "closure.eqx"
    untrained(black, {"kind": "black_box", "width": 4}), untrained(small, LOCAL)
    build = lambda method, **changes: run.build(dynamics([method], **changes))  # noqa: E731
    with pytest.raises(InputError, match=r"black\.eqx: holds no closure; use method neural_ode"):
        build({"kind": "td2rdm", "closure": {"kind": "learned", "weights": str(black)}})
    with pytest.raises(InputError, match=r"closure\.eqx: holds no black box"):
        build({"kind": "neural_ode", "weights": str(small)})
    five = SYSTEM | {"kind": "fermi_hubbard", "interaction": 2.0, "lattice": {"kind": "chain", "sites": 5}}
    with pytest.raises(InputError, match="was trained on 4 sites, the model has 5"):
        build({"kind": "neural_ode", "weights": str(black)}, model=five)
    with pytest.raises(InputError, match=r"methods\.0\.closure\.weights: got 'nowhere'; cannot be read: No such file"):
        dynamics([{"kind": "td2rdm", "closure": {"kind": "learned", "weights": "nowhere"}}])
    chosen = dynamics([{"kind": "td2rdm", "closure": {"kind": "learned", "weights": str(small)}}])
    untrained(small, LOCAL | {"width": 5})
    with pytest.raises(InputError, match=r"closure\.eqx: has changed since"):
        run.build(chosen)
    memory = untrained(tmp_path / "memory.eqx", {"kind": "three_body"})
    with pytest.raises(InputError, match="has a memory, which begins from a wavefunction"):
        free = SYSTEM | {"kind": "fermi_hubbard", "interaction": {"kind": "quench", "before": 0.0, "after": 2.0, "time": 0.0}}
        build({"kind": "td2rdm", "closure": memory}, model=free)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A training from its beginning to its end: the experiment, and its folder."""
    place = tmp_path_factory.mktemp("whole")
    (place / "t.yaml").write_text(TRAINING)
    assert qnano("train", "t.yaml", "--out", ".", cwd=place, devices=1).wait() == 0
    chosen = load(place / "t.yaml")
    return chosen, folder_of(chosen, place)


@pytest.mark.slow
def test_a_killed_training_goes_on_and_ends_alike(tmp_path, whole):
    """The same curve, and the same weights bit for bit."""
    (tmp_path / "t.yaml").write_text(TRAINING)
    folder = folder_of(whole[0], tmp_path)
    process = qnano("train", "t.yaml", "--out", ".", cwd=tmp_path, devices=1)
    while process.poll() is None and _steps(folder) < 4:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert 4 <= _steps(folder) < 16
    assert qnano("train", "t.yaml", "--out", ".", "--resume", cwd=tmp_path, devices=1).wait() == 0
    curves = [xr.open_dataset(place.results, group="training", engine="zarr").load() for place in (folder, whole[1])]
    for name in ("step", "loss", "held_out"):
        np.testing.assert_array_equal(*(curve[name] for curve in curves))
    trees = [jax.tree.leaves(weights.load(place.path / "weights.eqx")[0]) for place in (folder, whole[1])]
    assert all(np.array_equal(one, other) for one, other in zip(*trees, strict=True))


@pytest.mark.slow
def test_what_a_training_leaves(whole):
    _, folder = whole
    assert list((folder.path / "metrics").glob("events*"))
    assert training_report.draw(folder)[0].stat().st_size > 10_000
    assert "black_box" in training_report.tables(folder)[0].columns[0]._cells


def _steps(folder):
    try:
        return folder.read_summary()["methods"].get("black_box", {}).get("steps", 0)
    except InputError:
        return 0


@pytest.mark.slow
def test_a_batch_is_shared_by_the_devices(tmp_path, whole):
    """The same numbers, but for the order of sums, from two devices as from one."""
    (tmp_path / "t.yaml").write_text(TRAINING)
    assert qnano("train", "t.yaml", "--out", ".", cwd=tmp_path, devices=2).wait() == 0
    folders = (whole[1], folder_of(whole[0], tmp_path))
    losses = [xr.open_dataset(folder.results, group="training", engine="zarr")["loss"] for folder in folders]
    np.testing.assert_allclose(*losses, rtol=1e-9)


@pytest.mark.slow
def test_an_evaluation(tmp_path):
    """Its errors are those of the runs it stands for; what it says in words is what they say."""
    closure = untrained(tmp_path / "w.eqx", LOCAL | {"base": "nakatsuji_yasuda"})
    given = {
        "name": "judged",
        "task": "evaluation",
        "model": SYSTEM,
        "quenches": [{"family": "tilt", "strengths": [0.3], "interactions": [1.0, 2.0]}],
        "window": 1.5,
        "time": {"end": 2.5, "samples": 26},
        "methods": [{"kind": "td2rdm", "closure": closure}, {"kind": "mean_field", "solver": {"kind": "rk4", "dt": 0.1}}],
    }
    chosen = parse(given)
    folder = folder_of(chosen, tmp_path)
    summary = evaluation.run(chosen, folder, quiet=True)
    assert set(summary["methods"]) == {"td2rdm", "mean_field", "dmd", "hankel_dmd", "persistence", "mean"}
    data = training.propagated(chosen.model, chosen.quenches, "quenches", 0, jnp.linspace(0.0, 2.5, 26))
    wanted = motion_errors(lambda model: TD2RDM(model, ContractionConsistent(NakatsujiYasuda(smooth=True))), data)
    found = xr.open_dataset(folder.results, group="td2rdm", engine="zarr")
    np.testing.assert_allclose(found["error"], wanted, atol=1e-8)
    coarse, fine = (motion_errors(MeanField, data, solver) for solver in (fixed(RK4(), 0.1), None))
    found = xr.open_dataset(folder.results, group="mean_field", engine="zarr")
    np.testing.assert_allclose(found["error"], coarse, rtol=0, atol=1e-13)
    assert np.abs(coarse - fine).max() > 1e-9
    exact = np.asarray(jax.vmap(jax.vmap(data.two_rdm))(data.psi))
    stays = np.linalg.norm((exact[:, 15:16] - exact[:, 16:]).reshape(2, 10, -1), axis=2)
    stays /= np.linalg.norm(exact[:, 16:].reshape(2, 10, -1), axis=2)
    persistence = xr.open_dataset(folder.results, group="persistence", engine="zarr")["error"]
    np.testing.assert_allclose(persistence[:, 16:], stays, rtol=1e-10)
    assert summary["methods"]["persistence"]["numbers"]["beyond"] == pytest.approx(np.median(stays.mean(axis=1)))
    assert evaluation_report.draw(folder)[0].stat().st_size > 10_000
    assert evaluation_report.tables(folder)[0].row_count == 6
    for key, value, match in (
        ("window", 3.0, "must be less than time.end"),
        ("methods", ["exact"], r"methods\.0\.kind: got 'exact'; must be one of td2rdm"),
        ("delays", 15, "must be at most 14"),
        ("window", 0.15, "time.samples: got 26; at least 3 must lie in the window"),
        ("forecasts", ["dmd", "dmd"], r"forecasts\.1: got 'dmd'; must be named once"),
        (
            "methods",
            [{"kind": "mean_field", "solver": {"kind": "strang", "dt": 0.1}}],
            "got 'strang'; must be one that",
        ),
    ):
        with pytest.raises(InputError, match=match):
            parse(given | {key: value})


def test_data_are_kept_and_read_again(tmp_path):
    (tmp_path / "t.yaml").write_text(TRAINING)
    keys = [f"dataset={tmp_path}/data"]
    first = training.data(load(tmp_path / "t.yaml", keys))
    written = (tmp_path / "data" / "train.zarr" / "zarr.json").stat().st_mtime_ns
    again = training.data(load(tmp_path / "t.yaml", keys))
    assert written == (tmp_path / "data" / "train.zarr" / "zarr.json").stat().st_mtime_ns
    for one, other in zip(jax.tree.leaves(first), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(one, other)
    for change in ("train.0.strengths=[0.3, 0.5]", "time.end=2.0", "train.0.interactions=[1.0]", "train.0.family=tilt"):
        with pytest.raises(InputError, match=r"train\.zarr holds other trajectories than train asks for"):
            training.data(load(tmp_path / "t.yaml", [*keys, change]))


@pytest.mark.slow
def test_a_motion_that_diverges_has_infinite_errors():
    data = some(end=2.0, samples=21)
    wild = learner({"kind": "black_box", "width": 8}, size=30.0)
    errors = motion_errors(wild.dynamics, data, max_steps=50)
    assert np.isinf(errors[:, -1]).all() and (errors[:, 0] == 0).all()
    assert np.isfinite(breakdown(errors, data.times)).all()
    assert np.isinf(breakdown(np.zeros((2, 21)), data.times)).all()
