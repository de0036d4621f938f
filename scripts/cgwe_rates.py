"""How fast the coarse-grained equations converge: errors of a moving packet against the scale ratio, and their fitted rates.

The packet moves in V = 10 cos 2 pi x and U = 16 eps^2 (1 - cos(2 pi eps x / 16)) until t = 2 / eps^2, from prepared data; the fine
wave is propagated by the Bloch-resolved splitting with 10 points in a cell.

    python scripts/cgwe_rates.py [--out FIGURE]
"""

import argparse
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from qnano import runtime
from qnano.cgwe.bloch import PlaneWaves
from qnano.cgwe.cell import cell_problem
from qnano.cgwe.reconstruction import fine_wave
from qnano.cgwe.wave import CoarseWave, Kinetics, metric_energy
from qnano.propagation import propagate
from qnano.schrodinger.bloch import BlochSchrodinger
from qnano.schrodinger.grid import Grid
from qnano.schrodinger.model import Particles, normalised
from qnano.style import COLOURS, STYLE

SCALES, POINTS, LENGTH, TIME, COARSE = (1 / 4, 1 / 8, 1 / 16, 1 / 32), 10, 16, 2.0, 64
NAMES = ("u F (CGWE)", "with chi (CGWE)", "u F (CGWE-2)", "with chi (CGWE-2)", "density (CGWE)", "density (CGWE-2)")
move = eqx.filter_jit(propagate)


def errors(eps, bloch, cell):
    """L2 errors of waves of norm 1 and L1 errors of coarse densities, in the order of `NAMES`."""
    cells = round(LENGTH / eps)
    grid, whole = Grid((COARSE,), [float(cells)]), Grid((cells * POINTS,), [float(cells)])

    def slow(x):
        return eps**2 * 16 * (1 - jnp.cos(2 * jnp.pi * eps * x[0] / LENGTH))

    def on(grid):
        return jax.vmap(slow)(grid.coordinates.T)

    scaled, times = eps * grid.coordinates[0], jnp.array([0.0, TIME / eps**2])
    start = normalised(jnp.exp(-((scaled + 2) ** 2) / 2 + 1j * scaled), grid)

    def fine(psi, corrected):
        return normalised(fine_wave(bloch, cell, grid, psi, whole.coordinates, corrected), whole)

    lattice = bloch.potential(whole.coordinates[:, :POINTS]) - cell.energy
    reference = BlochSchrodinger(Particles(whole, on(whole)), lattice, dt=0.03 / eps, coarse_points=COARSE)
    true = move(reference, fine(start, True), times, observables=("coarse_density",), monitor=False)
    waves, densities = [], []
    for second in (False, True):
        kinetics, bent = Kinetics(bloch, cell, grid), metric_energy(slow, cell.metric, grid.coordinates)
        wave = CoarseWave(grid, kinetics, on(grid), bent, second=second, dt=0.005 / eps**2)
        got = move(wave, start, times, observables=("coarse_density",), monitor=False)
        for corrected in (False, True):
            away = jnp.abs(fine(got.state, corrected) - true.state)
            waves.append(float(jnp.sqrt(jnp.sum(away**2) * whole.volume)))
        away = jnp.abs(got.observables["coarse_density"] - true.observables["coarse_density"])[-1]
        densities.append(float(jnp.sum(away) * grid.volume))
    return waves + densities


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--out", type=Path, default=None, help="where to draw the errors")
    out = options.parse_args().out
    runtime.start()
    bloch = PlaneWaves([(1,)], [10.0])
    cell = jax.jit(cell_problem)(bloch)
    table = np.array([errors(eps, bloch, cell) for eps in SCALES])
    rates = -np.polyfit(-np.log(SCALES), np.log(table), 1)[0]
    last = np.log(table[-2] / table[-1]) / np.log(2)
    print(f"{'eps':22}" + "".join(f"{f'1/{1 / eps:.0f}':>10}" for eps in SCALES) + f"{'fitted':>9}{'last':>7}")
    for name, row, rate, late in zip(NAMES, table.T, rates, last, strict=True):
        print(f"{name:22}" + "".join(f"{error:10.2e}" for error in row) + f"{rate:9.2f}{late:7.2f}")
    if out is not None:
        draw(out, table, last)


def draw(out, table, rates):
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.8, 4.2))
        axis = figure.subplots()
        for k, (name, row, rate) in enumerate(zip(NAMES, table.T, rates, strict=True)):
            axis.loglog(SCALES, row, "o-", ms=4, color=COLOURS[k], label=f"{name}: rate {rate:.2f}")
        axis.set_xlabel("ε, a cell over the envelope's length")
        axis.set_ylabel("error at t = 2 / ε²")
        axis.set_xticks(SCALES, [f"1/{1 / eps:.0f}" for eps in SCALES])
        axis.minorticks_off()
        axis.margins(x=0.05)
        axis.legend(fontsize="x-small", loc="lower right")
        figure.savefig(out, dpi=110)
    print(f"figure: {out}")


if __name__ == "__main__":
    main()
