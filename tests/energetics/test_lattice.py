"""The local balance against the commutator [H, E_a] of matrices in Fock space, for Hamiltonians without any symmetry."""

import jax.numpy as jnp
import numpy as np
import pytest

from qnano.energetics.lattice import Hamiltonian, conditional_of, local_balance, local_energy, particle_current
from tests.oracles.fock_space import annihilators

ORBITALS = 5


class FockSpace:
    """A random Hamiltonian h, W with a drive v, and a random state of any number of particles."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)

        def normal(*shape):
            return rng.normal(size=shape)

        self.c = [c.toarray() for c in annihilators(ORBITALS)]
        self.n = [c.T @ c for c in self.c]
        self.h, self.h_rate = (self._hermitian(normal(5, 5) + 1j * normal(5, 5)) for _ in range(2))
        self.w, self.w_rate = (self._without_diagonal(normal(5, 5)) for _ in range(2))
        self.v = normal(ORBITALS)
        psi = normal(2**ORBITALS) + 1j * normal(2**ORBITALS)
        self.psi = psi / np.linalg.norm(psi)

    @staticmethod
    def _hermitian(matrix):
        return matrix + matrix.conj().T

    @staticmethod
    def _without_diagonal(matrix):
        return (matrix + matrix.T) * (1 - np.eye(ORBITALS))

    def mean(self, operator):
        return np.vdot(self.psi, operator @ self.psi)

    def one_body(self, h):
        return sum(h[a, c] * self.c[a].T @ self.c[c] for a in range(ORBITALS) for c in range(ORBITALS))

    def local(self, a, h, w):
        """The operator of E_a: half of every bond and of every interaction that a has."""
        bonds = [h[a, c] * self.c[a].T @ self.c[c] + h[c, a] * self.c[c].T @ self.c[a] for c in range(ORBITALS)]
        return 0.5 * sum(bonds) + 0.5 * sum(w[a, b] * self.n[a] @ self.n[b] for b in range(ORBITALS))

    @property
    def hamiltonian(self):
        pairs = 0.5 * sum(self.w[a, b] * self.n[a] @ self.n[b] for a in range(ORBITALS) for b in range(ORBITALS))
        return self.one_body(self.h) + pairs

    @property
    def driven(self):
        return self.hamiltonian + sum(v * n for v, n in zip(self.v, self.n, strict=True))

    def rdms(self):
        one = np.array([[self.mean(self.c[a].T @ self.c[c]) for a in range(ORBITALS)] for c in range(ORBITALS)])
        two = np.zeros((ORBITALS,) * 4, complex)
        for a, b, x, y in np.ndindex(*two.shape):
            two[a, b, x, y] = self.mean(self.c[x].T @ self.c[y].T @ self.c[b] @ self.c[a])
        return jnp.asarray(one), conditional_of(jnp.asarray(two))


@pytest.fixture(scope="module", params=[0, 1, 2])
def fock(request):
    return FockSpace(request.param)


def balance(fock):
    hamiltonian = Hamiltonian(*map(jnp.asarray, (fock.h, fock.w, fock.v, fock.h_rate, fock.w_rate)))
    return local_balance(hamiltonian, *fock.rdms())


def test_local_energies_are_those_of_the_operators_and_add_up(fock):
    energies = local_energy(jnp.asarray(fock.h), jnp.asarray(fock.w), *fock.rdms())
    operators = [fock.mean(fock.local(a, fock.h, fock.w)) for a in range(ORBITALS)]
    np.testing.assert_allclose(energies, operators, atol=1e-12)
    np.testing.assert_allclose(energies.sum(), fock.mean(fock.hamiltonian), atol=1e-12)


@pytest.mark.slow
def test_the_balance_is_the_commutator(fock):
    """dE_a/dt = i <[H + v, E_a]> + <dE_a/dt explicit>."""
    h = fock.driven
    expected = []
    for a in range(ORBITALS):
        energy = fock.local(a, fock.h, fock.w)
        moved = 1j * fock.mean(h @ energy - energy @ h)
        expected.append(moved + fock.mean(fock.local(a, fock.h_rate, fock.w_rate)))
    np.testing.assert_allclose(np.imag(expected), 0, atol=1e-12)
    np.testing.assert_allclose(balance(fock).rate, np.real(expected), atol=1e-12)


def test_currents_and_transfers_only_move_energy(fock):
    found = balance(fock)
    np.testing.assert_allclose(found.current, -found.current.T, atol=1e-12)
    np.testing.assert_allclose(found.transfer, -found.transfer.T, atol=1e-12)
    assert np.abs(found.transfer).max() > 0.1  # leaving it out would be seen


def test_particle_currents_are_the_motion_of_the_density(fock):
    current = particle_current(jnp.asarray(fock.h), fock.rdms()[0])
    h = fock.hamiltonian
    moved = [1j * fock.mean(h @ n - n @ h) for n in fock.n]
    np.testing.assert_allclose(current.sum(axis=1), np.real(moved), atol=1e-12)


def test_the_total_power_is_that_of_force_and_current(fock):
    """sum_a P_a = <dH/dt> + i <[v, H]>."""
    rate = fock.one_body(fock.h_rate) + 0.5 * sum(
        fock.w_rate[a, b] * fock.n[a] @ fock.n[b] for a in range(ORBITALS) for b in range(ORBITALS)
    )
    drive = fock.driven - fock.hamiltonian
    moved = 1j * fock.mean(drive @ fock.hamiltonian - fock.hamiltonian @ drive)
    np.testing.assert_allclose(balance(fock).power.sum(), (fock.mean(rate) + moved).real, atol=1e-12)
