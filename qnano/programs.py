"""Compiled programs, kept on disk from one process to the next.

XLA takes seconds for what then runs in milliseconds; a program that was compiled once is read back in some hundredths of a second.
The folder is QNANO_CACHE, or the cache folder of the user; QNANO_CACHE=off keeps nothing. In it, programs lie apart by releases of
JAX and features of the CPU, since a home folder may be shared by machines of which one cannot run what another compiled; JAX tells
apart all the rest. Beyond `LARGEST` bytes those that were not used for longest are removed. Several processes may share the folder.
"""

import hashlib
import logging
import os
import platform
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

VARIABLE = "QNANO_CACHE"
LARGEST = 2**30


def folder() -> Path | None:
    """Where programs are kept; None where the user wants none to be kept."""
    named = os.environ.get(VARIABLE)
    if named is not None and named.strip().lower() in ("", "0", "off", "none"):
        return None
    root = Path(os.path.expanduser(named)) if named else user_cache_path("qnano", appauthor=False)
    return root / "programs" / _machine()


def keep() -> Path | None:
    """From now on keep what is compiled, and return where; None where nothing is kept.

    A folder that the user has given to JAX itself stays. One that cannot be written to is no fault: then nothing is kept.
    """
    import jax

    config: Any = jax.config  # whose flags no type checker knows
    if config.jax_compilation_cache_dir is not None:
        return Path(config.jax_compilation_cache_dir)
    if (place := folder()) is None:
        return None
    try:
        place.mkdir(parents=True, exist_ok=True)
        if not os.access(place, os.W_OK | os.X_OK):
            return None
    except OSError:
        return None
    if config.jax_logging_level in (None, "NOTSET"):
        # XLA tells its preferences as if they were features of the CPU, and then complains, at length, that the CPU has none such.
        config.update("jax_logging_level", "CRITICAL")
        logging.getLogger("jax").setLevel(logging.NOTSET)  # what JAX itself says stays
    # What cannot be read or written, since a disk is full or a process was killed, is compiled again.
    warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation cache entry")
    config.update("jax_compilation_cache_dir", str(place))
    config.update("jax_compilation_cache_max_size", LARGEST)
    config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return place


def _machine() -> str:
    """What a compiled program depends on and JAX does not see, in twelve digits."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        features = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    except OSError:
        features = platform.processor()
    parts = (version("jax"), version("jaxlib"), platform.system(), platform.machine(), " ".join(sorted(features.split())))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
