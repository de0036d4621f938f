"""Two particles in V = depth cos 2 pi x and U = height (1 - cos(2 pi x / cells)) on a ring of cells, in a basis of Bloch bands.

Written for checks, with NumPy and SciPy and nothing of the package: pairs of Bloch waves (kappa, band), (anti)symmetrised, whose
bands' numbers add up to at most `top`. An interaction keeps the crystal momentum of the pair, so that H is sparse, and energies
stop at those bands, so that a long time takes few steps. hbar = m = 1; the kernel is w at evenly spaced displacements around the
ring, as many in a cell as the fine grid that this stands for has points.
"""

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import eigsh
from scipy.special import jv


class LatticePair:
    def __init__(self, cells, depth, height, kernel, exchange, top):
        size = len(kernel)
        q, bands = size // cells, top + 1
        self.cells, self.kappa = cells, np.arange(cells) - cells // 2
        self.orders = np.arange(q) - q // 2  # G / 2 pi; all sums of waves are those of the grid, modulo its size
        rise = np.roll(np.eye(q), 1, axis=0)
        energies, self.waves = np.zeros((cells, bands)), np.zeros((cells, bands, q))
        for i, kappa in enumerate(self.kappa):
            number = (kappa + self.orders * cells + size // 2) % size - size // 2
            levels, modes = np.linalg.eigh(np.diag((2 * np.pi / cells * number) ** 2 / 2) + depth / 2 * (rise + rise.T))
            energies[i], self.waves[i] = levels[:bands], modes[:, :bands].T
        orbitals, number, band = self.waves.reshape(-1, q), np.repeat(self.kappa, bands), np.tile(np.arange(bands), cells)
        lifts = np.array([np.roll(orbitals, -g, axis=1) @ orbitals.T for g in range(q)])  # <a|exp(i(k_a - k_b + G)x)|b>
        gained = number[:, None] - number
        hops = sum(np.where(np.isin((gained + g * cells) % size, (1, size - 1)), lifts[g], 0) for g in (0, 1, q - 1))
        one = sp.csr_matrix(np.diag(energies.ravel()) + height * (np.eye(len(number)) - hops / 2))
        waves = np.fft.fft(kernel).real / size
        a, b = np.nonzero(band[:, None] + band <= top)
        rows, columns, values = [], [], []
        for momentum in range(cells):
            here = np.flatnonzero((number[a] + number[b]) % cells == momentum)
            i, j = a[here], b[here]
            by_first, wrap = gained[np.ix_(i, i)], (gained[np.ix_(i, i)] + gained[np.ix_(j, j)]) // cells
            block = 0.0
            for g in range(q):
                back = lifts[(-g - wrap) % q, j[:, None], j]
                block = block + waves[(by_first + g * cells) % size] * lifts[g][np.ix_(i, i)] * back
            at = i * len(number) + j
            rows.append(np.repeat(at, len(at)))
            columns.append(np.tile(at, len(at)))
            values.append(np.ravel(block))
        entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
        identity = sp.identity(len(number), format="csr")
        both = sp.kron(one, identity) + sp.kron(identity, one) + sp.csr_matrix(entries, shape=(len(number) ** 2,) * 2)
        ordered = a <= b if exchange > 0 else a < b
        a, b = a[ordered], b[ordered]
        weight, at = np.where(a == b, 0.5, np.sqrt(0.5)), np.concatenate([a * len(number) + b, b * len(number) + a])
        entries = (np.concatenate([weight, exchange * weight]), (at, np.tile(np.arange(len(a)), 2)))
        self.onto = sp.csr_matrix(entries, shape=(len(number) ** 2, len(a)))
        self.hamiltonian = (self.onto.T @ both.tocsr() @ self.onto).tocsr()

    def state(self, envelope, cell, corrector):
        """Coefficients, of norm 1, of [u + chi k](1) [u + chi k](2) F, from the Fourier amplitudes of F in the order of `kappa` and
        those of u and chi in that of `orders`."""
        k = 2 * np.pi / self.cells * self.kappa
        factors = np.einsum("kbg,kg->kb", self.waves, cell + k[:, None] * corrector)
        found = self.onto.T @ np.einsum("kb,kl,lc->kblc", factors, envelope, factors).ravel()
        return found / np.linalg.norm(found)

    def evolved(self, state, time):
        """exp(-iHt), by Chebyshev's expansion."""
        low, high = np.sort(eigsh(self.hamiltonian, 2, which="BE", tol=1e-3, return_eigenvectors=False))
        middle, half = (high + low) / 2, 0.51 * (high - low)
        scaled = (self.hamiltonian - middle * sp.identity(len(state))) / half
        before = np.stack([state.real, state.imag], axis=1)
        now = scaled @ before
        count = int(half * time + 60)
        weights = 2 * (-1j) ** (np.arange(count) % 4) * jv(np.arange(count), half * time)
        total = weights[0] / 2 * (before @ [1, 1j]) + weights[1] * (now @ [1, 1j])
        for weight in weights[2:]:
            before, now = now, 2 * (scaled @ now) - before
            total = total + weight * (now @ [1, 1j])
        return np.exp(-1j * middle * time) * total
