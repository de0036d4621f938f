"""Train a surrogate as a config says, judge it on the test groups beside simpler things, and keep all of it in a folder.

Beside what every training keeps (`fitting`), results.zarr has for each ensemble a group of its name: errors, departures and orders
by method, trajectory and time, and the seconds that each method takes for a unit of simulated time.
"""

import dataclasses
import time
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from qnano import checkpoints, runtime
from qnano.holstein.ehrenfest import EhrenfestState
from qnano.learning import judgement
from qnano.learning.emulation import Plan, Samples, Stage, begin, fit, scales
from qnano.learning.generator import GeneratorNetwork
from qnano.learning.judgement import Record, Step
from qnano.learning.parc import Parc as ParcNetworks
from qnano.learning.parc import Scales, SingleNetwork
from qnano.learning.surrogates import AbstractSurrogate, Conditions
from qnano.solvers.splitting import blanes_moan, strang
from qnano.storage.folder import FINISHED, RunFolder
from qnano.storage.store import Coordinate, ResultStore, Variable
from qnano.tasks.ensemble.run import Study
from qnano.tasks.ensemble.schema import Ensemble
from qnano.tasks.fitting import entry, followed, write_curve
from qnano.tasks.keeping import drop_if_damaged, kept, memory_for
from qnano.tasks.study.computed import stacked
from qnano.tasks.surrogate.schema import Generator, Parc, Single, SurrogateTraining

MEANINGS = {
    "rho": ("1", "root mean square error of the density matrix"),
    "displacement": ("1", "root mean square error of Q"),
    "momentum": ("1", "root mean square error of P"),
    "charge_order": ("1", "staggered mean of the density"),
    "lattice_order": ("1", "staggered mean of the displacement"),
    "trace": ("1", "departure of the trace of rho from its start"),
    "hermiticity": ("1", "largest entry of rho - rho^+"),
    "purity": ("1", "departure of Tr rho^2 per site from its start"),
    "energy": ("J", "departure of the energy per site from its start"),
}
SPLITTINGS = {"strang": (strang(), 1), "order 4": (blanes_moan(4), 1), "order 4, half steps": (blanes_moan(4), 2)}
TIMED, REPEATS = 50, 9  # intervals of a measurement, of which the fastest counts


def run(training: SurrogateTraining, folder: RunFolder, *, force: bool = False, quiet: bool = False) -> dict[str, Any]:
    """Train, or go on with it, judge, and return the summary; `force` starts anew.

    Raises `InputError` for a folder that holds something else, and `RunFailed` where memory does not suffice.
    """
    runtime.start(training.precision)
    with kept(training, folder, force=force, quiet=quiet) as run, memory_for("training"):
        began = time.perf_counter()
        train, validation = (tuple(single(samples(one, group)) for one in training.ensembles) for group in ("train", "validation"))
        data_s = time.perf_counter() - began
        plan, network = plan_of(training), training.network
        found = scales(train)
        surrogate = make(network, found, jax.random.key(training.seed))
        about = {"network": network.model_dump(), "scales": found, "config": run.text}
        keep = lambda best: checkpoints.write(folder.weights, about, best)  # noqa: E731
        total = sum(stage.steps for stage in plan.stages)
        checkpoint = folder.checkpoint("training")
        drop_if_damaged(checkpoint)
        reports = fit(begin(surrogate, plan), plan, train, validation, checkpoint=checkpoint, identity=run.summary["id"])
        curve = followed(reports, run, network.kind, total, keep, data_s=data_s, quiet=quiet)
        write_curve(run.store, curve, "validation", "summed errors of long roll-outs")
        for one in (*training.ensembles, *training.transfer):
            _write(run.store, one, training, judged(curve[-1].state.best, one, training, train[0]))
        run.keep(network.kind, entry(network.kind, curve, data_s, FINISHED))
    return run.summary


def make(network: Single | Parc | Generator, found: tuple[Scales, Scales, Scales], key: Array) -> AbstractSurrogate:
    """An untrained surrogate, given the scales of states, rates and changes."""
    states, rates, changes = found
    match network:
        case Single():
            return SingleNetwork(network.channels, network.blocks, network.dropout, states, changes, key)
        case Parc():
            return ParcNetworks(network.channels, network.blocks, network.dropout, states, rates, changes, key)
        case Generator():
            return GeneratorNetwork(network.width, network.depth, network.reach, key)


def samples(ensemble: Ensemble, group: str) -> Samples:
    """The trajectories of a group, computed anew; every second sample is halfway through an interval."""
    ensemble = ensemble.model_copy(update={"observables": ("density_matrix", "displacement", "momentum")})
    found = stacked(Study(ensemble), group)
    rho, q, p = (found[name] for name in ensemble.observables)
    model = ensemble.model
    conditions = Conditions(*(jnp.asarray(x) for x in (model.coupling, model.frequency, model.eta, 2 * ensemble.interval)))
    states, halfway = (_stacked(*(jnp.asarray(x[:, first::2]) for x in (rho, q, p))) for first in (0, 1))
    return Samples(states, halfway, conditions)


_stacked = jax.vmap(jax.vmap(EhrenfestState))  # over trajectories and times


def single(tree: PyTree[Array]) -> PyTree[Array]:
    """In single precision, in which networks train."""
    narrow = {jnp.dtype("complex128"): jnp.complex64, jnp.dtype("float64"): jnp.float32}
    return jax.tree.map(lambda x: x.astype(narrow.get(x.dtype, x.dtype)), tree)


def widened(tree: PyTree[Array]) -> PyTree[Array]:
    """In the working precision."""
    wide = {jnp.dtype("complex64"): jnp.result_type(complex), jnp.dtype("float32"): jnp.result_type(float)}
    return jax.tree.map(lambda x: x.astype(wide.get(x.dtype, x.dtype)) if eqx.is_array(x) else x, tree)


def plan_of(training: SurrogateTraining) -> Plan:
    """The config's stages as the training loop has them."""
    return Plan(
        stages=tuple(Stage(**stage.model_dump()) for stage in training.stages),
        batch=training.batch,
        weight_decay=training.weight_decay,
        clip=training.clip,
        every=training.every,
        validation=training.validation,
        seed=training.seed,
    )


def judged(
    surrogate: AbstractSurrogate, ensemble: Ensemble, training: SurrogateTraining, known: Samples
) -> dict[str, tuple[Record, float]]:
    """Records on the test group, and seconds for a unit of simulated time, by method."""
    test = samples(ensemble, "test")
    length = min(max(training.horizons), test.intervals) + 1
    exact = jax.tree.map(lambda x: x[:, :length], test.states)
    conditions, sites = test.conditions, exact.displacement.shape[-1]
    start = jax.tree.map(lambda x: x[0, 0], exact)
    charge, lattice_order = judgement.orders(exact)
    truth = judgement.follow(lambda s: s, exact, conditions)
    nothing = jax.tree.map(jnp.zeros_like, truth)
    found = {
        "exact": (dataclasses.replace(nothing, charge_order=charge[:, 1:], lattice_order=lattice_order[:, 1:]), np.nan),
        training.network.kind: (
            judgement.follow(judgement.surrogate_step(widened(surrogate), conditions), exact, conditions),
            seconds(judgement.surrogate_step(surrogate, single(conditions)), single(start), conditions),
        ),
        "persistence": (truth, np.nan),
    }
    if known.states.displacement.shape[-1] == sites and known.states.displacement.shape[1] >= length:
        found["limit cycle"] = (judgement.limit_cycle(widened(known.states), exact, conditions), np.nan)
    for name, (scheme, steps) in SPLITTINGS.items():
        step = judgement.splitting_step(sites, conditions, scheme, steps)
        fast = judgement.splitting_step(sites, conditions, scheme, steps, orbitals=True)
        found[name] = (judgement.follow(step, exact, conditions), seconds(fast, judgement.orbitals(start), conditions))
    return found


def seconds(step: Step, start: EhrenfestState, conditions: Conditions) -> float:
    """The least time in which one trajectory goes on by a unit of simulated time."""
    many = jax.jit(lambda state: jax.lax.scan(lambda s, _: (step(s), None), state, length=TIMED)[0])
    jax.block_until_ready(many(start))
    took = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        jax.block_until_ready(many(start))
        took.append(time.perf_counter() - began)
    return min(took) / (TIMED * float(conditions.interval))


def _write(store: ResultStore, ensemble: Ensemble, training: SurrogateTraining, found: dict[str, tuple[Record, float]]) -> None:
    """The group of an ensemble."""
    names = list(found)
    columns = {name: np.stack([np.asarray(getattr(record, name), np.float64) for record, _ in found.values()]) for name in MEANINGS}
    _, trajectories, times = columns["rho"].shape
    variables = {
        name: Variable(("forecast", "trajectory", "time"), x.shape, x.dtype, *MEANINGS[name]) for name, x in columns.items()
    }
    columns["seconds"] = np.array([took for _, took in found.values()])
    about = "time that one trajectory takes for a unit of simulated time"
    variables["seconds"] = Variable(("forecast",), (len(names),), np.dtype(float), "s J/hbar", about)
    coordinates = {
        "forecast": Coordinate(np.array(names, str), "1", "who predicts"),
        "trajectory": Coordinate(np.arange(trajectories), "1", "number of the trajectory"),
        "time": Coordinate(2 * ensemble.interval * np.arange(1, times + 1), "hbar/J", "time since the first sample"),
    }
    store.create(ensemble.name, variables, coordinates, rows=len(names))
    store.write(ensemble.name, 0, columns)
