"""Exact states to learn a collision element from, and what it must be there: many kinds of starts, interactions and sizes.

A start is the ground state of a random Hamiltonian of the lattice (its potential a trap, random by site, or a few waves; another U
for half of them), half of them moved on for a random time under a second one. From there it moves under the Hamiltonian whose
closure is wanted, whose U is drawn evenly in ln U and which has a weak potential in one of five. So a pool covers what a closed
loop will reach: late states, and such as no quench from a ground state passes through. Kinds of quenches that are in no pool
(tilts, staggered potentials, walls) are left to judge by.
"""

from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from qnano.fermions.cumulants import collision_without_three_cumulant, two_cumulant
from qnano.fermions.rdm import collision_element, one_rdm_of, two_rdm_updn
from qnano.hubbard.ground_state import ground_state
from qnano.hubbard.model import FermiHubbard
from qnano.lattice import Lattice
from qnano.learning.data import Start, motions
from qnano.learning.products import INTERACTIONS

LONGEST_WAIT = 12.0  # hbar/J


class States(eqx.Module):
    """D1, cumulants and Hamiltonians, and the exact K of the three-particle cumulant; axes of states in front."""

    one_rdm: Complex[Array, "*n s s"]
    cumulant: Complex[Array, "*n s s s s"]
    connected: Complex[Array, "*n s s s s"]
    one_body: Complex[Array, "*n s s"]
    interaction: Float[Array, "*n"]

    def __len__(self) -> int:
        return len(self.interaction)


class Drawn(NamedTuple):
    """Where a motion of the pool comes from: the ground state of `before`, moved by `on` for `waits` hbar/J, then by `after`."""

    before: FermiHubbard
    on: FermiHubbard
    waits: float
    after: FermiHubbard


def drawn(lattice: Lattice, electrons: tuple[int, int], count: int, seed: int) -> list[Drawn]:
    """`count` motions; the same seed draws the same."""
    found = []
    for k in range(count):
        generator = np.random.default_rng((seed, lattice.sites, k))

        def interaction(generator=generator):
            return float(np.exp(generator.uniform(*np.log(INTERACTIONS))))

        after = interaction()
        before = after if generator.random() < 0.5 else interaction()
        kept = 0.0 if generator.random() < 0.8 else 0.5
        models = [
            FermiHubbard(lattice, electrons, interaction=u, potential=strength * _potential(lattice, generator))
            for u, strength in ((before, 1.0), (interaction(), 1.0), (after, kept))
        ]
        waits = 0.0 if generator.random() < 0.5 else float(generator.uniform(0.0, LONGEST_WAIT))
        found.append(Drawn(models[0], models[1], waits, models[2]))
    return found


def _potential(lattice: Lattice, generator: np.random.Generator) -> np.ndarray:
    """One of a trap, a random number at each site, or three waves; the strength is drawn too."""
    arms = lattice.coordinates - lattice.centre
    kind = generator.integers(3)
    if kind == 0:
        found = (arms**2).sum(axis=1)
        found = generator.choice([-1.0, 1.0], p=[0.2, 0.8]) * found / max(np.ptp(found), 1.0) * 3.0
        found = found + 0.1 * generator.normal(size=lattice.sites)
    elif kind == 1:
        found = generator.normal(size=lattice.sites)
    else:
        waves = generator.uniform(0.0, np.pi, (3, lattice.dimension))
        found = sum(generator.normal() * np.cos(arms @ q + generator.uniform(0, 2 * np.pi)) for q in waves)
    return np.asarray(generator.uniform(0.1, 1.2) * found)


def starts(lattice: Lattice, electrons: tuple[int, int], count: int, seed: int) -> list[Start]:
    """The first states of `count` motions, and the Hamiltonians that they move under then."""
    chosen = drawn(lattice, electrons, count, seed)
    ground = [ground_state(one.before).psi for one in chosen]
    waits = jnp.linspace(0.0, LONGEST_WAIT, 49)
    waiting = [k for k, one in enumerate(chosen) if one.waits > 0]
    if waiting:
        moved = motions([Start(chosen[k].on, ground[k]) for k in waiting], waits).psi
        for k, path in zip(waiting, moved, strict=True):
            ground[k] = path[round(chosen[k].waits / 0.25)]
    return [Start(one.after, psi, "pool") for one, psi in zip(chosen, ground, strict=True)]


def along(begun: Sequence[Start], times: Float[Array, " time"]) -> States:
    """The states at these times (hbar/J, evenly spaced) of each motion."""
    paths = motions(begun, times)

    @eqx.filter_jit
    def seen(paths):
        def one(k, psi):
            model = paths.hamiltonian(k)
            return jax.vmap(lambda psi: state_of(psi, model))(psi)

        return jax.lax.map(lambda given: one(*given), (jnp.arange(len(paths)), paths.psi))

    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), seen(paths))


def state_of(psi: Complex[Array, "up down"], model: FermiHubbard) -> States:
    """What is learned from one wavefunction, without an axis of states."""
    two_rdm = two_rdm_updn(psi, model.sites, model.electrons)
    d = one_rdm_of(two_rdm, model.electrons[1])
    cumulant = two_cumulant(d, two_rdm)
    connected = collision_element(psi, model.sites, model.electrons) - collision_without_three_cumulant(d, cumulant)
    t = jnp.zeros(())
    return States(d, cumulant, connected, model.one_body(t).astype(d.dtype), jnp.mean(model.site_interaction(t)))
