"""Laws that hold by construction, whatever a network says; symmetries of the shared ones; the first guess of each."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from qnano import lattice
from qnano.fermions.cumulants import collision_without_three_cumulant
from qnano.fermions.rdm import one_rdm_of
from qnano.fermions.reconstruction import nakatsuji_yasuda, smooth_sign
from qnano.hubbard.closures import ContractionConsistent, NakatsujiYasuda, Valdemoro
from qnano.hubbard.model import FermiHubbard
from qnano.hubbard.td2rdm import TD2RDM
from qnano.learning.losses import velocity_loss
from qnano.learning.packing import pack, packed_size, unpack
from qnano.learning.terms import terms
from qnano.learning.weights import make
from qnano.propagation import propagate
from qnano.solvers.stepping import RK4, fixed
from tests.fermions.systems import random_cumulants
from tests.learning.systems import BLACK_BOX, CLOSURES, SHARED, learner, some

run = eqx.filter_jit(propagate)


@pytest.mark.parametrize("name", CLOSURES)
def test_laws_hold_for_any_weights(name):
    data = some()
    dynamics = learner(CLOSURES[name]).dynamics(data.model(jnp.array(2.0)))
    start = dynamics.from_wavefunction(data.psi[1, 5])
    trajectory = run(dynamics, start, jnp.linspace(0.0, 2.0, 3), solver=fixed(RK4(), 0.1), observables=("rdm2",))
    assert trajectory.status == 0
    for law in ("energy", "particles", "contraction", "hermiticity"):
        values = trajectory.invariants[law]
        np.testing.assert_allclose(values, values[0], atol=1e-11, err_msg=law)
    two = trajectory.observables["rdm2"][-1]
    np.testing.assert_allclose(two, two.transpose(1, 0, 3, 2), atol=1e-12)
    # The one-particle equation is exact: i dd/dt = [h, d] + U (D2[aa;xa] - h.c.).
    field = dynamics.vector_field(jnp.array(0.0), trajectory.state)[0]
    d, h = one_rdm_of(two, 2), dynamics.model.one_body(0.0)
    half = h @ d + 2.0 * jnp.einsum("aaxa->ax", two)
    np.testing.assert_allclose(one_rdm_of(field, 2), -1j * (half - half.conj().T), atol=1e-11)


@pytest.mark.parametrize(
    ("name", "known"), [("blend", NakatsujiYasuda(True)), ("equivariant", Valdemoro()), ("modes", Valdemoro())]
)
def test_an_untrained_closure_is_the_one_it_is_built_on(name, known):
    data = some()
    model = data.model(jnp.array(1.0))
    learned, plain = make(CLOSURES[name], 4).dynamics(model), TD2RDM(model, ContractionConsistent(known))
    got, want = (x.vector_field(jnp.array(0.0), x.from_wavefunction(data.psi[0, 9]))[0] for x in (learned, plain))
    np.testing.assert_allclose(got, want, atol=1e-12)


def test_a_three_body_memory_begins_exact_and_feels_the_past():
    """At exact states its D2 moves exactly; its own motion is right to second order in U, at weak coupling and short times."""
    data = some()
    model = data.model(jnp.array(1.0))
    memory = make({"kind": "three_body", "decay": 1e-6}, 4)
    assert velocity_loss(memory, model, data.psi[0, 7]) < 1e-24
    weak = FermiHubbard(lattice.chain(4), (2, 2), interaction=0.05)
    start = some().psi[3, 0]  # any correlated singlet
    exact = memory.dynamics(weak)
    rate = exact.vector_field(jnp.array(0.0), exact.from_wavefunction(start))[1]
    assert rate.shape == (4,) * 6
    np.testing.assert_allclose(rate, -rate.transpose(1, 0, 2, 3, 4, 5), atol=1e-14)
    np.testing.assert_allclose(rate, rate.conj().transpose(3, 4, 5, 0, 1, 2), atol=1e-14)


@pytest.mark.parametrize("name", SHARED)
def test_shared_weights_know_neither_phases_nor_numbers_of_sites(name):
    """c_i -> exp(i phi_i) c_i and a reflection of the chain commute with the closure; the same weights run on six sites."""
    chain = lattice.chain(4)
    closure = learner(CLOSURES[name]).bind(FermiHubbard(chain, (2, 2), interaction=1.0))
    d, cumulant = map(jnp.asarray, random_cumulants(4, 2))
    shapes = {"modes": (2, 4, 4, 4, 4), "three_body": (4,) * 6}
    memory = jnp.zeros(shapes[name], complex) if name in shapes else None
    element = eqx.filter_jit(lambda d, cumulant: closure.collision_element(d, cumulant, memory))
    phase = jnp.exp(1j * jnp.array([0.3, 1.1, -0.7, 2.0]))
    turned = lambda x: jnp.einsum("abxy,a,b,x,y->abxy", x, phase, phase, phase.conj(), phase.conj())  # noqa: E731
    got = element(d * phase[:, None] * phase.conj(), turned(cumulant))
    np.testing.assert_allclose(got, turned(element(d, cumulant)), atol=1e-10)
    flipped = lambda x: x[(slice(None, None, -1),) * x.ndim]  # noqa: E731
    np.testing.assert_allclose(element(flipped(d), flipped(cumulant)), flipped(element(d, cumulant)), atol=1e-10)

    six = some(6, 0.2, 3)
    dynamics = learner(CLOSURES[name]).dynamics(six.model(jnp.array(1.0)))
    field = eqx.filter_jit(dynamics.vector_field)(jnp.array(0.0), dynamics.from_wavefunction(six.psi[0, 1]))[0]
    assert field.shape == (6,) * 4 and jnp.isfinite(field).all()


@pytest.mark.parametrize("kind", ["dense", "black_box"])
def test_sized_learners_refuse_other_sizes(kind):
    with pytest.raises(ValueError, match=r"model: got 6 sites; this .* is for 4"):
        make({"kind": kind}, 4).dynamics(some(6, 0.2, 3).model(jnp.array(1.0)))


def test_terms_add_up_to_what_they_are_taken_from():
    d, cumulant = map(jnp.asarray, random_cumulants(4, 2))
    found, sign = terms(d, cumulant), smooth_sign(d)
    np.testing.assert_allclose(found[:8].sum(0), nakatsuji_yasuda(sign, cumulant).collision, atol=1e-11)
    # The part linear in L of Valdemoro's element is the difference of its values at L and 0; g = d there.
    whole = collision_without_three_cumulant(sign, cumulant) - collision_without_three_cumulant(sign, 0 * cumulant)
    signs = jnp.array([1, 1, -1, -1, 1])[:, None, None, None, None]
    np.testing.assert_allclose((signs * found[8:]).sum(0), whole, atol=1e-11)


@pytest.mark.parametrize("sites", [2, 3, 4])
def test_packing_loses_nothing(sites):
    _, two = random_cumulants(sites, 1)
    numbers = pack(jnp.asarray(two))
    assert numbers.shape == (packed_size(sites),) and numbers.dtype == float
    np.testing.assert_allclose(jnp.linalg.norm(numbers), np.linalg.norm(two), rtol=1e-12)
    np.testing.assert_allclose(unpack(numbers, sites), two, atol=1e-12)


def test_the_black_box_is_its_network():
    data = some()
    box = learner(BLACK_BOX)
    dynamics = box.dynamics(data.model(jnp.array(1.0)))
    state = dynamics.from_wavefunction(data.psi[0, 3])
    field, _, _ = dynamics.vector_field(jnp.array(0.0), state)
    np.testing.assert_allclose(pack(field), box.network(pack(state[0])), atol=1e-12)
    trajectory = run(dynamics, state, jnp.linspace(0.0, 0.2, 3), observables=("density",))
    assert trajectory.observables["density"].shape == (3, 2, 4)
