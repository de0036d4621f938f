"""Two-particle RDMs and cumulants on which functions of them are tested."""

from functools import cache

import numpy as np

from tests.oracles import fock_space, six_index


def random_cumulants(sites: int, electrons: int, seed: int = 0):
    """Hermitian d with trace `electrons` and singlet-symmetric Hermitian L, without any physics in them."""
    rng = np.random.default_rng(seed + 10 * sites)
    d = rng.normal(size=(sites,) * 2) + 1j * rng.normal(size=(sites,) * 2)
    d = d + d.conj().T
    d += (electrons - np.trace(d)) / sites * np.eye(sites)
    x = rng.normal(size=(sites,) * 4) + 1j * rng.normal(size=(sites,) * 4)
    x = x + x.transpose(1, 0, 3, 2)
    return d, x + x.conj().transpose(2, 3, 0, 1)


@cache
def correlated_singlet(sites: int, electrons: int, interaction: float = 2.0, time: float = 0.9):
    """(D2, D3_uud) of a singlet that has moved, on a chain that had no symmetry when it was in its ground state."""
    sector, h = fock_space.Sector(sites, electrons, electrons), fock_space.chain(sites)
    _, psi = fock_space.ground_state(sector.hamiltonian(h, interaction, 0.4 * np.arange(sites) ** 1.5))
    psi = fock_space.propagate(sector.hamiltonian(h, interaction), psi, [0.0, time])[-1]
    return sector.d2_updn(psi), sector.d3_uud(psi)


def traceless_noise(sites: int, seed: int = 3):
    """A Hermitian singlet-symmetric array that contracts to zero: it moves a D2 but neither its D1 nor its spin."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(sites,) * 4) + 1j * rng.normal(size=(sites,) * 4)
    x = x + x.conj().transpose(2, 3, 0, 1)
    return sum(six_index.contraction_free(six_index.symmetrise(x, s), s) for s in (1, -1))


def spin_scalar(sites, seed=0):
    """A Hermitian X[abc;xyz], antisymmetric in ab and in xy, that commutes with the permutations of three particles."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(sites,) * 6) + 1j * rng.normal(size=(sites,) * 6)
    x = x + x.conj().transpose(3, 4, 5, 0, 1, 2)
    x = x - x.transpose(1, 0, 2, 3, 4, 5)
    x = x - x.transpose(0, 1, 2, 4, 3, 5)
    left = (x + x.transpose(2, 0, 1, 3, 4, 5) + x.transpose(1, 2, 0, 3, 4, 5)) / 3
    across = (left + left.transpose(0, 1, 2, 5, 3, 4) + left.transpose(0, 1, 2, 4, 5, 3)) / 3
    right = left.conj().transpose(3, 4, 5, 0, 1, 2)
    return x - left - right + 2 * across
