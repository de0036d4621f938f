"""Learning curves from a config: what comes out, what is kept when killed, what is refused, and the physics of the ion gas."""

import json
import signal
import subprocess
import time

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

from qnano import runtime
from qnano.cli import app
from qnano.errors import InputError
from qnano.storage.folder import RunFolder
from qnano.tasks.learning_curve import report as learning_curve_report
from qnano.tasks.learning_curve import run as learning_curve
from qnano.tasks.loading import load, parse, to_yaml
from tests.tasks.test_sweep import qnano

SMALL = {
    "name": "small",
    "task": "learning_curve",
    "data": {"kind": "ion_gas", "pairs": 3, "sides": [6.0, 8.0], "distance": 2.4},
    "models": [
        {
            "label": "kernel",
            "power": 2,
            "blocks": [{"kind": "density_density", "density": {"cutoff": 3.0, "radial": 2, "angular": 1}}],
        },
        {"label": "both", "blocks": [{"kind": "density_potential"}, {"kind": "potential_potential"}]},
    ],
    "sizes": [5, 10],
    "test": 10,
    "batch": 5,
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "small")
    learning_curve.run(parse(SMALL), folder, quiet=True)
    return folder


@pytest.mark.slow
def test_what_comes_out(finished):
    summary = finished.read_summary()
    assert summary["state"] == "finished"
    assert {label: (entry["rows"], entry["fits"]) for label, entry in summary["methods"].items()} == {
        "kernel": (20, 2),
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


@pytest.mark.slow
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
    assert computed.count("features") == 2 * 4 + 1 and computed.count("fit") == 4 + 1
    for label in ("kernel", "both"):
        found, known = (xr.open_dataset(x.results, group=label, engine="zarr") for x in (folder, finished))
        xr.testing.assert_identical(found.load(), known.load())


@pytest.mark.slow
def test_from_the_command_line(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(to_yaml(parse(SMALL)))
    out = CliRunner().invoke(
        app, ["run", str(path), "--out", str(tmp_path / "runs"), "sizes=[5]", "test=7"]
    )  # the last batch is a smaller one
    assert out.exit_code == 0, out.output
    assert "5 frames" in out.output and "learning_curve.png" in out.output
    checked = CliRunner().invoke(app, ["check", str(path)])
    assert "frames: 20 of ion_gas, 10 of them for the errors" in checked.output


def errors_of(experiment, place):
    learning_curve.run(experiment, RunFolder(place), quiet=True)
    return xr.open_datatree(place / "results.zarr", engine="zarr")


@pytest.mark.slow
def test_energies_and_forces(tmp_path):
    """From six frames with a mesh; a table and a figure tell both errors."""
    potential = {"radial": 2, "mesh": 0.5}
    blocks = [{"kind": "density_potential", "density": {"cutoff": 1.5, "radial": 1, "angular": 0}, "potential": potential}]
    given = SMALL | {"sizes": [6], "batch": 8, "folds": 3, "models": [{"label": "mesh", "blocks": blocks}]}
    found = errors_of(parse(given | {"target": {"kind": "energy", "forces": True}}), tmp_path / "run")["mesh"]
    assert found["relative_error"][0] < 0.05 and found["relative_force_error"][0] < 0.1
    assert found["features_0"].shape == (16, 19, 16) and found["force_error"].attrs["units"] == "e^2/A/A"
    (table,) = learning_curve_report.tables(RunFolder(tmp_path / "run"))
    assert table.row_count == 2 and len(table.columns) == 5
    assert learning_curve_report.draw(RunFolder(tmp_path / "run"))[0].stat().st_size > 10_000


@pytest.mark.slow
def test_a_kernel_is_kernel_ridge_regression(finished):
    """From the stored features of all atoms: sums over pairs of a species, offsets by the number of atoms."""
    group = xr.open_dataset(finished.results, group="kernel", engine="zarr").load()
    energies = xr.open_dataset(finished.results, group="frames", engine="zarr")["energy"].values
    p, regularisation = group["features_0"].values, group["regularisation"].values[1, 0]
    same = np.equal.outer(np.arange(6) % 2, np.arange(6) % 2)
    whole = np.sum(np.einsum("xif,yjf->xiyj", p, p) ** 2 * same[:, None], axis=(1, 3))
    known, between = whole[10:, 10:], whole[:10, 10:]
    free = np.eye(10) - 0.1
    shift = regularisation * np.trace(free @ known @ free)
    ones = np.ones((10, 1))
    system = np.block([[known + shift * np.eye(10), ones], [ones.T, np.zeros((1, 1))]])
    a = np.linalg.solve(system, np.append(energies[10:], 0.0))
    np.testing.assert_allclose(group["prediction"].values[1], between @ a[:10] + a[10], rtol=1e-6, atol=1e-6)


def test_vectors_of_a_file(tmp_path):
    """Dipoles of pairs of ions, q (r_1 - r_2), are a sum of what turns with l = 1 around each ion."""
    import ase
    from ase.io import write

    rng, frames = np.random.default_rng(0), []
    for _ in range(20):
        x = rng.normal(size=3)
        x *= rng.uniform(1.0, 1.6) / np.linalg.norm(x)
        frames.append(ase.Atoms("NaCl", positions=[[4, 4, 4], 4 + x], cell=[8, 8, 8], pbc=True, info={"dipole": -x}))
    write(tmp_path / "pairs.xyz", frames, format="extxyz")
    data = {
        "kind": "extended_xyz",
        "path": str(tmp_path / "pairs.xyz"),
        "species": ["Na", "Cl"],
        "tensor": "dipole",
        "units": "e A",
    }
    blocks = [{"kind": "density_density", "density": {"cutoff": 3.0, "radial": 3, "angular": 1}}]
    given = SMALL | {"data": data, "target": {"kind": "tensor", "order": 1}, "models": [{"label": "dipole", "blocks": blocks}]}
    found = errors_of(parse(given), tmp_path / "run")
    assert found["dipole"]["relative_error"][-1] < 0.02
    assert found["dipole"]["prediction"].shape == (2, 10, 3) and found["frames/tensor"].shape == (20, 3)
    order = np.random.default_rng(0).permutation(20)
    np.testing.assert_allclose(found["frames/tensor"][0], frames[order[0]].info["dipole"][[1, 2, 0]], atol=1e-7)
    assert learning_curve_report.draw(RunFolder(tmp_path / "run"))[0].stat().st_size > 10_000
    with pytest.raises(InputError, match=r"target\.order: got 2 of 3 numbers"):
        learning_curve.run(parse(given | {"target": {"kind": "tensor", "order": 2}}), RunFolder(tmp_path / "other"), quiet=True)
    with pytest.raises(InputError, match="frame 0: has no vector or tensor 'polar'; has dipole"):
        learning_curve.run(parse(given | {"data": data | {"tensor": "polar"}}), RunFolder(tmp_path / "none"), quiet=True)


@pytest.mark.slow
def test_a_task_that_is_killed_again_and_again_ends_alike(finished, tmp_path):
    linear = {"label": "linear", "blocks": SMALL["models"][0]["blocks"]}
    (tmp_path / "small.yaml").write_text(to_yaml(parse(SMALL | {"models": [SMALL["models"][0], linear]})))
    arguments = ("run", "small.yaml", "--out", "cut")

    def done():
        for summary in (tmp_path / "cut").glob("small/*/summary.json"):
            return sum(entry["rows"] + entry["fits"] for entry in json.loads(summary.read_text())["methods"].values())
        return 0

    seen = [0]
    for wanted in (8, 22):
        process = qnano(*arguments, cwd=tmp_path, devices=1, stderr=subprocess.DEVNULL)
        while process.poll() is None and done() < wanted:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        seen.append(done())
    assert seen == sorted(seen) and 0 < seen[1] < 44
    assert qnano(*arguments, cwd=tmp_path, devices=1).wait() == 0
    place = next((tmp_path / "cut" / "small").iterdir())
    found, known = (xr.open_dataset(x / "results.zarr", group="kernel", engine="zarr").load() for x in (place, finished.path))
    xr.testing.assert_identical(found, known)
    assert np.isfinite(xr.open_dataset(place / "results.zarr", group="linear", engine="zarr")["error"]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"test": 10**9}, r"test: got 1\.00e\+9 frames of .* bytes each; about .* GB are needed"),
        ({"sizes": [10, 10**9]}, r"sizes: got 1\.00e\+9 frames"),
        ({"test": 10**30}, r"test: got 1000.*; must be at most"),
        (
            {"models": [{"label": "a", "blocks": [{"kind": "density_potential", "potential": {"smearing": 1e-4}}]}]},
            "smearing: got 0.0001 A",
        ),
        (
            {"models": [{"label": "a", "blocks": [{"kind": "density_potential", "potential": {"mesh": 1e-4}}]}]},
            "mesh: got 0.0001 A",
        ),
        (
            {"models": [{"label": "a", "blocks": [{"kind": "density_density", "density": {"cutoff": 1e5}}]}]},
            "density.cutoff: got 100000 A",
        ),
        (
            {"data": {"kind": "ion_gas", "pairs": 10**5, "sides": [900.0, 900.0]}, "models": SMALL["models"][:1]},
            "got 100000 pairs; about .* GB are needed",
        ),
        (
            {
                "test": 10**9,
                "data": {"kind": "extended_xyz", "path": "none", "species": ["Na"]},
                "models": [{"label": "v", "blocks": [{"kind": "potential_potential", "potential": {"mesh": 1.0}}]}],
            },
            "test: got 1.00e.9 frames",
        ),
        (
            {
                "data": {"kind": "ion_gas", "pairs": 10**4, "sides": [200.0, 200.0]},
                "target": {"kind": "energy", "forces": True},
                "models": [{"label": "a", "blocks": [{"kind": "density_potential", "potential": {"smearing": 0.5}}]}],
            },
            r"smearing: got 0\.5 A, .* waves; about .* operations are needed; must be at most 1\.00e\+18, a year of a CPU",
        ),
    ],
)
def test_what_no_memory_holds_is_refused_at_once(change, message, tmp_path):
    with pytest.raises(InputError, match=message) as error:
        learning_curve.run(parse({**SMALL, **change}), RunFolder(tmp_path / "run"), quiet=True)
    assert len(str(error.value).splitlines()) == 1 and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sizes": [10, 5]}, "sizes: got .*must ascend"),
        ({"sizes": [3, 10]}, "sizes: got 3; must be at least 5"),
        ({"data": {"kind": "ion_gas", "sides": [8.0, 6.0]}}, "sides: got .*must ascend"),
        ({"data": {"kind": "ion_gas", "pairs": 500}}, "distance: got 2.5; must be smaller"),
        ({"models": SMALL["models"][:1] * 2}, "models: got .*labels must differ"),
        ({"models": [{"label": "a", "blocks": [{"kind": "density_potential", "potential": {"exponent": 7}}]}]}, "exponent"),
        ({"target": {"kind": "tensor", "order": 2}}, r"target\.kind: got 'tensor'; the data have none"),
        ({"data": {"kind": "polarisable_chains"}}, r"target\.kind: got 'energy'; polarisable_chains have none"),
        ({"data": {"kind": "polarisable_chains", "side": 9.0}}, r"side: got 9\.0; must be at least 30\.4"),
        ({"data": {"kind": "polarisable_chains", "atoms": [6, 2]}}, r"data\.atoms: got \[6, 2\]; must ascend"),
        (
            {"data": {"kind": "polarisable_chains"}, "target": {"kind": "tensor", "order": 2}},
            r"models\.1\.blocks\.0: degrees up to 0 and 0 make no tensor of order 2; increase angular",
        ),
        ({"target": {"kind": "energy", "forces": True}, "models": SMALL["models"][:1]}, r"models\.0\.power: got 2"),
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


ROCK = 'Lattice="{0} 0 0 0 {0} 0 0 0 {0}" Properties=species:S:1:pos:R:3 energy={1}\nNa {2} 0 0\nCl 3 {3} 0\n'


def of_file(tmp_path, *, side=6.0, near=None, constant=False, name="at@2.xyz"):
    """A config of twenty frames of a file, one of which may have two atoms at a distance of `near`."""
    rng, frames = np.random.default_rng(0), []
    for k in range(20):
        y = rng.uniform(0, 1)
        frames.append(
            "2\n" + ROCK.format(side, 1.5 if constant else np.hypot(3, y), 3.0 if near is not None and k == 7 else 0.0, y)
        )
    if near is not None:
        frames[7] = frames[7].rsplit("\nCl", 1)[0] + f"\nCl {3 + near} 0 0\n"
    (tmp_path / name).write_text("".join(frames))
    data = {"kind": "extended_xyz", "path": str(tmp_path / name), "species": ["Na", "Cl"]}
    blocks = [{"kind": "potential_potential", "potential": {"radial": 1}}]
    return SMALL | {"data": data, "models": [{"label": "v", "blocks": blocks}]}


@pytest.mark.parametrize("near", [0.05, 0.0, -5.98])
def test_atoms_that_are_too_near_are_told_whatever_the_features(tmp_path, near):
    """At 5.98 across a side of 6, too."""
    with pytest.raises(
        InputError, match=r"^data: .*at@2\.xyz: frame 7: positions: atoms 0 and 1 are .* apart; must be more than 0\.3"
    ):
        learning_curve.run(parse(of_file(tmp_path, near=near)), RunFolder(tmp_path / "run"), quiet=True)


def test_targets_without_a_spread_are_told_before_anything_is_computed(tmp_path):
    with pytest.raises(InputError, match=r"^target: got the same energy in all 10 frames of the test; must differ$"):
        learning_curve.run(parse(of_file(tmp_path, constant=True)), RunFolder(tmp_path / "run"), quiet=True)
    assert not (tmp_path / "run").exists()


def test_a_run_does_not_go_on_with_other_frames(tmp_path, monkeypatch):
    def killed(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(learning_curve, "_features", killed)
        learning_curve.run(parse(of_file(tmp_path)), RunFolder(tmp_path / "run"), quiet=True)
    of_file(tmp_path, side=6.5)
    with pytest.raises(InputError, match=r"run: was begun with other frames; --force starts anew"):
        learning_curve.run(parse(of_file(tmp_path, side=6.5)), RunFolder(tmp_path / "run"), quiet=True)


def test_check_reads_files(tmp_path):
    (tmp_path / "c.yaml").write_text(to_yaml(parse(of_file(tmp_path))))
    check = lambda *more: CliRunner().invoke(app, ["check", str(tmp_path / "c.yaml"), *more])  # noqa: E731
    assert check().exit_code == 0
    for more, message in (
        (["test=50"], "with 20 frames; test and the largest of sizes need 60"),
        (["data.species=[Na]"], "frame 0: species: got 'Cl'; must be among Na"),
        (["data.energy=dft"], "frame 0: has no number 'dft'; has energy"),
        (["models.0.blocks.0.potential.smearing=1e-4"], "smearing: got 0.0001 A, .* waves; about .* GB are needed"),
        ([f"data.path={tmp_path}"], "is a folder; must be a file"),
    ):
        with pytest.raises(InputError, match=message):
            raise check(*more).exception


@pytest.mark.slow
def test_single_precision(finished, tmp_path):
    """The same frames; features to 1e-5 of their size; errors of what they teach no larger than single digits allow."""
    with runtime.restored():
        learning_curve.run(parse(SMALL | {"precision": "single"}), RunFolder(tmp_path / "run"), quiet=True)
    found, known = (xr.open_datatree(place / "results.zarr", engine="zarr") for place in (tmp_path / "run", finished.path))
    np.testing.assert_array_equal(found["frames/energy"], known["frames/energy"])
    for label, name in (("kernel", "features_0"), ("both", "features_0"), ("both", "features_1")):
        one, other = found[label][name].values, known[label][name].values
        assert one.dtype == np.float32 and other.dtype == np.float64
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5 * np.abs(other).max())
    for label in ("kernel", "both"):
        assert found[label]["relative_error"][-1] < 1.2 * known[label]["relative_error"][-1] + 0.02


@pytest.mark.slow
def test_short_range_stalls_and_multi_scale_does_not(tmp_path):
    """The ion gas of the config at 50 frames: density alone above 50 % of the spread, density x potential below 0.1 %."""
    experiment = load("configs/ion_gas.yaml", ["sizes=[50]", "test=30", "batch=20"])  # batches of one size are one program
    experiment = experiment.model_copy(update={"models": (experiment.models[0], experiment.models[2])})
    summary = learning_curve.run(experiment, RunFolder(tmp_path / "run"), quiet=True)
    errors = {label: entry["error"] for label, entry in summary["methods"].items()}
    assert errors["density-4A"] > 0.5
    assert errors["multi-scale"] < 0.001
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["state"] == "finished"
