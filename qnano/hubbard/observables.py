"""What can be measured on a Hubbard system from its one-particle RDMs and its double occupancies.

Shared by every method, so that one name means one thing. Spins are ordered (up, down).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from qnano.border import numbers
from qnano.fermions.representability import pair_extremes, two_hole_rdm
from qnano.hubbard.model import FermiHubbard
from qnano.spectral import eigvalsh, frobenius


def density_of(one_rdms: Complex[Array, "spin s s"]) -> Float[Array, "spin s"]:
    """n_{is} = D1_s[i, i]."""
    return jnp.diagonal(one_rdms, axis1=1, axis2=2).real


def kinetic_energy(model: FermiHubbard, t: Float[Array, ""], one_rdms: Complex[Array, "spin s s"]) -> Float[Array, ""]:
    """sum_{ij,s} h_ij <c+_i c_j> over the bonds. Raises `ValueError` for matrices that do not fit the lattice."""
    numbers("one_rdms", one_rdms, kind="complex", shape=(2, model.sites, model.sites))
    return jnp.einsum("ij,sji->", model.hopping_matrix(t), one_rdms).real


def bond_currents(model: FermiHubbard, t: Float[Array, ""], one_rdms: Complex[Array, "spin s s"]) -> Float[Array, " bond"]:
    """Particles per time from j to i over each bond (i, j): 2 Im(t_b <c+_i c_j>), both spins.

    Raises `ValueError` for matrices that do not fit the lattice.
    """
    numbers("one_rdms", one_rdms, kind="complex", shape=(2, model.sites, model.sites))
    i, j = model.lattice.bond_array.T
    return 2 * (model.bond_amplitudes(t) * one_rdms[:, j, i].sum(axis=0)).imag


def site_entropy(density: Float[Array, "spin s"], double_occupancy: Float[Array, " s"]) -> Float[Array, " s"]:
    """Entanglement of each site with the others, - sum_k w_k ln w_k over empty, up, down and double (at most ln 4).

    The site's density matrix is diagonal for sharp N_up and N_dn. A negative w_k, of an unphysical D2, counts as 0.
    """
    up, down = density
    weights = jnp.stack([1 - up - down + double_occupancy, up - double_occupancy, down - double_occupancy, double_occupancy])
    positive = jnp.where(weights > 0, weights, 1.0)
    return -jnp.sum(positive * jnp.log(positive), axis=0)


def common_observables(
    model: FermiHubbard,
    t: Float[Array, ""],
    density: Callable[[], Float[Array, "spin s"]],
    double_occupancy: Callable[[], Float[Array, " s"]],
    one_rdms: Callable[[], Complex[Array, "spin s s"]],
    two_rdm: Callable[[], Complex[Array, "s s s s"]],
    kinetic: Callable[[], Float[Array, ""]],
    interaction: Callable[[], Float[Array, ""]] | None = None,
) -> dict[str, Callable[[], Array]]:
    """The names that every method knows, from measurements that each makes in its own cheapest way.

    `interaction` is only needed where electrons repel each other beyond a site.
    """
    interaction = interaction or (lambda: jnp.sum(model.site_interaction(t) * double_occupancy()))

    def potential():
        return jnp.sum(model.site_potential(t) * density())

    return {
        "density": density,
        "double_occupancy": double_occupancy,
        "energy": lambda: kinetic() + interaction() + potential(),
        "kinetic_energy": kinetic,
        "interaction_energy": interaction,
        "potential_energy": potential,
        "current": lambda: bond_currents(model, t, one_rdms()),
        "natural_occupations": lambda: jax.vmap(eigvalsh)(one_rdms())[:, ::-1],
        "site_entropy": lambda: site_entropy(density(), double_occupancy()),
        "two_cumulant": lambda: frobenius(two_rdm() - jnp.einsum("ax,by->abxy", *one_rdms())),
        "rdm1": one_rdms,
        "rdm2": two_rdm,
        "d2_extremes": lambda: pair_extremes(two_rdm()),
        "q2_extremes": lambda: pair_extremes(two_hole_rdm(one_rdms()[0], one_rdms()[1], two_rdm())),
    }
