"""The semiclassical Holstein model: quantum electrons on a ring or torus, one classical oscillator on each site.

    H = -J sum_<ij> (c+_i c_j + c+_j c_i) - sum_i g_i Q_i (n_i - 1/2) + sum_i K_i / (2 eta_i) (P_i^2 + Q_i^2)

Spinless electrons; Q and P are dimensionless with the bracket {Q_i, P_i} = eta_i, so that an oscillator obeys

    dQ_i/dt = K_i P_i,        dP_i/dt = -K_i Q_i + eta_i g_i (n_i - 1/2).

g is the coupling, K the bare phonon frequency, eta the ratio of the force to the coupling. Units: hbar = 1, energies in J, times in
1/J. Particle-hole symmetry makes the homogeneous half-filled state, n = 1/2 and Q = 0, stationary for every g; an order is measured
against the signs s_i = +1 on site 0 and its sublattice, -1 on the other.

Reference: Ning, Yang and Chern, arXiv:2412.06631 (K = 0.3, eta = 0.8).
"""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Shaped

from qnano import lattice as geometry
from qnano.border import numbers
from qnano.fields import AbstractField, Constant, as_field, require_fit
from qnano.fusion import computed_once
from qnano.holstein.hopping import Sides, cosines

Sites = Float[Array, "*site"]  # all sites, or the one number of a homogeneous state


class Phonons(NamedTuple):
    """g, K and eta on every site at one time."""

    coupling: Sites
    frequency: Sites
    eta: Sites


class Holstein(eqx.Module):
    """A ring, `lattice.chain(n, True)`, or torus, `lattice.rectangle(a, b, True)`, and its parameters.

    `lattice`: a ring or a torus with even sides.
    `coupling`: g, in J.
    `frequency`: K of the bare phonon, positive, in J/hbar.
    `eta`: the ratio of the force to the coupling.
    `hopping`: J, one number.

    The three before the last are numbers or fields of time, one for all sites or one for each, shape (site,). Raises `ValueError`
    for another lattice, for an odd side, which would frustrate the order, and for wrong shapes.
    """

    lattice: geometry.Lattice = eqx.field(static=True)
    coupling: AbstractField
    frequency: AbstractField
    eta: AbstractField
    hopping: Float[Array, ""]

    def __init__(
        self,
        lattice: geometry.Lattice,
        coupling: AbstractField | Shaped[ArrayLike, "..."],
        frequency: AbstractField | Shaped[ArrayLike, "..."] = 0.3,
        eta: AbstractField | Shaped[ArrayLike, "..."] = 0.8,
        hopping: Shaped[ArrayLike, ""] = 1.0,
    ):
        self.lattice = lattice
        self.coupling = as_field(coupling, "coupling")
        self.frequency, self.eta = as_field(frequency, "frequency"), as_field(eta, "eta")
        numbers("hopping", hopping, shape=())
        if isinstance(self.frequency, Constant):
            numbers("frequency", self.frequency.value, above=0.0)
        self.hopping = jnp.asarray(hopping, jnp.result_type(float))

    def __check_init__(self):
        sides = self.sides
        closed = geometry.chain(*sides, True) if len(sides) == 1 else geometry.rectangle(*sides, True) if len(sides) == 2 else None
        if min(sides) < 3 or self.lattice != closed:
            raise ValueError("lattice: got open or other boundaries; must be a periodic chain or rectangle")
        if any(side % 2 for side in sides):
            raise ValueError(f"lattice: got sides {sides}; all must be even, or no staggered order fits")
        for name in ("coupling", "frequency", "eta"):
            require_fit(name, getattr(self, name), (), (self.sites,))

    @property
    def sites(self) -> int:
        return self.lattice.sites

    @property
    def sides(self) -> Sides:
        """The number of sites along each axis."""
        return tuple(int(side) + 1 for side in self.lattice.coordinates.max(axis=0))

    @property
    def signs(self) -> Float[np.ndarray, " site"]:
        """s_i, +1 on site 0."""
        return np.array(self.lattice.signs, dtype=float)

    @property
    def cold_levels(self) -> int:
        """How many levels hold electrons at half filling and zero temperature, those at e_k = 0 included."""
        return int(np.sum(cosines(self.sides) <= 0))

    @property
    def is_uniform(self) -> bool:
        """Whether all sites are alike."""
        return all(eqx.filter_eval_shape(field, 0.0).shape == () for field in self._fields)

    @property
    def is_autonomous(self) -> bool:
        """Whether the parameters are constant."""
        return all(field.is_constant for field in self._fields)

    @property
    def jumps(self) -> tuple[Float[Array, ""], ...]:
        """Times at which a parameter or its derivative jumps."""
        return tuple(time for field in self._fields for time in field.jumps)

    @property
    def _fields(self) -> tuple[AbstractField, ...]:
        return self.coupling, self.frequency, self.eta

    def phonons(self, t: Float[ArrayLike, ""]) -> Phonons:
        """g, K and eta at time t."""
        return Phonons(*(jnp.broadcast_to(field(t), (self.sites,)) for field in self._fields))


def oscillate(
    phonons: Phonons, h: Float[ArrayLike, ""], density: Sites, displacement: Sites, momentum: Sites
) -> tuple[Sites, Sites, Sites]:
    """The on-site motion over h, exact because it keeps n_i: Q, P, and the phase g int Q dt that orbitals gain on each site.

    Q turns with frequency K about the equilibrium q = eta g (n - 1/2) / K.
    """
    coupling, frequency, eta = phonons
    equilibrium = eta * coupling * (density - 0.5) / frequency
    cos, sin = jnp.cos(frequency * h), jnp.sin(frequency * h)
    away = displacement - equilibrium
    phase = coupling * (equilibrium * h + (away * sin + momentum * (1 - cos)) / frequency)
    return equilibrium + away * cos + momentum * sin, momentum * cos - away * sin, phase


def force(phonons: Phonons, density: Sites, displacement: Sites, momentum: Sites) -> tuple[Sites, Sites]:
    """dQ/dt and dP/dt."""
    coupling, frequency, eta = phonons
    return frequency * momentum, eta * coupling * (density - 0.5) - frequency * displacement


def rotation(angle: Float[Array, " site"]) -> Float[Array, "2 site"]:
    """Cosine and sine, stored before they are broadcast: the compiler would otherwise compute them again for every orbital."""
    return computed_once(lambda angle: jnp.stack([jnp.cos(angle), jnp.sin(angle)]), angle)
