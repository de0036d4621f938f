"""What the training of a surrogate asks of a machine, and what it is in words."""

from collections.abc import Iterator

from qnano.config.sizes import Need, about
from qnano.families.estimates import PER_SECOND, Cost, total
from qnano.tasks.ensemble import estimates as of_an_ensemble
from qnano.tasks.surrogate.schema import SurrogateTraining
from qnano.tasks.training.estimates import OPTIMISER, weights, width_of


def needs(training: SurrogateTraining) -> Iterator[Need]:
    """The trajectories, the network with its optimiser, and its layers at every step of a window."""
    largest = 0
    for key in ("ensembles", "transfer"):
        for k, ensemble in enumerate(getattr(training, key)):
            sites, count = ensemble.model.lattice.geometry.sites, sum(ensemble.trajectories.values())
            largest = max(largest, sites) if key == "ensembles" else largest
            for part, text, bytes_, otherwise in of_an_ensemble.needs(ensemble):
                yield f"{key}.{k}.{part}", text, bytes_, otherwise
            numbers = count * ensemble.time.samples * (2 * sites**2 + 2 * sites)
            yield f"{key}.{k}.trajectories", f"{about(count)} trajectories, {about(numbers)} numbers", 8 * numbers, ""
    network, trained = training.network, weights(training.network)
    width = width_of(network)
    name = "width" if network.kind == "generator" else "channels"
    yield f"network.{name}", f"{about(width)}, {about(trained)} weights", OPTIMISER * trained, ""
    layers = 4 * (getattr(network, "blocks", 0) + getattr(network, "depth", 0) + 1)
    windows = training.batch * len(training.ensembles)
    for k, stage in enumerate(training.stages):
        text = f"{about(windows)} windows of {about(stage.horizon)} intervals through {about(width)} channels"
        yield f"stages.{k}", text, 4 * windows * stage.horizon * largest**2 * (layers * width + 8), ""


def cost(training: SurrogateTraining) -> Cost:
    """Ensembles, then steps, each forth and back; judgements on top."""
    costs = [of_an_ensemble.room_and_time(ensemble) for ensemble in (*training.ensembles, *training.transfer)]
    area = float(max(ensemble.model.lattice.geometry.sites for ensemble in training.ensembles)) ** 2
    windows = training.batch * len(training.ensembles)
    steps = sum(float(stage.steps) * stage.horizon for stage in training.stages)
    seconds = sum(seconds for _, seconds in costs) + steps * windows * 6 * weights(training.network) * area / PER_SECOND
    return total(needs(training), sum(disk for disk, _ in costs) + 30.0 * weights(training.network), seconds)


def described(training: SurrogateTraining) -> Iterator[str]:
    for ensemble in (*training.ensembles, *training.transfer):
        groups = ", ".join(f"{count} {group}" for group, count in ensemble.trajectories.items())
        yield f"ensemble {ensemble.name}: {ensemble.model.lattice.geometry.sites} sites; trajectories: {groups}"
    yield f"training: {training.network.kind}, {sum(stage.steps for stage in training.stages)} steps"
