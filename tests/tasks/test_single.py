"""Single precision in every task: it ends, what it stores is single, and its numbers are those of double precision."""

import numpy as np
import pytest

from qnano.solvers.splitting import strang
from qnano.storage import store
from qnano.storage.folder import RunFolder
from qnano.tasks import register as tasks
from qnano.tasks.dynamics.progress import Progress
from qnano.tasks.loading import parse
from qnano.tasks.surrogate import run as surrogate
from tests.config import examples, test_holstein
from tests.tasks import test_surrogate

RK4 = {"kind": "rk4", "dt": 0.05}
SHORT = {"end": 0.5, "samples": 3}
PAIR = {"lattice": {"kind": "chain", "sites": 2}, "electrons": {"up": 1, "down": 1}}
SMALL = {
    "model": {"kind": "fermi_hubbard", "interaction": 2.0} | PAIR,
    "initial": {"kind": "ground_state", "model": {"potential": {"kind": "linear", "slope": 0.4}}},
    "methods": ["exact", {"kind": "mean_field", "solver": RK4}],
    "time": SHORT,
}
RING = {"model__lattice__sites": 4, "initial__noise": 0.0, "time": SHORT, "solver": {"kind": "strang", "dt": 0.1}}
CONFIGS = {
    "dynamics": examples.data(**SMALL, observables=["density", "energy", "rdm2"]),
    "sweep": examples.data(**SMALL, sweep={"model.interaction": [1.0, 3.0]}),
    "gradient": examples.data(
        **SMALL,
        task="gradient",
        gradient={"of": "double_occupancy[site=0,time=0.5]", "wrt": ["model.interaction", "model.hopping"], "check": True},
    ),
    "regime_map": {
        "name": "map",
        "task": "regime_map",
        "model": {"kind": "fermi_hubbard", "lattice": {"kind": "chain", "sites": 4}, "electrons": {"up": 2, "down": 2}},
        "map": {"interaction": [1.0], "trap": [0.3]},
        "methods": ["exact", {"kind": "td2rdm", "solver": RK4}],
        "time": SHORT,
    },
    "training": {
        "name": "trained",
        "task": "training",
        "model": PAIR,
        "learner": {"kind": "black_box", "width": 3, "depth": 1},
        "train": [{"family": "tilt", "strengths": [0.5], "interactions": [2.0]}],  # two sites do not feel a trap
        "held_out": [{"family": "tilt", "strengths": [0.3], "interactions": [2.0]}],
        "stages": [{"kind": "velocity", "steps": 4, "batch": 2}],
        "every": 2,
        "time": {"end": 0.5, "samples": 6},
    },
    "evaluation": {
        "name": "judged",
        "task": "evaluation",
        "model": PAIR,
        "quenches": [{"family": "tilt", "strengths": [0.3], "interactions": [2.0]}],
        "methods": [{"kind": "td2rdm", "solver": RK4}, {"kind": "mean_field", "solver": RK4}],
        "window": 0.3,
        "forecasts": ["persistence", "mean"],
        "time": {"end": 0.5, "samples": 6},
    },
    "Holstein": test_holstein.data(**RING, methods=["orbitals", "density_matrix"]),
    "Holstein, gradient": test_holstein.data(
        **RING, task="gradient", gradient={"of": "charge_order[time=0.5]", "wrt": "model.coupling", "check": True}
    ),
    "ensemble": test_holstein.data(
        **RING, task="ensemble", trajectories={"test": 2}, batch=2, stored="single", observables=["density_matrix", "lattice_order"]
    ),
}


def both(tmp_path, given):
    """The results in double and in single precision; what is told and drawn of them ends without a word on the way."""
    found = []
    for precision in ("double", "single"):
        folder = RunFolder(tmp_path / precision)
        summary = tasks.run(parse(given | {"precision": precision}), folder, force=False)
        assert summary["state"] == "finished"
        tasks.tables(folder), tasks.draw(folder)
        found.append((store.read(folder.results), summary))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("task", CONFIGS)
def test_tasks(task, tmp_path):
    (double, _), (single, summary) = both(tmp_path, CONFIGS[task])
    assert double.keys() == single.keys()
    # The first weights of a network are other random numbers; a derivative multiplies rounding by its central difference.
    tolerance = {"training": 5e-2, "gradient": 1e-3, "Holstein, gradient": 1e-3}.get(task, 5e-5)
    for group, data in double.items():
        for name in data.data_vars.keys() - {"seconds", "worst_drift", "invariant_drift"}:
            wanted, values = data[name].values, single[group][name].values
            np.testing.assert_array_equal(np.isfinite(values), np.isfinite(wanted), err_msg=f"{group}/{name}")
            np.testing.assert_allclose(values, wanted, atol=tolerance, rtol=tolerance, err_msg=f"{group}/{name}")
            assert task in ("training", "evaluation") or values.dtype not in (np.float64, np.complex128), f"{group}/{name}"
    for method in summary["methods"].values():
        assert method.get("deviation") is None or method["deviation"] < 2e-3


def test_integrals_are_added_up_in_double_and_stay_single():
    progress, stretch = Progress("wave"), np.array([[0.0], [0.1]], np.float32)
    for _ in range(20):
        found = progress.since_the_start("region_work", stretch)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, (np.array([[19], [20]]) * float(stretch[1, 0])).astype(np.float32))


@pytest.mark.slow
def test_a_surrogate(tmp_path, monkeypatch):
    """Networks train in single precision anyway; the data that they learn from are then single too, and drawn by other numbers."""
    monkeypatch.setattr(surrogate, "SPLITTINGS", {"strang": (strang(), 1)})
    given = test_surrogate.data()
    given["ensembles"][0]["initial"]["noise"] = 0.0
    (double, _), (single, _) = both(tmp_path, given)
    np.testing.assert_allclose(single["training"]["loss"], double["training"]["loss"], rtol=0.2)
    for name in ("charge_order", "lattice_order"):
        exact = [data["ring"][name].sel(forecast="exact") for data in (double, single)]
        np.testing.assert_allclose(*exact, atol=1e-4)
