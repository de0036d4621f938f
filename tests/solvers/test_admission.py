"""What `propagate` takes, and what it refuses, whatever the solver: two sites with one electron, n_0(t) = cos^2 t."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano import lattice
from qnano.border import random_key
from qnano.fields import Pulse, Quench, Ramp
from qnano.holstein.ehrenfest import EhrenfestOrbitals, EhrenfestState
from qnano.holstein.ground_state import thermal_state
from qnano.holstein.model import Holstein
from qnano.hubbard.closures import Valdemoro
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.mean_field import MeanField
from qnano.hubbard.model import FermiHubbard
from qnano.hubbard.td2rdm import TD2RDM
from qnano.learning.closures import Blend, Dense, Equivariant
from qnano.learning.generator import GeneratorNetwork
from qnano.learning.memory import Modes, ThreeBody
from qnano.learning.surroundings import Surroundings
from qnano.propagation import DONE, NOT_FINITE, propagate
from qnano.schrodinger.grid import Grid
from qnano.schrodinger.model import Particles, absorbing_edges
from qnano.solvers.magnus import Magnus
from qnano.solvers.stepping import RK4, adaptive, fixed

DYNAMICS = ExactHubbard(FermiHubbard(lattice.chain(2), (1, 0)))
START = [[1], [0]]
SOLVERS = {
    "chebyshev": None,
    "dopri5": adaptive(diffrax.Dopri5(), 1e-10, 1e-12),
    "magnus": adaptive(Magnus(), 1e-10, 1e-12),
    "rk4": fixed(RK4(), 0.01),
}


@pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS)
def test_any_array_that_is_a_state_moves(solver):
    """A real state under a scheme that took its type from the state alone never moved."""
    times = np.linspace(0.0, 1.0, 3)
    for state in (START, np.array(START, float), np.array(START, np.complex64), jnp.array(START, jnp.int32)):
        run = propagate(DYNAMICS, state, times, solver=solver, observables=("density",))
        assert run.status == DONE
        np.testing.assert_allclose(run.observables["density"][:, 0, 0], np.cos(times) ** 2, atol=1e-9)
    for times in ([0, 1, 2], np.array([0, 1, 2], np.float32), range(3)):
        run = propagate(DYNAMICS, START, times, solver=solver, observables=("density",))
        np.testing.assert_allclose(run.observables["density"][:, 0, 0], np.cos(np.arange(3)) ** 2, atol=1e-9)


def test_real_density_matrices_move():
    """D1 and D2 of one up and one down electron on the left of two sites: each moves by itself, n_0 = cos^2 t."""
    model = FermiHubbard(lattice.chain(2), (1, 1))
    one = np.zeros((2, 2, 2))
    one[:, 0, 0] = 1
    two = np.zeros((2, 2, 2, 2))
    two[0, 0, 0, 0] = 1
    for dynamics, state in ((MeanField(model), one), (TD2RDM(model, Valdemoro()), (two, None, 0.0))):
        run = propagate(dynamics, state, [0, 1], observables=("density",))
        np.testing.assert_allclose(run.observables["density"][-1, :, 0], np.cos(1.0) ** 2, atol=1e-7)


def test_real_orbitals_beside_classical_phonons_move():
    """Without coupling an orbital on one site of a ring of four spreads: its amplitude there is (1 + cos 2t) / 2."""
    ring = EhrenfestOrbitals(Holstein(lattice.chain(4, True), 0.0))
    state = EhrenfestState(jnp.eye(1, 4), jnp.zeros(4), jnp.zeros(4))
    run = propagate(ring, state, [0, 1])
    np.testing.assert_allclose(jnp.abs(run.state.electrons[0, 0]), (1 + np.cos(2.0)) / 2, atol=1e-6)


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ([0, -30, -60], "times: got -30 after 0"),
        ([0.0, 2.0, 1.0], "times: got 1 after 2"),
        ([], "times: got 0; must be at least two"),
        ([0.0], "times: got 1; must be at least two"),
        ([0.0, np.nan], "times: got nan; must be finite real numbers"),
        ([[0.0, 1.0]], "times: got .* must have shape"),
        ([0.0, 1j], "times: got .* real"),
        ("soon", "times: got 'soon'"),
        (None, "times: got nothing"),
    ],
)
@pytest.mark.parametrize("solver", [None, SOLVERS["dopri5"]], ids=["chebyshev", "dopri5"])
def test_times_that_cannot_be_used(times, words, solver):
    with pytest.raises(ValueError, match=words):
        propagate(DYNAMICS, START, times, solver=solver)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ([1, 0], "must have shape"),
        ([[1, 0], [0, 0]], "must have shape"),
        ([[1], [np.nan]], "state: got nan"),
        ([[2], [0]], r"state: got 4.0; the sum of \|psi\|\^2 must be 1"),
        ([[1], [0, 0]], "state"),
        ((START, START), "must have shape"),
        ("left", "state: got"),
        (None, "state: got"),
        ({"psi": START}, "state: got"),
    ],
)
def test_states_that_cannot_be_used(state, words):
    with pytest.raises(ValueError, match=words):
        propagate(DYNAMICS, state, [0, 1])


def test_a_part_of_a_state_is_named():
    dynamics = TD2RDM(FermiHubbard(lattice.chain(2), (1, 1)), Valdemoro())
    with pytest.raises(ValueError, match=r"state\[0\]: got an array of shape \(2, 2\)"):
        propagate(dynamics, (np.eye(2), None, 0.0), [0, 1])
    with pytest.raises(ValueError, match=r"must have state\[0\], state\[2\]"):
        propagate(dynamics, (np.zeros((2, 2, 2, 2)), None), [0, 1])


def test_traced_times_that_descend_are_a_status():
    ends = jax.jit(lambda times: propagate(DYNAMICS, START, times).status)
    assert ends(jnp.array([0.0, 1.0])) == DONE
    assert ends(jnp.array([0.0, -1.0])) == NOT_FINITE


@pytest.mark.parametrize("kind", [int, float, np.float32])
def test_gradients_by_numbers_of_any_kind(kind):
    """n_0 = cos^2(J t), so d n_0 / d J = -t sin(2 J t)."""

    def left(hopping, solver):
        dynamics = ExactHubbard(FermiHubbard(lattice.chain(2), (1, 0), hopping=hopping))
        return propagate(dynamics, START, [kind(0), kind(1)], solver=solver, observables=("density",)).observables["density"][
            -1, 0, 0
        ]

    for solver in (None, SOLVERS["dopri5"]):
        np.testing.assert_allclose(jax.grad(left)(1.0, solver), -np.sin(2.0), atol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("solver", [None, SOLVERS["dopri5"]], ids=["chebyshev", "dopri5"])
def test_gradients_from_states_of_any_kind(solver):
    """d n_0 / d J = -t sin(2 J t) again, whatever is promoted."""

    def left(hopping, state):
        dynamics = ExactHubbard(FermiHubbard(lattice.chain(2), (1, 0), hopping=hopping))
        return propagate(dynamics, state, [0, 1], solver=solver, observables=("density",)).observables["density"][-1, 0, 0]

    for state in (START, *(kind(START, dtype) for kind in (np.array, jnp.array) for dtype in (float, int, np.float32))):
        np.testing.assert_allclose(jax.grad(left)(1.0, state), -np.sin(2.0), atol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("solver", [None, SOLVERS["dopri5"]], ids=["chebyshev", "dopri5"])
def test_gradients_by_a_real_state(solver):
    """n_0(t) = |a cos t + i b sin t|^2 of a real state (a, b), with slopes 2 a cos^2 t and 2 b sin^2 t in the type of the state."""

    def left(state):
        return propagate(DYNAMICS, state, [0, 1], solver=solver, observables=("density",)).observables["density"][-1, 0, 0]

    for dtype, error in ((np.float64, 1e-8), (np.float32, 1e-6)):
        state = np.array([[0.6], [0.8]], dtype)
        slope = jax.grad(left)(jnp.asarray(state))
        assert slope.dtype == dtype
        np.testing.assert_allclose(slope, 2 * state * [[np.cos(1.0) ** 2], [np.sin(1.0) ** 2]], atol=error)


def test_a_second_call_compiles_nothing():
    """Whatever the numbers: of the model, the state, the times, the step and the tolerance; also under grad and vmap."""
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, seconds, **_: compiled.append(seconds) if name.endswith("backend_compile_duration") else None
    )

    def left(hopping, times, solver):
        dynamics = ExactHubbard(FermiHubbard(lattice.chain(2), (1, 0), hopping=hopping))
        return propagate(dynamics, START, times, solver=solver, observables=("density",)).observables["density"][-1, 0, 0]

    ways = [
        lambda x, times, solver: left(x, times, solver),
        lambda x, times, solver: jax.grad(left)(x, times, solver),
        lambda x, times, solver: jax.vmap(lambda x: left(x, times, solver))(x * jnp.ones(3)),
    ]
    for way in ways:
        for solvers in ((None, None), (fixed(RK4(), 0.1), fixed(RK4(), 0.05))):
            way(1.0, np.array([0.0, 0.5, 1.0]), solvers[0])
            before = len(compiled)
            way(1.5, np.array([0.0, 0.25, 2.0]), solvers[1])
            assert len(compiled) == before


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Ramp(0.0, 1.0, 0.0, 0.0), "duration: got 0.0; must be a finite real number above 0"),
        (lambda: Ramp(0.0, 1.0, 0.0, -1.0), "duration: got -1.0"),
        (lambda: Pulse(1.0, 1.0, 0.0, 0.0), "width: got 0.0"),
        (lambda: Pulse(1.0, np.nan, 0.0, 1.0), "frequency: got nan"),
        (lambda: Quench(0.0, np.inf, 1.0), "after: got inf"),
        (lambda: FermiHubbard(lattice.chain(2), (1, 1), interaction=1j), "interaction: got complex numbers"),
        (lambda: FermiHubbard(lattice.chain(2), (1, 3)), "electrons: got 3; must be whole numbers at least 0 and at most 2"),
        (lambda: FermiHubbard(lattice.chain(2), (1, -1)), "electrons: got -1"),
        (lambda: FermiHubbard(lattice.chain(2), (1, 1), potential=np.array([0.0, np.nan])), "potential: got nan"),
        (lambda: FermiHubbard(lattice.chain(2), (1, 1), electric_field=np.ones(2)), r"electric_field: got .*must be \(1,\)"),
        (lambda: Holstein(lattice.chain(4, True), 1.0, frequency=0.0), "frequency: got 0.0"),
        (lambda: Holstein(lattice.chain(4, True), 1j), "coupling: got complex"),
        (lambda: Grid((0,), (1.0,)), "points: got 0"),
        (lambda: Grid((8,), (-1.0,)), "lengths: got -1.0"),
        (lambda: Particles(Grid((8,), (1.0,)), 1j * np.ones(8)), "potential: got complex"),
        (lambda: Particles(Grid((8,), (1.0,)), np.zeros(8), mass=0.0), "mass: got 0.0"),
        (lambda: Particles(Grid((8,), (1.0,)), np.zeros(8), absorber=-np.ones(8)), "absorber: got -1.0"),
        (lambda: absorbing_edges(Grid((8,), (1.0,)), 0.0, 1.0), "width: got 0.0"),
        (lambda: adaptive(diffrax.Tsit5(), rtol=-1.0), "rtol: got -1.0"),
        (lambda: adaptive(diffrax.Tsit5(), atol=np.nan), "atol: got nan"),
        (lambda: fixed(RK4(), 0.0), "dt: got 0.0"),
        (lambda: Magnus(terms=0), "terms: got 0"),
        (lambda: TD2RDM(FermiHubbard(lattice.chain(2), (1, 1)), Valdemoro(), purify_every=0.0), "purify_every: got 0.0"),
        (lambda: TD2RDM(FermiHubbard(lattice.chain(2), (1, 1)), Valdemoro(), largest=np.nan), "largest: got nan"),
        (lambda: lattice.from_bonds(2, [[0, 1.5]]), r"bonds: got \[0, 1.5\]; must be whole numbers"),
        (lambda: lattice.from_bonds(2, [[0, 1]], [[0.0], [np.nan]]), "positions: got nan"),
        (lambda: lattice.rectangle(3, 3, (True,)), r"periodic: got \[true\]"),
        (lambda: thermal_state(Holstein(lattice.chain(4, True), 1.0), temperature=0.0), "temperature: got 0.0"),
        (lambda: thermal_state(Holstein(lattice.chain(4, True), 1.0), noise=-1.0), "noise: got -1.0"),
        (lambda: Dense(2, width=0, key=jax.random.key(0)), "width: got 0"),
        (lambda: Equivariant(width=-1, key=jax.random.key(0)), "width: got -1"),
        (lambda: Modes(Blend(key=jax.random.key(0)), 0, key=jax.random.key(0)), "modes: got 0"),
        (lambda: ThreeBody(-1.0, key=jax.random.key(0)), "decay: got -1.0"),
        (lambda: Surroundings(radial=0), "radial: got 0"),
        (lambda: GeneratorNetwork(4, 1, 0, jax.random.key(0)), "reach: got 0"),
        (lambda: random_key("key", 7), "key: got 7; must be one key"),
    ],
)
def test_constructors_name_the_argument(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_a_constant_electric_field_is_an_array():
    """Two sites in a field E: the left one at E/2, the right one at -E/2, so n_0 = 1 - sin^2(w t) / w^2, w^2 = 1 + E^2/4."""
    dynamics = ExactHubbard(FermiHubbard(lattice.chain(2), (1, 0), electric_field=np.array([2.0])))
    run = propagate(dynamics, START, [0, 1], observables=("density",))
    w = np.sqrt(2.0)
    np.testing.assert_allclose(run.observables["density"][-1, 0, 0], 1 - np.sin(w) ** 2 / w**2, atol=1e-10)


def test_constructors_let_tracers_through():
    make = lambda x: FermiHubbard(lattice.chain(2), (1, 1), interaction=Ramp(x, x, 0.0, x)).interaction(x)  # noqa: E731
    assert jax.jit(jax.vmap(make))(jnp.ones(2)).shape == (2,)
    assert jax.grad(make)(1.0) == 1.0


def test_numbers_that_jax_replaces_are_told_by_the_ground_state():
    from qnano.hubbard.ground_state import ground_state

    model = FermiHubbard(lattice.chain(2), (1, 1), interaction=1.0)
    lost = eqx.tree_at(lambda m: m.interaction.value, model, jnp.array(jnp.nan))
    with pytest.raises(ValueError, match="model: got numbers that are not finite"):
        ground_state(lost)
