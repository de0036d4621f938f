"""Diagnostics against the oracles and known numbers."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano import lattice
from qnano.hubbard import diagnostics
from qnano.hubbard.closures import ContractionConsistent, ExactClosure, Valdemoro
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.ground_state import ground_state
from qnano.hubbard.model import FermiHubbard
from qnano.hubbard.observables import site_entropy
from qnano.hubbard.pair import PairCorrelations
from qnano.hubbard.td2rdm import TD2RDM
from qnano.propagation import propagate
from tests.hubbard.systems import quench
from tests.oracles import fock_space, six_index

run = eqx.filter_jit(propagate)


@pytest.mark.slow
@pytest.mark.parametrize(("time", "two", "three"), [(0.0, 0.41691107, 0.15869002), (0.9, 0.4903149, 0.21562345)])
def test_golden_norms(time, two, three):
    free, start = quench(4, 2.0)
    psi = run(ExactHubbard(free), start.psi, jnp.array([0.0, time])).state if time else start.psi
    got = diagnostics.cumulant_norms(psi, free, jnp.array(0.0))
    np.testing.assert_allclose([got.two, got.three], [two, three], atol=1e-8)
    d2 = np.asarray(run(ExactHubbard(free), psi, jnp.array([0.0, 1e-6]), observables=("rdm2",)).observables["rdm2"][0])
    d, cumulant = six_index.split(d2, 2)
    sector = fock_space.Sector(4, 2, 2)
    d3 = sector.d3_uud(sector.vector(np.asarray(psi)))
    exact = d3 - six_index.disconnected_uud(d, cumulant)
    np.testing.assert_allclose(diagnostics.exact_three_cumulant(psi, free), exact, atol=1e-12)

    def collision(x):
        k = six_index.collision(x)
        k = k + k.transpose(1, 0, 3, 2)
        return k - k.conj().transpose(2, 3, 0, 1)

    ratio = np.linalg.norm(collision(exact)) / np.linalg.norm(collision(d3))
    np.testing.assert_allclose(got.relative_collision, ratio, rtol=1e-10)


class Measured(ExactHubbard):
    """Along the exact path."""

    def observe(self, t, state):
        return {"norms": lambda: jnp.stack(diagnostics.cumulant_norms(state, self.model, t))}


# Interaction: (Pearson's r, mean |Delta3|, build-up, mean relative collision norm or None) for six sites, V = 0.5, t = 0..20.
REGIMES = {
    (6, 1.0): (0.47, 0.555, 0.523, 0.25),
    (6, 4.0): (0.88, 0.530, 0.138, 0.51),
    (6, 8.0): (-0.28, 0.520, 0.003, 0.96),
}


@pytest.mark.slow
@pytest.mark.parametrize(("sites", "interaction"), REGIMES)
def test_regimes(sites, interaction):
    free, start = quench(sites, interaction)
    times = jnp.linspace(0.0, 20.0, 201)

    two, three, ratio = run(Measured(free), start.psi, times, observables=("norms",), monitor=False).observables["norms"].T
    r, mean, rise, collision = REGIMES[sites, interaction]
    np.testing.assert_allclose(diagnostics.pearson(two, three), r, atol=0.02)
    np.testing.assert_allclose(three.mean(), mean, atol=0.005)
    np.testing.assert_allclose(diagnostics.build_up(times, three), rise, atol=0.005)
    np.testing.assert_allclose(ratio.mean(), collision, atol=0.02)


@pytest.mark.slow
def test_a_priori_error():
    free, start = quench(4, 2.0)
    psi = run(ExactHubbard(free), start.psi, jnp.array([0.0, 0.9])).state
    t = jnp.array(0.0)
    norms = diagnostics.cumulant_norms(psi, free, t)
    plain = diagnostics.closure_error(Valdemoro(), psi, free, t)
    np.testing.assert_allclose(plain.collision / plain.exact_collision, norms.relative_collision, rtol=1e-10)
    assert diagnostics.closure_error(ContractionConsistent(Valdemoro()), psi, free, t).collision < 0.7 * plain.collision
    none = diagnostics.closure_error(ExactClosure(free), psi, free, t)
    np.testing.assert_allclose([none.element, none.collision], 0, atol=1e-12)


def test_series():
    times = jnp.array([0.0, 1.0, 3.0])
    np.testing.assert_allclose(diagnostics.build_up(times, jnp.array([1.0, 2.0, 2.0])), 2.5 / 3)
    np.testing.assert_allclose(diagnostics.pearson(times, 3 - 2 * times), -1.0)


def test_eigenvalues_and_entropy():
    free, start = quench(4, 2.0)
    two = run(ExactHubbard(free), start.psi, jnp.array([0.0, 1.0]), observables=("rdm2",)).observables["rdm2"][-1]
    extremes = jax.jit(lambda x: diagnostics.extreme_eigenvalues(x, 2))(two)
    for name, array in zip(("d2", "q2"), (two, six_index.hole_matrix(np.asarray(two), 2)), strict=True):
        blocks = [six_index.symmetrise(np.asarray(array), s).reshape(16, 16) for s in (1, -1)]
        lowest = [np.linalg.eigvalsh(b).min() for b in blocks]
        highest = [np.linalg.eigvalsh(b).max() for b in blocks]
        # The blocks as 16 x 16 matrices have zeros besides, where a pair matrix has none.
        np.testing.assert_allclose(np.minimum(getattr(extremes, name)[:, 0], 0), lowest, atol=1e-12)
        np.testing.assert_allclose(getattr(extremes, name)[:, 1], highest, atol=1e-12)
    for got, g in zip(extremes.g2, six_index.particle_hole_matrices(np.asarray(two), 2), strict=True):
        np.testing.assert_allclose(got, np.linalg.eigvalsh(g.reshape(16, 16))[[0, -1]], atol=1e-12)
    np.testing.assert_allclose(diagnostics.relative_error(1.1 * two, two), 0.1)


@pytest.mark.slow
def test_entropy_of_a_site():
    """All four states of a site alike; determinants, which have none, also under a gradient."""
    quarter = site_entropy(jnp.full((2, 4), 0.5), jnp.full(4, 0.25))
    np.testing.assert_allclose(quarter, np.log(4.0))
    filled = jnp.array([1.0, 1.0, 0.0, 0.0])

    def alone(n):
        return site_entropy(jnp.stack([n, n]), n * n)

    np.testing.assert_allclose(alone(filled), 0.0, atol=1e-15)
    assert np.isfinite(jax.grad(lambda n: alone(n).sum())(filled)).all()


@pytest.mark.slow
def test_diagnostics_as_observables():
    """Of exact D2 and D3, each is what the functions of D2 and the oracle's Fock space give."""
    free, start = quench(4, 2.0)
    names = ("rdm2", "two_cumulant", "three_cumulant", "site_entropy")
    exact = run(ExactHubbard(free), start.psi, jnp.array([0.0, 0.9, 5.0]), observables=names).observables
    np.testing.assert_allclose(exact["two_cumulant"], [0.41691107, 0.49031490, 0.47104932], atol=1e-8)
    np.testing.assert_allclose(exact["three_cumulant"], [0.15869002, 0.21562345, 0.20767353], atol=1e-8)
    for model in (TD2RDM(free, Valdemoro()), PairCorrelations(free)):
        here = model.observe(jnp.array(0.0), model.from_wavefunction(start.psi))
        extremes = diagnostics.extreme_eigenvalues(exact["rdm2"][0], 2).g2
        np.testing.assert_allclose(here["g2_extremes"](), [extremes[:, 0].min(), extremes[:, 1].max()], atol=1e-12)
        np.testing.assert_allclose(here["site_entropy"](), exact["site_entropy"][0], atol=1e-12)
        np.testing.assert_allclose(here["two_cumulant"](), exact["two_cumulant"][0], atol=1e-12)


@pytest.mark.slow
def test_entropy_and_cumulant_of_unequal_spins():
    """Against the reduced density matrix of a site, and the cumulant by its definition, in the whole Fock space of three sites."""
    model = FermiHubbard(lattice.chain(3), (2, 1), interaction=3.0, potential=jnp.array([0.0, 0.3, 0.9]))
    psi = ground_state(model).psi
    dynamics = ExactHubbard(model)
    measured = dynamics.observe(jnp.array(0.0), psi)
    sector = fock_space.Sector(3, 2, 1)
    weight, n = np.abs(sector.vector(np.asarray(psi))) ** 2, sector.occupation
    for site in range(3):
        state = n[0][site] + 2 * n[1][site]  # empty, up, down, both
        probability = np.array([weight[state == k].sum() for k in range(4)])
        entropy = -np.sum(probability[probability > 0] * np.log(probability[probability > 0]))
        np.testing.assert_allclose(measured["site_entropy"]()[site], entropy, atol=1e-12)
    slater = dynamics.observe(jnp.array(0.0), dynamics.determinant((0, 2), (1,)))
    np.testing.assert_allclose(slater["three_cumulant"](), 0.0, atol=1e-13)
    np.testing.assert_allclose(slater["two_cumulant"](), 0.0, atol=1e-13)
    assert measured["three_cumulant"]() > 1e-3
