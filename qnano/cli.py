"""The command line. What a command needs is imported inside it, so that help and every complaint about a config come at once."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qnano import __version__
from qnano.errors import InputError, RunFailed

if TYPE_CHECKING:
    from qnano.config import Experiment
    from qnano.storage.folder import RunFolder

app = typer.Typer(
    help="Simulate quantum systems out of equilibrium.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file of the experiment")]
Overrides = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="such as model.interaction=2.0")]
Out = Annotated[Path, typer.Option(help="where the folders of runs are")]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="folder of a run, such as runs/hubbard-quench/1a2b3c4d5e6f")]


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        print(__version__)
        raise typer.Exit


@app.command()
def run(
    config: ConfigFile,
    overrides: Overrides = None,
    out: Out = Path("runs"),
    force: Annotated[bool, typer.Option("--force", help="run anew what is already there")] = False,
) -> None:
    """Run an experiment, then show what came out and draw it; an interrupted run goes on where it was."""
    from qnano.config import load

    _start(load(config, overrides or ()), out, force)


def _start(experiment: "Experiment", out: Path, force: bool) -> None:
    from qnano.config import identity, to_yaml
    from qnano.config.outline import warnings
    from qnano.storage.folder import RunFolder

    folder = RunFolder(out / experiment.name / identity(experiment))
    if not force and folder.holds(to_yaml(experiment)):
        print(f"{folder}: already there; --force runs it anew")
        _show(folder)
        return
    for line in warnings(experiment):
        print(f"warning: {line}", file=sys.stderr)
    with _room_in(folder):
        _run(experiment, folder, force)


@app.command()
def sweep(
    config: ConfigFile,
    overrides: Overrides = None,
    out: Out = Path("runs"),
    force: Annotated[bool, typer.Option("--force", help="run anew what is already there")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="only go on with a sweep that was begun")] = False,
    engine: Annotated[str | None, typer.Option(help="where points are computed, if not where the config says")] = None,
) -> None:
    """Run an experiment at every point of its `sweep`; finished points are never computed again."""
    from qnano.config import Swept, load

    experiment = load(config, [*(overrides or ()), *([f"engine={{kind: {engine}}}"] if engine else ())])
    if not isinstance(experiment, Swept):
        raise InputError(f"{config}: has no sweep; must have one, such as sweep: {{model.interaction: [1.0, 2.0]}}")
    _must_be_begun(experiment, out, resume)
    _start(experiment, out, force)


@app.command()
def gradient(
    config: ConfigFile,
    overrides: Overrides = None,
    of: Annotated[str | None, typer.Option(metavar="OBSERVABLE", help="such as double_occupancy[site=2,time=5.0]")] = None,
    wrt: Annotated[list[str] | None, typer.Option(metavar="KEY", help="such as model.hopping[3]; repeatable; or all")] = None,
    mode: Annotated[str | None, typer.Option(help="forward, reverse, or auto: forward for few keys and many results")] = None,
    check: Annotated[bool | None, typer.Option("--check", help="compute central differences as well")] = None,
    out: Out = Path("runs"),
    force: Annotated[bool, typer.Option("--force", help="run anew what is already there")] = False,
) -> None:
    """Differentiate what an experiment measures by numbers in its config; the options stand for its section `gradient`."""
    from qnano.config import load
    from qnano.config.parameters import gradient_of, parameters

    options = {"of": of, "wrt": wrt, "mode": mode, "check": check}
    experiment = gradient_of(load(config, overrides or ()), **{key: value for key, value in options.items() if value is not None})
    parameters(experiment)  # what is wrong with a key is told at once
    _start(experiment, out, force)


@app.command()
def train(
    config: ConfigFile,
    overrides: Overrides = None,
    out: Out = Path("runs"),
    force: Annotated[bool, typer.Option("--force", help="train anew what is already there")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="only go on with a training that was begun")] = False,
) -> None:
    """Train a learned closure or a surrogate; an interrupted training goes on from its last checkpoint."""
    from qnano.config import SurrogateTraining, Training, load

    experiment = load(config, overrides or ())
    if not isinstance(experiment, Training | SurrogateTraining):
        raise InputError(f"{config}: task: got {experiment.task}; must be training or surrogate")
    _must_be_begun(experiment, out, resume)
    _start(experiment, out, force)


def _must_be_begun(experiment: "Experiment", out: Path, resume: bool) -> None:
    from qnano.config import identity
    from qnano.storage.folder import RunFolder

    folder = RunFolder(out / experiment.name / identity(experiment))
    if resume and not folder.summary.exists():
        raise InputError(f"{folder}: there is nothing to resume")


def _run(experiment: "Experiment", folder: "RunFolder", force: bool) -> None:
    # Equinox reads it when it is imported: a check that fails gives NaN, which ends a run with its reason, instead of a call of the
    # host, with which no program could be kept on disk.
    os.environ.setdefault("EQX_ON_ERROR", "nan")
    from qnano.experiments import tasks

    # Read when SciPy's LAPACK is loaded: beside XLA's own threads a second one slows small eigenproblems down tenfold.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        summary = tasks.run(experiment, folder, force=force)
    except KeyboardInterrupt:
        print(f"interrupted; the same command goes on from the last checkpoint in {folder}", file=sys.stderr, flush=True)
        os._exit(130)  # a clean exit would wait for what the device still computes
    _draw(folder)
    _show(folder)
    from qnano.experiments.report import failures

    if lines := failures(summary):
        raise RunFailed("\n".join(lines))


@app.command()
def show(run: RunPath) -> None:
    """Show what came out of a run."""
    from qnano.storage.folder import RunFolder

    _show(RunFolder(run))


@app.command()
def plot(runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="folders of runs")]) -> None:
    """Draw the figures of runs."""
    from qnano.storage.folder import RunFolder

    for run in runs:
        for figure in _draw(RunFolder(run)):
            print(figure)
        _warn_of_gaps(RunFolder(run))


@app.command()
def check(config: ConfigFile, overrides: Overrides = None) -> None:
    """Check an experiment without running it, and say how large it is."""
    from qnano.config import load
    from qnano.config.outline import outline

    for line in outline(load(config, overrides or ())):
        print(line)


@app.command()
def schema() -> None:
    """Print the JSON schema of an experiment, for editors that complete and check."""
    import json

    from qnano.config import schema

    print(json.dumps(schema(), indent=2))


@app.command()
def devices() -> None:
    """List the devices that JAX computes on, and where compiled programs are kept."""
    from qnano import programs, runtime

    runtime.start()
    import jax

    for device in jax.devices():
        print(f"{device.platform}:{device.id} {device.device_kind}")
    kept = programs.keep()
    print(f"compiled programs: {kept or 'not kept'} ({programs.VARIABLE}=FOLDER or off)")


@contextmanager
def _room_in(folder: "RunFolder") -> Iterator[None]:
    """Say what to do where the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        then = "make room, and the same command goes on from the last checkpoint; or choose another --out"
        raise InputError(f"{folder}: {error.strerror}; {then}") from None


def _show(folder: "RunFolder") -> None:
    from rich.console import Console
    from rich.measure import Measurement

    from qnano.experiments import tasks

    verbatim = {"markup": False, "emoji": False}  # a name in brackets is a name
    wide = Console(width=1000, **verbatim)
    for made in tasks.tables(folder):
        needed = Measurement.get(wide, wide.options, made).maximum
        Console(width=max(Console().width, needed), **verbatim).print(made)  # narrower, and the columns would be cut
    computed = folder.read_summary()["versions"].get("qnano")
    if computed != __version__:
        print(f"computed by qnano {computed}; this is {__version__}, and --force runs it anew")
    _warn_of_gaps(folder)
    print(f"results: {folder.results}")
    for figure in sorted(folder.figures.glob("*.png")):
        print(f"figure:  {figure}")


def _draw(folder: "RunFolder") -> list[Path]:
    from qnano.experiments import tasks

    return tasks.draw(folder)


def _warn_of_gaps(folder: "RunFolder") -> None:
    from qnano.experiments.report import cautions, gaps

    # elsewhere what is missing need not be a gap, such as the time of a failure that is none
    if folder.read_summary()["task"] == "dynamics":
        for line in (*cautions(folder.read_summary()), *gaps(folder)):
            print(line, file=sys.stderr)


def main() -> None:
    """The entry point. Exit code 0: done; 1: a run failed; 2: bad input; each problem in a line on stderr."""
    try:
        app()
    except InputError as error:
        _fail(str(error), 2)
    except RunFailed as error:
        _fail(str(error), 1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}", 2)


def _fail(text: str, code: int) -> None:
    print(text, file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
