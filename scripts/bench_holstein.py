"""The Holstein chain: qnano's forms and solvers beside the plain dense Runge-Kutta step in NumPy, at equal error.

The problem is the shallow quench g = 0.5 -> 0.8 of arXiv:2412.06631 (K = 0.3, eta = 0.8) with noise of 0.1 on every Q and P.
On `--calibrate` sites every method gets the longest step with which no element of rho, Q or P at T = 20.48 is further than
`--tolerance` from a reference, sixth-order splitting with steps of 0.05. The error hardly depends on the size; it is measured
again up to 128 sites. Then some steps are timed at every size. `naive` is the equation of motion as it is written,
d rho/dt = -i (H rho - rho H) with dense matrices in NumPy; its first row has the published step of 0.01. A batch is one vmapped
program.

    python scripts/bench_holstein.py --sites 32 64 128 256 512 1024
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from qnano import lattice, runtime
from qnano.holstein.ehrenfest import AbstractEhrenfest, EhrenfestDensity, EhrenfestOrbitals, EhrenfestState
from qnano.holstein.ground_state import thermal_state
from qnano.holstein.model import Holstein
from qnano.propagation import propagate
from qnano.solvers.rk4 import RK4
from qnano.solvers.splitting import blanes_moan
from qnano.solvers.stepping import fixed

END, COUPLING, FREQUENCY, ETA = 20.48, 0.8, 0.3, 0.8
Point = tuple[np.ndarray, np.ndarray, np.ndarray]  # rho, Q, P

METHODS = {
    "density, Runge-Kutta": (EhrenfestDensity, RK4(), 4, 0.04),
    "density, order 4": (EhrenfestDensity, blanes_moan(4), 4, 0.16),
    "density, order 6": (EhrenfestDensity, blanes_moan(6), 6, 0.32),
    "orbitals, Runge-Kutta": (EhrenfestOrbitals, RK4(), 4, 0.04),
    "orbitals, order 4": (EhrenfestOrbitals, blanes_moan(4), 4, 0.16),
    "orbitals, order 6": (EhrenfestOrbitals, blanes_moan(6), 6, 0.32),
}


def ring(sites: int, coupling: float) -> Holstein:
    return Holstein(lattice.chain(sites, True), coupling, FREQUENCY, ETA)


def start(sites: int) -> EhrenfestState:
    """Orbitals in the noisy lattice before the quench."""
    return jax.jit(lambda: thermal_state(ring(sites, 0.5), key=jax.random.key(0), noise=0.1))()


class Naive:
    """rho, Q, P stepped by Runge-Kutta with dense matrices."""

    def __init__(self, sites: int):
        self.hopping = -(np.eye(sites, k=1) + np.eye(sites, k=-1))
        self.hopping[0, -1] = self.hopping[-1, 0] = -1

    def slope(self, point: Point) -> Point:
        rho, q, p = point
        h = self.hopping - np.diag(COUPLING * q)
        return -1j * (h @ rho - rho @ h), FREQUENCY * p, -FREQUENCY * q + ETA * COUPLING * (np.diag(rho).real - 0.5)

    def step(self, point: Point, dt: float) -> Point:
        def add(slope, h):
            return tuple(x + h * k for x, k in zip(point, slope, strict=True))

        a = self.slope(point)
        b = self.slope(add(a, dt / 2))
        c = self.slope(add(b, dt / 2))
        d = self.slope(add(c, dt))
        return tuple(x + dt / 6 * (i + 2 * j + 2 * k + m) for x, i, j, k, m in zip(point, a, b, c, d, strict=True))

    def run(self, point: Point, end: float, dt: float) -> Point:
        for _ in range(round(end / dt)):
            point = self.step(point, dt)
        return point


def point_of(dynamics: AbstractEhrenfest, state: EhrenfestState) -> Point:
    return np.asarray(dynamics.density_matrix(state.electrons)), np.asarray(state.displacement), np.asarray(state.momentum)


def runner(name: str, sites: int, dt: float) -> tuple[Callable, EhrenfestState, AbstractEhrenfest]:
    """A compiled function (state, end) -> state, its start, and the dynamics."""
    form, scheme, *_ = METHODS[name]
    dynamics, state = form(ring(sites, COUPLING)), start(sites)
    state = dynamics.from_orbitals(state) if form is EhrenfestDensity else state

    @eqx.filter_jit
    def run(state: EhrenfestState, end: jax.Array) -> EhrenfestState:
        times = jnp.stack([jnp.zeros_like(end), end])
        return propagate(dynamics, state, times, solver=fixed(scheme, dt), monitor=False).state

    return run, state, dynamics


def reached(name: str, sites: int, dt: float) -> Point:
    run, state, dynamics = runner(name, sites, dt)
    return point_of(dynamics, run(state, jnp.asarray(END)))


def naive_reached(sites: int, dt: float) -> Point:
    return Naive(sites).run(point_of(EhrenfestOrbitals(ring(sites, COUPLING)), start(sites)), END, dt)


def distance(one: Point, other: Point) -> float:
    return max(np.abs(x - y).max() for x, y in zip(one, other, strict=True))


def even(dt: float) -> float:
    """The longest step up to dt that fits END a whole number of times."""
    return END / float(np.ceil(END / dt - 1e-9))


def calibrated(error: Callable[[float], float], order: int, guess: float, tolerance: float) -> float:
    """The step whose error is the tolerance, from the order and one measurement, shortened until a measurement confirms it."""
    dt = even(guess * (tolerance / error(even(guess))) ** (1 / order))
    while error(dt) > tolerance:
        dt = even(0.96 * dt)
    return dt


def best(function: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest call after one that is not counted."""
    function()
    elapsed = []
    for _ in range(repeats):
        began = time.perf_counter()
        function()
        elapsed.append(time.perf_counter() - began)
    return min(elapsed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, nargs="+", default=[32, 64, 128, 256, 512, 1024])
    parser.add_argument("--calibrate", type=int, default=32)
    parser.add_argument("--tolerance", type=float, default=1e-6)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    runtime.start()
    print(f"{jax.devices()[0]}, jax {jax.__version__}, numpy {np.__version__}")
    print(f"seconds per unit of simulated time at an error of {options.tolerance:g}\n")

    wanted = reached("orbitals, order 6", options.calibrate, even(0.05))
    steps = {
        name: calibrated(
            lambda dt, name=name: distance(reached(name, options.calibrate, dt), wanted), order, guess, options.tolerance
        )
        for name, (*_, order, guess) in METHODS.items()
    }
    steps["naive"] = calibrated(lambda dt: distance(naive_reached(options.calibrate, dt), wanted), 4, 0.04, options.tolerance)
    print("| method | step | " + " | ".join(f"N = {sites}" for sites in options.sites) + " |")
    print("|---|---|" + "---|" * len(options.sites))

    def row(name: str, step: float, cells: list[str]) -> None:
        print(f"| {name} | {step:.3g} | " + " | ".join(cells) + " |", flush=True)

    one_step = []
    for sites in options.sites:
        naive, point = Naive(sites), point_of(EhrenfestOrbitals(ring(sites, COUPLING)), start(sites))
        one_step.append(best(lambda naive=naive, point=point: naive.step(point, 0.01), 2 if sites > 256 else 50))
    row("naive, paper's step", 0.01, [f"{seconds / 0.01:.2g}" for seconds in one_step])
    row("naive", steps["naive"], [f"{seconds / steps['naive']:.2g}" for seconds in one_step])
    fastest = [np.inf] * len(options.sites)
    for name in METHODS:
        cells = []
        for place, sites in enumerate(options.sites):
            run, state, _ = runner(name, sites, steps[name])
            count = max(2, min(400, round(4e6 / sites**2)))
            end = jnp.asarray(count * steps[name])
            seconds = best(lambda run=run, state=state, end=end: jax.block_until_ready(run(state, end)), options.repeats)
            fastest[place] = min(fastest[place], seconds / float(end))
            cells.append(f"{seconds / float(end):.2g}")
        row(name, steps[name], cells)
    row("naive / fastest", np.nan, [f"{slow / steps['naive'] / fast:.0f}" for slow, fast in zip(one_step, fastest, strict=True)])

    name = "orbitals, order 6"
    print("\nerror of the calibrated step at other sizes, sixth order, orbitals:")
    for sites in (sites for sites in options.sites if options.calibrate < sites <= 128):
        print(f"  N = {sites}: {distance(reached(name, sites, steps[name]), reached(name, sites, even(0.05))):.1e}")

    run, state, _ = runner(name, 32, steps[name])
    many = jax.tree.map(lambda x: jnp.stack([x] * options.batch), state)
    end = jnp.asarray(100 * steps[name])
    together = eqx.filter_jit(lambda many, end: jax.vmap(lambda state: run(state, end))(many))
    alone = best(lambda: jax.block_until_ready(run(state, end)), options.repeats) / float(end)
    batched = best(lambda: jax.block_until_ready(together(many, end)), options.repeats) / float(end)
    rates = f"{options.batch / batched:.3g} units of time a second; one by one {1 / alone:.3g}"
    print(f"\n{options.batch} trajectories of 32 sites: {rates}")


if __name__ == "__main__":
    main()
