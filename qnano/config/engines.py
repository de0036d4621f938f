"""Where the points of a sweep are computed. The results do not depend on it."""

from typing import Annotated, Literal

from pydantic import Field

from .base import Config, Count


class InProcess(Config):
    """This process, on all devices that it sees: the cores of a CPU, or every GPU."""

    kind: Literal["local"] = "local"


class AbstractWorkers(Config):
    """Processes of Dask, each with the devices that it sees. Needs the extra `workers`."""


class Workers(AbstractWorkers):
    """Processes on this machine."""

    kind: Literal["workers"] = "workers"
    workers: Count = Field(2, description="number of processes")


class Scheduler(AbstractWorkers):
    """The workers of a scheduler of Dask that runs already."""

    kind: Literal["scheduler"] = "scheduler"
    address: str = Field(description="such as tcp://node7:8786; only one whose owner you trust, since it can run code here")


class Slurm(AbstractWorkers):
    """Jobs of SLURM, each a worker."""

    kind: Literal["slurm"] = "slurm"
    workers: Count = Field(description="number of jobs")
    queue: str | None = Field(None, description="partition")
    account: str | None = Field(None, description="whom it is charged to")
    cores: Count = Field(1, description="cores of each job")
    memory: str = Field("8GB", description="memory of each job")
    walltime: str = Field("01:00:00", description="hours, minutes and seconds of each job")
    interface: str | None = Field(None, description="network interface by which the jobs reach this process, such as ib0")
    directives: tuple[str, ...] = Field((), description="further options of sbatch, such as --gres=gpu:1")


Engine = Annotated[InProcess | Workers | Scheduler | Slurm, Field(discriminator="kind")]
