"""How the double occupancy after a quench depends on U: exactly, and by TD2RDM with purification off and on.

The derivative is that of the whole calculation, its initial ground state in a trap included: `ground_state` is differentiated by
perturbation theory, the motion of D2 and each of its purifications in forward mode, at the number of iterations that each takes.
That number jumps while U changes, which central differences see as noise; a large step averages it.

    python examples/gradient_of_purified_td2rdm.py
"""

import argparse
from pathlib import Path

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from qnano import lattice, runtime
from qnano.fermions.purification import Purification
from qnano.fields import Pattern, as_field
from qnano.hubbard.closures import ContractionConsistent, Valdemoro
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.ground_state import ground_state
from qnano.hubbard.model import FermiHubbard
from qnano.hubbard.td2rdm import TD2RDM
from qnano.propagation import propagate

SITES, INTERACTION, TRAP = 4, 3.0, 0.5
TIMES = np.linspace(0.0, 12.0, 121)
CLOSURE = ContractionConsistent(Valdemoro())
METHODS = {
    "exact": (ExactHubbard, "#111111"),
    "TD2RDM": (lambda model: TD2RDM(model, CLOSURE), "#d1495b"),
    "TD2RDM, purified": (lambda model: TD2RDM(model, CLOSURE, Purification(tolerance=1e-6, max_iterations=20), 0.1), "#2e78b7"),
}


@eqx.filter_jit
def moved(dynamics, state):
    adjoint = diffrax.ForwardMode()
    trajectory = propagate(dynamics, state, jnp.asarray(TIMES), observables=("double_occupancy",), adjoint=adjoint, monitor=False)
    return trajectory.observables["double_occupancy"][:, 1]


def double_occupancy(interaction, method):
    """On the second site at all times; outside of `jit`, since the ground state is searched with plain numbers."""
    trap = Pattern(as_field(TRAP), (np.arange(SITES) - (SITES - 1) / 2) ** 2)
    trapped, free = (
        FermiHubbard(lattice.chain(SITES), (SITES // 2, SITES // 2), interaction=interaction, potential=potential)
        for potential in (trap, 0.0)
    )
    psi, dynamics = ground_state(trapped).psi, METHODS[method][0](free)
    return moved(dynamics, psi if method == "exact" else dynamics.from_wavefunction(psi))


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--out", type=Path, default=Path(__file__).parent / "figures")
    path = options.parse_args().out / "gradient_of_purified_td2rdm.png"
    runtime.start()
    figure = Figure(figsize=(8.4, 5.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    for method, (_, colour) in METHODS.items():
        value, slope = jax.jvp(lambda u, method=method: double_occupancy(u, method), (INTERACTION,), (1.0,))
        step = 1e-2
        near, far = (
            double_occupancy(INTERACTION + n * step, method) - double_occupancy(INTERACTION - n * step, method) for n in (1, 2)
        )
        difference = (8 * near - far) / (12 * step)
        apart = jnp.max(jnp.abs(slope - difference)) / jnp.max(jnp.abs(slope))
        print(f"{method:17} largest derivative {jnp.max(jnp.abs(slope)):.3f} / J, central differences deviate by {apart:.1e} of it")
        above.plot(TIMES, value, color=colour, label=method)
        below.plot(TIMES, slope, color=colour)
        below.plot(TIMES[::6], difference[::6], "o", color=colour, mfc="none", ms=5)
    above.set(ylabel="double occupancy of site 1", title=f"{SITES} sites, U = {INTERACTION:g} J, trap of {TRAP:g} J switched off")
    below.set(xlabel="time  (ħ/J)", ylabel="its derivative by U  (1/J)", title="circles: central differences")
    above.legend(frameon=False, ncols=3, loc="upper center")
    above.set_ylim(top=0.22)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    print(path)


if __name__ == "__main__":
    main()
