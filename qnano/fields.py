"""Time-dependent parameters: quenches, ramps, pulses.

A field is a function of time with an array as its value. Its `jumps` are the times at which it, or its derivative, is not
smooth, or must be looked at: a stepper that does not stop there loses its order, or passes over a pulse, so `propagate` makes
every stepper stop there.
"""

from abc import abstractmethod

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Inexact, Shaped

from qnano import border

Time = Float[ArrayLike, ""]


class AbstractField(eqx.Module):
    """A parameter as a function of time."""

    @abstractmethod
    def __call__(self, t: Time) -> Inexact[Array, "*value"]:
        """The value at time t."""

    @property
    @abstractmethod
    def jumps(self) -> tuple[Float[Array, ""], ...]:
        """The times at which the field or its derivative jumps, and others that no step may pass over."""

    @property
    @abstractmethod
    def is_constant(self) -> bool:
        """Whether the field never changes; known before anything is traced."""


class Constant(AbstractField):
    """f(t) = value."""

    value: Inexact[Array, "*value"]

    def __init__(self, value: Shaped[ArrayLike, "*value"]):
        self.value = _inexact("value", value)

    def __call__(self, t: Time) -> Inexact[Array, "*value"]:
        return self.value

    @property
    def jumps(self) -> tuple[Float[Array, ""], ...]:
        return ()

    @property
    def is_constant(self) -> bool:
        return True


class Quench(AbstractField):
    """f(t) = before for t < time, after from then on."""

    before: Inexact[Array, "*value"]
    after: Inexact[Array, "*value"]
    time: Float[Array, ""]

    def __init__(self, before: Shaped[ArrayLike, "*value"], after: Shaped[ArrayLike, "*value"], time: Time):
        self.before, self.after = _inexact("before", before), _inexact("after", after)
        self.time = _number("time", time)

    def __call__(self, t: Time) -> Inexact[Array, "*value"]:
        return jnp.where(t < self.time, self.before, self.after)

    @property
    def jumps(self) -> tuple[Float[Array, ""], ...]:
        return (self.time,)

    @property
    def is_constant(self) -> bool:
        return False


class Ramp(AbstractField):
    """f(t) goes from `before` to `after` between `start` and `start + duration`.

    With x = (t - start) / duration clipped to [0, 1] the share of `after` is x, or x^2 (3 - 2 x) if `smooth`.
    """

    before: Inexact[Array, "*value"]
    after: Inexact[Array, "*value"]
    start: Float[Array, ""]
    duration: Float[Array, ""]
    smooth: bool = eqx.field(static=True)

    def __init__(
        self,
        before: Shaped[ArrayLike, "*value"],
        after: Shaped[ArrayLike, "*value"],
        start: Time,
        duration: Time,
        smooth: bool = False,
    ):
        self.before, self.after = _inexact("before", before), _inexact("after", after)
        self.start, self.duration = _number("start", start), _number("duration", duration, above=0.0)
        self.smooth = smooth

    def __call__(self, t: Time) -> Inexact[Array, "*value"]:
        x = jnp.clip((t - self.start) / self.duration, 0.0, 1.0)
        share = x * x * (3 - 2 * x) if self.smooth else x
        return self.before + share * (self.after - self.before)

    @property
    def jumps(self) -> tuple[Float[Array, ""], ...]:
        return (self.start, self.start + self.duration)

    @property
    def is_constant(self) -> bool:
        return False


class Pulse(AbstractField):
    """f(t) = amplitude exp(-(t - centre)^2 / (2 width^2)) cos(frequency (t - centre) + phase); a vector if `amplitude` is."""

    amplitude: Inexact[Array, "*value"]
    frequency: Float[Array, ""]
    centre: Float[Array, ""]
    width: Float[Array, ""]
    phase: Float[Array, ""]

    def __init__(
        self,
        amplitude: Shaped[ArrayLike, "*value"],
        frequency: Time,
        centre: Time,
        width: Time,
        phase: Time = 0.0,
    ):
        self.amplitude = _inexact("amplitude", amplitude)
        self.frequency, self.centre = _number("frequency", frequency), _number("centre", centre)
        self.width, self.phase = _number("width", width, above=0.0), _number("phase", phase)

    def __call__(self, t: Time) -> Inexact[Array, "*value"]:
        s = t - self.centre
        return self.amplitude * jnp.exp(-0.5 * (s / self.width) ** 2) * jnp.cos(self.frequency * s + self.phase)

    @property
    def jumps(self) -> tuple[Float[Array, ""], ...]:
        """Times on the way through the pulse: a state at rest asks for long steps, and one of them would pass over all of it.

        It is smooth at them, so that they have no derivatives.
        """
        centre, width = jax.lax.stop_gradient((self.centre, self.width))
        return tuple(centre + n * width for n in range(-6, 7, 2))

    @property
    def is_constant(self) -> bool:
        return False


class Oscillation(AbstractField):
    """f(t) = amplitude(t) cos(frequency t + phase); a vector if `amplitude` is."""

    amplitude: AbstractField
    frequency: Float[Array, ""]
    phase: Float[Array, ""]

    def __init__(self, amplitude: AbstractField | Shaped[ArrayLike, "*value"], frequency: Time, phase: Time = 0.0):
        self.amplitude = as_field(amplitude, "amplitude")
        self.frequency, self.phase = _number("frequency", frequency), _number("phase", phase)

    def __call__(self, t: Time) -> Inexact[Array, "*value"]:
        return self.amplitude(t) * jnp.cos(self.frequency * t + self.phase)

    @property
    def jumps(self) -> tuple[Float[Array, ""], ...]:
        return self.amplitude.jumps

    @property
    def is_constant(self) -> bool:
        return False


class AbstractCompound(AbstractField):
    """Made of several fields, whose values have one shape. Raises `ValueError` for none, and for others."""

    fields: eqx.AbstractVar[tuple[AbstractField, ...]]

    def __check_init__(self):
        shapes = {eqx.filter_eval_shape(field, 0.0).shape for field in self.fields}
        if len(shapes) != 1:
            got = " and ".join(map(str, sorted(shapes))) or "none"
            raise ValueError(f"fields: got {got}; must be values of one shape")

    @property
    def jumps(self) -> tuple[Float[Array, ""], ...]:
        return tuple(time for field in self.fields for time in field.jumps)

    @property
    def is_constant(self) -> bool:
        return all(field.is_constant for field in self.fields)


class Sum(AbstractCompound):
    """f(t) = the sum of several fields."""

    fields: tuple[AbstractField, ...]

    def __call__(self, t: Time) -> Inexact[Array, "*value"]:
        return sum((field(t) for field in self.fields[1:]), self.fields[0](t))


class Pattern(AbstractField):
    """f(t) = amplitude(t) * shape: one number in time times a fixed pattern in space, such as a trap."""

    amplitude: AbstractField
    shape: Inexact[Array, "*value"]

    def __init__(self, amplitude: AbstractField, shape: Shaped[ArrayLike, "*value"]):
        self.amplitude = amplitude
        self.shape = _inexact("shape", shape)

    def __call__(self, t: Time) -> Inexact[Array, "*value"]:
        return self.amplitude(t) * self.shape

    @property
    def jumps(self) -> tuple[Float[Array, ""], ...]:
        return self.amplitude.jumps

    @property
    def is_constant(self) -> bool:
        return self.amplitude.is_constant


class Stack(AbstractCompound):
    """f(t) = the values of several fields side by side: one field for each bond or site."""

    fields: tuple[AbstractField, ...]

    def __call__(self, t: Time) -> Inexact[Array, " fields"]:
        return jnp.stack([field(t) for field in self.fields])


def as_field(value: AbstractField | Shaped[ArrayLike, "*value"], name: str = "value") -> AbstractField:
    """A field stays what it is; a number or an array becomes a `Constant`. Raises `ValueError`, with `name`, for anything else."""
    return value if isinstance(value, AbstractField) else Constant(_inexact(name, value))


def require_fit(name: str, field: AbstractField, *shapes: tuple[int, ...], is_real: bool = True) -> None:
    """Raise `ValueError`, with `name`, for a field whose values have none of these shapes, or are complex against `is_real`."""
    found = eqx.filter_eval_shape(field, 0.0)
    if found.shape not in shapes:
        raise ValueError(f"{name}: got an array of shape {found.shape}; must be {' or '.join(map(str, shapes))} (batch with vmap)")
    if is_real and jnp.issubdtype(found.dtype, jnp.complexfloating):
        raise ValueError(f"{name}: got complex numbers; must be real, or the Hamiltonian would not be Hermitian")


def _number(name: str, value: Time, above: float | None = None) -> Float[Array, ""]:
    border.numbers(name, value, shape=(), above=above)
    return _inexact(name, value)


def _inexact(name: str, value: Shaped[ArrayLike, "*value"]) -> Inexact[Array, "*value"]:
    border.numbers(name, value, kind="complex")
    array = jnp.asarray(value)
    return array if jnp.issubdtype(array.dtype, jnp.inexact) else array.astype(jnp.result_type(float))
