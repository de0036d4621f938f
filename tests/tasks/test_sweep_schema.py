"""Sweeps: axes, names, points, and what cannot be swept."""

import numpy as np
import pytest

from qnano import lattice
from qnano.errors import InputError
from qnano.tasks.loading import identity, load, to_yaml
from qnano.tasks.outline import outline
from qnano.tasks.study.axes import places
from qnano.tasks.sweep.places import experiment_at, told, values_at
from qnano.tasks.sweep.schema import Swept
from tests.config.examples import data, experiment

TOGETHER = {"model.lattice.sites": [4, 6], "model.electrons.up": [2, 3], "model.electrons.down": [2, 3]}


def swept(sweep, **changes) -> Swept:
    found = experiment(sweep=sweep, **changes)
    assert isinstance(found, Swept)
    return found


def test_axes_are_multiplied_and_those_zipped_go_together():
    sweep = swept(
        {"model.interaction": [1, 2.5, 4], "initial.model.potential.strength": {"logspace": [0.1, 10.0, 3]}, "zip": TOGETHER}
    )
    assert [axis.name for axis in sweep.axes] == ["interaction", "strength", "sites"] and sweep.shape == (3, 3, 2)
    assert len(places(sweep.shape)) == 18 and places(sweep.shape)[1] == (0, 0, 1)
    np.testing.assert_allclose(sweep.axes[1].values["initial.model.potential.strength"], [0.1, 1.0, 10.0])
    last = experiment_at(sweep, (2, 1, 1))
    assert last.model.interaction == last.initial.model.interaction == 4 and last.initial.model.potential.strength == 1.0
    assert last.model.lattice.sites == 6 and last.model.electrons.up == 3
    assert not isinstance(last, Swept)


def test_static_keys_can_be_swept():
    closures = swept({"methods.1.closure": ["valdemoro", "nakatsuji_yasuda"]})
    assert [experiment_at(closures, place).methods[1].closure for place in places(closures.shape)] == [
        "valdemoro",
        "nakatsuji_yasuda",
    ]


def test_names_of_axes_are_told_apart():
    sweep = swept(
        {"model.hopping[0]": [1.0], "model.hopping[1]": [1.0], "model.interaction": [1.0], "initial.model.interaction": [2.0]}
    )
    names = [axis.name for axis in sweep.axes]
    assert names == ["model.hopping.0", "model.hopping.1", "model.interaction", "initial.model.interaction"]


@pytest.mark.parametrize("kind", ["uniform", "latin_hypercube"])
def test_draws_keep_to_their_ranges_and_to_the_seed(kind):
    draw = {"count": 16, "kind": kind, "ranges": {"model.interaction": [1.0, 3.0], "model.hopping": [0.5, 1.5]}}
    sweep = swept({"draw": draw}, seed=3)
    values = sweep.axes[0].values
    drawn = np.array([values["model.interaction"], values["model.hopping"]])
    assert drawn.shape == (2, 16) and ((drawn.T > [1.0, 0.5]) & (drawn.T < [3.0, 1.5])).all()
    assert swept({"draw": draw}, seed=3).axes == sweep.axes and swept({"draw": draw}, seed=4).axes != sweep.axes
    if kind == "latin_hypercube":
        for row, low in zip(drawn, (1.0, 0.5), strict=True):
            cells = np.floor((row - low) / (2.0 if low == 1.0 else 1.0) * 16).astype(int)
            assert sorted(cells) == list(range(16))


def test_what_is_written_down_gives_the_same_points_back(tmp_path):
    text = """
name: small
model: {kind: fermi_hubbard, lattice: {kind: chain, sites: 4}, interaction: 2.0, electrons: {up: 2, down: "${model.electrons.up}"}}
initial: {kind: ground_state, model: {potential: {kind: harmonic, strength: 0.5}}}
time: {end: 1.0, samples: 3}
engine: {kind: workers}
sweep: {model.electrons.up: [1, 2], model.interaction: [1.0, 3.0]}
"""
    (tmp_path / "given.yaml").write_text(text)
    sweep = load(tmp_path / "given.yaml")
    (tmp_path / "written.yaml").write_text(to_yaml(sweep))
    again = load(tmp_path / "written.yaml")
    assert identity(again) == identity(sweep)
    for place in places(sweep.shape):
        assert experiment_at(again, place) == experiment_at(sweep, place)
    first = experiment_at(again, (0, 1))
    assert first.model.electrons.down == 1 and first.initial.model.interaction == 3.0
    assert values_at(again, (0, 1)) == {"model.electrons.up": 1, "model.interaction": 3.0}
    assert told(again, (0, 1)) == "model.electrons.up = 1, model.interaction = 3"


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ({}, "sweep: empty; must have at least one key"),
        ({"time.end": [1.0]}, "sweep.time.end: cannot be swept"),
        ({"model.interaction": []}, "sweep.model.interaction: empty"),
        ({"model.interaction": [1.0], "zip": {"model.interaction": [1.0]}}, "sweep.model.interaction: must be swept once"),
        ({"model.hopping[1]": [1.0], "model.hopping": [2.0]}, r"sweep.model.hopping: holds model.hopping.1, which is swept too"),
        (
            {"draw": {"count": 2, "ranges": {"model.hopping": [2.0, 1.0]}}},
            r"sweep.draw.ranges.model.hopping: got \[2.0, 1.0\]; must ascend",
        ),
        ({"model.interaction": {"linspace": [1, 2]}}, "sweep.model.interaction: got a mapping; must be a list, {linspace"),
        (
            {"zip": {"model.hopping": [1.0], "model.interaction": [1.0, 2.0]}},
            "sweep.zip: got 1 for model.hopping, 2 for model.interaction",
        ),
        (3, "sweep: got 3; must be a mapping"),
    ],
)
def test_sweeps_that_are_none(sweep, message):
    with pytest.raises(InputError, match=message):
        experiment(sweep=sweep)


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ({"model.lattice.sites": [4, 1]}, "sweep, at model.lattice.sites = 1: model.electrons.up: got 2"),
        ({"model.electron": [1]}, "sweep, at model.electron = 1: model.electron: unknown key"),
        ({"methods.1.closure": ["valdemoro", "foo"]}, "sweep, at methods.1.closure = foo: methods.1.closure: got 'foo'"),
    ],
)
def test_points_that_cannot_be(sweep, message):
    found = swept(sweep)
    with pytest.raises(InputError, match=message):
        [experiment_at(found, place) for place in places(found.shape)]


@pytest.mark.parametrize(
    ("sweep", "key"),
    [
        ({"model.interaction": [*np.linspace(-1.0, 1.0, 500), 1e-30]}, "model.interaction.500"),
        ({"zip": {"model.interaction": [1.0, 1e39], "model.hopping": [1.0, 2.0]}}, "zip.model.interaction.1"),
        ({"draw": {"count": 2, "ranges": {"model.hopping": [1.0, 1e39]}}}, "draw.ranges.model.hopping.1"),
    ],
)
def test_every_value_is_one_that_the_precision_holds(sweep, key):
    """Also in the middle of many points, of which only some are looked at before the run."""
    experiment(sweep=sweep)
    with pytest.raises(InputError, match=rf"sweep.{key}: got 1e[-+]\d+; must be 0, or from .* in single precision"):
        experiment(sweep=sweep, precision="single")


def test_a_sweep_is_not_sharded():
    with pytest.raises(InputError, match="sharded: got true; must be false in a sweep"):
        experiment(**data(sharded=True, sweep={"model.interaction": [1.0]}))


def test_a_lattice_that_all_points_share_is_built_once(monkeypatch):
    """Sixty points of 6000 sites; built for each of them, by model and start, they would take seconds."""
    built, rectangle = [], lattice.rectangle
    monkeypatch.setattr(lattice, "rectangle", lambda *sides: built.append(sides) or rectangle(*sides))
    many = swept(
        {"model.interaction": {"linspace": [0.5, 6.0, 60]}},
        model__lattice={"kind": "rectangle", "columns": 75, "rows": 80},
        model__electrons={"up": 1, "down": 1},
        methods=["mean_field"],
        initial__model={"interaction": 0.0},
    )
    assert outline(many)
    assert len(built) == 1
