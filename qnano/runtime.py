"""How JAX is started: precision, and a refusal of the releases that are known to be broken."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version

from qnano import devices, programs
from qnano.border import complaint
from qnano.errors import InputError

BROKEN_JAX = {
    "0.10.2": "computes wrong numbers on CPU without a word",
    "0.11.0": "crashes on contractions of high rank",
}


def refuse_broken_jax(installed: str | None = None) -> None:
    """Raise `ImportError` in one line if the installed release of JAX (or the one given) is one of `BROKEN_JAX`."""
    release = installed or version("jax")
    if release in BROKEN_JAX:
        raise ImportError(f"jax {release} {BROKEN_JAX[release]}: install another release, 0.10.1 or newer than 0.11.0")


def cores() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory() -> int | float:
    """Bytes that this machine has; infinity where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError):
        return float("inf")


_told = False


def tell_precision() -> None:
    """Warn once where numbers are single because nobody has said anything, which is how JAX starts."""
    global _told
    import jax.numpy as jnp

    if not _told and jnp.result_type(float) != jnp.float64:
        _told = True
        text = 'JAX computes in single precision; call qnano.runtime.start() for double, or runtime.start("single") to say so'
        warnings.warn(text, stacklevel=3)


@contextmanager
def restored() -> Iterator[None]:
    """Afterwards JAX's precision is again what it was before."""
    import jax
    import jax.numpy as jnp

    before = jnp.result_type(float) == jnp.float64
    products = getattr(jax.config, "jax_default_matmul_precision", None)
    try:
        yield
    finally:
        _set(before)
        jax.config.update("jax_default_matmul_precision", products)


@contextmanager
def on_cpu() -> Iterator[None]:
    """Inside, what is computed is computed on a CPU: set-ups of many small steps, each of which an accelerator would compile."""
    import jax

    try:
        cpu = jax.local_devices(backend="cpu")[0]
    except RuntimeError:  # JAX_PLATFORMS leaves it out
        cpu = None
    with jax.default_device(cpu):
        yield


def _set(double: bool) -> None:
    """JAX's precision. What it remembers of arrays of NumPy has that of before, and would be mixed with the new."""
    import jax

    if (jax.dtypes.canonicalize_dtype(float) == jax.numpy.float64) != double:
        jax.config.update("jax_enable_x64", double)
        jax.clear_caches()


def start(precision: str = "double", cpu_devices: int = 1) -> None:
    """Set JAX's precision, "double" (float64, complex128) or "single", for the whole process, in matrix products too, and keep
    what it compiles on disk (`qnano.programs`). `import qnano` never does either.

    A CPU counts as `cpu_devices` devices, if JAX has not yet looked; with one for each core, a sweep computes on all of them.
    Raises `InputError` where JAX_PLATFORMS asks for what is not there.
    """
    global _told
    refuse_broken_jax()
    if precision not in ("double", "single"):
        raise ValueError(f"precision: got {precision!r}; must be 'double' or 'single'")
    import jax

    programs.keep()
    _set(precision == "double")
    # Left to itself a GPU rounds the factors of single products to eleven bits (TF32).
    jax.config.update("jax_default_matmul_precision", "highest")
    _told = True
    if cpu_devices > 1:
        with suppress(RuntimeError):  # JAX has looked already
            jax.config.update("jax_num_cpu_devices", cpu_devices)
    if (platforms := getattr(jax.config, "jax_platforms", None)) and platforms != "cpu":
        try:
            jax.devices()
        except (RuntimeError, AssertionError):  # the latter where JAX leaves a platform out without a word
            rule = "must name platforms that this machine and its JAX have, such as cpu"
            if {"cuda", "gpu"} & set(platforms.split(",")):
                rule += f"; no GPU: {devices.why_no_gpu(platforms)}"
            raise InputError(complaint("JAX_PLATFORMS", platforms, rule)) from None
