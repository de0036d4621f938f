"""Folders in which something is no longer what was written: after the same command, results are those of an undisturbed run."""

import itertools
import shutil
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import yaml
import zarr

from qnano import cli
from qnano.solvers.splitting import strang
from qnano.storage.folder import RunFolder
from qnano.storage.store import is_whole, read
from qnano.tasks import register as tasks
from qnano.tasks.gradient.parameters import gradient_of
from qnano.tasks.loading import identity, parse
from qnano.tasks.surrogate import run as surrogate
from tests.config import test_holstein
from tests.config.examples import data, experiment
from tests.tasks import test_ensemble, test_learning_curve, test_regime_map, test_surrogate, test_training
from tests.tasks.harm import cut, flip

SHORT = {"time": {"end": 0.5, "samples": 3}}
TRAINING = yaml.safe_load(test_training.TRAINING) | {"stages": [{"kind": "velocity", "steps": 6, "batch": 4}]}
EVALUATION = {
    "name": "judged",
    "task": "evaluation",
    "model": test_training.SYSTEM,
    "quenches": [{"family": "tilt", "strengths": [0.3], "interactions": [1.0, 2.0]}],
    "window": 0.5,
    "delays": 2,
    "time": {"end": 1.0, "samples": 11},
    "methods": [{"kind": "mean_field", "solver": {"kind": "rk4", "dt": 0.1}}],
}
TWICE = [{"kind": "mean_field", "label": label} for label in ("one", "two")]
SIZES = {"model.lattice.sites": [4, 3], "model.electrons.up": [2, 1], "model.electrons.down": [2, 1]}
TASKS = {
    "sweep": lambda: experiment(methods=["exact", "mean_field"], sweep={"zip": SIZES, "model.interaction": [1.0, 3.0]}, **SHORT),
    "ensemble": lambda: parse(test_holstein.data(**test_ensemble.KEYS)),
    "regime_map": lambda: parse(test_regime_map.data(methods=["exact", "mean_field"], **SHORT)),
    "gradient": lambda: gradient_of(
        parse(data(methods=TWICE, solver={"kind": "rk4", "dt": 0.05}, **SHORT)), of="double_occupancy", wrt=["model.interaction"]
    ),
    "evaluation": lambda: parse(EVALUATION),
    "learning_curve": lambda: parse(test_learning_curve.SMALL),
    "training": lambda: parse(TRAINING),
    "surrogate": lambda: parse(test_surrogate.data()),
}
ARRAYS = {  # to be harmed; of the sweep's, each point is a chunk, which the smaller systems do not fill
    "sweep": "exact/density",
    "ensemble": "train/displacement",
    "regime_map": "exact/two_cumulant",
    "gradient": "one/double_occupancy",
    "evaluation": "mean_field/error",
    "learning_curve": "kernel/features_0",
    "training": "training/loss",
    "surrogate": "ring/rho",
}
TRAININGS = ("training", "surrogate")
MEASURED = {"seconds"}  # of the machine, in each run others


@pytest.fixture(autouse=True)
def few_rivals(monkeypatch):
    monkeypatch.setattr(surrogate, "SPLITTINGS", {"strang": (strang(), 1)})


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """From a task to the folder of a run, and to what a kill on the way would have left of it."""

    @cache
    def ran(task):
        place, write = tmp_path_factory.mktemp(task), RunFolder.write_summary
        folder, numbers = RunFolder(place / "whole"), itertools.count()

        def copied(self, summary):
            write(self, summary)
            shutil.copytree(self.path, place / f"{next(numbers):02}")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(RunFolder, "write_summary", copied)
            patch.setattr(surrogate, "SPLITTINGS", {"strang": (strang(), 1)})
            tasks.run(TASKS[task](), folder, force=False)
        copies = [RunFolder(copy) for copy in sorted(place.glob("[0-9]*"))]
        later = copies[len(copies) // 3 :]
        return folder, next((copy for copy in later if chunks(copy, task)), later[0])

    return ran


def chunks(folder: RunFolder, task: str) -> list[Path]:
    """The files of its array."""
    return sorted(path for path in (folder.results / ARRAYS[task] / "c").rglob("*") if path.is_file())


def assert_same(folder: RunFolder, other: RunFolder) -> None:
    found, wanted = read(folder.results), read(other.results)
    assert found.keys() == wanted.keys()
    for group, arrays in wanted.items():
        assert found[group].variables.keys() == arrays.variables.keys()
        for name in arrays.variables.keys() - MEASURED:
            np.testing.assert_array_equal(found[group][name].values, arrays[name].values, err_msg=f"{group}/{name}")
    if other.weights.exists():
        assert folder.weights.read_bytes() == other.weights.read_bytes()


def again(task: str, damaged: RunFolder, place: Path, where: str, harm: Callable[[Path], None]) -> tuple[RunFolder, Path]:
    """A copy of a folder after harm to a file, or every second chunk from the last, and the same command; the first harmed."""
    folder = RunFolder(place / "again")
    shutil.copytree(damaged.path, folder.path)
    paths = chunks(folder, task)[::-2] if where == "chunks" else [folder.path / where]
    for path in paths:
        harm(path)
    tasks.run(TASKS[task](), folder, force=False)
    return folder, min(paths)


def told(capsys, path):
    return f"warning: {path}: is damaged" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("harm", [flip, cut, Path.unlink])
@pytest.mark.parametrize("task", TASKS)
def test_a_chunk_of_what_has_ended(task, harm, undisturbed, tmp_path, capsys):
    whole, _ = undisturbed(task)
    folder, path = again(task, whole, tmp_path, "chunks", lambda path: harm(path) or assert_known_for_damaged(path))
    assert task in TRAININGS or told(capsys, path)
    assert_same(folder, whole)
    assert folder.read_summary()["state"] == "finished"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # zarr's, of consolidated metadata
@pytest.mark.parametrize("task", [task for task in TASKS if task not in TRAININGS])
def test_an_array_that_is_gone_from_what_has_ended(task, undisturbed, tmp_path, capsys):
    """With all that spoke of it but the seals."""

    def gone(path: Path) -> None:
        results, group = path.parents[2], path.parents[1].name
        shutil.rmtree(path.parent)
        zarr.consolidate_metadata(results, path=group)
        zarr.consolidate_metadata(results)
        assert_known_for_damaged(path)

    whole, _ = undisturbed(task)
    folder, path = again(task, whole, tmp_path, f"results.zarr/{ARRAYS[task]}/zarr.json", gone)
    assert told(capsys, path)
    assert_same(folder, whole)


def assert_known_for_damaged(path: Path) -> None:
    results = next(parent for parent in path.parents if parent.name == "results.zarr")
    assert not is_whole(results, {})


@pytest.mark.slow
@pytest.mark.parametrize("task", [task for task in TASKS if task not in TRAININGS])
def test_a_chunk_of_what_was_killed(task, undisturbed, tmp_path, capsys):
    whole, halfway = undisturbed(task)
    assert halfway.read_summary()["state"] == "running"
    folder, path = again(task, halfway, tmp_path, "chunks", flip)
    assert told(capsys, path)
    assert_same(folder, whole)


@pytest.mark.slow
@pytest.mark.parametrize("harm", [flip, cut])
@pytest.mark.parametrize("task", TRAININGS)
def test_a_checkpoint(task, harm, undisturbed, tmp_path, capsys):
    whole, halfway = undisturbed(task)
    folder, path = again(task, halfway, tmp_path, "checkpoints/training.eqx", harm)
    assert told(capsys, path)
    assert_same(folder, whole)


@pytest.mark.slow
@pytest.mark.parametrize("where", ["summary.json", "results.zarr/zarr.json", "results.zarr/train/displacement/zarr.json"])
@pytest.mark.parametrize("which", [0, 1], ids=["ended", "killed"])
def test_what_describes_the_numbers(where, which, undisturbed, tmp_path, capsys):
    whole = undisturbed("ensemble")[0]
    folder, path = again("ensemble", undisturbed("ensemble")[which], tmp_path, where, cut)
    assert told(capsys, path)
    assert_same(folder, whole)


@pytest.mark.slow
def test_weights_of_a_training_that_has_ended(undisturbed, tmp_path, monkeypatch, capsys):
    """From the command line, which else would say that all is there."""
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(TRAINING))
    whole, _ = undisturbed("training")
    folder = RunFolder(tmp_path / "trained" / identity(TASKS["training"]()))
    shutil.copytree(whole.path, folder.path)

    def out():
        monkeypatch.setattr(sys, "argv", ["qnano", "train", str(tmp_path / "t.yaml"), f"--out={tmp_path}"])
        with pytest.raises(SystemExit) as exit:
            cli.main()
        assert not exit.value.code
        return capsys.readouterr().out

    assert "already there" in out()
    for harm in (flip, Path.unlink):
        harm(folder.weights)
        assert "already there" not in out()
        assert_same(folder, whole)
