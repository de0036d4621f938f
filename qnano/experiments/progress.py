"""How far a method is, and the checkpoint from which it goes on."""

import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Array, PyTree

from qnano import checkpoints
from qnano.config.observables import AUDIT, GRID_AUDIT
from qnano.errors import InputError
from qnano.files import is_sealed
from qnano.storage.folder import DIVERGED, FINISHED, RUNNING
from qnano.storage.store import AGAIN
from qnano.trajectory import Status, Trajectory

LOST = "what was measured {} is not a finite number"
CAUTIONS = {
    "seam_share": "the wave is at the seam of the periodic box: {:.1e} of it {}; what leaves at one end comes in at the other",
    "edge_share": "the wave is near the grid's largest wavenumber: {:.1e} of it {}; take more points",
}
CAUTIOUS = 1e-6  # of a wave, from which on it is told; of one that begins at the seam, as on a ring it may, tenfold of that


@dataclass
class Progress:
    """A method's entry in the summary. Times in the model's unit, costs in seconds; `rows` of the results are done."""

    kind: str
    state: str = RUNNING
    message: str | None = None
    rows: int = 0
    time: float | None = None
    steps: int = 0
    wall_s: float = 0.0
    compile_s: float = 0.0
    final: dict[str, float] = field(default_factory=dict)
    initial_invariants: dict[str, float] = field(default_factory=dict)
    worst_drift: dict[str, float] = field(default_factory=dict)
    accumulated: dict[str, list[float]] = field(default_factory=dict)
    largest_residual: float | None = None
    shares: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def drifts(self, trajectory: Trajectory) -> np.ndarray:
        """The invariants minus what they were at the very first time, shape (time, invariant)."""
        invariants = {name: np.asarray(values) for name, values in trajectory.invariants.items()}
        if not self.initial_invariants:
            self.initial_invariants = {name: float(values[0]) for name, values in invariants.items()}
        moved = [values - self.initial_invariants[name] for name, values in invariants.items()]
        return np.stack(moved, axis=1) if moved else np.zeros((len(trajectory.times), 0))

    def since_the_start(self, name: str, values: np.ndarray) -> np.ndarray:
        """An integral over a stretch with that up to its beginning, which is kept for the next."""
        values = values + np.asarray(self.accumulated.get(name, 0.0))
        self.accumulated[name] = values[-1].tolist()
        return values

    def cautions(self, times: np.ndarray, measured: dict[str, np.ndarray], unit: str) -> Iterator[str]:
        """What a stretch says for the first time against the grid that it was computed on; kept among the warnings."""
        for name in CAUTIONS.keys() & measured.keys():
            first = self.shares.setdefault(name, float(measured[name][0]))
            over = np.flatnonzero(measured[name] > max(CAUTIOUS, 10 * first if name == "seam_share" else 0.0))
            if over.size and not any(line.startswith(CAUTIONS[name].partition(":")[0]) for line in self.warnings):
                k = over[0]
                self.warnings.append(CAUTIONS[name].format(float(measured[name][k]), at(float(times[k]), unit)))
                yield self.warnings[-1]

    def advance(self, trajectory: Trajectory, rows: dict[str, np.ndarray], last: bool, unit: str) -> None:
        """Take a stretch into account: `rows` of it were written; `last` says that no other follows; `unit` is that of time."""
        status, stop = int(trajectory.status), float(trajectory.stop_time)
        lost = first_lost(rows) if status == Status.DONE else None
        if lost is not None:
            stop = float(trajectory.times[lost])
        self.rows += len(rows["invariant_drift"])
        self.time = stop
        self.steps += int(trajectory.steps)
        for name, values in rows.items():
            finite = values[np.isfinite(values)]
            if values.ndim == 1 and finite.size:
                self.final[name] = float(finite[-1])
        for audit in rows.keys() & {AUDIT, GRID_AUDIT}:
            residual = np.abs(rows[audit])
            self.largest_residual = max([self.largest_residual or 0.0, *residual[np.isfinite(residual)].tolist()])
        for name, drift in zip(self.initial_invariants, np.abs(rows["invariant_drift"]).T, strict=True):
            self.worst_drift[name] = max([self.worst_drift.get(name, 0.0), *drift[np.isfinite(drift)].tolist()])
        if status != Status.DONE:
            self.state, self.message = DIVERGED, reason(trajectory, status, stop, unit)
        elif lost is not None:
            self.state, self.message = DIVERGED, LOST.format(at(stop, unit))
        elif last:
            self.state = FINISHED


def save_checkpoint(path: Path, progress: Progress, state: PyTree[Array]) -> None:
    """Put the state and what it took to get there in the place of the checkpoint before."""
    checkpoints.write(path, asdict(progress), state)


def load_checkpoint(path: Path, like: PyTree[Array]) -> tuple[Progress, PyTree[Array]]:
    """The opposite of `save_checkpoint`. Raises `InputError` for a file that is damaged or that another version wrote."""
    header = checkpoints.read_header(path)
    try:
        return Progress(**header), checkpoints.read_tree(path, like)
    except (InputError, TypeError):
        raise InputError(f"{path}: cannot be resumed: another version of qnano wrote it; --force runs anew") from None


def drop_if_damaged(checkpoint: Path) -> None:
    """Remove a checkpoint that is not what was written, and say so: what led to it is computed again."""
    if checkpoint.exists() and not is_sealed(checkpoint):
        print(AGAIN.format(f"{checkpoint}: is damaged"), file=sys.stderr)
        checkpoint.unlink()


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
