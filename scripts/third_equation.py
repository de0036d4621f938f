"""What the third equation of the hierarchy lacks without the four-particle cumulant, and how far it goes in the closed loop.

    python scripts/third_equation.py

The first table has the residual of dDelta3/dt over its interaction part, both as root mean squares over the states of a quench (a
trap, a tilt, a staggered or a random potential switched off) at 0 < t <= 16 hbar/J, median [least, largest] over the quenches, for
all of Delta3 and for its collision element K. The second has the relative error of D2 in the windows (0, T], (T, 2T] and (2T, 4T],
T = 4: medians over stronger quenches, and how many diverged. Nothing in it is trained; the pull is -0.3 (Delta3 - that of Nakatsuji
and Yasuda with the smooth sign).
"""

import argparse

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from qnano import lattice, runtime
from qnano.fermions.contractions import contracted_three_cumulant
from qnano.fermions.purification import Purification
from qnano.hubbard.closures import ContractionConsistent, NakatsujiYasuda, ThirdEquation
from qnano.hubbard.diagnostics import exact_three_cumulant
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.model import FermiHubbard
from qnano.hubbard.td2rdm import TD2RDM
from qnano.hubbard.third_equation import Cumulants, cumulant_motion
from qnano.learning.data import Trajectories, quenches, trajectories
from qnano.propagation import propagate
from qnano.solvers.rk4 import RK4
from qnano.solvers.stepping import fixed

WEAK = (("trap", (0.2, 0.5)), ("tilt", (0.2, 0.4)), ("staggered", (0.5,)), ("random", (0.5, 0.8)))
STRONG = (("trap", (0.4, 0.8)), ("tilt", (0.4, 0.8)), ("staggered", (1.0,)), ("random", (0.8, 1.2)))
T = 4.0


def paths(sites: int, starts: tuple, interaction: float) -> Trajectories:
    chain = lattice.chain(sites)
    chosen = [q for family, strengths in starts for q in quenches(chain, family, strengths, [interaction])]
    return trajectories(chain, (sites // 2, sites // 2), chosen, jnp.linspace(0.0, 4 * T, 161))


@eqx.filter_jit
def residual(model: FermiHubbard, psi: Array) -> Array:
    """Squared norms of what is missing and of the interaction part, in Delta3 and in K."""
    t = jnp.array(0.0)
    known, velocity = Cumulants.of(psi, model), ExactHubbard(model).vector_field(t, psi)
    exact = jax.jvp(lambda e: exact_three_cumulant(psi + e * velocity, model), (0.0,), (1.0,))[1]
    without = eqx.tree_at(lambda m: m.interaction.value, model, jnp.zeros(()))
    parts = exact - cumulant_motion(model, t, known).three, exact - cumulant_motion(without, t, known).three
    both = [x for part in parts for x in (part, contracted_three_cumulant(part).collision)]
    return jnp.stack([jnp.sum(jnp.abs(x) ** 2) for x in both]).reshape(2, 2)


def residuals(data: Trajectories, every: int) -> np.ndarray:
    """By quench, in Delta3 and in K."""
    model = data.model(data.interaction[0])
    squares = np.array([np.sum([residual(model, psi) for psi in path[every::every]], axis=0) for path in data.psi])
    return np.sqrt(squares[:, 0] / squares[:, 1])


def errors(data: Trajectories, method: str) -> np.ndarray:
    """Of D2, by quench and time."""
    model = data.model(data.interaction[0])
    if method == "NYs+CC purified":
        dynamics = TD2RDM(model, ContractionConsistent(NakatsujiYasuda(smooth=True)), Purification(1e-6, 100))
    else:
        pull = (lambda *_: 0.3) if "pull" in method else None
        pure = Purification(1e-6, 100) if "purified" in method else None
        dynamics = TD2RDM(model, ThirdEquation(model, pull), pure)

    @eqx.filter_jit
    def one(psi: Array) -> Array:
        start = dynamics.from_wavefunction(psi[0])
        run = propagate(dynamics, start, data.times, observables=("rdm2",), solver=fixed(RK4(), 0.05), monitor=False)
        exact = jax.vmap(data.two_rdm)(psi)
        apart = jnp.linalg.norm((run.observables["rdm2"] - exact).reshape(len(psi), -1), axis=1)
        return apart / jnp.linalg.norm(exact.reshape(len(psi), -1), axis=1)

    return np.stack([one(psi) for psi in data.psi])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--interactions", type=float, nargs="+", default=[0.5, 1.0, 2.0, 4.0])
    parser.add_argument("--sites", type=int, nargs=2, default=[6, 4], help="of the residuals, and of the closed loop")
    chosen = parser.parse_args()
    runtime.start("double")
    print(f"residual at {chosen.sites[0]} sites\n\n| U | Delta3 | K |\n|---|---|---|")
    for u in chosen.interactions:
        found = residuals(paths(chosen.sites[0], WEAK, u), 8).T
        print(f"| {u:g} | " + " | ".join(f"{np.median(x):.3f} [{x.min():.3f}, {x.max():.3f}]" for x in found) + " |", flush=True)
    print(f"\nclosed loop at {chosen.sites[1]} sites\n\n| U | method | T | 2T | 4T | diverged |\n|---|---|---|---|---|---|")
    for u in chosen.interactions:
        data = paths(chosen.sites[1], STRONG, u)
        windows = [(data.times > a * T) & (data.times <= b * T + 1e-9) for a, b in ((0, 1), (1, 2), (2, 4))]
        for method in ("third equation", "third equation, pull", "third equation, pull, purified", "NYs+CC purified"):
            found = errors(data, method)
            means = [np.median(np.nan_to_num(found[:, np.asarray(w)].mean(axis=1), nan=np.inf)) for w in windows]
            lost = np.sum(~np.isfinite(found).all(axis=1) | (found > 1).any(axis=1))
            print(f"| {u:g} | {method} | " + " | ".join(f"{x:.4f}" for x in means) + f" | {lost} of {len(found)} |", flush=True)


if __name__ == "__main__":
    main()
