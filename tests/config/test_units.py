"""Units of the numbers at keys, and of ratios."""

import pytest

from qnano.families.units import ratio, unit_of
from qnano.tasks.loading import parse
from tests.config import test_holstein, test_particles
from tests.config.examples import experiment

PULSE = {"kind": "pulse", "coupling": "peierls", "amplitude": 0.3, "frequency": 2.0, "centre": 1.0, "width": 0.5}


@pytest.mark.parametrize(
    ("key", "unit"),
    [
        ("model.interaction[1].after", "J"),
        ("model.hopping[3]", "J"),
        ("model.potential.strength.start", "hbar/J"),
        ("drive.width", "hbar/J"),
        ("drive.centre", "hbar/J"),
        ("drive.frequency", "J/hbar"),
        ("drive.amplitude", "1"),
        ("model.lattice.sites", "1"),
        ("methods.0.closure", ""),
    ],
)
def test_keys_of_a_lattice(key, unit):
    assert unit_of(key, experiment(drive=PULSE)) == unit


def test_a_model_may_say_the_units_of_its_own_keys(monkeypatch):
    driven = experiment(drive=PULSE)
    monkeypatch.setattr(type(driven.model), "key_units", {"amplitude": "J", "interaction": "J^2"})
    keys = ("drive.amplitude", "model.interaction[1].after", "model.hopping[3]")
    assert [unit_of(key, driven) for key in keys] == ["J", "J^2", "J"]


def test_the_amplitude_of_a_force_is_an_energy():
    assert unit_of("drive.amplitude", experiment(drive=PULSE | {"coupling": "dipole"})) == "J"


def test_the_frequency_of_a_phonon_is_an_energy():
    holstein = parse(test_holstein.data())
    assert [unit_of(key, holstein) for key in ("model.frequency", "model.frequency.after", "initial.model.eta")] == ["J", "J", "1"]


@pytest.mark.parametrize(
    ("key", "unit"),
    [
        ("model.lengths[0]", "nm"),
        ("model.potential[0].strength", "meV/nm^2"),
        ("model.absorber.strength", "meV"),
        ("model.absorber.width", "nm"),
        ("initial.packets.0.wavenumber", "1/nm"),
        ("model.mass", "m_e"),
        ("drive.frequency", "1/fs"),
    ],
)
def test_keys_of_particles(key, unit):
    shapes = {"model__potential": [{"kind": "harmonic", "strength": 0.5}], "model__absorber": {"width": 1.0, "strength": 2.0}}
    assert unit_of(key, parse(test_particles.data(model__units="physical", **shapes))) == unit
    assert unit_of(key, parse(test_particles.data(**shapes))) == "1"


@pytest.mark.parametrize(
    ("unit", "per", "found"),
    [
        ("J/hbar", "J", "1/hbar"),
        ("J", "J", "1"),
        ("1", "J", "1/J"),
        ("J", "hbar/J", "J^2/hbar"),
        ("J^2/hbar", "1", "J^2/hbar"),
        ("meV/nm^2", "nm", "meV/nm^3"),
        ("meV fs/nm", "meV", "fs/nm"),
        ("nm", "m_e", "nm/m_e"),
    ],
)
def test_ratios(unit, per, found):
    assert ratio(unit, per) == found
