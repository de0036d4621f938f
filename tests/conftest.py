"""Every test runs in double precision, with shapes and types of the package checked at run time."""

from jaxtyping import install_import_hook

from qnano import runtime

runtime.start("double")
hook = install_import_hook("qnano", "beartype.beartype")
