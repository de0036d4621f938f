"""A task is its folder and a line in the register."""

import ast
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

import qnano
from qnano.errors import InputError
from qnano.storage.folder import RunFolder
from qnano.tasks import register
from qnano.tasks.loading import parse
from tests.config.examples import data

PACKAGE = Path(qnano.__file__).parent
# Who names tasks of others, and why.
BY_NATURE = {
    "cli.py": {"sweep", "gradient"},  # commands of their own
    "families/experiment.py": {"dynamics"},  # the schema of that task, on which others stand
    "learning/weights.py": {"training"},  # a word in a header, from before there were tasks
    "propagation.py": {"dynamics"},  # the name of an argument
    "tasks/fitting.py": {"training"},  # a group of the results
    "tasks/gradient/parameters.py": {"dynamics"},
    **{f"tasks/{name}/{part}.py": {"dynamics"} for name in ("sweep", "gradient", "ensemble") for part in ("estimates", "run")},
    "tasks/regime_map/estimates.py": {"dynamics"},
    **{f"tasks/evaluation/{part}.py": {"training"} for part in ("schema", "estimates", "run")},  # of what trainings bring
    "tasks/training/draws.py": {"sweep"},  # whose points its experiments are
    "tasks/surrogate/schema.py": {"ensemble"},  # from which it learns
    "tasks/surrogate/estimates.py": {"ensemble", "training"},
    "tasks/surrogate/run.py": {"ensemble", "training"},
    "tasks/surrogate/report.py": {"training"},
}


def named(path):
    """The tasks that a module imports from or has as a text, but for its own."""
    own = path.parent.name if path.parent.parent.name == "tasks" else None
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and node.value in register.TASKS:
            found.add(node.value)
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {match[1] for name in names if (match := re.match(r"qnano\.tasks\.(\w+)", name))} & register.TASKS.keys()
    return found - {own}


def test_nothing_outside_of_its_folder_names_a_task():
    modules = {path.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("*.py")}
    found = {name: tasks for name, path in modules.items() if (tasks := named(path)) and name != "tasks/register.py"}
    assert found == BY_NATURE


def test_every_folder_is_in_the_register_and_has_its_parts():
    folders = {path.parent.name for path in (PACKAGE / "tasks").glob("*/schema.py")}
    assert folders == register.TASKS.keys()
    for name in folders:
        assert {"schema.py", "estimates.py", "run.py", "report.py"} <= {path.name for path in (PACKAGE / "tasks" / name).iterdir()}
        assert register.schema(name).__name__ == register.TASKS[name]
        assert isinstance(import_module(f"qnano.tasks.{name}").ENTRY, dict)


def test_a_task_is_known_by_its_schema():
    plain, swept = parse(data()), parse(data(sweep={"model.interaction": [1.0, 2.0]}))
    assert (register.name_of(plain), register.name_of(swept), swept.task) == ("dynamics", "sweep", "dynamics")


@pytest.mark.parametrize(("task", "levels", "readable"), [("tiny", 4, True), ("tiny", "four", False), ("keeping", 4, False)])
def test_a_task_says_itself_what_its_entries_have(tmp_path, monkeypatch, task, levels, readable):
    monkeypatch.setitem(sys.modules, "qnano.tasks.tiny", SimpleNamespace(ENTRY={"levels": int}))
    entry = {"kind": "exact", "state": "finished", "message": None, "rows": 4, "wall_s": 0.5, "compile_s": 0, "levels": levels}
    folder = RunFolder(tmp_path)
    folder.write_summary(
        {"name": "small", "id": "0", "task": task, "state": "finished", "device": "", "versions": {}, "methods": {"exact": entry}}
    )
    if readable:
        assert folder.read_summary()["methods"] == {"exact": entry}
        return
    with pytest.raises(InputError, match="not the summary of a run"):
        folder.read_summary()


def test_schemas_and_estimates_do_without_jax():
    modules = [f"qnano.tasks.{name}.{part}" for name in register.TASKS for part in ("schema", "estimates")]
    script = f"import sys, {', '.join(modules)}\nprint(*{{'jax', 'diffrax', 'matplotlib', 'zarr', 'xarray'}} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")
