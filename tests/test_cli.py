"""The command line: exit codes, one line per problem on stderr, and a start that does not wait for JAX."""

import errno
import json
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from qnano import __version__ as real
from qnano import cli
from qnano.families.build import build
from qnano.storage.folder import RunFolder
from qnano.tasks.dynamics import report as drawing
from qnano.tasks.dynamics import run as module
from tests.tasks import fake
from tests.tasks.test_loading import SMALL


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A valid config in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(SMALL)
    return "small.yaml"


@pytest.fixture
def figures():
    """Asks for figures to be drawn, which takes a second each time."""


@pytest.fixture
def qnano(monkeypatch, capsys, request):
    """Call the command line with fake physics; returns the exit code, stdout, and the lines of stderr but that of the device."""
    monkeypatch.setattr(module, "build", fake.build)
    if "figures" not in request.fixturenames:
        monkeypatch.setattr(drawing, "draw", lambda folder: [])

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["qnano", *arguments])
        with pytest.raises(SystemExit) as exit:
            cli.main()
        out, err = capsys.readouterr()
        return exit.value.code or 0, out, [line for line in err.splitlines() if not line.startswith("device: ")]

    return call


@pytest.mark.slow
def test_run_shows_a_table_and_the_paths(config, qnano, tmp_path, figures):
    code, out, err = qnano("run", config)
    assert (code, err) == (0, [])
    (folder,) = (tmp_path / "runs" / "small").iterdir()
    for expected in ("finished on cpu", "max |Δn|", "td2rdm", f"results: runs/small/{folder.name}/results.zarr"):
        assert expected in out
    paths = [line.split()[-1] for line in out.splitlines() if line.startswith("figure:")]
    assert len(paths) == 4 and all((tmp_path / path).exists() for path in paths)
    assert all((folder / name).exists() for name in ("config.yaml", "results.zarr", "summary.json"))


def test_the_same_config_again_is_shown_and_not_run(config, qnano, monkeypatch):
    qnano("run", config)
    monkeypatch.setattr(module, "build", lambda _: pytest.fail("was run again"))
    code, out, _ = qnano("run", config)
    assert code == 0 and out.splitlines()[0].endswith("already there; --force runs it anew") and "max |Δn|" in out
    code, out, _ = qnano("run", config, "name=small", "seed=0")
    assert code == 0 and "already there" in out


def test_force_runs_anew(config, qnano):
    qnano("run", config)
    code, out, _ = qnano("run", config, "--force")
    assert code == 0 and "already there" not in out


def test_a_run_that_diverges_says_so_and_exits_1(config, qnano):
    code, out, err = qnano("run", config, "model.interaction=20")
    assert code == 1 and len(err) == 1
    assert err[0].startswith("td2rdm: left its physical bounds at t = 1.") and err[0].endswith("largest_element no longer holds")
    assert "diverged" in out


@pytest.mark.slow
def test_show_and_plot(config, qnano, tmp_path, figures):
    qnano("run", config, "--out", "elsewhere")
    (folder,) = (tmp_path / "elsewhere" / "small").iterdir()
    code, out, _ = qnano("show", str(folder))
    assert code == 0 and "max |Δn|" in out
    for figure in (folder / "figures").iterdir():
        figure.unlink()
    code, out, _ = qnano("plot", str(folder))
    assert code == 0 and len(out.splitlines()) == 4 and len(list((folder / "figures").iterdir())) == 4
    code, _, err = qnano("plot", "nowhere")
    assert (code, err) == (2, ["nowhere: not the folder of a run: it has no summary.json"])


def test_a_run_without_a_first_row_is_shown_and_drawn(config, qnano, tmp_path, monkeypatch, figures):
    def killed(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.ResultStore, "write", killed)
    assert qnano("run", config)[0] == 2
    (folder,) = (tmp_path / "runs" / "small").iterdir()
    for command in ("show", "plot"):
        code, _, err = qnano(command, str(folder))
        assert (code, err) == (0, [])


def test_check_schema_and_version(config, qnano):
    code, out, _ = qnano("check", config)
    assert code == 0 and "4 sites, 3 bonds" in out and "36 amplitudes" in out
    code, out, _ = qnano("schema")
    assert code == 0 and json.loads(out)["title"] == "Experiment"
    code, out, _ = qnano("--version")
    assert code == 0 and out.strip() == cli.__version__
    code, out, _ = qnano("devices")
    assert code == 0 and out.startswith(("cpu:0", "gpu:0")) and "\ndevice: " in out


def python(*arguments):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True)


@pytest.mark.slow
def test_a_gpu_that_is_asked_for_and_not_there_is_one_line(monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    done = python("-m", "qnano.cli", "devices")
    (line,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "") and line.startswith("JAX_PLATFORMS: got 'cuda'; must name platforms")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["run", "nowhere.yaml"], "nowhere.yaml: no such file"),
        (["check", "small.yaml", "model.electrons.down=7"], "model.electrons.down: got 7; must be between 0 and 4"),
        (["run", "small.yaml", "time.end=-1"], "time.end: got -1.0; must be greater than time.start (0)"),
        (["check", "small.yaml", "seed"], "override 'seed': must be key=value"),
        (["show", "nowhere"], "nowhere: not the folder of a run: it has no summary.json"),
        (["run", "small.yaml", "--out", "small.yaml"], "small.yaml"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(config, qnano, arguments, line):
    code, _, err = qnano(*arguments)
    assert code == 2
    assert len(err) == 1 and line in err[0]


def test_every_problem_has_its_line(config, qnano):
    code, _, err = qnano("check", config, "model.hoping=1", "seed=x")
    assert code == 2 and [line.split(":")[0] for line in err] == ["model.hoping", "seed"]


def test_bad_usage_exits_2(config, qnano):
    assert qnano("run")[0] == 2
    assert qnano("fly")[0] == 2


def test_a_foreign_folder_is_not_touched(config, qnano, tmp_path):
    qnano("run", config)
    (folder,) = (tmp_path / "runs" / "small").iterdir()
    (folder / "config.yaml").write_text("mine")
    for force in ([], ["--force"]):
        code, _, err = qnano("run", config, *force)
        assert code == 2 and len(err) == 1 and "exists and is not a run of this experiment" in err[0]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EDQUOT])
def test_a_full_disk_is_one_line(config, qnano, monkeypatch, number):
    names = [] if number == errno.ENOSPC else ["results.zarr"]  # a full disk rarely says where

    def full(self, *_):
        raise OSError(number, os.strerror(number), *names)

    monkeypatch.setattr(module.ResultStore, "write", full)
    code, _, err = qnano("run", config)
    assert code == 2 and len(err) == 1
    if number == errno.EACCES:
        assert err[0] == f"results.zarr: {os.strerror(number)}"
    else:
        assert err[0].startswith("runs/small/") and f": {os.strerror(number)}; make room, and the same command goes on" in err[0]


def test_the_run_of_another_version_says_so(config, qnano, monkeypatch):
    assert "computed by" not in qnano("run", config)[1]
    monkeypatch.setattr(cli, "__version__", "9.9")
    for arguments in (["run", config], ["show", *map(str, Path("runs/small").iterdir())]):
        assert f"computed by qnano {real}; this is 9.9, and --force runs it anew" in qnano(*arguments)[1].splitlines()


def test_rows_that_got_lost_are_told(config, qnano):
    qnano("run", config, "model.interaction=20")  # td2rdm diverges, which is no gap
    (folder,) = Path("runs/small").iterdir()
    assert qnano("show", str(folder))[2] == []
    chunks = sorted((folder / "results.zarr" / "exact" / "energy" / "c").iterdir())
    chunks[0].unlink()
    for command in ("show", "plot"):
        code, _, err = qnano(command, str(folder))
        assert code == 2 and err == [f"{chunks[0]}: is missing; the command that made it computes it again"]
    seals = folder / "results.zarr" / "seals.json"  # older versions made none
    seals.unlink()
    for command in ("show", "plot"):
        code, _, err = qnano(command, str(folder))
        assert code == 0
        assert err == [f"{folder}/results.zarr: 1 of 21 rows of exact are missing; the command that made it computes it again"]
    qnano("run", config, "model.interaction=20")
    assert qnano("show", str(folder))[2] == []


def test_what_does_not_fit_is_told_by_check_and_run(config, qnano, monkeypatch):
    monkeypatch.setattr(module, "build", build)
    for command in ("check", "run"):
        code, _, err = qnano(command, config, "time.samples=1000000000000")
        assert code == 2 and len(err) == 1 and err[0].startswith("time.samples: got 1.00e+12 times of ")


@pytest.mark.slow
def test_an_interrupted_run_says_how_to_go_on(config, qnano, tmp_path):
    """In a process of its own, since that ends at once; the second call ends what the first began."""
    script = (
        "import os, signal, sys\n"
        "from qnano import cli\n"
        "from qnano.tasks.dynamics import run\n"
        "from tests.tasks import fake\n"
        "run.build = fake.build\n"
        "original = run.save_checkpoint\n"
        "def save_and_interrupt(*arguments):\n"
        "    original(*arguments)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "run.save_checkpoint = save_and_interrupt\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a process in the background ignores it
        "sys.argv = ['qnano', 'run', 'small.yaml', 'methods=[exact]']\n"
        "cli.main()\n"
    )
    done = python("-c", script)
    assert done.returncode == 130
    (folder,) = (tmp_path / "runs" / "small").iterdir()
    path = f"runs/small/{folder.name}"
    assert done.stderr.splitlines()[1:] == [f"interrupted; the same command goes on from the last checkpoint in {path}"]
    assert RunFolder(folder).read_summary()["state"] == "running"
    assert qnano("run", config, "methods=[exact]")[0] == 0
    assert RunFolder(folder).read_summary()["state"] == "finished"


@pytest.mark.parametrize("name", ["SIGTERM", pytest.param("SIGHUP", marks=pytest.mark.slow)])
def test_signals_are_heard_like_ctrl_c(config, tmp_path, name):
    script = (
        "import os, signal, sys\n"
        "from qnano import cli\n"
        "from qnano.tasks.dynamics import run\n"
        "from tests.tasks import fake\n"
        "run.build = fake.build\n"
        "original = run.save_checkpoint\n"
        "def save_and_stop(*arguments):\n"
        "    original(*arguments)\n"
        f"    os.kill(os.getpid(), signal.{name})\n"
        "run.save_checkpoint = save_and_stop\n"
        f"signal.signal(signal.{name}, signal.SIG_DFL)\n"
        "sys.argv = ['qnano', 'run', 'small.yaml', 'methods=[exact]']\n"
        "cli.main()\n"
    )
    done = python("-c", script)
    assert done.returncode == 128 + getattr(signal, name)
    (folder,) = (tmp_path / "runs" / "small").iterdir()
    device, *lines = done.stderr.splitlines()
    assert device.startswith("device: ")
    assert lines == [f"ended by {name}; the same command goes on from the last checkpoint in runs/small/{folder.name}"]
    assert RunFolder(folder).checkpoint("exact").exists()


def test_what_ends_too_soon_is_interrupted_or_warns_is_one_line(config, qnano, monkeypatch):
    def fails(error):
        def build(_):
            warnings.warn_explicit("divide by zero\nin a place", RuntimeWarning, "/somewhere/numpy.py", 3)
            raise error

        monkeypatch.setattr(module, "build", build)
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            return qnano("run", config)

    code, _, err = fails(EOFError("Compressed file ended"))
    assert (code, err) == (2, ["warning: divide by zero", "a file ends too soon: Compressed file ended"])
    monkeypatch.setattr(cli, "_start", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    assert qnano("run", config)[::2] == (130, ["interrupted"])


def test_out_must_be_something(config, qnano):
    assert qnano("run", config, "--out", "")[::2] == (2, ["--out: got nothing; must be a folder"])
    assert qnano("run", config, "--out=~nobody-of-that-name/x")[::2] == (2, ["--out: got ~nobody-of-that-name/x; must be a folder"])


def test_a_tilde_in_out_is_the_home_folder(config, qnano, tmp_path, monkeypatch):
    """After an equals sign, where no shell writes it out."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    code, out, err = qnano("run", config, "--out=~/there", "methods=[exact]", "time.samples=5")
    (folder,) = (tmp_path / "home" / "there" / "small").iterdir()
    assert (code, err) == (0, []) and f"results: {folder / 'results.zarr'}" in out
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["home"]
    assert qnano("show", f"~/there/small/{folder.name}")[0] == 0


def test_an_address_that_stands_in_a_file_alone_is_refused(config, qnano, monkeypatch):
    Path(config).write_text(SMALL + "sweep: {model.interaction: [1.0, 2.0]}\nengine: {kind: scheduler, address: 'tcp://evil:1'}\n")
    monkeypatch.setattr(cli, "_start", lambda *_: None)
    for command in ("run", "sweep"):
        code, _, err = qnano(command, config)
        assert code == 2 and len(err) == 1 and err[0].startswith("engine.address: got 'tcp://evil:1'; whoever runs that scheduler")
        for accepted in ("engine.address=tcp://node7:8786", "engine={kind: local}"):
            assert qnano(command, config, accepted)[0] == 0


def test_help_comes_at_once_and_nothing_before_a_run_imports_jax(config):
    script = (
        "import sys\n"
        "from qnano.cli import main\n"
        "sys.argv = ['qnano', *sys.argv[1:]]\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'jax', 'diffrax', 'matplotlib', 'zarr', 'xarray'} & sys.modules.keys()\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    for arguments in (["--help"], ["check", config], ["schema"], ["run", config, "model.hoping=1"]):
        done = python("-c", script, *arguments)
        assert done.returncode == 0, done.stderr
