"""What a propagation gives back: rows of measurements, the last state, and how it ended, in numbers and in words."""

from enum import IntEnum

import equinox as eqx
import jax
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int, PyTree


class Status(IntEnum):
    """How a propagation ended. `Trajectory.status` holds these numbers, so that the two can be compared also where JAX traces."""

    DONE = 0
    OUT_OF_BOUNDS = 1  # a physical limit was exceeded
    STEP_LIMIT = 2
    NOT_FINITE = 3  # the step shrank to nothing, or a number was lost

    @property
    def words(self) -> str:
        """The same in words, which go on with a time."""
        return _WORDS[self]


_WORDS = {
    Status.DONE: "reached the end",
    Status.OUT_OF_BOUNDS: "left its physical bounds",
    Status.STEP_LIMIT: "reached the limit of steps",
    Status.NOT_FINITE: "lost all precision",
}


class Trajectory(eqx.Module):
    """What `propagate` returns. Made under `vmap`, every array has the axis of the batch in front. `print` gives a summary.

    `times`: those asked for, in the unit of the dynamics (hbar/J for lattices).
    `observables`: by name, the values of shape (time, ...), in the unit of each; rows after `stop_time` are NaN.
    `invariants`: by name, what the exact motion keeps constant, shape (time,); empty without `monitor`.
    `state`: the last state, that at `stop_time`.
    `status`: a `Status`, as a number: the run reached its end, or left its bounds, or took too many steps, or lost a number.
    `culprit`: the place among `limits` of the one that was exceeded, else -1; `limit` is its name.
    `stop_time`: the last of `times`, or where the run stopped before it.
    `steps`: how many steps were accepted (expansions for Chebyshev).
    `last_dt`: the mean step, a good first one for a propagation that goes on from `state`.
    `limits`: the names of the physical limits that were watched.
    """

    times: Float[Array, " time"]
    observables: dict[str, Array]
    invariants: dict[str, Float[Array, " time"]]
    state: PyTree[Array]
    status: Int[Array, ""]
    culprit: Int[Array, ""]
    stop_time: Float[Array, ""]
    steps: Int[Array, ""]
    last_dt: Float[Array, ""]
    limits: tuple[str, ...] = eqx.field(static=True, default=())

    @property
    def limit(self) -> str | None:
        """The name of the physical limit at which the run stopped, if any. For one trajectory with known values."""
        return self.limits[int(self.culprit)] if self.culprit >= 0 else None

    @property
    def lost(self) -> tuple[str, ...]:
        """The observables that hold, up to `stop_time`, what is no finite number. For one trajectory with known values."""
        reached = np.asarray(self.times) <= self.stop_time
        return tuple(name for name, rows in self.observables.items() if not np.isfinite(np.asarray(rows)[reached]).all())

    @property
    def outcome(self) -> str:
        """How the run ended, with the culprit's name. For one trajectory with known values."""
        text = f"{Status(int(self.status)).words} at t = {float(self.stop_time):.4g}"
        if (limit := self.limit) is not None:
            text += f": {limit} no longer holds"
        if lost := self.lost:
            text += f"; not finite: {', '.join(lost)}"
        return text

    def __str__(self) -> str:
        """A summary: how the run ended, its times, the shape of what was measured, and how far each invariant moved."""
        lines = [f"{name}: {_shape(rows)}" for name, rows in self.observables.items()]
        if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(self)):
            return _listed("Trajectory, traced", lines)
        if np.ndim(self.status):
            ends = [f"{np.sum(self.status == status)} {status.words}" for status in Status if np.any(self.status == status)]
            return _listed(f"Trajectories, {np.size(self.status)}: {', '.join(ends)}", lines)
        span = f"{self.times.size} times from {self.times[0]:.4g} to {self.times[-1]:.4g}, {self.steps} steps"
        kept = [f"{name} kept to {_drift(rows):.1e}" for name, rows in self.invariants.items()]
        return _listed(f"Trajectory: {self.outcome}", [span, *lines, *kept])


def _listed(title: str, lines: list[str]) -> str:
    return "\n  ".join([title, *lines])


def _shape(rows: Array) -> str:
    return f"{'x'.join(map(str, rows.shape))} {rows.dtype}"


def _drift(rows: Float[Array, " time"]) -> float:
    """By how much at most a number moved from its first value, as far as the run came."""
    return float(np.nanmax(np.abs(rows - rows[0]), initial=0.0))
