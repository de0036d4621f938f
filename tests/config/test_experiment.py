"""What a valid config becomes: defaults, the completed initial model, identity, round trips."""

import pytest
import yaml

from qnano.families.experiment import Experiment, merge
from qnano.tasks.loading import identity, load, parse, resolved, to_yaml
from tests.config.examples import experiment

LATTICES = [
    {"kind": "chain", "sites": 4, "periodic": True},
    {"kind": "rectangle", "columns": 3, "rows": 3, "periodic": [True, False]},
    {"kind": "ladder", "rungs": 3},
    {"kind": "ribbon", "edge": "zigzag", "width": 2, "length": 4, "periodic": True},
    {"kind": "bonds", "sites": 4, "bonds": [[0, 1], [1, 2], [1, 3]], "positions": [[0, 0], [1, 0], [2, 0], [1, 1]]},
]
RAMP = {"kind": "ramp", "before": 0.0, "after": 3.0, "start": 1.0, "duration": 2.0, "shape": "smooth"}
QUENCH = {"kind": "quench", "before": 1.0, "after": 4.0, "time": 0.0}
PULSE = {"kind": "pulse", "coupling": "peierls", "amplitude": 1, "frequency": 2.0, "centre": 5.0, "width": 1.0}


@pytest.mark.parametrize(
    "changes",
    [
        *({"model__lattice": lattice} for lattice in LATTICES),
        {"model__hopping": "0.8+0.6j"},
        {"model__hopping": " 0.8 - 0.6j"},
        {"model__hopping": [1, RAMP, "1j"]},
        {"model__interaction": [1.0, QUENCH, 0, RAMP]},
        {"model__potential": {"kind": "linear", "slope": RAMP}},
        {"drive": PULSE, "precision": "single", "seed": 3},
        {"methods": [{"kind": "exact", "label": "fine", "solver": {"kind": "rk4", "dt": 1e-3}}, "exact"]},
        {"methods": ["exact"], "initial": {"kind": "occupation", "up": [0, 1], "down": [2, 3]}},
    ],
)
def test_what_is_resolved_gives_the_same_experiment_back(changes, tmp_path):
    once = experiment(**changes)
    (tmp_path / "config.yaml").write_text(to_yaml(once))
    assert load(tmp_path / "config.yaml") == once
    assert parse(yaml.safe_load(to_yaml(once))) == once
    assert identity(load(tmp_path / "config.yaml")) == identity(once)


def test_shorthands_and_their_long_forms_are_one_experiment():
    short, long = experiment(), experiment(methods=[{"kind": "exact"}, {"kind": "td2rdm"}, {"kind": "mean_field"}])
    assert short == long
    both = experiment(model__lattice={"kind": "rectangle", "columns": 3, "rows": 3, "periodic": True})
    assert resolved(both)["model"]["lattice"]["periodic"] == [True, True]


def test_identity_depends_on_everything_but_the_name():
    base = identity(experiment())
    assert len(base) == 12 and int(base, 16) >= 0
    assert identity(experiment(name="other")) == base
    assert identity(experiment(seed=1)) != base
    assert identity(experiment(model__interaction=2.0000001)) != base


def test_the_initial_model_is_complete_and_constant():
    initial = experiment(model__interaction=QUENCH, model__hopping=RAMP, time={"start": 2.0, "end": 9, "samples": 3}).initial
    assert initial.model.interaction == 4.0  # the quench at 0 is over by then
    assert initial.model.hopping == pytest.approx(1.5)  # and the ramp half done
    assert initial.model.potential.kind == "harmonic" and initial.model.potential.strength == 0.5


def test_a_quench_at_the_start_has_not_yet_happened_to_the_initial_model_but_is_no_change_later():
    quenched = experiment(model__interaction=QUENCH)
    assert quenched.initial.model.interaction == 1.0
    assert not quenched.changes
    assert experiment(model__interaction=QUENCH | {"time": 0.5}).changes
    assert experiment(drive=PULSE).changes


def test_the_initial_model_may_change_in_time_itself_and_is_taken_at_the_start():
    initial = experiment(initial__model={"interaction": QUENCH | {"time": -1.0}}).initial
    assert initial.model.interaction == 4.0


@pytest.mark.parametrize(
    ("base", "changes", "merged"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}, {"a": {"b": 1, "c": 3}}),
        ({"kind": "x", "b": 1}, {"kind": "y", "c": 2}, {"kind": "y", "c": 2}),
        ({"kind": "x", "b": 1}, {"kind": "x", "c": 2}, {"kind": "x", "b": 1, "c": 2}),
        ({"a": 1.0}, {"a": {"kind": "quench"}}, {"a": {"kind": "quench"}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
    ],
)
def test_merge(base, changes, merged):
    assert merge(base, changes) == merged


def test_ramps_meet_their_ends():
    for shape in ("linear", "smooth"):
        ramp = experiment(model__interaction=RAMP | {"shape": shape}).model.interaction
        assert [ramp.just_before(t) for t in (0.0, 1.0, 2.0, 3.0, 9.0)] == pytest.approx([0, 0, 1.5, 3, 3])
        assert ramp.changes_after(2.9) and not ramp.changes_after(3.0)
    assert ramp.just_before(1.5) == pytest.approx(3.0 * 0.15625)  # smooth: x^2 (3 - 2x) at a quarter


def test_configs_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        experiment().model.electrons.up = 1


def test_solver_of_a_method():
    mixed = experiment(methods=["exact", {"kind": "td2rdm", "solver": {"kind": "tsit5"}}])
    assert [mixed.solver_of(method).kind for method in mixed.methods] == ["auto", "tsit5"]


def test_the_schema_describes_every_key_and_forbids_others():
    schema = Experiment.model_json_schema()
    for name, part in {"Experiment": schema, **schema["$defs"]}.items():
        assert part["additionalProperties"] is False, name
        missing = [key for key, entry in part["properties"].items() if key != "kind" and "description" not in entry]
        assert not missing, f"{name}: {missing}"
    ground_state = schema["$defs"]["GroundState"]
    assert "required" not in ground_state["properties"]["model"]  # only the keys that differ
    assert "required" not in ground_state and experiment(initial={"kind": "ground_state"}).initial.model == experiment().model
