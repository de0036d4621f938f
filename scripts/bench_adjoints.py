"""Gradients: time over the forward run and peak temporary memory of each adjoint, against the number of steps.

    python scripts/bench_adjoints.py --steps 50 200 800 --peers

The problem is the open Hubbard chain at half filling from the Neel state with U = 4 (TD2RDM: the ground state in a trap, U = 1),
and the double occupancy of one site at T = 0.1 `steps` / J, differentiated with respect to U and the hopping of every bond; for a
splitting, the Holstein ring of 32 sites after its shallow quench, and an occupation by the coupling on every site. A Chebyshev
expansion covers some twenty-five such steps; Magnus (with a pulse), RK4 and splitting take them one by one. Forward mode gives all
parameters at once, one direction each. `--peers` adds dynamiqs, where it is installed, with sparse diagonals.

Forward run and gradient are timed in turn, and each time is the best of `--repeats`: on a machine that others use, ratios of minima
are what can be trusted. Memory is the compiler's own account of a program's temporaries. Prints a table in Markdown.
"""

import argparse
import importlib.util
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from qnano import lattice, runtime
from qnano.fermions.fock import hop_table, occupations
from qnano.fields import Pulse
from qnano.holstein.ehrenfest import EhrenfestOrbitals
from qnano.holstein.ground_state import thermal_state
from qnano.holstein.model import Holstein
from qnano.hubbard.closures import Valdemoro
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.ground_state import ground_state
from qnano.hubbard.model import FermiHubbard
from qnano.hubbard.td2rdm import TD2RDM
from qnano.propagation import propagate
from qnano.solvers.chebyshev import Chebyshev
from qnano.solvers.magnus import Magnus
from qnano.solvers.reversible import Reversible
from qnano.solvers.rk4 import RK4
from qnano.solvers.splitting import blanes_moan
from qnano.solvers.stepping import fixed

STEP, SITE, RING = 0.1, 1, 32
CHECKPOINTED, FORWARD = diffrax.RecursiveCheckpointAdjoint(), diffrax.ForwardMode()
Loss = Callable[[Array], Array]


@dataclass(frozen=True)
class Case:
    """A loss of (U, hoppings) and whether it is differentiated forwards."""

    method: str
    adjoint: str
    loss: Loss
    forward: bool = False
    interaction: float = 4.0


def model(parameters: Array, driven: bool = False) -> FermiHubbard:
    sites = parameters.size
    pulse = Pulse(0.4 * jnp.ones(1), 3.0, 2.0, 0.7) if driven else None
    numbers = (sites // 2, sites // 2)
    return FermiHubbard(lattice.chain(sites), numbers, parameters[1:], parameters[0], vector_potential=pulse)


def double_occupancy(parameters, dynamics, start, end, solver, adjoint) -> Array:
    trajectory = propagate(
        dynamics(parameters),
        start,
        jnp.array([0.0, end]),
        solver=solver,
        observables=("double_occupancy",),
        adjoint=adjoint,
        monitor=False,
        max_steps=10_000,
    )
    return trajectory.observables["double_occupancy"][-1, SITE]


def occupation(parameters, start, end, adjoint) -> Array:
    coupling = 0.8 * jnp.resize(parameters[1:], RING)
    trajectory = propagate(
        EhrenfestOrbitals(Holstein(lattice.chain(RING, True), coupling)),
        start,
        jnp.array([0.0, end]),
        solver=fixed(blanes_moan(4), STEP),
        observables=("site_density",),
        adjoint=adjoint,
        monitor=False,
        max_steps=10_000,
    )
    return trajectory.observables["site_density"][-1, SITE]


def cases(sites: int, closure_sites: int, end: float) -> Iterator[Case]:
    neel = ExactHubbard(model(jnp.ones(sites))).determinant(range(0, sites, 2), range(1, sites, 2))
    exact, driven = (lambda p: ExactHubbard(model(p))), (lambda p: ExactHubbard(model(p, driven=True)))
    modes = {"checkpointed": CHECKPOINTED, "reversible": Reversible(), "forward mode": FORWARD}
    for method, dynamics, solver in (("Chebyshev", exact, Chebyshev()), ("Magnus, driven", driven, fixed(Magnus(), STEP))):
        for name, adjoint in modes.items():
            loss = partial(double_occupancy, dynamics=dynamics, start=neel, end=end, solver=solver, adjoint=adjoint)
            yield Case(method, name, loss, adjoint is FORWARD)
    rk4 = fixed(RK4(), STEP)
    yield Case(
        "RK4", "checkpointed", partial(double_occupancy, dynamics=exact, start=neel, end=end, solver=rk4, adjoint=CHECKPOINTED)
    )
    cold = thermal_state(Holstein(lattice.chain(RING, True), 0.5), key=jax.random.key(0), noise=0.1)
    for name in ("checkpointed", "reversible"):
        loss = partial(occupation, start=cold, end=end, adjoint=modes[name])
        yield Case(f"splitting of order 4, {RING} sites", name, loss)

    def closed(p):
        return TD2RDM(model(p), Valdemoro())

    trap = 0.2 * (np.arange(closure_sites) - (closure_sites - 1) / 2) ** 2
    numbers = (closure_sites // 2, closure_sites // 2)
    trapped = ground_state(FermiHubbard(lattice.chain(closure_sites), numbers, interaction=1.0, potential=trap))
    start = closed(jnp.ones(closure_sites)).from_wavefunction(trapped.psi)
    for name in ("checkpointed", "forward mode"):
        loss = partial(double_occupancy, dynamics=closed, start=start, end=end, solver=rk4, adjoint=modes[name])
        yield Case(f"TD2RDM, {closure_sites} sites", name, loss, modes[name] is FORWARD, interaction=1.0)


def dynamiqs_cases(sites: int, end: float) -> Iterator[Case]:
    """The same problem with one sparse matrix for each parameter."""
    import dynamiqs as dq

    dq.set_precision("double")
    dq.set_progress_meter(False)
    chain = lattice.chain(sites)
    table, numbers = hop_table(sites, sites // 2, chain.bonds), occupations(sites, sites // 2)
    count = len(numbers)

    def sparse(matrix: np.ndarray):
        row, column = np.nonzero(matrix)
        offsets = sorted({int(k) for k in column - row})
        return dq.sparsedia_from_dict({k: np.diagonal(matrix, k) for k in offsets}, dtype=complex)

    def hops(bond: int) -> np.ndarray:
        one = np.zeros((count, count))
        row, entry = np.nonzero((table.bond == bond) & (table.sign != 0))
        one[row, table.source[row, entry]] = -table.sign[row, entry]
        return np.kron(one, np.eye(count)) + np.kron(np.eye(count), one)

    double = (numbers[:, None, :] * numbers[None, :, :]).reshape(count**2, sites)
    terms = [sparse(np.diag(double.sum(1))), *(sparse(hops(b)) for b in range(len(chain.bonds)))]
    start = ExactHubbard(model(jnp.ones(sites))).determinant(range(0, sites, 2), range(1, sites, 2))
    psi, occupied = dq.asqarray(start.reshape(-1, 1)), jnp.asarray(double[:, SITE])

    def observe(_, state):
        return jnp.sum(occupied * jnp.abs(state.to_jax()[:, 0]) ** 2)

    def loss(parameters: Array, method, gradient) -> Array:
        h = sum((p * term for p, term in zip(parameters[1:], terms[1:], strict=True)), parameters[0] * terms[0])
        run = dq.sesolve(h, psi, [0.0, end], method=method, gradient=gradient, save_states=False, save_extra=observe)
        return run.extra[-1]

    for method in (dq.method.Tsit5(1e-6, 1e-6), dq.method.Dopri8(1e-9, 1e-9)):
        name = f"dynamiqs {type(method).__name__} {method.rtol:g}"
        yield Case(name, "checkpointed", partial(loss, method=method, gradient=dq.gradient.BackwardCheckpointed()))
        yield Case(name, "forward mode", partial(loss, method=method, gradient=dq.gradient.Forward()), True)


def measure(case: Case, size: int, repeats: int, patience: float) -> tuple[np.ndarray, str]:
    """The gradient, and its row of the table."""
    point = jnp.append(case.interaction, jnp.linspace(0.9, 1.1, size - 1))
    gradient = jax.jacfwd(case.loss) if case.forward else jax.grad(case.loss)
    programs = [jax.jit(function).lower(point).compile() for function in (case.loss, gradient)]
    best, spent = [np.inf, np.inf], 0.0
    for repeat in range(repeats + 1):
        for k, program in enumerate(programs):
            began = time.perf_counter()
            jax.block_until_ready(program(point))
            seconds = time.perf_counter() - began
            best[k], spent = min(best[k], seconds), spent + seconds
        if repeat and spent > patience:
            break
    memory = [program.memory_analysis().temp_size_in_bytes / 1e6 for program in programs]
    cells = f"{1e3 * best[0]:.1f} | {1e3 * best[1]:.1f} | {best[1] / best[0]:.2f} | {memory[0]:.2f} | {memory[1]:.2f}"
    return np.asarray(programs[1](point)), cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, default=8, help="of the exact chain; even")
    parser.add_argument("--closure-sites", type=int, default=6, help="of TD2RDM; even")
    parser.add_argument("--steps", type=int, nargs="+", default=[50, 200, 800])
    parser.add_argument("--methods", nargs="+", default=[""], metavar="NAME", help="only those whose names begin so")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--patience", type=float, default=60.0, help="seconds after which a case is not repeated")
    parser.add_argument("--peers", action="store_true", help="dynamiqs too, where it is installed")
    options = parser.parse_args()
    runtime.start()
    print(f"{jax.devices()[0]}, jax {jax.__version__}; {options.sites} parameters\n")
    header = ("method", "adjoint", "steps", "forward / ms", "gradient / ms", "ratio", "forward / MB", "gradient / MB", "deviation")
    print("| " + " | ".join(header) + " |\n" + "|---" * len(header) + "|")
    for steps in options.steps:
        every = list(cases(options.sites, options.closure_sites, STEP * steps))
        if options.peers and importlib.util.find_spec("dynamiqs") is not None:
            every += dynamiqs_cases(options.sites, STEP * steps)
        reference: dict[int | str, np.ndarray] = {}
        for case in (case for case in every if case.method.startswith(tuple(options.methods))):
            size = options.closure_sites if case.method.startswith("TD2RDM") else options.sites
            gradient, cells = measure(case, size, options.repeats, options.patience)
            # The undriven exact motion is one problem whatever the method: Chebyshev is its reference.
            problem = case.method if case.method.startswith(("Magnus", "TD2RDM", "splitting")) else "exact"
            deviation = np.abs(gradient - reference.setdefault(problem, gradient)).max()
            print(f"| {case.method} | {case.adjoint} | {steps} | {cells} | {deviation:.0e} |", flush=True)


if __name__ == "__main__":
    main()
