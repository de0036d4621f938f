"""What JAX computes on; and where that is no GPU of NVIDIA's, why not, seen without starting anything."""

import ctypes
import logging
import os
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

CUDA = {13: 580, 12: 525}  # its releases that JAX has a plugin for, and the oldest driver that has each
SEE = 'python -c "import jax; jax.devices()" says more'


def in_use() -> str:
    """In a line, what JAX computes on, and why that is no GPU. Starts JAX."""
    import jax

    found = jax.devices()
    if found[0].platform == "cpu":
        return f"device: cpu; no GPU: {why_no_gpu(getattr(jax.config, 'jax_platforms', None))}"
    return f"device: {found[0].device_kind}" + (f" ({len(found)} of them)" if len(found) > 1 else "")


def hush() -> None:
    """Where a GPU cannot be used JAX logs a traceback or advice of its own, which `in_use` says in a line."""
    logging.getLogger("jax._src.xla_bridge").setLevel(logging.CRITICAL)


def why_no_gpu(platforms: str | None = None) -> str:
    """Why JAX has no GPU, given the platforms that it was told to use (JAX_PLATFORMS), if any."""
    if platforms and not {"cuda", "gpu"} & set(platforms.split(",")):
        return f"JAX_PLATFORMS={platforms} leaves it out"
    plugin = next((release for release in CUDA if _installed(f"jax-cuda{release}-plugin")), None)
    there = driver()
    if plugin is None:
        release = next((release for release in CUDA if there is None or there >= release), min(CUDA))
        return f"no plugin is installed; the extra cuda{release} brings it (drivers from {CUDA[release]} on)"
    if there is None:
        return f"jax-cuda{plugin}-plugin is installed, but no driver of NVIDIA's"
    if there < plugin:
        other = f", or the extra cuda{there}" if there in CUDA else ""
        return f"the driver has CUDA {there}; jax-cuda{plugin}-plugin needs a driver from {CUDA[plugin]} on{other}"
    if os.environ.get("CUDA_VISIBLE_DEVICES", "all").strip() in ("", "-1", "NoDevFiles"):
        return f"CUDA_VISIBLE_DEVICES={os.environ['CUDA_VISIBLE_DEVICES']} hides it"
    return f"jax-cuda{plugin}-plugin and a driver are installed, but do not start; {SEE}"


def driver() -> int | None:
    """The release of CUDA that NVIDIA's driver has, such as 13; None where there is no driver."""
    found = ctypes.c_int()
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(found))
    return found.value // 1000 or None


def _installed(package: str) -> bool:
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False
