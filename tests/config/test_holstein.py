"""The Holstein model in a config: what is filled in, and what is refused."""

from typing import Any

import pytest

from qnano.errors import InputError
from qnano.families.experiment import Experiment
from qnano.tasks.loading import load, parse, to_yaml

RAMP = {"kind": "ramp", "before": 0.0, "after": 1.0, "start": 0.0, "duration": 2.0}


def data(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "name": "small",
        "model": {"kind": "holstein", "lattice": {"kind": "chain", "sites": 8, "periodic": True}, "coupling": 0.8},
        "initial": {"kind": "thermal", "model": {"coupling": 0.5}, "noise": 1e-4},
        "time": {"end": 2.0, "samples": 21},
    }
    for path, value in changes.items():
        *parents, key = path.split("__")
        place = base
        for parent in parents:
            place = place[parent]
        place[key] = value
    return base


@pytest.mark.parametrize("changes", [
    {},
    {"model__coupling": RAMP, "initial": {"kind": "thermal"}},
    {"model__lattice": {"kind": "rectangle", "columns": 4, "rows": 6, "periodic": True}, "model__eta": [0.8] * 24},
    {"methods": ["density_matrix", {"kind": "orbitals", "solver": {"kind": "strang", "dt": 0.1}}], "solver": {"kind": "tsit5"}},
])  # fmt: skip
def test_what_is_resolved_gives_the_same_experiment_back(changes, tmp_path):
    once = parse(data(**changes))
    (tmp_path / "config.yaml").write_text(to_yaml(once))
    assert load(tmp_path / "config.yaml") == once


def test_the_model_decides_the_defaults():
    found = parse(data())
    assert isinstance(found, Experiment)
    assert [method.name for method in found.methods] == ["orbitals"]
    assert found.observables == ("charge_order", "lattice_order", "energy")
    assert found.initial.model.coupling == 0.5 and found.initial.model.frequency == 0.3
    assert parse(data(model__coupling=RAMP, initial={"kind": "thermal"})).initial.model.coupling == 0.0


CASES = [
    ({"model__lattice__periodic": False}, "model.lattice.periodic: got false; must be true: the model lives on rings and tori"),
    ({"model__lattice__sites": 7}, "model.lattice: got sides 7; must be even and at least 4"),
    ({"model__frequency": 0.0}, "model.frequency: got 0.0; must be greater than 0"),
    ({"model__coupling": [0.5, 0.5]}, "model.coupling: got 2 values; must be 8 (the number of sites)"),
    ({"methods": ["exact"]}, "methods.0: got 'exact'; must be one of orbitals, density_matrix for model holstein"),
    ({"initial": {"kind": "neel"}}, "initial.kind: got 'neel'; must be thermal for model holstein"),
    ({"initial": {"kind": "ground_state"}}, "initial.kind: got 'ground_state'; must be thermal for model holstein"),
    ({"observables": ["rdm3_uud"]}, "observables.0: got 'rdm3_uud'; orbitals does not have it, only exact"),
    (
        {"initial__model": {"lattice": {"sites": 12}}},
        "initial.model.lattice: differs from model.lattice; must be the same before and after",
    ),
    ({"initial__noise": -1.0}, "initial.noise: got -1.0; must be at least 0"),
    ({"solver": {"kind": "strang", "dt": 3.0}}, "solver.dt: got 3.0; must be at most 2 (time.end - time.start)"),
    (
        {"solver": {"kind": "strang", "dt": 1e-6}, "time": {"end": 2.0, "samples": 2}},
        "solver.dt: got 1e-06, 2e+06 steps in a row; must be at least 2e-05, or have more time.samples",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "line"), CASES, ids=[line.split(": ")[0] for _, line in CASES])
def test_wording(changes, line):
    with pytest.raises(InputError) as caught:
        parse(data(**changes))
    assert str(caught.value).splitlines() == [line]
