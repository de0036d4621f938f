"""Laws that hold by construction, whatever a network says; symmetries of the shared ones; the first guess of each."""

from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano import lattice
from qnano.fermions.cumulants import collision_without_three_cumulant, two_cumulant
from qnano.fermions.rdm import collision_element, one_rdm_of
from qnano.fermions.reconstruction import nakatsuji_yasuda, smooth_sign
from qnano.hubbard.closures import ContractionConsistent, NakatsujiYasuda, Valdemoro
from qnano.hubbard.model import FermiHubbard
from qnano.learning.packing import pack, packed_size, unpack
from qnano.learning.rollout import rollout
from qnano.learning.terms import terms
from qnano.learning.weights import make
from tests.fermions.systems import random_cumulants
from tests.hubbard.systems import quench
from tests.learning.systems import BLACK_BOX, CLOSURES, SHARED, learner, some

U = 2.0
MEMORY = {"modes": (2, 4, 4, 4, 4), "three_body": (4,) * 6}


@cache
def motion(name):
    """The velocity of D2 and of the memory, at any hopping, from one compiled program for each closure."""
    learned = learner(CLOSURES[name])

    @jax.jit
    def velocity(hopping, two_rdm, memory):
        dynamics = learned.dynamics(FermiHubbard(lattice.chain(4), (2, 2), hopping=hopping, interaction=U))
        return dynamics.vector_field(jnp.array(0.0), (two_rdm, memory, jnp.zeros(())))[:2]

    return velocity


@cache
def correlated():
    """A D2 on its way, and a memory of the right symmetries for each kind."""
    data = some()
    rng = np.random.default_rng(2)
    modes = 0.1 * (rng.normal(size=MEMORY["modes"]) + 1j * rng.normal(size=MEMORY["modes"]))
    three = 0.1 * (rng.normal(size=MEMORY["three_body"]) + 1j * rng.normal(size=MEMORY["three_body"]))
    three = three - three.transpose(1, 0, 2, 3, 4, 5)
    three = three - three.transpose(0, 1, 2, 4, 3, 5)
    three = three + three.conj().transpose(3, 4, 5, 0, 1, 2)
    return data.two_rdm(data.psi[1, 5]), {"modes": jnp.asarray(modes), "three_body": jnp.asarray(three)}


def hoppings():
    return jnp.ones(3, complex)


@pytest.mark.slow
@pytest.mark.parametrize("name", CLOSURES)
def test_laws_hold_for_any_weights(name):
    """What is linear in D2 and vanishes in its velocity is kept by every Runge-Kutta step."""
    two, memories = correlated()
    field, moved = motion(name)(hoppings(), two, memories.get(name))
    np.testing.assert_allclose(field, field.transpose(1, 0, 3, 2), atol=1e-12)
    np.testing.assert_allclose(field, field.conj().transpose(2, 3, 0, 1), atol=1e-12)
    # The one-particle equation is exact, i dd/dt = [h, d] + U (D2[aa;xa] - h.c.), by both contractions.
    d, h = one_rdm_of(two, 2), -jnp.eye(4, k=1) - jnp.eye(4, k=-1)
    half = h @ d + U * jnp.einsum("aaxa->ax", two)
    velocity = one_rdm_of(field, 2)
    np.testing.assert_allclose(velocity, -1j * (half - half.conj().T), atol=1e-11)
    np.testing.assert_allclose(jnp.einsum("akkx->ax", field), velocity, atol=1e-11)
    np.testing.assert_allclose(2 * jnp.trace(h @ velocity) + U * jnp.einsum("iiii->", field), 0, atol=1e-11)
    if name == "three_body":
        np.testing.assert_allclose(moved, -moved.transpose(1, 0, 2, 3, 4, 5), atol=1e-12)
        np.testing.assert_allclose(moved, -moved.transpose(0, 1, 2, 4, 3, 5), atol=1e-12)
        np.testing.assert_allclose(moved, moved.conj().transpose(3, 4, 5, 0, 1, 2), atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHARED)
def test_shared_weights_know_neither_phases_nor_places(name):
    """c_i -> exp(i phi_i) c_i and a reflection of the chain commute with the motion."""
    two, memories = correlated()
    memory = memories.get(name)
    field, moved = motion(name)(hoppings(), two, memory)
    phase = jnp.exp(1j * jnp.array([0.3, 1.1, -0.7, 2.0]))

    def turned(x):
        if x is None:
            return None
        legs = 6 if x.ndim == 6 else 4
        for k in range(legs):
            x = x * jnp.expand_dims(phase if k < legs // 2 else phase.conj(), [j for j in range(legs) if j != k])
        return x

    def flipped(x):
        legs = 0 if x is None else 6 if x.ndim == 6 else 4
        return None if x is None else jnp.flip(x, tuple(range(x.ndim - legs, x.ndim)))

    # A bond (i, j) carries J c+_i c_j.
    for hopping, change in ((phase[:-1] * phase[1:].conj(), turned), (hoppings(), flipped)):
        got, after = motion(name)(hopping, change(two), change(memory))
        np.testing.assert_allclose(got, change(field), atol=1e-11)
        if memory is not None:
            np.testing.assert_allclose(after, change(moved), atol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHARED)
def test_shared_weights_fit_any_size(name):
    six, start = quench(6, 1.0)
    dynamics = learner(CLOSURES[name]).dynamics(six)
    state = dynamics.from_wavefunction(start.psi)
    assert eqx.filter_eval_shape(dynamics.vector_field, jnp.array(0.0), state)[0].shape == (6,) * 4


def test_laws_hold_along_a_run():
    data = some()
    dynamics = learner(CLOSURES["three_body"]).dynamics(data.model(jnp.array(U)))
    start = dynamics.from_wavefunction(data.psi[1, 5])

    def kept(_, state):
        return dynamics.invariants(jnp.array(0.0), state)

    later = jax.jit(lambda start: rollout(dynamics, start, kept, jnp.array(1.0), 10, 10))(start)
    first = kept(0.0, start)
    for law in ("energy", "particles", "contraction", "hermiticity"):
        np.testing.assert_allclose(later[law], jnp.full(10, first[law]), atol=1e-10, err_msg=law)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "known"), [("blend", NakatsujiYasuda(True)), ("equivariant", Valdemoro()), ("modes", Valdemoro())]
)
def test_an_untrained_closure_is_the_one_it_is_built_on(name, known):
    two, memories = correlated()
    d = one_rdm_of(two, 2)
    learned = make(CLOSURES[name], 4).bind(FermiHubbard(lattice.chain(4), (2, 2), interaction=U))
    memory = memories.get(name)
    got, want = (x.collision_element(d, two_cumulant(d, two), memory) for x in (learned, ContractionConsistent(known)))
    np.testing.assert_allclose(got, want, atol=1e-12)


def test_a_three_body_memory_begins_with_the_exact_collision():
    data = some()
    closure = make(CLOSURES["three_body"], 4).bind(data.model(jnp.array(U)))
    psi = data.psi[1, 5]
    d = one_rdm_of(data.two_rdm(psi), 2)
    got = closure.collision_element(d, two_cumulant(d, data.two_rdm(psi)), closure.initial_memory(psi))
    np.testing.assert_allclose(got, collision_element(psi, 4, (2, 2)), atol=1e-12)


@pytest.mark.parametrize("kind", ["dense", "black_box"])
def test_sized_learners_refuse_other_sizes(kind):
    with pytest.raises(ValueError, match=r"model: got 6 sites; this .* is for 4"):
        make({"kind": kind}, 4).dynamics(FermiHubbard(lattice.chain(6), (3, 3)))


def test_terms_add_up_to_what_they_are_taken_from():
    d, cumulant = map(jnp.asarray, random_cumulants(4, 2))
    found, sign = terms(d, cumulant), smooth_sign(d)
    np.testing.assert_allclose(found[:8].sum(0), nakatsuji_yasuda(sign, cumulant).collision, atol=1e-11)
    # Those of Valdemoro's element that are linear in L, with g for d.
    whole = collision_without_three_cumulant(sign, cumulant) - collision_without_three_cumulant(sign, 0 * cumulant)
    signs = jnp.array([1, 1, -1, -1, 1])[:, None, None, None, None]
    np.testing.assert_allclose((signs * found[8:]).sum(0), whole, atol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("sites", [2, 3, 4])
def test_packing_loses_nothing(sites):
    _, two = random_cumulants(sites, 1)
    numbers = pack(jnp.asarray(two))
    assert numbers.shape == (packed_size(sites),) and numbers.dtype == float
    np.testing.assert_allclose(jnp.linalg.norm(numbers), np.linalg.norm(two), rtol=1e-12)
    np.testing.assert_allclose(unpack(numbers, sites), two, atol=1e-12)


@pytest.mark.slow
def test_the_black_box_is_its_network():
    data = some()
    box = learner(BLACK_BOX)
    dynamics = box.dynamics(data.model(jnp.array(1.0)))
    state = dynamics.from_wavefunction(data.psi[0, 3])
    field, _, _ = dynamics.vector_field(jnp.array(0.0), state)
    np.testing.assert_allclose(pack(field), box.network(pack(state[0])), atol=1e-12)
    assert set(dynamics.observe(jnp.array(0.0), state)) >= {"density", "energy"}
