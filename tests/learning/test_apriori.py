"""Pools of exact states, and training on their collisions before any propagation."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano import lattice
from qnano.errors import InputError
from qnano.fermions.contractions import nearest_consistent_collision
from qnano.learning import apriori, states
from qnano.learning.channels import ODD, channels
from qnano.learning.products import HALF, Products, mean_field, traits

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pool() -> states.States:
    chain = lattice.chain(4)
    return states.along(states.starts(chain, (2, 2), 12, seed=5), jnp.linspace(0.0, 8.0, 5))


def test_states_of_a_pool_are_those_of_electrons(pool):
    """Their exact K is already consistent, so that consistency leaves it alone; half of the electrons of each spin on 4 sites."""
    assert len(pool) == 60
    same = jax.vmap(nearest_consistent_collision)(pool.one_rdm, pool.cumulant, pool.connected)
    np.testing.assert_allclose(same, pool.connected, atol=1e-9)
    np.testing.assert_allclose(jnp.trace(pool.one_rdm, axis1=1, axis2=2), 2.0, atol=1e-12)
    low, high = states.INTERACTIONS
    assert low <= pool.interaction.min() and pool.interaction.max() <= high


def test_the_same_seed_draws_the_same_pool(pool):
    chain = lattice.chain(4)
    again = states.starts(chain, (2, 2), 3, seed=5)
    np.testing.assert_array_equal([one.model.interaction(0.0) for one in again], np.asarray(pool.interaction)[::5][:3])


def test_whitened_channels_are_uncorrelated(pool):
    mixes = apriori.whitening([pool], most=60)
    total = np.zeros((HALF, HALF))
    for k in range(len(pool)):
        field = mean_field(pool.one_body[k], jnp.full(4, pool.interaction[k]), pool.one_rdm[k])
        x = np.asarray(channels(pool.one_rdm[k], pool.cumulant[k], field))[ODD].reshape(HALF, -1)
        x = np.asarray(mixes[1]) @ x
        total += (x @ x.conj().T).real / len(pool)
    kept = np.abs(np.asarray(mixes[1])).sum(axis=1) > 0
    np.testing.assert_allclose(total[np.ix_(kept, kept)], np.eye(kept.sum()) * 4**2, atol=1e-6)


def test_nearly_all_of_a_pool_is_within_its_edge(pool):
    products = apriori.prepared(Products(mixes=1, key=jax.random.key(0)), [pool])
    away = jax.vmap(products.distance)(pool.one_rdm, pool.cumulant, pool.interaction)
    assert np.mean(np.asarray(away) <= 1 + 1e-9) >= 0.98
    doped = pool.one_rdm[0] * 0.8
    assert traits(doped, pool.cumulant[0], pool.interaction[0])[3] == pytest.approx(-0.1)


@pytest.fixture(scope="module")
def course() -> apriori.Course:
    return apriori.Course(steps=40, batches=(8,), learning_rate=1e-2, every=20)


def test_a_training_learns_what_is_there(pool, course):
    """Untrained it explains what Nakatsuji and Yasuda's products do; trained, more of the very states."""
    products = apriori.prepared(Products(mixes=2, width=2, key=jax.random.key(0)), [pool])
    *_, last = apriori.fit(apriori.begin(products, course), course, [pool], pool)
    assert apriori.explained(last.state.best, pool) > apriori.explained(products, pool) + 0.2


def test_a_training_goes_on_from_its_checkpoint(pool, course, tmp_path):
    products = apriori.prepared(Products(mixes=2, width=2, key=jax.random.key(0)), [pool])
    whole = list(apriori.fit(apriori.begin(products, course), course, [pool], pool))
    path = tmp_path / "half"
    next(apriori.fit(apriori.begin(products, course), course, [pool], pool, checkpoint=path))
    rest = list(apriori.fit(apriori.begin(products, course), course, [pool], pool, checkpoint=path))
    assert [report.step for report in rest] == [20, 40]
    for one, other in zip(*(jax.tree.leaves(eqx.filter(x[-1].state, eqx.is_array)) for x in (whole, rest)), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(InputError, match="another training"):
        next(apriori.fit(apriori.begin(products, course), course, [pool], pool, checkpoint=path, identity="other"))


def test_one_batch_for_each_pool(pool):
    course = apriori.Course(steps=1, batches=(1, 1))
    with pytest.raises(ValueError, match=r"batches: got 2; must be one for each of 1 pools"):
        next(apriori.fit(apriori.begin(Products(mixes=1, key=jax.random.key(0)), course), course, [pool], pool))
