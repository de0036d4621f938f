"""TD2RDM: time and memory of one right-hand side, and of what is measured, against the number of sites.

    python scripts/bench_td2rdm.py --sites 4 8 12 16 24 --closures valdemoro

No right-hand side can be faster than reading D2 and writing its derivative, so the time of copying D2 once is the floor. What is
measured at every output time (invariants, usual observables) and a look for negative probabilities, of which a run has four, are
told in right-hand sides; an output is some twelve of them from the next at the usual tolerances. Each figure is the best of
`--repeats` compiled loops of enough evaluations to last about a tenth of a second; temporary memory is the compiler's own account.
Prints a table in Markdown with the exponents fitted to the three largest sizes. Other work on the machine falls on the copy and
on the rest unevenly: `OPENBLAS_NUM_THREADS=1 taskset -c 0` before it compares them on one core.
"""

import argparse
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from qnano import lattice, runtime
from qnano.hubbard.closures import AbstractClosure, ContractionConsistent, NakatsujiYasuda, Valdemoro
from qnano.hubbard.model import FermiHubbard
from qnano.hubbard.td2rdm import TD2RDM

SMOOTH = NakatsujiYasuda(smooth=True)
USUAL = ("density", "double_occupancy", "energy")  # what a run saves if nothing is asked for
CLOSURES: dict[str, AbstractClosure] = {
    "valdemoro": Valdemoro(),
    "valdemoro-consistent": ContractionConsistent(Valdemoro()),
    "nakatsuji-yasuda": NakatsujiYasuda(),
    "nakatsuji-yasuda-smooth": SMOOTH,
    "nakatsuji-yasuda-consistent": ContractionConsistent(SMOOTH),
}


def start(sites: int) -> Array:
    """D2 of the half-filled Fermi sea: the values do not matter, the symmetries do."""
    _levels, orbitals = np.linalg.eigh(-np.eye(sites, k=1) - np.eye(sites, k=-1))
    d = orbitals[:, : sites // 2] @ orbitals[:, : sites // 2].T
    return jnp.asarray(np.einsum("ax,by->abxy", d, d), complex)


def seconds(step: Callable[[Array], Array], two_rdm: Array, repeats: int) -> tuple[float, int]:
    """Time of one `step`, which runs in a compiled loop, and the bytes of the loop's temporary memory."""

    def compiled(count: int):
        def loop(x):
            return jax.lax.fori_loop(0, count, lambda _, y: step(y), x)

        return jax.jit(loop).lower(two_rdm).compile()

    def timed(program) -> float:
        began = time.perf_counter()
        jax.block_until_ready(program(two_rdm))
        return time.perf_counter() - began

    few = compiled(4)
    timed(few)
    count = max(4, int(0.1 / max(timed(few) / 4, 1e-7)))
    program = compiled(count)
    timed(program)
    return min(timed(program) for _ in range(repeats)) / count, program.memory_analysis().temp_size_in_bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, nargs="+", default=[4, 6, 8, 12, 16, 24])
    parser.add_argument("--closures", nargs="+", choices=list(CLOSURES), default=list(CLOSURES))
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    runtime.start()
    print(f"{jax.devices()[0]}, jax {jax.__version__}\n")
    print("| closure | N_s | right-hand side / ms | copy of D2 / ms | ratio | temporary memory / D2 | output / rhs | look / rhs |")
    print("|---|---|---|---|---|---|---|---|")
    for name in options.closures:
        measured = []
        for sites in options.sites:
            model = FermiHubbard(lattice.chain(sites), (sites // 2, sites // 2), interaction=1.0)
            dynamics = TD2RDM(model, CLOSURES[name])
            two_rdm = start(sites)

            def state(x):
                return x, None, jnp.zeros(())

            # A small step keeps the numbers finite; it is fused into the last loop of the right-hand side.
            def field(x, dynamics=dynamics):
                return x + 1e-6 * dynamics.vector_field(jnp.array(0.0), state(x))[0]

            # What is found is carried on in one element, so that the compiler leaves none of it out.
            def output(x, dynamics=dynamics):
                known = dynamics.observe(jnp.array(0.0), state(x))
                found = [known[name]() for name in USUAL] + list(dynamics.invariants(jnp.array(0.0), state(x)).values())
                return x.at[0, 0, 0, 0].add(1e-9 * sum(jnp.sum(values) for values in found))

            def look(x, dynamics=dynamics):
                return x.at[0, 0, 0, 0].add(1e-9 * sum(dynamics.negativity(jnp.array(0.0), state(x)).values()))

            whole, temporary = seconds(field, two_rdm, options.repeats)
            copy, _ = seconds(lambda x: -x, two_rdm, options.repeats)
            measured.append(whole)
            size = temporary / two_rdm.nbytes
            others = " | ".join(f"{seconds(step, two_rdm, options.repeats)[0] / whole:.2g}" for step in (output, look))
            times = f"{1e3 * whole:.3g} | {1e3 * copy:.3g} | {whole / copy:.1f}"
            print(f"| {name} | {sites} | {times} | {size:.1f} | {others} |", flush=True)
        if len(measured) >= 3:
            slope, _ = np.polyfit(np.log(options.sites[-3:]), np.log(measured[-3:]), 1)
            print(f"\n{name}: time grows as N_s^{slope:.1f}\n")


if __name__ == "__main__":
    main()
