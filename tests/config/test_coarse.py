"""Configs of problems on two scales: what is completed, and what is refused with which words."""

import pytest

from qnano.errors import InputError
from qnano.families.in_space import COULOMB, ELECTRON_MASS, HBAR
from qnano.tasks.loading import parse
from qnano.tasks.outline import outline


def data(kind="crystal", **changes):
    """A small crystal or ribbon; changes by dotted keys with __ for the dots."""
    model = {"kind": "crystal", "cells": 32, "coarse_points": 32, "harmonics": [10.0], "points": 8}
    if kind == "ribbon":
        model = {"kind": "ribbon", "cells": 96, "coarse_points": 64, "lines": 7, "hopping": 1.0, "bond": 1.0}
    made = {
        "name": "two-scales",
        "model": model | {"confinement": {"kind": "cosine", "height": 0.4}},
        "initial": {"kind": "packets", "packets": [{"centre": -4.0, "width": 3.0}]},
        "time": {"end": 20.0, "samples": 3},
    }
    for key, value in changes.items():
        *steps, last = key.split("__")
        here = made
        for step in steps:
            here = here[step]
        here[last] = value
    return made


def test_defaults():
    experiment = parse(data())
    assert [method.kind for method in experiment.methods] == ["fine", "cgwe2"]
    assert experiment.observables == ("coarse_density", "position", "spread", "energy")
    assert experiment.unit("hbar/J") == "1"
    physical = parse(data(model__units="physical"))
    assert (physical.unit("J"), physical.unit("hbar/J"), physical.unit("length")) == ("meV", "fs", "nm")


def test_constants_are_those_of_the_electron():
    """hbar^2 / m_e in meV nm^2, and the Bohr radius in nm."""
    assert abs(HBAR**2 / ELECTRON_MASS - 76.199642) < 1e-5
    assert abs(HBAR**2 / (ELECTRON_MASS * COULOMB) - 0.052917721) < 1e-8


def test_the_outline_says_how_large_it_is():
    lines = list(outline(parse(data(model__particles=2, initial__packets=[{"width": 3.0}, {"width": 2.0}]))))
    assert "crystal: 32 cells, length 32, 32 coarse points" in lines
    assert "particles: 2; 65536 points of the largest wave" in lines


PAIR = {"kind": "soft_coulomb", "strength": 1.0, "softening": 1.0}
TWO = {"model__particles": 2, "initial__packets": [{"width": 3.0}, {"width": 2.0}]}
CONTACT = TWO | {"model__interaction": {"kind": "contact", "strength": 1.0}}
PAIRED = {"methods": [{"kind": "cgmf", "pair_cells": 2}]}


@pytest.mark.parametrize(("changes", "key", "text"), [
    ({"model__coarse_points": 33}, "model.coarse_points", "got 33; must be at most 32 (cells)"),
    ({"model__band": 8}, "model.band", "got 8; must be below 8 (points)"),
    ({"model__wavevector": "edge", "model__cells": 33}, "model.cells", "got 33; must be even"),
    ({"model__harmonics": [1.0] * 5}, "model.harmonics", "at most 4 fit the points of a cell"),
    ({"model__harmonics": [1.0, -1e30]}, "model.harmonics.1", "got -1e+30; must be at most 2.12e+10 in size, or no phase"),
    ({"model__confinement__height": 1e30}, "model.confinement.height", "got 1e+30; must be at most 2.12e+10"),
    (TWO | {"model__interaction": {"kind": "contact", "strength": 1e30}}, "model.interaction.strength", "got 1e+30; must be at"),
    (CONTACT | {"model__particles": 3}, "model.particles", "got 3; must be 2 for interaction contact"),
    (CONTACT | {"model__statistics": "antisymmetric"}, "model.statistics", "such particles never meet"),
    (CONTACT | {"model__wavevector": "edge"}, "model.interaction.kind", "is matched to a pair at the bottom of band 0"),
    (CONTACT | {"model__coarse_points": 24}, "model.interaction.ring", "got 10; must be a whole number of coarse points, 24 / 32"),
    (PAIRED, "methods.0.pair_cells", "got 2; needs a model of 2 particles that interact"),
    (TWO | PAIRED | {"model__interaction": PAIR, "model__harmonics": [9.0, 1.0]}, "methods.0.pair_cells", "and one harmonic"),
    ({"model__particles": 2}, "initial.packets", "got 1; must be 2 (the particles)"),
    ({"model__interaction": PAIR}, "model.interaction.kind", "must be none for one"),
    ({"model__interaction": {"kind": "soft_coulomb", "softening": 1.0}}, "model.interaction.strength", "must be given"),
    ({"methods": ["exact"]}, "methods.0", "got 'exact'; must be one of fine, cgwe, cgwe2, cgmf, dirac for model crystal"),
    ({"methods": [{"kind": "fine", "bands": 9}]}, "methods.0.bands", "got 9; must be at most 8"),
    ({"initial": {"kind": "neel"}}, "initial.kind", "must be packets for model crystal"),
    ({"observables": ["density"]}, "observables.0", "fine and cgwe2 do not have it"),
])  # fmt: skip
def test_what_is_refused(changes, key, text):
    with pytest.raises(InputError) as error:
        parse(data(**changes))
    line = next(line for line in str(error.value).splitlines() if line.startswith(f"{key}:"))
    assert text in line


def test_statistics_need_waves():
    two = {"model__particles": 2, "model__statistics": "antisymmetric", "initial__packets": [{"width": 3.0}, {"width": 3.0}]}
    with pytest.raises(InputError, match="two are the same"):
        parse(data(**two, methods=["cgwe2"]))
    with pytest.raises(InputError, match="a product of orbitals is not antisymmetric"):
        parse(data(**two, methods=["cgmf"]))
    with pytest.raises(InputError, match="dirac has up to 1 particles, got 2"):
        parse(data(**two | {"model__statistics": "distinguishable"}, methods=["dirac"]))
    with pytest.raises(InputError, match="must be one of fine, cgwe, cgwe2, dirac for model ribbon"):
        parse(data("ribbon", methods=["cgmf"]))
