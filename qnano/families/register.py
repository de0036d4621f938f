"""The model families: one line each. Schemas of models, starts and methods, and the observables, are put together from them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from qnano.config.base import Config
from qnano.families.base import (
    AbstractEquilibrium,
    AbstractFamily,
    AbstractMethod,
    AbstractModel,
    AbstractStart,
    Observable,
    kind_of,
)
from qnano.families.holstein import Holstein
from qnano.families.hubbard import Hubbard
from qnano.families.particles import Particles
from qnano.families.two_scale import TwoScale

FAMILIES: tuple[AbstractFamily, ...] = (Hubbard(), Holstein(), TwoScale(), Particles())

METHODS = {kind_of(method): method for family in FAMILIES for method in family.methods}
EQUILIBRIA = {kind_of(start): start for family in FAMILIES for start in family.starts if issubclass(start, AbstractEquilibrium)}
REFERENCES = tuple(kind for kind, method in METHODS.items() if method.is_reference)
AUDITS = {name: audit for family in FAMILIES for name, audit in family.audits.items()}


def _observables() -> Iterator[tuple[str, Observable]]:
    """By name; of what several families have, all methods that have it."""
    found: dict[str, Observable] = {}
    for observable in (one for family in FAMILIES for one in family.owned()):
        known = found.get(observable.name, replace(observable, methods=()))
        found[observable.name] = replace(known, methods=known.methods + observable.methods)
    return iter(found.items())


OBSERVABLES: Mapping[str, Observable] = dict(_observables())


def family_of(model: AbstractModel) -> AbstractFamily:
    """The family that a model belongs to."""
    return next(family for family in FAMILIES if isinstance(model, family.models))


def family_of_method(kind: str) -> AbstractFamily:
    """The family that has a kind of method."""
    return next(family for family in FAMILIES if METHODS[kind] in family.methods)


def _any(schemas: Iterable[type[Config]]) -> Any:
    """Their union."""
    return reduce(or_, schemas)


def _in_full(method: Any) -> Any:
    return {"kind": method} if isinstance(method, str) else method


if TYPE_CHECKING:
    Model: TypeAlias = AbstractModel
    Start: TypeAlias = AbstractStart
    Method: TypeAlias = AbstractMethod
else:
    _short = tuple(kind for kind, method in METHODS.items() if not any(f.is_required() for f in method.model_fields.values()))
    _full = _any(METHODS.values())
    Model = Annotated[_any(model for family in FAMILIES for model in family.models), Field(discriminator="kind")]
    Start = Annotated[_any(start for family in FAMILIES for start in family.starts), Field(discriminator="kind")]
    Method = Annotated[
        Annotated[_full, Field(discriminator="kind")],
        BeforeValidator(_in_full, json_schema_input_type=Literal[_short] | _full),
    ]
