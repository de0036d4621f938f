"""Every test runs in double precision, with shapes and types of the package checked at run time, and as the command line runs.

What is compiled is kept on disk, for the other workers and the next time.
"""

import gc
import os

os.environ.setdefault("EQX_ON_ERROR", "nan")  # read by Equinox when it is imported; see `qnano.cli`

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
