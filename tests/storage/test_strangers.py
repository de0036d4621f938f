"""Folders, stores and weights that a stranger made: nothing is executed, followed or waited for; one line says what is wrong."""

import json
import os
import shutil
import sys

import google_crc32c
import numpy as np
import pytest

from qnano import checkpoints, cli
from qnano.errors import InputError
from qnano.learning import dataset, weights
from qnano.storage.folder import RunFolder
from qnano.storage.store import Coordinate, ResultStore, Variable, is_whole, read
from tests.learning.systems import CLOSURES, learner, some
from tests.storage.test_folder import METHOD, summary


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A small run, beside which stands a file that must stay; in a working directory in which a sentinel would appear."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("years of work")
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    folder.config.write_text("name: small\n")
    folder.write_summary(summary("finished", exact=METHOD))
    store = ResultStore(folder.results, {"title": "small"})
    energy = Variable(("time",), (3,), np.dtype(float), "J", "energy")
    store.create("exact", {"energy": energy}, {"time": Coordinate(np.arange(3.0), "hbar/J", "time")}, rows=1)
    store.write("exact", 0, {"energy": np.array([1.0, 2.0, 3.0])})
    return folder


def told(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["qnano", *map(str, arguments)])
    with pytest.raises(SystemExit) as exit:
        cli.main()
    err = capsys.readouterr().err.splitlines()
    assert exit.value.code == 2 and len(err) == 1
    return err[0]


def metadata(**changes):
    def change(folder):
        path = folder.results / "exact" / "energy" / "zarr.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def chunks(*shape):
    return {"name": "regular", "configuration": {"chunk_shape": list(shape)}}


def put(name, content):
    def change(folder):
        path = folder.path / name
        path.unlink(missing_ok=True)
        path.write_text(content)

    return change


def linked(name):
    def change(folder):
        path = folder.path / name
        if path.exists():
            path.rename(folder.path.parent / f"was-{path.name}")
        path.symlink_to(folder.path.parent / "outside" / ("file" if "." in name and name != "results.zarr" else ""))

    return change


def pipe(name):
    def change(folder):
        (folder.path / name).unlink(missing_ok=True)
        os.mkfifo(folder.path / name)

    return change


def bomb(folder):
    """A chunk of a few bytes, with a checksum that is right, which says it holds 2^40."""
    chunk = folder.results / "exact" / "energy" / "c" / "0"
    content = b"\x28\xb5\x2f\xfd\xe0" + (2**40).to_bytes(8, "little") + bytes(9)
    chunk.write_bytes(content + google_crc32c.value(content).to_bytes(4, "little"))


HOSTILE = {
    "format 2 with a pickle": (put("results.zarr/exact/.zarray", '{"compressor": {"id": "pickle"}}'), "zarr format 2; must be"),
    "a pickle as codec": (metadata(codecs=[{"name": "numcodecs.pickle"}]), "codecs: must be first bytes"),
    "a pickle inside shards": (
        metadata(codecs=[{"name": "sharding_indexed", "configuration": {"codecs": [{"name": "numcodecs.pickle"}]}}]),
        "codecs: must be first bytes",
    ),
    "an unknown compressor": (metadata(codecs=[{"name": "bytes"}, {"name": "gzip"}]), "codecs: must be then zstd and crc32c"),
    "objects": (metadata(data_type="object"), "data_type: must be a number or a string"),
    "a shape of 1e30": (metadata(shape=[10**30]), "shape: must be"),
    "more than the memory": (metadata(shape=[10**15], chunk_grid=chunks(10**15)), "its arrays take"),
    "a billion chunks": (metadata(shape=[10**9], chunk_grid=chunks(1)), "chunks; must be at most"),
    "chunks of 0": (metadata(chunk_grid=chunks(0)), "chunk_grid: must be regular"),
    "no units": (metadata(attributes={"long_name": "energy"}), "units: must be printable words"),
    "units for the terminal": (metadata(attributes={"units": "\x1b[31m", "long_name": "energy"}), "units: must be printable words"),
    "deep metadata": (put("results.zarr/zarr.json", "[" * 100_000), "zarr.json: cannot be read"),
    "a chunk that swells": (bomb, "is larger than a chunk"),
    "a chunk that is a pipe": (pipe("results.zarr/exact/energy/c/0"), "is neither a file nor a folder"),
    "a link in the store": (linked("results.zarr/exact/energy/c/0"), "is a link"),
    "a linked store": (linked("results.zarr"), "results.zarr: is a link"),
    "linked figures": (linked("figures"), "figures: is a link"),
    "linked checkpoints": (linked("checkpoints"), "checkpoints: is a link"),
    "a linked lock": (linked(".lock"), ".lock: is a link"),
    "a linked summary": (linked("summary.json"), "summary.json: is a link"),
    "a linked config": (linked("config.yaml"), "config.yaml: is a link"),
    "a summary that is a pipe": (pipe("summary.json"), "is neither a file nor a folder"),
    "a deep summary": (put("summary.json", "[" * 100_000), "nested too deeply"),
    "a summary of huge numbers": (
        put("summary.json", json.dumps(summary("finished", exact=METHOD | {"wall_s": 10**400}))),
        "not the summary of a run",
    ),
    "a summary that speaks to the terminal": (
        put("summary.json", json.dumps(summary("finished", exact=METHOD) | {"device": "\x1b]0;mine\x07"})),
        "not the summary of a run",
    ),
    "a summary of failures": (
        put("summary.json", json.dumps(summary("finished", exact=METHOD | {"failures": [3]}))),
        "not the summary of a run",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_folders_are_one_line(run, name, monkeypatch, capsys, tmp_path):
    change, expected = HOSTILE[name]
    change(run)
    for command in ("show", "plot"):
        assert expected in told(monkeypatch, capsys, command, run.path)
    if "link" in name and "in the store" not in name:
        for force in (False, True):
            with pytest.raises(InputError, match="is a link"), run.claimed("name: small\n", force=force):
                pass
    assert not (tmp_path / "SENTINEL").exists()
    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["file"]
    assert (tmp_path / "outside" / "file").read_text() == "years of work"


def test_markup_is_shown_as_it_stands(run, monkeypatch, capsys):
    run.write_summary(summary("finished", exact=METHOD) | {"device": "[bold]cpu[/] [/nothing] :smile:"})
    monkeypatch.setattr(sys, "argv", ["qnano", "show", str(run)])
    with pytest.raises(SystemExit) as exit:
        cli.main()
    assert not exit.value.code and "[bold]cpu[/] [/nothing] :smile:" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("where", ["energy/c/1", "time/c/0", "energy/zarr.json"])
def test_flipped_bytes_are_told_by_name_and_known_for_what_they_are(run, where, monkeypatch, capsys):
    path = run.results / "exact" / where
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"J"', b'"K"') if where.endswith("json") else content[:-6] + b"!!" + content[-4:])
    assert path.read_bytes() != content
    for command in ("show", "plot"):
        assert told(monkeypatch, capsys, command, run.path).startswith(f"{path}: is damaged; the command that made it")
    assert not is_whole(run.results, {})
    (chunk,) = ResultStore(run.results, {}).damaged("exact", 3)
    assert chunk.file == path and (chunk.array, chunk.place) == (where.split("/")[0], (int(where == "energy/c/1"),))
    assert capsys.readouterr().err.splitlines() == [f"warning: {path}: is damaged; what it held is computed again"]
    path.unlink()
    assert [lost.file for lost in ResultStore(run.results, {}).damaged("exact", 3)] == [path]
    assert ResultStore(run.results, {}).damaged("exact", 0) == []


def test_a_size_that_is_damaged_is_known_for_what_it_is(run):
    """The chunk says that it is larger than any of its array; it is not unpacked, and what was written there is computed again."""
    path = run.results / "exact" / "energy" / "c" / "1"
    content = path.read_bytes()
    path.write_bytes(content[:4] + bytes([content[4] ^ 0xC0]) + b"\xff" + content[6:])
    with pytest.raises(InputError, match=r"energy/c/1: is damaged; the command that made it"):
        read(run.results)
    assert not is_whole(run.results, {})
    assert [lost.file for lost in ResultStore(run.results, {}).damaged("exact", 3)] == [path]


@pytest.mark.parametrize("where", ["zarr.json", "exact/zarr.json", "exact/energy/zarr.json"])
def test_a_group_whose_metadata_are_torn_is_dropped(run, where, capsys):
    path = run.results / where
    path.write_bytes(path.read_bytes()[:-20])
    assert not is_whole(run.results, {})
    assert ResultStore(run.results, {}).damaged("exact", 3)
    assert capsys.readouterr().err == f"warning: {path}: is damaged; what it held is computed again\n"
    assert not (run.results / "exact").exists()


def consistently(folder, array, change):
    """Change an array's metadata, or remove it, in all copies."""
    group = folder.results / "exact"
    found = change(json.loads((group / array / "zarr.json").read_text()))
    shutil.rmtree(group / array) if found is None else (group / array / "zarr.json").write_text(json.dumps(found))
    for file, key in ((group / "zarr.json", array), (folder.results / "zarr.json", f"exact/{array}")):
        about = json.loads(file.read_text())
        known = about["consolidated_metadata"]["metadata"]
        known.pop(key, None) if found is None else known.update({key: found})
        file.write_text(json.dumps(about))


@pytest.mark.parametrize(
    ("array", "change", "words"),
    [
        ("energy", lambda about: about | {"dimension_names": ["site"]}, "energy/zarr.json: cannot be read: dimension_names: got"),
        ("time", lambda about: None, "time/zarr.json: is missing; the command that made it computes it again"),
        ("energy", lambda about: None, "energy/zarr.json: is missing; the command that made it computes it again"),
        ("energy", lambda about: about | {"dimension_names": ["time"], "shape": [2]}, "conflicting sizes"),
    ],
    ids=["a dimension of another name", "no times", "no energies", "another length"],
)
def test_what_a_report_needs_is_there(run, array, change, words, monkeypatch, capsys):
    consistently(run, array, change)
    assert words in told(monkeypatch, capsys, "show", run)
    assert words in told(monkeypatch, capsys, "plot", run)


@pytest.mark.parametrize("content", [b"name: other\n", b"\xff", None], ids=["other", "no text", "none"])
def test_a_config_that_is_not_the_one_of_the_results(run, content, monkeypatch, capsys):
    """What they are would be told wrongly: windows, axes and names of figures come from there."""
    path = run.results / "zarr.json"
    about = json.loads(path.read_text())
    path.write_text(json.dumps(about | {"attributes": about["attributes"] | {"config": run.config.read_text()}}))
    run.config.unlink()
    if content is not None:
        run.config.write_bytes(content)
    line = told(monkeypatch, capsys, "show", run.path)
    assert line.startswith(f"{run.config}: ") and (content != b"name: other\n" or "is not the config of " in line)
    assert told(monkeypatch, capsys, "plot", run.path) == line


def test_a_summary_of_another_run(run, monkeypatch, capsys):
    path = run.results / "zarr.json"
    about = json.loads(path.read_text())
    path.write_text(json.dumps(about | {"attributes": about["attributes"] | {"id": "ba9876543210"}}))
    for command in ("show", "plot"):
        assert f"{run.summary}: is not the summary of {run.results}, " in told(monkeypatch, capsys, command, run.path)
    new = summary("running") | {"id": "ba9876543210"}
    assert run.summary_or(new) == new
    assert "summary.json: is damaged; what it told is computed again" in capsys.readouterr().err


def test_an_older_store_without_labels(run, monkeypatch, capsys):
    """Nothing says which arrays it had."""
    (run.results / "seals.json").unlink()
    consistently(run, "time", lambda about: None)
    words = "energy/zarr.json: cannot be read: dimension_names: got 'time'; its places must have labels"
    assert words in told(monkeypatch, capsys, "show", run)


def test_a_store_that_is_whole_but_of_something_else(run, monkeypatch, capsys):
    number = Variable(("site",), (3,), np.dtype(float), "J", "energy")
    ResultStore(run.results, {}).create("exact", {"energy": number}, {"site": Coordinate(np.arange(3), "1", "site")}, rows=1)
    assert "results.zarr: not what a dynamics writes: KeyError: " in told(monkeypatch, capsys, "show", run)


def test_what_is_missing_is_seen(run):
    assert is_whole(run.results, {})
    (run.results / "exact" / "energy" / "c" / "1").unlink()
    assert not is_whole(run.results, {}) and not is_whole(run.results, {"exact": 2}) and is_whole(run.results, {"exact": 1})
    shutil.rmtree(run.results / "exact")
    assert not is_whole(run.results, {})
    shutil.rmtree(run.results)
    assert not is_whole(run.results, {})


def test_a_folder_that_is_looked_at_is_not_emptied(run):
    with run.claimed("name: small\n"), run.being_read():
        pass
    with run.being_read(), run.being_read():
        with (
            pytest.raises(InputError, match="is being shown or drawn by another process"),
            run.claimed("name: small\n", force=True),
        ):
            pass
        assert run.summary.exists()


def test_a_hostile_dataset(run, tmp_path):
    bomb(run)
    with pytest.raises(InputError, match="is larger than a chunk"):
        dataset.load(run.results)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"learner": 3}, "learner: "),
        ({"learner": {"kind": "dense", "width": 10**9}}, "holds other arrays"),
        ({"learner": {"kind": "dense", "width": 1, "depth": 10**9}}, "learner: depth: got 1000000000; must be .* at most 100"),
        ({"learner": {"kind": "dense", "width": "x"}}, "learner"),
        ({"learner": {"kind": "dense", "wide": 3}}, "learner"),
        ({"system": None}, "system"),
        ({"system": {"sites": 10**9}}, "system"),
        ({"system": {"sites": "4"}}, "system"),
    ],
)
def test_weights_with_a_wrong_header(tmp_path, header, message):
    path = tmp_path / "weights.eqx"
    good = {"format": 1, "learner": CLOSURES["dense"], "system": weights.system(some())}
    checkpoints.write(path, good | header, learner(CLOSURES["dense"]))
    with pytest.raises(InputError, match=message) as error:
        weights.load(path)
    assert len(str(error.value).splitlines()) == 1


def test_weights_that_are_not_numbers_or_go_on_or_are_no_file(tmp_path):
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    path = tmp_path / "weights.eqx"
    one = learner(CLOSURES["dense"])
    lost = jax.tree.map(lambda x: jnp.full_like(x, jnp.nan) if eqx.is_inexact_array(x) else x, one)
    weights.save(path, lost, CLOSURES["dense"], weights.system(some()))
    with pytest.raises(InputError, match="not finite"):
        weights.load(path)
    good = {"format": 1, "learner": CLOSURES["dense"], "system": weights.system(some())}
    checkpoints.write(path, good, (one, jnp.ones(3)))
    with pytest.raises(InputError, match="holds other arrays"):
        weights.load(path)
    path.unlink()
    os.mkfifo(path)
    for found in (path, "/dev/zero", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            weights.load(type(path)(found))


def test_what_is_read_back_is_what_was_written_before_checksums(run):
    """Stores of older versions have none: they are read, and nothing in them is taken for damage."""
    import zarr

    group = zarr.open_group(run.results, mode="a").create_group("old")
    about = {"dimension_names": ("time",), "attributes": {"units": "1", "long_name": "some"}}
    for name in ("x", "time"):
        group.create_array(name, data=np.arange(3.0), **about)
    assert read(run.results)["old"]["x"].values.tolist() == [0.0, 1.0, 2.0]
    assert ResultStore(run.results, {}).damaged("old", 3) == []
