"""Work of the fine and the coarse description at equal accuracy, for one and two particles.

For each, a reference with many points and short steps; then the coarse wave of second order, and the cheapest of a ladder of fine
runs (points of a cell, step) whose coarse density is at least as close to the reference. Times are of the compiled propagation, the
better of two.

    python scripts/bench_cgwe.py
"""

import time

import equinox as eqx
import jax
import jax.numpy as jnp

from qnano import runtime
from qnano.cgwe.bloch import PlaneWaves
from qnano.cgwe.cell import cell_problem
from qnano.cgwe.reconstruction import fine_wave
from qnano.cgwe.wave import CoarseWave, Kinetics, metric_energy
from qnano.propagation import propagate
from qnano.schrodinger.bloch import BlochSchrodinger
from qnano.schrodinger.grid import Grid
from qnano.schrodinger.model import Particles, normalised
from qnano.solvers.splitting import blanes_moan
from qnano.solvers.stepping import fixed

LATTICE, LENGTH, END = PlaneWaves([(1,)], [10.0]), 12.0, 2.0
LADDER = ((4, 8.0), (4, 4.0), (6, 8.0), (6, 4.0), (6, 2.0), (8, 4.0), (8, 2.0), (8, 1.0))
move = eqx.filter_jit(propagate)


def timed(wave, start, times, dt):
    """The coarse density at the end, and seconds."""
    solver, best = fixed(blanes_moan(4), dt), float("inf")

    def run():
        return move(wave, start, times, solver=solver, observables=("coarse_density",), monitor=False)

    run().state.block_until_ready()
    for _ in range(2):
        begin = time.perf_counter()
        trajectory = run()
        trajectory.state.block_until_ready()
        best = min(best, time.perf_counter() - begin)
    return trajectory.observables["coarse_density"][-1], best


def compare(eps, particles, cell, reference):
    cells = round(LENGTH / eps)
    grid, times = Grid((32,), [float(cells)]), jnp.array([0.0, END / eps**2])

    def slow(x):
        return eps**2 * 8 * (1 - jnp.cos(2 * jnp.pi * eps * x[0] / LENGTH))

    def pair(r):
        return 4 * eps**2 / jnp.sqrt((LENGTH / jnp.pi * jnp.sin(jnp.pi * eps * r / LENGTH)) ** 2 + 1)

    def on(grid):
        return jax.vmap(slow)(grid.coordinates.T)

    scaled = eps * grid.coordinates[0]
    packets = [jnp.exp(-((scaled - s * 1.5) ** 2) / (2 * 0.8**2) - 1j * s * scaled) for s in (-1, 1)]
    start = packets[0] if particles == 1 else packets[0][:, None] * packets[1]
    start = normalised(start, grid, particles)

    def fine(q, dt):
        whole = Grid((cells * q,), [float(cells)])
        between = None if particles == 1 else whole.pairs(pair)
        model = Particles(whole, on(whole), particles, between)
        wave = BlochSchrodinger(model, LATTICE.potential(whole.coordinates[:, :q]), coarse_points=32)
        return timed(wave, normalised(fine_wave(LATTICE, cell, grid, start, whole.coordinates), whole, particles), times, dt)

    true, _ = fine(*reference)

    def error(density):
        return float(jnp.sum(jnp.abs(density - true)) * grid.volume) / particles

    between = None if particles == 1 else grid.pairs(pair)
    bent = metric_energy(slow, cell.metric, grid.coordinates)
    wave = CoarseWave(grid, Kinetics(LATTICE, cell, grid), on(grid), bent, particles, between)
    density, coarse_s = timed(wave, start, times, 0.25 / eps**2)
    wanted = error(density)
    print(
        f"{particles} particle(s), eps = 1/{1 / eps:.0f}: coarse wave {32**particles} points, error {wanted:.1e}, {coarse_s:.4f} s"
    )
    for q, dt in LADDER:
        density, seconds = fine(q, dt)
        reached = error(density)
        if reached <= wanted:
            break
    text = f"{cells * q}^{particles} points, step {dt:g}, error {reached:.1e}, {seconds:.4f} s"
    print(f"    fine wave {text}: {seconds / coarse_s:.0f} times the work")


def main():
    runtime.start()
    cell = jax.jit(cell_problem)(LATTICE)
    compare(1 / 8, 1, cell, (10, 0.5))
    compare(1 / 16, 1, cell, (10, 0.5))
    compare(1 / 32, 1, cell, (10, 1.0))
    compare(1 / 4, 2, cell, (8, 1.0))


if __name__ == "__main__":
    main()
