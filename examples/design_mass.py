"""A lattice with a wanted effective mass and a wanted gap, found by gradient.

Mass and gap are differentiated through the cell problem. A potential of four cosines is moved by Newton's method, each time by the
smallest change that the two derivatives allow, until a particle is 3 times as heavy as free and 12 units (hbar^2 / m a^2) below the
next band.

    python examples/design_mass.py
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from qnano.experiments.style import COLOURS, STYLE

from qnano import runtime
from qnano.cgwe.bloch import PlaneWaves
from qnano.cgwe.cell import band_state, cell_problem

MASS, GAP, STEPS = 3.0, 12.0, 12
HARMONICS = ((1,), (2,), (3,), (4,))
START = (8.0, 1.0, 0.5, 0.2)


def lattice(amplitudes):
    return PlaneWaves(HARMONICS, amplitudes, cutoff=10)


def reached(amplitudes):
    """Effective mass of the lowest band, and what separates it from the next at the zone's edge, where that is nearest."""
    bloch, edge = lattice(amplitudes), jnp.array([jnp.pi])
    gap = band_state(bloch.hamiltonian(edge), 1)[0] - band_state(bloch.hamiltonian(edge), 0)[0]
    return jnp.stack([1 / cell_problem(bloch).inverse_mass[0, 0], gap])


@jax.jit
def design(amplitudes):
    """The amplitudes, and on the way to them what is missing of mass and gap, relative."""
    wanted = jnp.array([MASS, GAP])

    def step(amplitudes, _):
        missing, slopes = jnp.log(wanted / reached(amplitudes)), jax.jacfwd(lambda a: jnp.log(reached(a)))(amplitudes)
        return amplitudes + jnp.clip(jnp.linalg.pinv(slopes) @ missing, -3.0, 3.0), jnp.abs(missing)

    return jax.lax.scan(step, amplitudes, length=STEPS)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--out", type=Path, default=Path(__file__).parent / "figures")
    out = options.parse_args().out
    runtime.start()
    start = jnp.array(START)
    found, missing = design(start)
    for name, amplitudes in (("start", start), ("found", found)):
        mass, gap = reached(amplitudes)
        print(f"{name}: amplitudes {np.round(amplitudes, 4)}, effective mass {mass:.5f}, gap {gap:.4f}")
    for n, (mass, gap) in enumerate(missing):
        print(f"step {n:2}: mass off by {mass:.1e}, gap by {gap:.1e}")
    out.mkdir(parents=True, exist_ok=True)
    draw(out / "design_mass.png", start, found, missing)
    print(f"figure: {out / 'design_mass.png'}")


def draw(path, start, found, missing):
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
        right.semilogy(np.maximum(missing, 1e-16), "o-", ms=3, label=("mass", "gap"))
        right.legend(fontsize="small")
        left.set_xlabel("x / a")
        left.set_ylabel("potential  (ħ²/ma²)")
        middle.set_xlabel("k  (π / a)")
        middle.set_ylabel("energy  (ħ²/ma²)")
        right.set_xlabel("step")
        right.set_ylabel("off by (relative)")
        left.legend(fontsize="small")
        middle.legend(fontsize="small", loc="upper center")
        figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
