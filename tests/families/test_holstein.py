"""Holstein runs from a config: the published quench, its derivatives, an ensemble by seeds, figures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano.holstein.ground_state import thermal_state
from qnano.storage import store
from qnano.storage.folder import RunFolder
from qnano.tasks.dynamics import report
from qnano.tasks.dynamics.run import run
from qnano.tasks.gradient import run as gradient
from qnano.tasks.loading import identity, parse
from qnano.tasks.sweep import run as sweep
from tests.config.test_holstein import data
from tests.holstein.systems import ring

MAPS = ["charge_order", "lattice_order", "displacement", "site_density"]


def finished(tmp_path, job, **changes):
    experiment = parse(data(**changes))
    folder = RunFolder(tmp_path / identity(experiment))
    summary = job(experiment, folder, quiet=True)
    assert summary["state"] == "finished"
    return store.read(folder.results), folder


@pytest.mark.slow
def test_both_forms_of_the_published_quench(tmp_path):
    """32 sites, g = 0.5 -> 0.8, at t = 6.4 and 12.8."""
    changes = {"model__lattice__sites": 32, "initial__noise": 0.0, "time": {"end": 12.8, "samples": 3}, "observables": MAPS}
    changes["solver"] = {"kind": "blanes_moan", "order": 4, "dt": 0.16}
    results, folder = finished(tmp_path, run, methods=["orbitals", "density_matrix"], **changes)
    for group in results.values():
        np.testing.assert_allclose(group["charge_order"], [0.04509805, 0.08397315, 0.14744062], atol=3e-6)
        np.testing.assert_allclose(group["lattice_order"], [0.06013073, 0.14808270, 0.34145174], atol=3e-6)
    assert "lattice.png" in [path.name for path in report.draw(folder)]


@pytest.mark.slow
def test_a_torus_is_drawn(tmp_path):
    torus = {"kind": "rectangle", "columns": 4, "rows": 4, "periodic": True}
    _, folder = finished(tmp_path, run, model__lattice=torus, observables=MAPS, time={"end": 1.0, "samples": 3})
    assert "lattice.png" in [path.name for path in report.draw(folder)]


@pytest.mark.slow
def test_a_sweep_over_seeds_is_an_ensemble(tmp_path):
    (group,) = finished(tmp_path, sweep.run, sweep={"seed": [0, 1, 2]}, initial__noise=0.1)[0].values()
    assert group["lattice_order"].dims == ("seed", "time")
    assert group["lattice_order"][:, 0].values.std() > 1e-3


@pytest.mark.slow
def test_derivatives_of_the_published_quench(tmp_path):
    """Published central differences by the coupling; those by the frequency, which moves the start too, by our own."""
    wanted = {"of": "charge_order[time=12.8]", "wrt": ["model.coupling", "model.frequency"], "check": True}
    changes = {"model__lattice__sites": 32, "initial__noise": 0.0, "time": {"end": 12.8, "samples": 3}, "task": "gradient"}
    (group,) = finished(tmp_path, gradient.run, gradient=wanted, solver={"kind": "strang", "dt": 0.04}, **changes)[0].values()
    np.testing.assert_allclose(group["charge_order"][0], 0.586868, atol=1e-3)
    np.testing.assert_allclose(group["charge_order"], group["central_difference"], rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [None, 0.1])
def test_starts_are_differentiable_at_degenerate_levels(temperature):
    """A uniform ring has pairs of equal levels; derivatives of its density matrix by g, K, eta and kT, in both modes."""

    def density(x):
        state = thermal_state(ring(8, x[0], frequency=x[1], eta=x[2]), temperature=None if temperature is None else x[3])
        return (state.electrons.T @ state.electrons.conj()).real

    point, value = jnp.array([0.9, 0.3, 0.8, 0.1]), jax.jit(density)
    slopes = jax.jit(jax.jacfwd(density))(point)
    for k, step in enumerate(1e-5 * jnp.eye(4)):
        np.testing.assert_allclose(slopes[..., k], (value(point + step) - value(point - step)) / 2e-5, atol=1e-7)
    weights = jnp.arange(64.0).reshape(8, 8)
    reverse = jax.jit(jax.grad(lambda x: jnp.sum(weights * density(x))))(point)
    np.testing.assert_allclose(reverse, jnp.tensordot(weights, slopes, axes=2), atol=1e-9)
