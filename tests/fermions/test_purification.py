"""Purification against the oracle's projected gradient, what it must leave alone, and its derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano.fermions.purification import Purification, contraction_free
from qnano.fermions.representability import from_pair_matrix, pair_matrix, particle_hole_rdms
from qnano.spectral import eigh, eigvalsh, negative_part
from tests.fermions.systems import correlated_singlet, random_cumulants, traceless_noise
from tests.oracles import fock_space, six_index

U = np.array([2.0, 1.0, 3.0, 2.5])


def noisy(size=0.005, sites=4):
    two, _ = correlated_singlet(sites, sites // 2)
    return two, two + size * traceless_noise(sites)


@pytest.mark.slow
@pytest.mark.parametrize("sites", [2, 3, 5])
@pytest.mark.parametrize("parity", [1, -1])
def test_blocks(sites, parity):
    _, x = random_cumulants(sites, 1)
    block = six_index.symmetrise(x, parity)
    matrix = jax.jit(pair_matrix, static_argnums=1)(jnp.asarray(x), parity)
    assert matrix.shape == (sites * (sites + parity) // 2,) * 2
    back = jax.jit(from_pair_matrix, static_argnums=(1, 2))(matrix, sites, parity)
    np.testing.assert_allclose(back, block, atol=1e-14)
    np.testing.assert_allclose(np.linalg.norm(matrix), np.linalg.norm(block))
    free = np.asarray(jax.jit(contraction_free, static_argnums=1)(jnp.asarray(block), parity))
    np.testing.assert_allclose(np.einsum("akxk->ax", free), 0, atol=1e-13)
    if sites > 2:
        np.testing.assert_allclose(free, six_index.contraction_free(block, parity), atol=1e-13)


def test_particle_hole_matrices():
    two, _ = correlated_singlet(4, 2)
    d = six_index.one_body(two, 2)
    got = particle_hole_rdms(jnp.asarray(d), jnp.asarray(two))
    for ours, oracle in zip(got, six_index.particle_hole_matrices(two, 2), strict=True):
        np.testing.assert_allclose(ours, oracle, atol=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize("particle_hole", [False, True])
@pytest.mark.parametrize("sites", [4, 6])
def test_positive_and_conserving(sites, particle_hole):
    exact, two = noisy(sites=sites, size=0.005 if sites == 4 else 0.0005)
    particles, h, u = sites // 2, fock_space.chain(sites), np.linspace(1, 3, sites)
    purify = jax.jit(lambda x: Purification(1e-7, 2000, particle_hole)(x, particles, jnp.asarray(u)))
    pure = purify(jnp.asarray(two))
    got = np.asarray(pure.two_rdm)
    assert six_index.negativity(two, particles) < -1e-4
    assert six_index.negativity(got, particles) >= -1.01e-7
    assert pure.lowest >= -1e-7
    assert 0 < pure.iterations < 2000
    if particle_hole:
        for g in six_index.particle_hole_matrices(got, particles):
            assert np.linalg.eigvalsh(g.reshape(sites**2, -1)).min() >= -1.01e-7
    np.testing.assert_allclose(pure.change, np.linalg.norm(got - two))
    np.testing.assert_allclose(six_index.one_body(got, particles), six_index.one_body(two, particles), atol=1e-12)
    np.testing.assert_allclose(np.einsum("ikkj->ij", got), np.einsum("ikkj->ij", two), atol=1e-12)
    np.testing.assert_allclose(six_index.energy(got, particles, h, u), six_index.energy(two, particles, h, u), atol=1e-12)
    np.testing.assert_allclose(got, got.conj().transpose(2, 3, 0, 1), atol=1e-13)
    assert np.linalg.norm(got - exact) < np.linalg.norm(two - exact)
    again = purify(pure.two_rdm)
    assert again.iterations == 0
    assert again.change == 0


@pytest.mark.slow
def test_iterations_are_the_oracle_s():
    """After k of them; ours returns the point ahead, from which the oracle's next step would start."""
    _, two = noisy()
    steps = 7
    before, last = (six_index.purify(two, 2, step=0.5, momentum=True, tol=0.0, max_iterations=k) for k in (steps - 1, steps))
    got = jax.jit(lambda two: Purification(0.0, steps)(two, 2, jnp.full(4, 2.0)))(jnp.asarray(two))
    assert got.iterations == steps
    np.testing.assert_allclose(got.two_rdm, last + (steps - 1) / (steps + 2) * (last - before), atol=1e-13)


@pytest.mark.slow
def test_an_exact_rdm_and_a_missing_interaction():
    exact, two = noisy()
    purify = jax.jit(lambda two, interaction: Purification()(two, 2, interaction))
    assert purify(jnp.asarray(exact), jnp.asarray(U)).iterations == 0
    pure = purify(jnp.asarray(two), jnp.zeros(4))
    assert six_index.negativity(np.asarray(pure.two_rdm), 2) >= -1.01e-7


@pytest.mark.slow
@pytest.mark.parametrize("particle_hole", [False, True])
def test_derivatives(particle_hole):
    _, two = noisy()
    along, weight = (jnp.asarray(traceless_noise(4, seed)) for seed in (5, 6))
    along = along + jnp.asarray(correlated_singlet(4, 2, 4.0)[0])  # moves D1 as well

    def value(e):
        u = jnp.asarray(U) * (1 + e * jnp.arange(4))
        return jnp.vdot(weight, Purification(0.0, 6, particle_hole)(jnp.asarray(two) + e * along, 2, u).two_rdm).real

    value = jax.jit(value)
    step = 1e-6
    want = (8 * (value(step) - value(-step)) - (value(2 * step) - value(-2 * step))) / (12 * step)
    np.testing.assert_allclose(jax.jit(jax.grad(value))(0.0), want, rtol=1e-6)
    if not particle_hole:
        np.testing.assert_allclose(jax.jit(jax.jacfwd(value))(0.0), want, rtol=1e-6)


@pytest.mark.slow
def test_negative_part_at_degeneracies():
    """Differentiating eigenvectors would give NaN here."""
    rng = np.random.default_rng(0)
    along = rng.normal(size=(6, 6)) + 1j * rng.normal(size=(6, 6))
    along = jnp.asarray(along + along.conj().T)
    matrix = jnp.diag(jnp.array([-1.0, -1.0, -0.5, 2.0, 2.0, 2.0])).astype(complex)
    part = jax.jit(lambda e: negative_part(matrix + e * along)[0])
    want = (part(1e-5) - part(-1e-5)) / 2e-5
    np.testing.assert_allclose(jax.jit(jax.jacfwd(part))(0.0), want, atol=1e-8)
    squares = jax.jit(lambda e: jnp.sum(eigvalsh(matrix + e * along) ** 3))
    np.testing.assert_allclose(jax.jit(jax.grad(squares))(0.0), (squares(1e-5) - squares(-1e-5)) / 2e-5, rtol=1e-7)


def test_batches():
    """One after the other on a CPU: two batched LAPACK calls at a time can hang XLA's thread pool."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 2, 5, 5))
    x = jnp.asarray(x + x.swapaxes(2, 3)) + 0j
    values, vectors = jax.jit(jax.vmap(jax.vmap(eigh)))(x)
    np.testing.assert_allclose((vectors * values[..., None, :]) @ vectors.conj().swapaxes(2, 3), x, atol=1e-12)
    batch = jnp.stack([jnp.asarray(noisy(size)[1]) for size in (0.0, 0.003, 0.005)])
    purify = jax.jit(lambda two: Purification()(two, 2, jnp.asarray(U)))
    together = jax.jit(jax.vmap(purify))(batch)
    for k, two in enumerate(batch):
        alone = purify(two)
        np.testing.assert_allclose(together.two_rdm[k], alone.two_rdm, atol=1e-12)
        assert together.iterations[k] == alone.iterations


@pytest.mark.parametrize(("name", "value"), [("tolerance", -1.0), ("max_iterations", 0)])
def test_refusals(name, value):
    with pytest.raises(ValueError, match=f"{name}: got {value}"):
        Purification(**{name: value})
