"""Configs of particles on a grid: what is completed, what is warned of, and what is refused with which words."""

import pytest

from qnano.errors import InputError
from qnano.tasks.loading import parse, resolved
from qnano.tasks.outline import outline, warnings
from tests.config.examples import experiment


def data(**changes):
    """An oscillator on a line; changes by dotted keys with __ for the dots."""
    made = {
        "name": "particles",
        "model": {"kind": "particles", "lengths": [20.0], "points": [64], "potential": [{"kind": "harmonic", "strength": 0.125}]},
        "initial": {"kind": "wave_packets", "packets": [{"width": 1.0}]},
        "time": {"end": 2.0, "samples": 3},
    }
    for key, value in changes.items():
        *steps, last = key.split("__")
        here = made
        for step in steps:
            here = here[step]
        here[last] = value
    return made


TWO = {"model__particles": 2, "initial__packets": [{"centre": -1.0, "width": 1.0}, {"centre": 1.0, "width": 1.0}]}
PLANE = {"model__lengths": [8.0, 8.0], "model__points": [16, 16]}
REGION = {"well": {"low": -1.0, "high": 1.0}}


def test_defaults():
    experiment = parse(data())
    assert [method.kind for method in experiment.methods] == ["wave"]
    assert experiment.observables == ("particle_density", "position", "spread", "energy")
    assert experiment.observable("particle_density").dims == ("time", "x")
    assert parse(resolved(experiment)) == experiment


def test_whoever_asks_for_local_energies_gets_their_audit():
    assert parse(data(observables=["energy_density"])).observables == ("energy_density", "balance_residual")
    assert parse(data(observables=["norm"])).observables == ("norm",)


def test_units_follow_the_dimension():
    plane = parse(data(**PLANE, model__units="physical"))
    assert plane.observable("energy_flux").dims == ("time", "axis", "x", "y")
    assert plane.observable("energy_flux").units == "meV/fs/nm"
    assert plane.observable("energy_density").units == "meV/nm^2"
    assert parse(data(model__units="physical")).observable("energy_flux").units == "meV/fs"
    assert parse(data()).observable("region_power").units == "1"


def test_steps_that_are_too_long_are_warned_of():
    """The reference double barrier: 0.195 nm and 0.067 m_e allow 0.014 fs."""
    box = {"model__lengths": [400.0], "model__points": [2048], "model__mass": 0.067, "model__units": "physical"}
    short, long = (parse(data(**box, solver={"kind": "strang", "dt": dt})) for dt in (0.014, 0.05))
    assert list(warnings(short)) == []
    (line,) = warnings(long)
    assert line.startswith("wave steps by 0.05, more than pi hbar / T_max = 0.0141 fs: the local balance may be wrong")
    lines = outline(long)
    assert lines[1] == "particles: 1; box 400 nm, 2048 points" and lines[-1] == f"warning: {line}"


def test_steps_that_see_little_of_a_drive_are_warned_of():
    drive = {"kind": "oscillation", "amplitude": 1.0, "frequency": 40.0}
    (line,) = warnings(parse(data(drive=drive, solver={"kind": "strang", "dt": 0.04})))
    assert line == "drive.frequency: 40 turns by 1.6 in a step of wave, 0.04; take a smaller dt"
    assert not list(warnings(parse(data(drive=drive, solver={"kind": "strang", "dt": 0.02}))))


def test_a_pulse_that_is_over_within_a_step_is_warned_of():
    pulse = {"kind": "pulse", "coupling": "dipole", "amplitude": 0.5, "frequency": 1.0, "centre": 1.0, "width": 0.05}
    found = [
        list(warnings(experiment(drive=pulse, solver={"kind": "rk4", "dt": dt}, methods=["mean_field"]))) for dt in (0.1, 0.04)
    ]
    assert found == [["drive.width: 0.05 is shorter than a step of mean_field, 0.1; take a smaller dt"], []]


@pytest.mark.parametrize(("changes", "key", "text"), [
    ({"model__lengths": [1.0, 1.0]}, "model.lengths", "got 2 lengths; must be as many as points"),
    ({"model__particles": 4}, "model.particles", "got 4; must be at most 3 particles on one axis"),
    ({**PLANE, "model__particles": 2}, "model.particles", "got 2; must be at most 3 particles on one axis, or one on two or three"),
    ({"model__statistics": "symmetric"}, "model.statistics", "must be distinguishable for one particle"),
    ({"model__potential": [{"kind": "quartic", "strength": 1.0, "axis": 1}]}, "model.potential.0.axis", "must be below 1"),
    ({"model__potential": [{"kind": "harmonic", "strength": -1e30}]}, "model.potential.0.strength", "must be at most 3.39e+07"),
    ({"model__potential": [{"kind": "quartic", "strength": {"kind": "quench", "before": 0.0, "after": 1e9, "time": 1.0}}]},
     "model.potential.0.strength", "got 1000000000.0; must be at most"),
    ({"model__potential": [{"kind": "gaussian", "height": 1e12, "width": 1.0}]}, "model.potential.0.height", "at most 3.39e+09"),
    ({"model__potential": [{"kind": "gaussian", "height": 1e7, "width": 1.0}], "precision": "single"},
     "model.potential.0.height", "got 10000000.0; must be at most 2.07e+05"),
    ({"drive": {"kind": "bias", "amplitude": 1e30, "width": 1.0}}, "drive.amplitude", "got 1e+30; must be at most 3.39e+09"),
    ({"drive": {"kind": "oscillation", "amplitude": 1e30, "frequency": 1.0}}, "drive.amplitude", "must be at most 3.39e+08"),
    ({"model__regions": {"well": {"low": 1.0, "high": 1.0}}}, "model.regions.well.high", "must be greater than low"),
    ({"model__regions": {"well": {"low": [0.0, 1.0], "high": 1.0}}}, "model.regions.well.low", "got 2 numbers"),
    ({"model__absorber": {"width": 11.0, "strength": 1.0}}, "model.absorber.width", "at most half of the box"),
    ({"initial__packets": [{"width": 1.0}] * 2}, "initial.packets", "got 2; must be 1 (the particles)"),
    ({"initial__packets": [{"width": 1.0, "centre": [0.0, 1.0]}]}, "initial.packets.0.centre", "got 2 numbers"),
    ({"initial": {"kind": "neel"}}, "initial.kind", "must be one of wave_packets, eigenstates, relaxed for model particles"),
    ({"methods": ["exact"]}, "methods.0", "got 'exact'; must be wave for model particles"),
    ({"observables": ["density"]}, "observables.0", "wave does not have it"),
    ({"observables": ["region_work"]}, "observables.0", "got 'region_work'; needs model.regions"),
    ({"observables": ["bias_current"]}, "observables.0", "needs a drive that is a bias"),
    ({**TWO, "observables": ["energy_density"]}, "observables.0", "needs statistics symmetric or antisymmetric"),
    ({"solver": {"kind": "tsit5"}}, "methods.0", "wave has solver auto, strang and blanes_moan alone"),
    ({"drive": {"kind": "oscillation", "amplitude": 1.0, "frequency": 1.0, "direction": [1.0, 0.0]}},
     "drive.direction", "vector of 1"),
    ({"drive": {"kind": "pulse", "coupling": "peierls", "amplitude": 1.0, "frequency": 1.0, "centre": 0.0, "width": 1.0}},
     "drive.coupling", "must be dipole"),
    ({"drive": {"kind": "sum", "parts": [{"kind": "bias", "amplitude": 1.0, "width": 1.0}] * 2}}, "drive.parts", "at most one"),
    ({"drive": {"kind": "bias", "amplitude": 1.0, "width": 1.0, "centre": 10.5}}, "drive.centre", "must lie in the box, -10 to 10"),
    ({"time": {"end": 1e5, "samples": 3}}, "time.end", "got 100000.0; 8.04e+05 steps in a row; must be sooner, or have more"),
    ({"drive": {"kind": "oscillation", "amplitude": 100.0, "frequency": 1e4}},
     "drive.frequency", "got 10000.0; must be at most 50.53, since wave steps by 0.0622; give a solver with a smaller dt"),
    ({"drive": {"kind": "sum", "parts": [{"kind": "bias", "amplitude": 1.0, "width": 1.0, "frequency": 200.0}]},
      "solver": {"kind": "strang", "dt": 0.02}}, "drive.parts.0.frequency", "must be at most 157.1, since wave steps by 0.02"),
])  # fmt: skip
def test_what_is_refused(changes, key, text):
    with pytest.raises(InputError) as error:
        parse(data(**changes))
    line = next(line for line in str(error.value).splitlines() if line.startswith(f"{key}:"))
    assert text in line
