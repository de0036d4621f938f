"""The Holstein equations with dense NumPy matrices, stepped by SciPy's DOP853; and the static lattice by brute force."""

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from scipy.special import expit


def hopping_matrix(sides):
    """-1 between neighbours of a periodic grid, site by site."""
    sites = int(np.prod(sides))
    matrix = np.zeros((sites, sites))
    for i, cell in enumerate(np.ndindex(*sides)):
        for axis, side in enumerate(sides):
            for step in (-1, 1):
                neighbour = list(cell)
                neighbour[axis] = (neighbour[axis] + step) % side
                matrix[i, np.ravel_multi_index(neighbour, sides)] -= 1.0
    return matrix


def right_hand_side(rho, q, p, hopping, g, frequency, eta):
    """(E2)-(E4): rates of rho, Q, P."""
    h = hopping - np.diag(g * q)
    return -1j * (h @ rho - rho @ h), frequency * p, -frequency * q + eta * g * (np.diag(rho).real - 0.5)


def energy(rho, q, p, hopping, g, frequency, eta):
    n = np.diag(rho).real
    return np.trace(hopping @ rho).real - np.sum(g * q * (n - 0.5)) + np.sum(frequency / (2 * eta) * (p**2 + q**2))


def evolve(rho, q, p, times, sides, g, frequency, eta, breaks=()):
    """rho, Q, P at `times`; g, frequency, eta are functions of time, smooth between `breaks`."""
    hopping, sites = hopping_matrix(sides), len(q)

    def slope(t, y):
        d_rho, d_q, d_p = right_hand_side(
            y[: sites**2].reshape(sites, sites), y[sites**2 : -sites].real, y[-sites:].real, hopping, g(t), frequency(t), eta(t)
        )
        return np.concatenate([d_rho.ravel(), d_q, d_p])

    y, now, rows = np.concatenate([rho.ravel(), q, p]).astype(complex), times[0], []
    for stop in sorted({*times, *(b for b in breaks if times[0] < b < times[-1])}):
        if stop > now:
            # A hair inside, so that nothing is read on the far side of a break.
            span = (now + 1e-13, stop - 1e-13)
            y = solve_ivp(slope, span, y, method="DOP853", rtol=1e-11, atol=1e-12).y[:, -1]
        now = stop
        if stop in times:
            rows.append((y[: sites**2].reshape(sites, sites), y[sites**2 : -sites].real, y[-sites:].real))
    return [np.array(x) for x in zip(*rows, strict=True)]


def static_lattice(sides, g, frequency, eta, temperature, start, iterations=4000):
    """Q by fixed-point iteration with diagonalised matrices, half filling."""
    hopping, q = hopping_matrix(sides), np.array(start)
    for _ in range(iterations):
        energies, vectors = np.linalg.eigh(hopping - np.diag(g * q))

        def excess(mu, e=energies):
            return expit((mu - e) / temperature).sum() - len(e) / 2

        mu = brentq(excess, -20.0, 20.0, xtol=1e-15)
        q = eta * g / frequency * ((vectors**2) @ expit((mu - energies) / temperature) - 0.5)
    return q


def fastest_growth(sites, g, frequency, eta):
    """The largest rate at which any wave Q_q grows in the half-filled metal on a ring, by linear response."""
    energies = np.round(-2 * np.cos(2 * np.pi * np.arange(sites) / sites), 12)
    filled = (1 - np.sign(energies)) / 2

    def excess(rate, q):
        apart = np.roll(energies, -q) - energies
        weight = (filled - np.roll(filled, -q)) * apart
        response = np.sum(np.divide(weight, apart**2 + rate**2, out=np.zeros(sites), where=weight != 0)) / sites
        return frequency * eta * g**2 * response - rate**2 - frequency**2

    return max(brentq(excess, 0.0, 10.0, args=(q,)) for q in range(sites) if excess(0.0, q) > 0)
