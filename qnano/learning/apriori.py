"""Training before any propagation: the collision of a closure at exact states, against the exact one.

What is compared is C = K + K^T - h.c. after contraction consistency, so that nothing is asked of what that decides:

    loss = mean over states of w(U) |C[K learned] - C[K exact]|^2,

with w(U) such that every U counts alike, the mean over states of each size by itself. The share explained is
R^2 = 1 - sum |C[K learned] - C[K exact]|^2 / sum |C[K V + CC] - C[K exact]|^2.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from qnano.border import numbers, several
from qnano.fermions.contractions import nearest_consistent_collision
from qnano.fermions.reconstruction import nakatsuji_yasuda, smooth_sign
from qnano.fermions.types import TwoRDM
from qnano.learning.channels import ODD, channels
from qnano.learning.fitting import Report, State, begun, clipped, fitted, stepped
from qnano.learning.products import HALF, TRAITS, Products, coupling, mean_field, traits
from qnano.learning.states import States


class Course(eqx.Module):
    """So many `steps` with `batches` states of each pool in each; the rate rises over the first 500 and falls along a cosine.

    Raises `ValueError` for numbers that cannot be.
    """

    steps: int
    batches: tuple[int, ...]
    learning_rate: float = 1e-2
    clip: float = 0.3
    every: int = 100

    def __check_init__(self):
        numbers("steps", self.steps, kind="integer", shape=(), least=1)
        numbers("batches", self.batches, kind="integer", shape=(None,), least=1)
        numbers("learning_rate", self.learning_rate, shape=(), least=0.0)
        numbers("clip", self.clip, shape=(), above=0.0)
        numbers("every", self.every, kind="integer", shape=(), least=1)


def begin(products: Products, course: Course, seed: int = 0) -> State:
    """The state before the first step; the `seed` draws the batches."""
    return begun(products, _optimiser(course), seed)


def fit(
    state: State,
    course: Course,
    pools: Sequence[States],
    held_out: States,
    *,
    checkpoint: Path | None = None,
    identity: str = "",
) -> Iterator[Report]:
    """Train on pools, one for each size, and report 1 - R^2 of the held-out states after every `course.every` steps.

    Raises `ValueError` for other than one batch for each pool, and `InputError` for a checkpoint of something else.
    """
    several("pools", pools, States, "pools of states")
    if len(course.batches) != len(pools):
        raise ValueError(f"batches: got {len(course.batches)}; must be one for each of {len(pools)} pools")
    weighted = [(pool, jnp.asarray(_weights(pool))) for pool in pools]
    yield from fitted(
        state,
        (course,),
        course.every,
        advance=lambda state, _, steps: _advance(state, course, steps, weighted),
        judge=lambda products: 1 - explained(products, held_out),
        checkpoint=checkpoint,
        identity=identity,
    )


@eqx.filter_jit
def explained(products: Products, states: States) -> Float[Array, ""]:
    """R^2 over these states."""
    missed, all_of_it = jax.lax.map(lambda state: (_missed(products, state), _missed(None, state)), states, batch_size=32)
    return 1 - jnp.sum(missed) / jnp.sum(all_of_it)


def prepared(products: Products, pools: Sequence[States]) -> Products:
    """With the whitening of the pools, and with their centre and edge, beyond which it is not to be trusted."""
    return eqx.tree_at(lambda p: (p.whitening, p.centre, p.spread), products, (whitening(pools), *edge(pools)))


def edge(pools: Sequence[States], share: float = 0.995) -> tuple[Float[Array, " trait"], Float[Array, "trait trait"]]:
    """The mean of the traits, and what takes them to a distance within which a `share` of the states lies at 1."""
    found = np.concatenate([np.asarray(_traits(pool)) for pool in pools])
    away = found - found.mean(axis=0)
    # What does not vary, as filling and U of some pools do not, counts little here.
    size, vectors = np.linalg.eigh(np.cov(away.T) + 1e-4 * np.eye(TRAITS) * (np.ptp(away, axis=0) < 1e-3))
    spread = (vectors / np.sqrt(size)).T
    reach = np.quantile(np.linalg.norm(away @ spread.T, axis=1), share)
    return jnp.asarray(found.mean(axis=0)), jnp.asarray(spread / reach)


@eqx.filter_jit
def _traits(states: States) -> Float[Array, "n trait"]:
    return jax.lax.map(lambda state: traits(state.one_rdm, state.cumulant, state.interaction), states)


def whitening(pools: Sequence[States], share: float = 3e-4, most: int = 256) -> Float[Array, "2 mix half"]:
    """Mixes of the channels of each parity that are uncorrelated over the pools and of norm N_s; zeros where some are none.

    What varies less than a `share` of the largest is left out; at `most` so many states of each pool are looked at.
    """
    found = np.zeros((2 * HALF, 2 * HALF))
    for pool in pools:
        chosen = np.random.default_rng(0).choice(len(pool), min(most, len(pool)), replace=False)
        found += np.asarray(_covariance(jax.tree.map(lambda x, chosen=chosen: x[chosen], pool)), float)
    mixes = []
    for odd in (False, True):
        these = np.flatnonzero(odd == ODD)
        scale = 1 / np.sqrt(np.diag(found)[these] + 1e-12)
        size, vectors = np.linalg.eigh(scale[:, None] * found[np.ix_(these, these)] * scale)
        kept = size > share * size[-1]
        mix = (vectors[:, kept] / np.sqrt(size[kept])).T * scale
        mixes.append(np.vstack([mix, np.zeros((HALF - len(mix), HALF))]))
    return jnp.asarray(np.stack(mixes))


@eqx.filter_jit
def _covariance(states: States) -> Float[Array, "channel channel"]:
    def one(state: States) -> Float[Array, "channel channel"]:
        field = mean_field(state.one_body, jnp.full(len(state.one_rdm), state.interaction), state.one_rdm)
        x = channels(state.one_rdm, state.cumulant, field).reshape(2 * HALF, -1)
        return (x @ x.conj().T).real / len(state.one_rdm) ** 2

    return jnp.mean(jax.lax.map(one, states), axis=0)


@eqx.filter_jit
def _weights(states: States) -> Float[Array, " n"]:
    """1 / the typical square of what is to be learned, a cubic of ln U."""
    size = jax.lax.map(lambda state: _missed(None, state), states, batch_size=32)
    powers = coupling(states.interaction)[:, None] ** jnp.arange(4)
    return jnp.exp(-powers @ jnp.linalg.lstsq(powers, jnp.log(size + 1e-12))[0])


def _missed(products: Products | None, state: States) -> Float[Array, ""]:
    """|C[K learned] - C[K exact]|^2 of a state; None stands for V + CC."""
    d, cumulant = state.one_rdm, state.cumulant
    element = jnp.zeros_like(cumulant)
    if products is not None:
        field = mean_field(state.one_body, jnp.full(len(d), state.interaction), d)
        element = nakatsuji_yasuda(smooth_sign(d), cumulant).collision
        element += products(d, cumulant, field, coupling(state.interaction))
    return jnp.sum(jnp.abs(_collision(nearest_consistent_collision(d, cumulant, element) - state.connected)) ** 2)


def _collision(element: TwoRDM) -> TwoRDM:
    """K + K^T - h.c."""
    half = element + element.transpose(1, 0, 3, 2)
    return half - half.conj().transpose(2, 3, 0, 1)


@eqx.filter_jit
def _advance(
    state: State, course: Course, steps: int, pools: list[tuple[States, Float[Array, " n"]]]
) -> tuple[State, Float[Array, " step"]]:
    arrays, static = eqx.partition(state, eqx.is_array)

    def loss(products: Any, key: PRNGKeyArray) -> Float[Array, ""]:
        parts = []
        for k, ((pool, weight), count) in enumerate(zip(pools, course.batches, strict=True)):
            chosen = jax.random.randint(jax.random.fold_in(key, k), (count,), 0, len(pool))
            batch = jax.tree.map(lambda x, chosen=chosen: x[chosen], pool)
            parts.append(jnp.mean(weight[chosen] * jax.vmap(lambda state: _missed(products, state))(batch)))
        return jnp.mean(jnp.stack(parts))

    def one(arrays, _):
        after, value = stepped(eqx.combine(arrays, static), _optimiser(course), loss)
        return eqx.filter(after, eqx.is_array), value

    arrays, losses = jax.lax.scan(one, arrays, length=steps)
    return eqx.combine(arrays, static), losses


def _optimiser(course: Course) -> optax.GradientTransformation:
    rise = min(500, course.steps // 4)
    rate = optax.warmup_cosine_decay_schedule(0.0, course.learning_rate, rise, course.steps, 0.02 * course.learning_rate)
    return clipped(optax.adam(rate), course.clip)
