"""The figures: which are drawn, in the right size, and what the lines and maps show."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.image import imread

from qnano.config import identity
from qnano.experiments import figures
from qnano.experiments import run as module
from qnano.storage.folder import RunFolder
from tests.config.examples import experiment
from tests.experiments import fake

TIMES = np.linspace(0.0, 4.0, 41)


def curve(label, stop=None, scale=1.0):
    after = np.greater(TIMES, np.inf if stop is None else stop)
    density = scale * np.broadcast_to(1 + 0.1 * np.sin(TIMES)[:, None, None], (41, 2, 3))
    data = xr.Dataset(
        {
            "density": (("time", "spin", "site"), np.where(after[:, None, None], np.nan, density)),
            "double_occupancy": (("time", "site"), np.where(after[:, None], np.nan, density[:, 0] / 4)),
            "energy": ("time", np.where(after, np.nan, -scale), {"units": "J", "long_name": "total energy"}),
            "potential_energy": ("time", np.zeros(41), {"units": "J", "long_name": "potential energy"}),
            "invariant_drift": (("time", "invariant"), np.zeros((41, 1))),
        },
        {"time": TIMES, "site": range(3), "invariant": ["norm"]},
    )
    return figures.Curve(label, data, "black" if label == "exact" else "red", "--", stop)


def test_the_figures_of_a_run_are_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "build", fake.build)
    chosen = experiment(methods=["exact", "td2rdm"], model__interaction=20.0)
    folder = RunFolder(tmp_path / identity(chosen))
    module.run(chosen, folder, quiet=True)
    paths = figures.draw(folder)
    assert [path.name for path in paths] == ["densities.png", "observables.png", "drift.png", "overview.png"]
    for path in paths:
        height, width, _ = imread(path).shape
        assert 500 < height < 2000 and 1000 < width < 2000, path.name


def test_densities_show_differences_on_a_symmetric_scale():
    figure = figures.densities([curve("exact"), curve("other", scale=1.05)], "exact")
    maps = [axis.collections[0] for axis in figure.axes if axis.get_title() in ("exact", "other", "other, difference to exact")]
    assert len(maps) == 3
    assert maps[0].norm is maps[1].norm  # one scale for all densities
    lowest, highest = 2 * (1 + 0.1 * np.sin(4.0)), 2 * 1.05 * 1.1
    np.testing.assert_allclose((maps[0].norm.vmin, maps[0].norm.vmax), (lowest, highest), rtol=1e-3)
    assert maps[2].norm.vmin == -maps[2].norm.vmax == pytest.approx(-0.05 * 2.2, rel=1e-2)


def test_densities_without_an_exact_method_have_one_column():
    figure = figures.densities([curve("a"), curve("b")], None)
    assert sum(axis.get_ylabel() == "site" for axis in figure.axes) == 2
    assert not any("difference" in axis.get_title() for axis in figure.axes)


def test_what_blew_up_does_not_set_the_scale_and_its_stop_is_marked():
    figure = figures.observables([curve("exact"), curve("wild", stop=1.0, scale=100.0)])
    axis = next(axis for axis in figure.axes if axis.get_ylabel() == figures.DOUBLE)
    assert axis.get_ylim()[1] < 2.0
    assert [line.get_xdata()[0] for line in axis.lines if line.get_linestyle() == ":"] == [1.0]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["exact", "wild, stopped at t = 1"]


def test_what_was_asked_for_is_shown_also_where_it_is_zero():
    labels = [figures.DOUBLE, "total energy  (J)", "potential energy  (J)"]
    assert list(figures.series([curve("exact")])) == labels


def test_an_overview_without_double_occupancy_has_no_panel_for_it():
    polarised = curve("exact")
    polarised.data["double_occupancy"] *= 0.0
    assert [axis.get_ylabel() for axis in figures.overview([polarised]).axes] == ["site", figures.DENSITY]
    assert figures.DOUBLE.split()[0] in figures.overview([curve("exact")]).axes[1].get_ylabel()


@pytest.mark.parametrize("empty", [["other"], ["exact"], ["exact", "other"]])
def test_methods_without_a_finite_row_are_drawn_empty(empty):
    curves = [curve("exact"), curve("other")]
    for drawn in curves:
        if drawn.label in empty:
            for name in drawn.data:
                drawn.data[name] *= np.nan
    names = [name for name, figure, _ in figures._figures(curves, "exact") if figure.draw_without_rendering() is None]
    assert names == ["densities", "observables", "drift", "overview"]
