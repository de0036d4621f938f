"""The learned closure that comes with qnano: named by a word, known again, better than the classical one, modest far away."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano import lattice
from qnano.families.hubbard.methods import TD2RDM as Settings
from qnano.fermions.purification import Purification
from qnano.hubbard.closures import ContractionConsistent, NakatsujiYasuda
from qnano.hubbard.model import FermiHubbard
from qnano.hubbard.td2rdm import TD2RDM
from qnano.learning import weights
from qnano.learning.data import quenches, trajectories
from qnano.learning.evaluation import motion_errors
from qnano.learning.products import Products, trust
from qnano.propagation import propagate
from qnano.shipped import SHIPPED, located
from qnano.solvers.rk4 import RK4
from qnano.solvers.stepping import fixed


@pytest.fixture(scope="module")
def shipped() -> Products:
    learner, header = weights.load(located(SHIPPED))
    assert isinstance(learner, Products)
    assert set(header["training"]["pools"]) == {"4", "6", "8"}
    return learner


def test_the_word_alone_means_the_weights_that_come_along():
    one, other = Settings.model_validate({"closure": "learned"}), Settings.model_validate({"closure": {"kind": "learned"}})
    assert one == other
    assert one.closure.weights == SHIPPED
    assert one.closure.checksum is not None
    assert located(SHIPPED).stat().st_size <= 2 * 2**20
    assert located("~/x.eqx").is_absolute()


def test_a_word_that_is_none_is_told_all_that_are():
    with pytest.raises(ValueError, match=r"got 'lerned'; must be one of valdemoro, .*, third_equation, exact, learned"):
        Settings.model_validate({"closure": "lerned"})


def test_the_word_is_in_the_schema():
    assert "learned" in str(Settings.model_json_schema()["properties"]["closure"])


def test_what_was_never_learned_is_far_away(shipped):
    """An uncorrelated half-filled state: near in a plain chain, far under a tilt, beyond the range of U, where electrons attract
    each other, and doped."""
    chain, d = lattice.chain(4), jnp.diag(jnp.array([0.6, 0.4, 0.6, 0.4])).astype(complex)
    none, arms = jnp.zeros((4, 4, 4, 4), complex), np.arange(4.0)

    def distance(one_rdm=d, **terms):
        model = FermiHubbard(chain, (2, 2), **{"interaction": 2.0, **terms})
        return float(shipped.bind(model).at(jnp.zeros(())).distance(one_rdm, none))

    plain = distance()
    assert distance(potential=3.0 * arms) == pytest.approx(3 * np.std(arms))
    assert distance(interaction=12.0) == pytest.approx(1 + 2 * np.log(2))
    assert distance(interaction=-2.0) == 10
    assert distance(hopping=0.1) == pytest.approx(1 + 2 * np.log(20 / 6))
    assert distance(one_rdm=d + 0.05 * jnp.eye(4)) >= 5
    assert plain < 2


def test_trust_fades_beyond_the_edge():
    np.testing.assert_allclose(jax.vmap(trust)(jnp.array([0.0, 1.0, 2.0, 3.0])), [1.0, 1.0, np.exp(-1), np.exp(-4)])


@pytest.mark.slow
def test_far_from_what_it_knows_it_is_nakatsuji_and_yasudas(shipped):
    """Two electrons on six sites: the closure is that of no correction, and says how far away it is."""
    model = FermiHubbard(lattice.chain(6), (1, 1), interaction=2.0, potential=0.1 * np.arange(6.0))
    d = jnp.asarray(np.diag([0.5, 0.3, 0.1, 0.05, 0.03, 0.02]).astype(complex))
    cumulant = 0.01 * jnp.einsum("ax,by->abxy", d, d)
    cumulant += cumulant.transpose(1, 0, 3, 2)
    far = shipped.bind(model).at(jnp.zeros(()))
    assert far.distance(d, cumulant) > 8
    bare = Products(mixes=24, key=jax.random.key(0)).bind(model)
    np.testing.assert_allclose(far.connected_element(d, cumulant, None), bare.connected_element(d, cumulant, None), atol=1e-12)


@pytest.mark.slow
def test_derivatives_by_the_interaction_are_those_of_differences(shipped):
    """At U = J too, where ln U is 0; and where nothing hops, at least numbers."""
    chain = lattice.chain(4)
    data = trajectories(chain, (2, 2), quenches(chain, "tilt", [0.3], [1.0]), jnp.linspace(0.0, 1.0, 2))
    two_rdm = data.two_rdm(data.psi[0, 1])

    @jax.jit
    def motion(u, hopping):
        model = FermiHubbard(chain, (2, 2), hopping=hopping, interaction=u)
        moved = TD2RDM(model, shipped.bind(model)).vector_field(jnp.zeros(()), (two_rdm, None, jnp.zeros(())))[0]
        return jnp.sum(jnp.abs(moved) ** 2)

    by_u, step = jax.jit(jax.grad(motion))(1.0, 1.0), 1e-5
    np.testing.assert_allclose(by_u, (motion(1 + step, 1.0) - motion(1 - step, 1.0)) / (2 * step), rtol=1e-6)
    assert np.isfinite(jax.jit(jax.grad(motion, argnums=(0, 1)))(1.0, 0.0)).all()


@pytest.mark.slow
def test_it_beats_the_best_closure_without_weights(shipped):
    """On four sites, tilts that no pool has, late and at two interactions; energy is kept."""
    chain, pure = lattice.chain(4), Purification(tolerance=1e-6, max_iterations=100)
    data = trajectories(chain, (2, 2), quenches(chain, "tilt", [0.3, 0.5], [1.0, 2.0]), jnp.linspace(0.0, 8.0, 41))
    closures = (shipped.bind, lambda model: ContractionConsistent(NakatsujiYasuda(smooth=True)))
    learned, classical = (
        motion_errors(lambda model, closure=closure: TD2RDM(model, closure(model), pure), data, fixed(RK4(), 0.05))
        for closure in closures
    )
    assert np.all(learned[:, 20:].mean(axis=1) < 0.8 * classical[:, 20:].mean(axis=1))
    dynamics = TD2RDM(data.hamiltonian(3), shipped.bind(data.hamiltonian(3)))
    start = dynamics.from_wavefunction(data.psi[3, 0])
    run = propagate(dynamics, start, jnp.linspace(0.0, 2.0, 3), observables=("energy", "closure_distance"), monitor=False)
    assert np.ptp(run.observables["energy"]) < 1e-7
    assert np.all(np.asarray(run.observables["closure_distance"]) < 1)
