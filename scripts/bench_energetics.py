"""What it costs to ask for local energies: processor time with them as a share of that without, on a lattice and on a grid.

python scripts/bench_energetics.py --repeats 3
"""

import argparse
import time

import equinox as eqx
import jax
import jax.numpy as jnp

from qnano import lattice, runtime
from qnano.fields import Pulse
from qnano.hubbard.closures import ContractionConsistent, Valdemoro
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.ground_state import ground_state
from qnano.hubbard.mean_field import MeanField
from qnano.hubbard.model import FermiHubbard
from qnano.hubbard.td2rdm import TD2RDM
from qnano.propagation import propagate
from qnano.schrodinger.grid import Grid
from qnano.schrodinger.model import Particles, normalised
from qnano.schrodinger.wave import Schrodinger

LATTICE = {
    "instant": ("site_energy", "site_power", "energy_current", "interaction_source", "energy_residual"),
    "budgets": ("site_work", "energy_transport", "interaction_transfer"),
}
GRID = {
    "instant": ("energy_density", "energy_flux", "power_density", "source_density", "balance_residual"),
    "budgets": ("work_density", "outflow_density", "transfer_density"),
}


def hubbard(sites):
    """A half-filled chain under a Peierls pulse for T = 10, by three methods."""
    pulse = Pulse(jnp.array([0.8]), 2.5, 5.0, 2.0)
    model = FermiHubbard(lattice.chain(sites), (sites // 2, sites // 2), interaction=2.0, vector_potential=pulse)
    psi = ground_state(model).psi
    times = jnp.linspace(0.0, 10.0, 101)
    closure = ContractionConsistent(Valdemoro())
    for dynamics in (ExactHubbard(model), TD2RDM(model, closure), MeanField(model)):
        state = psi if isinstance(dynamics, ExactHubbard) else dynamics.from_wavefunction(psi)
        yield f"{type(dynamics).__name__}, {sites} sites", dynamics, state, times, ("density",), LATTICE


def waves():
    """A particle on 512 points, and two that repel each other on 96 x 96, for T = 5."""
    times = jnp.linspace(0.0, 5.0, 51)
    for number, points in ((1, 512), (2, 96)):
        grid = Grid((points,), (24.0,))
        x = grid.coordinates[0]
        repulsion = grid.pairs(lambda r: 1 / jnp.sqrt(r**2 + 1)) if number == 2 else None
        model = Particles(grid, 0.1 * x**2, number, repulsion, force=Pulse(jnp.array([0.3]), 1.0, 2.0, 1.0))
        one, other = jnp.exp(-((x - 1) ** 2)), x * jnp.exp(-((x - 1) ** 2))
        psi = one if number == 1 else jnp.outer(one, other)
        state = normalised(psi, grid, number, -1 if number == 2 else 0)
        yield f"Schrodinger, {number} on {points}", Schrodinger(model, 0.02), state, times, ("particle_density",), GRID


def seconds(dynamics, state, times, names, repeats):
    """Time of the processor, the best of some runs, compilation apart."""
    compiled = eqx.filter_jit(propagate).lower(dynamics, state, times, observables=names).compile()
    spans = []
    for _ in range(repeats):
        begin = time.process_time()
        jax.block_until_ready(compiled(dynamics, state, times, observables=names).state)
        spans.append(time.process_time() - begin)
    return min(spans)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--sites", type=int, nargs="+", default=[6])
    options.add_argument("--repeats", type=int, default=3)
    arguments = options.parse_args()
    runtime.start()
    print("| system | plain, s | with energies | with budgets too |\n|---|---|---|---|")
    for system in (*(case for sites in arguments.sites for case in hubbard(sites)), *waves()):
        label, dynamics, state, times, plain, asked = system
        wanted = [plain, (*plain, *asked["instant"]), (*plain, *asked["instant"], *asked["budgets"])]
        without, instant, budgets = (seconds(dynamics, state, times, names, arguments.repeats) for names in wanted)
        print(f"| {label} | {without:.3f} | {instant / without:.2f} x | {budgets / without:.2f} x |", flush=True)


if __name__ == "__main__":
    main()
