"""A pulse that heats one end of a chain and leaves the other cold, shaped by reverse mode through the local energy balance.

Four electrons on six sites, in their ground state, are driven by a uniform vector potential A(t) = sum_k a_k sin(k pi t / T). The
two sites on the left lie a little lower; the field is the same everywhere. What is maximised is the energy gained by the two sites
on the left minus that of the two on the right at time T, less a little of the pulse's strength. The budgets, integrated along the
solve, tell where that energy came from: the work of the field on those sites, or the neighbours.

    python examples/heat_one_end.py
"""

import argparse
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import optax
from matplotlib.figure import Figure

from qnano import lattice, runtime
from qnano.energetics.lattice import boundary
from qnano.fields import AbstractField
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.ground_state import ground_state
from qnano.hubbard.model import FermiHubbard
from qnano.propagation import propagate
from qnano.solvers.magnus import Magnus
from qnano.solvers.stepping import adaptive

SITES, ELECTRONS, INTERACTION, DURATION, STEPS = 6, (2, 2), 2.0, 8.0, 80
LEVELS = np.array([-0.8, -0.4, 0.0, 0.0, 0.0, 0.0])
ENDS = {"left": np.arange(SITES) < 2, "right": np.arange(SITES) >= SITES - 2}
SOLVER = adaptive(Magnus(), rtol=1e-6, atol=1e-8)
NAMES = ("site_energy", "site_work", "energy_transport", "interaction_transfer", "energy_residual")


class Sines(AbstractField):
    """f(t) = sum_k amplitudes[k] sin((k + 1) pi t / duration), a vector along the chain; 0 at both ends."""

    amplitudes: jnp.ndarray
    duration: float = eqx.field(static=True)

    def __call__(self, t):
        orders = jnp.arange(1, self.amplitudes.size + 1)
        return jnp.sum(self.amplitudes * jnp.sin(orders * jnp.pi * t / self.duration))[None]

    @property
    def jumps(self):
        return ()

    @property
    def is_constant(self):
        return False


def model(pulse=None):
    return FermiHubbard(lattice.chain(SITES), ELECTRONS, interaction=INTERACTION, potential=LEVELS, vector_potential=pulse)


@eqx.filter_jit
def measured(pulse, psi, times, names):
    return propagate(ExactHubbard(model(pulse)), psi, times, solver=SOLVER, observables=names, monitor=False).observables


@eqx.filter_jit
@eqx.filter_value_and_grad
def loss(pulse, psi):
    energy = measured(pulse, psi, jnp.array([0.0, DURATION]), ("site_energy",))["site_energy"]
    gained = energy[-1] - energy[0]
    return gained[-2:].sum() - gained[:2].sum() + 0.02 * jnp.sum(pulse.amplitudes**2)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--out", type=Path, default=Path(__file__).parent / "figures")
    options.add_argument("--steps", type=int, default=STEPS)
    arguments = options.parse_args()
    runtime.start()
    psi = ground_state(model()).psi
    pulse = Sines(0.1 * jnp.cos(jnp.arange(12.0)), DURATION)
    adam = optax.adam(0.05)
    state, losses = adam.init(pulse), []
    for _ in range(arguments.steps):
        value, slope = loss(pulse, psi)
        update, state = adam.update(slope, state)
        pulse = eqx.apply_updates(pulse, update)
        losses.append(float(value))
    times = jnp.linspace(0.0, DURATION, 121)
    found = {name: np.asarray(values) for name, values in measured(pulse, psi, times, NAMES).items()}
    gained = found["site_energy"] - found["site_energy"][0]
    for end, sites in ENDS.items():
        print(f"{end}: {gained[-1] @ sites:+.3f} J gained, work of the pulse {found['site_work'][-1] @ sites:+.3f} J")
    print(f"largest local residual: {np.abs(found['energy_residual']).max():.1e} J^2/hbar")
    draw(arguments.out / "heat_one_end.png", np.asarray(times), pulse, found, gained, losses)


def draw(path, times, pulse, found, gained, losses):
    """The pulse, the energy of the sites over time, and the budgets of both ends."""
    figure = Figure(figsize=(11, 6.2), layout="constrained")
    (top, middle, last), (left, right, local) = figure.subplots(2, 3)
    top.plot(times, [float(pulse(t)[0]) for t in times], color="#8357a8")
    top.set(xlabel="time  (ħ/J)", ylabel="vector potential A(t)", title="the shaped pulse")
    limit = np.abs(gained).max()
    edges = np.linspace(times[0], times[-1], len(times) + 1)
    drawn = middle.pcolormesh(edges, np.arange(SITES + 1) - 0.5, gained.T, cmap="RdBu_r", vmin=-limit, vmax=limit, rasterized=True)
    middle.set(xlabel="time  (ħ/J)", ylabel="site", title="energy gained  (J)")
    figure.colorbar(drawn, ax=middle)
    last.plot(losses, color="#111111")
    last.set(xlabel="step of Adam", ylabel="loss  (J)", title="right minus left")
    bonds = lattice.chain(SITES).bond_array
    for axis, (end, sites) in zip((left, right), ENDS.items(), strict=True):
        weights = {"site_work": sites, "energy_transport": boundary(bonds, sites), "interaction_transfer": sites}
        labels = {
            "site_work": "work of the pulse",
            "energy_transport": "from the neighbour",
            "interaction_transfer": "by the interaction",
        }
        above = below = np.zeros(len(times))
        for colour, (name, weight) in zip(("#2e78b7", "#e5a000", "#3a9e6f"), weights.items(), strict=True):
            value = found[name] @ weight
            upper, lower = above + np.maximum(value, 0), below + np.minimum(value, 0)
            axis.fill_between(times, above, upper, color=colour, alpha=0.75, lw=0, label=labels[name])
            axis.fill_between(times, below, lower, color=colour, alpha=0.75, lw=0)
            above, below = upper, lower
        axis.plot(times, gained @ sites, color="#111111", label="energy gained")
        axis.set(xlabel="time  (ħ/J)", ylabel="energy  (J)", title=f"budget of the {end} end")
    reach = [f(axis.get_ylim()[k] for axis in (left, right)) for k, f in enumerate((min, max))]
    for axis in (left, right):
        axis.set_ylim(*reach)
    left.legend(frameon=False, fontsize="small")
    local.semilogy(times, np.maximum(np.abs(found["energy_residual"]).max(axis=1), 1e-17), color="#d1495b")
    local.set(xlabel="time  (ħ/J)", ylabel="J²/ħ", title="largest local residual", ylim=(1e-17, 1e-10))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    print(path)


if __name__ == "__main__":
    main()
