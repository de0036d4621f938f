"""Changes of single keys of an experiment."""

import pytest

from qnano.errors import InputError
from qnano.tasks.loading import load, resolved
from qnano.tasks.varied import value_at, varied
from tests.config.examples import experiment


def test_what_is_inherited_follows():
    changed = varied(experiment(), {"model.interaction": 3.0, "initial.model.potential.strength": 0.7})
    assert changed.model.interaction == 3.0 and changed.initial.model.interaction == 3.0
    assert changed.initial.model.potential.strength == 0.7
    assert changed.model.potential.kind == "none"


def test_what_is_interpolated_follows(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(
        """
name: small
model: {kind: fermi_hubbard, lattice: {kind: chain, sites: 4}, interaction: 2.0, electrons: {up: 2, down: "${model.electrons.up}"}}
initial: {kind: neel}
time: {end: 1.0, samples: 3}
"""
    )
    changed = varied(load(path), {"model.lattice.sites": 6, "model.electrons.up": 3})
    assert changed.model.electrons.down == 3 and changed.model.lattice.sites == 6


def test_one_of_many():
    assert varied(experiment(), {"model.hopping[1]": 1.5}).model.hopping == (1.0, 1.5, 1.0)
    several = varied(experiment(), {"model.interaction[0]": 1.0, "model.interaction.3": 4.0})
    assert several.model.interaction == (1.0, 2.0, 2.0, 4.0)
    assert value_at(experiment(), "model.hopping[2]") == 1.0


def test_defaults_that_nobody_wrote():
    changed = varied(experiment(solver={"kind": "tsit5"}), {"solver.rtol": 1e-5, "time.start": 0.5})
    assert changed.solver.kind == "tsit5" and changed.solver.rtol == 1e-5 and changed.time.start == 0.5
    assert varied(experiment(), {"methods.1.closure": "nakatsuji_yasuda"}).methods[1].closure == "nakatsuji_yasuda"


def test_nothing_else_changes():
    assert resolved(varied(experiment(), {"model.interaction": 2.0})) == resolved(experiment())


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("model.foo", "unknown key; model has kind, lattice"),
        ("model.hopping.3", "unknown key; model.hopping has 0, 1, 2"),
        ("methods.9.kind", "unknown key; methods has 0, 1, 2"),
        ("model.interaction.x", "unknown key; model.interaction has no keys in it"),
        ("model..x", "not a key"),
    ],
)
def test_keys_that_are_not_there(key, message):
    with pytest.raises(InputError, match=message):
        value_at(experiment(), key)


@pytest.mark.parametrize("key", ["model.foo", "model.hopping.3", "methods.9.kind", "model.interaction.x", "foo.bar"])
def test_no_change_of_keys_that_are_not_there(key):
    with pytest.raises(InputError, match="unknown key"):
        varied(experiment(), {key: 1.0})
