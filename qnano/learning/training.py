"""Training through the equation of motion, in stages, from a state that can be saved and resumed bit for bit.

    state = begin(learner, plan)
    for report in fit(state, plan, train, held_out, checkpoint=path): ...
    learner = report.state.best

A stage compares velocities along exact paths or propagates through windows of them; the next may have longer windows (a growing
horizon). Between two checkpoints everything happens in one compiled program, vmapped over the windows, of which each local device
has its share: nothing else is needed on GPUs.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array, Complex, Float, Int, PRNGKeyArray, PyTree

from qnano.border import choice, numbers, several
from qnano.learning.closures import AbstractLearner
from qnano.learning.data import Trajectories
from qnano.learning.fitting import Report, State, begun, clipped, fitted, joined, stepped
from qnano.learning.losses import Loss, relative_errors, velocity_loss


class Stage(eqx.Module):
    """So many `steps` of a kind. A rollout sees windows of `horizon` samples after its first, from any time or the first alone.

    Raises `ValueError` for another kind, and for numbers that cannot be.
    """

    kind: Literal["velocity", "rollout"]
    steps: int
    learning_rate: float = 1e-2
    batch: int = 8
    horizon: int = 10
    anywhere: bool = True

    def __check_init__(self):
        choice("kind", self.kind, ("velocity", "rollout"))
        for name in ("steps", "batch", "horizon"):
            numbers(name, getattr(self, name), kind="integer", shape=(), least=1)
        numbers("learning_rate", self.learning_rate, shape=(), least=0.0)


class Plan(eqx.Module):
    """Everything that decides a training but learner and data.

    Within each stage the learning rate falls along a cosine to a tenth. Gradients are clipped at the norm `clip`; a step whose
    gradient is not finite is left out. After every `every` steps the learner propagates the held-out trajectories from their
    start; if `patience` of these tests in a row bring nothing better, the training ends. `substeps` of RK4 lie between two samples.

    Raises `ValueError` for no stages, and for numbers that cannot be.
    """

    stages: tuple[Stage, ...]
    loss: Loss = Loss()
    substeps: int = 1
    clip: float = 1.0
    every: int = 20
    patience: int = 1_000_000

    def __check_init__(self):
        several("stages", self.stages, Stage, "stages")
        for name in ("substeps", "every", "patience"):
            numbers(name, getattr(self, name), kind="integer", shape=(), least=1)
        numbers("clip", self.clip, shape=(), above=0.0)

    @property
    def steps(self) -> int:
        return sum(stage.steps for stage in self.stages)


def begin(learner: AbstractLearner, plan: Plan, seed: int = 0) -> State:
    """The state before the first step; the `seed` draws the mini-batches."""
    return begun(learner, _optimiser(plan), seed)


def fit(
    state: State, plan: Plan, train: Trajectories, held_out: Trajectories, *, checkpoint: Path | None = None, identity: str = ""
) -> Iterator[Report]:
    """Train, and report after every `plan.every` steps, as `fitted` does it.

    `held_out` should hold what `train` does not: other families of starts, other interactions, later times. Raises `InputError` for
    a checkpoint of something else and `ValueError` for windows longer than the data.
    """
    _require_windows(plan, train)
    yield from fitted(
        state,
        plan.stages,
        plan.every,
        advance=lambda state, k, steps: _advance(state, plan, k, steps, train),
        judge=lambda learner: _held_out_error(learner, plan, held_out),
        patience=plan.patience,
        checkpoint=checkpoint,
        identity=identity,
    )


def train_step(state: State, plan: Plan, stage: Stage, data: Trajectories) -> tuple[State, Float[Array, ""]]:
    """One step, and its loss."""
    objective = _rollout_loss if stage.kind == "rollout" else _velocity_loss

    def of(learner: Any, key: PRNGKeyArray) -> Float[Array, ""]:
        return objective(learner, plan, stage, data, key)

    return stepped(state, _optimiser(plan), of)


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
        return plan.loss(learner, data.hamiltonian(k), exact, data.interval, plan.substeps, data.times[first])

    return jnp.mean(jax.vmap(one)(which, start))


def _velocity_loss(learner: AbstractLearner, plan: Plan, stage: Stage, data: Trajectories, key: PRNGKeyArray) -> Float[Array, ""]:
    which, at = _drawn(stage, data, key, 0)

    def one(k, sample):
        return velocity_loss(learner, data.hamiltonian(k), data.psi[k, sample], data.times[sample])

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

    def one(arguments: tuple[Int[Array, ""], Complex[Array, "time up down"]]) -> Float[Array, ""]:
        k, exact = arguments
        return jnp.mean(relative_errors(learner, data.hamiltonian(k), exact, data.interval, plan.substeps, data.times[0]))

    return jnp.mean(jax.lax.map(one, (jnp.arange(len(data)), data.psi), batch_size=4))


def _optimiser(plan: Plan) -> optax.GradientTransformation:
    falls = [optax.cosine_decay_schedule(stage.learning_rate, stage.steps, alpha=0.1) for stage in plan.stages]
    return clipped(optax.adam(joined(falls, plan.stages)), plan.clip)


def _require_windows(plan: Plan, data: Trajectories) -> None:
    samples = data.psi.shape[1]
    for k, stage in enumerate(plan.stages):
        if stage.kind == "rollout" and not 1 <= stage.horizon < samples:
            raise ValueError(f"stages.{k}.horizon: got {stage.horizon}; the data have {samples} samples, so at most {samples - 1}")
