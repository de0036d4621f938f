"""Why a propagation went no further, in words."""

import numpy as np

from qnano.trajectory import Status, Trajectory

LOST = "what was measured {} is not a finite number"


def first_lost(rows: dict[str, np.ndarray]) -> int | None:
    """The first row with a number that is not finite, if any: a state can pass every test of the motion and still hold such."""
    finite = np.all([np.isfinite(values.reshape(len(values), -1)).all(axis=1) for values in rows.values()], axis=0)
    return None if finite.all() else int(np.argmin(finite))


def at(time: float, unit: str) -> str:
    """A time in words."""
    return f"at t = {time:.4g} {unit}".removesuffix(" 1")


def reason(trajectory: Trajectory, status: int, stop: float, unit: str) -> str:
    """Why a propagation did not reach its end, in words; `unit` is that of time."""
    if (limit := trajectory.limit) is not None:
        return f"{Status(status).words} {at(stop, unit)}: {limit} no longer holds"
    return gave_up(status, stop, unit)


def gave_up(status: int, stop: float, unit: str) -> str:
    """Why the solver went no further, in words."""
    text = f"{Status(status).words} {at(stop, unit)}"
    return f"{text}: the step shrank to nothing" if status == Status.NOT_FINITE else text
