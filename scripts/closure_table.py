"""The closures of TD2RDM compared: errors of D2, first time above 5 %, breakdown, drifts, over the interaction.

    python scripts/closure_table.py --sites 4 --interactions 0.1 0.5 1 2 4 8

Open chain at half filling, ground state in the trap v_i = strength (i - centre)^2, trap off at t = 0, propagated to `--end` with
the default solver (rtol 1e-8, atol 1e-10), sampled every 0.05 / J; purification after every step of at most 0.05 / J, tolerance
1e-7. Errors are means over the samples of |D - D_exact| / |D_exact| up to the breakdown, where an element of D passes 20.
Prints a table in Markdown.
"""

import argparse
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from qnano import lattice, runtime
from qnano.fermions.purification import Purification
from qnano.hubbard.closures import ContractionConsistent, NakatsujiYasuda, Valdemoro
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.ground_state import ground_state
from qnano.hubbard.mean_field import MeanField
from qnano.hubbard.model import FermiHubbard
from qnano.hubbard.pair import PairCorrelations
from qnano.hubbard.td2rdm import TD2RDM
from qnano.propagation import propagate

SMOOTH = NakatsujiYasuda(smooth=True)
METHODS = {
    "mean field": MeanField,
    "V": lambda model: TD2RDM(model, Valdemoro()),
    "pair": PairCorrelations,
    "V+CC": lambda model: TD2RDM(model, ContractionConsistent(Valdemoro())),
    "NY": lambda model: TD2RDM(model, NakatsujiYasuda()),
    "NY+CC": lambda model: TD2RDM(model, ContractionConsistent(NakatsujiYasuda())),
    "NYs+CC": lambda model: TD2RDM(model, ContractionConsistent(SMOOTH)),
    "V+CC+pur": lambda model: TD2RDM(model, ContractionConsistent(Valdemoro()), Purification()),
    "NY+CC+pur": lambda model: TD2RDM(model, ContractionConsistent(NakatsujiYasuda()), Purification()),
    "NYs+CC+pur": lambda model: TD2RDM(model, ContractionConsistent(SMOOTH), Purification()),
}
run = eqx.filter_jit(propagate)


def norm(two_rdm: np.ndarray) -> np.ndarray:
    return np.sqrt((np.abs(two_rdm) ** 2).sum(axis=(1, 2, 3, 4)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, default=4)
    parser.add_argument("--interactions", type=float, nargs="+", default=[0.1, 0.5, 1, 2, 4, 8])
    parser.add_argument("--strength", type=float, default=0.5)
    parser.add_argument("--end", type=float, default=20.0)
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    options = parser.parse_args()
    runtime.start()
    sites, numbers = options.sites, (options.sites // 2, options.sites // 2)
    times = jnp.linspace(0.0, options.end, round(options.end / 0.05) + 1)
    trap = options.strength * (np.arange(sites) - (sites - 1) / 2) ** 2
    print("| U | method | error | density error | above 5 % | stop | energy drift | lowest of D, Q | steps | s |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for interaction in options.interactions:
        chain = lattice.chain(sites)
        psi = ground_state(FermiHubbard(chain, numbers, interaction=interaction, potential=trap)).psi
        model = FermiHubbard(chain, numbers, interaction=interaction)
        names = ("rdm2", "density", "energy", "d2_extremes", "q2_extremes")
        exact = run(ExactHubbard(model), psi, times, observables=names).observables
        for name in options.methods:
            dynamics = METHODS[name](model)
            began = time.perf_counter()
            trajectory = jax.block_until_ready(run(dynamics, dynamics.from_wavefunction(psi), times, observables=names))
            seconds = time.perf_counter() - began
            got = trajectory.observables
            error = norm(np.asarray(got["rdm2"] - exact["rdm2"])) / norm(np.asarray(exact["rdm2"]))
            density = np.nanmean(np.abs(got["density"] - exact["density"]))
            above = np.flatnonzero(error > 0.05)
            first = f"{times[above[0]]:.2f}" if above.size else "-"
            stop = "-" if trajectory.status == 0 else f"{trajectory.stop_time:.2f}"
            drift = np.nanmax(np.abs(got["energy"] - got["energy"][0]))
            lowest = [f"{min(0.0, np.nanmin(got[key])):.0e}" for key in ("d2_extremes", "q2_extremes")]
            print(
                f"| {interaction:g} | {name} | {np.nanmean(error):.4f} | {density:.4f} | {first} | {stop} | {drift:.0e} "
                f"| {', '.join(lowest)} | {trajectory.steps} | {seconds:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
