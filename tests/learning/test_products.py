"""Products of two channels: every pairing against its definition, the symmetries of K, the sizes that it runs on."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano.learning.channels import ODD, channels
from qnano.learning.products import HALF, KINDS, ROWS, SIZE, Products, trust

# What each kind of slice makes of F (x) and S (z), as the sums of its definition; b is one site.
PAIRINGS = (
    "abxt,tbby->abxy",
    "abxt,tbyb->abxy",
    "abtx,tbby->abxy",
    "abtx,tbyb->abxy",
    "tbxy,abbt->abxy",
    "tbxy,abtb->abxy",
    "taby,bbxt->abxy",
    "tayb,bbxt->abxy",
    "taxy,bbbt->abxy",
)


def state(sites: int, seed: int = 0) -> tuple:
    """Arrays with the symmetries of d, L and h; no electrons behind them."""
    generator = np.random.default_rng(seed)

    def complex_of(*shape):
        return generator.normal(size=shape) + 1j * generator.normal(size=shape)

    d, h = complex_of(sites, sites), complex_of(sites, sites)
    cumulant = complex_of(sites, sites, sites, sites)
    cumulant = cumulant + cumulant.transpose(1, 0, 3, 2)
    cumulant = cumulant + cumulant.conj().transpose(2, 3, 0, 1)
    return tuple(map(jnp.asarray, (0.5 * np.eye(sites) + 0.1 * (d + d.conj().T), 0.1 * cumulant, 0.3 * (h + h.conj().T))))


def filled(products: Products, seed: int = 1) -> Products:
    """Every weight another number."""
    leaves, tree = jax.tree.flatten(eqx.filter(products, eqx.is_inexact_array))
    keys = jax.random.split(jax.random.key(seed), len(leaves))
    drawn = [0.1 * jax.random.normal(key, x.shape) for key, x in zip(keys, leaves, strict=True)]
    return eqx.combine(jax.tree.unflatten(tree, drawn), products)


@pytest.fixture(scope="module")
def products() -> Products:
    return filled(Products(mixes=2, width=3, key=jax.random.key(0)))


U = jnp.array(0.3)
said = eqx.filter_jit(lambda products, *given: products(*given))  # compiled once for all tests of a size


@pytest.mark.parametrize("kind", range(KINDS))
def test_each_pairing_is_the_sum_that_defines_it(kind):
    """Even F of the channel L, odd S of the channel g L, alone."""
    d, cumulant, h = state(3)
    bare = Products(mixes=1, width=1, key=jax.random.key(0))
    one = eqx.tree_at(
        lambda p: (p.full, p.part),
        bare,
        (
            jnp.zeros_like(bare.full).at[0, 0, 0, 0].set(1.0),
            jnp.zeros_like(bare.part).at[0, 0, 0, kind, 0, 0].set(1.0).at[0, 0, 1, kind, 0, 0].set(0.5),
        ),
    )
    x = np.asarray(channels(d, cumulant, h))
    f, s = x[np.flatnonzero(~ODD)[0]], x[np.flatnonzero(ODD)[0]]
    expected = np.zeros_like(f)
    first, second = PAIRINGS[kind].split("->")[0].split(",")
    for b in range(3):
        fixed = {"b": b}
        pick = [tuple(fixed.get(letter, slice(None)) for letter in part) for part in (first, second)]
        left, right = (part.replace("b", "") for part in (first, second))
        expected[:, b] = np.einsum(f"{left},{right}->axy", f[pick[0]], s[pick[1]])
    np.testing.assert_allclose(said(one, d, cumulant, h, U) / SIZE, expected + 0.5 * expected.transpose(0, 1, 3, 2), atol=1e-13)


# What a line (x) makes of L (z), likewise.
ALONG = ("ax,bbby->abxy", "ab,bbxy->abxy", "bx,abby->abxy", "bx,abyb->abxy", "bb,abxy->abxy")


@pytest.mark.parametrize("row", range(ROWS))
def test_each_line_times_a_slice_is_what_defines_it(row):
    """The line g, odd, and the even channel L, alone."""
    d, cumulant, h = state(3)
    bare = Products(mixes=1, width=1, key=jax.random.key(0))
    numbers = jnp.zeros_like(bare.line).at[0, 0, 1, row, 0].set(1.0).at[0, 1, 1, row, 0].set(0.5)
    one = eqx.tree_at(lambda p: p.line, bare, numbers)
    g, x = 2 * np.asarray(d) - np.eye(3), np.asarray(cumulant)
    first, second = ALONG[row].split("->")[0].split(",")
    expected = np.zeros_like(x)
    for b in range(3):
        left, right = (y[tuple(b if letter == "b" else slice(None) for letter in part)] for y, part in ((g, first), (x, second)))
        free = [part.replace("b", "") for part in (first, second)]
        expected[:, b] = np.einsum(f"{free[0]},{free[1]}->axy", left, right)
    np.testing.assert_allclose(said(one, d, cumulant, h, U) / SIZE, expected + 0.5 * expected.transpose(0, 1, 3, 2), atol=1e-13)


def test_phases_and_numbering_of_orbitals_do_not_matter(products):
    d, cumulant, h = state(3)
    phase = np.exp(1j * np.array([0.3, 1.1, 2.0]))
    order = np.array([2, 0, 1])
    k = np.asarray(said(products, d, cumulant, h, U))

    def moved(x):
        for leg in range(x.ndim):
            shape = [1] * x.ndim
            shape[leg] = -1
            x = x * (phase if leg < x.ndim // 2 else phase.conj()).reshape(shape)
        return x[np.ix_(*[order] * x.ndim)]

    turned = products(*(jnp.asarray(moved(np.asarray(x))) for x in (d, cumulant, h)), U)
    np.testing.assert_allclose(turned, moved(k), atol=1e-12)


def test_particles_and_holes_and_time(products):
    """g and h change their sign under the exchange of particles and holes with complex conjugation, L does not, K does."""
    d, cumulant, h = state(3)
    k = said(products, d, cumulant, h, U)
    holes = products(jnp.eye(3) - d, cumulant, -h, U)
    np.testing.assert_allclose(holes, -k, atol=1e-12)
    np.testing.assert_allclose(products(d.conj(), cumulant.conj(), h.conj(), U), k.conj(), atol=1e-12)
    assert jnp.linalg.norm(k) > 1e-4


def test_whitening_only_names_channels_anew(products):
    d, cumulant, h = state(3)
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(HALF, HALF)))[0]
    same = eqx.tree_at(
        lambda p: (p.whitening, p.full, p.part, p.line),
        products,
        (
            jnp.stack([jnp.asarray(turn)] * 2) @ products.whitening,
            products.full @ turn.T,
            products.part @ turn.T,
            products.line @ turn.T,
        ),
    )
    np.testing.assert_allclose(same(d, cumulant, h, U), products(d, cumulant, h, U), atol=1e-10)


def test_an_untrained_one_can_be_trained(products):
    """Of its distance, which is 0 everywhere, there is a derivative; whitening and edge are no weights."""
    bare = Products(mixes=1, width=1, key=jax.random.key(0))
    d, cumulant, h = state(3)
    gradient = eqx.filter_jit(
        eqx.filter_grad(lambda p: jnp.sum(jnp.abs(trust(p.distance(d, cumulant, U)) * p(d, cumulant, h, U) - 1) ** 2))
    )(bare)
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(gradient))
    assert jnp.abs(gradient.part).max() > 0
    for kept in (gradient.whitening, gradient.centre, gradient.spread):
        np.testing.assert_array_equal(kept, 0)
