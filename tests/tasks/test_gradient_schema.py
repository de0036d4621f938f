"""The section `gradient`: what can be differentiated by what, and what is said about the rest."""

from pathlib import Path

import pytest

from qnano.errors import InputError
from qnano.tasks.gradient.parameters import gradient_of, parameters
from qnano.tasks.loading import identity, load, parse, resolved, to_yaml
from qnano.tasks.varied import varied
from tests.config.examples import experiment

REGIMES = Path(__file__).parents[2] / "configs" / "regime_map.yaml"

PULSE = {"kind": "pulse", "coupling": "dipole", "amplitude": 0.3, "frequency": 2, "centre": 1.0, "width": 0.5}


def test_a_part_of_an_observable():
    chosen = gradient_of(experiment(), of=" density[ spin = down, time=1.05 ]", wrt="model.hopping").selection
    assert (chosen.observable.name, chosen.places, chosen.time, chosen.dims) == ("density", {"spin": 1}, 1.05, ("site",))
    by_name, by_place = (gradient_of(experiment(), of=f"current[bond={bond}]", wrt="all").selection for bond in ("1-2", "1"))
    assert by_name.places == by_place.places == {"bond": 1} and by_name.dims == ("time",)
    assert gradient_of(experiment(), of="d2_extremes[extreme=highest]", wrt="all").selection.places == {"extreme": 1}
    assert gradient_of(experiment(), of="rdm1[i=0,j=3]", wrt="all").selection.dims == ("time", "spin")


def test_the_numbers_that_are_there():
    chosen = gradient_of(experiment(drive=PULSE), of="energy", wrt="all")
    assert parameters(chosen) == {
        "model.hopping": 1.0,
        "model.interaction": 2.0,
        "initial.model.potential.strength": 0.5,  # no other: what is not given follows the model
        "drive.amplitude": 0.3,
        "drive.frequency": 2.0,
        "drive.phase": 0.0,
        "drive.centre": 1.0,
        "drive.width": 0.5,
    }
    ramp = {"kind": "ramp", "before": 0, "after": 4.0, "start": 0.5, "duration": 1.0}
    several = gradient_of(experiment(model__interaction=[1.0, ramp, 2, 3.0]), of="energy", wrt=["model.interaction[1].after"])
    assert parameters(several) == {"model.interaction[1].after": 4.0}
    listed = gradient_of(experiment(model__hopping=[1.0, 2, 3.0]), of="energy", wrt=["model.hopping", "model.interaction[2]"])
    assert parameters(listed) == {
        "model.hopping[0]": 1.0,
        "model.hopping[1]": 2.0,
        "model.hopping[2]": 3.0,
        "model.interaction[2]": 2.0,
    }


def test_what_interpolates_another_number_is_none_of_its_own(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(
        """
name: small
task: gradient
gradient: {of: energy, wrt: all}
model: {kind: fermi_hubbard, lattice: {kind: chain, sites: 4}, interaction: 2.0, electrons: {up: 2, down: 2},
        hopping: [1.0, "${model.hopping.0}", 1.0]}
initial: {kind: ground_state, model: {interaction: "${model.interaction}", potential: {kind: linear, slope: 0.1}}}
time: {end: 1.0, samples: 3}
"""
    )
    read = load(path)
    keys = ["model.hopping[0]", "model.hopping[2]", "model.interaction", "initial.model.potential.slope"]
    assert list(parameters(read)) == keys
    assert varied(read, {"model.hopping.0": 2.0}).model.hopping == (2.0, 2.0, 1.0)


def test_what_is_written_down_runs_again(tmp_path):
    """The initial model that inherits must not come back as one that is complete."""
    chosen = gradient_of(experiment(), of="energy[time=1.0]", wrt=["model.interaction"])
    path = tmp_path / "config.yaml"
    path.write_text(to_yaml(chosen))
    again = load(path)
    assert again.given["initial"] == {"kind": "ground_state", "model": {"potential": {"kind": "harmonic", "strength": 0.5}}}
    assert resolved(again) == resolved(chosen) and identity(again) == identity(chosen)
    assert identity(gradient_of(chosen, check=True)) != identity(chosen)
    assert varied(again, {"model.interaction": 3.0}).initial.model.interaction == 3.0


@pytest.mark.parametrize(
    ("of", "message"),
    [
        ("doubl", r"gradient.of: got 'doubl'; must be one of density"),
        ("density[", r"gradient.of: got 'density\['; must be an observable, or a part of one such as"),
        ("density[site=1,site=2]", "must be an observable"),
        ("density[site=9]", "gradient.of: got site=9; must be 0, 1, 2, 3"),
        ("density[spin=left]", "gradient.of: got spin=left; must be up, down"),
        ("current[bond=0-2]", "gradient.of: got bond=0-2; must be 0-1, 1-2, 2-3"),
        ("energy[site=1]", "gradient.of: got 'site'; energy has time"),
        ("energy[time=3]", r"gradient.of: got time=3; must be a number between 0 and 2 \(time.start and time.end\)"),
        ("energy[time=nan]", "gradient.of: got time=nan; must be a number"),
        ("loschmidt_echo", "gradient.of: got 'loschmidt_echo'; td2rdm and mean_field do not have it, only exact"),
    ],
)
def test_what_cannot_be_differentiated(of, message):
    with pytest.raises(InputError, match=message):
        gradient_of(experiment(), of=of, wrt="all")


@pytest.mark.parametrize(
    ("wrt", "message"),
    [
        ("model.interactoin", "model.interactoin: unknown key; model has kind"),
        ("model.hopping[7]", "unknown key; model.hopping has 0, 1, 2"),
        ("model.electrons.up", r"gradient.wrt: got model.electrons.up \(2\); must name a real number of model, initial or drive"),
        ("model.lattice.sites", r"got model.lattice.sites \(4\); must name"),
        ("model.hopping[0]", r"got model.hopping\[0\] \('0.8\+0.6j'\); must name a real number"),
        ("model.kind", r"got model.kind \('fermi_hubbard'\); must name"),
        ("model.potential", "got model.potential, which has kind; must name"),
        ("time.end", r"got time.end \(2.0\); must name"),
        ("solver.rtol", r"got solver.rtol \(1e-08\); must name"),
        ("seed", r"got seed \(0\); must name"),
        (["model.hopping[1]", "model.hopping[1]"], "name the same number; must name it once"),
        (["model.interaction", "model.interaction[1]"], "name the same number; must name it once"),
        (["model.interaction", "initial.model.interaction"], "which follows model.interaction; must be given in the config"),
        ([], "gradient.wrt: empty"),
    ],
)
def test_what_cannot_be_differentiated_by(wrt, message):
    chosen = experiment(solver={"kind": "tsit5"}, model__hopping=["0.8+0.6j", 1.0, 1.0])
    with pytest.raises(InputError, match=message):
        parameters(gradient_of(chosen, of="energy", wrt=wrt))


def test_only_dynamics_are_differentiated():
    with pytest.raises(InputError, match=r"^task: got 'regime_map'; must be dynamics or gradient$"):
        gradient_of(load(REGIMES), of="energy", wrt="all")
    with pytest.raises(InputError, match=r"^gradient.mode: got 'sideways'; must be one of auto, forward, reverse"):
        gradient_of(experiment(), of="energy", wrt="all", mode="sideways")
    with pytest.raises(InputError, match=r"^gradient: missing; must be given$"):
        parse({**experiment().given, "task": "gradient"})
