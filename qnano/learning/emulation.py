"""Training a surrogate: windows of exact trajectories are predicted by roll-outs, and differentiated through.

The loss is the sum of the root mean square errors of rho on and off its diagonal, of Q and of P, each pooled over batch, intervals
and sites; a surrogate that has derivatives adds the same four of theirs against the equation of motion halfway (Ning, Yang and
Chern, arXiv:2412.06631). Only the first state of a window gets noise. A curriculum is a list of stages: longer windows, more noise.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from qnano.border import numbers, several
from qnano.holstein.ehrenfest import EhrenfestState
from qnano.learning.fitting import Report, State, begun, clipped, fitted, joined, stepped
from qnano.learning.parc import Scales
from qnano.learning.surrogates import AbstractSurrogate, Conditions, FieldErrors, field_errors, rate, roll_out, with_noise

UNROLLED = 8  # intervals of a window at most that are compiled in a row


class Samples(eqx.Module):
    """Trajectories of one ensemble: `states` (trajectory, interval + 1, ...); `halfway` (trajectory, interval, ...) lie between.

    Raises `ValueError` for arrays that do not fit each other.
    """

    states: EhrenfestState
    halfway: EhrenfestState
    conditions: Conditions

    def __check_init__(self):
        numbers("halfway.displacement", self.halfway.displacement, shape=(None, None, None))
        count, intervals, sites = self.halfway.displacement.shape
        for name, found, times in (("states", self.states, intervals + 1), ("halfway", self.halfway, intervals)):
            numbers(f"{name}.electrons", found.electrons, kind="complex", shape=(count, times, sites, sites))
            numbers(f"{name}.displacement", found.displacement, shape=(count, times, sites))
            numbers(f"{name}.momentum", found.momentum, shape=(count, times, sites))

    @property
    def intervals(self) -> int:
        return self.halfway.displacement.shape[1]

    def __len__(self) -> int:
        return len(self.states.displacement)


class Stage(eqx.Module):
    """`steps` on windows of `horizon` intervals; the learning rate rises in `warm_up` steps and falls along a cosine to zero.

    Raises `ValueError` for numbers that cannot be.
    """

    steps: int
    horizon: int = 1
    noise: float = 0.0
    learning_rate: float = 1e-3
    warm_up: int = 50

    def __check_init__(self):
        for name, least in (("steps", 1), ("horizon", 1), ("warm_up", 0)):
            numbers(name, getattr(self, name), kind="integer", shape=(), least=least)
        for name in ("noise", "learning_rate"):
            numbers(name, getattr(self, name), shape=(), least=0.0)


class Plan(eqx.Module):
    """Everything that decides a training but surrogate and data. A step sees `batch` windows of each ensemble.

    Raises `ValueError` for no stages, and for numbers that cannot be.
    """

    stages: tuple[Stage, ...]
    batch: int = 16
    weight_decay: float = 1e-2
    clip: float = 1.0
    every: int = 100
    validation: int = 64
    seed: int = 0

    def __check_init__(self):
        several("stages", self.stages, Stage, "stages")
        for name, least in (("batch", 1), ("every", 1), ("validation", 1), ("seed", 0)):
            numbers(name, getattr(self, name), kind="integer", shape=(), least=least)
        numbers("weight_decay", self.weight_decay, shape=(), least=0.0)
        numbers("clip", self.clip, shape=(), above=0.0)


def scales(data: Sequence[Samples]) -> tuple[Scales, Scales, Scales]:
    """The largest magnitudes of states, of rates halfway and of changes over an interval; 1 for what is 0 throughout.

    Raises `ValueError` for no data.
    """
    numbers("data", len(data), kind="integer", shape=(), least=1)
    rates = [jax.vmap(jax.vmap(lambda s, c=one.conditions: rate(s, c)))(one.halfway) for one in data]
    changes = [jax.tree.map(lambda x: x[:, 1:] - x[:, :-1], one.states) for one in data]

    def largest(found: Sequence[EhrenfestState]) -> Scales:
        def real(x):
            return float(max(jnp.abs(x.real).max(), jnp.abs(x.imag).max()))

        return Scales(*(max(real(getattr(s, name)) for s in found) or 1.0 for name in ("electrons", "displacement", "momentum")))

    return largest([one.states for one in data]), largest(rates), largest(changes)


def begin(surrogate: AbstractSurrogate, plan: Plan) -> State:
    """The state before the first step."""
    return begun(surrogate, _optimiser(plan), plan.seed)


def fit(
    state: State,
    plan: Plan,
    train: tuple[Samples, ...],
    validation: tuple[Samples, ...],
    *,
    checkpoint: Path | None = None,
    identity: str = "",
) -> Iterator[Report]:
    """Train, and report after every `plan.every` steps, as `fitted` does it.

    Raises `InputError` for a checkpoint of something else and `ValueError` for windows longer than the data.
    """
    most = min(samples.intervals for samples in train)
    for k, stage in enumerate(plan.stages):
        numbers(f"stages.{k}.horizon", stage.horizon, kind="integer", shape=(), most=most)

    def advance(state: State, k: int, steps: int) -> tuple[State, Float[Array, " step"]]:
        losses = []  # steps are compiled one by one: inside of a loop, the CPU's convolutions would take several times as long
        for _ in range(steps):
            state, value = train_step(state, plan, k, train)
            losses.append(value)
        return state, jnp.stack(losses)

    def judge(surrogate):
        return validation_error(surrogate, plan, validation)

    yield from fitted(state, plan.stages, plan.every, advance, judge, checkpoint=checkpoint, identity=identity)


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
    total = _total(field_errors(found, jax.tree.map(lambda x: x[:, 1:], windows), (0, 1)))
    if rates is not None:
        exact = jax.vmap(jax.vmap(lambda s: rate(s, conditions)))(halfway)
        total += _total(field_errors(rates, exact, (0, 1)))
    return total


def _total(errors: FieldErrors) -> Float[Array, ""]:
    return jnp.sum(jnp.stack(errors))


@eqx.filter_jit
def validation_error(surrogate: AbstractSurrogate, plan: Plan, data: tuple[Samples, ...]) -> Float[Array, ""]:
    """The mean over ensembles of the summed errors of long roll-outs from their starts."""

    def one(samples: Samples) -> Float[Array, ""]:
        steps = min(plan.validation, samples.intervals)
        first = jax.tree.map(lambda x: x[:, 0], samples.states)
        found = jax.lax.map(lambda s: roll_out(surrogate, s, samples.conditions, steps)[0], first)
        return _total(field_errors(found, jax.tree.map(lambda x: x[:, 1 : steps + 1], samples.states), (0, 1)))

    return jnp.mean(jnp.stack([one(samples) for samples in data]))


@eqx.filter_jit
def train_step(state: State, plan: Plan, k: int, data: tuple[Samples, ...]) -> tuple[State, Float[Array, ""]]:
    """One step of stage k, and its loss."""
    stage = plan.stages[k]

    def objective(surrogate: Any, key: PRNGKeyArray) -> Float[Array, ""]:
        parts = []
        for n, samples in enumerate(data):
            draw, inside = jax.random.split(jax.random.fold_in(key, n))
            windows, halfway = _drawn(samples, plan.batch, stage.horizon, draw)
            parts.append(loss(surrogate, windows, halfway, samples.conditions, stage.noise, inside))
        return jnp.mean(jnp.stack(parts))

    return stepped(state, _optimiser(plan), objective)


def _drawn(samples: Samples, count: int, horizon: int, key: PRNGKeyArray) -> tuple[EhrenfestState, EhrenfestState]:
    """Windows from any trajectory and time: states (window, horizon + 1, ...), and those halfway (window, horizon, ...)."""
    whose, when = jax.random.split(key)
    which = jax.random.randint(whose, (count,), 0, len(samples))
    start = jax.random.randint(when, (count,), 0, samples.intervals - horizon + 1)

    def cut(length: int):
        def part(x, k, first):
            return jax.lax.dynamic_slice_in_dim(x[k], first, length)

        return lambda x: jax.vmap(lambda k, first: part(x, k, first))(which, start)

    return jax.tree.map(cut(horizon + 1), samples.states), jax.tree.map(cut(horizon), samples.halfway)


def _optimiser(plan: Plan) -> optax.GradientTransformation:
    rates = [
        optax.warmup_cosine_decay_schedule(0.0, stage.learning_rate, min(stage.warm_up, stage.steps - 1), stage.steps)
        for stage in plan.stages
    ]
    rate = joined(rates, plan.stages)
    return clipped(optax.adamw(lambda step: jnp.asarray(rate(step), jnp.float32), weight_decay=plan.weight_decay), plan.clip)
