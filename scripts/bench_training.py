"""How fast learners are trained: windows per second, compilation, and what of a step is spent in the equation of motion.

    python scripts/bench_training.py --sites 4 6

A step is a mini-batch of 8 windows of 10 samples, RK4, forwards and backwards, and the update by the optimiser. `motion` is the
share that a propagation of the same windows takes forwards, `gradient` that of loss and gradient; the rest is the update.
Prints a table in Markdown.
"""

import argparse
import time
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp

from qnano import lattice, runtime
from qnano.learning.data import Trajectories, quenches, trajectories
from qnano.learning.training import Plan, Stage, _rollout_loss, begin, train_step
from qnano.learning.weights import make

LEARNERS = {
    "black_box": {"kind": "black_box"},
    "blend": {"kind": "blend", "width": 8},
    "equivariant": {"kind": "equivariant", "base": "nakatsuji_yasuda", "width": 8},
    "modes": {"kind": "modes", "local": {"kind": "equivariant", "width": 8}},
    "three_body": {"kind": "three_body"},
}
STAGE = Stage("rollout", 100, 1e-3, batch=8, horizon=10)
PLAN = Plan((STAGE,))


def timed(function: Callable, *arguments: object, repeats: int) -> tuple[float, float]:
    """Seconds of the first call beyond a later one, and of the best later one."""
    seconds = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        jax.block_until_ready(eqx.filter(function(*arguments), eqx.is_array))
        seconds.append(time.perf_counter() - began)
    return seconds[0] - min(seconds[1:]), min(seconds[1:])


def data(sites: int) -> Trajectories:
    chain = lattice.chain(sites)
    chosen = quenches(chain, "trap", (0.2, 0.4), (2.0,))
    return trajectories(chain, (sites // 2, sites // 2), chosen, jnp.linspace(0.0, 4.0, 41))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, nargs="+", default=[4, 6])
    parser.add_argument("--learners", nargs="+", choices=LEARNERS, default=list(LEARNERS))
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    runtime.start()
    print(f"{jax.devices()[0]}, jax {jax.__version__}\n")
    print("| learner | sites | compile / s | step / s | windows per s | motion | gradient |\n" + "|---" * 7 + "|")
    for sites in options.sites:
        train = data(sites)
        for name in options.learners:
            state = begin(make(LEARNERS[name], sites, jax.random.key(0)), PLAN)

            def objective(learner, train, key):
                return _rollout_loss(learner, PLAN, STAGE, train, key)

            arguments = (state.learner, train, jax.random.key(0))
            compiling, step = timed(eqx.filter_jit(train_step), state, PLAN, STAGE, train, repeats=options.repeats)
            _, forward = timed(eqx.filter_jit(objective), *arguments, repeats=options.repeats)
            _, both = timed(eqx.filter_jit(eqx.filter_value_and_grad(objective)), *arguments, repeats=options.repeats)
            shares = f"{forward / step:.2f} | {both / step:.2f}"
            print(f"| {name} | {sites} | {compiling:.0f} | {step:.3g} | {STAGE.batch / step:.3g} | {shares} |", flush=True)


if __name__ == "__main__":
    main()
