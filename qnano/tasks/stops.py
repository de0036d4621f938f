"""Why a propagation went no further, in words."""

import numpy as np

from qnano.propagation import OUT_OF_BOUNDS, STEP_LIMIT, AbstractDynamics, Trajectory

LOST = "what was measured {} is not a finite number"


def first_lost(rows: dict[str, np.ndarray]) -> int | None:
    """The first row with a number that is not finite, if any: a state can pass every test of the motion and still hold such."""
    finite = np.all([np.isfinite(values.reshape(len(values), -1)).all(axis=1) for values in rows.values()], axis=0)
    return None if finite.all() else int(np.argmin(finite))


def at(time: float, unit: str) -> str:
    """A time in words."""
    return f"at t = {time:.4g} {unit}".removesuffix(" 1")


def reason(dynamics: AbstractDynamics, trajectory: Trajectory, status: int, stop: float, unit: str) -> str:
    """Why a propagation did not reach its end, in words; `unit` is that of time."""
    if status == OUT_OF_BOUNDS:
        limit = list(dynamics.limits(trajectory.stop_time, trajectory.state))[int(trajectory.culprit)]
        return f"left its physical bounds {at(stop, unit)}: {limit} no longer holds"
    return gave_up(status, stop, unit)


def gave_up(status: int, stop: float, unit: str) -> str:
    """Why the solver went no further, in words."""
    when = at(stop, unit)
    return (
        f"reached the limit of steps {when}" if status == STEP_LIMIT else f"lost all precision {when}: the step shrank to nothing"
    )
