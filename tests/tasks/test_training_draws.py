"""A training's data as experiments with a draw over their keys: what they are, what is refused, and the way to disk and back."""

from textwrap import dedent

import jax
import numpy as np
import pytest

from qnano.errors import InputError
from qnano.families.build import build
from qnano.learning import dataset
from qnano.propagation import propagate
from qnano.storage import store
from qnano.storage.folder import RunFolder
from qnano.tasks.evaluation import run as evaluation
from qnano.tasks.loading import identity, load, parse, to_yaml
from qnano.tasks.training import estimates
from qnano.tasks.training import run as training
from tests.test_docs import ROOT

LADDER = {"lattice": {"kind": "ladder", "rungs": 2}, "electrons": {"up": 2, "down": 2}}
PULSE = {"kind": "pulse", "coupling": "peierls", "amplitude": 0.4, "frequency": 3.0, "centre": 0.5, "width": 0.25}
DRIVEN = {
    "model": LADDER | {"kind": "fermi_hubbard", "interaction": 2.0},
    "initial": {"kind": "ground_state"},
    "drive": PULSE,
    "draw": {"drive.amplitude": [0.2, 0.4], "model.interaction": {"linspace": [1.0, 2.0, 3]}},
}
ONE = {key: value for key, value in DRIVEN.items() if key != "draw"}
GIVEN = {
    "name": "driven",
    "task": "training",
    "model": LADDER,
    "learner": {"kind": "equivariant", "width": 4},
    "time": {"end": 1.0, "samples": 11},
    "train": [DRIVEN],
    "held_out": [ONE | {"draw": {"zip": {"drive.amplitude": [0.3, 0.5], "model.interaction": [2.0, 1.5]}}}],
    "judged_until": 1.5,
    "stages": [{"kind": "rollout", "steps": 4, "batch": 2, "horizon": 2}],
}


def test_draws_are_points_of_a_sweep():
    chosen = parse(GIVEN)
    found = chosen.experiments("train", 0)
    assert [(one.drive.amplitude, one.model.interaction) for one in found] == [(a, u) for a in (0.2, 0.4) for u in (1.0, 1.5, 2.0)]
    assert all(one.initial.model.interaction == one.model.interaction for one in found)  # what is inherited follows
    later = chosen.experiments("held_out", 0)
    assert [(one.drive.amplitude, one.model.interaction) for one in later] == [(0.3, 2.0), (0.5, 1.5)]
    assert later[0].time.end == 1.5 and found[0].time.end == 1.0
    assert estimates.quenches(chosen.train) == 6 and any("6 quenches" in line for line in estimates.described(chosen))
    assert parse(GIVEN | {"train": [ONE]}).experiments("train", 0)[0].drive.amplitude == 0.4


def test_a_config_is_told_in_full_and_read_again(tmp_path):
    chosen = parse(GIVEN)
    (tmp_path / "t.yaml").write_text(to_yaml(chosen))
    again = load(tmp_path / "t.yaml")
    assert again == chosen and identity(again) == identity(chosen)
    other = parse(GIVEN | {"train": [DRIVEN | {"draw": {"drive.amplitude": [0.2, 0.5]}}]})
    assert identity(other) != identity(chosen)


def test_the_config_of_the_docs_is_accepted(tmp_path):
    page = (ROOT / "docs" / "learned_closures.md").read_text()
    told = page[page.index("    name: driven-closure") : page.index("Velocities and windows are compared")]
    (tmp_path / "t.yaml").write_text(dedent(told))
    assert [entry.count for part in ("train", "held_out") for entry in getattr(load(tmp_path / "t.yaml"), part)] == [6, 1]


def test_trainings_on_families_are_what_they_were():
    assert identity(load(ROOT / "configs" / "learned_closure.yaml")) == "63135afc9e7d"


QUENCH = {"kind": "quench", "before": 1.0, "after": 2.0, "time": 0.5}
STATIC = {key: value for key, value in ONE.items() if key != "drive"}
FAMILY = {"family": "staggered", "strengths": [0.3], "interactions": [2.0]}


def changed(entry, **model):
    return entry | {"model": entry["model"] | model}


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (
            {"train": [ONE | {"draw": {"drive.amplitud": [0.1]}}]},
            r"^train\.0\.draw, at drive.amplitud = 0.1: drive.amplitud: unknown",
        ),
        (
            {"train": [ONE | {"draw": {"drive.width": [0.1, -1.0]}}]},
            r"^train\.0\.draw, at drive.width = -1: drive.width: got -1.0; must be",
        ),
        (
            {"train": [ONE | {"draw": {"solver.dt": [0.1]}}]},
            r"^train\.0\.draw\.solver\.dt: cannot be drawn; must be below model, initial",
        ),
        ({"train": [ONE | {"draw": {"time.end": [0.1]}}]}, r"^train\.0\.draw\.time\.end: cannot be swept"),
        ({"train": [ONE | {"draw": {"drive.phase": []}}]}, r"^train\.0\.draw\.drive\.phase: empty"),
        (
            {"train": [ONE | {"draw": {"drive.phase": {"linspace": [0.0, 1.0, 1001]}}}]},
            r"^train\.0\.draw: got 1001 experiments; must be",
        ),
        (
            {"train": [ONE | {"draw": {"drive.frequency": [40.0]}}]},
            r"frequency: got 40.0; must be at most 31.42, since td2rdm .* give more substeps",
        ),
        ({"train": [ONE | {"drives": PULSE}]}, r"^train\.0\.drives: unknown key; .* did you mean drive"),
        ({"train": [ONE | {"initial": {"kind": "grund_state"}}]}, r"^train\.0\.initial\.kind: got 'grund_state'"),
        ({"train": [ONE | {"initial": {"kind": "neel"}}]}, r"^train\.0\.methods\.1: td2rdm needs a singlet"),
        ({"train": [changed(ONE, neighbour_interaction=1.0)]}, r"^train\.0\.methods\.1: td2rdm has no model.neighbour_interaction"),
        (
            {"train": [changed(ONE, lattice={"kind": "chain", "sites": 4})]},
            r"^train\.0\.model\.lattice: differs from model\.lattice",
        ),
        ({"train": [changed(ONE, electrons={"up": 1, "down": 1})]}, r"^train\.0\.model\.electrons: differs from model\.electrons"),
        ({"train": [ONE | {"draw": {"model.lattice.rungs": [2, 3]}}]}, r"^train\.0\.model\.lattice: differs"),
        ({"held_out": [ONE, STATIC]}, r"^held_out\.1\.drive\.kind: got none, where held_out\.0 has pulse; must be alike"),
        ({"train": [FAMILY, ONE]}, r"^train\.1\.drive\.kind: got pulse, where train\.0 has none"),
        (
            {"train": [changed(STATIC, interaction=QUENCH) | {"draw": {"model.interaction.time": [0.5, -0.5]}}]},
            r"^train\.0\.model\.interaction: got nothing, where train\.0 has a change in time",
        ),
        ({"learner": {"kind": "black_box"}}, r"learner\.kind: got 'black_box'; must be another for train"),
        ({"invariants": {"energy": 0.1}}, r"invariants\.energy: got 0\.1; must not be there, since the Hamiltonian of train\.0"),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_name(changes, match):
    with pytest.raises(InputError, match=match):
        parse(GIVEN | changes)


def test_a_start_that_is_not_unique_is_refused_by_name():
    free = changed(STATIC, interaction=0.0)
    with pytest.raises(InputError, match=r"^train\.0\.initial\.model: .*degenerate"):
        training.data(parse(GIVEN | {"train": [free]}))


@pytest.mark.slow
def test_families_are_shorthand_for_experiments():
    """The same motions, told either way or both ways at once."""
    time, model = {"end": 1.0, "samples": 6}, LADDER | {"kind": "fermi_hubbard", "interaction": 1.0}
    tilted = {"kind": "ground_state", "model": {"potential": {"kind": "linear", "slope": 0.0}}}
    draw = {"initial.model.potential.slope": [0.3, 0.6], "model.interaction": [1.0, 2.0]}
    family = {"family": "tilt", "strengths": [0.3, 0.6], "interactions": [1.0, 2.0]}
    drawn = {"model": model, "initial": tilted, "draw": draw}
    both = training.data(parse(GIVEN | {"train": [family], "held_out": [drawn, family], "time": time, "judged_until": 1.0}))
    psi, (one, two) = both[0].psi, np.split(np.asarray(both[1].psi), 2)
    for other in (one, two):
        overlap = np.abs(np.einsum("ktab,ktab->kt", np.conj(psi), other))
        np.testing.assert_allclose(overlap, 1, atol=1e-9)
    np.testing.assert_allclose(both[1].interaction, [1, 2, 1, 2] * 2)
    assert both[1].family == ("experiment",) * 4 + ("tilt",) * 4


@pytest.mark.slow
def test_drawn_motions_are_kept_and_read_again(tmp_path):
    kept = GIVEN | {"train": [ONE | {"draw": {"drive.amplitude": [0.2, 0.4]}}], "dataset": str(tmp_path)}
    first = training.data(parse(kept))
    written = (tmp_path / "train.zarr" / "zarr.json").stat().st_mtime_ns
    again = training.data(parse(kept))
    assert written == (tmp_path / "train.zarr" / "zarr.json").stat().st_mtime_ns
    for one, other in zip(jax.tree.leaves(first), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(one, other)
    others = (
        [ONE | {"draw": {"drive.amplitude": [0.2, 0.3]}}],
        [ONE | {"draw": {"drive.amplitude": [0.2, 0.4]}, "initial": {"kind": "ground_state", "model": {"interaction": 1.0}}}],
        [FAMILY],
    )
    for train in others:
        with pytest.raises(InputError, match=r"train\.zarr: cannot be used: it holds motions of other experiments"):
            training.data(parse(kept | {"train": train}))
    with pytest.raises(InputError, match=r"train\.zarr holds other trajectories than train asks for"):
        training.data(parse(kept | {"time": {"end": 1.0, "samples": 21}}))
    with pytest.raises(InputError, match="motions of other experiments"):
        dataset.load(tmp_path / "train.zarr")


@pytest.mark.slow
def test_an_evaluation_on_driven_ladders(tmp_path):
    """Its errors are those of the experiments; of Hamiltonians of two forms, one driven and one not, it makes two programs."""
    given = {
        "name": "judged",
        "task": "evaluation",
        "model": LADDER,
        "quenches": [DRIVEN | {"draw": {"drive.amplitude": [0.2, 0.4]}}, FAMILY],
        "window": 0.5,
        "forecasts": ["persistence"],
        "time": {"end": 1.0, "samples": 11},
        "methods": ["mean_field"],
    }
    chosen, folder = parse(given), RunFolder(tmp_path / "run")
    summary = evaluation.run(chosen, folder, quiet=True)
    assert summary["methods"]["mean_field"]["compilations"] == 2
    found = store.read(folder.results)["mean_field"]
    assert found["quench"].values.tolist() == ["experiment", "experiment", "staggered"]
    np.testing.assert_array_equal(found["interaction"], [2.0, 2.0, 2.0])
    for one, error in zip(chosen.drawn(0), found["error"].values, strict=False):
        runs = [propagate(m.dynamics, m.state, found["time"].values, observables=("rdm2",)) for m in build(one)]
        other, exact = (run.observables["rdm2"].reshape(11, -1) for run in runs)
        wanted = np.linalg.norm(other - exact, axis=1) / np.linalg.norm(exact, axis=1)
        np.testing.assert_allclose(error, wanted, atol=1e-7)
    assert np.ptp(found["error"].values[:, -1]) > 1e-3


@pytest.mark.parametrize(("entry", "line"), [
    (ONE | {"draw": {"time.end": [0.1]}}, r"^quenches\.0\.draw\.time\.end: cannot be swept"),
    (ONE | {"draw": {"drive.width": [-1.0]}}, r"^quenches\.0\.draw, at drive.width = -1: drive.width: got -1.0; must be"),
    (changed(ONE, lattice={"kind": "chain", "sites": 4}), r"^quenches\.0\.model\.lattice: differs from model\.lattice"),
    (changed(ONE, neighbour_interaction=1.0), r"^quenches\.0\.methods\.0: td2rdm has no model.neighbour_interaction"),
])  # fmt: skip
def test_what_cannot_be_judged_is_refused(entry, line):
    given = {"name": "judged", "task": "evaluation", "model": LADDER, "quenches": [entry], "window": 0.5, "delays": 2}
    with pytest.raises(InputError, match=line):
        parse(given | {"time": {"end": 1.0, "samples": 11}, "methods": ["td2rdm"]})


@pytest.mark.parametrize(("method", "line"), [
    ({"kind": "td2rdm", "solver": {"kind": "rk4", "dt": 1e-9}}, r"^methods\.0\.solver\.dt: got 1e-09, 1e\+08 steps in a row"),
    ({"kind": "td2rdm", "label": "exact"}, r"^methods\.0: several are named exact; give each a label of its own$"),
])  # fmt: skip
def test_what_a_method_cannot_do_on_quenches_is_refused_once(method, line):
    given = {"name": "judged", "task": "evaluation", "model": LADDER, "quenches": [FAMILY, FAMILY], "window": 0.5, "delays": 2}
    with pytest.raises(InputError, match=line):
        parse(given | {"time": {"end": 1.0, "samples": 11}, "methods": [method]})
