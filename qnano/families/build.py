"""From a config to objects: the methods of an experiment, of any family, and their solvers."""

from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from qnano.border import known
from qnano.config import solvers
from qnano.config.sizes import must_fit
from qnano.errors import InputError
from qnano.families.estimates import needs
from qnano.families.experiment import Experiment
from qnano.families.register import family_of
from qnano.propagation import AbstractDynamics, Solver
from qnano.solvers.chebyshev import Chebyshev
from qnano.solvers.magnus import Magnus
from qnano.solvers.splitting import blanes_moan, strang
from qnano.solvers.stepping import RK4, adaptive, fixed

SCHEMES = {"tsit5": diffrax.Tsit5, "dopri5": diffrax.Dopri5, "dopri8": diffrax.Dopri8}


class Method(NamedTuple):
    """One method of an experiment, ready to propagate."""

    label: str
    kind: str
    dynamics: AbstractDynamics
    state: PyTree[Array]
    solver: Solver | None
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
        if not all(bool(jnp.isfinite(leaf).all()) for leaf in leaves):
            text = "some number of model or initial is too large or too small"
            raise InputError(f"methods.{k}: its initial state is not finite; {text}")
    return [
        Method(method.name, method.kind, dynamics, state, build_solver(experiment.solver_of(method)), experiment.observables)
        for method, (dynamics, state) in zip(experiment.methods, moving, strict=True)
    ]


def build_solver(settings: Any) -> Solver | None:
    """A solver; None leaves the choice to the dynamics."""
    match settings:
        case solvers.Chebyshev():
            return Chebyshev(tolerance=settings.tolerance)
        case solvers.Magnus():
            return adaptive(Magnus(), settings.rtol, settings.atol)
        case solvers.RungeKutta():
            return adaptive(SCHEMES[settings.kind](), settings.rtol, settings.atol)
        case solvers.RK4():
            return fixed(RK4(), settings.dt)
        case solvers.Strang():
            return fixed(strang(), settings.dt)
        case solvers.BlanesMoan():
            return fixed(blanes_moan(settings.order), settings.dt)
        case _:
            return None
