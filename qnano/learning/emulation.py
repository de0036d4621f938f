"""Training a surrogate: windows of exact trajectories are predicted by roll-outs, and differentiated through.

The loss is the sum of the root mean square errors of rho on and off its diagonal, of Q and of P, each pooled over batch, intervals
and sites; a surrogate that has derivatives adds the same four of theirs against the equation of motion halfway (Ning, Yang and
Chern, arXiv:2412.06631). Only the first state of a window gets noise. A curriculum is a list of stages: longer windows, more noise.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from qnano.errors import InputError
from qnano.holstein.ehrenfest import EhrenfestState
from qnano.learning import files
from qnano.learning.parc import Scales
from qnano.learning.surrogates import AbstractSurrogate, Conditions, field_errors, rate, roll_out, with_noise

UNROLLED = 8  # intervals of a window at most that are compiled in a row


class Samples(eqx.Module):
    """Trajectories of one ensemble: `states` (trajectory, interval + 1, ...); `halfway` (trajectory, interval, ...) lie between."""

    states: EhrenfestState
    halfway: EhrenfestState
    conditions: Conditions

    @property
    def intervals(self) -> int:
        return self.halfway.displacement.shape[1]

    def __len__(self) -> int:
        return len(self.states.displacement)


class Stage(NamedTuple):
    """`steps` on windows of `horizon` intervals; the learning rate rises in `warm_up` steps and falls along a cosine to zero."""

    steps: int
    horizon: int = 1
    noise: float = 0.0
    learning_rate: float = 1e-3
    warm_up: int = 50


class Plan(NamedTuple):
    """Everything that decides a training but surrogate and data. A step sees `batch` windows of each ensemble."""

    stages: tuple[Stage, ...]
    batch: int = 16
    weight_decay: float = 1e-2
    clip: float = 1.0
    every: int = 100
    validation: int = 64
    seed: int = 0


class State(eqx.Module):
    """All that a training knows between two steps. `best_error` is the least validation error, `best` the surrogate that had it."""

    surrogate: AbstractSurrogate
    optimiser: PyTree[Any]
    step: Int[Array, ""]
    best: AbstractSurrogate
    best_error: Float[Array, ""]


class Report(NamedTuple):
    """After some steps: their mean loss, the validation error, seconds of training so far, and the state."""

    step: int
    loss: float
    validation: float
    seconds: float
    state: State


def scales(data: Sequence[Samples]) -> tuple[Scales, Scales, Scales]:
    """The largest magnitudes of states, of rates halfway and of changes over an interval."""
    rates = [jax.vmap(jax.vmap(lambda s, c=one.conditions: rate(s, c)))(one.halfway) for one in data]
    changes = [jax.tree.map(lambda x: x[:, 1:] - x[:, :-1], one.states) for one in data]

    def largest(found: Sequence[EhrenfestState]) -> Scales:
        real = lambda x: float(max(jnp.abs(x.real).max(), jnp.abs(x.imag).max()))  # noqa: E731
        return Scales(*(max(real(getattr(s, name)) for s in found) for name in ("electrons", "displacement", "momentum")))

    return largest([one.states for one in data]), largest(rates), largest(changes)


def begin(surrogate: AbstractSurrogate, plan: Plan) -> State:
    """The state before the first step."""
    state = State(surrogate, _optimiser(plan).init(_weights(surrogate)), jnp.zeros((), int), surrogate, jnp.array(jnp.inf))
    # A weakly typed number would become a strong one in the first step, and the second would be compiled again.
    return jax.tree.map(lambda x: jnp.asarray(x, dtype=x.dtype) if eqx.is_array(x) else x, state)


def fit(
    state: State,
    plan: Plan,
    train: tuple[Samples, ...],
    validation: tuple[Samples, ...],
    *,
    checkpoint: Path | None = None,
    identity: str = "",
) -> Iterator[Report]:
    """Train, and report after every `plan.every` steps; what a `checkpoint` of the same `identity` has done is reported first.

    Raises `InputError` for a checkpoint of something else.
    """
    curve: list[tuple[int, float, float, float]] = []
    if checkpoint is not None and checkpoint.exists():
        header = files.read_header(checkpoint)
        if header.get("identity") != identity:
            raise InputError(f"{checkpoint}: belongs to another training; remove it, or choose another place")
        state, curve = files.read_tree(checkpoint, state), [tuple(row) for row in header["curve"]]
        yield from (Report(*row, state) for row in curve)
    for k, first, last in _chunks(plan):
        if last <= int(state.step):
            continue
        began = time.perf_counter()
        losses = []
        for _ in range(first, last):
            state, value = train_step(state, plan, k, train)
            losses.append(value)
        error = validation_error(state.surrogate, plan, validation).astype(state.best_error.dtype)
        if error < state.best_error:
            state = eqx.tree_at(lambda s: (s.best, s.best_error), state, (state.surrogate, error))
        seconds = (curve[-1][3] if curve else 0.0) + time.perf_counter() - began
        curve.append((last, float(np.mean(losses)), float(error), seconds))
        if checkpoint is not None:
            files.write(checkpoint, {"identity": identity, "curve": curve}, state)
        yield Report(*curve[-1], state)


def loss(
    surrogate: AbstractSurrogate,
    windows: EhrenfestState,
    halfway: EhrenfestState,
    conditions: Conditions,
    noise: float,
    key: PRNGKeyArray | None,
) -> Float[Array, ""]:
    """The sum of errors over windows of states (window, interval + 1, ...); a `key` is for noise and dropout."""
    count, horizon = halfway.displacement.shape[:2]
    unroll = min(horizon, UNROLLED)

    def one(first: EhrenfestState, key: PRNGKeyArray | None) -> tuple[EhrenfestState, EhrenfestState | None]:
        if key is None:
            return roll_out(surrogate, first, conditions, horizon, unroll=unroll)
        shaken = with_noise(first, jnp.asarray(noise, first.displacement.dtype), key) if noise else first
        return roll_out(surrogate, shaken, conditions, horizon, jax.random.fold_in(key, 2), unroll)

    first = jax.tree.map(lambda x: x[:, 0], windows)
    found, rates = jax.vmap(one)(first, None if key is None else jax.random.split(key, count))
    total = sum(field_errors(found, jax.tree.map(lambda x: x[:, 1:], windows), (0, 1)))
    if rates is not None:
        exact = jax.vmap(jax.vmap(lambda s: rate(s, conditions)))(halfway)
        total += sum(field_errors(rates, exact, (0, 1)))
    return total


@eqx.filter_jit
def validation_error(surrogate: AbstractSurrogate, plan: Plan, data: tuple[Samples, ...]) -> Float[Array, ""]:
    """The mean over ensembles of the summed errors of long roll-outs from their starts."""

    def one(samples: Samples) -> Float[Array, ""]:
        steps = min(plan.validation, samples.intervals)
        first = jax.tree.map(lambda x: x[:, 0], samples.states)
        found = jax.lax.map(lambda s: roll_out(surrogate, s, samples.conditions, steps)[0], first)
        return sum(field_errors(found, jax.tree.map(lambda x: x[:, 1 : steps + 1], samples.states), (0, 1)))

    return jnp.mean(jnp.stack([one(samples) for samples in data]))


@eqx.filter_jit
def train_step(state: State, plan: Plan, k: int, data: tuple[Samples, ...]) -> tuple[State, Float[Array, ""]]:
    """One step of stage k, and its loss. Pure: the batch follows from the seed and the number of the step."""
    stage = plan.stages[k]

    def objective(surrogate: AbstractSurrogate, key: PRNGKeyArray) -> Float[Array, ""]:
        parts = []
        for n, samples in enumerate(data):
            draw, inside = jax.random.split(jax.random.fold_in(key, n))
            windows, halfway = _drawn(samples, plan.batch, stage.horizon, draw)
            parts.append(loss(surrogate, windows, halfway, samples.conditions, stage.noise, inside))
        return jnp.mean(jnp.stack(parts))

    key = jax.random.fold_in(jax.random.key(plan.seed), state.step)
    value, gradient = eqx.filter_value_and_grad(objective)(state.surrogate, key)
    updates, optimiser = _optimiser(plan).update(gradient, state.optimiser, _weights(state.surrogate))
    after = (eqx.apply_updates(state.surrogate, updates), optimiser, state.step + 1)
    return eqx.tree_at(lambda s: (s.surrogate, s.optimiser, s.step), state, after), value


def _drawn(samples: Samples, count: int, horizon: int, key: PRNGKeyArray) -> tuple[EhrenfestState, EhrenfestState]:
    """Windows from any trajectory and time: states (window, horizon + 1, ...), and those halfway (window, horizon, ...)."""
    whose, when = jax.random.split(key)
    which = jax.random.randint(whose, (count,), 0, len(samples))
    start = jax.random.randint(when, (count,), 0, samples.intervals - horizon + 1)

    def cut(length: int):
        part = lambda x, k, first: jax.lax.dynamic_slice_in_dim(x[k], first, length)  # noqa: E731
        return lambda x: jax.vmap(lambda k, first: part(x, k, first))(which, start)

    return jax.tree.map(cut(horizon + 1), samples.states), jax.tree.map(cut(horizon), samples.halfway)


def _weights(surrogate: AbstractSurrogate) -> PyTree[Array]:
    return eqx.filter(surrogate, eqx.is_inexact_array)


def _optimiser(plan: Plan) -> optax.GradientTransformation:
    rates = [
        optax.warmup_cosine_decay_schedule(0.0, stage.learning_rate, min(stage.warm_up, stage.steps - 1), stage.steps)
        for stage in plan.stages
    ]
    rate = optax.join_schedules(rates, np.cumsum([stage.steps for stage in plan.stages])[:-1].tolist())
    adam = optax.adamw(lambda step: jnp.asarray(rate(step), jnp.float32), weight_decay=plan.weight_decay)
    return optax.apply_if_finite(optax.chain(optax.clip_by_global_norm(plan.clip), adam), max_consecutive_errors=10**9)


def _chunks(plan: Plan) -> Iterator[tuple[int, int, int]]:
    """Stage, first and last step of what is done between two reports."""
    first = 0
    for k, stage in enumerate(plan.stages):
        end = first + stage.steps
        while first < end:
            last = min(first + plan.every, end)
            yield k, first, last
            first = last
