"""Where the points of a study are computed: in this process, or by workers of Dask, here or on other machines.

Workers only compute: each is handed some points at a time and returns what became of them, and this process alone writes. A worker
that dies loses the points that it had in hand, which go to another.
"""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

from qnano import runtime
from qnano.border import got
from qnano.errors import InputError, RunFailed
from qnano.tasks import register
from qnano.tasks.loading import identity, interpreted
from qnano.tasks.study import engines
from qnano.tasks.study.axes import Place
from qnano.tasks.study.computed import Computed, Cost, Outcomes
from qnano.tasks.study.engines import AbstractStudied
from qnano.tasks.study.points import AbstractStudy

LOOPBACK = "127.0.0.1"  # other machines cannot reach it
HANDS = 8  # parts for each worker, so that none waits long for the last


# What became of the points at some places under a label, and what that cost, as it becomes known.
Compute = Callable[[str, Sequence[Place]], Iterator[tuple[Outcomes, Cost]]]


@contextmanager
def started(task: AbstractStudied, study: AbstractStudy) -> Iterator[Compute]:
    """The engine of a task, for as long as it is needed. Raises `InputError` where it cannot be started."""
    if isinstance(task.engine, engines.InProcess):
        yield lambda label, places: _here(Computed(study, label), places)
        return
    if find_spec("distributed") is None:
        kind = task.engine.kind
        raise InputError(f'engine.kind: got {kind}; it needs Dask: install qnano with the extra "workers"')
    with _cluster(task.engine) as cluster, _client(cluster) as client:
        if not isinstance(task.engine, engines.Scheduler):
            client.wait_for_workers(1)
        yield lambda label, places: _elsewhere(client, task, label, places)


@contextmanager
def _client(cluster: Any) -> Iterator[Any]:
    from distributed import Client

    try:
        client = Client(cluster)
    except (OSError, ValueError, TypeError) as error:
        reason = (str(error).splitlines() or ["no answer"])[0]
        where = cluster if isinstance(cluster, str) else "the scheduler"
        raise InputError(f"engine: {where}: cannot be reached: {reason}") from None
    with client:
        yield client


def _here(computed: Computed, places: Sequence[Place]) -> Iterator[tuple[Outcomes, Cost]]:
    before = computed.cost
    for outcomes in computed.at(places):
        cost = computed.cost
        compilations, seconds = cost.compilations - before.compilations, cost.compile_s - before.compile_s
        yield outcomes, Cost(compilations, seconds, cost.wall_s - before.wall_s)
        before = cost


def _elsewhere(client: Any, task: AbstractStudied, label: str, places: Sequence[Place]) -> Iterator[tuple[Outcomes, Cost]]:
    from distributed import as_completed
    from distributed.scheduler import KilledWorker

    workers = max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
    size = max(1, -(-len(places) // (HANDS * workers)))
    given = json.dumps(task.given)
    told = (given, identity(task), task.precision)
    parts = [places[first : first + size] for first in range(0, len(places), size)]
    futures = [client.submit(_part, told, label, part, pure=False) for part in parts]
    try:
        for _, found in as_completed(futures, with_results=True):
            yield from found
    except KilledWorker:
        raise RunFailed("the workers died again and again, probably for lack of memory; what was finished is kept") from None


def _part(told: tuple[str, str, str], label: str, places: Sequence[Place]) -> list[tuple[Outcomes, Cost]]:
    """In a worker: the points at `places` of the task that is `told`: what was read of it, its identity and its precision.

    Raises `InputError` where the worker takes it for another.
    """
    given, identity, precision = told
    runtime.start(precision)  # each time: another task may have been here in between
    return list(_here(_computed(given, identity, label), places))


@lru_cache(maxsize=4)
def _computed(given: str, wanted: str, label: str) -> Computed:
    return Computed(_study(given, wanted), label)


@lru_cache(maxsize=1)
def _study(given: str, wanted: str) -> AbstractStudy:
    task = interpreted(json.loads(given))
    if identity(task) != wanted:
        rule = "where it finds other files under the names in the config, or has another version of qnano"
        raise InputError(f"engine: a worker takes the task for {identity(task)}, not {wanted}, {rule}")
    return register.study(task)


@contextmanager
def _cluster(engine: Any) -> Iterator[Any]:
    """A cluster of Dask, or the address of a scheduler."""
    match engine:
        case engines.Workers():
            from distributed import LocalCluster

            quiet = {"silence_logs": logging.CRITICAL, "host": LOOPBACK, "dashboard_address": f"{LOOPBACK}:0"}
            with LocalCluster(n_workers=engine.workers, threads_per_worker=1, **quiet) as cluster:
                yield cluster
        case engines.Slurm():
            try:
                from dask_jobqueue import SLURMCluster
            except ImportError:
                raise InputError('engine.kind: got slurm; it needs dask-jobqueue: install qnano with the extra "workers"') from None
            for key, value in engine:
                for text in value if isinstance(value, tuple) else (value,):
                    if isinstance(text, str) and not text.isprintable():  # a line break would begin a line of the job script
                        raise InputError(f"engine.{key}: {got(text, 'must be one line')}")
            with SLURMCluster(
                queue=engine.queue,
                account=engine.account,
                cores=engine.cores,
                processes=1,
                memory=engine.memory,
                walltime=engine.walltime,
                interface=engine.interface,
                scheduler_options={"dashboard_address": f"{LOOPBACK}:0"},
                job_extra_directives=list(engine.directives),
            ) as cluster:
                cluster.scale(jobs=engine.workers)
                yield cluster
        case engines.Scheduler():
            yield engine.address
