"""What the main programs ask of an H100 and an H200, compiled for them without a device, and counted (`hlo.py`).

    pip install -e ".[gpu-plan]" && python scripts/gpu_plan.py [--only REGEX] [--cards h200] [--json]

Per program, for what is done once and for a turn of each loop of unknown length: launches, those among them that call libraries,
turns and branches for which the host waits, bytes moved, temporary memory of the whole; and the three times that follow: bytes over
the bandwidth of the card, flops of products over its peak in double precision, launches times 3 us. Eigenproblems and transforms
take the time that the library takes, which is in none of them. Prints a table in Markdown, or JSON lines as they come.
"""

import argparse
import importlib.util
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

COUNTED = ("launches", "waits", "library calls", "MB moved", "temporary MB")
COLUMNS = ("program", "part", "card", *COUNTED, "µs by bytes", "by products", "by launches")
LAUNCH_S = 3e-6
PEAK = 67e12  # flops a second of either card in double precision, by its tensor cores


@dataclass(frozen=True)
class Card:
    """What XLA is told of a card, and bytes a second that its memory gives."""

    name: str
    memory: int
    bandwidth: int

    def description(self) -> str:
        """For XLA, as a protocol buffer in text. Both cards are the same chip."""
        return f"""
            gpu_device_info {{
              cuda_compute_capability {{ major: 9 }}
              core_count: 132  fpus_per_core: 128  clock_rate_ghz: 1.98
              memory_bandwidth: {self.bandwidth}  device_memory_size: {self.memory}  l2_cache_size: 52428800
              threads_per_warp: 32  threads_per_block_limit: 1024  threads_per_core_limit: 2048
              shared_memory_per_block: 49152  shared_memory_per_block_optin: 232448  shared_memory_per_core: 233472
              registers_per_block_limit: 65536  registers_per_core_limit: 65536
              block_dim_limit_x: 2147483647  block_dim_limit_y: 65535  block_dim_limit_z: 65535
            }}
            platform_name: "CUDA"  device_description_str: "NVIDIA {self.name}"
            runtime_version {{ major: 13 }}  dnn_version_info {{ major: 9  minor: 10 }}
        """


CARDS = {"h100": Card("H100", 80 * 2**30, 3_350 * 10**9), "h200": Card("H200", 141 * 2**30, 4_800 * 10**9)}


@dataclass(frozen=True)
class Row:
    """A part of a program on a card: counts, and microseconds."""

    program: str
    part: str
    card: str
    launches: int
    waits: int
    calls: dict[str, int]
    bytes: int
    flops: int
    temporary: int
    bytes_us: float
    flops_us: float
    launches_us: float


def prepare() -> None:
    """Have XLA compile for GPUs on this machine; before JAX is imported. Ends the program where the extra is not installed."""
    plugin, nvidia = importlib.util.find_spec("jax_cuda13_plugin"), importlib.util.find_spec("nvidia")
    roots = [Path(folder) / "cu13" for folder in (nvidia.submodule_search_locations or [])] if nvidia else []
    root = next((root for root in roots if (root / "bin" / "ptxas").exists() and (root / "nvvm").exists()), None)
    if plugin is None or root is None:
        sys.exit('gpu_plan needs a compiler for GPUs, but no GPU: pip install -e ".[gpu-plan]"')
    flags = f"--xla_gpu_autotune_level=0 --xla_gpu_enable_triton_gemm=false --xla_gpu_cuda_data_dir={root}"
    os.environ |= {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags, "PATH": f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    os.environ["EQX_ON_ERROR"] = "nan"  # as the command line has it: no program calls the host


def programs() -> dict[str, Callable]:
    """By name, what makes each program."""
    import gpu_programs as made

    known: dict[str, Callable] = {}
    for closure in made.CLOSURES:
        for sites in (16, 32, 62):
            known[f"right-hand side, {closure}, {sites} sites"] = partial(made.right_hand_side, closure, sites)
    return known | {
        "purification, 16 sites": partial(made.purification, 16),
        "purification, 32 sites": partial(made.purification, 32),
        "TD2RDM run, V, 8 sites": partial(made.td2rdm_run, "V", 8, 5.0, 51),
        "exact run, 12 sites, 201 times": partial(made.exact_run, 12, 20.0, 201),
        "driven exact run (Magnus), 10 sites": partial(made.exact_run, 10, 2.0, 21, driven=True),
        "Holstein, density matrix, 32 sites": partial(made.holstein_run, "density_matrix", 32, 1),
        "Holstein, orbitals, 32 sites": partial(made.holstein_run, "orbitals", 32, 1),
        "Holstein, orbitals, 32 sites, batch of 64": partial(made.holstein_run, "orbitals", 32, 64),
        "wave on a grid, 128 x 128": partial(made.config, "scattering_plane", "observables=[norm]"),
        "descriptors by waves, 512 atoms": partial(made.descriptors, 512, mesh=False),
        "descriptors by mesh, 512 atoms": partial(made.descriptors, 512, mesh=True),
        "training step, 6 sites, batch of 64": partial(made.training, 6, 64),
    }


def rows(name: str, make: Callable, cards: list[Card]) -> Iterator[Row]:
    """The counts of a program, card by card."""
    import jax
    import numpy as np
    from hlo import counted
    from jax.experimental import topologies
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    function, arrays = make().split()
    for card in cards:
        there = topologies.get_topology_desc(card.name, "cuda", target_config=card.description(), topology="1x1x1")
        place = NamedSharding(Mesh(np.array(there.devices), ("one",)), PartitionSpec())
        like = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place), arrays)  # noqa: B023
        compiled = jax.jit(function).lower(like).compile()
        temporary = compiled.memory_analysis().temp_size_in_bytes
        for part, found in counted(compiled.as_text()).items():
            times = (found.bytes / card.bandwidth, found.flops / PEAK, found.launches * LAUNCH_S)
            counts = (found.launches, found.waits, dict(sorted(found.calls.items())), found.bytes, found.flops, temporary)
            yield Row(name, part, card.name, *counts, *(round(1e6 * time, 2) for time in times))


def lines(found: list[Row]) -> Iterator[str]:
    """Of the table; cards for which all counts are alike share one."""
    alike: dict[str, list[Row]] = {}
    for row in sorted(found, key=lambda row: row.part.replace("once", "")):  # which is first
        alike.setdefault(str(replace(row, card="", bytes_us=0.0)), []).append(row)
    for first, *others in alike.values():
        cards = " / ".join(row.card for row in (first, *others))
        bytes_us = " / ".join(f"{row.bytes_us:.3g}" for row in (first, *others))
        calls = ", ".join(f"{count} {name}" for name, count in first.calls.items())
        memory = f"{first.bytes / 1e6:.3g} | {first.temporary / 1e6:.3g}"
        times = f"{bytes_us} | {first.flops_us:.3g} | {first.launches_us:.3g}"
        told = f"{first.program} | {first.part} | {cards} | {first.launches} | {first.waits} | {calls}"
        yield f"| {told} | {memory} | {times} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="regular expression that a program's name must have")
    parser.add_argument("--cards", nargs="+", choices=CARDS, default=list(CARDS))
    parser.add_argument("--json", action="store_true", help="JSON lines instead of the table")
    options = parser.parse_args()
    prepare()
    import jax

    from qnano import runtime

    runtime.start()
    jax.devices()  # has JAX find the plugin
    if not options.json:
        print(f"JAX {jax.__version__}\n\n| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|", flush=True)
    for name, make in programs().items():
        if re.search(options.only, name):
            found = list(rows(name, make, [CARDS[card] for card in options.cards]))
            print("\n".join([json.dumps(asdict(row)) for row in found] if options.json else lines(found)), flush=True)


if __name__ == "__main__":
    main()
