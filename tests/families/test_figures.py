"""The figures: which are drawn, in the right size, and what the lines and maps show."""

from json import dumps, loads
from shutil import rmtree

import numpy as np
import pytest
import xarray as xr
from matplotlib.image import imread

from qnano.families.curves import DOUBLE, Curve, series
from qnano.families.holstein import figures as holstein_figures
from qnano.families.hubbard import figures as hubbard_figures
from qnano.families.particles import figures as particles_figures
from qnano.families.register import OBSERVABLES, family_of
from qnano.families.two_scale import figures as coarse_figures
from qnano.storage import store
from qnano.storage.folder import RunFolder
from qnano.style import drawable, labelled, verbatim
from qnano.tasks.dynamics import figures, report
from qnano.tasks.dynamics import run as module
from qnano.tasks.dynamics.plain_figures import plain
from qnano.tasks.loading import identity, parse
from tests.config import test_holstein, test_particles
from tests.config.examples import experiment
from tests.tasks import fake

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
    return Curve(label, data, "black" if label == "exact" else "red", "--", stop)


@pytest.mark.slow
def test_the_figures_of_a_run_are_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "build", fake.build)
    chosen = experiment(
        methods=["exact", "td2rdm"], model__interaction=20.0, observables=["density", "double_occupancy", "energy", "rdm2"]
    )
    folder = RunFolder(tmp_path / identity(chosen))
    module.run(chosen, folder, quiet=True)
    paths = report.draw(folder)
    assert [path.name for path in paths] == ["densities.png", "overview.png", "observables.png", "drift.png", "rdm2.png"]
    for path in paths:
        height, width, _ = imread(path).shape
        assert 500 < height < 2000 and 900 < width < 2000, path.name


def test_densities_show_differences_on_a_symmetric_scale():
    figure = hubbard_figures.densities([curve("exact"), curve("other", scale=1.05)], "exact")
    maps = [axis.collections[0] for axis in figure.axes if axis.get_title() in ("exact", "other", "other, difference to exact")]
    assert len(maps) == 3
    assert maps[0].norm is maps[1].norm  # one scale for all densities
    lowest, highest = 2 * (1 + 0.1 * np.sin(4.0)), 2 * 1.05 * 1.1
    np.testing.assert_allclose((maps[0].norm.vmin, maps[0].norm.vmax), (lowest, highest), rtol=1e-3)
    assert maps[2].norm.vmin == -maps[2].norm.vmax == pytest.approx(-0.05 * 2.2, rel=1e-2)


def test_densities_without_an_exact_method_have_one_column():
    figure = hubbard_figures.densities([curve("a"), curve("b")], None)
    assert sum(axis.get_ylabel() == "site" for axis in figure.axes) == 2
    assert not any("difference" in axis.get_title() for axis in figure.axes)


def test_what_blew_up_does_not_set_the_scale_and_its_stop_is_marked():
    figure = figures.observables([curve("exact"), curve("wild", stop=1.0, scale=100.0)])
    axis = next(axis for axis in figure.axes if axis.get_ylabel() == DOUBLE)
    assert axis.get_ylim()[1] < 2.0
    assert [line.get_xdata()[0] for line in axis.lines if line.get_linestyle() == ":"] == [1.0]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["exact", "wild, stopped at t = 1"]


def test_what_was_asked_for_is_shown_also_where_it_is_zero():
    labels = [DOUBLE, "total energy  (J)", "potential energy  (J)"]
    assert list(series([curve("exact")])) == labels


def test_an_overview_without_double_occupancy_has_no_panel_for_it():
    polarised = curve("exact")
    polarised.data["double_occupancy"] *= 0.0
    assert [axis.get_ylabel() for axis in hubbard_figures.overview([polarised]).axes] == ["site", hubbard_figures.DENSITY]
    assert DOUBLE.split()[0] in hubbard_figures.overview([curve("exact")]).axes[1].get_ylabel()


@pytest.mark.parametrize("empty", [["other"], ["exact"], ["exact", "other"]])
def test_methods_without_a_finite_row_are_drawn_empty(empty):
    curves = [curve("exact"), curve("other")]
    for drawn in curves:
        if drawn.label in empty:
            for name in drawn.data:
                drawn.data[name] *= np.nan
    names = [
        name for name, figure, _ in figures._figures(curves, "exact", "exact", None) if figure.draw_without_rendering() is None
    ]
    assert names == ["densities", "overview", "observables", "drift"]


COORDINATES = {
    "time": ("time", [0.0, 1.0, 2.0], {"units": "hbar/J"}),
    "spin": ["up", "down"],
    "bond": ["0-1", "1-2"],
    "axis": ["x", "y"],
    "wavevector": range(8),
    **{dim: range(2) for dim in ("site", "i", "j", "i1", "i2", "j1", "j2")},
    **{dim: (dim, np.arange(n) - 0.5, {"units": "nm"}) for dim, n in (("x", 4), ("y", 3), ("z", 2))},
}


def measured(name, places=("x", "y")):
    """Random numbers in the place of an observable; from the last time on, when the run has stopped, none."""
    known = OBSERVABLES[name]
    dims = tuple(part for dim in known.dims for part in (places if dim == "place" else (dim,)))
    there = {dim: COORDINATES[dim] for dim in dims}
    shape = [len(values[1] if isinstance(values, tuple) else values) for values in there.values()]
    generator = np.random.default_rng(0)
    values = generator.normal(size=shape) + 1j * generator.normal(size=shape) * known.is_complex
    values = values if known.is_complex else values.real
    values[2:] = np.nan
    attributes = {"units": known.units, "long_name": known.long_name}
    return Curve("some", xr.Dataset({name: (dims, values, attributes)}, there), "black", "-", 1.5)


def meshes(figure):
    return [np.ma.getdata(axis.collections[0].get_array()) for axis in figure.axes if axis.get_label() != "<colorbar>"]


@pytest.mark.parametrize("name", ["current", "site_entropy"])
def test_few_entries_are_lines(name):
    drawn = measured(name)
    (axis,) = plain([drawn], name).axes
    for k, line in enumerate(axis.lines):
        np.testing.assert_array_equal(line.get_ydata(), drawn.data[name][:, k])
    assert [line.get_label() for line in axis.lines] == [str(x) for x in drawn.data[drawn.data[name].dims[1]].values]
    assert axis.get_xlabel() == "time  (ħ/J)" and axis.get_title() == "some, stopped at t = 1.5 ħ/J"
    unit = "" if name == "site_entropy" else "(J/ħ)"
    assert axis.get_ylabel().endswith(unit)


def test_many_entries_are_a_map_over_time():
    drawn = measured("momentum_distribution")
    (values,) = meshes(plain([drawn], "momentum_distribution"))
    np.testing.assert_array_equal(values[:, :2], drawn.data["momentum_distribution"].values.T[:, :2])


def test_matrices_are_magnitudes_at_the_last_time_with_numbers():
    drawn = measured("rdm2")
    (values,) = meshes(plain([drawn], "rdm2"))
    np.testing.assert_array_equal(values, np.abs(drawn.data["rdm2"].values[1]).reshape(4, 4))
    spins = measured("rdm1")
    figure = plain([spins], "rdm1")
    np.testing.assert_array_equal(meshes(figure), np.abs(spins.data["rdm1"].values[1]))
    assert [axis.get_title() for axis in figure.axes[:2]] == [
        f"some, stopped at t = 1.5 ħ/J, {spin}, t = 1 ħ/J" for spin in ("up", "down")
    ]


def test_planes_are_drawn_in_their_place_and_space_is_averaged():
    flux = measured("energy_flux")
    figure = plain([flux], "energy_flux")
    np.testing.assert_array_equal(meshes(figure), flux.data["energy_flux"].values[1].swapaxes(1, 2))
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("x  (nm)", "y  (nm)")
    space = measured("particle_density", ("x", "y", "z"))
    (values,) = meshes(plain([space], "particle_density"))
    np.testing.assert_allclose(values, space.data["particle_density"].values[1].mean(axis=2).T)


def test_numbers_that_are_as_good_as_infinite_are_not_drawn():
    wild = drawable(xr.Dataset({"x": ("time", [1.0, np.inf, -1e300, np.nan]), "n": ("time", [1, 2, 3, 4])}))
    np.testing.assert_array_equal(wild["x"], [1.0, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(wild["n"], [1, 2, 3, 4])


def nothing(**variables):
    """A run of which no row is a number."""
    curve = Curve("wild", xr.Dataset(), "black", "-", 0.0)
    dims = {name: ("time", *inner) for name, inner in variables.items()}
    there = {dim: COORDINATES.get(dim, range(4)) for names in dims.values() for dim in names}
    size = {dim: len(values[1] if isinstance(values, tuple) else values) for dim, values in there.items()}
    about = {"units": "1/nm", "long_name": "something"}
    arrays = {name: (names, np.full([size[dim] for dim in names], np.nan), about) for name, names in dims.items()}
    return Curve(curve.label, xr.Dataset(arrays, there), "black", "-", 0.0)


def stored(facts):
    """What a run keeps beside its results, as it is read again."""
    return xr.Dataset({name: (fact.dims, fact.values, {"units": fact.units}) for name, fact in facts.items()})


def test_a_run_without_a_number_is_drawn_by_every_module():
    facts = lambda data: stored(family_of(data.model).facts(data))  # noqa: E731
    ring = facts(parse(test_holstein.data(model__lattice__sites=4)))
    places = {"displacement": ("site",), "site_density": ("site",)}
    rows = {name: (("time", "site"), np.full((3, 4), np.nan)) for name in places}
    empty = xr.Dataset(rows, {"time": [0.0, 1.0, 2.0]})
    drawn = [figure for _, figure, _ in holstein_figures.figures([empty], ring)]
    two_scale = nothing(coarse_density=("x",), position=("axis",), spread=("axis",))
    drawn.append(coarse_figures.densities([two_scale, two_scale], None))
    line = facts(parse(test_particles.data(model__regions={"$a^$": {"low": -1.0, "high": 1.0}})))
    drawn += [figure for _, figure, _ in particles_figures.figures([nothing(particle_density=("x",))], line)]
    drawn += [figure for _, figure, _ in particles_figures.figures([nothing(particle_density=("x", "y"))], None)]
    drawn += [plain([nothing(current=("bond",))], "current"), plain([nothing(rdm2=("i1", "i2", "j1", "j2"))], "rdm2")]
    assert len(drawn) == 6
    for figure in drawn:
        figure.draw_without_rendering()


@pytest.mark.slow
def test_a_run_of_an_older_version_is_drawn_without_what_it_did_not_keep(tmp_path, capsys):
    chosen = parse(test_holstein.data(model__lattice__sites=4, observables=["displacement", "energy"]))
    folder = RunFolder(tmp_path / identity(chosen))
    module.run(chosen, folder, quiet=True)
    assert "lattice.png" in [path.name for path in report.draw(folder)] and not capsys.readouterr().err
    rmtree(folder.results / store.FACTS)
    (folder.results / "seals.json").unlink()
    for metadata in (folder.results / "zarr.json",):
        metadata.write_text(dumps(loads(metadata.read_text()) | {"consolidated_metadata": None}))
    assert [path.name for path in report.draw(folder)] == ["observables.png", "drift.png", "displacement.png"]
    assert "from an older version" in capsys.readouterr().err


def test_units_and_names_as_they_are_printed():
    assert labelled("power", "J^2/hbar") == "power  (J²/ħ)" and labelled("share", "1") == "share"
    assert verbatim("$a^$") == r"\$a^\$"
