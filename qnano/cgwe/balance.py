"""Balance: on which scale an envelope lives, and whether the coarse equation suits it.

A potential that varies by dU over a length L is weighed against the kinetic energy that goes with L:

    beta = m* L^2 dU / hbar^2,      energy hbar^2 / m* L^2,      time m* L^2 / hbar,      eps = a / L,      h_eff = beta^(-1/2)

At beta ~ 1 both matter on one scale. Where beta is large, L is too coarse: gradients of the envelope grow like sqrt(beta) (the
semiclassical regime). Where it is small, L is too fine: the potential does not hold the envelope, which spreads over more and more
of the system. The L with beta = 1 is the effective Bohr radius of a Coulomb potential, the oscillator length of a harmonic one.

The bounds 0.1 and 30 are where, for a Gaussian well, one of the two failures has grown about fivefold.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Shaped

from qnano.border import numbers

LOOSE, STIFF, COARSE_EPS = 0.1, 30.0, 0.25
Number = Shaped[ArrayLike, ""]


class Balance(NamedTuple):
    """`beta`, `eps` = a/L, `h_eff` = 1/sqrt(beta), and the units of `energy` and `time` that go with the length."""

    beta: Float[Array, ""]
    eps: Float[Array, ""]
    h_eff: Float[Array, ""]
    energy: Float[Array, ""]
    time: Float[Array, ""]

    @property
    def verdict(self) -> str:
        """over-coarse, balanced or under-coarse."""
        return "over-coarse" if self.beta > STIFF else "under-coarse" if self.beta < LOOSE else "balanced"

    @property
    def reasons(self) -> list[str]:
        """What speaks against the coarse equation, in words; nothing if it is balanced on a scale well above the lattice."""
        found = []
        if self.beta > STIFF:
            found.append(
                f"beta = {float(self.beta):.3g} > {STIFF:g}: gradients of the envelope grow (semiclassical); take a shorter length"
            )
        if self.beta < LOOSE:
            found.append(
                f"beta = {float(self.beta):.3g} < {LOOSE:g}: the potential does not hold the envelope; take a longer length"
            )
        if self.eps > COARSE_EPS:
            found.append(f"eps = {float(self.eps):.3g} > {COARSE_EPS:g}: the envelope lives on the scale of the lattice")
        return found


def balance(mass: Number, variation: Number, length: Number, period: Number, hbar: Number = 1.0) -> Balance:
    """Of a potential that varies by `variation` over `length`, in a lattice of `period` with effective mass `mass`.

    Raises `ValueError` for what is not positive, and a variation that is no number.
    """
    numbers("variation", variation, shape=())
    for name, value in (("mass", mass), ("length", length), ("period", period), ("hbar", hbar)):
        numbers(name, value, shape=(), above=0.0)
    energy = jnp.asarray(hbar**2 / (mass * jnp.asarray(length) ** 2))
    beta = jnp.abs(variation / energy)
    return Balance(beta, jnp.asarray(period / length), 1 / jnp.sqrt(beta), energy, jnp.asarray(hbar / energy))


def balanced_length(mass: Number, strength: Number, power: Number, hbar: Number = 1.0) -> Float[Array, ""]:
    """L with beta = 1 for strength / r^power: (hbar^2 / m* strength)^(1 / (2 - power)); Coulomb 1, harmonic -2.

    Raises `ValueError` for the power 2, which has no scale of its own, and for what is not positive.
    """
    numbers("power", power, shape=())
    for name, value in (("mass", mass), ("strength", strength), ("hbar", hbar)):
        numbers(name, value, shape=(), above=0.0)
    if power == 2:
        raise ValueError("power: got 2; a potential 1/r^2 has no length of its own")
    return jnp.asarray(hbar**2 / (mass * strength)) ** (1 / (2 - power))


def classical_time(eps: Number, power: Number) -> Float[Array, ""]:
    """eps^(-1 - q/2): when a potential of order eps^q has moved a particle by its length; the wave's own time is eps^-2."""
    numbers("eps", eps, shape=(), above=0.0)
    numbers("power", power, shape=())
    return jnp.asarray(eps) ** (-1 - jnp.asarray(power) / 2)
