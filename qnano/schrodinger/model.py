"""A few particles in a potential on a grid.

    H = sum_i [p_i^2 / 2m + U(x_i, t) + v(x_i, t) - F(t).x_i - i eta(x_i)] + sum_{i<j} w(x_i, x_j; t)

Any consistent units: hbar and m are numbers of the model. U, v, F and w are fields of time; v and F drive the system, as local
energies see it; eta >= 0 absorbs what comes near an edge.
The wavefunction psi[x_1, ..., x_N] (each x as many axes as the grid has) has the norm sum |psi|^2 dV^N = 1.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Complex, Float, Shaped

from qnano.border import complaint, numbers
from qnano.fields import AbstractField, as_field, require_fit
from qnano.schrodinger.grid import Grid, summed

MOST_AXES = 3


class Particles(eqx.Module):
    """Particles of one kind on a grid; their potentials are arrays, or fields of time with such values.

    `grid`: the points of one particle.
    `potential`: U, of the shape of the grid, in energies.
    `number`: of particles; at most three axes in all.
    `interaction`: w, a matrix over the points of one axis, or None.
    `force`: F, one number for each axis, in energies over lengths, or None.
    `absorber`: eta >= 0, of the shape of the grid, in energies, or None.
    `mass`, `hbar`: positive numbers, which set the units.
    `bias`: v, of the shape of the grid, a potential that drives, or None.

    Raises `ValueError` for other shapes, for numbers that cannot be, and for more than three axes in all.
    """

    grid: Grid
    number: int = eqx.field(static=True)
    mass: Float[Array, ""]
    hbar: Float[Array, ""]
    potential: AbstractField
    interaction: AbstractField | None
    force: AbstractField | None
    absorber: Float[Array, "*x"] | None
    bias: AbstractField | None

    def __init__(
        self,
        grid: Grid,
        potential: AbstractField | Shaped[ArrayLike, "..."],
        number: int = 1,
        interaction: AbstractField | Shaped[ArrayLike, "..."] | None = None,
        force: AbstractField | Shaped[ArrayLike, "..."] | None = None,
        absorber: Shaped[ArrayLike, "..."] | None = None,
        mass: Shaped[ArrayLike, ""] = 1.0,
        hbar: Shaped[ArrayLike, ""] = 1.0,
        bias: AbstractField | Shaped[ArrayLike, "..."] | None = None,
    ):
        numbers("number", number, kind="integer", shape=(), least=1)
        numbers("mass", mass, shape=(), above=0.0)
        numbers("hbar", hbar, shape=(), above=0.0)
        self.grid, self.number = grid, int(number)
        self.mass, self.hbar = jnp.asarray(mass, jnp.result_type(float)), jnp.asarray(hbar, jnp.result_type(float))
        self.potential = as_field(potential, "potential")
        self.interaction = None if interaction is None else as_field(interaction, "interaction")
        self.force = None if force is None else as_field(force, "force")
        self.bias = None if bias is None else as_field(bias, "bias")
        self.absorber = None
        if absorber is not None:
            numbers("absorber", absorber, shape=grid.points, least=0.0)
            self.absorber = jnp.asarray(absorber, jnp.result_type(float))

    def __check_init__(self):
        points = self.grid.points
        if self.number < 1 or self.number * self.grid.dimension > MOST_AXES:
            raise ValueError(f"number: got {self.number} particles on {self.grid.dimension} axes; at most {MOST_AXES} axes in all")
        fields = {"potential": (self.potential, points), "force": (self.force, (self.grid.dimension,))}
        fields["bias"] = (self.bias, points)
        fields["interaction"] = (self.interaction, (*points, *points))
        for name, (field, shape) in fields.items():
            if field is not None:
                require_fit(name, field, shape)

    @property
    def fields(self) -> tuple[AbstractField, ...]:
        return tuple(field for field in (self.potential, self.interaction, self.force, self.bias) if field is not None)

    @property
    def is_autonomous(self) -> bool:
        """Whether H is constant."""
        return all(field.is_constant for field in self.fields)

    @property
    def kinetic_energies(self) -> Float[Array, "*x"]:
        """hbar^2 k^2 / 2m at the wavenumbers of the grid."""
        return self.hbar**2 * jnp.sum(self.grid.wavenumbers**2, axis=0) / (2 * self.mass)

    def one_body(self, t: Float[ArrayLike, ""]) -> Float[Array, "*x"]:
        """U(x, t) + v(x, t) - F(t).x."""
        potential = self.potential(t)
        if self.bias is not None:
            potential = potential + self.bias(t)
        if self.force is None:
            return potential
        return potential - jnp.tensordot(self.force(t), self.grid.coordinates, axes=1)

    def pair_energy(self, t: Float[ArrayLike, ""]) -> Float[Array, "*configuration"]:
        """sum_{i<j} w(x_i, x_j; t), over all places; broadcastable."""
        total = jnp.zeros((1,) * (self.number * self.grid.dimension))
        if self.interaction is None:
            return total
        w = self.interaction(t)
        for i in range(self.number):
            for j in range(i + 1, self.number):
                shape = [1] * self.number
                shape[i], shape[j] = w.shape
                total = total + w.reshape(shape)
        return total

    def energy_surface(self, t: Float[ArrayLike, ""]) -> Float[Array, "*configuration"]:
        """All potential energy as a function of all places, the absorber left out."""
        return summed(self.one_body(t), self.number) + self.pair_energy(t)


def normalised(
    psi: Shaped[Array, "*configuration"], grid: Grid, number: int = 1, exchange: int = 0
) -> Complex[Array, "*configuration"]:
    """`psi` with norm 1; of one-dimensional particles also symmetric or antisymmetric, where `exchange` is 1 or -1.

    Raises `ValueError` for another exchange, or a `psi` that does not fit the grid.
    """
    numbers("number", number, kind="integer", shape=(), least=1)
    numbers("psi", psi, kind="complex", shape=grid.points * number)
    require_exchange(exchange, number, grid.dimension)
    psi = jnp.asarray(psi, jnp.result_type(1j))
    if exchange:
        # Every permutation is reached by inserting each particle in turn among those before it.
        for last in range(1, number):
            psi = psi + exchange * sum((jnp.swapaxes(psi, k, last) for k in range(1, last)), jnp.swapaxes(psi, 0, last))
    return psi / jnp.sqrt(jnp.sum(jnp.abs(psi) ** 2) * grid.volume**number)


def require_exchange(exchange: int, number: int, dimension: int) -> None:
    """Raise `ValueError` unless it is 0, or 1 or -1 for particles on a line."""
    numbers("exchange", exchange, kind="integer", shape=(), least=-1, most=1)
    if exchange and number > 1 and dimension > 1:
        raise ValueError(complaint("exchange", exchange, f"must be 0 for {number} particles on {dimension} axes"))


def absorbing_edges(grid: Grid, width: float, strength: float) -> Float[Array, "*x"]:
    """eta(x) = strength sin^2(pi (width - s) / (2 width)) within `width` of an end of any axis, at distance s from it.

    Raises `ValueError` for a width that is not positive, or a negative strength.
    """
    numbers("width", width, shape=(), above=0.0)
    numbers("strength", strength, shape=(), least=0.0)
    total = jnp.zeros(grid.points)
    for x, x0, length in zip(grid.coordinates, grid.origin, grid.lengths, strict=True):
        s = jnp.minimum(x - x0, x0 + length - x)
        total = total + strength * jnp.sin(jnp.pi / 2 * jnp.clip(1 - s / width, 0.0, 1.0)) ** 2
    return total
