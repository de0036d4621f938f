"""The releases of JAX that are known to be broken, and one of the sums that one of them gets wrong."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano import runtime


@pytest.mark.parametrize("release", ["0.10.2", "0.11.0"])
def test_broken_releases_are_refused(release):
    with pytest.raises(ImportError, match=f"jax {release}"):
        runtime.refuse_broken_jax(release)


def test_sum_of_squares_over_many_rows():
    """jax 0.10.2 on CPU is off by 1e-2 here."""
    rng = np.random.default_rng(0)
    matrix, rows = rng.normal(size=(4, 4)), rng.normal(size=(16_385, 4))
    got = jax.jit(jax.vmap(lambda r: jnp.sum((matrix @ r) ** 2)))(rows)
    np.testing.assert_allclose(got, ((rows @ matrix.T) ** 2).sum(axis=1), rtol=1e-12)


def test_import_has_no_side_effect():
    code = "import qnano, sys; assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("platforms", ["cuda", "abacus"])
def test_a_platform_that_is_not_there_is_told_in_a_line(platforms):
    code = (
        "from qnano import runtime\nfrom qnano.errors import InputError\n"
        "try:\n    runtime.start()\nexcept InputError as error:\n    print(error)"
    )
    environment = os.environ | {"JAX_PLATFORMS": platforms, "QNANO_CACHE": "off", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"JAX_PLATFORMS: got '{platforms}'; must name platforms") and done.stdout.count("\n") == 1
    assert ("no GPU: " in done.stdout) == (platforms == "cuda")


def test_cores_where_the_system_does_not_tell(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert runtime.cores() == (os.cpu_count() or 1)


def test_unknown_precision():
    with pytest.raises(ValueError, match="precision: got 'half'"):
        runtime.start("half")
