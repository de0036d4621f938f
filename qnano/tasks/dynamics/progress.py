"""How far a method is, and the checkpoint from which it goes on."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Array, PyTree

from qnano import checkpoints
from qnano.errors import InputError
from qnano.families.register import AUDITS
from qnano.storage.folder import DIVERGED, FINISHED
from qnano.tasks import keeping
from qnano.tasks.stops import LOST, at, first_lost, reason
from qnano.trajectory import Status, Trajectory

CAUTIONS = {
    "seam_share": "the wave is at the seam of the periodic box: up to {:.1e} of it, {}; what leaves here comes in at the other end",
    "edge_share": "the wave is near the grid's largest wavenumber: up to {:.1e} of it, {}; take more points",
}
CAUTIOUS = 1e-6  # of a wave, from which on it is told; of one that begins at the seam, as on a ring it may, tenfold of that


@dataclass
class Progress(keeping.Progress):
    """Of a method: `rows` of its results are done. Times in the model's unit; `watched` are those of looks for negativity."""

    time: float | None = None
    steps: int = 0
    final: dict[str, float] = field(default_factory=dict)
    initial_invariants: dict[str, float] = field(default_factory=dict)
    worst_drift: dict[str, float] = field(default_factory=dict)
    watched: list[float] = field(default_factory=list)
    accumulated: dict[str, list[float]] = field(default_factory=dict)
    largest_residual: float | None = None
    shares: dict[str, float] = field(default_factory=dict)
    largest_shares: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def drifts(self, trajectory: Trajectory) -> np.ndarray:
        """The invariants minus what they were at the very first time, shape (time, invariant)."""
        invariants = {name: np.asarray(values) for name, values in trajectory.invariants.items()}
        if not self.initial_invariants:
            self.initial_invariants = {name: float(values[0]) for name, values in invariants.items()}
        if self.initial_invariants.keys() != invariants.keys():
            raise InputError("cannot be resumed: another version of qnano began it, with other invariants; --force runs anew")
        moved = [values - self.initial_invariants[name] for name, values in invariants.items()]
        return np.stack(moved, axis=1) if moved else np.zeros((len(trajectory.times), 0))

    def since_the_start(self, name: str, values: np.ndarray) -> np.ndarray:
        """An integral over a stretch with that up to its beginning, which is kept for the next; added up in double precision."""
        total = values + np.asarray(self.accumulated.get(name, 0.0))
        self.accumulated[name] = total[-1].tolist()
        return total.astype(values.dtype)

    def watch(self, negativity: Mapping[str, Array], time: float) -> None:
        """Take into account how far probabilities are below 0, which is a drift from what they may be."""
        found = {name: float(value) for name, value in negativity.items() if np.isfinite(value)}
        if found:
            self.watched = [*self.watched, time]
        for name, value in found.items():
            self.worst_drift[name] = max(self.worst_drift.get(name, 0.0), value)

    def cautions(self, times: np.ndarray, measured: dict[str, np.ndarray], unit: str) -> Iterator[str]:
        """What a stretch says for the first time against the grid that it was computed on.

        It is kept among the warnings, with the largest share of all stretches: the first above the limit is always a small one.
        """
        for name in CAUTIONS.keys() & measured.keys():
            first = self.shares.setdefault(name, float(measured[name][0]))
            limit = max(CAUTIOUS, 10 * first if name == "seam_share" else 0.0)
            shares = np.where(np.isfinite(measured[name]), measured[name], 0.0)
            k = int(np.argmax(shares))
            if shares[k] > max(limit, self.largest_shares.get(name, 0.0)):
                said = CAUTIONS[name].partition(":")[0]
                line = CAUTIONS[name].format(shares[k], at(float(times[k]), unit))
                self.warnings = [*(other for other in self.warnings if not other.startswith(said)), line]
                if name not in self.largest_shares:
                    yield line
                self.largest_shares[name] = float(shares[k])

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
        for audit in rows.keys() & set(AUDITS.values()):
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
