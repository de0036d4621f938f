"""The Fermi-Hubbard Hamiltonian, driven or not.

    H(t) = - sum_{bonds (i,j), s} J_ij exp(i A(t).(r_i - r_j)) c+_{is} c_{js} + h.c.
           + sum_i U_i(t) n_{i,up} n_{i,dn} + sum_{i,s} (v_i(t) - E(t).(r_i - centre)) n_{is}
           + sum_{bonds (i,j)} V_ij(t) n_i n_j            (extended Hubbard model; n_i = n_{i,up} + n_{i,dn})

hbar = 1; energies in the hopping, times in its inverse; electrons carry the charge +1, so that a vector potential A (Peierls
phase) and an electric field E = -dA/dt (dipole) drive them alike.
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Inexact, Int, Shaped

from qnano.border import numbers
from qnano.fermions.fock import hop_table
from qnano.fields import AbstractField, as_field, require_fit
from qnano.lattice import Lattice


class FermiHubbard(eqx.Module):
    """Lattice, electrons, and the parameters: numbers, arrays, or fields of time (`qnano.fields`) with such values.

    `lattice`: sites and bonds, without JAX.
    `electrons`: how many of spin up and of spin down, each at most the number of sites.
    `hopping`: J, the unit of energy, a number or one for every bond, shape (bond,); complex allowed.
    `interaction`: U, a number or one for every site, shape (site,).
    `potential`: v, a number or one for every site, shape (site,).
    `vector_potential`: A, shape (axis,), in inverse lattice constants, or None.
    `electric_field`: E, shape (axis,), in J over lattice constants, or None.
    `neighbour_interaction`: V, a number or one for every bond, shape (bond,), or None; the exact method alone has it.

    Raises `ValueError`, naming the argument, for more electrons of a spin than sites, for numbers that are not finite, for fields
    of the wrong shape, and for complex ones other than the hopping.
    """

    lattice: Lattice = eqx.field(static=True)
    electrons: tuple[int, int] = eqx.field(static=True)
    hopping: AbstractField
    interaction: AbstractField
    potential: AbstractField
    vector_potential: AbstractField | None
    electric_field: AbstractField | None
    neighbour_interaction: AbstractField | None

    def __init__(
        self,
        lattice: Lattice,
        electrons: tuple[int, int],
        hopping: AbstractField | Shaped[ArrayLike, "..."] = 1.0,
        interaction: AbstractField | Shaped[ArrayLike, "..."] = 0.0,
        potential: AbstractField | Shaped[ArrayLike, "..."] = 0.0,
        vector_potential: AbstractField | Shaped[ArrayLike, " axis"] | None = None,
        electric_field: AbstractField | Shaped[ArrayLike, " axis"] | None = None,
        neighbour_interaction: AbstractField | Shaped[ArrayLike, "..."] | None = None,
    ):
        self.lattice = lattice
        numbers("electrons", electrons, kind="integer", shape=(2,), least=0, most=lattice.sites)
        self.electrons = (int(electrons[0]), int(electrons[1]))
        self.hopping = as_field(hopping, "hopping")
        self.interaction, self.potential = as_field(interaction, "interaction"), as_field(potential, "potential")
        self.vector_potential = None if vector_potential is None else as_field(vector_potential, "vector_potential")
        self.electric_field = None if electric_field is None else as_field(electric_field, "electric_field")
        self.neighbour_interaction = None
        if neighbour_interaction is not None:
            self.neighbour_interaction = as_field(neighbour_interaction, "neighbour_interaction")

    def __check_init__(self):
        allowed = {
            "hopping": ((), (len(self.lattice.bonds),)),
            "interaction": ((), (self.lattice.sites,)),
            "potential": ((), (self.lattice.sites,)),
            "vector_potential": ((self.lattice.dimension,),),
            "electric_field": ((self.lattice.dimension,),),
            "neighbour_interaction": ((), (len(self.lattice.bonds),)),
        }
        for name, shapes in allowed.items():
            field = getattr(self, name)
            if field is not None:
                require_fit(name, field, *shapes, is_real=name != "hopping")

    @property
    def sites(self) -> int:
        return self.lattice.sites

    @property
    def is_autonomous(self) -> bool:
        """Whether H does not depend on time."""
        return all(field.is_constant for field in self._fields)

    @property
    def jumps(self) -> tuple[Float[Array, ""], ...]:
        """Times at which H or its derivative jumps."""
        return tuple(time for field in self._fields for time in field.jumps)

    @property
    def _fields(self) -> tuple[AbstractField, ...]:
        optional = (self.vector_potential, self.electric_field, self.neighbour_interaction)
        return (self.hopping, self.interaction, self.potential, *(field for field in optional if field is not None))

    def bond_amplitudes(self, t: Float[ArrayLike, ""]) -> Inexact[Array, " bond"]:
        """t_b in sum_b t_b c+_i c_j + h.c. over bonds b = (i, j): minus the hopping, with its Peierls phase."""
        amplitudes = -jnp.broadcast_to(self.hopping(t), (len(self.lattice.bonds),))
        if self.vector_potential is None:
            return amplitudes
        return amplitudes * jnp.exp(1j * (self.lattice.bond_vectors @ self.vector_potential(t)))

    def site_interaction(self, t: Float[ArrayLike, ""]) -> Float[Array, " s"]:
        """U_i."""
        return jnp.broadcast_to(self.interaction(t), (self.sites,))

    def pair_interaction(self, t: Float[ArrayLike, ""]) -> Float[Array, "s s"] | None:
        """V_ij in 1/2 sum_ij V_ij n_i n_j, or None for an interaction on the sites alone."""
        if self.neighbour_interaction is None:
            return None
        strengths = jnp.broadcast_to(self.neighbour_interaction(t), (len(self.lattice.bonds),))
        i, j = self.lattice.bond_array.T
        upper = jnp.zeros((self.sites, self.sites), strengths.dtype).at[i, j].add(strengths)
        return upper + upper.T

    def drive_potential(self, t: Float[ArrayLike, ""]) -> Float[Array, " s"]:
        """-E.(r_i - centre): the dipole drive alone."""
        if self.electric_field is None:
            return jnp.zeros(self.sites)
        arms = self.lattice.coordinates - self.lattice.centre
        return -jnp.asarray(arms) @ self.electric_field(t)

    def static_potential(self, t: Float[ArrayLike, ""]) -> Float[Array, " s"]:
        """v_i without the drive."""
        return jnp.broadcast_to(self.potential(t), (self.sites,))

    def site_potential(self, t: Float[ArrayLike, ""]) -> Float[Array, " s"]:
        """v_i, the dipole drive included."""
        static = self.static_potential(t)
        return static if self.electric_field is None else static + self.drive_potential(t)

    def hops(
        self, t: Float[ArrayLike, ""], particles: int
    ) -> tuple[Int[np.ndarray, "determinant entry"], Inexact[Array, "determinant entry"]]:
        """The hopping among the determinants of `particles` of one spin, row by row: sources and amplitudes (0 where padded).

        With one particle the determinants are the sites.
        """
        table = hop_table(self.sites, particles, self.lattice.bonds)
        values = self.bond_amplitudes(t)[table.bond]
        if jnp.iscomplexobj(values):
            values = jnp.where(table.backward, values.conj(), values)
        return table.source, jnp.asarray(table.sign, values.real.dtype) * values

    def hopping_matrix(self, t: Float[ArrayLike, ""]) -> Inexact[Array, "s s"]:
        """The one-particle Hamiltonian of the bonds alone."""
        amplitudes = self.bond_amplitudes(t)
        i, j = self.lattice.bond_array.T
        upper = jnp.zeros((self.sites, self.sites), amplitudes.dtype).at[i, j].add(amplitudes)
        return upper + upper.conj().T

    def one_body(self, t: Float[ArrayLike, ""]) -> Inexact[Array, "s s"]:
        """h[i, j] in sum h[i, j] c+_i c_j: bonds and potential."""
        return self.hopping_matrix(t) + jnp.diag(self.site_potential(t))


def require_onsite(model: FermiHubbard) -> None:
    """Raise `ValueError` where electrons repel each other beyond a site, which only the exact method follows."""
    if model.neighbour_interaction is not None:
        raise ValueError("neighbour_interaction: got one; must be None here, only the exact method has it")
