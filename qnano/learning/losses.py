"""What a learner is trained to make small: along exact paths, and through the equation of motion.

velocity   |dD2/dt - exact|^2 at exact states: no propagation, so cheap and smooth; the first stage of a training
rollout    errors of D2, of chosen observables, and drifts of invariants, along a propagation of a few steps that starts on the
           exact path anywhere (multiple shooting): what matters in the end, since it sees the feedback of an error on itself
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Complex, Float, PyTree

from qnano.border import numbers
from qnano.fermions.rdm import two_rdm_updn
from qnano.fermions.types import Wavefunction
from qnano.hubbard.closures import ExactClosure
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.model import FermiHubbard
from qnano.hubbard.td2rdm import TD2RDM
from qnano.learning.closures import AbstractLearner
from qnano.learning.rollout import rollout

Path = Complex[Array, "sample up down"]
CAP = 1.0  # a motion that has lost its way is not worse than one that is wrong by 100 %


class Loss(eqx.Module):
    """Weights of the parts of a rollout's loss, by name; each part is a mean square, relative where there is a scale.

    Raises `ValueError` for weights that are no numbers.
    """

    two_rdm: float = eqx.field(static=True, default=1.0)
    observables: tuple[tuple[str, float], ...] = eqx.field(static=True, default=())
    invariants: tuple[tuple[str, float], ...] = eqx.field(static=True, default=())

    def __check_init__(self):
        numbers("two_rdm", self.two_rdm, shape=())
        for part in ("observables", "invariants"):
            for name, weight in getattr(self, part):
                numbers(f"{part}.{name}", weight, shape=())

    def __call__(
        self,
        learner: AbstractLearner,
        model: FermiHubbard,
        exact: Path,
        interval: Float[Array, ""],
        substeps: int,
        begin: Float[ArrayLike, ""] = 0.0,
    ) -> Float[Array, ""]:
        """The loss of a propagation from the first state of an exact path, at `begin`, along its samples (`interval` apart)."""
        dynamics = learner.dynamics(model)
        start = dynamics.from_wavefunction(exact[0])
        names = ("rdm2", *dict(self.observables))

        def measure(t: Float[Array, ""], state: PyTree[Array]) -> tuple[dict[str, Array], dict[str, Array]]:
            known = dynamics.invariants(t, state) | dynamics.negativity(t, state) if self.invariants else {}
            kept = {name: known[name] for name in dict(self.invariants)}
            return {name: dynamics.observe(t, state)[name]() for name in names}, kept

        later = begin + interval * jnp.arange(1, len(exact))
        truth = jax.vmap(lambda t, psi: {name: ExactHubbard(model).observe(t, psi)[name]() for name in names})(later, exact[1:])
        found, kept = rollout(dynamics, start, measure, interval, len(exact) - 1, substeps, begin)
        weights = {"rdm2": self.two_rdm} | dict(self.observables)
        parts = [weight * _square(found[name] - truth[name]) / _square(truth[name]) for name, weight in weights.items()]
        before = measure(jnp.asarray(begin), start)[1]
        parts += [weight * jnp.mean((kept[name] - before[name]) ** 2) for name, weight in self.invariants]
        return jnp.sum(jnp.stack(parts))


def velocity_loss(
    learner: AbstractLearner, model: FermiHubbard, psi: Wavefunction, at: Float[ArrayLike, ""] = 0.0
) -> Float[Array, ""]:
    """|dD2/dt - exact|^2 / |exact|^2 at an exact state, at the time `at` (hbar/J)."""
    t = jnp.asarray(at)
    dynamics = learner.dynamics(model)
    exact = TD2RDM(model, ExactClosure(model))
    wanted = exact.vector_field(t, exact.from_wavefunction(psi))[0]
    got = dynamics.vector_field(t, dynamics.from_wavefunction(psi))[0]
    return _square(got - wanted) / _square(wanted)


def relative_errors(
    learner: AbstractLearner,
    model: FermiHubbard,
    exact: Path,
    interval: Float[Array, ""],
    substeps: int,
    begin: Float[ArrayLike, ""] = 0.0,
) -> Float[Array, " later"]:
    """|D2 - exact| / |exact| after each interval of a propagation from the start of an exact path, at `begin`; at most `CAP`."""
    dynamics = learner.dynamics(model)
    start = dynamics.from_wavefunction(exact[0])
    found = rollout(dynamics, start, lambda _, state: state[0], interval, len(exact) - 1, substeps, begin)
    wanted = jax.vmap(lambda psi: two_rdm_updn(psi, model.sites, model.electrons))(exact[1:])
    errors = jax.vmap(lambda got, wanted: jnp.sqrt(_square(got - wanted) / _square(wanted)))(found, wanted)
    return jnp.where(errors < CAP, errors, CAP)


def _square(x: Array) -> Float[Array, ""]:
    return jnp.sum(x.real**2 + x.imag**2)
