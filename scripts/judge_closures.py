"""Closures judged on quenches of kinds that no training has seen: errors of D2, cumulant, density and double occupancy.

    python scripts/judge_closures.py --out judged.json --interactions 1 2 4 --sites 6

Half filling, open chain; tilts, staggered potentials and walls are switched off at t = 0, so strong that Nakatsuji and Yasuda's
closure, consistent and purified, has a median error of D2 near .048 (U = 1) and .12 (U = 2) late; `--strong` takes stronger ones.
RK4 with steps of .05 hbar/J, purification after each. With T = 4 errors are means over (0, T], (T, 2T], (2T, 4T]; those of density
and double occupancy are relative to the size of their motion. The table gives medians over quenches, the worst late one, how many
diverged, and how many times worse the best classical closure is late, paired: the geometric mean, with a 95 % interval of a
bootstrap over quenches. What is in the file is not computed again.
"""

import argparse
import json
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from matplotlib import pyplot

from qnano import lattice, runtime
from qnano.fermions import rdm
from qnano.fermions.cumulants import two_cumulant
from qnano.fermions.purification import Purification
from qnano.hubbard.closures import ContractionConsistent, NakatsujiYasuda, Valdemoro
from qnano.hubbard.model import FermiHubbard
from qnano.hubbard.td2rdm import TD2RDM
from qnano.learning import weights
from qnano.learning.closures import AbstractLearnedClosure
from qnano.learning.data import Quench, Trajectories, trajectories
from qnano.propagation import propagate
from qnano.shipped import SHIPPED, located
from qnano.solvers.rk4 import RK4
from qnano.solvers.stepping import fixed

WINDOW, LOST = 4.0, 9.0  # hbar/J; an error that stands for a motion that has diverged
TIMES = jnp.linspace(0.0, 4 * WINDOW, 81)
WEAK = {
    "tilt": (0.15, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55),
    "staggered": (0.2, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.75),
    "wall": (0.3, 0.45, 0.55, 0.65, 0.75, 0.9, 1.0, 1.1),
}
MIDDLE = {
    "tilt": (0.1, 0.15, 0.25, 0.35, 0.45, 0.5, 0.6, 0.7),
    "staggered": (0.2, 0.3, 0.45, 0.55, 0.6, 0.75, 0.9, 1.1),
    "wall": (0.2, 0.3, 0.45, 0.6, 0.75, 0.8, 0.9, 1.1),
}
STRONG = {"tilt": (0.8, 0.9, 1.0, 1.1), "staggered": (1.2, 1.4, 1.6, 1.8), "wall": (1.3, 1.5, 1.7, 1.9)}
PURIFIED = Purification(tolerance=1e-6, max_iterations=100)
WHAT = ("D2", "cumulant", "density", "double occupancy")

Errors = Float[np.ndarray, "quench time what"]
Motion = Callable[[FermiHubbard], TD2RDM]


def tested(sites: int, interaction: float, *, strong: bool, few: int) -> list[Quench]:
    chain = lattice.chain(sites)
    arms = (chain.coordinates - chain.centre)[:, 0]
    shapes = {"tilt": arms, "staggered": np.array(chain.signs, float), "wall": np.sign(arms)}
    strengths = STRONG if strong else WEAK if interaction <= 1 else MIDDLE
    return [
        Quench(kind, s, interaction, tuple((s * shape).tolist()))
        for kind, shape in shapes.items()
        for s in np.array(strengths[kind])[np.linspace(0, len(strengths[kind]) - 1, min(few, len(strengths[kind]))).astype(int)]
    ]


def methods(path: str) -> dict[str, Motion]:
    learned = weights.load(located(path))[0]
    assert isinstance(learned, AbstractLearnedClosure)
    closures = {
        "V+CC": lambda model: ContractionConsistent(Valdemoro()),
        "NYs+CC": lambda model: ContractionConsistent(NakatsujiYasuda(smooth=True)),
        "learned": learned.bind,
    }
    found: dict[str, Motion] = {}
    for name, closure in closures.items():
        found[f"{name}+pur"] = lambda model, closure=closure: TD2RDM(model, closure(model), PURIFIED)
        found[name] = lambda model, closure=closure: TD2RDM(model, closure(model))
    return found


def errors_of(motion: Motion, data: Trajectories) -> Errors:
    """Of each quench at each time; infinite from where a motion has diverged."""

    def parts(two_rdm: Array) -> tuple[Array, ...]:
        d = rdm.one_rdm_of(two_rdm, data.electrons[1])
        return two_rdm, two_cumulant(d, two_rdm), jnp.diagonal(d).real, jnp.einsum("iiii->i", two_rdm).real

    @eqx.filter_jit
    def errors(data: Trajectories) -> Float[Array, "quench time what"]:
        def one(given):
            k, psi = given
            dynamics = motion(data.hamiltonian(k))
            start, solver = dynamics.from_wavefunction(psi[0]), fixed(RK4(), 0.05)
            run = propagate(dynamics, start, data.times, solver=solver, observables=("rdm2",), monitor=False, max_steps=1000)
            found, exact = (jax.vmap(parts)(x) for x in (run.observables["rdm2"], jax.vmap(data.two_rdm)(psi)))
            columns = []
            for k, (x, true) in enumerate(zip(found, exact, strict=True)):
                axes = tuple(range(1, x.ndim))
                scale = jnp.sqrt(jnp.sum(jnp.abs(true) ** 2, axis=axes))
                if k >= 2:
                    scale = jnp.sqrt(jnp.mean(jnp.sum((true - true.mean(axis=0)) ** 2, axis=axes)))
                columns.append(jnp.sqrt(jnp.sum(jnp.abs(x - true) ** 2, axis=axes)) / scale)
            return jnp.stack(columns, axis=-1)

        return jax.lax.map(one, (jnp.arange(len(data)), data.psi))

    found = np.asarray(errors(data))
    return np.where(np.isfinite(found), found, np.inf)


def windows(errors: np.ndarray) -> np.ndarray:
    """Means over the three windows: [quench, window, what]."""
    times = np.asarray(TIMES)
    ends = (0.0, WINDOW, 2 * WINDOW, 4 * WINDOW)
    return np.stack([errors[:, (times > a) & (times <= b)].mean(axis=1) for a, b in pairwise(ends)], axis=1)


def paired(other: np.ndarray, mine: np.ndarray) -> str:
    """How many times worse the other is."""
    logs = np.log(other) - np.log(mine)
    draws = np.random.default_rng(0).choice(len(logs), (4000, len(logs)))
    low, high = np.exp(np.quantile(logs[draws].mean(axis=1), (0.025, 0.975)))
    return f"{np.exp(logs.mean()):.2f} [{low:.2f}, {high:.2f}], {int((logs > 0).sum())} of {len(logs)}"


def table(done: dict) -> str:
    rows = [
        "| system | method | D2 to T | to 2T | to 4T | worst | cumulant | density | doublons | diverged | best classical over |"
    ]
    rows.append("|---" * 11 + "|")
    for group in sorted({key.rsplit("/", 1)[0] for key in done}):
        found = {key.rsplit("/", 1)[1]: np.array(done[key]["errors"]) for key in done if key.rsplit("/", 1)[0] == group}
        late = {name: windows(errors)[:, 2, 0] for name, errors in found.items()}
        best = min((name for name in found if "learned" not in name), key=lambda name: np.median(late[name]), default=None)
        for name, errors in found.items():
            middle = np.median(windows(errors), axis=0)
            cells = [*middle[:, 0], late[name].max(), *middle[2, 1:]]
            gone = int((errors[..., 0] >= LOST).any(axis=1).sum())
            ratio = paired(late[best], late[name]) if best and "learned" in name else ""
            rows.append(f"| {group} | {name} | {' | '.join(f'{x:.3g}' for x in cells)} | {gone} | {ratio} |")
    return "\n".join(rows)


def draw(done: dict, path: Path) -> None:
    """Medians of the error of D2 against time, with the half of the quenches between, a panel for each system."""
    groups = sorted({key.rsplit("/", 1)[0] for key in done})
    colours = {"V+CC+pur": "#8a8a8a", "NYs+CC+pur": "#3a9e6f", "learned+pur": "#2e78b7"}
    figure, axes = pyplot.subplots(
        1, len(groups), figsize=(3.6 * len(groups), 3.4), sharey=True, layout="constrained", squeeze=False
    )
    for axis, group in zip(axes[0], groups, strict=True):
        for name, colour in colours.items():
            if f"{group}/{name}" in done:
                low, middle, high = np.quantile(np.array(done[f"{group}/{name}"]["errors"])[:, 1:, 0], (0.25, 0.5, 0.75), axis=0)
                axis.semilogy(TIMES[1:], middle, color=colour, label=name.replace("+pur", ", purified"))
                axis.fill_between(TIMES[1:], low, high, color=colour, alpha=0.2, lw=0)
        axis.axvspan(0, WINDOW, color="0.93", zorder=0)
        axis.set_title(group, loc="left", fontsize=9)
        axis.set(xlabel="t / (ħ/J)", xlim=(0, 4 * WINDOW), ylim=(3e-4, 1))
    axes[0, 0].set_ylabel("relative error of D$_2$")
    max(axes[0], key=lambda axis: len(axis.lines)).legend(fontsize=8, loc="lower right")
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("judged.json"))
    parser.add_argument("--sites", type=int, default=6)
    parser.add_argument("--interactions", type=float, nargs="*", default=[1.0, 2.0, 4.0])
    parser.add_argument("--methods", nargs="+", default=["V+CC+pur", "NYs+CC+pur", "NYs+CC", "learned+pur", "learned"])
    parser.add_argument("--weights", default=SHIPPED)
    parser.add_argument("--strong", action="store_true", help="stronger quenches")
    parser.add_argument("--few", type=int, default=8, help="strengths of each kind")
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    runtime.start()
    known = methods(options.weights)
    for u in options.interactions:
        group = f"{options.sites} sites, U = {u:g}{', strong' if options.strong else ''}"
        group += "" if options.few == 8 else f", {options.few} of each kind"
        group += "" if options.weights == SHIPPED else f", {Path(options.weights).name}"
        data = None
        for name in options.methods:
            done = json.loads(options.out.read_text()) if options.out.exists() else {}
            if f"{group}/{name}" in done:
                continue
            if data is None:
                half = options.sites // 2
                chosen = tested(options.sites, u, strong=options.strong, few=options.few)
                data = trajectories(lattice.chain(options.sites), (half, half), chosen, TIMES)
            began = time.perf_counter()
            errors = errors_of(known[name], data)
            entry = {"errors": np.minimum(errors, LOST).round(6).tolist(), "seconds": time.perf_counter() - began}
            options.out.write_text(json.dumps(done | {f"{group}/{name}": entry}))
            print(f"{group}/{name}: {entry['seconds']:.0f} s, late {np.median(windows(errors)[:, 2, 0]):.3g}", flush=True)
    done = json.loads(options.out.read_text())
    print(table(done))
    if options.figure:
        draw(done, options.figure)


if __name__ == "__main__":
    main()
