"""Training through the equation of motion, in stages, from a state that can be saved and resumed bit for bit.

    state = begin(learner, plan)
    for report in fit(state, plan, train, held_out, checkpoint=path): ...
    learner = report.state.best

A stage compares velocities along exact paths or propagates through windows of them; the next may have longer windows (a growing
horizon). Mini-batches are drawn over trajectories and times from the seed and the number of the step alone, so that a training
which
was killed goes on from its last checkpoint as if nothing had happened. Between two checkpoints everything happens in one compiled
program, vmapped over the windows, of which each local device has its share: nothing else is needed on GPUs.
"""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array, Complex, Float, Int, PRNGKeyArray, PyTree

from qnano.errors import InputError
from qnano.learning import files
from qnano.learning.closures import AbstractLearner
from qnano.learning.data import Trajectories
from qnano.learning.losses import Loss, relative_errors, velocity_loss


class Stage(NamedTuple):
    """So many `steps` of a kind. A rollout sees windows of `horizon` samples after its first, from any time or the first alone."""

    kind: Literal["velocity", "rollout"]
    steps: int
    learning_rate: float = 1e-2
    batch: int = 8
    horizon: int = 10
    anywhere: bool = True


class Plan(NamedTuple):
    """Everything that decides a training but learner and data.

    Within each stage the learning rate falls along a cosine to a tenth. Gradients are clipped at the norm `clip`; a step whose
    gradient is not finite is left out. After every `every` steps the learner propagates the held-out trajectories from their
    start; if `patience` of these tests in a row bring nothing better, the training ends. `substeps` of RK4 lie between two samples.
    """

    stages: tuple[Stage, ...]
    loss: Loss = Loss()
    substeps: int = 1
    clip: float = 1.0
    every: int = 20
    patience: int = 1_000_000

    @property
    def steps(self) -> int:
        return sum(stage.steps for stage in self.stages)


class State(eqx.Module):
    """All that a training knows between two steps. `best_error` is the least held-out error, `best` the learner that had it."""

    seed: Int[Array, ""]
    learner: AbstractLearner
    optimiser: PyTree[Any]
    step: Int[Array, ""]
    best: AbstractLearner
    best_error: Float[Array, ""]
    failures: Int[Array, ""]


class Report(NamedTuple):
    """After some steps: their mean loss, the held-out error, seconds of training so far, and the state."""

    step: int
    loss: float
    held_out: float
    seconds: float
    state: State


def begin(learner: AbstractLearner, plan: Plan, seed: int = 0) -> State:
    """The state before the first step; the `seed` draws the mini-batches."""
    zero = jnp.zeros((), int)
    state = State(jnp.array(seed), learner, _optimiser(plan).init(_weights(learner)), zero, learner, jnp.array(jnp.inf), zero)
    # A weakly typed number would become a strong one in the first step, and the second would be compiled again.
    return jax.tree.map(lambda x: jnp.asarray(x, dtype=x.dtype) if eqx.is_array(x) else x, state)


def fit(
    state: State, plan: Plan, train: Trajectories, held_out: Trajectories, *, checkpoint: Path | None = None, identity: str = ""
) -> Iterator[Report]:
    """Train, and report after every `plan.every` steps; what a `checkpoint` of the same `identity` has done is reported first.

    `held_out` should hold what `train` does not: other families of starts, other interactions, later times. Raises `InputError` for
    a checkpoint of something else and `ValueError` for windows longer than the data.
    """
    _require_windows(plan, train)
    curve: list[tuple[int, float, float, float]] = []
    if checkpoint is not None and checkpoint.exists():
        header = files.read_header(checkpoint)
        if header.get("identity") != identity:
            raise InputError(f"{checkpoint}: belongs to another training; remove it, or choose another place")
        state, curve = files.read_tree(checkpoint, state), [tuple(row) for row in header["curve"]]
        yield from (Report(*row, state) for row in curve)
    for k, first, last in _chunks(plan):
        if last <= int(state.step) or int(state.failures) >= plan.patience:
            continue
        began = time.perf_counter()
        state, losses = _advance(state, plan, k, last - first, train)
        error = _held_out_error(state.learner, plan, held_out)
        state = _judged(state, error)
        seconds = (curve[-1][3] if curve else 0.0) + time.perf_counter() - began
        curve.append((last, float(np.mean(losses)), float(error), seconds))
        if checkpoint is not None:
            files.write(checkpoint, {"identity": identity, "curve": curve}, state)
        yield Report(*curve[-1], state)


def train_step(state: State, plan: Plan, stage: Stage, data: Trajectories) -> tuple[State, Float[Array, ""]]:
    """One step, and its loss. Pure: the batch follows from the seed and the number of the step."""
    key = jax.random.fold_in(jax.random.key(state.seed), state.step)
    objective = _rollout_loss if stage.kind == "rollout" else _velocity_loss
    loss, gradient = eqx.filter_value_and_grad(objective)(state.learner, plan, stage, data, key)
    updates, optimiser = _optimiser(plan).update(gradient, state.optimiser, _weights(state.learner))
    after = (eqx.apply_updates(state.learner, updates), optimiser, state.step + 1)
    return eqx.tree_at(lambda s: (s.learner, s.optimiser, s.step), state, after), loss


@eqx.filter_jit
def _advance(state: State, plan: Plan, k: int, steps: int, data: Trajectories) -> tuple[State, Float[Array, " step"]]:
    arrays, static = eqx.partition(state, eqx.is_array)

    def one(arrays: PyTree[Array], _: None) -> tuple[PyTree[Array], Float[Array, ""]]:
        after, loss = train_step(eqx.combine(arrays, static), plan, plan.stages[k], data)
        return eqx.filter(after, eqx.is_array), loss

    arrays, losses = jax.lax.scan(one, arrays, length=steps)
    return eqx.combine(arrays, static), losses


def _rollout_loss(learner: AbstractLearner, plan: Plan, stage: Stage, data: Trajectories, key: PRNGKeyArray) -> Float[Array, ""]:
    which, start = _drawn(stage, data, key, stage.horizon)

    def one(k: Int[Array, ""], first: Int[Array, ""]) -> Float[Array, ""]:
        exact = jax.lax.dynamic_slice_in_dim(data.psi[k], first, stage.horizon + 1)
        return plan.loss(learner, data.model(data.interaction[k]), exact, data.interval, plan.substeps)

    return jnp.mean(jax.vmap(one)(which, start))


def _velocity_loss(learner: AbstractLearner, plan: Plan, stage: Stage, data: Trajectories, key: PRNGKeyArray) -> Float[Array, ""]:
    which, at = _drawn(stage, data, key, 0)
    one = lambda k, sample: velocity_loss(learner, data.model(data.interaction[k]), data.psi[k, sample])  # noqa: E731
    return jnp.mean(jax.vmap(one)(which, at))


def _drawn(stage: Stage, data: Trajectories, key: PRNGKeyArray, horizon: int) -> tuple[Int[Array, " n"], Int[Array, " n"]]:
    """The trajectory and the first sample of each window of a batch."""
    whose, when = jax.random.split(key)
    which = jax.random.randint(whose, (stage.batch,), 0, len(data))
    latest = data.psi.shape[1] - horizon if stage.anywhere else 1
    return _shared_out(which), _shared_out(jax.random.randint(when, (stage.batch,), 0, latest))


def _shared_out(batch: Int[Array, " n"]) -> Int[Array, " n"]:
    """The windows, an equal share for each local device, or for as many as divide their number; the compiler shares the rest."""
    devices = jax.local_devices()[: math.gcd(len(batch), jax.local_device_count())]
    mesh = jax.sharding.Mesh(np.array(devices), ("window",))
    return jax.lax.with_sharding_constraint(batch, NamedSharding(mesh, PartitionSpec("window"))) if len(devices) > 1 else batch


@eqx.filter_jit
def _held_out_error(learner: AbstractLearner, plan: Plan, data: Trajectories) -> Float[Array, ""]:
    """The mean relative error of D2 over times and trajectories, propagated from their start."""

    def one(arguments: tuple[Float[Array, ""], Complex[Array, "time up down"]]) -> Float[Array, ""]:
        interaction, exact = arguments
        return jnp.mean(relative_errors(learner, data.model(interaction), exact, data.interval, plan.substeps))

    return jnp.mean(jax.lax.map(one, (data.interaction, data.psi), batch_size=4))


def _judged(state: State, error: Float[Array, ""]) -> State:
    """The state with its best learner brought up to date."""
    better = bool(error < state.best_error)
    best = state.learner if better else state.best
    failures = jnp.zeros((), int) if better else state.failures + 1
    return eqx.tree_at(lambda s: (s.best, s.best_error, s.failures), state, (best, jnp.minimum(error, state.best_error), failures))


def _weights(learner: AbstractLearner) -> PyTree[Array]:
    return eqx.filter(learner, eqx.is_inexact_array)


def _optimiser(plan: Plan) -> optax.GradientTransformation:
    falls = [optax.cosine_decay_schedule(stage.learning_rate, stage.steps, alpha=0.1) for stage in plan.stages]
    rate = optax.join_schedules(falls, np.cumsum([stage.steps for stage in plan.stages])[:-1].tolist())
    return optax.apply_if_finite(optax.chain(optax.clip_by_global_norm(plan.clip), optax.adam(rate)), max_consecutive_errors=10**9)


def _chunks(plan: Plan) -> Iterator[tuple[int, int, int]]:
    """Stage, first and last step of what is done between two reports."""
    first = 0
    for k, stage in enumerate(plan.stages):
        end = first + stage.steps
        while first < end:
            last = min(first + plan.every, end)
            yield k, first, last
            first = last


def _require_windows(plan: Plan, data: Trajectories) -> None:
    samples = data.psi.shape[1]
    for k, stage in enumerate(plan.stages):
        if stage.kind == "rollout" and not 1 <= stage.horizon < samples:
            raise ValueError(f"stages.{k}.horizon: got {stage.horizon}; the data have {samples} samples, so at most {samples - 1}")
