"""Exact dynamics against SciPy on an independently built matrix, and against QuTiP."""

import diffrax
import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
import qutip

from qnano import lattice
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.ground_state import DegenerateGroundState, ground_state, sparse_matrix
from qnano.hubbard.model import FermiHubbard
from qnano.propagation import propagate
from qnano.solvers.chebyshev import Chebyshev
from qnano.solvers.magnus import Magnus
from qnano.solvers.stepping import adaptive
from tests.hubbard.systems import DRIVEN, STEADY, chain_of_six, driven_chain, oracle_states, quench

TIMES = np.linspace(0.0, 3.0, 13)
NAMES = ("density", "double_occupancy", "energy", "rdm2", "rdm1", "current", "kinetic_energy")
SOLVERS = {
    "chebyshev": Chebyshev(),
    "magnus": adaptive(Magnus(), 1e-10, 1e-12),
    "dopri8": adaptive(diffrax.Dopri8(), 1e-11, 1e-12),
}


def measured(system, states):
    """The observables of NAMES from the oracle's states."""
    sector = system.sector
    n = sector.occupation
    weight = np.abs(states) ** 2
    matrices = [sector.hamiltonian(system.h(t), system.interaction(t), system.potential(t)) for t in TIMES]
    hops = [sector.hamiltonian(system.h(t)) for t in TIMES]
    rdm1 = np.array([[sector.d1_up(psi), sector.d1_dn(psi)] for psi in states])
    i, j = system.model.lattice.bond_array.T
    amplitudes = np.array([system.h(t)[i, j] for t in TIMES])
    return {
        "density": np.einsum("tk,sik->tsi", weight, n),
        "double_occupancy": np.einsum("tk,ik->ti", weight, n[0] * n[1]),
        "energy": np.array([np.vdot(psi, h @ psi).real for psi, h in zip(states, matrices, strict=True)]),
        "kinetic_energy": np.array([np.vdot(psi, h @ psi).real for psi, h in zip(states, hops, strict=True)]),
        "rdm2": np.array([sector.d2_updn(psi) for psi in states]),
        "rdm1": rdm1,
        "current": 2 * (amplitudes * rdm1.sum(axis=1)[:, j, i]).imag,
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "solver"),
    [(make, "chebyshev") for make in STEADY]
    + [(STEADY[0], "dopri8"), (STEADY[2], "magnus")]
    + [(make, "magnus") for make in DRIVEN]
    + [(DRIVEN[0], "dopri8")],
    ids=lambda x: x if isinstance(x, str) else x.__name__,
)
def test_observables_match_scipy(make, solver):
    system = make()
    dynamics = ExactHubbard(system.model)
    psi = dynamics.determinant(system.up, system.down)
    trajectory = eqx.filter_jit(propagate)(dynamics, psi, jnp.asarray(TIMES), solver=SOLVERS[solver], observables=NAMES)
    states = oracle_states(system, TIMES)
    assert trajectory.status == 0
    for name, want in measured(system, states).items():
        np.testing.assert_allclose(trajectory.observables[name], want, atol=1e-8, err_msg=name)
    np.testing.assert_allclose(trajectory.invariants["norm"], 1.0, atol=1e-9)


@pytest.mark.slow
def test_sparse_matrix_matches_the_oracle():
    for make in STEADY:
        system = make()
        psi = ExactHubbard(system.model).determinant(system.up, system.down)
        rng = np.random.default_rng(0)
        vector = rng.normal(size=psi.shape) + 1j * rng.normal(size=psi.shape)
        matrix = system.sector.hamiltonian(system.h(0.0), system.interaction(0.0), system.potential(0.0))
        want = system.sector.matrix(matrix @ system.sector.vector(vector))
        hamiltonian = ExactHubbard(system.model).hamiltonian(jnp.array(0.0))
        np.testing.assert_allclose(hamiltonian.apply(jnp.asarray(vector)), want, atol=1e-12)
        np.testing.assert_allclose((sparse_matrix(hamiltonian) @ vector.ravel()).reshape(psi.shape), want, atol=1e-12)
        low, high = hamiltonian.spectral_bounds()
        levels = np.linalg.eigvalsh(matrix.toarray())
        assert low <= levels[0]
        assert levels[-1] <= high


@pytest.mark.slow
def test_densities_match_qutip():
    """QuTiP's own fermions and solver, on the full Fock space of four sites."""
    sites, u = 4, 3.0
    c = [qutip.fdestroy(2 * sites, m) for m in range(2 * sites)]
    hops = [(s * sites + i, s * sites + i + 1) for s in (0, 1) for i in range(sites - 1)]
    h = -sum(c[a].dag() * c[b] + c[b].dag() * c[a] for a, b in hops)
    numbers = [operator.dag() * operator for operator in c]
    h += u * sum(numbers[i] * numbers[sites + i] for i in range(sites))
    state = qutip.fock([2] * (2 * sites), [1, 0, 1, 0, 0, 1, 0, 1])
    pairs = [numbers[i] * numbers[sites + i] for i in range(sites)]
    options = {"method": "vern9", "atol": 1e-12, "rtol": 1e-12, "nsteps": 100_000}
    solved = qutip.sesolve(h, state, TIMES, e_ops=numbers + pairs, options=options)
    expected = np.array(solved.expect)

    dynamics = ExactHubbard(FermiHubbard(lattice.chain(sites), (2, 2), interaction=u))
    psi = dynamics.determinant((0, 2), (1, 3))
    trajectory = propagate(dynamics, psi, jnp.asarray(TIMES), observables=("density", "double_occupancy"))
    density = np.asarray(trajectory.observables["density"]).reshape(len(TIMES), -1)
    np.testing.assert_allclose(density, expected[: 2 * sites].T, atol=1e-8)
    np.testing.assert_allclose(trajectory.observables["double_occupancy"], expected[2 * sites :].T, atol=1e-8)


def test_golden_values_of_the_four_site_quench():
    free, start = quench()
    np.testing.assert_allclose(start.energy, -0.5353227813, atol=1e-10)
    np.testing.assert_allclose(ground_state(free).energy, -2.8759428090, atol=1e-10)
    times = jnp.array([0.0, 0.9, 5.0])
    names = ("density", "double_occupancy", "energy")
    measured = propagate(ExactHubbard(free), start.psi, times, observables=names).observables
    np.testing.assert_allclose(measured["energy"], -2.7105534457, atol=1e-9)
    want = [[0.41880767, 0.58119233], [0.57256391, 0.42743609], [0.57232704, 0.42767296]]
    np.testing.assert_allclose(measured["density"][:, 0, :2], want, atol=5e-9)
    np.testing.assert_allclose(measured["double_occupancy"][0, :2], [0.07907236, 0.26122641], atol=5e-9)


@pytest.mark.slow
def test_irregular_and_distant_times():
    """Output times beyond the reach of one expansion, and many within it."""
    system = chain_of_six()
    times = np.concatenate([[0.0], np.linspace(0.5, 0.6, 40), [20.0, 20.1]])
    dynamics = ExactHubbard(system.model)
    psi = dynamics.determinant(system.up, system.down)
    density = propagate(dynamics, psi, jnp.asarray(times), observables=("density",)).observables["density"]
    matrix = system.sector.hamiltonian(system.h(0.0), 4.0, system.potential(0.0)).toarray()
    levels, vectors = np.linalg.eigh(matrix)
    start = vectors.conj().T @ system.sector.determinant(system.up, system.down)
    states = (np.exp(-1j * np.outer(times, levels)) * start) @ vectors.T
    want = np.einsum("tk,sik->tsi", np.abs(states) ** 2, system.sector.occupation)
    np.testing.assert_allclose(density, want, atol=1e-11)


@pytest.mark.slow
def test_forced_electrons_move_along_the_field():
    """A constant field is a linear potential -E r: the dipole and the potential drive alike."""
    times = jnp.linspace(0.0, 2.0, 5)
    from qnano.fields import Constant

    by_field = FermiHubbard(lattice.chain(4), (1, 1), interaction=1.0, electric_field=Constant(np.array([0.7])))
    by_potential = FermiHubbard(lattice.chain(4), (1, 1), interaction=1.0, potential=-0.7 * (np.arange(4) - 1.5))
    results = []
    for model in (by_field, by_potential):
        dynamics = ExactHubbard(model)
        psi = dynamics.determinant((1,), (1,))
        results.append(propagate(dynamics, psi, times, observables=("density",)).observables["density"])
    np.testing.assert_allclose(*results, atol=1e-12)
    centre = results[0][-1].sum(axis=0) @ np.arange(4)
    assert centre > 2.0  # pushed along +E from site 1 (two electrons)


@pytest.mark.parametrize(("strength", "degenerate"), [(0.0, True), (0.3, False)])
def test_degenerate_ground_states_are_reported(strength, degenerate):
    """Two electrons of one spin on a ring of four: momenta 0 and +-1 leave two states."""
    model = FermiHubbard(lattice.chain(4, True), (2, 0), potential=strength * np.arange(4))
    if degenerate:
        with pytest.raises(DegenerateGroundState, match="degenerate"):
            ground_state(model)
    else:
        assert ground_state(model).gap > 0.05


def test_degeneracy_is_seen_by_lanczos_too():
    """Ring of ten, two and one electrons: 450 states, above the dense limit; k = +-1 are degenerate."""
    with pytest.raises(DegenerateGroundState):
        ground_state(FermiHubbard(lattice.chain(10, True), (2, 1), interaction=1.0))


def test_lanczos_matches_dense():
    model = FermiHubbard(lattice.chain(8), (2, 3), interaction=2.0, potential=0.2 * np.arange(8))
    found = ground_state(model)
    matrix = sparse_matrix(ExactHubbard(model).hamiltonian(jnp.array(0.0))).toarray()
    levels = np.linalg.eigvalsh(matrix)
    np.testing.assert_allclose([found.energy, found.gap], [levels[0], levels[1] - levels[0]], atol=1e-10)


def test_driven_hamiltonian_refuses_chebyshev():
    dynamics = ExactHubbard(driven_chain().model)
    psi = dynamics.determinant((0, 1), (0, 1))
    with pytest.raises(ValueError, match="time-independent"):
        propagate(dynamics, psi, jnp.array([0.0, 1.0]), solver=Chebyshev())


def test_bad_arguments_are_named():
    model = FermiHubbard(lattice.chain(3), (1, 1))
    dynamics = ExactHubbard(model)
    psi = dynamics.determinant((0,), (1,))
    times = jnp.array([0.0, 1.0])
    with pytest.raises(ValueError, match="observables: got spin; ExactHubbard has density"):
        propagate(dynamics, psi, times, observables=("spin",))
    with pytest.raises(ValueError, match="BacksolveAdjoint"):
        propagate(dynamics, psi, times, adjoint=diffrax.BacksolveAdjoint())
    with pytest.raises(ValueError, match="electrons: got 4; must be whole numbers at least 0 and at most 3"):
        FermiHubbard(lattice.chain(3), (4, 1))
    with pytest.raises(ValueError, match=r"potential: got an array of shape \(2,\)"):
        FermiHubbard(lattice.chain(3), (1, 1), potential=np.zeros(2))
    with pytest.raises(ValueError, match="up: got sites"):
        dynamics.determinant((0, 1), (1,))


def test_loschmidt_echo_of_two_sites():
    """|<psi(0)|psi(t)>|^2 of one electron on two sites is cos^2(J t)."""
    model = FermiHubbard(lattice.chain(2), (1, 0))
    psi = ExactHubbard(model).determinant((0,), ())
    times = jnp.linspace(0.0, 3.0, 7)
    echo = propagate(ExactHubbard(model, reference=psi), psi, times, observables=("loschmidt_echo",))
    np.testing.assert_allclose(echo.observables["loschmidt_echo"], np.cos(times) ** 2, atol=1e-12)


@pytest.mark.slow
def test_extremes_of_pair_probabilities():
    """One electron pair on one of two sites: D2 and Q2 are projectors on |00> and, after particle-hole exchange, on |11>."""
    model = FermiHubbard(lattice.chain(2), (1, 1))
    psi = ExactHubbard(model).determinant((0,), (0,))
    names = ("d2_extremes", "q2_extremes", "natural_occupations")
    measured = propagate(ExactHubbard(model), psi, jnp.array([0.0, 1.0]), observables=names).observables
    np.testing.assert_allclose(measured["d2_extremes"], [[0, 1], [0, 1]], atol=1e-12)
    np.testing.assert_allclose(measured["q2_extremes"], [[0, 1], [0, 1]], atol=1e-12)
    np.testing.assert_allclose(measured["natural_occupations"][:, 0], [[1, 0], [1, 0]], atol=1e-12)
