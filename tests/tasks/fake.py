"""Dynamics with a closed form in the place of the physics: psi_k(t) = exp((growth - i k) t) psi_k(0), one number per site."""

from collections.abc import Callable, Mapping

import diffrax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from qnano.dynamics import AbstractDynamics, AbstractSolver
from qnano.families.build import Method
from qnano.families.experiment import Experiment
from qnano.solvers.stepping import adaptive

LIMIT = 4.0


class Fake(AbstractDynamics):
    growth: Float[Array, ""]

    def vector_field(self, t: Float[Array, ""], state: Complex[Array, " site"]) -> Complex[Array, " site"]:
        return (self.growth - 1j * jnp.arange(state.size)) * state

    def observe(self, t: Float[Array, ""], state: Complex[Array, " site"]) -> Mapping[str, Callable[[], Array]]:
        weight = jnp.abs(state) ** 2
        return {
            "density": lambda: jnp.stack([weight, state.real]),
            "double_occupancy": lambda: weight**2,
            "energy": lambda: jnp.sum(weight),
            "rdm2": lambda: state[:, None, None, None] * jnp.ones((state.size,) * 4),
        }

    def invariants(self, t: Float[Array, ""], state: Complex[Array, " site"]) -> dict[str, Float[Array, ""]]:
        return {"norm": jnp.sum(jnp.abs(state) ** 2), "first": jnp.abs(state[0])}

    def limits(self, t: Float[Array, ""], state: Complex[Array, " site"]) -> dict[str, Float[Array, ""]]:
        return {"harmless": jnp.array(0.0), "largest_element": jnp.max(jnp.abs(state)) / LIMIT}

    @property
    def jumps(self) -> tuple[Float[Array, ""], ...]:
        return ()

    @property
    def default_solver(self) -> AbstractSolver:
        return adaptive(diffrax.Tsit5())


def psi(times: np.ndarray, growth: float, sites: int) -> np.ndarray:
    """The closed form, shape (time, site)."""
    return np.exp((growth - 1j * np.arange(sites)) * times[:, None]) * _start(sites)


def build(experiment: Experiment) -> list[Method]:
    """Stands in for `qnano.families.build.build`; td2rdm grows with the interaction, and so can diverge."""
    growth = {"exact": 0.0, "mean_field": 0.01, "td2rdm": experiment.model.interaction / 20}
    state = jnp.asarray(_start(experiment.model.lattice.geometry.sites), complex)
    return [
        Method(method.name, method.kind, Fake(jnp.array(growth[method.kind])), state, None, experiment.observables)
        for method in experiment.methods
    ]


def _start(sites: int) -> np.ndarray:
    return 1.0 / np.arange(1, sites + 1)
