"""What the density looks like from every site, near by and far away: inputs of a network that is shared over sites.

    rho_q(i) = sum_y chi_q0(y - i) n_y,        V_q(i) = sum_y chi_q0(y - i) sum_j n_j / |y - j|^p

with n_j the density of one spin less its mean, a uniform background that keeps V from growing with the system, and the products
rho_q1(i) . V_q'1(i) of what both have of l = 1: a local dipole in the field of the far electrons, LODE(1,1) in the sense of
Grisafi, Nigam and Ceriotti, Chem. Sci. 12, 2078 (2021). No translation, rotation or reflection of the lattice changes them.
"""

from math import prod

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from qnano.border import numbers
from qnano.descriptors.fields import inverse_power, on_lattice
from qnano.descriptors.radial import Oscillators
from qnano.lattice import Lattice

Maps = Float[Array, "2 n lm s s"]


class Surroundings(eqx.Module):
    """`radial` functions of a `width` (lattice constants), and the exponent p of the potential."""

    exponent: int = eqx.field(static=True, default=1)
    radial: int = eqx.field(static=True, default=3)
    width: float = eqx.field(static=True, default=1.0)

    def __check_init__(self):
        numbers("exponent", self.exponent, kind="integer", shape=(), least=1)
        numbers("radial", self.radial, kind="integer", shape=(), least=1)
        numbers("width", self.width, shape=(), above=0.0)

    @property
    def count(self) -> int:
        """How many numbers there are for a site."""
        return self.radial * (self.radial + 2)

    def maps(self, lattice: Lattice) -> Maps:
        """What makes the coefficients of rho and V at every site from the density; they depend on the lattice alone.

        Open axes are padded with as many empty sites as they have. Raises `ValueError` for a lattice that is no chain, rectangle
        or box.
        """
        sides, periodic = lattice.box
        shape = tuple(side if around else 2 * side for side, around in zip(sides, periodic, strict=True))
        contact = np.zeros(shape)
        contact.flat[0] = 1.0
        inside = (..., *(slice(side) for side in sides))
        radial = Oscillators(self.width, self.radial)
        with jax.ensure_compile_time_eval():
            electrons = jnp.zeros((prod(sides), *shape)).at[inside].set(jnp.eye(prod(sides)).reshape(-1, *sides))
            potential = inverse_power(shape, float(self.exponent))
            kinds = [_around(radial, jnp.asarray(v), electrons)[(*inside, slice(None))] for v in (contact, potential)]
        return jnp.stack([kind.reshape(*kind.shape[:2], prod(sides), prod(sides)) for kind in kinds])

    def __call__(self, density: Float[Array, " s"], maps: Maps) -> Float[Array, "s count"]:
        """All of them, for every site."""
        local, far = maps @ (density - jnp.mean(density))
        dipoles = jnp.einsum("nmi,kmi->nki", local[:, 1:], far[:, 1:])
        return jnp.concatenate([local[:, 0], far[:, 0], dipoles.reshape(-1, len(density))]).T


@eqx.filter_jit
def _around(
    radial: Oscillators, interaction: Float[Array, "*site"], densities: Float[Array, "n *site"]
) -> Float[Array, "q lm *site n"]:
    return jax.vmap(lambda density: on_lattice(radial, 1, interaction, density), out_axes=-1)(densities)
