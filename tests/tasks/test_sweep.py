"""Sweeps against single runs; points that fail; kills; devices; workers."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import psutil
import pytest
import xarray as xr

from qnano.errors import InputError
from qnano.families.build import build
from qnano.propagation import propagate
from qnano.storage.folder import RunFolder
from qnano.tasks.loading import identity, parse
from qnano.tasks.sweep import report as sweep_report
from qnano.tasks.sweep import run as sweep_module
from qnano.tasks.sweep import workers as engines
from qnano.tasks.sweep.batches import Batch, _dealt, signature
from qnano.tasks.sweep.engines import Workers
from qnano.tasks.sweep.places import experiment_at
from qnano.tasks.sweep.run import run
from tests.config import test_particles
from tests.config.examples import experiment

ROOT = Path(__file__).parents[2]
SIZES = {"model.lattice.sites": [4, 3], "model.electrons.up": [2, 1], "model.electrons.down": [2, 1]}
CONFIG = """
name: killed
model: {kind: fermi_hubbard, lattice: {kind: chain, sites: 4}, interaction: 2.0, electrons: {up: 2, down: 2}}
initial: {kind: ground_state, model: {potential: {kind: harmonic, strength: 0.5}}}
methods: [exact, mean_field]
time: {end: 4.0, samples: 21}
sweep: {model.interaction: {linspace: [0.5, 4.0, 24]}}
"""


def swept(tmp_path, sweep, **changes):
    chosen = experiment(sweep=sweep, **{"time": {"end": 2.0, "samples": 11}} | changes)
    return chosen, RunFolder(tmp_path / chosen.name / identity(chosen))


def results(folder, method):
    return xr.open_dataset(folder.results, group=method, engine="zarr").load()


def qnano(*arguments, devices=2, **more):
    compiled_once = {
        "JAX_COMPILATION_CACHE_DIR": str(more["cwd"].parent / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    devices_here = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | devices_here | compiled_once
    return subprocess.Popen([sys.executable, "-m", "qnano.cli", *arguments], env=environment, stdout=subprocess.DEVNULL, **more)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A sweep of size and interaction by two methods: its experiment, folder and summary."""
    sweep = {"zip": SIZES, "model.interaction": [1.0, 3.0, 5.0]}
    chosen, folder = swept(tmp_path_factory.mktemp("runs"), sweep, methods=["exact", "mean_field"])
    return chosen, folder, run(chosen, folder, quiet=True)


@pytest.mark.slow
def test_every_point_is_what_a_single_run_gives(finished):
    chosen, folder, _ = finished
    for k, method in enumerate(("exact", "mean_field")):
        found = results(folder, method)
        assert found["density"].dims == ("interaction", "sites", "time", "spin", "site")
        for place in ((0, 0), (2, 0), (1, 1)):
            single = build(experiment_at(chosen, place))[k]
            times = jnp.asarray(found["time"].values)
            settings = {"solver": single.solver, "observables": single.observables}
            alone = eqx.filter_jit(propagate)(single.dynamics, single.state, times, **settings)
            for name, values in alone.observables.items():
                stored = found[name].values[place]
                sites = alone.observables["density"].shape[-1]
                np.testing.assert_allclose(stored[..., :sites] if "site" in found[name].dims else stored, values, atol=1e-12)
        assert np.isnan(found["density"].values[:, 1, ..., 3]).all()  # the smaller system has no fourth site
        assert (found["status"] == 0).all() and found["stop_time"].isnull().all()


@pytest.mark.slow
def test_coordinates_are_the_swept_keys(finished):
    found = results(finished[1], "exact")
    assert found.sel(interaction=3.0, sites=4)["energy"].dims == ("time",)
    assert found["up"].dims == ("sites",) and found["up"].values.tolist() == [2, 1]
    assert set(found.coords) >= {"sites", "up", "down", "interaction", "time", "spin", "site"}


@pytest.mark.slow
def test_one_program_for_each_static_shape_and_none_for_each_point(finished, tmp_path):
    _, _, summary = finished
    assert [method["compilations"] for method in summary["methods"].values()] == [2, 2]
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, seconds, **_: compiled.append(event) if event.endswith("backend_compile_duration") else None
    )
    counts = []
    for interactions in ([1.0, 3.0], np.linspace(0.5, 4.0, 9).tolist()):
        chosen, folder = swept(tmp_path, {"model.interaction": interactions}, methods=["mean_field"])
        compiled.clear()
        run(chosen, folder, quiet=True)
        counts.append(len(compiled))
    assert counts[1] <= counts[0]


@pytest.mark.slow
def test_a_point_that_diverges_spoils_no_other(tmp_path):
    chosen, folder = swept(tmp_path, {"model.interaction": [0.5, 8.0, 1.0]}, methods=["td2rdm"], time={"end": 4.0, "samples": 9})
    summary = run(chosen, folder, quiet=True)
    found = results(folder, "td2rdm")
    assert found["status"].values.tolist() == [0, 1, 0]
    stop = float(found["stop_time"][1])
    assert 1.5 < stop < 3.0
    finite = np.isfinite(found["energy"].values)
    assert finite[0].all() and finite[2].all()
    np.testing.assert_array_equal(finite[1], found["time"].values <= stop)
    method = summary["methods"]["td2rdm"]
    assert method["failed"] == 1 and method["state"] == "finished"
    assert method["failures"][0]["point"] == "model.interaction = 8" and "largest element of D2" in method["failures"][0]["reason"]


@pytest.mark.slow
def test_a_point_without_an_initial_state_is_recorded(tmp_path):
    """Three electrons without interaction on a ring of four sites have several ground states."""
    ring = {"kind": "chain", "sites": 4, "periodic": True}
    chosen, folder = swept(
        tmp_path,
        {"model.interaction": [0.0, 2.0]},
        model__lattice=ring,
        model__electrons={"up": 2, "down": 2},
        initial={"kind": "ground_state"},
        methods=["exact"],
    )
    summary = run(chosen, folder, quiet=True)
    assert results(folder, "exact")["status"].values.tolist() == [4, 0]
    assert "degenerate" in summary["methods"]["exact"]["failures"][0]["reason"]


@pytest.mark.slow
def test_tables_and_figures(finished, tmp_path):
    assert [table.row_count for table in sweep_report.tables(finished[1])] == [2]
    assert [path.name for path in sweep_report.draw(finished[1])] == ["sweep.png"]
    for sweep in ({"model.interaction": [1.0, 8.0]}, {"draw": {"count": 3, "ranges": {"model.interaction": [1.0, 3.0]}}}):
        chosen, folder = swept(tmp_path, sweep, methods=["mean_field"])
        run(chosen, folder, quiet=True)
        assert sweep_report.draw(folder)[0].stat().st_size > 10_000


@pytest.mark.slow
def test_budgets_over_the_amplitude_of_a_pulse(tmp_path):
    """The work on all sites is the energy gained, at every point; the figure has its last value."""
    pulse = {"kind": "pulse", "coupling": "peierls", "amplitude": 0.5, "frequency": 2.5, "centre": 1.0, "width": 0.4}
    observables = ["site_energy", "site_work", "energy_transport", "interaction_transfer"]
    changes = {"drive": pulse, "methods": ["mean_field"], "observables": observables}
    chosen, folder = swept(tmp_path, {"drive.amplitude": [0.0, 0.3, 0.6]}, **changes)
    assert run(chosen, folder, quiet=True)["state"] == "finished"
    found = results(folder, "mean_field")
    gained = found["site_energy"] - found["site_energy"].isel(time=0)
    bonds = chosen.model.lattice.geometry.bonds
    into = np.array([[float(site == i) - float(site == j) for i, j in bonds] for site in range(4)])
    flows = np.einsum("sb,atb->ats", into, found["energy_transport"])
    np.testing.assert_allclose(gained, found["site_work"] + flows + found["interaction_transfer"], atol=1e-7)
    assert np.all(np.diff(found["site_work"].isel(time=-1).sum("site")) > 0)
    averages = sweep_report.time_averages({"mean_field": found}, chosen)
    (shown,) = (methods["mean_field"] for label, methods in averages.items() if label.startswith("energy delivered"))
    np.testing.assert_allclose(shown, found["site_work"].isel(time=-1).mean("site"))


@pytest.mark.slow
def test_a_sweep_that_is_there_is_not_run_again(finished):
    chosen, folder, summary = finished
    assert run(chosen, folder, quiet=True)["methods"] == summary["methods"]
    with pytest.raises(InputError, match="exists and is not a run"):
        run(experiment(sweep={"model.interaction": [1.0]}), folder, quiet=True)


def test_runs_are_dealt_out_evenly():
    assert _dealt(5, 8, 2).tolist() == [0, 2, 4, -1, 1, 3, -1, -1]


@pytest.mark.slow
def test_another_scheme_makes_another_program_and_other_numbers_do_not():
    """Each run has its own tolerance, though one program serves them all."""
    one, other, finer, different = (
        build(experiment(methods=["mean_field"], model__interaction=u, solver={"kind": kind, "rtol": rtol}))[0]
        for u, rtol, kind in ((1.0, 1e-6, "tsit5"), (2.0, 1e-6, "tsit5"), (1.0, 1e-8, "tsit5"), (1.0, 1e-6, "dopri5"))
    )
    assert signature(one) == signature(other) == signature(finer) != signature(different)
    methods = (one, other, finer)
    batch = Batch(one, jnp.linspace(0.0, 1.0, 5), at_most=3, watched=False)
    each = batch.collect(batch.launch(methods))
    for method, found in zip(methods, each, strict=True):
        alone = eqx.filter_jit(propagate)(
            method.dynamics, method.state, jnp.linspace(0.0, 1.0, 5), solver=method.solver, observables=("energy",)
        )
        np.testing.assert_allclose(found.observables["energy"], alone.observables["energy"], rtol=1e-12)


@pytest.mark.slow
def test_killed_sweeps_lose_nothing_and_end_bit_for_bit_alike(tmp_path):
    (tmp_path / "killed.yaml").write_text(CONFIG)
    kept = qnano("sweep", "killed.yaml", "--out", "whole", cwd=tmp_path)
    assert kept.wait() == 0
    done = []
    for wanted in (1, 12, 30):
        process = qnano("sweep", "killed.yaml", "--out", "cut", cwd=tmp_path, stderr=subprocess.DEVNULL)
        while process.poll() is None and _finished(tmp_path / "cut") < wanted:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
        done.append(_finished(tmp_path / "cut"))
    assert done == sorted(done) and 0 < done[0] < 48  # what was finished stays so
    assert qnano("sweep", "killed.yaml", "--out", "cut", "--resume", cwd=tmp_path).wait() == 0
    whole, cut = (next((tmp_path / out / "killed").iterdir()) / "results.zarr" for out in ("whole", "cut"))
    for method in ("exact", "mean_field"):
        one, other = (xr.open_dataset(path, group=method, engine="zarr").load() for path in (whole, cut))
        for name in one.variables:
            assert one[name].values.tobytes() == other[name].values.tobytes(), name


def _finished(out: Path) -> int:
    for summary in out.glob("killed/*/summary.json"):
        return sum(method["rows"] for method in json.loads(summary.read_text())["methods"].values())
    return 0


@pytest.mark.slow
def test_workers_compute_the_same(tmp_path):
    """Two real processes of Dask, on several sizes."""
    text = CONFIG.replace("{linspace: [0.5, 4.0, 24]}", "[1.0, 3.0, 5.0, 7.0]").replace("killed", "shared")
    (tmp_path / "shared.yaml").write_text(text)
    for out, engine in (("here", "local"), ("there", "workers")):
        process = qnano("sweep", "shared.yaml", "--out", out, "--engine", engine, cwd=tmp_path)
        assert process.wait() == 0
    here, there = (next((tmp_path / out / "shared").iterdir()) / "results.zarr" for out in ("here", "there"))
    for method in ("exact", "mean_field"):
        one, other = (xr.open_dataset(path, group=method, engine="zarr").load() for path in (here, there))
        xr.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-12)


@pytest.mark.slow
def test_workers_here_cannot_be_reached_from_elsewhere():
    """Scheduler, dashboard, workers and their nannies: whatever listens does so on this machine's own address alone."""
    this = psutil.Process()

    def listening():
        processes = (this, *this.children(recursive=True))
        return {link.laddr for one in processes for link in one.net_connections() if link.status == psutil.CONN_LISTEN}

    before = listening()
    with engines._cluster(Workers(workers=2)) as cluster:
        cluster.wait_for_workers(2)
        found, places = listening() - before, [urlsplit(place) for place in (cluster.dashboard_link, cluster.scheduler_address)]
    assert [place.hostname for place in places] == ["127.0.0.1", "127.0.0.1"]
    assert {place.port for place in places} <= {link.port for link in found}
    assert {link.ip for link in found} == {"127.0.0.1"} and len(found) >= 4


SHARDED = """
name: sharded
model: {kind: fermi_hubbard, lattice: {kind: chain, sites: 4}, interaction: 1.0, electrons: {up: 2, down: 2}}
initial: {kind: ground_state, model: {potential: {kind: harmonic, strength: 0.5}}}
methods: [{kind: td2rdm, closure: nakatsuji_yasuda_smooth, contraction_consistent: true}]
observables: [density, energy, rdm2]
time: {end: 2.0, samples: 9}
"""


@pytest.mark.slow
def test_one_state_over_four_devices(tmp_path):
    """D2 along its first index on four host devices, against one device."""
    (tmp_path / "sharded.yaml").write_text(SHARDED)
    for out, switch, devices in (("one", "false", 1), ("four", "true", 4)):
        command = ("run", "sharded.yaml", f"sharded={switch}", "--out", out)
        assert qnano(*command, devices=devices, cwd=tmp_path).wait() == 0
    one, four = (next((tmp_path / out / "sharded").iterdir()) / "results.zarr" for out in ("one", "four"))
    xr.testing.assert_allclose(*(xr.open_dataset(path, group="td2rdm", engine="zarr").load() for path in (one, four)), atol=1e-12)


def test_axes_have_the_unit_of_their_key(tmp_path):
    chosen, _ = swept(tmp_path, {"model.interaction": [1.0, 2.0], "seed": [0, 1]})
    coordinates = sweep_module._coordinates(chosen, {"site": 4})
    assert (coordinates["interaction"].units, coordinates["seed"].units) == ("J", "1")
    box = {"model__units": "physical", "sweep": {"model.mass": [0.067, 1.0], "model.potential.0.strength": [0.1, 0.2]}}
    particles = parse(test_particles.data(**box))
    coordinates = sweep_module._coordinates(particles, {"x": 64})
    assert (coordinates["mass"].units, coordinates["strength"].units) == ("m_e", "meV/nm^2")
    variables, _ = sweep_module._layout(particles, {"x": 64, "axis": 1})
    assert variables["stop_time"].units == "fs"
