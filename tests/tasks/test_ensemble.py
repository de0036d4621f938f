"""Ensembles on disk: each trajectory is what the same start gives alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano.errors import InputError, RunFailed
from qnano.holstein.ehrenfest import EhrenfestOrbitals
from qnano.holstein.ground_state import thermal_state
from qnano.propagation import propagate
from qnano.solvers.splitting import strang
from qnano.solvers.stepping import fixed
from qnano.storage import store
from qnano.storage.folder import RunFolder
from qnano.tasks.ensemble import report as ensemble_report
from qnano.tasks.ensemble import run as module
from qnano.tasks.loading import parse
from qnano.trajectory import Status, Trajectory
from tests.config.test_holstein import data
from tests.holstein.systems import ring

KEYS = {
    "task": "ensemble",
    "model__lattice__sites": 4,
    "time": {"end": 2.0, "samples": 3},
    "trajectories": {"train": 3, "test": 2},
    "batch": 2,
    "discard": 0.3,
    "stored": "double",
    "solver": {"kind": "strang", "dt": 0.25},
    "observables": ["density_matrix", "displacement", "lattice_order"],
}


@pytest.mark.slow
def test_trajectories_are_single_ones(tmp_path):
    ensemble, folder = parse(data(**KEYS)), RunFolder(tmp_path / "run")
    summary = module.run(ensemble, folder, quiet=True)
    assert summary["state"] == "finished"
    assert {label: entry["rows"] for label, entry in summary["methods"].items()} == {"train": 3, "test": 2}
    results = store.read(folder.results)
    np.testing.assert_allclose(results["train"]["phase"], [0, 1 / 3, 2 / 3])
    assert results["train"]["density_matrix"].dims == ("trajectory", "time", "i", "j")

    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), 0), 2)
    start = thermal_state(ring(4, 0.5), key=key, noise=1e-4)
    times = jnp.array([0.0, *(0.3 + 2 / 3 + np.array([0.0, 1.0, 2.0]))])
    names = ("density_matrix", "displacement")
    alone = propagate(EhrenfestOrbitals(ring(4, 0.8)), start, times, solver=fixed(strang(), 0.25), observables=names)
    for name in names:
        np.testing.assert_allclose(results["train"][name][2], alone.observables[name][1:], atol=1e-12)
    assert [path.name for path in ensemble_report.draw(folder)] == ["orders.png"]
    assert len(ensemble_report.tables(folder)) == 1


@pytest.mark.parametrize(("changes", "line"), [
    ({"methods": ["orbitals", "density_matrix"]}, "methods: got 2; must be one"),
    (
        {"time": {"start": 1.0, "end": 2.0, "samples": 3}},
        "time.start: got 1.0; must be 0, since it is counted from the end of discard",
    ),
    ({"trajectories": {"train": 0}}, "trajectories.train: got 0; must be at least 1"),
    ({"trajectories": {}}, "trajectories: empty; must have at least one entry"),
    ({"solver": {"kind": "blanes_moan", "dt": 0.1, "order": 5}}, "solver.order: got 5; must be one of 4, 6"),
    ({"trajectories": {"a b": 1}}, "trajectories: got 'a b'; names of groups must be words"),
])  # fmt: skip
def test_wording(changes, line):
    with pytest.raises(InputError) as caught:
        parse(data(**KEYS | changes))
    assert str(caught.value).splitlines() == [line]


def test_a_trajectory_that_stops_is_told_with_its_time_and_the_reason():
    study, order = module.Study(parse(data(**KEYS))), np.zeros(4)

    def outcome(place, status, stop):
        times, number = jnp.linspace(0.0, 2.3, 4), jnp.array(0)
        ended = Trajectory(
            times, {"lattice_order": jnp.asarray(order)}, {}, None, jnp.array(status), number, jnp.array(stop), number, times[1]
        )
        return study.outcome("train", place, ended)

    with pytest.raises(RunFailed, match=r"^train: trajectory 1: reached the limit of steps at t = 1\.25 hbar/J$"):
        outcome((1,), Status.STEP_LIMIT, 1.25)
    order[2] = np.inf
    with pytest.raises(RunFailed, match=r"^train: trajectory 0: what was measured at sample 1 is not a finite number$"):
        outcome((0,), Status.DONE, 2.3)


def test_what_was_computed_in_single_precision_is_not_stored_in_double():
    with pytest.raises(InputError, match="stored: got 'double'; must be single, as what is computed, in single precision"):
        parse(data(**KEYS, precision="single"))
