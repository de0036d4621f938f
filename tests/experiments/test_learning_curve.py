"""Learning curves from a config: what comes out, what is kept when killed, what is refused, and the physics of the ion gas."""

import json

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

from qnano.cli import app
from qnano.config import load, to_yaml
from qnano.config.loading import parse
from qnano.errors import InputError
from qnano.experiments import learning_curve
from qnano.storage.folder import RunFolder

SMALL = {
    "name": "small",
    "task": "learning_curve",
    "data": {"kind": "ion_gas", "pairs": 3, "sides": [6.0, 8.0], "distance": 2.4},
    "models": [
        {"label": "density", "blocks": [{"kind": "density_density", "density": {"cutoff": 3.0, "radial": 2, "angular": 1}}]},
        {"label": "both", "blocks": [{"kind": "density_potential"}, {"kind": "potential_potential"}]},
    ],
    "sizes": [5, 10],
    "test": 10,
    "batch": 8,
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "small")
    learning_curve.run(parse(SMALL), folder, quiet=True)
    return folder


def test_what_comes_out(finished):
    summary = finished.read_summary()
    assert summary["state"] == "finished"
    assert {label: (entry["rows"], entry["fits"]) for label, entry in summary["methods"].items()} == {
        "density": (20, 2),
        "both": (20, 2),
    }
    tree = xr.open_datatree(finished.results, engine="zarr")
    energies = tree["frames/energy"].values[:10]
    group = tree["both"]
    assert group["prediction"].dims == ("size", "test") and group["error"].attrs["units"] == "e^2/A"
    error = np.sqrt(np.mean((group["prediction"].values - energies) ** 2, axis=1))
    np.testing.assert_allclose(group["error"].values, error, rtol=1e-12)
    np.testing.assert_allclose(group["relative_error"].values, error / energies.std(), rtol=1e-12)
    assert group["regularisation"].shape == (2, 2)


def test_a_killed_run_goes_on(finished, tmp_path, monkeypatch):
    folder, computed = RunFolder(tmp_path / "small"), []
    features, fits = learning_curve._features, learning_curve.cross_validated

    def killed(*args):
        computed.append("features")
        if len(computed) == 2:
            raise KeyboardInterrupt
        return features(*args)

    def killed_later(*args):
        computed.append("fit")
        if computed.count("fit") == 2:
            raise KeyboardInterrupt
        return fits(*args)

    monkeypatch.setattr(learning_curve, "_features", killed)
    monkeypatch.setattr(learning_curve, "cross_validated", killed_later)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            learning_curve.run(parse(SMALL), folder, quiet=True)
    learning_curve.run(parse(SMALL), folder, quiet=True)
    assert computed.count("features") == 2 * 3 + 1 and computed.count("fit") == 4 + 1
    for label in ("density", "both"):
        found, known = (xr.open_dataset(x.results, group=label, engine="zarr") for x in (folder, finished))
        xr.testing.assert_identical(found.load(), known.load())


def test_from_the_command_line(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(to_yaml(parse(SMALL)))
    out = CliRunner().invoke(app, ["run", str(path), "--out", str(tmp_path / "runs"), "sizes=[5]", "test=5"])
    assert out.exit_code == 0, out.output
    assert "5 frames" in out.output and "learning_curve.png" in out.output
    checked = CliRunner().invoke(app, ["check", str(path)])
    assert "frames: 20 of ion_gas, 10 of them for the errors" in checked.output


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sizes": [10, 5]}, "sizes: got .*must ascend"),
        ({"sizes": [3, 10]}, "sizes: got 3; must be at least 5"),
        ({"data": {"kind": "ion_gas", "sides": [8.0, 6.0]}}, "sides: got .*must ascend"),
        ({"data": {"kind": "ion_gas", "pairs": 500}}, "distance: got 2.5; must be smaller"),
        ({"models": SMALL["models"][:1] * 2}, "models: got .*labels must differ"),
        ({"models": [{"label": "a", "blocks": [{"kind": "density_potential", "potential": {"exponent": 7}}]}]}, "exponent"),
    ],
)
def test_what_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        parse({**SMALL, **change})


def test_a_file_with_too_few_frames(tmp_path):
    import ase
    from ase.io import write

    atoms = ase.Atoms("NaCl", positions=[[0, 0, 0], [2.8, 0, 0]], cell=[6, 6, 6], pbc=True, info={"energy": 1.0})
    write(tmp_path / "few.xyz", [atoms] * 3, format="extxyz")
    data = {"kind": "extended_xyz", "path": str(tmp_path / "few.xyz"), "species": ["Na", "Cl"]}
    with pytest.raises(InputError, match="with 3 frames; test and the largest of sizes need 20"):
        learning_curve.run(parse({**SMALL, "data": data}), RunFolder(tmp_path / "run"), quiet=True)


@pytest.mark.slow
def test_short_range_stalls_and_multi_scale_does_not(tmp_path):
    """The ion gas of the config at 50 frames: density alone above 50 % of the spread, density x potential below 0.1 %."""
    experiment = load("configs/ion_gas.yaml", ["sizes=[50]", "test=30"])
    experiment = experiment.model_copy(update={"models": (experiment.models[0], experiment.models[2])})
    summary = learning_curve.run(experiment, RunFolder(tmp_path / "run"), quiet=True)
    errors = {label: entry["error"] for label, entry in summary["methods"].items()}
    assert errors["density-4A"] > 0.5
    assert errors["multi-scale"] < 0.001
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["state"] == "finished"
