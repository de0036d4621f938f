"""Weights on disk: every learner comes back, and is refused where it does not belong."""

import json

import equinox as eqx
import jax
import numpy as np
import pytest

from qnano import checkpoints, lattice, runtime
from qnano.errors import InputError
from qnano.hubbard.model import FermiHubbard
from qnano.learning import weights
from tests.learning.systems import BLACK_BOX, CLOSURES, SHARED, learner, some

ALL = CLOSURES | {"black_box": BLACK_BOX}
SIX = FermiHubbard(lattice.chain(6), (3, 3), interaction=1.0)


def saved(path, name):
    one = learner(ALL[name])
    weights.save(path, one, ALL[name], weights.system(some()), {"steps": 3})
    return one


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_there_and_back(tmp_path, name):
    path = tmp_path / "weights.eqx"
    one = saved(path, name)
    found, header = weights.load(path, FermiHubbard(lattice.chain(4), (2, 2), interaction=2.0))
    for x, y in zip(*(jax.tree.leaves(eqx.filter(z, eqx.is_array)) for z in (one, found)), strict=True):
        np.testing.assert_array_equal(x, y)
    assert header["training"] == {"steps": 3} and header["system"]["interactions"] == [1.0, 2.0]
    assert json.loads(path.read_bytes()[checkpoints.CHECKSUM :].split(b"\n")[0]) == header


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_size_transfer_and_its_refusal(tmp_path, name):
    path = tmp_path / "weights.eqx"
    saved(path, name)
    if name in SHARED:
        weights.load(path, SIX)[0].dynamics(SIX)
    else:
        with pytest.raises(InputError, match=r"does not fit: the .* learner was trained on 4 sites, the model has 6"):
            weights.load(path, SIX)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "model", "why"),
    [
        ("dense", FermiHubbard(lattice.chain(4), (1, 1), interaction=1.0), r"with \[2, 2\] electrons, the model has \[1, 1\]"),
        ("dense", FermiHubbard(lattice.chain(4, True), (2, 2), interaction=1.0), "other bonds"),
        ("black_box", FermiHubbard(lattice.chain(4), (2, 2), interaction=3.0), "knows only the Hamiltonian .* U = 1, 2"),
    ],
)
def test_misfits(tmp_path, name, model, why):
    path = tmp_path / "weights.eqx"
    saved(path, name)
    with pytest.raises(InputError, match=why) as error:
        weights.load(path, model)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(("first", "second"), [("single", "double"), ("double", "single")])
def test_weights_of_another_precision(tmp_path, first, second):
    """Are taken into that of the run: exactly, or rounded to it."""
    path, seen = tmp_path / "weights.eqx", weights.system(some())
    with runtime.restored():
        runtime.start(first)
        one = learner(CLOSURES["dense"])
        weights.save(path, one, CLOSURES["dense"], seen)
        runtime.start(second)
        found, _ = weights.load(path)
        fresh = learner(CLOSURES["dense"])
    wanted, got, like = (jax.tree.leaves(eqx.filter(tree, eqx.is_inexact_array)) for tree in (one, found, fresh))
    assert wanted
    for old, new, made in zip(wanted, got, like, strict=True):
        assert new.dtype == made.dtype != old.dtype
        np.testing.assert_array_equal(np.asarray(new), np.asarray(old).astype(made.dtype))


def test_files_that_are_none(tmp_path):
    path = tmp_path / "weights.eqx"
    with pytest.raises(InputError, match="cannot be read: No such file"):
        weights.load(path)
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="is damaged, or no file of weights"):
        weights.load(path)
    checkpoints.write(path, {"format": 99}, None)
    with pytest.raises(InputError, match="format 99"):
        weights.load(path)
    checkpoints.write(
        path,
        {"format": 1, "learner": CLOSURES["dense"] | {"width": 5}, "system": weights.system(some())},
        learner(CLOSURES["dense"]),
    )
    with pytest.raises(InputError, match="holds other arrays"):
        weights.load(path)


def test_weights_of_an_earlier_equation_are_refused(tmp_path):
    """A number that damped another equation of motion says nothing of this one."""
    path, header = tmp_path / "weights.eqx", {"format": 1, "learner": {"kind": "three_body"}, "system": weights.system(some())}
    checkpoints.write(path, header, [np.ones(()), np.ones(()), np.zeros(())])
    with pytest.raises(
        InputError, match="its weights belong to another equation of motion than three_body has now; train it again"
    ):
        weights.load(path)
    checkpoints.write(path, header | {"edition": 2}, weights.make({"kind": "three_body"}, 4))
    weights.load(path)


@pytest.mark.parametrize(
    ("settings", "message"), [({"kind": "deep"}, "kind: got 'deep'"), ({"kind": "dense", "base": "x"}, "base: got 'x'")]
)
def test_unknown_names(settings, message):
    with pytest.raises(ValueError, match=message):
        weights.make(settings, 4)
