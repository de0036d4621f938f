"""Learned closures against each other and against what they must beat: extrapolation in time, unseen starts, several seeds.

    python scripts/learned_closures.py --sites 6 --interactions 0.5 1 2 4 --seeds 3

Every learner is trained on the same exact quenches of traps and tilts, in a
window of `--window` hbar/J: first on velocities along the exact paths, then through the equation of motion. Weights are chosen by
the error of one other tilt. The table gives the relative error of D2 in the windows (T, 2T) and (2T, 4T), median [least, largest]
over seeds of the median over trajectories, for

    seen      the training's own starts, later than the training saw them
    unseen    staggered and random potentials

Forecasts (DMD, with and without delays, persistence, mean) see every trajectory, the unseen too, up to T. Finished trainings are in
the file; called again, the script goes on.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib import pyplot

from qnano import lattice, runtime
from qnano.fermions.purification import Purification
from qnano.hubbard.closures import ContractionConsistent, NakatsujiYasuda, Valdemoro
from qnano.hubbard.diagnostics import cumulant_norms, pearson
from qnano.hubbard.mean_field import MeanField
from qnano.hubbard.model import FermiHubbard
from qnano.hubbard.td2rdm import TD2RDM
from qnano.learning import baselines, weights
from qnano.learning.closures import AbstractLearnedClosure
from qnano.learning.data import Trajectories, quenches, trajectories
from qnano.learning.evaluation import Errors, breakdown, forecast_errors, motion_errors
from qnano.learning.training import Plan, Stage, begin, fit

LEARNERS = {
    "black_box": {"kind": "black_box", "width": 128, "depth": 2},
    "blend": {"kind": "blend", "width": 8},
    "equivariant": {"kind": "equivariant", "base": "nakatsuji_yasuda", "width": 8},
    "three_body": {"kind": "three_body"},
}
TRAIN = (("trap", (0.1, 0.2, 0.35, 0.5)), ("tilt", (0.2, 0.4)))
CHOICE = (("tilt", (0.3,)),)
DRAWN = {
    "black_box": ("#d1495b", "-"),
    "blend": ("#e5a000", "-"),
    "equivariant": ("#2e78b7", "-"),
    "equivariant+pur": ("#2e78b7", "--"),
    "three_body": ("#8357a8", "-"),
    "V+CC": ("#111111", "--"),
    "NYs+CC+pur": ("#3a9e6f", "--"),
    "DMD": ("#7a6a58", ":"),
    "Hankel-DMD": ("#e377c2", ":"),
}
UNSEEN = (("staggered", (0.5,)), ("random", (0.5, 0.5)))


def plan(learner: str) -> Plan:
    """A black box is cheap, and gets so many more steps that its training takes no less time than that of the others."""
    if learner == "black_box":
        return Plan((Stage("velocity", 3000, 3e-3, 16), Stage("rollout", 300, 1e-3, 8, 10)), every=50)
    return Plan((Stage("velocity", 150, 1e-2, 16), Stage("rollout", 30, 2e-3, 4, 10)), every=15)


def exact(sites: int, families: tuple, interaction: float, end: float) -> Trajectories:
    chain = lattice.chain(sites)
    chosen = [
        one for k, (name, strengths) in enumerate(families) for one in quenches(chain, name, strengths, [interaction], seed=k)
    ]
    return trajectories(chain, (sites // 2, sites // 2), chosen, jnp.linspace(0.0, end, round(end / 0.1) + 1))


PURIFIED = Purification(tolerance=1e-6, max_iterations=100)


def classical() -> dict:
    """Closures without weights, and mean field."""
    return {
        "V+CC": lambda model: TD2RDM(model, ContractionConsistent(Valdemoro())),
        "NYs+CC": lambda model: TD2RDM(model, ContractionConsistent(NakatsujiYasuda(smooth=True))),
        "NYs+CC+pur": lambda model: TD2RDM(model, ContractionConsistent(NakatsujiYasuda(smooth=True)), PURIFIED),
        "mean field": MeanField,
    }


def purified(learner: AbstractLearnedClosure, model: FermiHubbard) -> TD2RDM:
    """The motion by a learned closure, purified after every step."""
    return TD2RDM(model, learner.bind(model), PURIFIED)


def forecasts() -> dict:
    return {
        "DMD": lambda seen, n: baselines.dmd(seen, 20).forecast(n),
        "Hankel-DMD": lambda seen, n: baselines.dmd(seen, 20, 10).forecast(n),
        "persistence": baselines.persistence,
        "mean": baselines.mean,
    }


def summary(errors: Errors, times: np.ndarray, window: float) -> dict:
    """Medians over trajectories of the errors averaged over each window, and of the breakdown times."""
    times = np.asarray(times)
    inside = {"2T": (times > window) & (times <= 2 * window), "4T": (times > 2 * window) & (times <= 4 * window)}
    found = {name: float(np.median(errors[:, chosen].mean(axis=1))) for name, chosen in inside.items()}
    curve = np.median(errors, axis=0)
    return found | {
        "breakdown": float(np.median(breakdown(errors, times))),
        "curve": np.where(np.isfinite(curve), curve, 9.0).tolist(),
    }


def judged(errors: Callable[[Trajectories], Errors], seen: Trajectories, unseen: Trajectories, window: float) -> dict:
    """What `errors` says of both kinds of starts."""
    return {name: summary(errors(data), data.times, window) for name, data in (("seen", seen), ("unseen", unseen))}


def trained(name: str, seed: int, train: Trajectories, choice: Trajectories) -> tuple:
    """The best learner, its training's seconds, and how many of them are compilation: what first chunks of stages took too long."""
    whole = plan(name)
    begun = begin(weights.make(LEARNERS[name], train.lattice.sites, jax.random.key(seed)), whole, seed)
    reports = list(fit(begun, whole, train, choice))
    chunks = np.diff([0.0, *(report.seconds for report in reports)])
    stages = np.split(chunks, np.cumsum([stage.steps // whole.every for stage in whole.stages])[:-1])
    return reports[-1].state, reports[-1].seconds, float(sum(part[0] - np.median(part) for part in stages))


def results(options: argparse.Namespace) -> Iterator[tuple[str, dict]]:
    """Every (interaction, contender, seed) that is not in the file, with what came of it."""
    done = json.loads(options.out.read_text()) if options.out.exists() else {}
    window = options.window
    for u in options.interactions:
        data = partial(exact, options.sites, interaction=u)
        train, choice = data(families=TRAIN, end=window), data(families=CHOICE, end=2 * window)
        seen, unseen = data(families=TRAIN, end=4 * window), data(families=UNSEEN, end=4 * window)
        judge = partial(judged, seen=seen, unseen=unseen, window=window)
        if f"{u}/exact/0" not in done:
            measure = partial(cumulant_norms, model=train.model(jnp.array(u)), t=jnp.zeros(()))
            norms = jax.vmap(measure)(seen.psi.reshape(-1, *seen.psi.shape[2:]))
            two, three = (np.asarray(x).reshape(len(seen), -1) for x in (norms.two, norms.three))
            yield f"{u}/exact/0", {"pearson": [float(pearson(*pair)) for pair in zip(two, three, strict=True)]}
        for name, forecast in forecasts().items():
            if f"{u}/{name}/0" not in done:
                yield f"{u}/{name}/0", judge(partial(forecast_errors, forecast, window=window))
        for name in options.learners:
            for seed in range(options.seeds):
                if f"{u}/{name}/{seed}" in done:
                    continue
                state, seconds, compiling = trained(name, seed, train, choice)
                weights.save(options.out.with_name(f"{name}-{u:g}-{seed}.eqx"), state.best, LEARNERS[name], weights.system(train))
                times = {"seconds": seconds, "compile": compiling, "choice": float(state.best_error)}
                yield f"{u}/{name}/{seed}", judge(partial(motion_errors, state.best.dynamics)) | times
        for name in set(options.learners) - {"black_box"} if options.purify else ():
            for path in sorted(options.out.parent.glob(f"{name}-{u:g}-*.eqx")):
                key = f"{u}/{name}+pur/{path.stem.split('-')[-1]}"
                if key not in done:
                    motion = partial(purified, weights.load(path)[0])
                    yield key, judge(partial(motion_errors, motion))
        for name, motion in classical().items():
            if f"{u}/{name}/0" not in done:
                began = time.perf_counter()
                yield f"{u}/{name}/0", judge(partial(motion_errors, motion)) | {"seconds": time.perf_counter() - began}


def table(done: dict, interactions: list[float]) -> Iterator[str]:
    """In Markdown, for every interaction and contender the four numbers of the module's docstring."""
    yield "| U | method | seen, to 2T | to 4T | unseen, to 2T | to 4T | fails at (seen) | training s |\n" + "|---" * 8 + "|"
    for u in interactions:
        for name in dict.fromkeys(key.split("/")[1] for key in done if key.startswith(f"{u}/") and "/exact/" not in key):
            found = [entry for key, entry in done.items() if key.startswith(f"{u}/{name}/")]
            columns = [_spread([entry[kind][part] for entry in found]) for kind in ("seen", "unseen") for part in ("2T", "4T")]
            failed = float(np.median([entry["seen"]["breakdown"] for entry in found]))
            seconds = f"{np.mean([entry['seconds'] for entry in found]):.0f}" if name in LEARNERS else ""
            yield f"| {u:g} | {name} | {' | '.join(columns)} | {failed:.2g} | {seconds} |".replace("inf", "-")


def _spread(values: list[float]) -> str:
    middle = f"{np.median(values):.2g}"
    return middle if len(values) == 1 else f"{middle} [{min(values):.2g}, {max(values):.2g}]"


def draw(done: dict, interactions: list[float], window: float, path: Path) -> None:
    """The error on the training's own starts against time, a panel per interaction; bands span the seeds."""
    figure, axes = pyplot.subplots(
        2, -(-len(interactions) // 2), figsize=(9.5, 6.6), sharex=True, sharey=True, layout="constrained", squeeze=False
    )
    for axis, u in zip(axes.ravel(), interactions, strict=False):
        for name, (colour, style) in DRAWN.items():
            curves = np.array([entry["seen"]["curve"] for key, entry in done.items() if key.startswith(f"{u}/{name}/")])
            if not len(curves):
                continue
            times = 0.1 * np.arange(curves.shape[1])
            shown = times > (window if style == ":" else 0.0)
            axis.semilogy(
                times[shown], np.median(curves, axis=0)[shown], color=colour, ls=style, lw=1.6, label=name.replace("_", " ")
            )
            axis.fill_between(times[shown], curves.min(axis=0)[shown], curves.max(axis=0)[shown], color=colour, alpha=0.2, lw=0)
        rho = np.median(done[f"{u}/exact/0"]["pearson"]) if f"{u}/exact/0" in done else np.nan
        axis.set_title(f"U = {u:g} J, Pearson {rho:.2f}", loc="left")
        axis.axvspan(0, window, color="0.92", zorder=0)
        axis.set(ylim=(3e-4, 2), xlim=(0, 4 * window))
    for axis in axes[-1]:
        axis.set_xlabel("t / (ħ/J)")
    for axis in axes[:, 0]:
        axis.set_ylabel("relative error of D$_2$")
    figure.legend(*axes.ravel()[0].get_legend_handles_labels(), loc="outside right center", fontsize=8)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, default=6)
    parser.add_argument("--interactions", type=float, nargs="+", default=[0.5, 1.0, 2.0, 4.0])
    parser.add_argument("--learners", nargs="+", choices=LEARNERS, default=list(LEARNERS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--window", type=float, default=4.0)
    parser.add_argument("--out", type=Path, default=Path("learned/results.json"))
    parser.add_argument("--purify", action="store_true", help="judge the closures that are in the folder with purification, too")
    parser.add_argument("--figure", type=Path, help="where the errors are drawn")
    options = parser.parse_args()
    runtime.start()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for key, found in results(options):
        done = json.loads(options.out.read_text()) if options.out.exists() else {}
        options.out.write_text(json.dumps(done | {key: found}))
        print(f"{time.strftime('%H:%M:%S')} {key}", flush=True)
    done = json.loads(options.out.read_text())
    print("\n".join(table(done, options.interactions)))
    if options.figure:
        draw(done, options.interactions, options.window, options.figure)


if __name__ == "__main__":
    main()
