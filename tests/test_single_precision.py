"""Single precision from end to end: nothing becomes double on the way, runs reach their end, and agree with double precision."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano import lattice, runtime
from qnano.fermions.purification import Purification
from qnano.fields import Pulse, Quench
from qnano.holstein.ehrenfest import EhrenfestDensity, EhrenfestOrbitals
from qnano.holstein.ground_state import relaxed_lattice, thermal_state
from qnano.holstein.model import Holstein
from qnano.holstein.pseudospin import Pseudospins
from qnano.hubbard.closures import ContractionConsistent, ExactClosure, NakatsujiYasuda, Valdemoro
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.ground_state import ground_state
from qnano.hubbard.mean_field import MeanField
from qnano.hubbard.model import FermiHubbard
from qnano.hubbard.pair import PairCorrelations
from qnano.hubbard.td2rdm import TD2RDM
from qnano.learning.closures import Blend
from qnano.learning.data import Trajectories
from qnano.learning.memory import Modes
from qnano.learning.training import Plan, Stage, begin, train_step
from qnano.propagation import propagate
from qnano.solvers.stepping import fixed
from qnano.trajectory import Status

CHAIN = lattice.chain(3)
TIMES = [0.0, 0.5, 1.0]


def both(compute):
    """What `compute` gives in double and in single precision."""
    with runtime.restored():
        runtime.start("double")
        double = compute()
        runtime.start("single")
        single = compute()
    for leaf in jax.tree.leaves(single):
        assert leaf.dtype not in (np.float64, np.complex128, np.int64)
    return double, single


def driven(sites=CHAIN, electrons=(1, 1)):
    return FermiHubbard(sites, electrons, interaction=2.0, vector_potential=Pulse(np.array([0.5]), 1.0, 0.5, 0.3))


METHODS = {
    "exact": lambda: ExactHubbard(FermiHubbard(CHAIN, (1, 1), interaction=Quench(1.0, 2.0, 0.0))),
    "exact, constant": lambda: ExactHubbard(FermiHubbard(CHAIN, (1, 1), interaction=2.0)),
    "exact, driven": lambda: ExactHubbard(driven()),
    "mean field": lambda: MeanField(driven()),
    "pair correlations": lambda: PairCorrelations(driven()),
    "Valdemoro": lambda: TD2RDM(driven(), Valdemoro()),
    "Nakatsuji-Yasuda, consistent": lambda: TD2RDM(driven(), ContractionConsistent(NakatsujiYasuda())),
    "exact closure": lambda: TD2RDM(driven(), ExactClosure(driven())),
    "purified": lambda: TD2RDM(driven(lattice.chain(4), (2, 2)), Valdemoro(), Purification(), 0.1),
    "learned memory": lambda: Modes(Blend(key=jax.random.key(0)), 2, key=jax.random.key(1)).dynamics(driven()),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_electrons_on_lattices(name):
    def run():
        dynamics = METHODS[name]()
        model = dynamics.model
        tilt = 0.2 * np.arange(model.sites)
        psi = ground_state(FermiHubbard(model.lattice, model.electrons, interaction=2.0, potential=tilt)).psi
        start = psi if isinstance(dynamics, ExactHubbard) else dynamics.from_wavefunction(psi)
        # How often is purified decides the result to some 1e-3, so both precisions take the same steps there.
        solver = fixed(diffrax.Tsit5(), 0.05) if name == "purified" else None
        return propagate(dynamics, start, TIMES, observables=("density", "energy"), solver=solver)

    double, single = both(run)
    assert double.status == single.status == Status.DONE
    for key in ("density", "energy"):
        np.testing.assert_allclose(single.observables[key], double.observables[key], atol=5e-5)
    np.testing.assert_allclose(single.observables["density"].sum(axis=2), METHODS[name]().model.electrons[0], atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [EhrenfestOrbitals, EhrenfestDensity, Pseudospins])
@pytest.mark.parametrize("coupling", [0.0, 1.0])
def test_electrons_with_phonons(kind, coupling):
    """Without coupling the half-filled levels at e_k = 0 must be shared evenly, though rounding parts them by more than kT."""

    def run():
        before, after = (Holstein(lattice.chain(8, True), g) for g in (coupling, 1.5))
        start = Pseudospins(before).thermal_state() if kind is Pseudospins else thermal_state(before)
        dynamics = kind(after)
        start = dynamics.from_orbitals(start) if kind is EhrenfestDensity else start
        names = ("energy", "charge_order", "lattice_order") + (() if kind is Pseudospins else ("site_density",))
        return propagate(dynamics, start, TIMES, observables=names)

    double, single = both(run)
    assert double.status == single.status == Status.DONE
    for name, values in double.observables.items():
        np.testing.assert_allclose(single.observables[name], values, atol=3e-4, err_msg=name)


def test_a_lattice_of_unlike_sites():
    def run():
        coupling = jnp.array([1.0, 1.2, 1.0, 1.1])
        return relaxed_lattice(Holstein(lattice.chain(4, True), coupling), temperature=0.1)

    double, single = both(run)
    np.testing.assert_allclose(single, double, atol=2e-5)


@pytest.mark.slow
def test_a_step_of_training():
    plan = Plan((Stage("velocity", 1, batch=1),))
    psi = np.random.default_rng(0).normal(size=(1, 2, 6, 6)) + 0.5j
    psi += psi.swapaxes(2, 3)
    psi /= np.linalg.norm(psi, axis=(2, 3), keepdims=True)
    with runtime.restored():
        runtime.start("single")
        one, times, psi = jnp.ones(1), jnp.array([0.0, 0.1]), jnp.asarray(psi, jnp.complex64)
        data = Trajectories(lattice.chain(4), (2, 2), ("random",), one, one, times, psi)
        learner = Blend(key=jax.random.key(0))
        state, loss = train_step(begin(learner, plan), plan, plan.stages[0], data)
    assert loss.dtype == state.learner.level.dtype == np.float32
    assert 1e-4 < loss < 10
    np.testing.assert_allclose(jnp.abs(state.learner.level), plan.stages[0].learning_rate, rtol=1e-3)  # as Adam begins


def test_matrix_products_keep_all_digits():
    """No product is left to the default of a device, which on a GPU is TF32: three digits."""
    with runtime.restored():
        runtime.start("single")
        model = FermiHubbard(CHAIN, (1, 1), interaction=2.0)
        dynamics = TD2RDM(model, ContractionConsistent(NakatsujiYasuda()), Purification())
        start = dynamics.from_wavefunction(ExactHubbard(model).determinant((0,), (0,)))
        step = jax.jit(lambda t, state: dynamics.project(t, dynamics.vector_field(t, state)))
        products = [line for line in step.lower(jnp.zeros(()), start).as_text().splitlines() if "dot_general" in line]
    assert len(products) > 5
    assert all("precision = [HIGHEST, HIGHEST]" in line for line in products)
