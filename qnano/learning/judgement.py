"""How good a surrogate is: its errors, what it breaks, and what simpler things would have done.

A *step* is anything that takes a state an interval further. Baselines: persistence (nothing moves), the limit cycle (the piece of a
known trajectory that starts closest), and a splitting with one step per interval.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from qnano import lattice
from qnano.border import instance, numbers
from qnano.holstein.ehrenfest import EhrenfestDensity, EhrenfestOrbitals, EhrenfestState
from qnano.holstein.model import Holstein
from qnano.learning.surrogates import AbstractSurrogate, Conditions, field_errors
from qnano.propagation import propagate
from qnano.solvers.splitting import Splitting
from qnano.solvers.stepping import fixed

Step = Callable[[EhrenfestState], EhrenfestState]


class Record(eqx.Module):
    """What is seen of roll-outs at every interval, shape (trajectory, time).

    Errors are root mean squares over entries. `trace`, `hermiticity` (largest entry of rho - rho^+), `purity` and `energy` are
    departures from what the start had; purity and energy per site.
    """

    rho: Float[Array, "..."]
    displacement: Float[Array, "..."]
    momentum: Float[Array, "..."]
    charge_order: Float[Array, "..."]
    lattice_order: Float[Array, "..."]
    trace: Float[Array, "..."]
    hermiticity: Float[Array, "..."]
    purity: Float[Array, "..."]
    energy: Float[Array, "..."]


def surrogate_step(surrogate: AbstractSurrogate, conditions: Conditions) -> Step:
    return lambda state: surrogate(state, conditions)[0]


def splitting_step(sites: int, conditions: Conditions, scheme: Splitting, steps: int = 1, *, orbitals: bool = False) -> Step:
    """`steps` steps of a splitting for each interval, of the density matrix or, which is faster, of orbitals.

    Raises `ValueError` for a ring, conditions or steps that cannot be.
    """
    numbers("steps", steps, kind="integer", shape=(), least=1)
    dynamics, interval = dynamics_of(sites, conditions), float(conditions.interval)
    dynamics = EhrenfestOrbitals(dynamics.model) if orbitals else dynamics
    times, solver = jnp.array([0.0, interval]), fixed(scheme, interval / steps)
    return lambda state: propagate(dynamics, state, times, solver=solver, monitor=False).state


def follow(step: Step, exact: EhrenfestState, conditions: Conditions) -> Record:
    """Roll out from the first of each of the exact states (trajectory, interval + 1, ...), and compare at each of the others.

    Raises `ValueError` for states that are not of trajectories.
    """
    _require_trajectories("exact", exact)

    def one(exact: EhrenfestState) -> Record:
        start = jax.tree.map(lambda x: x[0], exact)

        def onwards(state: EhrenfestState, true: EhrenfestState) -> tuple[EhrenfestState, Record]:
            state = step(state)
            return state, compared(state, true, start, conditions)

        return jax.lax.scan(onwards, start, jax.tree.map(lambda x: x[1:], exact))[1]

    return jax.jit(lambda exact: jax.lax.map(one, exact))(exact)


def limit_cycle(known: EhrenfestState, exact: EhrenfestState, conditions: Conditions) -> Record:
    """The piece of the known trajectories (trajectory, time, ...) that starts closest to each exact one, against it.

    Raises `ValueError` for states that are not of trajectories, and where no known trajectory is as long.
    """
    _require_trajectories("exact", exact)
    _require_trajectories("known", known, exact.displacement.shape[2])
    length, there = exact.displacement.shape[1], known.displacement.shape[1]
    if there < length:
        raise ValueError(f"known: got {there} samples; must be at least {length}")
    if not len(known.displacement):
        raise ValueError("known: got 0 trajectories; must be at least one")

    def one(exact: EhrenfestState) -> Record:
        start = jax.tree.map(lambda x: x[0], exact)
        candidates = jax.tree.map(lambda x: x[:, : there - length + 1], known)
        apart = jax.vmap(jax.vmap(lambda s: jnp.sum(jnp.stack(field_errors(s, start)) ** 2)))(candidates)
        which, first = jnp.unravel_index(jnp.argmin(apart), apart.shape)
        piece = jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x[which], first, length)[1:], known)
        return jax.vmap(lambda s, true: compared(s, true, start, conditions))(piece, jax.tree.map(lambda x: x[1:], exact))

    return jax.jit(lambda exact: jax.lax.map(one, exact))(exact)


def compared(state: EhrenfestState, exact: EhrenfestState, start: EhrenfestState, conditions: Conditions) -> Record:
    """One state against the exact one, and against what its start had."""
    sites = len(state.displacement)
    dynamics = dynamics_of(sites, conditions)
    rho = state.electrons

    def purity(s):
        return dynamics.purity(s.electrons)

    def energy(s):
        return dynamics.observe(jnp.zeros(()), s)["energy"]()

    seen = dynamics.observe(jnp.zeros(()), state)
    square = jnp.abs(rho - exact.electrons) ** 2
    return Record(
        rho=jnp.sqrt(square.mean()),
        displacement=jnp.sqrt(jnp.mean((state.displacement - exact.displacement) ** 2)),
        momentum=jnp.sqrt(jnp.mean((state.momentum - exact.momentum) ** 2)),
        charge_order=seen["charge_order"](),
        lattice_order=seen["lattice_order"](),
        trace=jnp.abs(jnp.trace(rho) - jnp.trace(start.electrons)),
        hermiticity=jnp.abs(rho - rho.conj().T).max(),
        purity=jnp.abs(purity(state) - purity(start)) / sites,
        energy=jnp.abs(energy(state) - energy(start)) / sites,
    )


def orders(states: EhrenfestState) -> tuple[Float[Array, "trajectory time"], Float[Array, "trajectory time"]]:
    """Charge and lattice order of states (trajectory, time, ...). Raises `ValueError` for states that are not of trajectories."""
    _require_trajectories("states", states)
    signs = (-1.0) ** np.arange(states.displacement.shape[-1])
    density = jnp.diagonal(states.electrons, axis1=-2, axis2=-1).real
    return jnp.mean(signs * density, -1), jnp.mean(signs * states.displacement, -1)


def orbitals(state: EhrenfestState) -> EhrenfestState:
    """The same state by as few weighted orbitals as it has occupied levels."""
    occupations, vectors = np.linalg.eigh(np.asarray(state.electrons))
    kept = occupations > 1e-6
    return EhrenfestState(jnp.asarray((vectors[:, kept] * np.sqrt(occupations[kept])).T), state.displacement, state.momentum)


def dynamics_of(sites: int, conditions: Conditions) -> EhrenfestDensity:
    """The exact motion on a ring."""
    return EhrenfestDensity(Holstein(lattice.chain(sites, True), conditions.coupling, conditions.frequency, conditions.eta))


def _require_trajectories(key: str, states: EhrenfestState, sites: int | None = None) -> None:
    instance(key, states, EhrenfestState, "must be an EhrenfestState with axes of trajectory and time in front")
    numbers(f"{key}.displacement", states.displacement, shape=(None, None, sites))
    numbers(f"{key}.momentum", states.momentum, shape=states.displacement.shape)
    sites = states.displacement.shape[2]
    numbers(f"{key}.electrons", states.electrons, kind="complex", shape=(*states.displacement.shape, sites))
