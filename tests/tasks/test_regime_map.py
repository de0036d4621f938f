"""The regime map: its numbers, one compilation for each method, going on after a kill, and what is drawn."""

import sys

import numpy as np
import pytest
import xarray as xr
import yaml
from matplotlib.image import imread

from qnano import cli
from qnano.errors import InputError
from qnano.storage import store
from qnano.storage.folder import RunFolder
from qnano.tasks.loading import identity, parse, resolved
from qnano.tasks.regime_map import report
from qnano.tasks.regime_map import run as module
from qnano.tasks.regime_map.run import run
from qnano.tasks.regime_map.schema import RegimeMap
from qnano.tasks.study import compared


def data(**changes):
    """A valid map as plain data."""
    return {
        "name": "map",
        "task": "regime_map",
        "model": {"kind": "fermi_hubbard", "lattice": {"kind": "chain", "sites": 4}, "electrons": {"up": 2, "down": 2}},
        "map": {"interaction": [1.0, 8.0], "trap": [0.1, 0.5]},
        "time": {"end": 2.0, "samples": 21},
        "methods": ["exact", "td2rdm"],
    } | changes


def start(tmp_path, **changes):
    experiment = parse(data(**changes))
    assert isinstance(experiment, RegimeMap)
    return experiment, RunFolder(tmp_path / experiment.name / identity(experiment))


@pytest.fixture
def traced(monkeypatch):
    """The dynamics that were traced, which is once for each compilation."""
    names, original = [], module.propagate

    def counting(dynamics, *arguments, **options):
        names.append(type(dynamics).__name__)
        return original(dynamics, *arguments, **options)

    for place in (module, compared):
        monkeypatch.setattr(place, "propagate", counting)
    return names


# At V = 0.5 on four sites over t = 0..20, by U: correlation r, relative collision norm.
EXACT = {
    0.1: (0.98, 0.006),
    0.5: (0.43, 0.05),
    1: (0.74, 0.11),
    2: (0.97, 0.32),
    4: (0.81, 0.82),
    8: (-0.21, 1.27),
}


@pytest.mark.slow
def test_exact_diagnostics(tmp_path, traced):
    grid = {"interaction": [float(u) for u in EXACT], "trap": [0.5]}
    _, folder = chosen = start(tmp_path, map=grid, methods=["exact"], time={"end": 20.0, "samples": 401})
    run(*chosen, quiet=True)
    assert traced == ["ExactHubbard"]
    found = store.read(folder.results)["exact"]
    for interaction, (correlation, collision) in EXACT.items():
        point = found.sel(interaction=interaction, trap=0.5)
        np.testing.assert_allclose(point["pearson"], correlation, atol=0.006, err_msg=str(interaction))
        np.testing.assert_allclose(point["mean_collision"], collision, rtol=0.1, err_msg=str(interaction))
    np.testing.assert_allclose(
        found["build_up"], (found["three_cumulant"] - found["three_cumulant"][..., 0]).mean("time"), rtol=0.02
    )
    np.testing.assert_allclose(
        found["three_cumulant"].sel(interaction=2, trap=0.5, time=[0, 5]), (0.15869002, 0.20767353), atol=1e-7
    )
    np.testing.assert_allclose(found["two_cumulant"].sel(interaction=2, trap=0.5, time=5), 0.47104932, atol=1e-7)


# Mean error at U = 1, V = 0.5 over t = 0..20 of the default closures but plain Valdemoro, which the map below has.
ERRORS = {"valdemoro-consistent": 0.067, "nakatsuji-yasuda": 0.040, "nakatsuji-yasuda-purified": 0.027}


@pytest.mark.slow
def test_errors_of_the_default_closures(tmp_path, traced):
    described = data(map={"interaction": [1.0], "trap": [0.5]}, time={"end": 20.0, "samples": 401})
    described.pop("methods")
    experiment, folder = parse(described), RunFolder(tmp_path / "map")
    assert [method.name for method in experiment.methods[:2]] == ["exact", "valdemoro"]
    chosen = tuple(method for method in experiment.methods if method.name in ("exact", *ERRORS))
    run(experiment.model_copy(update={"methods": chosen}), folder, quiet=True)
    found = store.read(folder.results)
    for label, error in ERRORS.items():
        np.testing.assert_allclose(found[label]["mean_error"], [[error]], atol=6e-4, err_msg=label)
    assert traced == ["ExactHubbard", *["ExactHubbard", "TD2RDM"] * 3]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A map of three by two points on which Valdemoro holds, fails and stops: its experiment, folder and summary."""
    grid = {"interaction": [0.5, 1.0, 8.0], "trap": [0.1, 0.5]}
    chosen = start(tmp_path_factory.mktemp("runs"), map=grid, time={"end": 20.0, "samples": 401})
    return *chosen, run(*chosen, quiet=True)


@pytest.mark.slow
def test_a_point_that_stops_is_missing_afterwards_and_spares_its_neighbours(finished):
    _, folder, summary = finished
    found = store.read(folder.results)["td2rdm"]
    np.testing.assert_allclose(found["mean_error"].sel(interaction=[0.5, 1.0], trap=0.5), (0.026, 0.247), atol=6e-4)
    np.testing.assert_allclose(found["failure_time"].values[:, 1], (16.3, 5.0, 0.1), atol=0.11)
    np.testing.assert_array_equal(np.isfinite(found["failure_time"]), [[False, True], [True, True], [True, True]])
    stops = found["stop_time"].values
    np.testing.assert_array_equal(np.isfinite(stops), [[False, False], [True, False], [True, True]])
    np.testing.assert_allclose(stops[2, 1], 2.1, atol=0.06)
    for point, stop in zip(found["relative_error"].values.reshape(6, -1), stops.ravel(), strict=True):
        reached = found["time"].values <= (np.inf if np.isnan(stop) else stop)
        assert np.isfinite(point[reached]).all() and np.isnan(point[~reached]).all()
    method = summary["methods"]["td2rdm"]
    assert method["failed"] == 3
    assert (method["points"], method["numbers"]) == (6, {"above": 5})
    stopped = {failure["point"]: failure["time"] for failure in method["failures"]}
    assert stopped == {
        f"interaction {u:g} and trap {v:g}": pytest.approx(stops[i, j])
        for i, u in enumerate((0.5, 1.0, 8.0))
        for j, v in enumerate((0.1, 0.5))
        if np.isfinite(stops[i, j])
    }
    assert summary["state"] == "finished" and method["message"] is None


@pytest.mark.slow
def test_results_are_labelled(finished):
    _, folder, _ = finished
    with xr.open_datatree(folder.results, engine="zarr") as tree:
        found = tree["td2rdm"].to_dataset()
        assert found["relative_error"].dims == ("interaction", "trap", "time") and found["mean_error"].dims == (
            "interaction",
            "trap",
        )
        assert found["interaction"].attrs["units"] == "J" and found["failure_time"].attrs["units"] == "hbar/J"
        np.testing.assert_array_equal(found["trap"], [0.1, 0.5])


@pytest.mark.slow
def test_a_point_is_an_ordinary_experiment(finished):
    experiment, _, _ = finished
    point = experiment.at(2.0, 0.3)
    assert point.model.interaction == 2.0 and point.model.potential.kind == "none"
    before = point.initial.model
    assert before.interaction == 2.0 and before.potential.strength == 0.3


@pytest.mark.slow
def test_the_map_is_drawn(finished):
    _, folder, _ = finished
    (path,) = report.draw(folder)
    height, width, _ = imread(path).shape
    assert path.name == "regime_map.png" and 600 < height < 1600 and 1500 < width < 3000
    found = store.read(folder.results)
    figure = report.regime_map(found["exact"], {"td2rdm": found["td2rdm"]}, 5.0)
    axis = next(axis for axis in figure.axes if axis.get_title() == "td2rdm")
    edges = {tuple(map(tuple, line.get_xydata())) for line in axis.lines}
    assert edges == {((0.5, -0.5), (0.5, 0.5)), ((-0.5, 0.5), (0.5, 0.5))}  # around the one point where it does not fail
    assert ["×" in text.get_text() for text in axis.texts] == [False, False, True, False, True, True]


@pytest.mark.slow
def test_the_tables(finished):
    _, folder, _ = finished
    methods, extremes = report.tables(folder)
    rows = [list(column.cells) for column in methods.columns]
    assert rows[:4] == [["exact", "td2rdm"], ["6", "6"], ["-", "5"], ["-", "3"]]
    assert len(extremes.rows) == 3


@pytest.mark.slow
def test_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "map.yaml").write_text(yaml.safe_dump(data(methods=["exact"], time={"end": 1.0, "samples": 3})))

    def qnano(*arguments):
        monkeypatch.setattr(sys, "argv", ["qnano", *arguments])
        with pytest.raises(SystemExit) as exit:
            cli.main()
        out, err = capsys.readouterr()
        return exit.value.code or 0, out, err.splitlines()

    code, out, _ = qnano("check", "map.yaml")
    assert code == 0 and "map: 2 interactions from 1 to 8 J, 2 traps from 0.1 to 0.5 J" in out
    code, out, err = qnano("run", "map.yaml")
    assert (
        code == 0
        and [line.split(":")[0] for line in err] == ["device"]
        and "correlation in time" in out
        and "figures/regime_map.png" in out
    )
    (folder,) = (tmp_path / "runs" / "map").iterdir()
    code, out, _ = qnano("run", str(folder / "config.yaml"))
    assert code == 0 and "already there" in out
    assert qnano("show", str(folder))[0] == 0
    assert qnano("plot", str(folder))[1].split() == [str(folder / "figures" / "regime_map.png")]
    assert qnano("check", "map.yaml", "map.trap=[1, 0.5]") == (2, "", ["map.trap: got [1.0, 0.5]; must ascend"])


SPACES = (
    "must be a list, {linspace: [first, last, count]} or {logspace: [first, last, count]} of positive ends, count from 2 to 100000"
)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"task": "fly"},
            "task: got 'fly'; must be one of dynamics, regime_map, ensemble, "
            "gradient, training, evaluation, surrogate, learning_curve",
        ),
        ({"map": {"interaction": [1.0], "trap": []}}, "map.trap: empty; must have at least one entry"),
        ({"map": {"interaction": [2, 1], "trap": [1]}}, "map.interaction: got [2.0, 1.0]; must ascend"),
        (
            {"map": {"interaction": [0, 1], "trap": [1]}},
            "map.interaction: got 0; must not be among them: nothing is correlated",
        ),
        ({"map": {"interaction": [1], "trap": [0]}}, "map.trap: got 0.0; must be greater than 0"),
        ({"map": {"interaction": [1]}}, "map.trap: missing; must be given"),
        ({"map": {"interaction": {"linspace": [1, 2]}, "trap": [1]}}, f"map.interaction: got a mapping; {SPACES}"),
        ({"map": {"interaction": {"logspace": [0, 2, 3]}, "trap": [1]}}, f"map.interaction: got a mapping; {SPACES}"),
        ({"model": data()["model"] | {"interaction": 1.0}}, "model.interaction: map.interaction sets it; leave it out"),
        ({"initial": {"kind": "ground_state", "model": {}}}, "initial: map.trap sets it; leave it out"),
        ({"observables": ["rdm2"]}, "observables: a regime map has its own; leave it out"),
        ({"monitor": {"every": 2}}, "monitor: must not be there: the task regime_map looks for no negative probabilities"),
        ({"methods": ["td2rdm"]}, "methods: got 0 exact methods; a regime map needs one to measure the others by"),
    ],
)
def test_bad_input_is_one_line(changes, line):
    with pytest.raises(InputError) as caught:
        parse(data(**changes))
    assert str(caught.value).splitlines() == [line]


def test_a_point_that_cannot_be_built_is_named(tmp_path):
    ring = {"kind": "chain", "sites": 4, "periodic": True}
    model = {"kind": "fermi_hubbard", "lattice": ring, "electrons": {"up": 1, "down": 2}}
    chosen = start(tmp_path, model=model, map={"interaction": [2.0], "trap": [1e-12]}, methods=["exact"])
    with pytest.raises(InputError, match=r"^map, at interaction 2 and trap 1e-12: initial.model: the ground state is degenerate"):
        run(*chosen, quiet=True)


def test_axes_may_be_spaced():
    axes = parse(data(map={"interaction": {"logspace": [0.5, 8, 5]}, "trap": {"linspace": [0.1, 0.5, 3]}}))
    np.testing.assert_allclose(axes.map.interaction, (0.5, 1, 2, 4, 8), rtol=1e-14)
    np.testing.assert_allclose(axes.map.trap, (0.1, 0.3, 0.5), rtol=1e-14)
    assert parse(resolved(axes)) == axes and identity(parse(resolved(axes))) == identity(axes)


def test_equal_numbers_share_their_rank():
    """Ranks (1, 2.5, 2.5, 4) against (1, 2, 3, 4): 4.5 / sqrt(4.5 * 5), in whatever order they come."""
    left, right = np.array([0.1, 0.2, 0.2, 0.7]), np.array([1.0, 2.0, 3.0, 9.0])
    for order in ([0, 1, 2, 3], [0, 2, 1, 3], [3, 1, 0, 2]):
        np.testing.assert_allclose(report.spearman(left[order], right[order]), 4.5 / np.sqrt(4.5 * 5), rtol=1e-14)
    np.testing.assert_allclose(report.spearman(left, right[[0, 2, 1, 3]]), 4.5 / np.sqrt(4.5 * 5), rtol=1e-14)
    assert report.spearman(np.append(left, np.nan), np.append(right, 0.0)) == report.spearman(left, right)
    assert np.isnan(report.spearman(np.ones(4), right))
