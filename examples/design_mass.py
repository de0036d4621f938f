"""The weakest lattice with a wanted effective mass and a wanted gap, found by gradient.

Mass and gap are differentiated through the cell problem; a potential of four cosines is moved by Adam until a particle is 3 times
as heavy as free and 12 units (hbar^2 / m a^2) away from the next band, with as little potential as that takes.

    python examples/design_mass.py
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
import optax
from matplotlib.figure import Figure

from qnano import runtime
from qnano.cgwe.bloch import PlaneWaves
from qnano.cgwe.cell import band_state, cell_problem
from qnano.experiments.style import COLOURS, STYLE

MASS, GAP, STEPS = 3.0, 12.0, 1000
HARMONICS = ((1,), (2,), (3,), (4,))
START = (8.0, 1.0, 0.5, 0.2)


def lattice(amplitudes):
    return PlaneWaves(HARMONICS, amplitudes, cutoff=10)


def reached(amplitudes):
    """Effective mass of the lowest band, and what separates it from the next at the zone's edge, where that is nearest."""
    bloch, edge = lattice(amplitudes), jnp.array([jnp.pi])
    gap = band_state(bloch.hamiltonian(edge), 1)[0] - band_state(bloch.hamiltonian(edge), 0)[0]
    return jnp.stack([1 / cell_problem(bloch).inverse_mass[0, 0], gap])


def loss(amplitudes):
    return jnp.sum((reached(amplitudes) / jnp.array([MASS, GAP]) - 1) ** 2) + 1e-5 * jnp.sum(amplitudes**2)


@jax.jit
def design(amplitudes):
    """The amplitudes, and the loss on the way to them."""
    optimiser = optax.adam(optax.cosine_decay_schedule(0.1, STEPS))

    def step(carry, _):
        value, slope = jax.value_and_grad(loss)(carry[0])
        change, memory = optimiser.update(slope, carry[1])
        return (carry[0] + change, memory), value

    (amplitudes, _), losses = jax.lax.scan(step, (amplitudes, optimiser.init(amplitudes)), length=STEPS)
    return amplitudes, losses


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--out", type=Path, default=Path(__file__).parent / "figures")
    out = options.parse_args().out
    runtime.start()
    start = jnp.array(START)
    found, losses = design(start)
    for name, amplitudes in (("start", start), ("found", found)):
        mass, gap = reached(amplitudes)
        print(f"{name}: amplitudes {np.round(amplitudes, 4)}, effective mass {mass:.5f}, gap {gap:.4f}")
    print(f"loss from {losses[0]:.2e} to {losses[-1]:.2e} in {STEPS} steps")
    out.mkdir(parents=True, exist_ok=True)
    draw(out / "design_mass.png", start, found, losses)
    print(f"figure: {out / 'design_mass.png'}")


def draw(path, start, found, losses):
    x, k = jnp.linspace(0.0, 2.0, 201), jnp.linspace(-1.0, 1.0, 81)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 3.2))
        left, middle, right = figure.subplots(1, 3)
        for name, amplitudes, colour, dash in (("start", start, "#999999", "--"), ("found", found, COLOURS[1], "-")):
            bloch = lattice(amplitudes)
            left.plot(x, bloch.potential(x[None]), dash, color=colour, label=name)
            bands = np.array([np.linalg.eigvalsh(bloch.hamiltonian(jnp.array([q * jnp.pi])))[:2] for q in k])
            middle.plot(k, bands - bands[len(k) // 2, 0], dash, color=colour)
        curve = np.linspace(-0.7, 0.7, 41)
        middle.plot(curve, (curve * np.pi) ** 2 / (2 * MASS), ":", color=COLOURS[0], label=f"mass {MASS:g}")
        right.semilogy(losses, color=COLOURS[1])
        left.set_xlabel("x / a")
        left.set_ylabel("potential  (ħ²/ma²)")
        middle.set_xlabel("k  (π / a)")
        middle.set_ylabel("energy  (ħ²/ma²)")
        right.set_xlabel("step")
        right.set_ylabel("loss")
        left.legend(fontsize="small")
        middle.legend(fontsize="small", loc="upper center")
        figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
