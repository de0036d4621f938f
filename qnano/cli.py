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
    from qnano.config import identity, load, to_yaml
    from qnano.storage.folder import RunFolder

    experiment = load(config, overrides or ())
    folder = RunFolder(out / experiment.name / identity(experiment))
    if not force and folder.holds(to_yaml(experiment)):
        print(f"{folder}: already there; --force runs it anew")
        _show(folder)
        return
    with _room_in(folder):
        _run(experiment, folder, force)


def _run(experiment: "Experiment", folder: "RunFolder", force: bool) -> None:
    from qnano.config import RegimeMap

    # Read when SciPy's LAPACK is loaded: beside XLA's own threads a second one slows small eigenproblems down tenfold.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        if isinstance(experiment, RegimeMap):
            from qnano.experiments.regime_map import run as run_map

            summary = run_map(experiment, folder, force=force)
        else:
            from qnano.experiments.run import run

            summary = run(experiment, folder, force=force)
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
    from qnano.config import RegimeMap, identity, load
    from qnano.config.memory import about, amplitudes, require_fit

    experiment = load(config, overrides or ())
    require_fit(experiment)
    model = experiment.model
    lattice, electrons = model.lattice.geometry, model.electrons
    print(f"{experiment.name} {identity(experiment)}: valid")
    print(f"lattice: {model.lattice.kind}, {lattice.sites} sites, {len(lattice.bonds)} bonds")
    print(f"electrons: {electrons.up} up, {electrons.down} down; {about(amplitudes(experiment))} amplitudes of the wavefunction")
    if isinstance(experiment, RegimeMap):
        interaction, trap = experiment.map.interaction, experiment.map.trap
        print(f"map: {len(interaction)} interactions from {interaction[0]:g} to {interaction[-1]:g} J, ", end="")
        print(f"{len(trap)} traps from {trap[0]:g} to {trap[-1]:g} J")
    print(f"methods: {', '.join(method.name for method in experiment.methods)}")
    print(f"times: {experiment.time.samples} from {experiment.time.start:g} to {experiment.time.end:g} hbar/J")


@app.command()
def schema() -> None:
    """Print the JSON schema of an experiment, for editors that complete and check."""
    import json

    from qnano.config import schema

    print(json.dumps(schema(), indent=2))


@app.command()
def devices() -> None:
    """List the devices that JAX computes on."""
    from qnano import runtime

    runtime.start()
    import jax

    for device in jax.devices():
        print(f"{device.platform}:{device.id} {device.device_kind}")


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

    if _is_map(folder):
        from qnano.experiments.regime_report import tables
    else:
        from qnano.experiments.report import tables

    wide = Console(width=1000)
    for made in tables(folder):
        needed = Measurement.get(wide, wide.options, made).maximum
        Console(width=max(Console().width, needed)).print(made)  # narrower, and the columns would be cut
    computed = folder.read_summary()["versions"].get("qnano")
    if computed != __version__:
        print(f"computed by qnano {computed}; this is {__version__}, and --force runs it anew")
    _warn_of_gaps(folder)
    print(f"results: {folder.results}")
    for figure in sorted(folder.figures.glob("*.png")):
        print(f"figure:  {figure}")


def _draw(folder: "RunFolder") -> list[Path]:
    if _is_map(folder):
        from qnano.experiments.regime_report import draw
    else:
        from qnano.experiments.figures import draw

    return draw(folder)


def _warn_of_gaps(folder: "RunFolder") -> None:
    from qnano.experiments.report import gaps

    if not _is_map(folder):  # there, a point that never fails has no time of failure
        for line in gaps(folder):
            print(line, file=sys.stderr)


def _is_map(folder: "RunFolder") -> bool:
    return folder.read_summary().get("task") == "regime_map"


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
