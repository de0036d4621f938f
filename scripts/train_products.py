"""The learned closure that comes with qnano: pools of exact states on 4, 6 and 8 sites, training on their collisions, weights.

    python scripts/train_products.py --out shipped.eqx

Pools and seeds are fixed. On one H200 it takes some four minutes, the pools one of them; on two CPU cores hours: `--quick` takes a
twentieth of pools and steps there, for a closure of your own in minutes. Called again, it goes on from its last checkpoint
beside `--out`. R^2 is that of kinds of quenches that are in no pool: tilts, staggered potentials and walls at U = 1, 2 and 4.
"""

import argparse
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from qnano import lattice, runtime
from qnano.hubbard.ground_state import ground_state
from qnano.hubbard.model import FermiHubbard
from qnano.learning import apriori, states, weights
from qnano.learning.data import Start
from qnano.learning.products import Products

SIZES = {4: 400, 6: 1600, 8: 404}
BATCHES = (32, 128, 48)
TIMES = jnp.linspace(0.0, 16.0, 17)


def pool(sites: int, count: int, seed: int) -> states.States:
    chain = lattice.chain(sites)
    return states.along(states.starts(chain, (sites // 2, sites // 2), count, seed), TIMES)


def unseen(sites: int) -> states.States:
    """Of quenches of other kinds."""
    chain = lattice.chain(sites)
    arms = (chain.coordinates - chain.centre)[:, 0]
    kinds = (arms, 2 * np.array(chain.signs, float), 2 * np.sign(arms))
    begun = []
    for u in (1.0, 2.0, 4.0):
        after = FermiHubbard(chain, (sites // 2, sites // 2), interaction=u)
        for strength in (0.15, 0.3, 0.6):
            for kind in kinds:
                before = FermiHubbard(chain, (sites // 2, sites // 2), interaction=u, potential=strength * kind)
                begun.append(Start(after, ground_state(before).psi))
    return states.along(begun, jnp.linspace(0.0, 16.0, 9))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("products.eqx"))
    parser.add_argument("--mixes", type=int, default=24)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a twentieth of everything")
    options = parser.parse_args()
    runtime.start()
    part = 20 if options.quick else 1
    pools = [pool(sites, count // part, 1000) for sites, count in SIZES.items()]
    single = [single_precision(one) for one in pools]
    course = apriori.Course(options.steps // part, tuple(max(1, b // part) for b in BATCHES), 1.2e-2)
    settings = {"kind": "products", "mixes": options.mixes, "width": 16}
    products = apriori.prepared(Products(options.mixes, 16, key=jax.random.key(options.seed)), pools)
    held_out = single_precision(unseen(6))
    begun = apriori.begin(single_precision(products), course, options.seed)
    checkpoint = options.out.with_suffix(".checkpoint")
    for report in apriori.fit(
        begun, course, single, held_out, checkpoint=checkpoint, identity=f"{settings} {course} {options.seed}"
    ):
        print(f"{report.step} steps, {report.seconds:.0f} s: loss {report.loss:.4f}, R^2 {1 - report.error:.4f}", flush=True)
    about = {"script": "train_products.py", "pools": {str(n): len(one) for n, one in zip(SIZES, pools, strict=True)}}
    about |= {"seed": options.seed, "steps": course.steps, "batches": list(course.batches)}
    weights.save(options.out, report.state.best, settings, system(), about)


def system() -> dict:
    """What a file of weights says of what it has seen."""
    low, high = states.INTERACTIONS
    return {"sites": 6, "bonds": [], "electrons": [3, 3], "interactions": [low, high], "families": ["pool"], "end": 16.0}


def single_precision(tree):
    """The same in half the digits: a closure is wrong in the second."""

    def half(x):
        return x.astype(jnp.complex64 if jnp.iscomplexobj(x) else jnp.float32) if eqx.is_inexact_array(x) else x

    return jax.tree.map(half, tree)


if __name__ == "__main__":
    main()
