"""What `propagate` takes, and what it refuses, whatever the solver: two sites with one electron, n_0(t) = cos^2 t."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from qnano import lattice
from qnano.border import choice, random_key
from qnano.cgwe import balance, cell
from qnano.cgwe.bloch import PlaneWaves
from qnano.cgwe.components import ComponentWave
from qnano.energetics import grid as on_grid
from qnano.energetics import hydrodynamics
from qnano.energetics import lattice as on_lattice
from qnano.fermions.fock import determinants
from qnano.fields import Oscillation, Pattern, Pulse, Quench, Ramp, Stack, Sum
from qnano.holstein.chaos import Lyapunov, lyapunov
from qnano.holstein.ehrenfest import EhrenfestOrbitals, EhrenfestState
from qnano.holstein.ground_state import fermi_dirac, gap_order, relaxed_lattice, thermal_state
from qnano.holstein.model import Holstein
from qnano.holstein.pseudospin import Pseudospins, growth_rate
from qnano.holstein.statistics import autocorrelation, autocorrelation_error
from qnano.hubbard.closures import Valdemoro
from qnano.hubbard.diagnostics import build_up, extreme_eigenvalues, relative_error
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.ground_state import fermi_sea, ground_state
from qnano.hubbard.mean_field import MeanField
from qnano.hubbard.model import FermiHubbard
from qnano.hubbard.observables import bond_currents, kinetic_energy
from qnano.hubbard.td2rdm import TD2RDM
from qnano.learning import baselines, data, emulation, training
from qnano.learning.closures import Blend, Dense, Equivariant
from qnano.learning.evaluation import breakdown
from qnano.learning.generator import GeneratorNetwork
from qnano.learning.judgement import follow, limit_cycle, orders, splitting_step
from qnano.learning.losses import Loss
from qnano.learning.memory import Modes, ThreeBody
from qnano.learning.parc import Scales, SingleNetwork
from qnano.learning.rollout import rollout
from qnano.learning.surrogates import Conditions, field_errors, roll_out
from qnano.learning.surroundings import Surroundings
from qnano.propagation import propagate
from qnano.schrodinger.energetics import Electrodes, Probe
from qnano.schrodinger.grid import Grid
from qnano.schrodinger.model import Particles, absorbing_edges
from qnano.solvers.magnus import Magnus
from qnano.solvers.rk4 import RK4
from qnano.solvers.splitting import strang
from qnano.solvers.stepping import adaptive, fixed
from qnano.trajectory import Status

DYNAMICS = ExactHubbard(FermiHubbard(lattice.chain(2), (1, 0)))
START = [[1], [0]]
DIMER = FermiHubbard(lattice.chain(2), (1, 1))
REST = jnp.zeros((1, 2, 4))
# As many states as are halfway, where there must be one more.
RAGGED = jax.vmap(jax.vmap(EhrenfestState))(jnp.zeros((1, 2, 4, 4)), REST, REST)
ONE_STATE = EhrenfestState(jnp.zeros((4, 4)), jnp.zeros(4), jnp.zeros(4))
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
        assert run.status == Status.DONE
        np.testing.assert_allclose(run.observables["density"][:, 0, 0], np.cos(times) ** 2, atol=1e-9)
    for times in ([0, 1, 2], np.array([0, 1, 2], np.float32), range(3)):
        run = propagate(DYNAMICS, START, times, solver=solver, observables=("density",))
        np.testing.assert_allclose(run.observables["density"][:, 0, 0], np.cos(np.arange(3)) ** 2, atol=1e-9)


@pytest.mark.slow
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
        ([1e15, 1e15 + 1], r"times: got 2; between 1e\+15 and 1e\+15 they cannot be told apart"),
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
    assert ends(jnp.array([0.0, 1.0])) == Status.DONE
    assert ends(jnp.array([0.0, -1.0])) == Status.NOT_FINITE


@pytest.mark.slow
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


@pytest.mark.slow
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


WAVE, REST = jnp.full(4, 0.5 + 0j), jnp.zeros(4)
FREE = on_grid.System(REST, REST)
ONE, GIVEN = jnp.eye(2), jnp.zeros((2, 2, 2))
HAMILTONIAN = on_lattice.Hamiltonian(ONE, ONE, jnp.zeros(2), ONE, ONE)
SEEN = (lattice.chain(2), (1, 1), [data.Quench("trap", 1.0, 1.0, (0.0, 0.1))])
RING = Holstein(lattice.chain(4, True), 1.0)


def SPINOR(k):
    return jnp.array([[0, 1], [1, 0]], complex)


def space(**changed):
    return on_grid.Space(**{"waves": (REST,), "volume": jnp.ones(()), "mass": jnp.ones(()), "hbar": jnp.ones(())} | changed)


def sampled(**changed):
    numbers = {
        "strength": jnp.ones(1),
        "interaction": jnp.ones(1),
        "times": jnp.arange(2.0),
        "psi": jnp.ones((1, 2, 2, 2), complex),
    }
    return data.Trajectories(lattice.chain(2), (1, 1), ("trap",), **numbers | changed)


def parted(**asked):
    return lyapunov(EhrenfestOrbitals(RING), thermal_state(RING), jax.random.key(0), **asked)


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
        (lambda: fixed("rk4", 0.1), "scheme: got 'rk4'; must be a scheme, such as"),
        (lambda: adaptive("x"), "scheme: got 'x'; must be a scheme, such as"),
        (lambda: adaptive(diffrax.Tsit5), "scheme: got .*; must be a scheme, such as"),
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
        (lambda: ThreeBody(-1.0, key=jax.random.key(0)), "pull: got -1.0"),
        (lambda: Surroundings(radial=0), "radial: got 0"),
        (lambda: GeneratorNetwork(4, 1, 0, jax.random.key(0)), "reach: got 0"),
        (lambda: random_key("key", 7), "key: got 7; must be one key"),
        (lambda: choice("kind", ["a"], ("a", "b")), r"kind: got \['a'\]; must be one of a, b"),
        (lambda: Sum(()), "fields: got none; must be values of one shape"),
        (lambda: Stack((Ramp(0.0, 1.0, 0.0, 1.0), Pattern(Pulse(1, 1, 0, 1), [1.0]))), r"fields: got \(\) and \(1,\)"),
        (lambda: Oscillation(np.nan, 1.0), "amplitude: got nan"),
        (lambda: propagate(DYNAMICS, START, [0, 1], max_steps=0), "max_steps: got 0"),
        (lambda: propagate(DYNAMICS, START, [0, 1], dt0=-0.1), "dt0: got -0.1"),
        (lambda: propagate(DYNAMICS, START, [0, 1], observables="energy"), "observables: got 'energy'; must be a list of names"),
        (lambda: propagate(DYNAMICS, START, [0, 1], observables=[1]), r"observables: got \[1\]; must be a list of names"),
        (lambda: propagate("x", START, [0, 1]), "dynamics: got 'x'; must be an equation of motion"),
        (lambda: propagate(DYNAMICS, START, [0, 1], solver=diffrax.Tsit5()), r"solver: got Tsit5\(\); must be Chebyshev"),
        (lambda: propagate(DYNAMICS, START, [0, 1], adjoint="x"), "adjoint: got 'x'; must be an adjoint of diffrax, or"),
        (lambda: propagate(DYNAMICS, START, [0, 1], monitor="no"), "monitor: got 'no'; must be true or false"),
        (lambda: determinants(2, 3), "particles: got 3; must be a whole number at least 0 and at most 2"),
        (lambda: ground_state(DYNAMICS.model, t=np.inf), "t: got inf"),
        (lambda: fermi_sea(DYNAMICS.model, degeneracy=-1.0), "degeneracy: got -1.0"),
        (lambda: extreme_eigenvalues(jnp.zeros((2, 2, 2, 2), complex), 3), "particles: got 3"),
        (lambda: space(waves=(jnp.zeros((2, 2)),)), "waves: got an array .*must have shape"),
        (lambda: space(mass=jnp.array(0.0)), "mass: got 0.0"),
        (lambda: space(shift=jnp.zeros(2)), "shift: got"),
        (lambda: on_grid.particle_density(space(), WAVE[:-1]), r"psi: got .*must have shape \(4\)"),
        (lambda: on_grid.particle_current(space(number=2), WAVE), r"psi: got .*must have shape \(4, 4\)"),
        (lambda: on_grid.currents(space(), WAVE, 1), "particle: got 1"),
        (lambda: on_grid.kinetic_density(space(), WAVE, 2.0), "ordering: got 2.0"),
        (lambda: on_grid.kinetic_density(space(), jnp.nan * WAVE), r"psi: got nan\+nanj; must be finite numbers"),
        (lambda: on_grid.energy_density(space(), FREE, WAVE, -1.0), "ordering: got -1.0"),
        (
            lambda: on_grid.energy_density(space(), FREE, WAVE, 1.0, "some"),
            "partition: got 'some'; must be one of kinetic",
        ),
        (lambda: on_grid.energy_density(space(), FREE._replace(drive=REST[:-1]), WAVE), "drive: got"),
        (lambda: on_grid.energy_balance(space(), FREE._replace(potential=jnp.inf * REST), WAVE), "potential: got nan"),
        (lambda: on_grid.energy_balance(space(), FREE._replace(drive_rate=np.inf), WAVE), "drive_rate: got inf"),
        (lambda: on_grid.force_power(space(), REST, REST), "current: got"),
        (lambda: on_grid.correlation_power(space(number=2), jnp.ones((3, 3)), WAVE[:, None] * WAVE), "interaction: got"),
        (lambda: on_grid.mean_field_power(space(), jnp.ones((3, 3)), WAVE), "interaction: got"),
        (lambda: on_grid.electrode_current(space(), np.nan, REST[None], REST), "charge: got nan"),
        (lambda: on_grid.interval(REST, 0.0, np.nan, 1.0), "low: got nan"),
        (lambda: on_grid.step_alarm(space(), 0.0), "dt: got 0.0"),
        (lambda: hydrodynamics.hydrodynamic_split(space(), WAVE[None]), "psi: got"),
        (lambda: hydrodynamics.quantum_power(space(), WAVE[None]), "psi: got"),
        (lambda: hydrodynamics.nonlocal_source(space(), WAVE[None], lambda psi: psi), "psi: got"),
        (lambda: hydrodynamics.quantum_flux(space(), WAVE[None]), "psi: got"),
        (lambda: hydrodynamics.density_matrix_split(space(), WAVE[None]), "psi: got"),
        (lambda: hydrodynamics.split_kinetic_density(space(), REST, REST[None], REST[:-1]), "kinetic: got"),
        (lambda: on_lattice.particle_current(ONE, jnp.eye(3)), "one: got"),
        (lambda: on_lattice.local_energy(ONE, 1j * ONE, ONE, GIVEN), "pair: got .*real numbers"),
        (lambda: on_lattice.local_balance(HAMILTONIAN, ONE, ONE), "given: got"),
        (lambda: on_lattice.local_balance(HAMILTONIAN._replace(drive=jnp.array([0.0, jnp.nan])), ONE, GIVEN), "drive: got nan"),
        (lambda: on_lattice.conditional_of(GIVEN), "two_rdm: got"),
        (lambda: on_lattice.boundary(np.array([[0, 2]]), np.array([True, False])), "bonds: got 2"),
        (lambda: on_lattice.boundary(np.array([[0, 1]]), np.array([1, 0])), "region: got"),
        (lambda: Electrodes(REST, jnp.array(jnp.inf)), "charge: got inf"),
        (lambda: Probe(regions=jnp.nan * REST[None]), "regions: got nan"),
        (lambda: Probe(ordering=3.0), "ordering: got 3.0"),
        (lambda: training.Stage("guess", 1), "kind: got 'guess'; must be one of velocity, rollout"),
        (lambda: training.Stage("velocity", 0), "steps: got 0"),
        (lambda: training.Stage("velocity", 1, learning_rate=-1.0), "learning_rate: got -1.0"),
        (lambda: training.Stage("velocity", 1, batch=0), "batch: got 0"),
        (lambda: training.Stage("rollout", 1, horizon=0), "horizon: got 0"),
        (lambda: training.Plan(()), "stages: got 0"),
        (lambda: training.Plan((training.Stage("velocity", 1),), substeps=0), "substeps: got 0"),
        (lambda: training.Plan((training.Stage("velocity", 1),), clip=0.0), "clip: got 0.0"),
        (lambda: training.Plan((training.Stage("velocity", 1),), every=0), "every: got 0"),
        (lambda: training.begin(Blend(key=jax.random.key(0)), training.Plan((training.Stage("velocity", 1),)), -1), "seed: got -1"),
        (lambda: Loss(two_rdm=np.nan), "two_rdm: got nan"),
        (lambda: Loss(observables=(("density", np.inf),)), "observables.density: got inf"),
        (lambda: emulation.Stage(1, horizon=0), "horizon: got 0"),
        (lambda: emulation.Stage(1, noise=-1.0), "noise: got -1.0"),
        (lambda: emulation.Plan(()), "stages: got 0"),
        (lambda: emulation.Plan("abc"), "stages: got 'abc'; must be a list of stages"),
        (lambda: training.Plan((emulation.Stage(1),)), "stages: got .*; must be a list of stages"),
        (lambda: limit_cycle(ONE_STATE, RAGGED, None), r"known.displacement: got .*must have shape \(any, any, 4\)"),
        (lambda: limit_cycle(jax.tree.map(lambda x: x[:0], RAGGED), RAGGED, None), "known: got 0 trajectories"),
        (lambda: limit_cycle(RAGGED, ONE_STATE, None), r"exact.displacement: got .*must have shape \(any, any, any\)"),
        (lambda: emulation.Plan((emulation.Stage(1),), weight_decay=-1.0), "weight_decay: got -1.0"),
        (lambda: emulation.Plan((emulation.Stage(1),), validation=0), "validation: got 0"),
        (lambda: data.Quench("trap", np.nan, 1.0, (0.0,)), "strength: got nan"),
        (lambda: data.quenches(lattice.chain(2), "trap", (np.inf,), (1.0,)), "strengths: got inf"),
        (lambda: data.quenches(lattice.chain(2), "trap", (1.0,), (1.0,), seed=-1), "seed: got -1"),
        (lambda: data.trajectories(lattice.chain(2), (1, 1), [], jnp.arange(2.0)), "chosen: got 0"),
        (lambda: data.trajectories(*SEEN, jnp.array([0.0, 1.0, 3.0])), "times: got steps from 1 to 2; must ascend evenly"),
        (lambda: data.trajectories(*SEEN, jnp.array([0.0])), "times: got 1; must be at least two"),
        (lambda: sampled(psi=jnp.zeros((1, 2, 2, 1), complex)), r"psi: got .*must have shape \(1, 2, 2, 2\)"),
        (lambda: sampled(strength=jnp.ones(2)), "strength: got"),
        (lambda: sampled().where([True, False]), "chosen: got 2; must be 1"),
        (lambda: sampled().between(0.5, 0.6), "times: got 0"),
        (lambda: baselines.dmd(np.zeros((9, 1)), 0), "rank: got 0"),
        (lambda: baselines.dmd(np.zeros((2, 1)), 1), "seen: got 2 samples; must be at least"),
        (lambda: baselines.mean(np.zeros((2, 1)), -1), "samples: got -1"),
        (lambda: breakdown(np.zeros((1, 2)), np.arange(2.0), -0.1), "tolerated: got -0.1"),
        (lambda: splitting_step(4, Conditions(*map(jnp.asarray, (1.0, 1.0, 1.0, 1.0))), strang(), 0), "steps: got 0"),
        (lambda: roll_out(None, None, None, 0), "steps: got 0"),
        (lambda: rollout(DYNAMICS, jnp.zeros(()), lambda _, x: x, jnp.array(-1.0), 1, 1), "interval: got -1.0"),
        (lambda: rollout(DYNAMICS, jnp.zeros(()), lambda _, x: x, jnp.array(1.0), 1, 0), "substeps: got 0"),
        (lambda: parted(intervals=0), "intervals: got 0"),
        (lambda: parted(intervals=1, interval=0.0), "interval: got 0.0"),
        (lambda: parted(intervals=1, directions=9), "directions: got 9; must be a whole number at least 1 and at most 8"),
        (lambda: Lyapunov(jnp.zeros((3, 1))).exponents(3), "discard: got 3"),
        (lambda: Lyapunov(jnp.zeros((3, 1))).errors(blocks=1), "blocks: got 1"),
        (lambda: Lyapunov(jnp.zeros((3, 1))).errors(discard=1, blocks=3), "blocks: got 3 for 2 intervals"),
        (lambda: relaxed_lattice(RING, temperature=0.0), "temperature: got 0.0"),
        (lambda: relaxed_lattice(RING, start=jnp.ones(3)), "start: got"),
        (lambda: relaxed_lattice(RING, tolerance=-1.0), "tolerance: got -1.0"),
        (lambda: relaxed_lattice(RING, iterations=0), "iterations: got 0"),
        (lambda: gap_order(RING, temperature=-1.0), "temperature: got -1.0"),
        (lambda: fermi_dirac(jnp.arange(3.0), 4, 1.0), "particles: got 4"),
        (lambda: Conditions("a", 1.0, 1.0, 1.0), "coupling: got 'a'"),
        (lambda: Conditions(1.0, 1.0, 1.0, -1.0), "interval: got -1.0"),
        (
            lambda: emulation.Samples(RAGGED, RAGGED, Conditions(1.0, 1.0, 1.0, 1.0)),
            r"states.electrons: .*1, 3, 4, 4",
        ),
        (lambda: field_errors(RAGGED, jax.tree.map(lambda x: x[:, :1], RAGGED)), "electrons: got"),
        (lambda: SingleNetwork(4, 1, 0.0, Scales(1.0, 0.0, 1.0), Scales(1.0, 1.0, 1.0), jax.random.key(0)), "states: got 0.0"),
        (lambda: emulation.scales([]), "data: got 0"),
        (lambda: bond_currents(DIMER, jnp.zeros(()), jnp.zeros((1, 2, 2))), r"one_rdms: .*\(2, 2, 2\)"),
        (lambda: kinetic_energy(DIMER, jnp.zeros(()), jnp.zeros((2, 1, 1))), r"one_rdms: .*\(2, 2, 2\)"),
        (lambda: build_up(jnp.array([2.0, 0.0]), jnp.ones(2)), "times: got 0 after 2"),
        (lambda: build_up(jnp.arange(3.0), jnp.ones(1)), "norms: got"),
        (lambda: relative_error(jnp.ones((2,) * 4), jnp.ones((1,) * 4)), "two_rdm: got"),
        (lambda: baselines.relative_errors(np.ones((3, 2)), np.ones((1, 2))), "forecast: got"),
        (lambda: baselines.persistence(np.ones((0, 2)), 2), "seen: got 0"),
        (lambda: Pseudospins(RING).thermal_state(temperature=0.0), "temperature: got 0.0"),
        (lambda: Pseudospins(RING).thermal_state(displacement=np.nan), "displacement: got nan"),
        (lambda: Pseudospins(RING).thermal_state(t=np.nan), "t: got nan"),
        (lambda: growth_rate(RING, np.inf), "t: got inf"),
        (lambda: autocorrelation(jnp.zeros((2, 3)), 3), "lags: got 3"),
        (lambda: autocorrelation(None, 3), r"series: got nothing; must have shape \(trajectory, time\)"),
        (lambda: autocorrelation(jnp.zeros(3), 1), r"series: got .*must have shape \(trajectory, time\)"),
        (lambda: autocorrelation_error(jnp.zeros((1, 3)), 1), "series: got 1; must be .* at least 2"),
        (lambda: limit_cycle(None, RAGGED, None), "known: got nothing; must be an EhrenfestState"),
        (lambda: fermi_dirac(None, 1.0, 1.0), "energies: got nothing; must be finite real numbers"),
        (lambda: cell.dispersion(PlaneWaves([[1]], [1.0], cutoff=1), 0.5), r"k: got 0.5; must have shape \(1\)"),
        (lambda: orders(ONE_STATE), r"states.displacement: got .*must have shape \(any, any, any\)"),
        (lambda: follow(lambda state: state, 3.0, None), "exact: got 3.0; must be an EhrenfestState"),
        (lambda: ComponentWave(Grid((4,), (1.0,)), SPINOR, jnp.zeros((4, 2)), band=2), "band: got 2"),
        (lambda: ComponentWave(Grid((4,), (1.0,)), SPINOR, jnp.zeros((4, 2)), coarse_points=0), "coarse_points: got 0"),
        (lambda: ComponentWave(Grid((4,), (1.0,)), SPINOR, jnp.zeros((4, 2)), places=jnp.zeros(3)), "places: got"),
        (lambda: cell.dispersion(PlaneWaves([[1]], [1.0], cutoff=1), jnp.zeros((1, 2)), 3), "band: got 3"),
        (lambda: cell.quartic(PlaneWaves([[1]], [1.0], cutoff=1), jnp.ones(2), jnp.zeros(1)), "direction: got"),
        (lambda: balance.classical_time(0.0, 1.0), "eps: got 0.0"),
    ],
)
def test_constructors_name_the_argument(make, words, monkeypatch):
    """Without the tests' own checks of types, which a user has not."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=words):
        make()


def test_a_constant_electric_field_is_an_array():
    """Two sites in a field E: the left one at E/2, the right one at -E/2, so n_0 = 1 - sin^2(w t) / w^2, w^2 = 1 + E^2/4."""
    dynamics = ExactHubbard(FermiHubbard(lattice.chain(2), (1, 0), electric_field=np.array([2.0])))
    run = propagate(dynamics, START, [0, 1], observables=("density",))
    w = np.sqrt(2.0)
    np.testing.assert_allclose(run.observables["density"][-1, 0, 0], 1 - np.sin(w) ** 2 / w**2, atol=1e-10)


def test_constructors_let_tracers_through():
    def make(x):
        return FermiHubbard(lattice.chain(2), (1, 1), interaction=Ramp(x, x, 0.0, x)).interaction(x)

    assert jax.jit(jax.vmap(make))(jnp.ones(2)).shape == (2,)
    assert jax.grad(make)(1.0) == 1.0
    wave = jax.jit(jax.vmap(lambda psi: on_grid.energy_balance(space(), FREE, psi).flux))
    assert wave(jnp.stack([WAVE, WAVE])).shape == (2, 1, 4)

    def cold(kt):
        return Pseudospins(RING).thermal_state(temperature=kt, displacement=kt).displacement

    assert jax.jit(jax.grad(cold))(1.0) == 1.0
    steps = jax.jit(lambda times: data.Trajectories(*SEEN[:2], (), REST[:0], REST[:0], times, jnp.zeros((0, 2, 2, 2), complex)))
    assert steps(jnp.arange(2.0)).interval == 1.0


def test_numbers_that_jax_replaces_are_told_by_the_ground_state():
    model = FermiHubbard(lattice.chain(2), (1, 1), interaction=1.0)
    lost = eqx.tree_at(lambda m: m.interaction.value, model, jnp.array(jnp.nan))
    with pytest.raises(ValueError, match="model: got numbers that are not finite"):
        ground_state(lost)
