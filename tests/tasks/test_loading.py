"""Files and overrides."""

import os
from pathlib import Path

import pytest

from qnano.errors import InputError
from qnano.tasks.loading import load

SMALL = """\
name: small
model:
  kind: fermi_hubbard
  lattice: {kind: chain, sites: 4}
  interaction: 2.0
  electrons: {up: 2, down: "${model.electrons.up}"}
initial: {kind: ground_state, model: {potential: {kind: harmonic, strength: 0.5}}}
methods: [exact, {kind: td2rdm}]
time: {end: 2.0, samples: 21}
"""
CONFIGS = sorted(Path(__file__).parents[2].glob("configs/*.yaml"))


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_configs_of_the_repository_are_valid(path):
    load(path)


def test_interpolation(small):
    assert load(small).model.electrons.down == 2


def test_overrides(small):
    overridden = load(
        small,
        [
            "model.interaction=1e-3",
            "methods.1.closure=exact",
            "model.potential={kind: staggered, strength: 0.1}",
            "initial.model={interaction: 0}",
            "seed=7",
        ],
    )
    assert overridden.model.interaction == 0.001
    assert overridden.methods[1].closure == "exact"
    assert overridden.model.potential.kind == "staggered" and overridden.seed == 7
    assert overridden.initial.model.interaction == 0.0
    assert overridden.initial.model.potential.kind == "staggered"  # the mapping was replaced, not merged into


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed", "override 'seed': must be key=value, such as model.interaction=2.0"),
        ("=3", "override '=3': must be key=value, such as model.interaction=2.0"),
        ("methods.5=exact", "override 'methods.5=exact': methods is a list; must be one of methods.0, methods.1"),
        ("methods.x=1", "override 'methods.x=1': methods is a list; must be one of methods.0, methods.1"),
        ("methods.7.closure=exact", "override 'methods.7.closure=exact': methods is a list; must be one of methods.0, methods.1"),
        (f"seed={'[' * 5000}{']' * 5000}", "override "),
        ("seed=[1", "override 'seed=[1': not valid YAML: "),
        ("seed=${nothing}", "seed: got '${nothing}'; there is no key nothing"),
        ("seed=???", "seed: missing; must be given"),
        ("sed=1", "sed: unknown key; allowed: name, task, "),
    ],
)
def test_bad_overrides(small, override, message):
    with pytest.raises(InputError) as caught:
        load(small, [override])
    assert str(caught.value).startswith(message)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty; must be a mapping with at least name, model, time, initial"),
        (b"# nothing\n", "empty; must be a mapping with at least name, model, time, initial"),
        (b"- 1\n", "must be a mapping of keys to values"),
        (b"hello\n", "must be a mapping of keys to values"),
        (b"5\n", "must be a mapping of keys to values"),
        (b"name: " + b"[" * 100 + b"]" * 100, "nested too deeply"),
        (b"name: " + b"[" * 5000 + b"]" * 5000, ""),
        (b"name: " + b"- " * 100, "not valid YAML: "),
        (b"a: &a [*a]", "nested too deeply"),
        (b"name: [1\n", "not valid YAML: "),
        (b"name: a\nname: b\n", "not valid YAML: found duplicate key name, line 2, column 1"),
        (b"\xff\xfe\x00\x80binary", "cannot be read: not a text file"),
    ],
)
def test_bad_files(tmp_path, content, message):
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert len(str(caught.value).splitlines()) == 1


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(InputError, match=r"nowhere.yaml: no such file$"):
        load(tmp_path / "nowhere.yaml")
    with pytest.raises(InputError, match=r": cannot be read: Is a directory$"):
        load(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match=r"pipe: cannot be read: not a regular file$"):
        load(tmp_path / "pipe")


def test_keys_that_yaml_takes_for_something_else_are_told_as_they_are_written(small):
    small.write_text(SMALL + "true: 1\ndrive: {3: 4}\n")
    with pytest.raises(InputError, match=r"^true: unknown key; keys are words\ndrive.3: unknown key; keys are words$"):
        load(small)
