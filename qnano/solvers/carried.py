"""What diffrax carries along a motion: the state and, beside it, integrals, all of the one dtype that diffrax asks for."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from qnano.dynamics import Problem


class Carried(NamedTuple):
    """The shapes and dtypes of both, as the dynamics have them.

    Without integrals the state is carried alone, as schemes for wavefunctions have it.
    """

    state: PyTree[jax.ShapeDtypeStruct]
    integrals: dict[str, jax.ShapeDtypeStruct]

    @classmethod
    def of(cls, problem: Problem) -> "Carried":
        """What the solution of `problem` carries."""
        rates = eqx.filter_eval_shape(problem.measured.rates, problem.dynamics, problem.times[0], problem.state)
        return cls(jax.eval_shape(lambda state: state, problem.state), rates)

    def start(self, state: PyTree[Array]) -> PyTree[Array]:
        """Where nothing is integrated yet."""
        return self.join(state, jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), self.integrals))

    def join(self, state: PyTree[Array], integrals: dict[str, Array]) -> PyTree[Array]:
        """Both, or their rates, as diffrax carries them."""
        return self.widen((state, integrals) if self.integrals else state)

    def part(self, both: PyTree[Array]) -> tuple[PyTree[Array], dict[str, Array]]:
        """The opposite of `join`."""
        if not self.integrals:
            return self.narrow(both), {}
        return self.narrow(both[0]), _as(self.integrals, both[1])

    def state_of(self, both: PyTree[Array]) -> PyTree[Array]:
        """The state in what diffrax carries."""
        return self.narrow(both[0] if self.integrals else both)

    def narrow(self, state: PyTree[Array]) -> PyTree[Array]:
        """A state of the one dtype as the dynamics have it."""
        return _as(self.state, state)

    def widen(self, tree: PyTree[Array]) -> PyTree[Array]:
        """State, integrals, or both in the one dtype."""
        dtype = jnp.result_type(*(x.dtype for x in jax.tree.leaves((self.state, self.integrals))))
        return jax.tree.map(lambda x: x.astype(dtype), tree)


def _as(like: PyTree[jax.ShapeDtypeStruct], tree: PyTree[Array]) -> PyTree[Any]:
    """`tree` in the dtypes of `like`; what is real there has no imaginary part to lose."""
    return jax.tree.map(lambda x, y: x if jnp.issubdtype(y.dtype, jnp.complexfloating) else x.real.astype(y.dtype), tree, like)
