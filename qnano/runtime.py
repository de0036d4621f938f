"""How JAX is started: precision, and a refusal of the releases that are known to be broken."""

from contextlib import suppress
from importlib.metadata import version

BROKEN_JAX = {
    "0.10.2": "computes wrong numbers on CPU without a word",
    "0.11.0": "crashes on contractions of high rank",
}


def refuse_broken_jax(installed: str | None = None) -> None:
    """Raise `ImportError` in one line if the installed release of JAX (or the one given) is one of `BROKEN_JAX`."""
    release = installed or version("jax")
    if release in BROKEN_JAX:
        raise ImportError(f"jax {release} {BROKEN_JAX[release]}: install another release, 0.10.1 or newer than 0.11.0")


def start(precision: str = "double", cpu_devices: int = 1) -> None:
    """Set JAX's precision, "double" (float64, complex128) or "single", for the whole process. `import qnano` never does.

    A CPU counts as `cpu_devices` devices, if JAX has not yet looked; with one for each core, a sweep computes on all of them.
    """
    refuse_broken_jax()
    if precision not in ("double", "single"):
        raise ValueError(f"precision: got {precision!r}; must be 'double' or 'single'")
    import jax

    jax.config.update("jax_enable_x64", precision == "double")
    if cpu_devices > 1:
        with suppress(RuntimeError):  # JAX has looked already
            jax.config.update("jax_num_cpu_devices", cpu_devices)
