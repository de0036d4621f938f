"""Waves in single precision: from a config to the end of a run, within what single numbers can hold of the double ones."""

import jax
import numpy as np
import pytest

from qnano import runtime
from qnano.storage import store
from qnano.storage.folder import RunFolder
from qnano.tasks.dynamics.run import run
from qnano.tasks.loading import identity, parse
from tests.config.test_coarse import data as two_scale
from tests.config.test_particles import PLANE, REGION, data

SHORT = {"end": 1.0, "samples": 2}
MEASURED = ["position", "spread", "energy"]
COMPARED = {*MEASURED, "norm", "bias_current", "region_work", "coarse_density"}
OSCILLATION = {"kind": "oscillation", "amplitude": 0.1, "frequency": 0.4}
TUNNEL = {
    "model__units": "physical",
    "model__lengths": [100.0],
    "model__points": [256],
    "model__mass": 0.067,
    "model__charge": -1.0,
    "model__potential": [{"kind": "double_barrier", "height": 300.0, "thickness": 2.0, "well": 5.0, "edge": 0.5}],
    "initial__packets": [{"centre": -20.0, "width": 5.0, "wavenumber": 0.42}],
    "drive": {"kind": "bias", "amplitude": 50.0, "frequency": 0.0456, "width": 9.0},
}
SLITS = {
    "model__potential": [{"kind": "gaussian", "height": 1.0, "width": [0.6, 1.0]}],
    "model__absorber": {"width": 2.0, "strength": 1.0},
    "initial__packets": [{"centre": [-1.0, 0.0], "width": 1.0, "wavenumber": [1.0, 0.0]}],
}
TRAPPED = {"initial": {"kind": "eigenstates", "coefficients": [1.0, 0.5]}, "drive": OSCILLATION, "model__regions": REGION}
ATOMS = {
    "model__units": "physical",
    "model__spacing": 0.28,
    "model__harmonics": [1357.0],
    "model__band": 1,
    "model__wavevector": "edge",
}
DOT = {
    "model__cells": 64,
    "model__coarse_points": 32,
    "model__confinement": {"kind": "well", "depth": 100.0, "width": 2.0},
    "initial__packets": [{"centre": -1.0, "width": 1.5}],
}
MEETING = {
    "model__cells": 16,
    "model__coarse_points": 16,
    "model__particles": 2,
    "model__statistics": "symmetric",
    "model__interaction": {"kind": "soft_coulomb", "strength": 1.0, "softening": 2.0},
    "initial__packets": [{"centre": -2.0, "width": 1.5}, {"centre": 2.0, "width": 1.5}],
}


@pytest.mark.parametrize("made", [
    pytest.param(data(**TRAPPED, observables=[*MEASURED, "region_work"]), id="oscillator", marks=pytest.mark.slow),
    pytest.param(data(**TUNNEL, observables=[*MEASURED, "bias_current"]), id="barriers", marks=pytest.mark.slow),
    pytest.param(data(**PLANE, **SLITS, observables=["norm", *MEASURED]), id="plane", marks=pytest.mark.slow),
    pytest.param(two_scale(**ATOMS, **DOT, methods=["fine", "cgwe2", "dirac"]), id="dot", marks=pytest.mark.slow),
    pytest.param(two_scale(**MEETING, methods=["fine", "cgwe2"]), id="pair", marks=pytest.mark.slow),
    pytest.param(two_scale("ribbon", methods=["fine", "dirac"]), id="ribbon", marks=pytest.mark.slow),
])  # fmt: skip
def test_single_precision_follows_double(tmp_path, made):
    found = {}
    for precision in ("double", "single"):
        with runtime.restored():
            experiment = parse(made | {"precision": precision, "time": SHORT})
            folder = RunFolder(tmp_path / identity(experiment))
            assert run(experiment, folder, quiet=True)["state"] == "finished"
            found[precision] = store.read(folder.results)
    assert jax.config.jax_enable_x64
    for label, double in found["double"].items():
        single = found["single"][label]
        assert single["energy"].dtype == np.float32
        for name in COMPARED & set(double.data_vars):
            largest = max(np.abs(double[name].values).max(), 0.1)
            np.testing.assert_allclose(single[name], double[name], atol=2e-4 * largest, err_msg=f"{label} {name}")
