"""Every test runs in double precision, with shapes and types of the package checked at run time."""

import gc

import jax
import pytest
from jaxtyping import install_import_hook

from qnano import runtime

runtime.start("double")
hook = install_import_hook("qnano", "beartype.beartype")


@pytest.fixture(scope="module", autouse=True)
def _nothing_compiled_is_kept():
    """Programs of one module are of no use to the next; kept, they would fill the memory and slow the collector down."""
    yield
    jax.clear_caches()
    gc.collect()
    gc.freeze()
