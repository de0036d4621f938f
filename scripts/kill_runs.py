"""Kill runs at random moments, let them go on, and compare what they end with to undisturbed ones, bit for bit.

    python scripts/kill_runs.py --kills 60

Every kind of task is taken from the shipped configs, made small by overrides. Each kill (SIGKILL, of the whole group of processes)
comes at a moment drawn evenly from the time that an undisturbed run takes; then the same command is given again until it ends.
Equal must be every array in results.zarr but measured seconds, and weights. Programs are compiled once, and kept beside the runs.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from qnano.storage.store import read

HERE = Path(__file__).parent.parent / "configs"
QUENCHES = "[{family: trap, strengths: [0.5], interactions: [1.0]}]"
TASKS = {
    "dynamics": ("run", "hubbard_quench", ["model.lattice.sites=4", "model.electrons={up: 2, down: 2}", "time.samples=41"]),
    "sweep": (
        "sweep",
        "interaction_sweep",
        [
            "model.lattice.sites=4",
            "model.electrons={up: 2, down: 2}",
            "time={end: 2.0, samples: 11}",
            "methods=[exact, mean_field]",
            "sweep={model.interaction: [1.0, 2.0, 3.0, 4.0]}",
        ],
    ),
    "gradient": (
        "gradient",
        "hubbard_quench",
        [
            "model.lattice.sites=4",
            "model.electrons={up: 2, down: 2}",
            "time={end: 1.0, samples: 5}",
            "--of=double_occupancy",
            "--wrt=model.interaction",
        ],
    ),
    "regime_map": ("run", "regime_map", ["time={end: 1.0, samples: 11}", "map={interaction: [1.0, 2.0, 3.0], trap: [0.5, 1.0]}"]),
    "training": (
        "train",
        "learned_closure",
        [
            "learner={kind: blend}",
            "stages=[{kind: velocity, steps: 40, batch: 8}]",
            "time={end: 1.0, samples: 11}",
            "judged_until=1.0",
            f"train={QUENCHES}",
            f"held_out={QUENCHES}",
            "every=5",
        ],
    ),
    "evaluation": ("run", "closure_evaluation", [f"quenches={QUENCHES}", "time={end: 1.0, samples: 41}", "window=0.5"]),
    "ensemble": (
        "run",
        "holstein_shallow_set",
        ["trajectories={train: 8, validation: 2, test: 2}", "batch=2", "time={end: 20.0, samples: 11}"],
    ),
    "surrogate": (
        "train",
        "holstein_generator",
        [
            "ensembles=[{name: small, model: {kind: holstein, lattice: {kind: chain, sites: 12, periodic: true}, coupling: 0.8}, "
            "initial: {kind: thermal, model: {coupling: 0.5}, noise: 1.0e-2}, time: {end: 20.0, samples: 41}, "
            "trajectories: {train: 2, validation: 2, test: 2}, batch: 2}]",
            "transfer=[]",
            "stages=[{steps: 20, horizon: 1, learning_rate: 1.0e-3}]",
            "every=5",
            "validation=5",
            "horizons=[5]",
            "lags=2",
        ],
    ),
    "learning_curve": ("run", "ion_gas", ["sizes=[10, 20]", "test=10", "batch=5"]),
}
MEASURED = {"seconds"}


def start(task: str, out: Path) -> subprocess.Popen:
    command, config, overrides = TASKS[task]
    arguments = [command, str(HERE / f"{config}.yaml"), *overrides, f"--out={out}"]
    environment = os.environ | {"QNANO_CACHE": str(out.parent / "programs")}
    return subprocess.Popen(
        [sys.executable, "-m", "qnano.cli", *arguments],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ended(process: subprocess.Popen, task: str) -> None:
    _, error = process.communicate()
    if process.returncode not in (0, 1):  # 1: a method diverged, which is a result
        raise SystemExit(f"{task}: exit code {process.returncode}: {error.strip()}")


def differences(one: Path, other: Path) -> list[str]:
    """What is not the same in the results of two runs."""
    (first,), (second,) = (list(place.glob("*/*/results.zarr")) for place in (one, other))
    data, found = (read(first), read(second)), []
    if data[0].keys() != data[1].keys():
        return ["groups"]
    for group, arrays in data[0].items():
        for name in arrays.variables.keys() - MEASURED:
            x, y = (np.asarray(part[group][name].values) for part in data)
            same = x.tolist() == y.tolist() if x.dtype.kind in "TOU" else x.tobytes() == y.tobytes()
            found += [] if same else [f"{group}/{name}"]
    weights = [place.with_name("weights.eqx") for place in (first, second)]
    if weights[0].exists() and weights[0].read_bytes() != weights[1].read_bytes():
        found.append("weights.eqx")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=60, help="of all tasks together")
    parser.add_argument("--tasks", nargs="*", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, failed = random.Random(options.seed), False
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        print(f"{'task':16}{'kills':>6}{'seconds':>9}  not the same", flush=True)
        for n, task in enumerate(options.tasks):
            ended(start(task, root / task), task)  # compiles
            began = time.perf_counter()
            ended(start(task, root / f"{task}-again"), task)
            seconds = time.perf_counter() - began
            wrong = differences(root / task, root / f"{task}-again")
            left = options.kills // len(options.tasks) + (n < options.kills % len(options.tasks))
            kills = 0
            while kills < left:
                killed = root / "killed"
                shutil.rmtree(killed, ignore_errors=True)
                while True:
                    process = start(task, killed)
                    try:
                        if kills < left:
                            process.wait(rng.uniform(0.3, 1.0) * seconds)
                        ended(process, task)
                        break
                    except subprocess.TimeoutExpired:
                        os.killpg(process.pid, signal.SIGKILL)
                        process.communicate()
                        kills += 1
                wrong += differences(root / task, killed)
            failed |= bool(wrong)
            print(f"{task:16}{kills:6}{seconds:9.1f}  {', '.join(sorted(set(wrong))) or '-'}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
