"""A sweep of interactions as one compiled program on all local devices, against a Python loop over one compiled run.

    python scripts/bench_sweep.py --points 32

The trap quench of `configs/hubbard_quench.yaml`: exact at 4, 6 and 8 sites, Nakatsuji-Yasuda with contraction consistency at 4, 6.
Points are built beforehand (`built`, seconds for each), results are fetched as arrays either way, and nothing is written to disk.
Loop and sweep take turns; the best of `--repeats` counts. Prints a table in Markdown.
"""

import argparse
import os
import time
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from qnano import runtime
from qnano.families.build import Method, build
from qnano.propagation import propagate
from qnano.tasks.loading import parse
from qnano.tasks.study.batches import Batch
from qnano.tasks.study.points import Propagated
from qnano.tasks.varied import varied

CLOSURE = {"kind": "td2rdm", "closure": "nakatsuji_yasuda_smooth", "contraction_consistent": True}
CASES = [("exact", 4, 4.0), ("exact", 6, 4.0), ("exact", 8, 4.0), (CLOSURE, 4, 1.0), (CLOSURE, 6, 1.0)]


def points(method, sites: int, highest: float, count: int) -> list[Method]:
    half = sites // 2
    experiment = parse(
        {
            "name": "bench",
            "model": {
                "kind": "fermi_hubbard",
                "lattice": {"kind": "chain", "sites": sites},
                "interaction": 1.0,
                "electrons": {"up": half, "down": half},
            },
            "initial": {"kind": "ground_state", "model": {"potential": {"kind": "harmonic", "strength": 0.5}}},
            "methods": [method],
            "time": {"end": 20.0, "samples": 201},
        }
    )
    interactions = np.linspace(0.1, highest, count).tolist()
    return [build(varied(experiment, {"model.interaction": interaction}))[0] for interaction in interactions]


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def in_batches(batch: Batch, points: list[Propagated]) -> None:
    while points:
        now, points = points[: batch.worthwhile], points[batch.worthwhile :]
        batch.collect(batch.launch(now))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cases", type=int, nargs="+", default=list(range(len(CASES))))
    options = parser.parse_args()
    runtime.start(cpu_devices=len(os.sched_getaffinity(0)))
    print(f"{len(jax.devices())} devices: {jax.devices()[0].device_kind}, jax {jax.__version__}, {options.points} points\n")
    print(
        "| method | sites | built / s | loop / s | sweep / s | loop over sweep | with compilation: loop / s | sweep / s | ratio |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for method, sites, highest in (CASES[k] for k in options.cases):
        began = time.perf_counter()
        methods = points(method, sites, highest, options.points)
        built = (time.perf_counter() - began) / options.points
        times = jnp.linspace(0.0, 20.0, 201)
        solver, names = methods[0].solver, methods[0].observables
        one = eqx.filter_jit(lambda dynamics, state: propagate(dynamics, state, times, solver=solver, observables=names))  # noqa: B023

        def loop(methods=methods, one=one) -> None:
            for point in methods:
                trajectory = one(point.dynamics, point.state)
                jax.tree.map(np.asarray, (trajectory.observables, trajectory.invariants, trajectory.status))

        swept = [Propagated(point.dynamics, point.state, solver, times, names) for point in methods]

        def first(swept=swept) -> Batch:
            batch = Batch(swept[0], at_most=len(swept))
            in_batches(batch, swept)
            return batch

        loop_first = seconds(loop)
        began = time.perf_counter()
        batch = first()
        sweep_first = time.perf_counter() - began
        loops, sweeps = [], []
        for _ in range(options.repeats):
            loops.append(seconds(loop))
            sweeps.append(seconds(lambda batch=batch, swept=swept: in_batches(batch, swept)))
        name = method if isinstance(method, str) else "NYs + CC"
        steady = f"{min(loops):.3g} | {min(sweeps):.3g} | {min(loops) / min(sweeps):.2f}"
        cold = f"{loop_first:.2f} | {sweep_first:.2f} | {loop_first / sweep_first:.2f}"
        print(f"| {name} | {sites} | {built:.3f} | {steady} | {cold} |", flush=True)


if __name__ == "__main__":
    main()
