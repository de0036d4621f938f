"""What the docs tell a reader to type is accepted: commands with their keys, and imports."""

import ast
import re
import shlex
from argparse import ArgumentParser
from importlib import import_module
from pathlib import Path

import pytest

from qnano.tasks.gradient.parameters import gradient_of, parameters
from qnano.tasks.loading import load

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
COMMAND = re.compile(r"qnano (?:run|sweep|train|check|gradient) (configs/\w+\.yaml[^`\n]*)")
KEYS = re.compile(r"^\| [^|]+ \| `([^`]*=[^`]*)` \|$", re.MULTILINE)
LEFT_OUT = ("=[?]", "runs/learned-closure/ID")  # wrong on purpose; there only after a training


def commands():
    for page in PAGES:
        yield from (told for told in COMMAND.findall(page.read_text()) if not any(part in told for part in LEFT_OUT))
    for keys in KEYS.findall((ROOT / "docs/configs.md").read_text()):
        yield f"configs/hubbard_quench.yaml {keys}"


@pytest.mark.parametrize("command", dict.fromkeys(commands()))
def test_a_command_of_the_docs_is_accepted(command):
    reader = ArgumentParser()
    reader.add_argument("words", nargs="*")
    reader.add_argument("--of")
    reader.add_argument("--wrt", action="append")
    reader.add_argument("--check", action="store_true")
    told = reader.parse_intermixed_args(shlex.split(command))
    config, *keys = told.words
    experiment = load(ROOT / config, keys)
    if told.of:
        assert len(parameters(gradient_of(experiment, of=told.of, wrt=told.wrt))) == len(told.wrt)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_imports_is_there(page):
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
        for line in (node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.ImportFrom)):
            assert line.module
            for name in line.names:
                assert hasattr(import_module(line.module), name.name) or import_module(f"{line.module}.{name.name}")
