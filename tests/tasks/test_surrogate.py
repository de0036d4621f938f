"""A surrogate's training from a config to its tables and figures; what is refused."""

import numpy as np
import pytest

from qnano.errors import InputError
from qnano.solvers.splitting import strang
from qnano.storage import store
from qnano.storage.folder import RunFolder
from qnano.tasks.loading import parse
from qnano.tasks.surrogate import report as surrogate_report
from qnano.tasks.surrogate import run as module


def data(**changes):
    ensemble = {
        "name": "ring",
        "model": {"kind": "holstein", "lattice": {"kind": "chain", "sites": 4, "periodic": True}, "coupling": 0.8},
        "initial": {"kind": "thermal", "model": {"coupling": 0.5}, "noise": 0.1},
        "time": {"end": 2.0, "samples": 9},
        "solver": {"kind": "strang", "dt": 0.1},
        "trajectories": {"train": 2, "validation": 2, "test": 2},
        "batch": 2,
    }
    return {
        "name": "small",
        "task": "surrogate",
        "network": {"kind": "generator", "width": 4, "depth": 1, "reach": 1},
        "ensembles": [ensemble],
        "stages": [{"steps": 4, "warm_up": 1}],
        "every": 2,
        "batch": 2,
        "horizons": [2, 4],
    } | changes


@pytest.mark.slow
def test_a_surrogate_is_trained_judged_and_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SPLITTINGS", {"strang": (strang(), 1)})
    folder = RunFolder(tmp_path / "run")
    summary = module.run(parse(data()), folder, quiet=True)
    assert summary["state"] == "finished" and summary["methods"]["generator"]["steps"] == 4
    found = store.read(folder.results)
    assert list(found["training"]["step"]) == [2, 4]
    ring = found["ring"]
    assert list(ring["forecast"].values) == ["exact", "generator", "persistence", "limit cycle", "strang"]
    assert ring["rho"].sel(forecast="exact").values.max() == 0
    assert ring["trace"].sel(forecast="generator").values.max() < 1e-12
    still = ring["lattice_order"].sel(forecast="persistence").values
    np.testing.assert_allclose(still, still[:, :1] + 0 * still)
    assert sorted(path.name for path in surrogate_report.draw(folder)) == ["ring.png", "training.png"]
    assert len(surrogate_report.tables(folder)) == 2
    assert (folder.path / "weights.eqx").exists() and not folder.checkpoints.exists()


CASES = [
    ({"stages": [{"steps": 1, "horizon": 5}]}, "stages: got 5; horizon must be at most 4, the intervals of the shortest ensemble"),
    ({"network": {"kind": "fno"}}, "network.kind: got 'fno'; must be one of single, parc, generator"),
    ({"transfer": data()["ensembles"]}, "ensembles: got [ring, ring]; names must differ"),
    ({"network": {"kind": "generator", "reach": 2}}, "network.reach: got 2; must be less than half of the 4 sites of ensembles.0"),
    (
        {"transfer": [data()["ensembles"][0] | {"name": "other", "trajectories": {"train": 2}}]},
        "transfer.0.trajectories: has no test; must have test",
    ),
    (
        {"ensembles": [data()["ensembles"][0] | {"observables": ["energy"]}]},
        "ensembles.0.observables: a surrogate has its own; leave it out",
    ),
]


@pytest.mark.parametrize(("changes", "line"), CASES, ids=[line.split(": ")[0] for _, line in CASES])
def test_wording(changes, line):
    with pytest.raises(InputError) as caught:
        parse(data(**changes))
    assert str(caught.value).replace("'ring'", "ring").splitlines() == [line]
