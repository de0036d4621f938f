"""What a config may ask for ends: in what a machine has, in what a job script may hold, in what a lattice can bear."""

from pathlib import Path

import pytest

from qnano.errors import InputError
from qnano.tasks.loading import interpreted, load, parse
from qnano.tasks.outline import cost, outline, require_fit, warnings
from qnano.tasks.regime_map.schema import RegimeMap
from qnano.tasks.sweep.places import samples
from tests.config.examples import data, experiment

CONFIGS = Path(__file__).parents[2] / "configs"
TILT = {"kind": "linear", "slope": 0.5}
DIPOLE = {"kind": "pulse", "coupling": "dipole", "amplitude": 0.6, "frequency": 3.0, "centre": 4.0, "width": 1.2}
RING, LADDER = {"kind": "chain", "sites": 4, "periodic": True}, {"kind": "ladder", "rungs": 3, "periodic": True}
BONDS = {"kind": "bonds", "sites": 4, "bonds": [[0, 1], [1, 2], [2, 3], [3, 0]]}
TUBE = {"kind": "rectangle", "columns": 2, "rows": 3, "periodic": [False, True]}
SQUARE = BONDS | {"positions": [[0, 0], [1, 0], [1, 1], [0, 1]]}
SEA = "initial={kind: ground_state, model: {interaction: 0}}"
SWEEP = {"model.interaction": {"linspace": [0.0, 4.0, 17]}}


@pytest.mark.parametrize(
    "lattice", [RING, LADDER, BONDS, {"kind": "ribbon", "edge": "zigzag", "width": 1, "length": 4, "periodic": True}]
)
def test_nothing_rises_steadily_around_a_ring(lattice):
    with pytest.raises(InputError, match=r"^model.potential.kind: got 'linear'; would jump where .* coupling peierls"):
        parse(data(model__lattice=lattice, model__potential=TILT))
    with pytest.raises(
        InputError, match=r"^drive.coupling: got 'dipole'; would jump where the lattice closes along axis 0; .* peierls"
    ):
        parse(data(model__lattice=lattice, drive=DIPOLE))
    parse(data(model__lattice=lattice, drive=DIPOLE | {"coupling": "peierls"}))


def test_what_an_initial_state_starts_from_jumps_no_less():
    with pytest.raises(InputError, match=r"^initial.model.potential.kind: got 'linear'; would jump"):
        parse(data(model__lattice=RING, initial__model={"potential": TILT}))


def test_fields_across_a_tube_and_along_an_open_lattice_are_fine():
    for lattice in (TUBE, SQUARE, {"kind": "chain", "sites": 4}):
        parse(data(model__lattice=lattice, model__potential=TILT, drive=DIPOLE))
    with pytest.raises(InputError, match=r"closes along axis 1"):
        parse(data(model__lattice=TUBE, drive=DIPOLE | {"direction": [0.0, 1.0]}))


def test_a_vector_potential_that_is_there_at_once_is_told():
    """exp(-1/2) cos 0.5 of 0.4 at one width before the peak."""
    pulse = {"kind": "pulse", "coupling": "peierls", "amplitude": 0.4, "frequency": 0.25, "centre": 2.0, "width": 2.0}
    (line,) = warnings(experiment(drive=pulse))
    assert line.startswith("drive: the vector potential jumps from 0 to 0.213 at time.start = 0")
    assert not list(warnings(experiment(drive=pulse | {"centre": 20.0})))


@pytest.mark.parametrize(
    ("name", "overrides", "key"),
    [
        ("td2rdm_closures", ["model.lattice={kind: chain, sites: 300}", "methods=[td2rdm]", SEA,
                             "observables=[density]"], "methods.0"),
        ("hubbard_quench", ["model.lattice={kind: chain, sites: 16}", "model.electrons={up: 8, down: 8}"], "model.lattice"),
        ("learned_closure", ["model.lattice={kind: chain, sites: 16}", "model.electrons={up: 8, down: 8}"], "model.lattice"),
        ("learned_closure", ["learner.width=1000000000"], "learner"),
        ("closure_evaluation", ["model.lattice={kind: chain, sites: 16}", "model.electrons={up: 8, down: 8}"], "model.lattice"),
        ("holstein_deep_set", ["batch=1000000000", "trajectories.train=1000000000"], "batch"),
        ("holstein_parc", ["network.channels=1000000"], "network.channels"),
        ("holstein_parc", ["batch=1000000000"], "stages.0"),
        ("hubbard_quench", ["time.samples=1000000000000"], "time.samples"),
        ("regime_map", ["map.trap={logspace: [0.1, 1, 9000]}", "map.interaction={linspace: [1, 9, 9000]}"], "map"),
        ("interaction_sweep", ["sweep={seed: {linspace: [0, 1, 1000000000]}}"], "sweep.seed"),
        ("interaction_sweep", ["sweep={model.interaction: {linspace: [0, 1, 10000]}, seed: {linspace: [0, 1, 10000]}}"], "sweep"),
    ],
)  # fmt: skip
def test_what_no_machine_has_is_refused(name, overrides, key):
    with pytest.raises(InputError) as caught:
        require_fit(load(CONFIGS / f"{name}.yaml", overrides))
    assert f"{key}: got " in str(caught.value)


def test_a_long_sweep_is_looked_at_in_places():
    """In its corners, where numbers are least and most: a point that cannot be is found there."""
    swept = parse(data(sweep={"model.interaction": {"linspace": [0, 4, 1000]}, "model.electrons.up": [*range(1, 5), 0] * 100}))
    looked = samples(swept)
    assert len(looked) <= 100 and {(0, 0), (999, 499), (999, 3), (0, 4)} <= set(looked)
    whole = data(
        methods=["exact"], sweep={"model.interaction": {"linspace": [0, 4, 1000]}, "model.electrons.up": [*range(1, 5), 7] * 100}
    )
    with pytest.raises(InputError, match=r"model.electrons.up = 7: model.electrons.up: got 7; must be"):
        outline(parse(whole))


def test_the_cost_of_more_is_more():
    once, twice = cost(experiment()), cost(experiment(time={"end": 2e6, "samples": 42}))
    assert twice.disk - 1e5 == 2 * (once.disk - 1e5) and twice.seconds > 100 * once.seconds
    assert "time: seconds" in outline(experiment())[-1]


@pytest.mark.parametrize(
    ("engine", "key"),
    [
        ({"kind": "scheduler", "address": "nonsense"}, "engine.address"),
        ({"kind": "scheduler", "address": "tcp://node7:99999"}, "engine.address"),
        ({"kind": "slurm", "workers": 1, "queue": "gpu\n#SBATCH --wrap=x"}, "engine.queue"),
        ({"kind": "slurm", "workers": 1, "queue": "é"}, "engine.queue"),
        ({"kind": "slurm", "workers": 1, "walltime": "1:00\n:00"}, "engine.walltime"),
        ({"kind": "slurm", "workers": 1, "walltime": "soon"}, "engine.walltime"),
        ({"kind": "slurm", "workers": 1, "directives": ["--gres=gpu:1\nrm x"]}, "engine.directives.0"),
        ({"kind": "slurm", "workers": 1, "directives": ["--a\u2028b"]}, "engine.directives.0"),
        ({"kind": "slurm", "workers": 1, "memory": "much"}, "engine.memory"),
        ({"kind": "workers", "workers": 10**9}, "engine.workers"),
    ],
)
def test_what_becomes_a_job_script_is_one_line_each(engine, key):
    with pytest.raises(InputError, match=rf"^{key}: got .*; must be [^\n]+$"):
        parse(data(sweep=SWEEP, engine=engine))
    slurm = {"kind": "slurm", "workers": 4, "queue": "gpu,long", "walltime": "2-12:00:00", "directives": ["--gres=gpu:1"]}
    parse(data(sweep=SWEEP, engine=slurm))


def test_a_scheduler_has_to_be_trusted():
    (line,) = warnings(parse(data(sweep=SWEEP, engine={"kind": "scheduler", "address": "tcp://node7:8786"})))
    assert line.startswith("engine.address: tcp://node7:8786 has to be trusted")


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"initial": {"kind": "thermal"}}, "initial.kind: got 'thermal'; must be one of ground_state, neel, occupation for model"),
        ({"seed": 2**64}, "seed: got 18446744073709551616; must be at most 9.22337e+18"),
        ({"seed": 2**32, "precision": "single"}, "seed: got 4294967296; must be at most 4294967295 in single precision"),
        ({"name": "a" * 121}, f"name: got '{'a' * 36}...; must be text of at most 120 characters"),
        ({"initial": {"kind": []}}, "initial.kind: got []; must be one of "),
    ],
)  # fmt: skip
def test_words(changes, line):
    with pytest.raises(InputError) as caught:
        parse(data(**changes))
    assert str(caught.value).startswith(line)


def test_copies_with_changes_are_validated():
    with pytest.raises(ValueError, match="precision"):
        experiment().model_copy(update={"precision": "half"})
    assert experiment().model_copy(update={"seed": 3}).seed == 3
    regimes = load(CONFIGS / "regime_map.yaml")
    assert isinstance(regimes, RegimeMap) and regimes.at(2.0, 0.3).initial.model.potential.strength == 0.3
    with pytest.raises(ValueError, match="strength"):
        regimes.at(2.0, float("nan"))


@pytest.mark.slow
def test_interpolation_bombs_end():
    levels = {f"a{k}": f"${{a{k + 1}}}${{a{k + 1}}}" for k in range(20)} | {"a20": "x"}
    with pytest.raises(InputError, match=r"expands to more than \d+ (values|characters)$"):
        interpreted(data() | levels)
    trees = {f"a{k}": [f"${{a{k + 1}}}"] * 9 for k in range(9)} | {"a9": 1}
    with pytest.raises(InputError, match=r"expands to more than \d+ values$"):
        interpreted(data() | trees)
    with pytest.raises(InputError, match=r"^name: got '\$\{seed\}'; names itself"):
        interpreted(data(name="${seed}", seed="${name}"))
    for text in ("${oc.env:HOME}", "${oc.decode:1}", "${a.${seed}}", "${"):
        with pytest.raises(InputError, match=r"^name: got .*; must name another key"):
            interpreted(data(name=text))
    assert interpreted(data(name="u-${model.electrons.up}", model__electrons={"up": 2, "down": "${.up}"})).name == "u-2"
