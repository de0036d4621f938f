"""From the numbers, quenches and ramps of a config to fields of time."""

from typing import Any

import jax
import jax.numpy as jnp

from qnano import fields
from qnano.config import values
from qnano.fields import AbstractField, Constant, Stack


def build_field(value: Any, start: float) -> AbstractField:
    """A field from a number, a quench, a ramp, or a list of these."""
    match value:
        case tuple():
            parts = [build_field(part, start) for part in value]
            if all(part.is_constant for part in parts):
                return Constant(jnp.stack([part(start) for part in parts]))
            return Stack(tuple(parts))
        case values.Quench() if value.changes_after(start):
            return fields.Quench(value.before, value.after, value.time)
        case values.Ramp() if value.changes_after(start):
            return fields.Ramp(value.before, value.after, value.start, value.duration, value.shape == "smooth")
        case values.Quench() | values.Ramp():
            return Constant(value.after)
        case _:
            return Constant(value)


def plain(value: Any) -> float:
    """A number, where it may be one that is differentiated by."""
    return float(jax.lax.stop_gradient(value))
