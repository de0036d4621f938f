"""Waves that their grid cannot hold: refused before a run, told while it runs, and what stands in a periodic box is periodic."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from qnano.errors import InputError
from qnano.families.build import build
from qnano.families.packets import shares
from qnano.families.particles.absorption import of_edges
from qnano.families.two_scale.regime import regime
from qnano.storage.folder import RunFolder
from qnano.tasks.dynamics.progress import Progress
from qnano.tasks.dynamics.run import run
from qnano.tasks.loading import identity, parse
from qnano.tasks.outline import warnings
from tests.config.test_coarse import data as two_scale
from tests.config.test_particles import data

FAST = {"initial__packets": [{"width": 1.0, "wavenumber": 25.0}]}
PLANE = {"model__lengths": [16.0, 16.0], "model__points": [32, 32], "model__potential": []}
SPACE = {"model__lengths": [16.0] * 3, "model__points": [16] * 3, "model__potential": []}


def test_how_much_of_a_packet_is_lost():
    outside, faster = shares(2.0, 3.0, 10.0, 16)
    np.testing.assert_allclose(outside, 2 * norm.sf(5.0 / 2.0), rtol=1e-12)
    k = norm(3.0, 0.25)
    np.testing.assert_allclose(faster, k.sf(np.pi * 1.6) + k.cdf(-np.pi * 1.6), rtol=1e-12)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (data(**FAST), "packets.0.wavenumber: got 25.0; the grid ends at 10.05"),
        (data(**PLANE, initial__packets=[{"width": 1.0, "wavenumber": [0.0, -9.0]}]), "packets.0.wavenumber: got -9.0"),
        (data(**SPACE, initial__packets=[{"width": 1.0, "wavenumber": [0.0, 0.0, 9.0]}]), "packets.0.wavenumber: got 9.0"),
        (data(initial__packets=[{"width": 1.0, "centre": 11.0}]), r"packets.0.centre: got 11.0; must lie in the box, -10 to 10"),
        (data(initial__packets=[{"width": 8.0}]), "packets.0.width: too wide"),
        (data(initial__packets=[{"width": 0.05}]), "packets.0.wavenumber: got 0.0; the grid ends at"),
        (
            data(model__potential=[{"kind": "gaussian", "height": 1.0, "width": 1.0, "centre": 30.0}]),
            "potential.0.centre: got 30.0",
        ),
        (
            data(model__potential=[{"kind": "cosine", "height": 1.0, "period": 7.0}]),
            "potential.0.period: got 7.0; must fit into the box",
        ),
        (data(model__regions={"far": {"low": 5.0, "high": 12.0}}), "regions.far.high: got 12.0; must lie in the box"),
        (two_scale("crystal", initial__packets=[{"width": 4.0, "wavenumber": 1e30}]), "packets.0.wavenumber: got 1e[+]30"),
        (two_scale("crystal", initial__packets=[{"width": 4.0, "centre": 1e30}]), "packets.0.centre: got 1e[+]30"),
        (two_scale("ribbon", initial__packets=[{"width": 1e-9}]), "packets.0.wavenumber"),
    ],
)
def test_what_a_grid_cannot_hold_is_refused(made, words):
    with pytest.raises(InputError, match=words):
        parse(made)


def test_what_a_grid_hardly_holds_is_told():
    coarse = data(model__lengths=[40.0], model__points=[100], initial__packets=[{"width": 1.0, "wavenumber": 6.0}])
    (line,) = warnings(parse(coarse))
    assert line.startswith("initial.packets.0: 1.0e-04 of the packet is beyond the grid's largest wavenumber, 7.854")
    assert not list(warnings(parse(data())))


def test_a_well_beyond_the_seam_is_felt():
    """A packet at -18.5 and a well at 17 in a ring of 40 are 4.5 apart: the mean potential energy by quadrature."""
    well = {"kind": "gaussian", "height": -1.0, "width": 2.0, "centre": 17.0}
    experiment = parse(
        data(
            model__lengths=[40.0], model__points=[256], model__potential=[well], initial__packets=[{"width": 1.0, "centre": -18.5}]
        )
    )
    method = build(experiment)[0]
    density = lambda x: norm.pdf(x) * -np.exp(-((x - 4.5) ** 2) / 8)  # noqa: E731
    got = method.dynamics.observe(jnp.zeros(()), method.state)["potential_energy"]()
    np.testing.assert_allclose(got, quad(density, -20, 20)[0], rtol=1e-9)


def warned(tmp_path, made):
    experiment = parse(made)
    folder = RunFolder(tmp_path / identity(experiment))
    (method,) = run(experiment, folder, quiet=True)["methods"].values()
    return method["warnings"]


def test_a_caution_has_the_largest_share_of_all_stretches_and_is_told_once():
    progress, times = Progress("wave"), np.arange(3.0)
    measured = [[0.0, 2e-6, 1e-5], [1e-5, 7e-4, np.nan], [0.0, 3e-5, 0.0]]
    told = [[*progress.cautions(times + 3 * k, {"seam_share": np.array(x)}, "1")] for k, x in enumerate(measured)]
    assert len(told[0]) == 1 and "up to 1.0e-05 of it, at t = 2;" in told[0][0] and told[1:] == [[], []]
    (line,) = progress.warnings
    assert "up to 7.0e-04 of it, at t = 4;" in line


@pytest.mark.slow
def test_a_wave_that_comes_to_the_end_of_its_grid_is_told(tmp_path, capsys):
    """A free packet runs into the seam after some 6 / 4 of time; a steep field accelerates one to the end of the wavenumbers."""
    free = data(model__potential=[], initial__packets=[{"width": 1.0, "wavenumber": 4.0}], time__samples=21)
    (line,) = warned(tmp_path, free)
    assert "at the seam of the periodic box" in line and "at t = " in line
    assert "warning: wave: the wave is at the seam" in capsys.readouterr().err
    pushed = data(
        model__potential=[],
        model__lengths=[40.0],
        initial__packets=[{"width": 2.0}],
        drive={"kind": "oscillation", "amplitude": 4.0, "frequency": 0.0},
        time__samples=21,
    )
    assert any("near the grid's largest wavenumber" in line for line in warned(tmp_path, pushed))
    assert warned(tmp_path, data()) == []


@pytest.mark.slow
def test_a_wave_that_an_absorber_lets_through_is_told(tmp_path):
    made = data(
        model__potential=[],
        initial__packets=[{"width": 1.0, "wavenumber": 4.0}],
        time__samples=21,
        model__absorber={"width": 2.0, "strength": 0.1},
    )
    assert any("at the seam" in line for line in warned(tmp_path, made))
    made["model"]["absorber"] = {"width": 5.0, "strength": 30.0}
    assert warned(tmp_path, made) == []


@pytest.mark.slow
def test_what_an_absorber_gives_back_is_what_a_packet_keeps():
    """All of a packet has met the absorber by t = 50: its norm is the mean over its wavenumbers of what `check` says."""
    from qnano.propagation import propagate

    made = data(
        model__lengths=[120.0],
        model__points=[256],
        model__potential=[],
        model__absorber={"width": 3.0, "strength": 0.6},
        initial__packets=[{"width": 4.0, "wavenumber": 2.0}],
    )
    method = build(parse(made))[0]
    run = propagate(method.dynamics, method.state, [0.0, 50.0], observables=("norm",))
    k = np.linspace(1.3, 2.7, 57)
    weights = norm.pdf(k, 2.0, 1 / 8)
    shares = np.array([sum(of_edges(float(q), 3.0, 1.2)) for q in k])
    want = np.sum(weights * shares) / weights.sum()
    assert want > 0.1
    np.testing.assert_allclose(run.observables["norm"][-1], want, rtol=1e-3)
    weak, strong = of_edges(2.0, 3.0, 1.2), of_edges(2.0, 3.0, 40.0)
    assert weak[1] > 1e3 * weak[0] and strong[0] > 1e3 * strong[1]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fine", "dirac"])
def test_an_empty_lattice_is_a_free_particle(method):
    """The spread of a free packet whose amplitude has the width w: sqrt(w^2 / 2 + t^2 / (2 w^2)), in the lowest band."""
    made = two_scale("crystal", model__harmonics=[0.0], model__confinement={"kind": "none"}, methods=[method])
    made["initial"]["packets"] = [{"width": 4.0}]
    made["time"] = {"end": 4.0, "samples": 3}
    from qnano.propagation import propagate

    built = build(parse(made))[0]
    found = propagate(built.dynamics, built.state, [0.0, 4.0], observables=("spread",)).observables["spread"][-1, 0]
    np.testing.assert_allclose(found, np.sqrt(8.0 + 16.0 / 32.0), rtol=1e-6)


@pytest.mark.slow
def test_a_flat_band_has_no_mass():
    made = two_scale("crystal", model__harmonics=[2000.0], model__points=40, model__confinement={"kind": "none"})
    told = regime(parse(made))
    assert told.warnings == ["the band is flat to rounding: its mass is not known, and nothing moves in it"]
    assert "effective mass" not in told.numbers
