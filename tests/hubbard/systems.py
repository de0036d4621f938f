"""The systems on which dynamics are compared, each with its independently built Hamiltonian."""

import itertools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from qnano import lattice
from qnano.fields import Pulse, Ramp
from qnano.hubbard.ground_state import ground_state
from qnano.hubbard.model import FermiHubbard
from tests.oracles import fock_space
from tests.oracles.fock_space import Sector


def quench(sites: int = 4, interaction: float = 2.0, strength: float = 0.5):
    """The open chain at half filling after its trap is switched off, and the ground state in the trap."""
    numbers = (sites // 2, sites // 2)
    trap = fock_space.trap(sites, strength)
    trapped = FermiHubbard(lattice.chain(sites), numbers, interaction=interaction, potential=trap)
    free = FermiHubbard(lattice.chain(sites), numbers, interaction=interaction)
    return free, ground_state(trapped)


class System(NamedTuple):
    """A model, the one-body matrix h(t), interaction U(t) and potential v(t) that it should have, and a start."""

    model: FermiHubbard
    sector: Sector
    h: object
    interaction: object
    potential: object
    up: tuple[int, ...]
    down: tuple[int, ...]


def steady(model, h, interaction, potential, up, down):
    """A system whose Hamiltonian does not change."""
    sector = Sector(model.sites, len(up), len(down))
    return System(model, sector, lambda t: h, lambda t: interaction, lambda t: potential, up, down)


def chain_of_six():
    v = 0.1 * np.arange(6)
    model = FermiHubbard(lattice.chain(6), (3, 3), interaction=4.0, potential=v)
    return steady(model, fock_space.chain(6), 4.0, v, (0, 2, 4), (1, 3, 5))


def ladder():
    model = FermiHubbard(lattice.ladder(3), (3, 3), interaction=2.0)
    return steady(model, fock_space.ladder(3), 2.0, 0.0, (0, 1, 2), (3, 4, 5))


def ring_with_flux():
    flux = 0.7
    # The oracle's h[i+1, i] carries exp(i flux/5); a bond (i, i+1) of the ring is h[i, i+1].
    model = FermiHubbard(lattice.chain(5, True), (2, 3), hopping=np.exp(-1j * flux / 5), interaction=3.0)
    return steady(model, fock_space.chain(5, periodic=True, flux=flux), 3.0, 0.0, (0, 1), (0, 2, 3))


def unequal_spins():
    u = np.linspace(1.0, 3.0, 5)
    model = FermiHubbard(lattice.chain(5), (3, 1), interaction=u)
    return steady(model, fock_space.chain(5), u, 0.0, (0, 1, 4), (2,))


def driven_chain():
    """A Peierls pulse and a ramp of U; positions are 0..3, so a bond (i, i+1) has r_i - r_j = -1."""
    model = FermiHubbard(
        lattice.chain(4),
        (2, 2),
        interaction=Ramp(1.0, 3.0, 0.5, 1.0),
        vector_potential=Pulse(np.array([0.9]), 2.5, 1.5, 0.6, 0.2),
    )

    def phase(t):
        return 0.9 * np.exp(-((t - 1.5) ** 2) / (2 * 0.36)) * np.cos(2.5 * (t - 1.5) + 0.2)

    def h(t):
        upper = -np.exp(-1j * phase(t)) * np.eye(4, k=1)
        return upper + upper.conj().T

    return System(
        model,
        Sector(4, 2, 2),
        h,
        lambda t: 1.0 + 2.0 * np.clip(t - 0.5, 0.0, 1.0),
        lambda t: 0.0,
        (0, 1),
        (0, 1),
    )


def dipole_driven_chain():
    """The same pulse as a force: v_i(t) = -E(t) (r_i - centre)."""
    model = FermiHubbard(lattice.chain(4), (2, 1), interaction=2.0, electric_field=Pulse(np.array([0.8]), 2.0, 1.0, 0.5))

    def force(t):
        return 0.8 * np.exp(-((t - 1.0) ** 2) / (2 * 0.25)) * np.cos(2.0 * (t - 1.0))

    arms = np.arange(4) - 1.5
    return System(model, Sector(4, 2, 1), lambda t: fock_space.chain(4), lambda t: 2.0, lambda t: -force(t) * arms, (0, 1), (3,))


STEADY = (chain_of_six, ladder, ring_with_flux, unequal_spins)
DRIVEN = (driven_chain, dipole_driven_chain)


def oracle_states(system: System, times):
    """psi[time, state] by SciPy: the exponential of the sparse matrix, or DOP853 for a driven system."""
    start = system.sector.determinant(system.up, system.down).astype(complex)
    if system.model.is_autonomous:
        matrix = system.sector.hamiltonian(system.h(0.0), system.interaction(0.0), system.potential(0.0))
        return fock_space.propagate(matrix, start, times)

    def action(t, y):
        return system.sector.apply(y, system.h(t), system.interaction(t), system.potential(t))

    # Piece by piece between the kinks of the ramp.
    kinks = [float(t) for t in jnp.asarray(system.model.jumps)] if system.model.jumps else []
    nodes = sorted({times[0], *(t for t in kinks if times[0] < t < times[-1]), times[-1]})
    pieces, state = [start[None]], start
    for a, b in itertools.pairwise(nodes):
        inside = [t for t in times if a < t <= b]
        stops = np.unique([a, *inside, b])
        solved = fock_space.propagate_driven(action, state, stops)
        state = solved[-1]
        pieces.append(solved[np.isin(stops, inside)])
    return np.concatenate(pieces)
