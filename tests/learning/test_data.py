"""Exact trajectories: what they are, their seeds, and the way to disk and back."""

import json
from dataclasses import asdict

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from qnano import lattice, runtime
from qnano.errors import InputError
from qnano.learning import dataset
from qnano.learning.data import FAMILIES, quenches
from tests.hubbard.systems import quench
from tests.learning.systems import some


def test_they_are_the_exact_motion():
    data = some()
    assert len(data) == 5 and data.psi.shape == (5, 21, 6, 6)
    np.testing.assert_allclose(jnp.sum(jnp.abs(data.psi) ** 2, axis=(2, 3)), 1, atol=1e-10)
    _, start = quench(4, 2.0, 0.3)
    overlap = abs(jnp.vdot(start.psi, data.psi[1, 0]))
    np.testing.assert_allclose(overlap, 1, atol=1e-10)
    np.testing.assert_allclose(data.interaction, [1, 2, 1, 2, 1])


def test_selections():
    data = some()
    traps = data.where([family == "trap" for family in data.family])
    assert traps.family == ("trap",) * 4 and traps.psi.shape[0] == 4
    late = data.between(1.0, 2.0)
    np.testing.assert_allclose(late.times, np.linspace(1.0, 2.0, 11))
    np.testing.assert_array_equal(late.psi, data.psi[:, 10:])


def test_seeds():
    chain = lattice.chain(4)

    def draw(seed):
        return quenches(chain, "random", (1.0, 1.0), (1.0,), seed)

    assert draw(0) == draw(0) != draw(1)
    assert draw(0)[0].potential != draw(0)[1].potential
    assert {quenches(chain, name, (1.0,), (1.0,))[0].family for name in FAMILIES} == set(FAMILIES)
    with pytest.raises(ValueError, match="family: got 'step'"):
        quenches(chain, "step", (1.0,), (1.0,))


def test_to_disk_and_back(tmp_path):
    data, path = some(), tmp_path / "data.zarr"
    dataset.save(path, data)
    found = dataset.load(path)
    assert found.family == data.family and found.lattice == data.lattice and found.electrons == data.electrons
    for name in ("psi", "times", "strength", "interaction"):
        np.testing.assert_array_equal(getattr(found, name), getattr(data, name))
    with xr.open_dataset(path, group="trajectories", engine="zarr") as seen:
        assert seen["psi"].dims == ("trajectory", "time", "up", "down")
    with pytest.raises(InputError, match="exists"):
        dataset.save(path, data)
    assert [child.name for child in tmp_path.iterdir()] == ["data.zarr"]


def test_another_system_than_was_written_is_seen(tmp_path):
    """A chain that became a ring has as many sites: its wavefunctions would be believed."""
    data, path = some(samples=3), tmp_path / "data.zarr"
    dataset.save(path, data)
    about = json.loads((path / "zarr.json").read_text())
    ring = asdict(lattice.chain(data.lattice.sites, True))
    (path / "zarr.json").write_text(json.dumps(about | {"attributes": about["attributes"] | {"lattice": ring}}))
    with pytest.raises(InputError, match=r"data.zarr: cannot be used: its lattice, electrons, family are not what was written"):
        dataset.load(path)


def test_data_in_single_precision_are_none_for_double(tmp_path):
    data, path = some(samples=3), tmp_path / "data.zarr"
    dataset.save(path, eqx.tree_at(lambda data: data.psi, data, data.psi.astype(jnp.complex64)))
    with pytest.raises(InputError, match=r"data.zarr: cannot be used: psi is in single precision; must be in double"):
        dataset.load(path)
    with runtime.restored():
        runtime.start("single")
        found = dataset.load(path)
    assert found.psi.dtype == jnp.complex64
    np.testing.assert_allclose(found.psi, data.psi, atol=1e-6)


def test_what_does_not_fit_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not there"):
        dataset.load(tmp_path / "nothing.zarr")
    cut = some().between(0.0, 1.0)
    broken = tmp_path / "broken.zarr"
    dataset.save(broken, eqx.tree_at(lambda data: data.psi, cut, cut.psi[..., :4, :4]))
    with pytest.raises(InputError, match=r"psi: got .*must have shape \(5, 11, 6, 6\), not \(5, 11, 4, 4\)"):
        dataset.load(broken)
