"""Local energy and power of Hubbard systems: where a drive puts its energy, and how it moves (`qnano.energetics.lattice`).

The same for every method, from its D1 and the D1 given an electron elsewhere. The energy of the dipole drive is left out, so that
length and velocity gauge agree; what else depends on time (hopping, Peierls phases, interaction, potential) counts as the system's.
The energy current runs along bonds; what the interaction moves between sites in addition is `interaction_source`.

`energy_residual` is dE_i/dt along the method's own equation of motion, minus what the balance says. It vanishes for the exact
motion. In TD2RDM it does where the closure is contraction consistent, since then D2 contracts to a D1 that obeys its own equation
of motion; energy conservation only asks that its sum vanishes. Methods whose D1 obeys that equation by itself always have it at
zero.
"""

from collections.abc import Callable
from functools import cache

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Inexact, PyTree

from qnano.dynamics import Accumulated
from qnano.energetics.lattice import Balance, Hamiltonian, local_balance, local_energy
from qnano.fermions.slices import diagonal
from qnano.hubbard.model import FermiHubbard

LocalRDMs = tuple[Complex[Array, "spin s s"], Complex[Array, "spin spin s s s"]]


def hubbard_hamiltonian(model: FermiHubbard, t: Float[Array, ""]) -> Hamiltonian:
    """The Hamiltonian over spin-orbitals, all up before all down."""

    def system(t):
        return (_one_body(model, t), _pair(model, t))

    (one_body, pair), rates = jax.jvp(system, (t,), (jnp.ones_like(t),))
    return Hamiltonian(one_body, pair, jnp.tile(model.drive_potential(t), 2), *rates)


def site_energy(model: FermiHubbard, t: Float[Array, ""], rdms: LocalRDMs) -> Float[Array, " s"]:
    """E_i of both spins, the dipole drive left out."""
    return _by_site(local_energy(_one_body(model, t), _pair(model, t), *spin_orbitals(rdms)))


def site_balance(model: FermiHubbard, t: Float[Array, ""], rdms: LocalRDMs) -> Balance:
    """How E_i changes; all with both spins together."""
    found = local_balance(hubbard_hamiltonian(model, t), *spin_orbitals(rdms))

    def pairs(matrix):
        return _by_site(_by_site(matrix).T).T

    return Balance(_by_site(found.power), pairs(found.current), pairs(found.transfer))


def spin_orbitals(rdms: LocalRDMs) -> tuple[Complex[Array, "a a"], Complex[Array, "a a a"]]:
    """D1 and the D1 given an electron over spin-orbitals, all up before all down."""
    one, given = rdms
    size, same = 2 * one.shape[1], jnp.eye(2)
    return (
        jnp.einsum("st,sca->scta", same, one).reshape(size, size),
        jnp.einsum("st,sucab->sctaub", same, given).reshape(size, size, size),
    )


def given_of(two_rdm: Complex[Array, "s s s s"]) -> Complex[Array, "spin spin s s s"]:
    """The D1 given an electron of a singlet, [spin, spin of that electron, c, a, b], from D2 of opposite spins."""
    opposite = diagonal(two_rdm, "cbab->cab")
    parallel = opposite - diagonal(two_rdm, "bcab->cab")
    return jnp.stack([jnp.stack([parallel, opposite]), jnp.stack([opposite, parallel])])


def normal_ordered(given: Complex[Array, "spin spin s s s"]) -> Complex[Array, "spin spin s s s"]:
    """< c+_a n_b c_c > where n_b stood before; an electron of the same spin cannot be at b twice."""
    sites = given.shape[-1]
    same_site = jnp.eye(sites, dtype=bool)
    excluded = jnp.eye(2, dtype=bool)[:, :, None, None, None] & (same_site[:, None, :] | same_site[None, :, :])
    return jnp.where(excluded, 0.0, given)


def energetic_observables(
    model: FermiHubbard,
    t: Float[Array, ""],
    state: PyTree[Array],
    motion: Callable[[Float[Array, ""], PyTree[Array]], PyTree[Array]],
    rdms: Callable[[PyTree[Array]], LocalRDMs],
) -> dict[str, Callable[[], Array]]:
    """Local energies, their balance and its residual, from the equation of `motion` and the `rdms` of a state."""
    t = jnp.asarray(t)
    balance = cache(lambda: site_balance(model, t, rdms(state)))
    i, j = model.lattice.bond_array.T

    def residual() -> Float[Array, " s"]:
        t_rate = jnp.ones_like(t)

        def energy(t, state):
            return site_energy(model, t, rdms(state))

        return jax.jvp(energy, (t, state), (t_rate, motion(t, state)))[1] - balance().rate

    def power():
        return balance().power

    def current():
        return balance().current[i, j]

    def source():
        return balance().transfer.sum(axis=1)

    return {
        "site_energy": lambda: site_energy(model, t, rdms(state)),
        "site_power": power,
        "energy_current": current,
        "interaction_source": source,
        "energy_residual": residual,
        "site_work": Accumulated(power),
        "energy_transport": Accumulated(current),
        "interaction_transfer": Accumulated(source),
    }


def _one_body(model: FermiHubbard, t: Float[Array, ""]) -> Inexact[Array, "a a"]:
    h = model.hopping_matrix(t) + jnp.diag(model.static_potential(t))
    return jnp.kron(jnp.eye(2), h)


def _pair(model: FermiHubbard, t: Float[Array, ""]) -> Float[Array, "a a"]:
    onsite = jnp.kron(1 - jnp.eye(2), jnp.diag(model.site_interaction(t)))
    pair = model.pair_interaction(t)
    return onsite if pair is None else onsite + jnp.kron(jnp.ones((2, 2)), pair)


def _by_site(values: Float[Array, "a *rest"]) -> Float[Array, "s *rest"]:
    """The sum over spins."""
    return values.reshape(2, -1, *values.shape[1:]).sum(axis=0)
