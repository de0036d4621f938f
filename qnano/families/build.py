"""From a config to objects: the methods of an experiment, of any family, and their solvers."""

from pkgutil import resolve_name
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, PyTree

from qnano.border import known
from qnano.config import solvers
from qnano.config.sizes import must_fit
from qnano.dynamics import AbstractDynamics, AbstractSolver
from qnano.errors import InputError
from qnano.families.estimates import needs
from qnano.families.experiment import Experiment
from qnano.families.register import family_of
from qnano.solvers.stepping import adaptive, fixed


class Method(NamedTuple):
    """One method of an experiment, ready to propagate."""

    label: str
    kind: str
    dynamics: AbstractDynamics
    state: PyTree[Array]
    solver: AbstractSolver | None
    observables: tuple[str, ...]


def build(experiment: Experiment) -> list[Method]:
    """The experiment's methods with their initial states; outside of `jit` both can be differentiated by its numbers.

    Raises `InputError` for what does not fit into memory, and where only the physics can tell: a degenerate ground state, an
    initial state that is no singlet.
    """
    must_fit(needs(experiment))
    moving = family_of(experiment.model).build(experiment)
    for k, (_, state) in enumerate(moving):
        leaves = [leaf for leaf in jax.tree.leaves(state) if known(leaf)]
        if not all(np.isfinite(np.asarray(leaf)).all() for leaf in leaves):
            text = "some number of model or initial is too large or too small"
            raise InputError(f"methods.{k}: its initial state is not finite; {text}")
    return [
        Method(method.name, method.kind, dynamics, state, build_solver(experiment.solver_of(method)), experiment.observables)
        for method, (dynamics, state) in zip(experiment.methods, moving, strict=True)
    ]


def build_solver(settings: solvers.Solver | None) -> AbstractSolver | None:
    """A solver; None leaves the choice to the dynamics."""
    if settings is None or settings.kind == "auto":
        return None
    given = {name: getattr(settings, name) for name in type(settings).model_fields if name != "kind"}
    steps = {name: given.pop(name) for name in ("rtol", "atol", "dt") if name in given}
    made = resolve_name(solvers.MAKERS[settings.kind])(**given)
    if not steps:
        return made
    return fixed(made, **steps) if "dt" in steps else adaptive(made, **steps)
