"""Where a network that sees D2 alone can be its equation of motion: black boxes at points of the regime map.

    python scripts/black_box.py --out docs/figures/black_box.png

At each point (U, V) one quench of a trap V is learned by a black box (`qnano.learning.node`) in the window (0, T) and extrapolated
to 3 T, by several seeds. The title gives the correlation (Pearson) of the norms of the two- and three-particle cumulants over the
whole time: near 1, D2 says what Delta3 is. The mean of the window says how large an error is that knows nothing of the motion;
Hankel-DMD of the same window is a linear memory. Prints a table and draws the errors.
"""

import argparse
import time
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib import pyplot

from qnano import lattice, runtime
from qnano.hubbard.diagnostics import cumulant_norms, pearson
from qnano.learning import baselines
from qnano.learning.data import Trajectories, quenches, trajectories
from qnano.learning.evaluation import forecast_errors, motion_errors
from qnano.learning.training import Plan, Stage, begin, fit
from qnano.learning.weights import make

SETTINGS = {"kind": "black_box", "width": 64, "depth": 2}
PLAN = Plan(
    (
        Stage("velocity", 3000, 3e-3, 32),
        Stage("rollout", 600, 1e-3, 8, 10),
        Stage("rollout", 150, 5e-4, 4, 40),
    ),
    every=150,
)


def quench(sites: int, interaction: float, trap: float, end: float) -> Trajectories:
    chain = lattice.chain(sites)
    chosen = quenches(chain, "trap", [trap], [interaction])
    return trajectories(chain, (sites // 2, sites // 2), chosen, jnp.linspace(0.0, end, round(end / 0.1) + 1))


def correlation(data: Trajectories) -> float:
    norms = jax.vmap(partial(cumulant_norms, model=data.model(data.interaction[0]), t=jnp.zeros(())))(data.psi[0])
    return float(pearson(norms.two, norms.three))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, default=4)
    parser.add_argument("--points", nargs="+", default=["0.1:0.5", "0.5:0.5", "2:0.5", "8:0.5"], metavar="U:V")
    parser.add_argument("--window", type=float, default=10.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("black_box.png"))
    options = parser.parse_args()
    runtime.start()
    figure, axes = pyplot.subplots(1, len(options.points), figsize=(4.0 * len(options.points), 3.4), sharey=True, squeeze=False)
    print(
        "| U | V | Pearson | black box, to 2T | to 3T | Hankel-DMD, to 2T | to 3T | mean, to 2T | to 3T | training s |\n"
        + "|---" * 10
        + "|"
    )
    for axis, point in zip(axes[0], options.points, strict=True):
        interaction, trap = map(float, point.split(":"))
        data = quench(options.sites, interaction, trap, 3 * options.window)
        window, times = data.between(0.0, options.window), np.asarray(data.times)
        found, seconds = [], []
        for seed in range(options.seeds):
            began = time.perf_counter()
            *_, last = fit(begin(make(SETTINGS, options.sites, jax.random.key(seed)), PLAN, seed), PLAN, window, window)
            seconds.append(time.perf_counter() - began)
            found.append(motion_errors(last.state.best.dynamics, data)[0])
        errors = np.array(found)
        linear = forecast_errors(lambda seen, n: baselines.dmd(seen, 40, 10).forecast(n), data, options.window)[0]
        second = (times > options.window) & (times <= 2 * options.window)
        third = times > 2 * options.window
        means = [np.median(errors[:, part].mean(axis=1)) for part in (second, third)]
        still = forecast_errors(baselines.mean, data, options.window)[0]
        numbers = [*means, *(curve[part].mean() for curve in (linear, still) for part in (second, third)), np.mean(seconds)]
        rho = correlation(data)
        print(f"| {interaction:g} | {trap:g} | {rho:.2f} | " + " | ".join(f"{x:.3g}" for x in numbers) + " |", flush=True)
        for k, curve in enumerate(errors):
            axis.semilogy(times[1:], np.minimum(curve[1:], 10), color="#2e78b7", lw=1.2, label="" if k else "black box, by seed")
        axis.semilogy(times[second | third], linear[second | third], color="#3a9e6f", ls=":", label="Hankel-DMD")
        axis.semilogy(times[second | third], still[second | third], color="#7a6a58", ls=":", label="mean of the window")
        axis.axvspan(0, options.window, color="0.92", zorder=0)
        axis.set(title=f"U = {interaction:g}, V = {trap:g}: Pearson {rho:.2f}", xlabel="t / (ħ/J)", ylim=(1e-5, 3))
    axes[0, 0].set_ylabel("relative error of D$_2$")
    axes[0, 0].legend(fontsize=8, loc="lower right")
    figure.tight_layout()
    figure.savefig(options.out, dpi=150)


if __name__ == "__main__":
    main()
