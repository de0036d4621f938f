"""Derivatives of whole experiments against central differences: every observable of every method, every number of a config."""

import sys

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano import cli, runtime
from qnano.families.build import build
from qnano.families.register import OBSERVABLES
from qnano.propagation import propagate
from qnano.storage import store
from qnano.storage.folder import RunFolder
from qnano.tasks.gradient import run as module
from qnano.tasks.gradient.parameters import gradient_of, parameters
from qnano.tasks.gradient.report import draw, tables
from qnano.tasks.gradient.run import Problem, deviation, run
from qnano.tasks.keeping import failures
from qnano.tasks.loading import load, to_yaml
from qnano.tasks.varied import varied
from tests.config.examples import experiment
from tests.tasks import fake

RK4 = {"kind": "rk4", "dt": 0.02}  # steps that no number moves, so that differences are as smooth as the motion
PURIFIED = {"kind": "td2rdm", "purification": {"tolerance": 1e-12, "max_iterations": 3, "every": 0.5}}
METHODS = {
    "exact": {"kind": "exact"},
    "td2rdm": {"kind": "td2rdm", "closure": "nakatsuji_yasuda_smooth"},
    "purified": PURIFIED,
    "pair": {"kind": "pair"},
    "mean_field": {"kind": "mean_field"},
}
ALONG = {"model.interaction": 1.0, "model.hopping[1]": 0.7, "initial.model.potential.strength": -0.3}


@eqx.filter_jit
def everything(dynamics, state, solver, names):
    times, adjoint = jnp.array([0.0, 0.5]), diffrax.ForwardMode()
    trajectory = propagate(dynamics, state, times, solver=solver, observables=names, adjoint=adjoint, monitor=False)
    return {name: values[-1] for name, values in trajectory.observables.items()}


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_every_observable(method):
    """Along one direction in the space of three numbers; one program gives values and derivatives."""
    kind = METHODS[method]["kind"]
    names = tuple(name for name, observable in OBSERVABLES.items() if kind in observable.methods)
    if method == "purified":
        names = ("double_occupancy", "energy", "g2_extremes", "purification")  # the others are made of the same D2
    chosen = experiment(
        methods=[METHODS[method]],
        model__potential={"kind": "values", "values": [0.1, 0.35, -0.2, 0.0]},
        initial__model={"potential": {"kind": "harmonic", "strength": 0.5}},
        solver={"kind": "auto"} if kind == "exact" else RK4,
    )

    def measured(numbers):
        (built,) = build(varied(chosen, dict(zip(ALONG, numbers, strict=True))))
        return everything(built.dynamics, built.state, built.solver, names)

    point = [jnp.asarray(x) for x in (2.0, 1.0, 0.5)]
    along = [jnp.asarray(x) for x in ALONG.values()]
    step = 1e-3
    at = {n: jax.jvp(measured, ([x + n * step * v for x, v in zip(point, along, strict=True)],), (along,)) for n in range(-2, 3)}
    for name in names:
        y = {n: np.asarray(value[name]) for n, (value, _) in at.items()}
        want = (8 * (y[1] - y[-1]) - (y[2] - y[-2])) / (12 * step)
        np.testing.assert_allclose(at[0][1][name], want, atol=1e-6 * np.abs(want).max() + 1e-11, err_msg=name)


def solved(tmp_path, chosen, **settings):
    """A gradient that has run, with its folder and data."""
    wanted = gradient_of(chosen, **settings)
    folder = RunFolder(tmp_path / "run")
    summary = run(wanted, folder, quiet=True)
    assert load(folder.config) == wanted
    return folder, summary, store.read(folder.results)


DRIVEN = {
    "methods": ["mean_field"],
    "solver": {"kind": "rk4", "dt": 0.005},
    "time": {"end": 1.0, "samples": 6},
    "model__interaction": {"kind": "quench", "before": 1.0, "after": 3.0, "time": 0.43},
    "model__hopping": [1.0, {"kind": "ramp", "before": 0.8, "after": 1.2, "start": 0.1, "duration": 0.5}, 1.0],
    "drive": {"kind": "pulse", "coupling": "peierls", "amplitude": 0.4, "frequency": 0.0, "centre": 0.5, "width": 0.3},
}


@pytest.mark.slow
def test_one_number_by_every_number(tmp_path):
    """Backwards; the times of a quench and of a ramp move the steps themselves."""
    folder, summary, data = solved(tmp_path, experiment(**DRIVEN), of="double_occupancy[site=1,time=0.9]", wrt="all", check=True)
    method, found = summary["methods"]["mean_field"], data["mean_field"]
    assert method["mode"] == "reverse" and method["rows"] == 15 and method["deviation"] < 1e-5 and method["compile_s"] > 0
    derivatives = found["double_occupancy"]
    assert derivatives.dims == ("parameter",) and found["value"].dims == ()
    by_hand = found["central_difference"]
    checked = np.isfinite(by_hand)
    assert derivatives["parameter"][~checked].values.tolist() == ["drive.frequency"]  # 0, and must not be less
    np.testing.assert_allclose(derivatives[checked], by_hand[checked], atol=1e-7)
    assert abs(derivatives.sel(parameter="model.interaction.time")) > 1e-3
    assert abs(derivatives.sel(parameter="drive.frequency")) < 1e-12  # cos(w t + phase) is even in w
    made = tables(folder)
    assert all(table.min_width == len(str(table.title)) for table in made)  # a title stands in one line
    headings = [column.header for column in made[0].columns]
    assert headings == ["method", "mode", "numbers", "largest deviation", "wall s", "compile s", "state"]
    assert [path.name for path in draw(folder)] == ["gradient.png"]


@pytest.mark.slow
def test_a_series_by_one_number_in_both_modes(tmp_path):
    """And it is the total derivative: the trapped ground state has the interaction of the model too."""
    small = experiment(methods=["mean_field"], solver=RK4, time={"end": 0.4, "samples": 3})
    key, of = "model.interaction", "energy"
    folder, summary, data = solved(tmp_path / "forward", small, of=of, wrt=[key], check=True)
    method, forward = summary["methods"]["mean_field"], data["mean_field"]["energy"]
    assert method["mode"] == "forward" and method["deviation"] < 1e-8
    assert forward.dims == ("parameter", "time") and forward.attrs["units"] == "1"
    _, _, backwards = solved(tmp_path / "reverse", small, of=of, wrt=[key], mode="reverse")
    np.testing.assert_allclose(backwards["mean_field"]["energy"], forward, rtol=1e-11)
    built = [build(varied(small, {key: u}))[0] for u in (2.001, 1.999)]
    above, below = (built.dynamics.observe(jnp.array(0.0), built.state)["energy"]() for built in built)
    np.testing.assert_allclose(forward[0, 0], (above - below) / 0.002, rtol=1e-6)
    assert [path.name for path in draw(folder)] == ["gradient.png"]


@pytest.mark.slow
def test_matrices_are_differentiated_in_both_parts(tmp_path):
    settings = {"of": "rdm1[spin=up,time=0.4]", "wrt": ["model.hopping[0]", "initial.model.potential.strength"], "check": True}
    folder, summary, data = solved(tmp_path, experiment(methods=["mean_field"], solver=RK4), **settings)
    found = data["mean_field"]["rdm1"]
    assert found.dims == ("parameter", "i", "j") and np.iscomplexobj(found)
    np.testing.assert_allclose(found, found.values.conj().swapaxes(1, 2), atol=1e-12)
    assert np.abs(found.values.imag).max() > 0.1 and summary["methods"]["mean_field"]["deviation"] < 1e-7
    assert draw(folder)


@pytest.mark.slow
def test_an_interaction_of_zero_is_differentiated_as_a_number_like_any_other():
    """Without interaction a Fermi sea is enough to start from; its derivative by the interaction is not."""
    small = experiment(
        methods=["mean_field"], solver=RK4, model__interaction={"kind": "quench", "before": 0, "after": 1, "time": 0}
    )
    chosen = gradient_of(small, of="density[spin=up,time=0.0]", wrt=["model.interaction.before"])
    problem = Problem(chosen, chosen.methods[0], parameters(chosen), *module._where(chosen))
    _, derivatives, _ = problem.derivative("forward")
    assert np.abs(derivatives).max() > 1e-3
    assert deviation(derivatives, problem.central_differences()) < 1e-8


@pytest.mark.slow
def test_a_method_that_diverges_says_so_and_the_others_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "build", fake.build)
    folder, summary, data = solved(
        tmp_path, experiment(model__interaction=20.0), of="energy", wrt=["model.interaction"], check=True
    )
    states = {label: method["state"] for label, method in summary["methods"].items()}
    assert states == {"exact": "finished", "td2rdm": "diverged", "mean_field": "finished"} and summary["state"] == "diverged"
    (line,) = failures(summary)
    assert line.startswith("td2rdm: left its physical bounds at t = 1.") and "hbar/J" in line
    reached = data["td2rdm"]["time"].values < np.log(fake.LIMIT)
    growth = 2 * data["td2rdm"]["time"] / 20 * data["td2rdm"]["value"]
    np.testing.assert_allclose(data["td2rdm"]["energy"][0][reached], growth[reached], rtol=1e-5)
    assert np.isnan(data["td2rdm"]["value"][~reached]).any() and "central_difference" not in data["td2rdm"]
    assert draw(folder)


@pytest.mark.slow
def test_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, "build", fake.build)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(to_yaml(experiment(model__interaction=20.0)))

    def qnano(*arguments):
        monkeypatch.setattr(sys, "argv", ["qnano", *arguments])
        with pytest.raises(SystemExit) as exit:
            cli.main()
        return exit.value.code or 0, *capsys.readouterr()

    wanted = ("gradient", "small.yaml", "--of", "double_occupancy[site=0]", "--wrt", "model.interaction")
    code, out, err = qnano(*wanted)
    device, problem = err.splitlines()
    assert code == 1 and device.startswith("device: ") and problem.startswith("td2rdm: left its physical bounds at t = 1.")
    for expected in ("forward", "largest derivatives of double_occupancy[site=0]", "model.interaction", "figure:  runs/small/"):
        assert expected in out
    (folder,) = (tmp_path / "runs" / "small").iterdir()
    code, out, _ = qnano("run", str(folder / "config.yaml"))
    assert code == 0 and "already there" in out
    assert qnano("show", str(folder))[0] == 0
    code, _, err = qnano(*wanted, "--wrt", "model.electrons.up")
    assert (code, err) == (2, "gradient.wrt: got model.electrons.up (2); must name a real number of model, initial or drive\n")
    code, _, err = qnano("gradient", "small.yaml", "--wrt", "all")
    assert (code, err) == (2, "gradient.of: missing; must be given\n")
    code, out, _ = qnano("check", str(folder / "config.yaml"))
    assert code == 0 and "gradient: of double_occupancy[site=0] by model.interaction" in out


@pytest.mark.parametrize(
    ("of", "wrt", "unit"),
    [
        ("current[bond=0-1,time=0.4]", ["model.hopping[0]"], "1/hbar"),
        ("density[site=0,time=0.4]", ["model.interaction", "model.hopping[1]"], "1/J"),
        ("energy", ["model.interaction"], "1"),
        ("energy[time=0.4]", ["model.interaction", "drive.width"], "J per unit of the number"),
    ],
)
def test_units_of_derivatives(of, wrt, unit):
    drive = {"kind": "pulse", "coupling": "peierls", "amplitude": 0.4, "frequency": 1.0, "centre": 0.5, "width": 0.3}
    chosen = gradient_of(experiment(methods=["mean_field"], drive=drive), of=of, wrt=wrt)
    problem = Problem(chosen, chosen.methods[0], parameters(chosen), *module._where(chosen))
    name = chosen.selection.observable.name
    variables, coordinates = module._layout({name: np.zeros(len(wrt)), "value": np.zeros(())}, problem)
    assert variables[name].units == unit and variables["value"].units == OBSERVABLES[name].units
    units = {"model.interaction": "J", "drive.width": "hbar/J"}
    assert coordinates["parameter_unit"].values.tolist() == [units.get(key, "J") for key in wrt]


def test_steps_of_central_differences_follow_the_precision():
    """For the derivative of sin at 1, both errors of the step, h^4 / 30 and the rounding over h, are of one size."""
    with runtime.restored():
        for precision, size in (("double", 7.4e-4), ("single", 4.1e-2)):
            runtime.start(precision)
            assert module._step() == pytest.approx(size, rel=0.01)
