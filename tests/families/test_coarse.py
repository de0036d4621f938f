"""Runs on two scales from a config: coarse against fine, sweeps, gradients, figures, and what a run says of itself."""

import numpy as np
import pytest

from qnano.errors import InputError
from qnano.families.build import build
from qnano.families.two_scale.regime import regime
from qnano.storage import store
from qnano.storage.folder import RunFolder
from qnano.tasks.dynamics import report
from qnano.tasks.dynamics.report import tables
from qnano.tasks.dynamics.run import run
from qnano.tasks.gradient import run as gradient
from qnano.tasks.loading import identity, parse
from qnano.tasks.sweep import run as sweep
from tests.config.test_coarse import data


def finished(tmp_path, job, kind="crystal", **changes):
    experiment = parse(data(kind, **changes))
    folder = RunFolder(tmp_path / identity(experiment))
    summary = job(experiment, folder, quiet=True)
    assert summary["state"] == "finished"
    return store.read(folder.results), folder


def apart(results, label):
    """The largest difference of a method's density to the fine one, in units of the largest density."""
    fine = results["fine"]["coarse_density"].values
    return np.abs(results[label]["coarse_density"].values - fine).max() / fine.max()


@pytest.mark.slow
def test_a_crystal(tmp_path):
    """Methods in one run: the second order beats the first; energies count from the band's edge in all."""
    methods = ["fine", "cgwe", "cgwe2"]
    results, folder = finished(tmp_path, run, methods=methods)
    assert apart(results, "cgwe2") < 3e-3 < 2e-2 < apart(results, "cgwe")
    for group in results.values():
        np.testing.assert_allclose(group["energy"], results["fine"]["energy"], rtol=2e-2)
        np.testing.assert_allclose(group["coarse_density"].sum("x"), 1.0, atol=1e-9)  # a cell has length 1
    assert results["cgwe"]["corrector_norm"].dims == ("time",)
    summary = folder.read_summary()
    np.testing.assert_allclose(summary["regime"]["numbers"]["effective mass"][0], 1.549030199288, rtol=1e-9)
    drawn = {path.name for path in report.draw(folder)}
    assert {"coarse.png", "band.png", "balance.png", "drift.png"} <= drawn
    assert [table.title for table in tables(folder)][-1] == "regime"


@pytest.mark.slow
def test_a_ribbon_says_that_its_mass_is_a_poor_one(tmp_path):
    changes = {
        "initial__packets": [{"centre": -10.0, "width": 9.0}],
        "model__confinement": {"kind": "well", "depth": 0.05, "width": 20.0},
        "time": {"end": 400.0, "samples": 3},
        "observables": ["coarse_density"],
    }
    results, folder = finished(tmp_path, run, "ribbon", methods=["fine", "cgwe", "cgwe2", "dirac"], **changes)
    assert apart(results, "dirac") < 0.2 * apart(results, "cgwe")
    assert apart(results, "cgwe2") < 0.2 * apart(results, "cgwe")
    assert any("mass equation is not right" in line for line in folder.read_summary()["regime"]["warnings"])


@pytest.mark.slow
def test_a_metallic_ribbon_has_no_mass(tmp_path):
    """Eight lines: refused by the mass equations; the Dirac-like one follows the chain."""
    with pytest.raises(InputError, match=r"methods.1: got cgwe; the envelope couples band 1 to band 0"):
        build(parse(data("ribbon", model__lines=8, methods=["fine", "cgwe"])))
    changes = {"model__lines": 8, "initial__packets": [{"width": 8.0}], "model__confinement": {"kind": "none"}}
    results, _ = finished(tmp_path, run, "ribbon", methods=["fine", "dirac"], **changes)
    assert apart(results, "dirac") < 0.05


@pytest.mark.slow
def test_two_particles_and_their_statistics(tmp_path):
    """Coarse densities of two colliding particles against the fine wave, as bosons; the product beside it."""
    changes = {
        "model__particles": 2,
        "model__cells": 24,
        "model__coarse_points": 24,
        "model__interaction": {"kind": "soft_coulomb", "strength": 0.2, "softening": 3.0},
        "initial__packets": [{"centre": -4.0, "width": 2.5}, {"centre": 4.0, "width": 2.5}],
        "time": {"end": 12.0, "samples": 2},
    }
    results, _ = finished(tmp_path, run, methods=["fine", "cgwe2", "cgmf"], **changes)
    assert apart(results, "cgwe2") < 0.01
    assert apart(results, "cgmf") < 0.1
    np.testing.assert_allclose(results["cgwe2"]["coarse_density"].sum("x"), 2.0, atol=1e-9)
    (symmetric,) = build(parse(data(**changes, model__statistics="symmetric", methods=["cgwe2"])))
    np.testing.assert_allclose(symmetric.state, symmetric.state.T, atol=1e-14)


MEETING = {
    "model__particles": 2,
    "model__cells": 16,
    "model__coarse_points": 16,
    "model__points": 6,
    "initial__packets": [{"centre": -2.0, "width": 1.5}, {"centre": 2.0, "width": 1.5}],
    "time": {"end": 12.0, "samples": 2},
    "observables": ["coarse_density", "energy"],
}


@pytest.mark.slow
def test_a_contact_is_matched(tmp_path):
    """Two particles that meet on a point: the envelope follows the fine wave (within 0.05 without a contact of its own)."""
    contact = {"kind": "contact", "strength": 0.4, "ring": 4}
    methods = [{"kind": "fine", "bands": 3}, {"kind": "cgwe2", "solver": {"kind": "blanes_moan", "dt": 0.5}}]
    results, _ = finished(tmp_path, run, **MEETING, model__interaction=contact, methods=methods)
    assert apart(results, "cgwe2") < 0.01
    np.testing.assert_allclose(results["cgwe2"]["energy"][0], results["fine"]["energy"][0], rtol=0.02)


@pytest.mark.slow
def test_masses_of_a_pair(tmp_path):
    """Published masses for two cells and w = 5 / sqrt(r^2 + 1/4); wave and product by them."""
    methods = [{"kind": kind, "pair_cells": 2} for kind in ("cgwe", "cgmf")]
    changes = MEETING | {"model__interaction": {"kind": "soft_coulomb", "strength": 5.0, "softening": 0.5}, "methods": methods}
    wave = build(parse(data(**changes)))[0].dynamics
    np.testing.assert_allclose(wave.cross, 0.0121134358, atol=2e-6)
    own = 2 * wave.kinetics.parabola[1] / wave.grid.wavenumbers[0, 1] ** 2
    np.testing.assert_allclose(own, 0.4956231332, atol=2e-6)
    results, _ = finished(tmp_path, run, **changes)
    pair, product = (results[kind]["coarse_density"].values[-1] for kind in ("cgwe", "cgmf"))
    assert 0.0 < np.abs(pair - product).max() < 0.01 * pair.max()


@pytest.mark.slow
def test_a_sweep_over_the_depth(tmp_path):
    """Deeper lattices are slower; one program serves all."""
    (group,) = finished(tmp_path, sweep.run, sweep={"model.harmonics.0": [2.0, 6.0, 10.0]}, methods=["cgwe2"])[0].values()
    moved = group["position"].values[:, -1, 0] - group["position"].values[:, 0, 0]
    assert np.all(np.diff(moved) < 0)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["cgwe2", pytest.param("fine", marks=pytest.mark.slow)])
def test_derivatives_include_the_cell_problem(tmp_path, method):
    """By the depth of the lattice, which moves mass, metric and the prepared start, and by the start itself."""
    wrt = ["model.harmonics.0", "model.confinement.height", "initial.packets.0.centre"]
    wanted = {"of": "position[time=20.0]", "wrt": wrt, "check": True}
    (group,) = finished(tmp_path, gradient.run, task="gradient", gradient=wanted, methods=[method])[0].values()
    np.testing.assert_allclose(group["position"], group["central_difference"], rtol=2e-5, atol=1e-7)


def test_physical_units_change_nothing_but_names():
    """The same problem in nm, meV and fs: effective mass, balance and gap."""
    natural = regime(parse(data())).numbers
    a, mass = 0.5, 0.3
    unit = 76.1996421 / (mass * a**2)
    changes = {
        "model__units": "physical",
        "model__spacing": a,
        "model__mass": mass,
        "model__harmonics": [10.0 * unit],
        "model__confinement": {"kind": "cosine", "height": 0.4 * unit},
        "initial__packets": [{"centre": -4.0 * a, "width": 3.0 * a}],
    }
    physical = regime(parse(data(**changes))).numbers
    np.testing.assert_allclose(physical["effective mass"][0], mass * natural["effective mass"][0], rtol=1e-7)
    np.testing.assert_allclose(physical["gap"][0], unit * natural["gap"][0], rtol=1e-7)
    np.testing.assert_allclose(physical["beta of the confinement"][0], natural["beta of the confinement"][0], rtol=1e-7)


def test_warnings_name_what_is_wrong():
    stiff = regime(parse(data(model__confinement={"kind": "cosine", "height": 40.0}))).warnings
    assert any("beta" in line and "semiclassical" in line for line in stiff)
    loose = regime(parse(data(model__confinement={"kind": "well", "depth": 0.001, "width": 3.0}))).warnings
    assert any("does not hold the envelope" in line for line in loose)
    tight = regime(parse(data(initial__packets=[{"width": 0.6}]))).warnings
    assert any("the corrector is" in line for line in tight)
