"""Where the points of a study are computed. The results do not depend on it.

What is handed to SLURM becomes lines of a job script, and so has to be one line each.
"""

import re
from collections.abc import Callable, Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from qnano.border import got
from qnano.config.base import AbstractTask, Config, Count

MOST_PROCESSES, MOST_JOBS = 1024, 10_000
HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"


def _text(form: str, rule: str) -> Callable[[str], str]:
    """A check of text by its form, which knows no line breaks."""

    def check(text: str) -> str:
        if not text.isprintable() or len(text) > 1000 or not re.fullmatch(form, text):
            raise ValueError(got(text, rule))
        return text

    return check


def _address(text: str) -> str:
    """Of a scheduler of Dask."""
    found = re.fullmatch(rf"(?:tcp|tls)://{HOST}:([0-9]{{1,5}})", text)
    if not found or not 0 < int(found[1]) < 2**16:
        raise ValueError(got(text, "must be tcp://HOST:PORT or tls://HOST:PORT"))
    return text


Word = Annotated[str, AfterValidator(_text(r"[A-Za-z0-9_.,@+-]+", "must be one word of letters, digits and . , @ + - _"))]
Size = Annotated[str, AfterValidator(_text(r"[0-9]+(?:\.[0-9]+)? ?[kKMGTP]i?B", "must be a size, such as 8GB"))]
Walltime = Annotated[
    str,
    AfterValidator(_text(r"(?:[0-9]{1,4}-)?[0-9]{1,4}(?::[0-9]{2}){1,2}", "must be hours:minutes:seconds, such as 01:00:00")),
]
Directive = Annotated[str, AfterValidator(_text(r"-.+", "must be one line, an option of sbatch such as --gres=gpu:1"))]


class InProcess(Config):
    """This process, on all devices that it sees: the cores of a CPU, or every GPU."""

    kind: Literal["local"] = "local"


class AbstractWorkers(Config):
    """Processes of Dask, each with the devices that it sees. Needs the extra `workers`."""


class Workers(AbstractWorkers):
    """Processes on this machine."""

    kind: Literal["workers"] = "workers"
    workers: Annotated[Count, Field(le=MOST_PROCESSES)] = Field(2, description="number of processes")


class Scheduler(AbstractWorkers):
    """The workers of a scheduler of Dask that runs already, which has to be trusted: what it sends back is unpickled here."""

    kind: Literal["scheduler"] = "scheduler"
    address: Annotated[str, AfterValidator(_address)] = Field(
        description="such as tcp://node7:8786; whoever listens there can run code in this process"
    )


class Slurm(AbstractWorkers):
    """Jobs of SLURM, each a worker."""

    kind: Literal["slurm"] = "slurm"
    workers: Annotated[Count, Field(le=MOST_JOBS)] = Field(description="number of jobs")
    queue: Word | None = Field(None, description="partition")
    account: Word | None = Field(None, description="whom it is charged to")
    cores: Annotated[Count, Field(le=MOST_PROCESSES)] = Field(1, description="cores of each job")
    memory: Size = Field("8GB", description="memory of each job")
    walltime: Walltime = Field("01:00:00", description="hours, minutes and seconds of each job, after days and a dash if need be")
    interface: Word | None = Field(None, description="network interface by which the jobs reach this process, such as ib0")
    directives: Annotated[tuple[Directive, ...], Field(max_length=100)] = Field(
        (), description="further options of sbatch, such as --gres=gpu:1"
    )


Engine = Annotated[InProcess | Workers | Scheduler | Slurm, Field(discriminator="kind")]


class AbstractStudied(AbstractTask):
    """A task of many points, each of its own."""

    engine: Engine = Field(InProcess(), exclude=True, description="where the points are computed; results do not depend on it")


def warnings(task: AbstractStudied) -> Iterator[str]:
    """Of strangers who may run code here."""
    if isinstance(task.engine, Scheduler):
        yield f"engine.address: {task.engine.address} has to be trusted: whoever listens there can run code in this process"
