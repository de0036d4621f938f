"""A motion with a closed form: y(t) = y(0) exp(rate t), two numbers, which a run leaves where one exceeds 4."""

from collections.abc import Callable, Mapping

import diffrax
import jax.numpy as jnp
from jaxtyping import Array, Float

from qnano.dynamics import AbstractDynamics, AbstractSolver, Accumulated
from qnano.solvers.stepping import adaptive

POLE = 1.5


class Growing(AbstractDynamics):
    rate: Float[Array, ""]
    loses: bool = False

    def vector_field(self, t: Float[Array, ""], state: Float[Array, "2"]) -> Float[Array, "2"]:
        return self.rate * state

    def observe(self, t: Float[Array, ""], state: Float[Array, "2"]) -> Mapping[str, Callable[[], Array]]:
        return {
            "size": lambda: state,
            "pole": lambda: jnp.where(t < POLE, t, jnp.inf),
            "area": Accumulated(lambda: state),
        }

    def invariants(self, t: Float[Array, ""], state: Float[Array, "2"]) -> dict[str, Float[Array, ""]]:
        return {"ratio": state[1] / state[0]}

    def limits(self, t: Float[Array, ""], state: Float[Array, "2"]) -> dict[str, Float[Array, ""]]:
        return {"size >= 0": -state[0], "size <= 4": jnp.max(state) / 4}

    @property
    def jumps(self) -> tuple[Float[Array, ""], ...]:
        return ()

    @property
    def default_solver(self) -> AbstractSolver:
        return adaptive(diffrax.Dopri8(), 1e-10, 1e-12)

    @property
    def is_reversible(self) -> bool:
        return not self.loses
