"""The oracles check themselves: algebra of the operators, identities of the reduced density matrices, known numbers.

Test bed: open chain, J = 1, half filling; the ground state in the trap v_i = V (i - (Ns-1)/2)^2 is released at t = 0.
"""

from functools import cache

import numpy as np
import pytest
from scipy.linalg import expm

from . import fock_space as fock
from . import six_index as six

close = np.testing.assert_allclose


@cache
def quench(sites=4, interaction=2.0, strength=0.5):
    """(sector, h, H after the quench, ground state before it)."""
    sector, h = fock.Sector(sites, sites // 2, sites // 2), fock.chain(sites)
    _, psi = fock.ground_state(sector.hamiltonian(h, interaction, fock.trap(sites, strength)))
    return sector, h, sector.hamiltonian(h, interaction), psi


@cache
def evolved(sites=4, interaction=2.0, time=0.9):
    """(sector, h, psi, D, D3) at a time after the quench: complex, correlated, a singlet."""
    sector, h, hamiltonian, psi = quench(sites, interaction)
    psi = expm(-1j * time * hamiltonian.toarray()) @ psi
    return sector, h, psi, sector.d2_updn(psi), sector.d3_uud(psi)


def random_state(sector, seed=0):
    rng = np.random.default_rng(seed)
    psi = rng.normal(size=sector.dim) + 1j * rng.normal(size=sector.dim)
    return psi / np.linalg.norm(psi)


def random_cumulants(ns=3, seed=1):
    """Hermitian d and singlet-symmetric Hermitian L without any physics in them."""
    rng = np.random.default_rng(seed)
    d = rng.normal(size=(ns, ns)) + 1j * rng.normal(size=(ns, ns))
    x = rng.normal(size=(ns,) * 4) + 1j * rng.normal(size=(ns,) * 4)
    x = x + x.transpose(1, 0, 3, 2)
    return d + d.conj().T, x + x.conj().transpose(2, 3, 0, 1)


# Fock space


def test_annihilators_anticommute():
    c = [m.toarray() for m in fock.annihilators(4)]
    for i, a in enumerate(c):
        for j, b in enumerate(c):
            close(a @ b + b @ a, 0)
            close(a @ b.T + b.T @ a, np.eye(16) * (i == j))


def test_basis_is_ordered_creators_on_vacuum():
    sector = fock.Sector(4, 2, 3)
    for (up, dn), position in {
        ((0, 1), (0, 1, 2)): (0, 0),
        ((0, 3), (0, 2, 3)): (3, 2),
        ((2, 3), (1, 2, 3)): (5, 3),
    }.items():
        psi = np.zeros(sector.shape)
        psi[position] = 1
        close(sector.determinant(up, dn), sector.vector(psi))
        close(sector.determinant(up[::-1], dn), -sector.vector(psi))
    psi = random_state(sector)
    close(sector.vector(sector.matrix(psi)), psi)


@pytest.mark.parametrize(
    ("h", "electrons"),
    [
        (fock.chain(6), (3, 3)),
        (fock.ladder(3), (3, 3)),
        (fock.chain(5, periodic=True, flux=0.7), (2, 3)),
        (fock.chain(4), (1, 2)),
    ],
    ids=["chain", "ladder", "flux ring", "N_up != N_dn"],
)
def test_hamiltonian_and_norms(h, electrons):
    ns = len(h)
    sector, u, v = fock.Sector(ns, *electrons), np.linspace(1, 2, ns), fock.trap(ns, 0.3)
    hamiltonian = sector.hamiltonian(h, u, v)
    close((hamiltonian - hamiltonian.getH()).toarray(), 0, atol=1e-14)
    psi = random_state(sector)
    close(sector.apply(psi, h, u, v), hamiltonian @ psi, atol=1e-13)
    up, dn, d2 = sector.d1_up(psi), sector.d1_dn(psi), sector.d2_updn(psi)
    energy = np.trace((h + np.diag(v)) @ (up + dn)) + u @ np.einsum("iiii->i", d2)
    close(energy, np.vdot(psi, hamiltonian @ psi), atol=1e-12)
    n_up, n_dn = electrons
    close([np.trace(up), np.trace(dn), np.einsum("abab", d2)], [n_up, n_dn, n_up * n_dn], atol=1e-12)
    close(np.einsum("abab", sector.d2_upup(psi)), n_up * (n_up - 1), atol=1e-12)
    close(np.einsum("abab", sector.d2_dndn(psi)), n_dn * (n_dn - 1), atol=1e-12)
    close(np.einsum("abxb->ax", d2), n_dn * up, atol=1e-12)
    close(np.einsum("abay->by", d2), n_up * dn, atol=1e-12)
    if ns < 6 and n_up > 1:
        close(np.einsum("abcxyc->abxy", sector.d3_uud(psi)), n_dn * sector.d2_upup(psi), atol=1e-12)


def test_free_electrons_match_the_filled_sea():
    h, electrons = fock.chain(6, periodic=True, flux=1.1), (3, 2)
    energy, psi = fock.ground_state(fock.Sector(6, *electrons).hamiltonian(h))
    levels, orbitals = np.linalg.eigh(h)
    close(energy, sum(levels[:n].sum() for n in electrons), atol=1e-12)
    sector = fock.Sector(6, *electrons)
    sea = [orbitals[:, :n] @ orbitals[:, :n].conj().T for n in electrons]
    close(sector.d1_up(psi), sea[0], atol=1e-10)
    close(sector.d2_updn(psi), np.einsum("ax,by->abxy", *sea), atol=1e-10)


def test_two_site_energy():
    for u in (0.0, 1.0, 8.0):
        energy, _ = fock.ground_state(fock.Sector(2, 1, 1).hamiltonian(fock.chain(2), u))
        close(energy, u / 2 - np.sqrt(u**2 / 4 + 4), atol=1e-12)


def test_propagations_agree():
    sector, h, hamiltonian, psi = quench()
    times = np.linspace(0, 2, 5)
    exact = fock.propagate(hamiltonian, psi, times)
    close(exact[-1], expm(-2j * hamiltonian.toarray()) @ psi, atol=1e-12)
    close(fock.propagate_driven(lambda t, y: sector.apply(y, h, 2.0), psi, times), exact, atol=1e-10)


def test_driven_chain_obeys_the_gauge():
    """Hopping phases A(t) (i - j) on an open chain, A = sin t, are the potential i dA/dt in another gauge."""
    sector, h, _, psi = quench()
    site = np.arange(4.0)
    lengths = site[:, None] - site

    def velocity_gauge(t, y):
        return sector.apply(y, h * np.exp(1j * np.sin(t) * lengths), 2.0)

    def length_gauge(t, y):
        return sector.apply(y, h, 2.0, np.cos(t) * site)

    a = fock.propagate_driven(velocity_gauge, psi, [0, 1.3])[-1]
    b = fock.propagate_driven(length_gauge, psi, [0, 1.3])[-1]
    phase = np.exp(1j * np.sin(1.3) * lengths)
    close(sector.d1_up(a), sector.d1_up(b) * phase, atol=1e-10)


# Identities of the exact reduced density matrices


def test_equation_of_motion_over_spin_orbitals():
    """Any state, singlet or not, N_up != N_dn: dD/dt from the hierarchy is dD/dt from the wavefunction."""
    ns, u = 3, np.array([1.0, 2.0, 0.5])
    sector, h = fock.Sector(ns, 2, 1), fock.chain(ns, periodic=True, flux=0.4) + np.diag([0.1, 0.0, -0.3])
    psi = random_state(sector)
    operators = sector.c

    def full_rdm(left, right, p):
        remove = [np.asarray(left)[None], np.asarray(right)[None]]
        for _ in range(p):
            remove = [np.stack([(c @ v.T).T for c in operators], 1).reshape(-1, v.shape[-1]) for v in remove]
        return (remove[1] @ remove[0].conj().T).reshape((2 * ns,) * (2 * p))

    state = sector.embed(psi)
    slope = sector.embed(-1j * sector.apply(psi, h, u))
    one, two, three = (full_rdm(state, state, p) for p in (1, 2, 3))
    one_dot, two_dot = six.velocity_spin_orbital(one, two, three, h, u)
    for p, dot in ((1, one_dot), (2, two_dot)):
        close(full_rdm(state, slope, p) + full_rdm(slope, state, p), dot, atol=1e-12)
    close(np.einsum("abxb->ax", two), 2 * one, atol=1e-12)
    close(np.einsum("abcxyc->abxy", three), two, atol=1e-12)
    delta2 = six.cumulant2(one, two)
    delta3 = three - six.disconnected3(one, delta2)
    close(np.einsum("akxk->ax", delta2), one @ one - one, atol=1e-12)
    legs = np.einsum("ae,ebxy->abxy", one, delta2) + np.einsum("be,aexy->abxy", one, delta2)
    legs = legs + np.einsum("abey,ex->abxy", delta2, one) + np.einsum("abxe,ey->abxy", delta2, one)
    close(np.einsum("abkxyk->abxy", delta3), legs - 2 * delta2, atol=1e-12)


@pytest.mark.parametrize("sites", [4, 6])
def test_singlet_identities(sites):
    sector, _, psi, d2, d3 = evolved(sites)
    n, (d, cumulant) = sites // 2, six.split(d2, sites // 2)
    close(d, sector.d1_up(psi), atol=1e-12)
    close(d2.transpose(1, 0, 3, 2), d2, atol=1e-12)
    close(six.same_spin(d2), sector.d2_upup(psi), atol=1e-12)
    close(np.einsum("ikkj->ij", d2), d, atol=1e-12)
    close(six.contractions(d3), six.contraction_targets(d2, n), atol=1e-12)
    delta3 = d3 - six.disconnected_uud(d, cumulant)
    close(six.contractions(delta3), six.contraction_targets_cumulant(d, cumulant), atol=1e-12)


@pytest.mark.parametrize("sites", [4, 6])
def test_collision_form_of_the_equation_of_motion(sites):
    """The up-down block moves by K = D3[a,b,b; x,b,y] alone."""
    sector, h, psi, d2, d3 = evolved(sites)
    psi_dot = -1j * sector.apply(psi, h, 2.0)
    eps = 1e-3
    rdm = [sector.d2_updn(psi + s * eps * psi_dot) for s in (1, -1)]  # bilinear: the difference is exact
    close(six.velocity(d2, sites // 2, h, 2.0, lambda *_: d3), (rdm[0] - rdm[1]) / (2 * eps), atol=1e-11)


def test_matrices_are_positive():
    sector, _, psi, d2, _ = evolved()
    assert six.negativity(d2, 2) > -1e-12
    for g in six.particle_hole_matrices(d2, 2):
        assert np.linalg.eigvalsh(g.reshape(16, 16)).min() > -1e-12
    removed = [sector.c[sector.mode(s, i)] for s in (0, 1) for i in range(4)]
    v = [removed[i].T @ (removed[4 + j].T @ sector.embed(psi)) for i in range(4) for j in range(4)]
    q = np.conj(np.array(v) @ np.conj(v).T).reshape((4,) * 4)
    close(six.hole_matrix(d2, 2), q, atol=1e-12)


# Reconstructions


def test_block_and_spin_orbital_reconstructions_agree():
    d, cumulant = random_cumulants()
    one, delta2 = six.spin_orbital(d, cumulant)
    uud = (slice(0, 3), slice(0, 3), slice(3, 6)) * 2
    close(six.disconnected3(one, delta2)[uud], six.disconnected_uud(d, cumulant), atol=1e-10)
    sign = six.smooth_sign(d, 1)
    full = six.nakatsuji_yasuda_spin_orbital(delta2, np.kron(np.eye(2), sign))
    close(full[uud], six.nakatsuji_yasuda(six.smooth_sign)(d, cumulant, 1), atol=1e-10)
    close(full, -full.transpose(1, 0, 2, 3, 4, 5), atol=1e-10)
    close(full, full.conj().transpose(3, 4, 5, 0, 1, 2), atol=1e-10)


def test_nakatsuji_yasuda_slope_is_one_at_weak_coupling():
    sector, _, _, psi = quench(4, 0.1)
    d2, d3 = sector.d2_updn(psi), sector.d3_uud(psi)
    d, cumulant = six.split(d2, 2)
    exact, guess = d3 - six.disconnected_uud(d, cumulant), six.nakatsuji_yasuda()(d, cumulant, 2)
    close(np.vdot(guess, exact).real / np.vdot(guess, guess).real, 1.0008, atol=5e-3)


def test_contraction_consistency_projects():
    _, _, _, d2, d3 = evolved()
    targets = six.contraction_targets(d2, 2)
    guess = six.Reconstruction()(d2, 2)
    fixed = six.contraction_consistent(guess, targets)
    close(six.contractions(fixed), targets, atol=1e-12)
    close(fixed, fixed.conj().transpose(3, 4, 5, 0, 1, 2), atol=1e-12)
    close(six.contraction_consistent(d3, targets), d3, atol=1e-12)
    # Orthogonality of the correction to what has no contractions: Pythagoras with the exact D3.
    sides = [np.linalg.norm(x) ** 2 for x in (guess - d3, guess - fixed, fixed - d3)]
    close(sides[0], sides[1] + sides[2], rtol=1e-10)


def test_pair_scheme_channels():
    d, cumulant = random_cumulants()
    h = fock.chain(3, periodic=True, flux=0.3)
    close(six.pair_velocity(d, cumulant, h, 1.7)[1], six.pair_velocity_channels(d, cumulant, h, 1.7), atol=1e-9)


@pytest.mark.parametrize("momentum", [False, True])
def test_purification_keeps_what_it_must(momentum):
    sector, h, _, psi = quench()
    exact = sector.d2_updn(psi)
    rng = np.random.default_rng(3)
    noise = rng.normal(size=exact.shape) + 1j * rng.normal(size=exact.shape)
    noise = noise + noise.conj().transpose(2, 3, 0, 1)
    d2 = exact + 0.005 * sum(six.contraction_free(six.symmetrise(noise, s), s) for s in (1, -1))
    assert six.negativity(d2, 2) < -1e-3
    pure = six.purify(d2, 2, step=0.5 if momentum else 1.0, momentum=momentum, tol=1e-7)
    assert six.negativity(pure, 2) >= -1e-7
    close(six.one_body(pure, 2), six.one_body(d2, 2), atol=1e-12)
    close(np.einsum("ikkj->ij", pure), np.einsum("ikkj->ij", d2), atol=1e-12)
    close(six.energy(pure, 2, h, 2.0), six.energy(d2, 2, h, 2.0), atol=1e-12)
    assert np.linalg.norm(pure - exact) < np.linalg.norm(d2 - exact)


# Known numbers: Ns = 4, U = 2, V = 0.5


def test_golden_energies_and_initial_state():
    sector, h, hamiltonian, psi = quench()
    trapped, _ = fock.ground_state(sector.hamiltonian(h, 2.0, fock.trap(4, 0.5)))
    free, _ = fock.ground_state(hamiltonian)
    after = np.vdot(psi, hamiltonian @ psi).real
    close([trapped, free, after], [-0.5353227813, -2.8759428090, -2.7105534457], atol=1e-10)
    d2 = sector.d2_updn(psi)
    close(np.einsum("iiii->i", d2)[:2], [0.07907236, 0.26122641], atol=1e-8)
    close(six.energy(d2, 2, h, 2.0), after, atol=1e-12)


@pytest.mark.parametrize(
    ("time", "density", "norm2", "norm3"),
    [
        (0.0, (0.41880767, 0.58119233), 0.41691107, 0.15869002),
        (0.9, (0.57256391, 0.42743609), 0.49031490, 0.21562345),
        (5.0, (0.57232704, 0.42767296), 0.47104932, 0.20767353),
    ],
)
def test_golden_exact(time, density, norm2, norm3):
    *_, d2, d3 = evolved(time=time)
    d, cumulant = six.split(d2, 2)
    close(np.diagonal(d)[:2], density, atol=1e-8)
    close([np.linalg.norm(cumulant), np.linalg.norm(d3 - six.disconnected_uud(d, cumulant))], [norm2, norm3], atol=1e-8)


GOLDEN = {
    "V": (six.Reconstruction(), 0.52708682, -2.60268258, 0.496),
    "V+CC": (six.Reconstruction(consistent=True), 0.56212658, -2.7105534457, 0.1197),
    "NY": (six.Reconstruction(six.nakatsuji_yasuda()), 0.5577586, -2.70891899, 0.1895),
    "NY+CC": (six.Reconstruction(six.nakatsuji_yasuda(), True), 0.5677416, -2.7105534457, 0.0844),
    "NYs+CC": (six.Reconstruction(six.nakatsuji_yasuda(six.smooth_sign), True), 0.5667217, -2.7105534457, 0.0855),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", GOLDEN)
def test_golden_closures(name):
    reconstruction, density, energy, error = GOLDEN[name]
    sector, h, _, psi = quench()
    run = six.propagate_td2rdm(sector.d2_updn(psi), 2, h, 2.0, [0, 5], reconstruction)
    close(run.d[-1, 0, 0], density, atol=1e-7)
    close(six.energy(run.d2[-1], 2, h, 2.0), energy, atol=1e-7)
    exact = sector.d2_updn(expm(-5j * sector.hamiltonian(h, 2.0).toarray()) @ psi)
    close(six.relative_error(run, np.stack([run.d2[0], exact]))[-1], error, atol=1e-3)
    assert run.stopped is None


def test_golden_pair_and_mean_field():
    """Both start from the exact correlated d, which is not idempotent."""
    sector, h, _, psi = quench()
    d, cumulant = six.split(sector.d2_updn(psi), 2)
    pair = six.propagate_pair(d, cumulant, h, 2.0, [0, 5])
    close(pair.d[-1, 0, 0], 0.52166198, atol=1e-7)
    energy = 2 * np.trace(h @ pair.d[-1]) + 2.0 * np.einsum("iiii", pair.d2[-1])
    close(energy, -2.7105534457, atol=1e-8)
    close(six.propagate_mean_field(d, h, 2.0, [0, 5]).d[-1, 0, 0], 0.51385549, atol=1e-7)


def test_blow_up_is_reported():
    sector, h, _, psi = quench(4, 8.0)
    run = six.propagate_td2rdm(sector.d2_updn(psi), 2, h, 8.0, np.linspace(0, 5, 51), six.Reconstruction())
    assert run.stopped is not None and 1.5 < run.stopped < 2.5
    assert run.times[-1] <= run.stopped


def test_hartree_fock_is_stationary():
    h = fock.chain(4) + np.diag(fock.trap(4, 0.5))
    d = six.hartree_fock(h, 2.0, 2)
    close(d @ d, d, atol=1e-11)
    close(six.mean_field_velocity(d, h, 2.0), 0, atol=1e-11)
