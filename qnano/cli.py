"""The command line. What a command needs is imported inside it, so that help and every complaint about a config come at once."""

import errno
import gc
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from qnano import __version__
from qnano.errors import InputError, RunFailed

if TYPE_CHECKING:
    from qnano.config.base import AbstractTask
    from qnano.storage.folder import RunFolder


class Stopped(KeyboardInterrupt):
    """A signal that asks this process to end, handled like Ctrl-C."""

    def __init__(self, number: int = signal.SIGINT):
        self.number = number


class Commands(TyperGroup):
    """Typer would say no more than "Aborted!" where a file ends too soon or somebody interrupts."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except EOFError as error:
            raise InputError(f"a file ends too soon: {error or 'it is not complete'}") from None
        except KeyboardInterrupt as error:
            _fail(_ended_by(error), 128 + _number(error))


app = typer.Typer(
    cls=Commands,
    help="Simulate quantum systems out of equilibrium.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _path(key: str, text: str) -> Path:
    """A path with `~` written out, as shells do not do after an equals sign. Raises `InputError` where it is none."""
    try:
        if text.strip() and "\0" not in text:
            return Path(text).expanduser()
    except RuntimeError:  # nobody of that name has a home
        pass
    raise InputError(f"{key}: got {text.strip() or 'nothing'}; must be a folder")


ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file of the experiment")]
Overrides = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="such as model.interaction=2.0")]
Out = Annotated[str, typer.Option(help="where the folders of runs are")]
RunPath = Annotated[str, typer.Argument(metavar="RUN", help="folder of a run, such as runs/hubbard-quench/1a2b3c4d5e6f")]


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        print(__version__)
        raise typer.Exit


@app.command()
def run(
    config: ConfigFile,
    overrides: Overrides = None,
    out: Out = "runs",
    force: Annotated[bool, typer.Option("--force", help="run anew what is already there")] = False,
) -> None:
    """Run an experiment, then show what came out and draw it; an interrupted run goes on where it was."""
    from qnano.tasks.loading import load

    experiment = load(config, overrides or ())
    _must_be_accepted(experiment, overrides or [])
    _start(experiment, out, force)


def _start(experiment: "AbstractTask", out: str, force: bool) -> None:
    from qnano.tasks.outline import require_resources, warnings

    folder = _folder(experiment, out)
    if not force and _is_there(experiment, folder):
        print(f"{folder}: already there; --force runs it anew")
        _show(folder)
        return
    require_resources(experiment, folder.path)
    for line in warnings(experiment):
        print(f"warning: {line}", file=sys.stderr)
    with _room_in(folder):
        _run(experiment, folder, force)


def _is_there(experiment: "AbstractTask", folder: "RunFolder") -> bool:
    """Whether a run has ended, and nothing of what it left is damaged or missing."""
    from qnano.checkpoints import is_sealed
    from qnano.storage.store import attributes, is_whole
    from qnano.tasks.loading import identity, to_yaml

    if not folder.holds(to_yaml(experiment)) or (summary := folder.read_summary())["id"] != identity(experiment):
        return False
    methods = summary["methods"]
    in_time = {label: method["rows"] for label, method in methods.items() if "time" in method}  # which may have stopped
    whole = is_whole(folder.results, in_time) and attributes(folder.results).get("id") in (None, summary["id"])
    return whole and (is_sealed(folder.weights) or not experiment.trains)


@app.command()
def sweep(
    config: ConfigFile,
    overrides: Overrides = None,
    out: Out = "runs",
    force: Annotated[bool, typer.Option("--force", help="run anew what is already there")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="only go on with a sweep that was begun")] = False,
    engine: Annotated[str | None, typer.Option(help="where points are computed, if not where the config says")] = None,
) -> None:
    """Run an experiment at every point of its `sweep`; finished points are never computed again."""
    from qnano.tasks.loading import load
    from qnano.tasks.sweep.schema import Swept

    experiment = load(config, [*(overrides or ()), *([f"engine={{kind: {engine}}}"] if engine else ())])
    if not isinstance(experiment, Swept):
        raise InputError(f"{config}: has no sweep; must have one, such as sweep: {{model.interaction: [1.0, 2.0]}}")
    _must_be_accepted(experiment, overrides or [])
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
    out: Out = "runs",
    force: Annotated[bool, typer.Option("--force", help="run anew what is already there")] = False,
) -> None:
    """Differentiate what an experiment measures by numbers in its config; the options stand for its section `gradient`."""
    from qnano.tasks.gradient.parameters import gradient_of, parameters
    from qnano.tasks.loading import load

    options = {"of": of, "wrt": wrt, "mode": mode, "check": check}
    experiment = gradient_of(load(config, overrides or ()), **{key: value for key, value in options.items() if value is not None})
    parameters(experiment)  # what is wrong with a key is told at once
    _start(experiment, out, force)


@app.command()
def train(
    config: ConfigFile,
    overrides: Overrides = None,
    out: Out = "runs",
    force: Annotated[bool, typer.Option("--force", help="train anew what is already there")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="only go on with a training that was begun")] = False,
) -> None:
    """Train a learned closure or a surrogate; an interrupted training goes on from its last checkpoint."""
    from qnano.tasks import register
    from qnano.tasks.loading import load

    experiment = load(config, overrides or ())
    if not experiment.trains:
        training = [name for name in register.TASKS if register.schema(name).trains]
        raise InputError(f"{config}: task: got {experiment.task}; must be {' or '.join(training)}")
    _must_be_begun(experiment, out, resume)
    _start(experiment, out, force)


def _folder(experiment: "AbstractTask", out: str) -> "RunFolder":
    from qnano.storage.folder import RunFolder
    from qnano.tasks.loading import identity

    return RunFolder(_path("--out", out) / experiment.name / identity(experiment))


def _must_be_accepted(experiment: "AbstractTask", given: list[str]) -> None:
    """Whoever runs a scheduler of Dask can run code in the process that connects to it: a file alone must not lead there."""
    address = getattr(getattr(experiment, "engine", None), "address", None)
    if address is not None and not any(override.split("=")[0].split(".")[0] == "engine" for override in given):
        rule = "whoever runs that scheduler can run code here: must be confirmed on the command line by engine.address=..."
        raise InputError(f"engine.address: got {address!r}; {rule}")


def _must_be_begun(experiment: "AbstractTask", out: str, resume: bool) -> None:
    folder = _folder(experiment, out)
    if resume and not folder.summary.exists():
        raise InputError(f"{folder}: there is nothing to resume")


def _run(experiment: "AbstractTask", folder: "RunFolder", force: bool) -> None:
    # Equinox reads it when it is imported: a check that fails gives NaN, which ends a run with its reason, instead of a call of the
    # host, with which no program could be kept on disk.
    os.environ.setdefault("EQX_ON_ERROR", "nan")
    from qnano import devices
    from qnano.tasks import register

    devices.hush()
    try:
        summary = register.run(experiment, folder, force=force)
    except KeyboardInterrupt as error:
        print(f"{_ended_by(error)}; the same command goes on from the last checkpoint in {folder}", file=sys.stderr, flush=True)
        os._exit(128 + _number(error))  # a clean exit would wait for what the device still computes
    _draw(folder)
    _show(folder)
    from qnano.tasks.keeping import failures

    if lines := failures(summary):
        raise RunFailed("\n".join(lines))


@app.command()
def show(run: RunPath) -> None:
    """Show what came out of a run."""
    from qnano.storage.folder import RunFolder

    _show(RunFolder(_path("RUN", run)))


@app.command()
def plot(runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="folders of runs")]) -> None:
    """Draw the figures of runs."""
    from qnano.storage.folder import RunFolder

    for run in runs:
        for figure in _draw(RunFolder(_path("RUN", run))):
            print(figure)
        _warn_of_gaps(RunFolder(_path("RUN", run)))


@app.command()
def check(config: ConfigFile, overrides: Overrides = None) -> None:
    """Check an experiment without running it, and say how large it is."""
    from qnano.tasks.loading import load
    from qnano.tasks.outline import outline

    print("\n".join(outline(load(config, overrides or ()))))


@app.command()
def schema() -> None:
    """Print the JSON schema of an experiment, for editors that complete and check."""
    import json

    from qnano.tasks.loading import schema

    print(json.dumps(schema(), indent=2))


@app.command()
def devices() -> None:
    """List the devices that JAX computes on, say why no GPU is among them, and where compiled programs are kept."""
    from qnano import devices, programs, runtime

    devices.hush()
    runtime.start()
    import jax

    for device in jax.devices():
        print(f"{device.platform}:{device.id} {device.device_kind}")
    print(devices.in_use())
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
    from rich.text import Text

    from qnano.tasks import register

    class Plain(Console):
        """What stands in tables may come from a stranger: it is neither markup nor a command to the terminal."""

        def render_str(self, text: str, *, emoji: bool | None = None, markup: bool | None = None, **style: Any) -> Text:
            return super().render_str(printable(text), emoji=False, markup=False, **style)

    with folder.being_read():
        wide = Plain(width=1000)
        for made in register.tables(folder):
            needed = Measurement.get(wide, wide.options, made).maximum
            Plain(width=max(Console().width, needed)).print(made)  # narrower, and the columns would be cut
        computed = folder.read_summary()["versions"].get("qnano")
        if computed != __version__:
            print(f"computed by qnano {computed}; this is {__version__}, and --force runs it anew")
        _warn_of_gaps(folder)
        print(f"results: {folder.results}")
        for figure in sorted(folder.figures.glob("*.png")):
            print(f"figure:  {figure}")


def _draw(folder: "RunFolder") -> list[Path]:
    from qnano.tasks import register

    with folder.being_read():
        return register.draw(folder)


def _warn_of_gaps(folder: "RunFolder") -> None:
    from qnano.tasks import register

    for line in register.remarks(folder):
        print(line, file=sys.stderr)


def main() -> None:
    """The entry point. Exit code 0: done; 1: a run failed; 2: bad input; 128 + n: signal n; each problem in a line on stderr."""
    # Read when the LAPACK of NumPy and SciPy is loaded: beside XLA's own threads a second one slows small eigenproblems tenfold.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Imports and traces make a million objects that stay; to look for garbage at every 700th takes a tenth of a short run.
    gc.set_threshold(10_000)
    try:
        with _signals(), _warnings():
            app()
    except InputError as error:
        _fail(str(error), 2)
    except RunFailed as error:
        _fail(str(error), 1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}", 2)


@contextmanager
def _signals() -> Iterator[None]:
    """Inside, what asks a process to end is heard like Ctrl-C, unless whoever started it had it ignored, as nohup does."""

    def stop(number: int, _: object) -> None:
        raise Stopped(number)

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    numbers = [getattr(signal, name) for name in names] if threading.current_thread() is threading.main_thread() else []
    before = {number: signal.getsignal(number) for number in numbers}
    heard = [number for number, handler in before.items() if handler == signal.SIG_DFL]
    for number in heard:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def _warnings() -> Iterator[None]:
    """Inside, a warning of any library is one line, without the place in somebody's code."""

    def tell(message: Warning | str, *_: object, **__: object) -> None:
        lines = str(message).strip().splitlines()
        print(printable(f"warning: {lines[0] if lines else type(message).__name__}"), file=sys.stderr)

    before, warnings.showwarning = warnings.showwarning, tell
    try:
        yield
    finally:
        warnings.showwarning = before


def _number(error: KeyboardInterrupt) -> int:
    return getattr(error, "number", signal.SIGINT)


def _ended_by(error: KeyboardInterrupt) -> str:
    number = _number(error)
    return "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"


def printable(text: str) -> str:
    """Without what a terminal would obey."""
    return "".join(sign if sign.isprintable() or sign == "\n" else "?" for sign in text)


def _fail(text: str, code: int) -> NoReturn:
    print(printable(text), file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
