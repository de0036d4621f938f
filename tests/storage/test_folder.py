"""The folder of a run: whose it is, what is in it, and that no file is ever half written."""

import pytest

from qnano.errors import InputError
from qnano.storage.folder import FINISHED, RUNNING, RunFolder, replacing

CONFIG = "name: small\n"


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "small" / "0123456789ab")


def test_a_new_folder_is_claimed_and_holds_nothing_yet(folder):
    assert not folder.holds(CONFIG)
    folder.claim(CONFIG)
    assert folder.config.read_text() == CONFIG
    assert not folder.holds(CONFIG)


def test_it_holds_the_run_once_that_has_ended(folder):
    folder.claim(CONFIG)
    folder.write_summary({"state": RUNNING, "methods": {}})
    assert not folder.holds(CONFIG)
    folder.write_summary({"state": FINISHED, "methods": {}})
    assert folder.holds(CONFIG)
    assert folder.read_summary() == {"state": FINISHED, "methods": {}}


def test_claiming_again_keeps_what_is_there_unless_forced(folder):
    folder.claim(CONFIG)
    folder.write_summary({"state": RUNNING, "methods": {}})
    folder.claim(CONFIG)
    assert folder.summary.exists()
    folder.claim(CONFIG, force=True)
    assert not folder.summary.exists()


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("found", ["thesis.tex", "config.yaml"])
def test_what_belongs_to_others_is_never_touched(folder, found, force):
    folder.path.mkdir(parents=True)
    (folder.path / found).write_text("years of work")
    with pytest.raises(InputError, match="exists and is not a run of this experiment; remove it, or choose another --out"):
        folder.holds(CONFIG)
    with pytest.raises(InputError, match="exists and is not a run"):
        folder.claim(CONFIG, force=force)
    assert (folder.path / found).read_text() == "years of work"


def test_a_file_in_the_place_of_the_folder(folder):
    folder.path.parent.mkdir(parents=True)
    folder.path.write_text("a file")
    with pytest.raises(InputError, match="exists and is not a run"):
        folder.claim(CONFIG)


def test_an_empty_folder_or_one_of_a_run_killed_at_once_is_free(folder):
    folder.path.mkdir(parents=True)
    (folder.path / ".config.yaml.123").write_text("nam")
    folder.claim(CONFIG)
    assert folder.config.read_text() == CONFIG


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "not the folder of a run: it has no summary.json"),
        ("{", "cannot be read: Expecting property name"),
        ("[]", "cannot be read: not the summary of a run"),
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
