"""The folder of a run: whose it is, what is in it, and that no file is ever half written."""

import json
import os
import subprocess
import sys

import pytest

from qnano.errors import InputError
from qnano.files import replacing
from qnano.storage.folder import FINISHED, RUNNING, RunFolder

CONFIG = "name: small\n"
METHOD = {
    "kind": "exact",
    "state": "finished",
    "message": None,
    "rows": 3,
    "time": 2.0,
    "steps": 1,
    "wall_s": 0.5,
    "compile_s": 0,
    "worst_drift": {"norm": 0.0},
}


def summary(state, **methods):
    of_run = {"name": "small", "id": "0123456789ab", "task": "dynamics", "device": "cpu", "versions": {}}
    return of_run | {"state": state, "methods": methods}


def claim(folder, **options):
    with folder.claimed(CONFIG, **options):
        pass


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "small" / "0123456789ab")


def test_a_new_folder_is_claimed_and_holds_nothing_yet(folder):
    assert not folder.holds(CONFIG)
    claim(folder)
    assert folder.config.read_text() == CONFIG
    assert not folder.holds(CONFIG)


def test_it_holds_the_run_once_that_has_ended(folder):
    claim(folder)
    folder.write_summary(summary(RUNNING))
    assert not folder.holds(CONFIG)
    folder.write_summary(summary(FINISHED, exact=METHOD))
    assert folder.holds(CONFIG)
    assert folder.read_summary() == summary(FINISHED, exact=METHOD)


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"\xff"])
def test_a_damaged_summary_is_told_and_begun_anew(folder, content, capsys):
    claim(folder)
    new = summary(RUNNING)
    assert folder.summary_or(new) == new and not capsys.readouterr().err
    folder.write_summary(summary(FINISHED, exact=METHOD))
    assert folder.summary_or(new) == summary(FINISHED, exact=METHOD)
    folder.summary.write_bytes(content)
    assert not folder.holds(CONFIG) and folder.summary_or(new) == new
    assert capsys.readouterr().err == f"warning: {folder.summary}: is damaged; what it told is computed again\n"


@pytest.mark.parametrize("change", [{"rows": 4}, {"wall_s": 1e308}, {"worst_drift": {}}, {"more": None}], ids=str)
def test_a_number_that_was_altered_is_not_believed(folder, change, capsys):
    claim(folder)
    folder.write_summary(summary(FINISHED, exact=METHOD))
    about = json.loads(folder.summary.read_text())
    folder.summary.write_text(json.dumps(about, sort_keys=True))  # the same in other words
    assert folder.read_summary() == summary(FINISHED, exact=METHOD)
    folder.summary.write_text(json.dumps(about | {"methods": {"exact": METHOD | change}}))
    with pytest.raises(InputError, match=r"summary.json: is not what was written; the command that made it computes it again$"):
        folder.read_summary()
    assert not folder.holds(CONFIG) and folder.summary_or(summary(RUNNING)) == summary(RUNNING)
    assert "is damaged; what it told is computed again" in capsys.readouterr().err


def test_claiming_again_keeps_what_is_there_unless_forced(folder):
    claim(folder)
    folder.write_summary(summary(RUNNING))
    claim(folder)
    assert folder.summary.exists()
    claim(folder, force=True)
    assert not folder.summary.exists()


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("found", ["thesis.tex", "config.yaml"])
def test_what_belongs_to_others_is_never_touched(folder, found, force):
    folder.path.mkdir(parents=True)
    (folder.path / found).write_text("years of work")
    with pytest.raises(InputError, match="exists and is not a run of this experiment; remove it, or choose another --out"):
        folder.holds(CONFIG)
    with pytest.raises(InputError, match="exists and is not a run"):
        claim(folder, force=force)
    assert (folder.path / found).read_text() == "years of work"


def test_a_file_in_the_place_of_the_folder(folder):
    folder.path.parent.mkdir(parents=True)
    folder.path.write_text("a file")
    with pytest.raises(InputError, match="exists and is not a run"):
        claim(folder)


def test_an_empty_folder_or_one_of_a_run_killed_at_once_is_free(folder):
    folder.path.mkdir(parents=True)
    (folder.path / ".config.yaml.123").write_text("nam")
    claim(folder)
    assert folder.config.read_text() == CONFIG


def test_one_process_runs_it_at_a_time(folder):
    script = (
        "import sys; from qnano.storage.folder import RunFolder\n"
        "with RunFolder(sys.argv[1]).claimed('name: small\\n'):\n"
        "    print('mine', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, folder.path]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as other:
        assert other.stdout is not None and other.stdout.readline() == "mine\n"
        for force in (False, True):
            with pytest.raises(InputError, match=f"0123456789ab: is being run by process {other.pid} on "):
                claim(folder, force=force)
        assert folder.config.exists()
        other.kill()
    claim(folder, force=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "not the folder of a run: it has no summary.json"),
        ("{", "cannot be read: Expecting property name.*; the command that made it computes it again$"),
        ("[]", "cannot be read: not the summary of a run; the command that made it computes it again$"),
        (json.dumps(summary(FINISHED) | {"methods": []}), "cannot be read: not the summary of a run"),
        (json.dumps(summary(FINISHED, exact=METHOD | {"rows": True})), "cannot be read: not the summary of a run"),
        (json.dumps(summary(FINISHED, exact={})), "cannot be read: not the summary of a run"),
        (json.dumps(summary(FINISHED, exact=METHOD | {"worst_drift": {"norm": "1"}})), "not the summary of a run"),
        (json.dumps(summary(FINISHED) | {"task": "dreams"}), "cannot be read: not the summary of a run"),
        (json.dumps({"state": "finished", "methods": {}}), "cannot be read: not the summary of a run"),
    ],
)
def test_unreadable_summaries(folder, content, message):
    folder.path.mkdir(parents=True)
    if content is not None:
        folder.summary.write_text(content)
    with pytest.raises(InputError, match=message):
        folder.read_summary()


def test_a_failed_replacement_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as file:
        file.write(b"new")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [child.name for child in tmp_path.iterdir()] == ["file"]
