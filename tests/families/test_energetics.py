"""Local energies asked for in a config: their audit, integrals across the stretches of a run, figures, refusals."""

import numpy as np
import pytest
from matplotlib.image import imread

from qnano.energetics.lattice import boundary
from qnano.errors import InputError
from qnano.families.hubbard.figures import MAPS
from qnano.families.hubbard.observables import AUDIT, BUDGET, ENERGETICS
from qnano.families.local_energy import Measured, local_energy
from qnano.storage import store
from qnano.storage.folder import RunFolder
from qnano.tasks.dynamics import report
from qnano.tasks.dynamics import run as module
from qnano.tasks.loading import identity, parse
from tests.config.examples import data, experiment


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A tilted chain of four sites under a pulse, in the exact method and in TD2RDM without contraction consistency."""
    chosen = experiment(
        model__potential={"kind": "linear", "slope": 0.3},
        initial={"kind": "ground_state"},
        drive={"kind": "pulse", "coupling": "dipole", "amplitude": 0.6, "frequency": 2.0, "centre": 1.0, "width": 0.4},
        methods=["exact", {"kind": "td2rdm", "solver": {"kind": "dopri8"}}],
        observables=[*ENERGETICS[:-1], *BUDGET],
    )
    folder = RunFolder(tmp_path_factory.mktemp("run") / identity(chosen))
    module.run(chosen, folder, quiet=True)
    return chosen, folder


@pytest.mark.slow
def test_whoever_asks_for_local_energies_gets_their_audit(ran):
    chosen, folder = ran
    assert chosen.observables == (*ENERGETICS[:-1], *BUDGET, AUDIT)
    assert AUDIT not in experiment(observables=["density"]).observables
    methods = folder.read_summary()["methods"]
    assert methods["exact"]["largest_residual"] < 1e-13
    assert methods["td2rdm"]["largest_residual"] > 1e-3
    assert [table.title for table in report.tables(folder)][-1] == "local energy balance"


@pytest.mark.slow
def test_integrals_go_on_across_the_stretches_of_a_run(ran):
    """Every half of the chain has its budget at every row, though each stretch integrates from zero."""
    chosen, folder = ran
    found = store.read(folder.results)["exact"]
    bonds = chosen.model.lattice.geometry.bond_array
    assert len(module.stretches(chosen.time.samples)) > 5
    for region in (np.array([1, 1, 0, 0], bool), np.array([0, 0, 1, 1], bool), np.array([0, 1, 0, 0], bool)):
        gained = (found["site_energy"].values - found["site_energy"].values[0]) @ region
        came = found["energy_transport"].values @ boundary(bonds, region)
        parts = (found["site_work"].values + found["interaction_transfer"].values) @ region + came
        np.testing.assert_allclose(gained, parts, atol=1e-8)
    assert np.abs(found["site_work"].values[-1]).max() > 1e-2


@pytest.mark.slow
def test_the_figures_of_local_energies_are_drawn(ran):
    _, folder = ran
    names = {path.name: path for path in report.draw(folder)}
    for name in ("local_energy.png", "energy_budget.png", "energy_flow.png"):
        height, width, _ = imread(names[name]).shape
        assert 500 < height < 2500 and 1000 < width < 2500, name


@pytest.mark.slow
def test_maps_have_symmetric_scales_and_a_residual_under_each(ran):
    _, folder = ran
    found = store.read(folder.results)
    figure = local_energy([Measured(name, found[name]) for name in found], MAPS, AUDIT)
    maps = [mesh for axis in figure.axes for mesh in axis.collections if mesh.get_array() is not None and axis.get_lines() == []]
    assert all(mesh.norm.vmin == -mesh.norm.vmax for mesh in maps if mesh.norm.vmin is not None and mesh.norm.vmin < 0)
    curves = [axis.get_lines()[0].get_ydata() for axis in figure.axes if axis.get_yscale() == "log" and axis.get_lines()]
    assert len(maps) >= 8 == len(curves)  # the bars beside the maps are meshes too
    for exact, approximate in zip(curves[::2], curves[1::2], strict=True):
        assert exact.max() < 1e-13 < approximate.max()


def test_only_the_exact_method_has_neighbour_interactions():
    with pytest.raises(InputError, match=r"methods\.1: td2rdm has no model\.neighbour_interaction; only exact has"):
        parse(data(model__neighbour_interaction=0.5))
    with pytest.raises(InputError, match=r"model\.neighbour_interaction: got 2 values; must be 3 \(the number of bonds\)"):
        parse(data(model__neighbour_interaction=[0.5, 0.5], methods=["exact"]))
    assert experiment(model__neighbour_interaction=[0.5, 0.4, 0.3], methods=["exact"]).model.neighbour_interaction == (
        0.5,
        0.4,
        0.3,
    )
