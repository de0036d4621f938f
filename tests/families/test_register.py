"""The families stand apart: nothing outside of one names it, but the register and the tasks that belong to one by nature."""

import ast
from pathlib import Path

import pytest

import qnano
from qnano.families.base import AbstractFamily
from qnano.families.register import FAMILIES, METHODS, OBSERVABLES, family_of_method

PACKAGE = Path(qnano.__file__).parent
NAMES = [family.__module__.rpartition(".")[2] for family in map(type, FAMILIES)]
# Closures are trained, judged and mapped on electrons on a lattice; ensembles are the data of surrogates of Holstein dynamics.
BY_NATURE = {"hubbard": {"evaluation", "regime_map", "training"}, "holstein": {"ensemble"}}


def imports(file):
    """The modules of the package that a file imports from."""
    return {node.module for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ImportFrom) and node.module}


@pytest.mark.parametrize("name", NAMES)
def test_nothing_outside_a_family_imports_it(name):
    allowed = {PACKAGE / "tasks" / task for task in BY_NATURE.get(name, ())} | {PACKAGE / "families" / name}
    for file in PACKAGE.rglob("*.py"):
        if file == PACKAGE / "families" / "register.py" or allowed & set(file.parents):
            continue
        assert not [module for module in imports(file) if module.startswith(f"qnano.families.{name}")], file


def test_nothing_outside_a_family_names_its_kinds():
    """As a word in quotation marks: kinds of models and of methods, but those that are also names of observables or tasks."""
    models = {model.model_fields["kind"].annotation.__args__[0] for family in FAMILIES for model in family.models}
    kinds = (models | METHODS.keys()) - OBSERVABLES.keys() - {"ribbon", "particles"}  # a lattice; a key
    own = {PACKAGE / "tasks" / task for tasks in BY_NATURE.values() for task in tasks} | {PACKAGE / "tasks" / "surrogate"}
    for part in ("tasks", "config", "families", "storage", "cli.py", "style.py"):
        files = [PACKAGE / part] if part.endswith(".py") else (PACKAGE / part).rglob("*.py")
        for file in files:
            if own & set(file.parents) or any(PACKAGE / "families" / name in file.parents for name in NAMES):
                continue
            words = {node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant)}
            assert not kinds & {word for word in words if isinstance(word, str)}, file


def test_what_a_family_says_of_itself_is_there():
    for family in FAMILIES:
        assert isinstance(family, AbstractFamily)
        kinds = [method.kind for method in family.usual_methods]
        assert all(family_of_method(kind) is family for kind in kinds)
        told = (*family.usual_observables, *family.largest, *family.audits, *family.audits.values())
        assert all(set(kinds) & set(OBSERVABLES[name].methods) for name in family.usual_observables)
        for name in (*told, *(name for method in family.methods for name in method.tells)):
            assert name in OBSERVABLES, name


def test_what_several_families_measure_they_measure_alike():
    for name, observable in OBSERVABLES.items():
        for family in FAMILIES:
            for own in family.owned():
                if own.name == name:
                    assert (own.dims, own.units, own.long_name) == (observable.dims, observable.units, observable.long_name)
                    assert set(own.methods) <= set(observable.methods)
