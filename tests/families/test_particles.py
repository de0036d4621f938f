"""Particles on a grid from a config: reference numbers, budgets, sweeps, gradients, figures."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from qnano.errors import InputError
from qnano.families.build import build
from qnano.storage import store
from qnano.storage.folder import RunFolder
from qnano.tasks.dynamics import report
from qnano.tasks.dynamics.report import tables
from qnano.tasks.dynamics.run import run
from qnano.tasks.gradient import run as gradient
from qnano.tasks.loading import identity, parse
from qnano.tasks.sweep import run as sweep
from tests.config.test_particles import data

OSCILLATOR = {
    "model__charge": -1.0,
    "model__regions": {"middle": {"low": -1.25, "high": 2.5}, "everything": {"low": -10.0, "high": 10.0}},
    "initial": {"kind": "eigenstates", "coefficients": [1.0, "0.5+0.8660254037844386j"]},
    "drive": {"kind": "oscillation", "amplitude": 0.1, "frequency": 0.4},
    "solver": {"kind": "blanes_moan", "order": 6, "dt": 0.06},
    "time": {"end": 10.0, "samples": 11},
}


def finished(tmp_path, job, **changes):
    experiment = parse(data(**changes))
    folder = RunFolder(tmp_path / identity(experiment))
    summary = job(experiment, folder, quiet=True)
    assert summary["state"] == "finished"
    return store.read(folder.results)["wave"], folder


def gap(found):
    """What the budgets of the regions do not explain."""
    parts = [name for name in ("region_work", "region_transport", "region_transfer", "region_absorbed") if name in found]
    return np.abs(found["region_energy"] - found["region_energy"][0] - sum(found[name] for name in parts)).max()


@pytest.fixture(scope="module")
def oscillator(tmp_path_factory):
    names = ["internal_energy", "work", "power", "region_energy", "region_power", "region_outflow", "region_convective"]
    names += ["region_quantum", "region_work", "region_transport", "region_probability"]
    densities = ["particle_density", "particle_current", "energy_density", "energy_flux", "power_density", "quantum_density"]
    return finished(tmp_path_factory.mktemp("run"), run, **OSCILLATOR, observables=[*names, *densities])


@pytest.mark.slow
def test_a_driven_oscillator_as_in_closed_form(oscillator):
    """Energies, work, powers, flux and hydrodynamic parts of the reference table, and its local values, at t = 10."""
    found = oscillator[0].sel(time=10.0)
    middle, everything = found.sel(region="middle"), found.sel(region="everything")
    totals = [found[name] for name in ("internal_energy", "work", "power")]
    np.testing.assert_allclose(totals, [0.5467677058, 0.0467677058, 0.03653472], atol=2e-9)
    quotients = [everything["region_convective"], everything["region_quantum"]]  # which need a finer grid near nodes
    np.testing.assert_allclose(quotients, [0.2114387548, 0.1290428738], atol=1e-6)
    parts = [middle[name] for name in ("region_energy", "region_power", "region_outflow")]
    np.testing.assert_allclose(parts, [0.4164558686, 0.032738823, 0.0699106827], atol=2e-9)
    table = {
        0.0: [0.4081042292, 0.1642377352, 0.1755594132, 0.0981668413, 0.0107352948, 0.1425114420],
        1.25: [0.1476088968, 0.1705165112, 0.0857986241, 0.1436271404, 0.0111457030, -0.0415208324],
    }
    names = ("particle_density", "particle_current", "energy_density", "energy_flux", "power_density", "quantum_density")
    for x, expected in table.items():
        here = found.sel(x=x)
        np.testing.assert_allclose([here[name].values.item() for name in names], expected, atol=2e-9)


@pytest.mark.slow
def test_orderings_and_partitions():
    """The reference table at t = 0; over all space orderings agree, and partitions differ by the energies that they leave out."""
    kinds = [{"kind": "wave", "label": "gradient", "ordering": 0.0}, "wave"]
    kinds += [{"kind": "wave", "label": partition, "partition": partition} for partition in ("kinetic", "total")]
    built = {method.label: method for method in build(parse(data(**OSCILLATOR, methods=kinds)))}
    measured = {label: method.dynamics.observe(jnp.zeros(()), method.state) for label, method in built.items()}
    energy = {label: np.asarray(found["region_energy"]()) for label, found in measured.items()}
    np.testing.assert_allclose([energy["gradient"][0], energy["wave"][0]], [0.3398299926, 0.3833009362], atol=1e-9)
    outflow = [measured[label]["region_outflow"]()[0] for label in ("gradient", "wave")]
    np.testing.assert_allclose(outflow, [-0.0369097973, -0.0357496986], atol=1e-9)
    names = {"gradient": "internal_energy", "wave": "internal_energy", "kinetic": "kinetic_energy", "total": "energy"}
    for label, name in names.items():
        np.testing.assert_allclose(energy[label][1], measured["wave"][name](), atol=1e-9)


@pytest.mark.slow
def test_budgets_close_across_the_stretches_of_a_run(oscillator):
    found, folder = oscillator
    assert gap(found) < 1e-10
    np.testing.assert_allclose(found["region_work"].sel(region="everything"), found["work"], atol=1e-12)
    assert folder.read_summary()["methods"]["wave"]["largest_residual"] < 1e-8


@pytest.mark.slow
def test_figures_and_tables(oscillator):
    _, folder = oscillator
    drawn = {path.name for path in report.draw(folder)}
    plain = {"particle_current", "quantum_density", "region_power", "region_outflow", "region_convective", "region_quantum"}
    own = {"observables", "drift", "waves", "local_energy", "energy_budget"}
    assert drawn == {f"{name}.png" for name in own | plain}
    assert [table.title for table in tables(folder)][-2:] == ["local energy balance", "regime"]
    assert folder.read_summary()["regime"]["numbers"]["longest step, pi hbar / T_max"][0] == pytest.approx(0.0622, abs=1e-4)


@pytest.mark.slow
def test_the_work_of_a_field_by_its_amplitude(tmp_path):
    """Of all space as in closed form, of a region as by central differences."""
    wanted = {"of": "region_work[time=10.0]", "wrt": "drive.amplitude", "check": True}
    found, _ = finished(tmp_path, gradient.run, **OSCILLATOR, task="gradient", gradient=wanted)
    np.testing.assert_allclose(found["region_work"].sel(region="everything"), 2.0162756625, rtol=1e-8)
    np.testing.assert_allclose(found["region_work"], found["central_difference"], rtol=1e-8)


@pytest.mark.slow
def test_a_sweep_over_the_amplitude(tmp_path):
    """W = a E^2 + b E, of one program; budgets close at every point."""
    names = ["work", "region_energy", "region_work", "region_transport"]
    amplitudes = np.array([0.1, 0.2, -0.3])
    changes = {"sweep": {"drive.amplitude": amplitudes.tolist()}, "observables": names, "time": {"end": 10.0, "samples": 2}}
    found, folder = finished(tmp_path, sweep.run, **OSCILLATOR | changes)
    expected = 15.4859860452 * amplitudes**2 - 1.0809215465 * amplitudes
    np.testing.assert_allclose(found["work"][:, -1], expected, atol=1e-8)
    gained = found["region_energy"][:, -1] - found["region_energy"][:, 0]
    np.testing.assert_allclose(gained, (found["region_work"] + found["region_transport"])[:, -1], atol=1e-9)
    assert folder.read_summary()["methods"]["wave"]["compilations"] == 1


@pytest.mark.slow
def test_two_fermions_follow_kohn(tmp_path):
    """In a harmonic well the interaction does not move their middle; half of a region's energy budget is theirs to pass on."""
    changes = {
        "model__lengths": [20.0],
        "model__points": [48],
        "model__particles": 2,
        "model__statistics": "antisymmetric",
        "model__interaction": {"kind": "soft_coulomb", "strength": 1.0, "softening": 1.0},
        "model__regions": {"left": {"low": -10.0, "high": 0.3}},
        "initial__packets": [{"centre": -1.2, "width": 0.9}, {"centre": 1.2, "width": 0.9}],
        "drive": {"kind": "pulse", "coupling": "dipole", "amplitude": 0.4, "frequency": 0.6, "centre": 2.0, "width": 1.0},
        "solver": {"kind": "blanes_moan", "order": 6, "dt": 0.1},
        "time": {"end": 5.0, "samples": 2},
        "observables": ["position", "region_energy", "region_work", "region_transport", "region_transfer"],
    }
    found, _ = finished(tmp_path, run, **changes)
    force = lambda t: 0.4 * np.exp(-((t - 2) ** 2) / 2) * np.cos(0.6 * (t - 2))  # noqa: E731
    newton = solve_ivp(lambda t, y: [y[1], force(t) - 0.25 * y[0]], (0, 5), [0, 0], method="DOP853", rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found["position"][-1, 0], newton.y[0, -1], atol=1e-5)
    assert gap(found) < 1e-4 < 1e-3 < abs(found["region_transfer"][-1, 0])


@pytest.mark.slow
def test_a_plane_with_absorbing_edges(tmp_path):
    """What is lost is what was absorbed, of the norm and of the energy."""
    changes = {
        "model__lengths": [16.0, 12.0],
        "model__points": [40, 30],
        "model__potential": [{"kind": "gaussian", "height": 0.6, "width": 0.8}],
        "model__absorber": {"width": 4.0, "strength": 1.0},
        "model__regions": {
            "everything": {"low": [-8.0, -6.0], "high": [8.0, 6.0]},
            "behind": {"low": [0.5, -6.0], "high": [8.0, 6.0]},
        },
        "initial__packets": [{"centre": [-2.0, 0.0], "width": 0.75, "wavenumber": [1.5, 0.0]}],
        "time": {"end": 6.0, "samples": 4},
        "observables": ["particle_density", "norm", "region_probability", "region_energy", "region_transport", "region_absorbed"],
    }
    found, folder = finished(tmp_path, run, **changes)
    assert found["norm"][-1] < 0.5
    everything = found.sel(region="everything")
    np.testing.assert_allclose(everything["region_probability"], found["norm"], atol=1e-12)
    np.testing.assert_allclose(everything["region_transport"], 0, atol=1e-12)
    assert found["region_absorbed"][-1, 0] < -0.3
    assert gap(everything) < 1e-8
    assert gap(found) < 1e-4  # the absorber's second derivative jumps, which a grid resolves algebraically
    assert "waves.png" in {path.name for path in report.draw(folder)}


BARRIER = {
    "model": {
        "kind": "particles",
        "units": "physical",
        "lengths": [400.0],
        "points": [1024],
        "mass": 0.067,
        "charge": -1.0,
        "potential": [{"kind": "double_barrier", "height": 300.0, "thickness": 2.0, "well": 5.0, "edge": 0.5}],
        "regions": {"barriers": {"low": -4.4921875, "high": 4.4921875}},
    },
    "initial__packets": [{"centre": -60.0, "width": 12.0, "wavenumber": 0.4193493088}],
    "drive": {"kind": "bias", "amplitude": 50.0, "frequency": 0.0455780234, "phase": -np.pi / 2, "width": 9.0},
    "solver": {"kind": "blanes_moan", "order": 4, "dt": 0.05},
}


@pytest.mark.slow
def test_a_double_barrier_under_bias(tmp_path):
    """The reference table at t = 40 fs, on half of its points: energies, powers, current through the electrodes."""
    names = ["internal_energy", "work", "power", "bias_current", "region_energy", "region_power"]
    found, _ = finished(tmp_path, run, **BARRIER, time={"end": 40.0, "samples": 3}, observables=names)
    last = found.isel(time=-1).sel(region="barriers")
    got = [last[name] / 1e3 for name in ("internal_energy", "work", "power", "region_energy", "region_power")]
    np.testing.assert_allclose(got, [0.101436492, 4.489096e-4, 5.800425e-5, 7.505084e-4, 9.12444e-6], rtol=2e-3)
    voltage = 50.0 * np.sin(0.0455780234 * found["time"])
    np.testing.assert_allclose(found["power"], voltage * found["bias_current"], atol=1e-12)
    assert found["power"].attrs["units"] == "meV/fs" and found["time"].attrs["units"] == "fs"


def test_starts():
    """Imaginary time and the eigensolver find the same state, of the closed form; signs are those of the conventions."""
    (found,) = build(parse(data(initial={"kind": "eigenstates"})))
    (cooled,) = build(parse(data(initial={"kind": "relaxed", "step": 0.02, "steps": 1500, "width": 2.0})))
    x = np.asarray(found.dynamics.grid.coordinates[0])
    exact = (0.5 / np.pi) ** 0.25 * np.exp(-(x**2) / 4)
    np.testing.assert_allclose(found.state, exact, atol=1e-9)
    np.testing.assert_allclose(cooled.state, exact, atol=1e-5)
    (excited,) = build(parse(data(initial={"kind": "eigenstates", "coefficients": [0.0, 2.0]})))
    np.testing.assert_allclose(excited.state, x * exact, atol=1e-9)


def test_states_of_one_energy_are_refused():
    """The waves exp(+-2 pi i x / L) of an empty box: which mixture of them an eigensolver finds is chance."""
    empty = {"model__potential": [], "initial": {"kind": "eigenstates", "coefficients": [1.0, 0.5]}}
    with pytest.raises(InputError, match=r"initial.coefficients.1: got 0.5; states 1 and 2 have one energy, 0.0493"):
        build(parse(data(**empty)))


def test_imaginary_time_that_was_too_short_or_too_coarse_is_told():
    for step, steps in ((1e-3, 1), (5.0, 500)):
        with pytest.warns(UserWarning, match="not yet the ground state; take more steps, or a shorter one"):
            build(parse(data(initial={"kind": "relaxed", "step": step, "steps": steps, "width": 3.0})))


def test_eigenstates_are_not_differentiated(tmp_path):
    changes = {"initial": {"kind": "eigenstates"}, "task": "gradient"}
    wanted = {"of": "energy[time=2.0]", "wrt": "model.potential.0.strength"}
    with pytest.raises(InputError, match=r"initial.kind: got eigenstates; cannot be differentiated by the model; use relaxed"):
        finished(tmp_path, gradient.run, **changes, gradient=wanted)
