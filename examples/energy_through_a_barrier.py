"""Where the energy of a packet is while it tunnels through two barriers under a pulse, and what of it is quantum.

One particle, hbar = m = 1. Maps of energy, energy flux and power over space and time; under them what the balance does not explain,
the budget of the well between the barriers, integrated along the solve, and the kinetic energy there in its hydrodynamic parts.

    python examples/energy_through_a_barrier.py
"""

import argparse
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from qnano import runtime
from qnano.energetics.grid import interval, step_alarm
from qnano.energetics.hydrodynamics import hydrodynamic_split
from qnano.fields import Pulse
from qnano.propagation import propagate
from qnano.schrodinger.energetics import space_of
from qnano.schrodinger.grid import Grid
from qnano.schrodinger.model import Particles, normalised
from qnano.schrodinger.wave import Schrodinger

WELL, DT = (-3.0, 3.0), 0.012
INSTANT = ("energy_density", "energy_flux", "power_density", "balance_residual", "wavefunction")
INTEGRALS = ("work_density", "outflow_density")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--out", type=Path, default=Path(__file__).parent / "figures")
    path = options.parse_args().out / "energy_through_a_barrier.png"
    runtime.start()
    grid = Grid((864,), (120.0,))
    x = grid.coordinates[0]

    def step(s):
        return (1 + jnp.tanh(s / 0.4)) / 2

    barriers = 0.6 * sum(step(x - a) - step(x - b) for a, b in ((-4.0, -3.0), (3.0, 4.0)))
    model = Particles(grid, barriers, force=Pulse(jnp.array([0.02]), 0.35, 30.0, 8.0))
    space = space_of(model)
    assert step_alarm(space, DT) < 1
    psi = normalised(jnp.exp(-((x + 22) ** 2) / (4 * 5.0**2) + 0.8j * x), grid)
    times = jnp.linspace(0.0, 60.0, 121)
    solved = eqx.filter_jit(propagate)(Schrodinger(model, DT), psi, times, observables=(*INSTANT, *INTEGRALS))
    found = {name: np.asarray(values) for name, values in solved.observables.items()}
    region = np.asarray(interval(space.waves[0], grid.origin[0], *WELL))
    budget = {"work of the pulse": found["work_density"] @ region, "through the barriers": -found["outflow_density"] @ region}
    gained = (found["energy_density"] - found["energy_density"][0]) @ region
    parts = jax.jit(jax.vmap(lambda psi: hydrodynamic_split(space, psi)))(jnp.asarray(found["wavefunction"]))
    gap = np.abs(gained - sum(budget.values())).max()
    print(f"most energy in the well: {gained.max():.4f}; largest gap of its budget: {gap:.1e}")
    draw(
        path,
        np.asarray(times),
        np.asarray(x),
        found,
        (budget, gained),
        {n: np.asarray(v @ region) for n, v in parts._asdict().items()},
    )


def draw(path, times, x, found, budget, parts):
    """Maps above, what they leave unexplained and the budget of the well below."""
    figure = Figure(figsize=(11.5, 6.6), layout="constrained")
    above, below = figure.subplots(2, 3, height_ratios=(3, 2))
    near = np.abs(x) < 35
    maps = {
        "energy density": found["energy_density"],
        "energy flux": found["energy_flux"][:, 0],
        "power density": found["power_density"],
    }
    for axis, (name, values) in zip(above, maps.items(), strict=True):
        limit = np.abs(values).max()
        drawn = axis.pcolormesh(
            times, x[near], values[:, near].T, cmap="RdBu_r", vmin=-limit, vmax=limit, shading="nearest", rasterized=True
        )
        for edge in WELL:
            axis.axhline(edge, color="#444444", lw=0.6, ls=":")
        axis.set(title=name, ylabel="x")
        figure.colorbar(drawn, ax=axis)
    left, middle, right = below
    left.semilogy(times, np.maximum(np.abs(found["balance_residual"]).max(axis=1), 1e-17), color="#d1495b")
    left.set(title="largest local residual", ylim=(1e-8, 1e-2))
    (stacked, gained), top, bottom = budget, 0 * times, 0 * times
    for colour, (name, value) in zip(("#2e78b7", "#e5a000"), stacked.items(), strict=True):
        upper, lower = top + np.maximum(value, 0), bottom + np.minimum(value, 0)
        middle.fill_between(times, top, upper, color=colour, alpha=0.75, lw=0, label=name)
        middle.fill_between(times, bottom, lower, color=colour, alpha=0.75, lw=0)
        top, bottom = upper, lower
    middle.plot(times, gained, color="#111111", label="energy gained")
    middle.set(title="budget of the well")
    for colour, (name, value) in zip(("#2e78b7", "#d1495b", "#3a9e6f"), parts.items(), strict=True):
        right.plot(times, value, color=colour, label=name)
    right.set(title="kinetic energy in the well")
    for axis in (middle, right):
        axis.margins(y=0.25)
        axis.legend(frameon=False, fontsize="x-small", loc="upper left")
    for axis in below:
        axis.set_xlabel("time")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
    print(path)


if __name__ == "__main__":
    main()
