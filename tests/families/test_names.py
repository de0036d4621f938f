"""The schemas of solvers and closures against the classes that they stand for."""

import inspect
from pkgutil import resolve_name
from typing import get_args

import diffrax
import pytest

from qnano.config import solvers
from qnano.families.build import build_solver
from qnano.families.hubbard import methods
from qnano.hubbard.closures import NAMED
from qnano.learning.surroundings import Surroundings
from qnano.learning.weights import LEARNERS as CLASSES
from qnano.solvers.chebyshev import Chebyshev
from qnano.solvers.magnus import Magnus
from qnano.solvers.rk4 import RK4
from qnano.solvers.splitting import blanes_moan, strang
from qnano.solvers.stepping import Stepper
from qnano.tasks.training.schema import Features, Learner

LEARNERS = get_args(get_args(Learner)[0])
GIVEN = {"sites", "key"}  # by the system and the seed
STEPS = {"rtol", "atol", "dt"}
SCHEMAS = get_args(get_args(solvers.Solver)[0])
BUILT = {
    "chebyshev": (solvers.Chebyshev(tolerance=1e-9), Chebyshev(1e-9)),
    "magnus": (solvers.Magnus(rtol=1e-7, atol=1e-9), Magnus()),
    "tsit5": (solvers.RungeKutta(kind="tsit5"), diffrax.Tsit5()),
    "dopri5": (solvers.RungeKutta(kind="dopri5"), diffrax.Dopri5()),
    "dopri8": (solvers.RungeKutta(kind="dopri8"), diffrax.Dopri8()),
    "rk4": (solvers.RK4(dt=0.1), RK4()),
    "strang": (solvers.Strang(dt=0.1), strang()),
    "blanes_moan": (solvers.BlanesMoan(order=4, dt=0.1), blanes_moan(4)),
}


def kinds(schema):
    return get_args(schema.model_fields["kind"].annotation)


def test_every_kind_has_its_maker():
    assert {kind for schema in SCHEMAS for kind in kinds(schema)} == {"auto", *solvers.MAKERS} == {"auto", *BUILT}


@pytest.mark.parametrize(("schema", "kind"), [(s, k) for s in SCHEMAS for k in kinds(s) if k != "auto"])
def test_every_setting_is_an_argument_with_the_same_default(schema, kind):
    arguments = inspect.signature(resolve_name(solvers.MAKERS[kind])).parameters
    for name, field in schema.model_fields.items():
        if name != "kind" and name not in STEPS:
            assert field.default == arguments[name].default, name


@pytest.mark.parametrize("kind", BUILT)
def test_settings_become_the_solver(kind):
    settings, want = BUILT[kind]
    got = build_solver(settings)
    if kind == "chebyshev":
        assert got == want
        return
    assert isinstance(got, Stepper)
    assert type(got.scheme) is type(want)
    if hasattr(settings, "dt"):
        assert got.dt == settings.dt == got.controller.dtmax
    else:
        assert (got.controller.rtol, got.controller.atol, got.dt) == (settings.rtol, settings.atol, None)


def test_an_order_reaches_the_scheme():
    assert [build_solver(solvers.BlanesMoan(order=order)).scheme.accuracy for order in (4, 6)] == [4, 6]


def test_auto_leaves_the_choice():
    assert build_solver(solvers.Auto()) is None
    assert build_solver(None) is None


def test_every_closure_that_a_config_names_is_there():
    assert set(get_args(methods.Known)) == set(NAMED)


def test_every_learner_has_its_class():
    assert {kind for schema in LEARNERS for kind in kinds(schema)} == CLASSES.keys()


@pytest.mark.parametrize(
    ("schema", "made"), [*((schema, CLASSES[kind]) for schema in LEARNERS for kind in kinds(schema)), (Features, Surroundings)]
)
def test_the_settings_of_a_learner_are_the_arguments_of_its_class(schema, made):
    arguments = {name: one for name, one in inspect.signature(made).parameters.items() if name not in GIVEN}
    settings = {name: field for name, field in schema.model_fields.items() if name != "kind"}
    assert list(settings) == list(arguments)
    for name, field in settings.items():
        if arguments[name].default is not inspect.Parameter.empty:
            assert field.default == arguments[name].default, name
