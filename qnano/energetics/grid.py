"""Where a field puts its energy in space, and how it moves: exact local balances of one to three particles on a grid.

    H = sum_k [T_k + U(r_k, t) + v(r_k, t)] + sum_{k<l} w(r_k, r_l; t),            T = -(hbar^2 / 2m) D^2,    D = grad - i kappa

with U the system's potential, v the drive, and kappa = q A / hbar in the velocity gauge. Identical particles are summed up, so that
all densities integrate to totals:

    n, j                           particles and their current,  J_k = (hbar/m) Im Psi* D_k Psi in configuration space
    t_s = Re Psi* T Psi            ordering 1, symmetrised;     t_g = (hbar^2/2m) |D Psi|^2   ordering 0, gradient
    t_a = a t_s + (1 - a) t_g      the family; it differs by a (hbar^2/4m) lap n, and integrates to <T> for every a

The energy belongs to one of three partitions, each with its flux J and what changes it,  d eps/dt + div J = P + S:

    kinetic     t                                  P = -j.grad(U + v) + P_w
    internal    t + U n + 1/2 int w |Psi|^2        P = -j.grad v + n dU/dt + 1/2 int dw/dt |Psi|^2,   S by the interaction (default)
    total       the same with U + v for U          P = n d(U + v)/dt + ...

P_w = int f.J_1 is the correlation of current and force f = -grad_1 w, and S = 1/2 int (f_12.J_1 - f_21.J_2), which only moves
energy between the particles: int S = 0. A local energy and power in the sense of Albareda, Traversa and Oriols (arXiv:1511.03989).
Ordering and partition are choices: no experiment tells them apart without saying how the energy is measured.

Derivatives are spectral, and potentials are never differentiated alone: j.grad V = div(V j) - V div j, where V j vanishes at the
edges though V does not. So the balance holds to the accuracy with which the grid resolves V j of the drive (and of U in the kinetic
partition), and U psi in the flux.
"""

from typing import Literal, NamedTuple, get_args

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Complex, Float, Inexact

from qnano.border import choice, numbers

Wave = Complex[Array, "*configuration"]
Field = Float[Array, "*x"]
Vector = Float[Array, "axis *x"]
Partition = Literal["kinetic", "internal", "total"]


class Space(eqx.Module):
    """The grid of one particle, `number` of which have the configurations psi[x_1, ..., x_N]; N particles on d axes, N d <= 3.

    `waves` are the wavenumbers of each axis in the order of the FFT, `volume` that of a point, `shift` kappa. Raises `ValueError`
    for numbers that cannot be.
    """

    waves: tuple[Float[Array, " _"], ...]
    volume: Float[Array, ""]
    mass: Float[Array, ""]
    hbar: Float[Array, ""]
    shift: Float[Array, " axis"] | None = None
    number: int = eqx.field(static=True, default=1)

    def __check_init__(self):
        numbers("number", self.number, kind="integer", shape=(), least=1)
        for name in ("volume", "mass", "hbar"):
            numbers(name, getattr(self, name), shape=(), above=0.0)
        for wavenumbers in self.waves:
            numbers("waves", wavenumbers, shape=(None,))
        if self.shift is not None:
            numbers("shift", self.shift, shape=(self.axes,))

    @property
    def axes(self) -> int:
        return len(self.waves)

    @property
    def points(self) -> tuple[int, ...]:
        return tuple(len(wavenumbers) for wavenumbers in self.waves)

    def require_wave(self, psi: Wave) -> None:
        """Raise `ValueError` for a `psi` that is no wavefunction of the particles on this grid."""
        numbers("psi", psi, kind="complex", shape=self.points * self.number)

    def require_field(self, name: str, values: Field) -> None:
        """Raise `ValueError`, with `name`, for what has not one real number for each point."""
        numbers(name, values, shape=self.points)

    def gradient(self, values: Inexact[Array, "*any"], axis: int, shift: Float[Array, ""] | float = 0.0) -> Inexact[Array, "*any"]:
        """The derivative along an axis of the configurations, minus i `shift` times the values."""
        k = self.waves[axis % self.axes]
        # The highest wave of an even grid is its own mirror image: it has no derivative on the grid.
        k = jnp.where(jnp.arange(k.size) == k.size // 2, 0.0, k) if k.size % 2 == 0 else k
        turned = 1j * self._along(k, axis, values.ndim) * jnp.fft.fft(values, axis=axis)
        found = jnp.fft.ifft(turned, axis=axis)
        return found - 1j * shift * values if jnp.iscomplexobj(values) else found.real

    def covariant(self, psi: Wave, particle: int) -> list[Wave]:
        """D_k psi, one per axis."""
        return [self.gradient(psi, particle * self.axes + a, self._shift(a)) for a in range(self.axes)]

    def kinetic(self, psi: Wave, particle: int = 0) -> Wave:
        """T_k psi."""
        total = jnp.zeros_like(psi)
        for a in range(self.axes):
            axis = particle * self.axes + a
            k = self._along(self.waves[a], axis, psi.ndim) - self._shift(a)
            total = total + jnp.fft.ifft(k**2 * jnp.fft.fft(psi, axis=axis), axis=axis)
        return self.hbar**2 / (2 * self.mass) * total

    def divergence(self, vector: Vector) -> Field:
        return jnp.sum(jnp.stack([self.gradient(vector[a], a) for a in range(self.axes)]), axis=0)

    def marginal(self, values: Inexact[Array, "*configuration"]) -> Inexact[Array, "*x"]:
        """What all particles together have at a place, from what the first has in a configuration."""
        others = tuple(range(self.axes, values.ndim))
        return self.number * self.volume ** (self.number - 1) * values.sum(axis=others)

    def _shift(self, axis: int):
        return 0.0 if self.shift is None else self.shift[axis]

    @staticmethod
    def _along(values, axis, ndim):
        return values.reshape(*(1,) * axis, -1, *(1,) * (ndim - axis - 1))


class System(NamedTuple):
    """U, v and w at one time, and their time derivatives; w[x, x'] is symmetric, or None.

    A rate may be one number for all places.
    """

    potential: Field
    drive: Field
    interaction: Inexact[Array, "*xx"] | None = None
    potential_rate: Field | float = 0.0
    drive_rate: Field | float = 0.0
    interaction_rate: Inexact[Array, "*xx"] | float = 0.0

    def require(self, space: Space) -> None:
        """Raise `ValueError` for what does not fit the grid."""
        shapes = {"potential": space.points, "drive": space.points, "interaction": space.points * 2}
        for name, shape in shapes.items():
            value, rate = getattr(self, name), getattr(self, f"{name}_rate")
            if value is not None:
                numbers(name, value, shape=shape)
                numbers(f"{name}_rate", rate, shape=shape if jnp.ndim(rate) else ())


class Balance(NamedTuple):
    """The terms of d eps/dt = power + source - div flux."""

    flux: Vector
    power: Field
    source: Field


def particle_density(space: Space, psi: Wave) -> Field:
    """n. Raises `ValueError`, like all that follows, for a wavefunction, a potential or a number that does not fit."""
    space.require_wave(psi)
    return space.marginal(jnp.abs(psi) ** 2)


def particle_current(space: Space, psi: Wave) -> Vector:
    """j."""
    return jnp.stack([space.marginal(current) for current in currents(space, psi)])


def currents(space: Space, psi: Wave, particle: int = 0) -> list[Float[Array, "*configuration"]]:
    """J_k in configuration space, one per axis."""
    numbers("particle", particle, kind="integer", shape=(), least=0, most=space.number - 1)
    space.require_wave(psi)
    return [space.hbar / space.mass * (psi.conj() * slope).imag for slope in space.covariant(psi, particle)]


def kinetic_density(space: Space, psi: Wave, ordering: float = 1.0) -> Field:
    """t_a."""
    _require_ordering(ordering)
    space.require_wave(psi)
    symmetrised = (psi.conj() * space.kinetic(psi)).real
    if ordering == 1.0:
        return space.marginal(symmetrised)
    slopes = space.covariant(psi, 0)
    positive = space.hbar**2 / (2 * space.mass) * sum(jnp.abs(slope) ** 2 for slope in slopes)
    return space.marginal(ordering * symmetrised + (1 - ordering) * positive)


def energy_density(space: Space, system: System, psi: Wave, ordering: float = 1.0, partition: Partition = "internal") -> Field:
    """eps."""
    require_choice(ordering, partition)
    system.require(space)
    kinetic = kinetic_density(space, psi, ordering)
    if partition == "kinetic":
        return kinetic
    counted = system.potential + (system.drive if partition == "total" else 0.0)
    return kinetic + counted * particle_density(space, psi) + 0.5 * _shared(space, system.interaction, jnp.abs(psi) ** 2)


def energy_balance(space: Space, system: System, psi: Wave, ordering: float = 1.0, partition: Partition = "internal") -> Balance:
    """How eps changes, term by term."""
    require_choice(ordering, partition)
    system.require(space)
    first, moved = currents(space, psi), space.kinetic(psi)
    if partition != "kinetic":
        # Inside the derivative of (T + U) psi, and not as U j, a steep potential does not spoil the balance.
        counted = system.potential + (system.drive if partition == "total" else 0.0)
        moved = moved + counted.reshape(*counted.shape, *(1,) * (psi.ndim - counted.ndim)) * psi
    density, current = particle_density(space, psi), jnp.stack([space.marginal(c) for c in first])
    flux = _energy_flux(space, psi, moved)
    if ordering != 1.0:
        slope = -space.divergence(current)  # dn/dt
        lack = (1 - ordering) * space.hbar**2 / (4 * space.mass)
        flux = flux - lack * jnp.stack([space.gradient(slope, a) for a in range(space.axes)])
    if partition == "kinetic":
        power = force_power(space, system.potential + system.drive, current) + correlation_power(space, system.interaction, psi)
        return Balance(flux, power, jnp.zeros_like(power))
    carried = jnp.stack([_shared(space, system.interaction, c) for c in first])
    rate = system.potential_rate + (system.drive_rate if partition == "total" else 0.0)
    power = rate * density
    if system.interaction is not None and not isinstance(system.interaction_rate, float | int):
        power = power + 0.5 * _shared(space, system.interaction_rate, jnp.abs(psi) ** 2)
    if partition == "internal":
        power = power + force_power(space, system.drive, current)
    return Balance(flux + 0.5 * carried, power, interaction_source(space, system.interaction, psi))


def force_power(space: Space, potential: Field, current: Vector) -> Field:
    """-j.grad V."""
    space.require_field("potential", potential)
    numbers("current", current, shape=(space.axes, *space.points))
    return potential * space.divergence(current) - space.divergence(potential * current)


def correlation_power(space: Space, interaction: Inexact[Array, "*xx"] | None, psi: Wave) -> Field:
    """P_w, the power of the particles' forces on each other: int f(r, r').J_1(r | r') dr'; on one axis."""
    if interaction is None:
        space.require_wave(psi)
        return jnp.zeros(psi.shape[: space.axes])
    return space.marginal((space.number - 1) * _pair_power(space, interaction, psi, 0))


def interaction_source(space: Space, interaction: Inexact[Array, "*xx"] | None, psi: Wave) -> Field:
    """S, with int S = 0; on one axis."""
    if interaction is None:
        space.require_wave(psi)
        return jnp.zeros(psi.shape[: space.axes])
    between = _pair_power(space, interaction, psi, 0) - _pair_power(space, interaction, psi, 1)
    return space.marginal(0.5 * (space.number - 1) * between)


def mean_field_power(space: Space, interaction: Inexact[Array, "*xx"], psi: Wave, exchange: bool = True) -> Field:
    """P_w as independent fermions of this one-particle density matrix would have it; without `exchange` by Hartree's force alone.

    What P_w has beyond it is the correlation of current and force.
    """
    density, current = particle_density(space, psi), particle_current(space, psi)
    _pair(space, interaction)
    hartree = force_power(space, space.volume * interaction @ density, current)
    if not exchange:
        return hartree
    wave = psi.reshape(psi.shape[0], -1)
    weight = space.number * space.volume ** (space.number - 1)
    one = weight * wave @ wave.conj().T  # gamma(r, r')
    slope = weight * space.covariant(psi, 0)[0].reshape(wave.shape) @ wave.conj().T
    moved = -space.hbar / space.mass * (slope * one.T).imag  # what exchange takes from J_1(r | r')
    return hartree + space.volume * (interaction * space.gradient(moved, 0) - space.gradient(interaction * moved, 0)).sum(axis=1)


def electrode_current(space: Space, charge: Float[ArrayLike, ""], current: Vector, profile: Field) -> Float[Array, ""]:
    """The current of Ramo, Shockley and Pellegrini, conduction and displacement, for a unit bias of `profile` s: -q int j.grad s.

    A bias V(t) on v = q V s delivers the power V times it.
    """
    numbers("charge", charge, shape=())
    space.require_field("profile", profile)
    return jnp.asarray(charge) * jnp.sum(force_power(space, profile, current)) * space.volume


def interval(
    waves: Float[Array, " point"], origin: Float[ArrayLike, ""], low: Float[ArrayLike, ""], high: Float[ArrayLike, ""]
) -> Float[Array, " point"]:
    """Weights by which a sum over the points of an axis is the integral from `low` to `high`, spectrally exact for any ends."""
    numbers("waves", waves, shape=(None,))
    for name, place in (("origin", origin), ("low", low), ("high", high)):
        numbers(name, place, shape=())
    size = waves.size
    k = jnp.where(waves == 0, 1.0, waves)

    def ends(x):
        return jnp.exp(1j * waves * (x - origin)) / (1j * k)

    integral = jnp.where(waves == 0, jnp.asarray(high) - low, ends(high) - ends(low))
    if size % 2 == 0:  # the highest wave is shared by both signs of k
        integral = integral.at[size // 2].set(integral[size // 2].real)
    return jnp.fft.fft(integral).real / size


def step_alarm(space: Space, dt: float) -> Float[Array, ""]:
    """dt T_max / (pi hbar). Above 1 a step turns the fastest waves by more than pi: then the local balance can be wrong as a whole
    while norm and total energy show nothing."""
    numbers("dt", dt, shape=(), above=0.0)
    fastest = sum(jnp.max((k - space._shift(a)) ** 2) for a, k in enumerate(space.waves))
    return dt * space.hbar * fastest / (2 * space.mass * jnp.pi)


def require_choice(ordering: float, partition: str) -> None:
    """Raise `ValueError` for an ordering or a partition of energies that does not exist."""
    _require_ordering(ordering)
    choice("partition", partition, get_args(Partition))


def _require_ordering(ordering: float) -> None:
    numbers("ordering", ordering, shape=(), least=0.0, most=1.0)


def _energy_flux(space: Space, psi: Wave, moved: Wave) -> Vector:
    """(hbar/2m) Im[psi* D h psi - (h psi) (D psi)*] from h psi."""
    pairs = zip(space.covariant(moved, 0), space.covariant(psi, 0), strict=True)
    flux = [(psi.conj() * of_moved - moved * slope.conj()).imag for of_moved, slope in pairs]
    return space.hbar / (2 * space.mass) * jnp.stack([space.marginal(f) for f in flux])


def _shared(space: Space, interaction: Inexact[Array, "*xx"] | None, values: Float[Array, "*configuration"]) -> Field:
    """sum over the other particles of int w values."""
    if interaction is None:
        return jnp.zeros(values.shape[: space.axes])
    return space.marginal((space.number - 1) * _pair(space, interaction) * values)


def _pair(space: Space, interaction: Inexact[Array, "*xx"]) -> Inexact[Array, "*configuration"]:
    """w between the first two particles, all others alike."""
    if space.axes > 1:
        raise ValueError(f"interaction: got one on {space.axes} axes; particles that interact live on one")
    numbers("interaction", interaction, shape=space.points * 2)
    return interaction.reshape(*interaction.shape, *(1,) * (space.number - 2))


def _pair_power(space: Space, interaction: Inexact[Array, "*xx"], psi: Wave, particle: int) -> Float[Array, "*configuration"]:
    """f.J of one of the first two particles, by the force of the other."""
    w, (current,) = _pair(space, interaction), currents(space, psi, particle)
    return w * space.gradient(current, particle) - space.gradient(w * current, particle)
