"""qnano on a GPU: every family against the CPU of the same machine, then times; JSON lines as they come, within `--seconds`.

    python scripts/gpu_check.py [--seconds 460] [--only agreement pace] [--small]

`agreement` runs the beginning of configs of every family, a gradient, a step of training and descriptors on both, and compares all
arrays that come out, each difference over the largest number of its array. It may be 1e-10, or ten times what the CPU alone makes
of inputs that are off by their last digits: a fourth derivative on a fine grid, or what is interpolated between adaptive steps,
has no more digits than that. Where last digits make more than 1e-5, the library itself is at fault. Told is the array that is
worst. The other sections time: `pace` of the card (copies, products, launches), `exact`, `rhs` (right-hand sides over a copy of
D2), `runs`, `purification`, `holstein`, `training`, `gradients`. Everything is built on the CPU; programs of a section are compiled
in threads and run one by one. `--small` tries this script where no GPU is. Exit code 1 where something failed, disagreed or was
left out for lack of time.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any, NamedTuple

BEGAN = time.perf_counter()
os.environ.setdefault("EQX_ON_ERROR", "nan")  # as the command line has it: no program calls the host

import gpu_programs as made  # noqa: E402
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from qnano import devices, runtime  # noqa: E402
from qnano.families.build import build  # noqa: E402
from qnano.tasks.loading import load  # noqa: E402

TOLERANCE = 1e-10
AMPLIFIED = 1e-5  # by which last digits of the inputs may change a result
Jobs = dict[str, Callable[[], made.Program]]

# Of each config the methods, and the share of its time that is run: long enough to move, too short to amplify what rounding parts.
FAMILIES = {
    "hubbard_quench": 0.1,
    "td2rdm_closures": 0.1,
    "driven_ladder": 0.05,
    "local_energy": 0.4,
    "holstein_shallow methods=[orbitals,density_matrix]": 0.02,
    "cgwe_pair": 0.05,
    "cgwe_ribbon": 0.05,
    "cgwe_gaas_dot": 0.05,
    "driven_oscillator": 0.05,
    "double_barrier": 0.05,
    "scattering_plane": 0.05,
    "holstein_2d model.lattice.columns=6 model.lattice.rows=6": 0.02,
}
SMALL = ("hubbard_quench", "driven_oscillator")


class Call(NamedTuple):
    """A compiled program and its arguments where they lie."""

    program: Callable[[Any], Any]
    arrays: Any

    def __call__(self) -> Any:
        return self.program(self.arrays)

    def disturbed(self) -> "Call":
        """With every number of its arguments off by four roundings, up or down."""
        rng = np.random.default_rng(0)

        def off(leaf: Any) -> Any:
            if not jnp.issubdtype(leaf.dtype, jnp.inexact):
                return leaf
            digits = 4 * float(jnp.finfo(leaf.dtype).eps) * rng.choice([-1.0, 1.0], size=leaf.shape)
            return jax.device_put((np.asarray(leaf) * (1 + digits)).astype(leaf.dtype), leaf.sharding)

        return Call(self.program, jax.tree.map(off, self.arrays))


class Apart(NamedTuple):
    """How far an array is from what it should be, and by how much last digits of the inputs change it; over its largest number."""

    array: str
    apart: float
    rounding: float

    @property
    def beyond(self) -> float:
        """Over what is allowed: all is well up to 1."""
        return max(self.apart / max(TOLERANCE, 10 * min(self.rounding, AMPLIFIED)), self.rounding / AMPLIFIED)


class Check:
    """What is printed, how much time is left, and whether all was well."""

    def __init__(self, seconds: float, threads: int):
        self.seconds, self.threads, self.failed = seconds, threads, False
        self.cpu, self.device = jax.devices("cpu")[0], jax.devices()[0]
        jax.config.update("jax_default_device", self.cpu)  # what is built is built there; programs go where their inputs are

    @property
    def left(self) -> float:
        return self.seconds - (time.perf_counter() - BEGAN)

    def say(self, section: str, name: str, **values: Any) -> None:
        self.failed |= "error" in values or values.get("ok") is False
        values = {key: float(f"{value:.4g}") if isinstance(value, float) else value for key, value in values.items()}
        print(json.dumps({"section": section, "name": name, "at_s": round(time.perf_counter() - BEGAN, 1), **values}), flush=True)

    def each(self, section: str, jobs: Jobs, places: list[Any], use: Callable[[str, list[Call]], None]) -> None:
        """`use` of each job's program, as a call for each of the places. What goes wrong, or would come too late, is told."""
        pool = ThreadPoolExecutor(self.threads)
        pending = {name: pool.submit(compiled, make, places) for name, make in jobs.items()}
        for name, future in pending.items():
            try:
                use(name, future.result(timeout=max(self.left, 0.0)))
            except TimeoutError:
                self.say(section, name, error="no time left")
            except Exception as error:
                self.say(section, name, error=f"{type(error).__name__}: {error}".splitlines()[0][:300])
        pool.shutdown(wait=False, cancel_futures=True)

    def time(self, section: str, jobs: Jobs, more: Callable[[str, float], dict[str, float]] = lambda name, took: {}) -> None:
        """Seconds of each job on the device, and what follows from them."""

        def use(name: str, calls: list[Call]) -> None:
            took = seconds(calls[0])
            self.say(section, name, seconds=took, **more(name, took))

        self.each(section, jobs, [self.device], use)


def compiled(make: Callable[[], made.Program], places: list[Any]) -> list[Call]:
    """A call of the program on each of the places, where its arguments lie."""
    function, arrays = make().split()
    jitted = jax.jit(function)

    def call(place: Any) -> Call:
        there = jax.device_put(arrays, place)
        return Call(jitted.lower(there).compile(), there)

    calls = {place: call(place) for place in set(places)}  # one, where there is no GPU
    return [calls[place] for place in places]


def seconds(call: Call, enough: float = 0.3, most: int = 20) -> float:
    """The best of some calls, the first apart."""
    jax.block_until_ready(call())
    best, spent = np.inf, 0.0
    while spent < enough and most:
        began = time.perf_counter()
        jax.block_until_ready(call())
        took = time.perf_counter() - began
        best, spent, most = min(best, took), spent + took, most - 1
    return best


def worst(got: Any, want: Any, disturbed: Any) -> Apart:
    """Of the arrays of three trees, the one that is furthest beyond what is allowed."""
    there, here, off = (jax.tree_util.tree_leaves_with_path(tree) for tree in (got, want, disturbed))
    found = [
        Apart(jax.tree_util.keystr(path), apart(one, other), apart(moved, other))
        for (path, one), (_, other), (_, moved) in zip(there, here, off, strict=True)
        if not jnp.issubdtype(other.dtype, jax.dtypes.prng_key)
    ]
    return max(found, key=lambda each: each.beyond)


def apart(got: Any, want: Any) -> float:
    """The largest difference of two arrays, over the largest number in them or .001 if all are smaller."""
    got, want = np.asarray(got, complex), np.asarray(want, complex)
    if not np.array_equal(np.isfinite(got), np.isfinite(want)):
        return np.inf
    known = np.isfinite(want)
    scale = np.abs(want[known]).max(initial=1e-3)
    return float(np.abs(got[known] - want[known]).max(initial=0.0) / scale)


def families(small: bool) -> Jobs:
    """Every method of every config that is run."""
    jobs: Jobs = {}
    for told, share in FAMILIES.items():
        name, *overrides = told.split(" ")
        if small and name not in SMALL:
            continue
        experiment = load(made.CONFIGS / f"{name}.yaml", overrides)
        begin, end = experiment.time.start, experiment.time.end
        times = jnp.linspace(begin, begin + share * (end - begin), 4)
        built = cache(partial(build, experiment))
        for k, method in enumerate(experiment.methods):
            jobs[f"{name}, {method.name}"] = lambda built=built, k=k, times=times: made.method_run(built()[k], times)
    return jobs


def agreement(check: Check, small: bool) -> None:
    sites = 4 if small else 6
    jobs = families(small) | {
        "gradient, exact": lambda: made.gradient(made.last(made.exact_run(sites, 2.0, 3), "double_occupancy")),
        "gradient, TD2RDM": lambda: made.gradient(made.last(made.td2rdm_run("NYs + CC", 4, 0.5, 3), "double_occupancy")),
        "training step": lambda: made.training(4, 4, 5),
        "descriptors by waves": lambda: made.descriptors(64, mesh=False),
        "descriptors by mesh": lambda: made.descriptors(64, mesh=True),
    }

    def use(name: str, calls: list[Call]) -> None:
        there, here = calls
        found = worst(there(), here(), here.disturbed()())
        check.say("agreement", name, **found._asdict(), ok=found.beyond <= 1)

    check.each("agreement", jobs, [check.device, check.cpu], use)


def pace(check: Check, small: bool) -> None:
    numbers, side, turns = (2**20, 256, 10) if small else (2**27, 4096, 1000)
    square = np.random.default_rng(0).normal(size=(side, side))
    jobs = {
        "copy": lambda: made.Program(lambda x: -x, (np.ones(numbers, complex),)),
        "complex product": lambda: made.Program(lambda x: x @ x, (square + 0j,)),
        "real product": lambda: made.Program(lambda x: x @ x, (square,)),
        "launches in a loop": lambda: made.Program(partial(jax.lax.fori_loop, 0, turns, lambda _, x: jnp.sin(x)), (np.ones(8),)),
        "turns of unknown length": lambda: made.Program(
            lambda n, x: jax.lax.fori_loop(0, n, lambda _, x: jnp.sin(x), x), (np.array(turns), np.ones(8))
        ),
    }

    def more(name: str, took: float) -> dict[str, float]:
        if name == "copy":
            return {"GB_per_s": 32 * numbers / took / 1e9}
        if "product" in name:
            return {"TFLOP_per_s": (8 if "complex" in name else 2) * side**3 / took / 1e12}
        return {"us_each": 1e6 * took / turns}

    check.time("pace", jobs, more)


def exact(check: Check, small: bool) -> None:
    runs = ((4, 2.0, 21), (6, 2.0, 21)) if small else ((10, 20.0, 201), (12, 20.0, 201), (14, 10.0, 101))
    jobs: Jobs = {
        f"{n} sites, {samples} times to t = {end:g}": partial(made.exact_run, n, end, samples) for n, end, samples in runs
    }
    n = 4 if small else 10
    check.time("exact", jobs | {f"driven, {n} sites, 21 times to t = 2": partial(made.exact_run, n, 2.0, 21, driven=True)})


def rhs(check: Check, small: bool) -> None:
    sizes = {"V": (4, 6), "NYs + CC": (4,)} if small else {"V": (16, 32, 62), "NYs": (32,), "NYs + CC": (16, 32)}
    turns, copies = 20, {}

    def copied(sites: int) -> made.Program:
        return made.Program(partial(jax.lax.fori_loop, 0, turns, lambda _, x: -x), (np.ones((sites,) * 4, complex),))

    def moved(closure: str, sites: int) -> made.Program:
        program = made.right_hand_side(closure, sites)

        def loop(dynamics: Any, state: Any) -> Any:
            def step(_: Any, two_rdm: Any) -> Any:
                return two_rdm + 1e-6 * program.function(dynamics, (two_rdm, *state[1:]))[0]

            return jax.lax.fori_loop(0, turns, step, state[0])

        return made.Program(loop, program.arguments)

    jobs: Jobs = {f"copy, {sites} sites": partial(copied, sites) for sites in sorted({n for some in sizes.values() for n in some})}
    jobs |= {f"{closure}, {sites} sites": partial(moved, closure, sites) for closure, some in sizes.items() for sites in some}

    def more(name: str, took: float) -> dict[str, float]:
        kind, sites = name.split(", ")
        if kind == "copy":
            copies[sites] = took
        return {"us_each": 1e6 * took / turns, "over_copy": took / copies.get(sites, np.nan)}

    check.time("rhs", jobs, more)


def runs(check: Check, small: bool) -> None:
    sizes = (("V", 4),) if small else (("V", 8), ("V", 32), ("NYs + CC", 16))
    jobs: Jobs = {}
    for closure, sites in sizes:
        for monitor in (False, True):
            label = f"TD2RDM {closure}, {sites} sites, 21 times to t = 2, {'with' if monitor else 'without'} invariants"
            jobs[label] = partial(made.td2rdm_run, closure, sites, 2.0, 21, monitor)
    check.time("runs", jobs)


def purification(check: Check, small: bool) -> None:
    check.time(
        "purification", {f"6 iterations, {n} sites": partial(made.purification, n) for n in ((4,) if small else (8, 16, 32))}
    )


def holstein(check: Check, small: bool) -> None:
    sites, batches = (8, (1, 4)) if small else (32, (1, 64, 1024))
    jobs: Jobs = {}
    for method in ("density_matrix", "orbitals"):
        for batch in batches:
            jobs[f"{method}, {sites} sites, batch of {batch}"] = partial(made.holstein_run, method, sites, batch)
    check.time("holstein", jobs, lambda name, took: {"us_per_run": 1e6 * took / int(name.split()[-1])})


def training(check: Check, small: bool) -> None:
    sites, batches = (4, (2, 4)) if small else (6, (16, 64, 256))
    jobs: Jobs = {f"{sites} sites, batch of {batch}": partial(made.training, sites, batch) for batch in batches}
    check.time("training", jobs, lambda name, took: {"windows_per_s": int(name.split()[-1]) / took})


def gradients(check: Check, small: bool) -> None:
    sites, of, forward = (4, 4) if small else (10, 16), "double_occupancy", {}
    made_of = {
        f"exact, {sites[0]} sites": partial(made.exact_run, sites[0], 5.0, 21),
        f"TD2RDM V, {sites[1]} sites": partial(made.td2rdm_run, "V", sites[1], 2.0, 3),
    }
    jobs: Jobs = {}
    for name, run in made_of.items():
        value = partial(lambda run: made.last(run(), of), run)
        jobs |= {f"forward: {name}": value, f"gradient: {name}": lambda value=value: made.gradient(value())}

    def more(name: str, took: float) -> dict[str, float]:
        kind, of_what = name.split(": ")
        if kind == "forward":
            forward[of_what] = took
            return {}
        return {"over_forward": took / forward.get(of_what, np.nan)}

    check.time("gradients", jobs, more)


SECTIONS = {part.__name__: part for part in (agreement, pace, exact, rhs, runs, purification, holstein, training, gradients)}


def main() -> bool:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=460.0)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--small", action="store_true", help="small sizes, for a try on a CPU")
    options = parser.parse_args()
    runtime.start()
    told = devices.in_use()
    check = Check(options.seconds, min(8, runtime.cores()))
    check.say("machine", told, jax=jax.__version__, python=sys.version.split()[0], cores=runtime.cores())
    for name in options.only:
        SECTIONS[name](check, options.small)
    check.say("machine", "the end", ok=not check.failed)
    return check.failed


if __name__ == "__main__":
    code = int(main())
    sys.stdout.flush()
    os._exit(code)  # without waiting for what threads may still compile
