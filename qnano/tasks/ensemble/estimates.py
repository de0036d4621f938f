"""What an ensemble asks of a machine, and what it is in words."""

from collections.abc import Iterator

from qnano.config.sizes import Need, about
from qnano.families.estimates import Cost, bytes_of, disk_and_seconds, total
from qnano.families.holstein import bytes_of_a_step
from qnano.tasks.dynamics import estimates as of_a_trajectory
from qnano.tasks.dynamics.estimates import described as described
from qnano.tasks.ensemble.schema import Ensemble
from qnano.tasks.study import engines


def needs(ensemble: Ensemble) -> Iterator[Need]:
    """What takes memory."""
    samples, row = ensemble.time.samples, sum(bytes_of(name, ensemble) for name in ensemble.observables)
    together = min(ensemble.batch, max(ensemble.trajectories.values()))
    yield "model.lattice", f"{ensemble.model.lattice.geometry.sites} sites", bytes_of_a_step(ensemble.model), ""
    yield "time.samples", f"{about(samples)} times of {about(row)} bytes each", samples * row, ""
    text = f"{about(together)} trajectories of {about(samples)} times at once"
    yield "batch", text, together * (bytes_of_a_step(ensemble.model) + 2 * samples * row), ""
    yield "trajectories", f"{about(most := max(ensemble.trajectories.values()))} in a group", 64 * most, ""


def room_and_time(ensemble: Ensemble) -> tuple[float, float]:
    """Bytes on disk and seconds, of all trajectories."""
    disk, seconds = disk_and_seconds(ensemble)
    count = sum(ensemble.trajectories.values())
    return count * disk * (1.0 if ensemble.stored == "double" else 0.5), count * seconds


def cost(ensemble: Ensemble) -> Cost:
    """Those of all trajectories."""
    return total(needs(ensemble), *room_and_time(ensemble))


def warnings(ensemble: Ensemble) -> Iterator[str]:
    """Strangers who may run code here, and what is wrong with the experiment."""
    yield from engines.warnings(ensemble)
    yield from of_a_trajectory.warnings(ensemble)
