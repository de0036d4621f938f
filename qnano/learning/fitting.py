"""The loop of every training: stages of optimiser steps, a judgement after so many, the best so far, checkpoints.

What is trained and how a step goes is given: `advance(state, stage, steps)` takes steps of a stage and returns their losses, and
`judge(learner)` says how good a learner is, the less the better. Everything a step depends on is in the state, so that a training
which was killed goes on from its last checkpoint as if nothing had happened.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from qnano import checkpoints
from qnano.border import numbers
from qnano.errors import InputError


@runtime_checkable
class AbstractStage(Protocol):
    """A number of optimiser steps."""

    @property
    def steps(self) -> int: ...


class State(eqx.Module):
    """All that a training knows between two steps.

    `best_error` is the least judged error, `best` the learner that had it, `failures` the judgements since.
    """

    seed: Int[Array, ""]
    learner: eqx.Module
    optimiser: PyTree[Any]
    step: Int[Array, ""]
    best: eqx.Module
    best_error: Float[Array, ""]
    failures: Int[Array, ""]


class Report(NamedTuple):
    """After some steps: their mean loss, the judged error, seconds of training so far, and the state."""

    step: int
    loss: float
    error: float
    seconds: float
    state: State


def begun(learner: eqx.Module, optimiser: optax.GradientTransformation, seed: int) -> State:
    """The state before the first step; the `seed` draws the mini-batches. Raises `ValueError` for a seed that is none."""
    numbers("seed", seed, kind="integer", shape=(), least=0)
    zero = jnp.zeros((), int)
    state = State(jnp.array(seed), learner, optimiser.init(_weights(learner)), zero, learner, jnp.array(jnp.inf), zero)
    # A weakly typed number would become a strong one in the first step, and the second would be compiled again.
    return jax.tree.map(lambda x: jnp.asarray(x, dtype=x.dtype) if eqx.is_array(x) else x, state)


def stepped(
    state: State,
    optimiser: optax.GradientTransformation,
    objective: Callable[[eqx.Module, PRNGKeyArray], Float[Array, ""]],
) -> tuple[State, Float[Array, ""]]:
    """One step of the optimiser, and its loss. Pure: the key of the batch follows from the seed and the number of the step."""
    key = jax.random.fold_in(jax.random.key(state.seed), state.step)
    loss, gradient = eqx.filter_value_and_grad(objective)(state.learner, key)
    updates, inner = optimiser.update(gradient, state.optimiser, _weights(state.learner))
    after = (eqx.apply_updates(state.learner, updates), inner, state.step + 1)
    return eqx.tree_at(lambda s: (s.learner, s.optimiser, s.step), state, after), loss


def fitted(
    state: State,
    stages: Sequence[AbstractStage],
    every: int,
    advance: Callable[[State, int, int], tuple[State, Float[Array, " step"]]],
    judge: Callable[[Any], Float[Array, ""]],
    *,
    patience: int | None = None,
    checkpoint: Path | None = None,
    identity: str = "",
) -> Iterator[Report]:
    """Train, and report after `every` steps; what a `checkpoint` of the same `identity` has done is reported first.

    With a `patience` the training ends after so many judgements in a row that bring nothing better. Raises `InputError` for a
    checkpoint of something else.
    """
    curve: list[tuple[int, float, float, float]] = []
    if checkpoint is not None and checkpoint.exists():
        header = checkpoints.read_header(checkpoint)
        if header.get("identity") != identity:
            raise InputError(f"{checkpoint}: belongs to another training; remove it, or choose another place")
        state, curve = checkpoints.read_tree(checkpoint, state), [tuple(row) for row in header["curve"]]
        yield from (Report(*row, state) for row in curve)
    for k, first, last in _chunks(stages, every):
        if last <= int(state.step) or (patience is not None and int(state.failures) >= patience):
            continue
        began = time.perf_counter()
        state, losses = advance(state, k, last - first)
        error = judge(state.learner)
        state = _judged(state, error)
        seconds = (curve[-1][3] if curve else 0.0) + time.perf_counter() - began
        curve.append((last, float(np.mean(losses)), float(error), seconds))
        if checkpoint is not None:
            checkpoints.write(checkpoint, {"identity": identity, "curve": curve}, state)
        yield Report(*curve[-1], state)


def clipped(optimiser: optax.GradientTransformation, norm: float) -> optax.GradientTransformation:
    """Gradients clipped at a norm; a step whose gradient is not finite is left out."""
    return optax.apply_if_finite(optax.chain(optax.clip_by_global_norm(norm), optimiser), max_consecutive_errors=10**9)


def joined(schedules: Sequence[optax.Schedule], stages: Sequence[AbstractStage]) -> optax.Schedule:
    """The schedule of each stage, one after the other."""
    return optax.join_schedules(schedules, np.cumsum([stage.steps for stage in stages])[:-1].tolist())


def _weights(learner: eqx.Module) -> PyTree[Array]:
    return eqx.filter(learner, eqx.is_inexact_array)


def _judged(state: State, error: Float[Array, ""]) -> State:
    """The state with its best learner brought up to date."""
    better = bool(error < state.best_error)
    best = state.learner if better else state.best
    failures = jnp.zeros((), int) if better else state.failures + 1
    least = jnp.minimum(error, state.best_error).astype(state.best_error.dtype)
    return eqx.tree_at(lambda s: (s.best, s.best_error, s.failures), state, (best, least, failures))


def _chunks(stages: Sequence[AbstractStage], every: int) -> Iterator[tuple[int, int, int]]:
    """Stage, first and last step of what is done between two reports."""
    first = 0
    for k, stage in enumerate(stages):
        end = first + stage.steps
        while first < end:
            last = min(first + every, end)
            yield k, first, last
            first = last
