"""What a grid does not resolve: refused where the numbers would be wrong, told where they might."""

import numpy as np
import pytest

from qnano.errors import InputError
from qnano.families.particles.absorption import of_edges, scattered
from qnano.tasks.loading import parse
from qnano.tasks.outline import outline, require_fit, warnings
from tests.config import test_coarse, test_particles

data, two_scale = test_particles.data, test_coarse.data
PAIR = {"kind": "soft_coulomb", "strength": 1.0, "softening": 1.0}
BIAS = {"kind": "bias", "amplitude": 1.0, "width": 1.0}


AWAY = {"model__potential": [], "initial__packets": [{"width": 1.0, "wavenumber": 4.0}]}


def absorbed(width, strength):
    return data(**AWAY, model__absorber={"width": width, "strength": strength})


def shape(kind, **numbers):
    return data(model__potential=[{"kind": kind, **numbers}])


def well(thickness=2.0, between=2.0, edge=0.5):
    return shape("double_barrier", height=1.0, thickness=thickness, well=between, edge=edge)


def crystal(softening):
    pair = {"model__particles": 2, "initial__packets": [{"width": 3.0}, {"width": 2.0}]}
    return two_scale(**pair, model__interaction=PAIR | {"softening": softening})


@pytest.mark.parametrize(("made", "key", "text"), [
    (shape("gaussian", height=1.0, width=1e-150), "model.potential.0.width", "must be at least 0.1562, 0.5 of the grid's spacing"),
    (shape("gaussian", height=-1.0, width=0.15), "model.potential.0.width", "got 0.15"),
    (shape("cosine", height=1.0, period=0.5), "model.potential.0.period", "must be at least 0.625, 2 of the grid's spacing"),
    (well(thickness=0.3), "model.potential.0.thickness", "got 0.3"),
    (well(between=1e-9), "model.potential.0.well", "got 1e-09"),
    (data(model__absorber={"width": 0.3, "strength": 1.0}), "model.absorber.width", "must be at least 0.3125"),
    (data(**test_particles.TWO, model__interaction=PAIR | {"softening": 5e-324}), "model.interaction.softening", "got 5e-324"),
    (data(**test_particles.PLANE, model__potential=[{"kind": "gaussian", "height": 1.0, "width": [1.0, 0.2]}]),
     "model.potential.0.width", "got 0.2"),
    (two_scale(model__confinement={"kind": "well", "depth": 1.0, "width": 0.4}), "model.confinement.width", "got 0.4"),
    (crystal(0.05), "model.interaction.softening", "must be at least 0.0625"),
    (well(between=17.0), "model.potential.0.well", "walls and well are 21 wide, the box 20"),
    (data(initial={"kind": "eigenstates", "coefficients": [0.0, 0.0]}), "initial.coefficients", "must not all be 0"),
    (data(model__points=[4], model__potential=[], initial={"kind": "eigenstates", "coefficients": [1.0] * 5}),
     "initial.coefficients", "got 5; there are 4 states"),
    (data(initial={"kind": "relaxed", "step": 0.1, "width": 1e-30}), "initial.width", "half of the grid's spacing"),
    (data(initial={"kind": "relaxed", "step": 0.1, "width": 1.0, "steps": 10**30}), "initial.steps", "got 1"),
    (data(model__mass=5e-324), "model.mass", "the grid's largest kinetic energy would be"),
    (data(model__lengths=[1e-200], model__potential=[], initial__packets=[{"width": 1e-201}]), "model.lengths", "largest kinetic"),
])  # fmt: skip
def test_what_is_not_resolved_is_refused(made, key, text):
    with pytest.raises(InputError) as error:
        parse(made)
    line = next(line for line in str(error.value).splitlines() if line.startswith(f"{key}:"))
    assert text in line


@pytest.mark.parametrize(("made", "words"), [
    (shape("gaussian", height=1.0, width=0.2), "model.potential.0.width: it is 0.2 wide, where the grid's spacing is 0.312"),
    (well(edge=1e-150), "model.potential.0.edge: an edge is 1e-150 wide"),
    (shape("harmonic", strength=1e4), "model.potential.0.strength: the state that it binds is 0.0841 wide"),
    (data(drive=BIAS | {"width": 1e-150}), "drive.width: the fall of the voltage is 1e-150 wide"),
    (data(drive={"kind": "sum", "parts": [BIAS | {"width": 0.1}]}), "drive.parts.0.width: the fall of the voltage is 0.1 wide"),
    (shape("gaussian", height=1e9, width=1.0), "model.potential.0.height: 1e+09 turns a wave by more than pi in a step"),
    (crystal(0.1), "model.interaction.softening: it is 0.1 wide"),
    (absorbed(0.5, 30.0), "model.absorber: of a wave with wavenumber 4 it reflects 1.0e-01 and lets"),
    (absorbed(5.0, 1.0), "model.absorber: of a wave with wavenumber 4 it reflects 9.5e-09 and lets 8.2e-02 through"),
    (absorbed(5.0, 1e150), "model.absorber: of a wave with wavenumber 4 it reflects 1.0e+00 and lets 0.0e+00 through"),
])  # fmt: skip
def test_what_is_hardly_resolved_is_told(made, words):
    (line,) = warnings(parse(made))
    assert line.startswith(words)


def test_a_shape_at_both_ends_of_the_box_is_there_once():
    wall = {"kind": "gaussian", "height": 1.0, "width": 1.0}
    end = data()["model"]["lengths"][0] / 2
    twice = data(model__potential=[{**wall, "centre": end}, {**wall, "centre": -end}])
    assert list(warnings(parse(twice))) == [
        "model.potential.1: stands where model.potential.0 does, round the periodic box, and adds to it"
    ]
    assert not list(warnings(parse(data(model__potential=[{**wall, "centre": end}, {**wall, "centre": 0.5 * end}]))))


def test_what_a_slab_reflects_and_lets_through():
    """With q^2 = k^2 + i s the amplitude behind a slab is 1 / (cos qL - i (k^2 + q^2) / (2 k q) sin qL)."""
    k, strength, length = 1.3, 0.8, 2.0
    q = np.sqrt(k**2 + 1j * strength)
    through = 1 / (np.cos(q * length) - 0.5j * (k / q + q / k) * np.sin(q * length))
    reflected = 0.5j * (q / k - k / q) * np.sin(q * length) * through
    want = np.abs([reflected, through]) ** 2
    np.testing.assert_allclose(scattered(k, [strength] * 7, length / 7), want, rtol=1e-12)


def test_slices_of_an_absorber_are_thin_enough():
    """Against slices a tenth as thick; strong ones in closed form too: what comes through is exp(-2 int Im q), WKB."""
    for k, width, strength in ((2.5, 5.0, 8.0), (0.2, 5.0, 8.0), (40.0, 9.0, 500.0)):
        count = 10 * max(256, int(4 * k * width))
        x = (np.arange(count) + 0.5) / count
        slices = (strength * np.sin(np.pi * x) ** 2).tolist()
        fine = scattered(k, slices, 2 * width / count)
        np.testing.assert_allclose(of_edges(k, width, strength), fine, rtol=1e-2, atol=1e-12)
    wkb = np.exp(-2 * np.mean(np.sqrt(1600 + 1j * np.array(slices)).imag) * 18)
    np.testing.assert_allclose(fine[1], wkb, rtol=1e-3)


def test_an_absorber_that_takes_all_is_not_told():
    assert not list(warnings(parse(absorbed(5.0, 30.0))))


def test_the_sum_over_points_misses_as_much_of_a_gaussian_as_is_said():
    """A percent at half of the spacing, where the centre is between points or on one; nothing at the spacing."""
    points = np.arange(-40, 41)
    for width, most, least in ((0.5, 0.02, 0.01), (1.0, 1e-8, 0.0)):
        sums = [np.exp(-((points - c) ** 2) / (2 * width**2)).sum() / (width * np.sqrt(2 * np.pi)) - 1 for c in (0.0, 0.5)]
        assert least <= np.abs(sums).max() < most


def test_problems_on_two_scales_are_no_chains():
    """A chain has at most 10000 sites; a coarse grid may have more points."""
    made = two_scale(model__cells=20000, model__coarse_points=10001, methods=["cgwe2"])
    made["initial"]["packets"] = [{"width": 30.0}]
    assert "crystal: 20000 cells, length 2e+04, 10001 coarse points" in list(outline(parse(made)))


@pytest.mark.parametrize(("changes", "key"), [
    ({"model__cells": 10**6, "model__coarse_points": 10**6}, "model.cells"),
    ({"model__cells": 10**6, "model__coarse_points": 10**6, "methods": ["fine"]}, "model.cells"),
    ({"model__points": 10**5, "methods": ["cgwe2"]}, "model.points"),
    ({**test_coarse.CONTACT, "model__points": 10**4, "methods": ["cgwe2"]}, "model.interaction.ring"),
])  # fmt: skip
def test_what_memory_does_not_hold_is_refused_before_it_is_built(changes, key):
    made = parse(two_scale(**changes))
    with pytest.raises(InputError, match=f"(?m)^{key}: got"):
        require_fit(made)


def test_a_ribbon_of_any_width_is_checked_at_once():
    assert list(outline(parse(two_scale("ribbon", model__lines=10**9))))
