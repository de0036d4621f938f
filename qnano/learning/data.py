"""Exact trajectories to learn from: families of quenches or any other motions, propagated once, kept in memory or on disk.

A quench begins in the ground state of a lattice in some potential, which is switched off at t = 0; hopping J = 1, interaction U.
Families of potentials differ in kind, so that one of them can be held out. The same seed draws the same quenches.

What is kept is the wavefunction: D2 and the exact collision element are taken from it when they are asked for, and up to eight
sites it takes no more room than D2.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Complex, Float, Int

from qnano.border import choice, known, numbers
from qnano.fermions.fock import determinants
from qnano.fermions.rdm import two_rdm_updn
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.ground_state import ground_state
from qnano.hubbard.model import FermiHubbard
from qnano.lattice import Lattice
from qnano.propagation import propagate

FAMILIES: dict[str, Callable[[Lattice, np.random.Generator], np.ndarray]] = {
    "trap": lambda lattice, _: ((lattice.coordinates - lattice.centre) ** 2).sum(axis=1),
    "tilt": lambda lattice, _: (lattice.coordinates - lattice.centre)[:, 0],
    "staggered": lambda lattice, _: np.array(lattice.signs, dtype=float),
    "random": lambda lattice, generator: generator.normal(size=lattice.sites),
}


class Quench(eqx.Module):
    """A start and an interaction: the potential (J, by site) that is switched off, its family and strength, and U (J).

    Raises `ValueError` for what is no number.
    """

    family: str
    strength: float
    interaction: float
    potential: tuple[float, ...]

    def __check_init__(self):
        numbers("strength", self.strength, shape=())
        numbers("interaction", self.interaction, shape=())
        numbers("potential", self.potential, shape=(None,))


class Start(NamedTuple):
    """A wavefunction and the Hamiltonian that it moves under; from a quench, its family and strength."""

    model: FermiHubbard
    psi: Complex[Array, "up down"]
    family: str = "experiment"
    strength: float = 0.0


class Trajectories(eqx.Module):
    """Exact motions on one lattice; all have the same times (hbar/J, evenly spaced).

    The Hamiltonians are those of quenches, which differ in U alone, or else `hamiltonians`: one of which each number is an array
    with the trajectories along its first axis (`stacked`). Then `interaction` is U at the first time, its mean over the sites.

    Raises `ValueError` for arrays that do not fit each other, and for other times, as far as they are known.
    """

    lattice: Lattice = eqx.field(static=True)
    electrons: tuple[int, int] = eqx.field(static=True)
    family: tuple[str, ...] = eqx.field(static=True)
    strength: Float[Array, " trajectory"]
    interaction: Float[Array, " trajectory"]
    times: Float[Array, " time"]
    psi: Complex[Array, "trajectory time up down"]
    hamiltonians: FermiHubbard | None = None

    def __check_init__(self):
        numbers("electrons", self.electrons, kind="integer", shape=(2,), least=0, most=self.lattice.sites)
        numbers("strength", self.strength, shape=(len(self.family),))
        numbers("interaction", self.interaction, shape=(len(self.family),))
        _require_even(self.times)
        sizes = (determinants(self.lattice.sites, number).size for number in self.electrons)
        numbers("psi", self.psi, kind="complex", shape=(len(self.family), len(self.times), *sizes))
        if (many := self.hamiltonians) is not None:
            if (many.lattice, many.electrons) != (self.lattice, self.electrons):
                raise ValueError("hamiltonians: got another lattice or other electrons than those of the trajectories")
            if lengths := {x.shape[:1] for x in jax.tree.leaves(many)} - {(len(self.family),)}:
                raise ValueError(
                    f"hamiltonians: got arrays of shape {lengths.pop()}; must be one for each of {len(self)} trajectories"
                )

    def __len__(self) -> int:
        return len(self.family)

    @property
    def interval(self) -> Float[Array, ""]:
        """The time between two samples."""
        return self.times[1] - self.times[0]

    def model(self, interaction: Float[Array, ""]) -> FermiHubbard:
        """The Hamiltonian after a quench."""
        return FermiHubbard(self.lattice, self.electrons, interaction=interaction)

    def hamiltonian(self, k: Int[ArrayLike, ""]) -> FermiHubbard:
        """That of a trajectory."""
        if self.hamiltonians is None:
            return self.model(self.interaction[k])
        return jax.tree.map(lambda x: x[k], self.hamiltonians)

    def two_rdm(self, psi: Complex[Array, "up down"]) -> Complex[Array, "s s s s"]:
        """D2 of up and down."""
        return two_rdm_updn(psi, self.lattice.sites, self.electrons)

    def where(self, chosen: Sequence[bool | int] | np.ndarray) -> "Trajectories":
        """Some of the trajectories, by one true or false for each. Raises `ValueError` for more or fewer."""
        if len(chosen) != len(self):
            raise ValueError(f"chosen: got {len(chosen)}; must be {len(self)}, one for each trajectory")
        index = np.flatnonzero(chosen)
        return replace(
            self,
            family=tuple(self.family[k] for k in index),
            strength=self.strength[index],
            interaction=self.interaction[index],
            psi=self.psi[index],
            hamiltonians=jax.tree.map(lambda x: x[index], self.hamiltonians),
        )

    def between(self, start: float, end: float) -> "Trajectories":
        """The samples from `start` to `end`. Raises `ValueError` where there are fewer than two."""
        numbers("start", start, shape=())
        numbers("end", end, shape=())
        inside = (self.times >= start - 1e-9) & (self.times <= end + 1e-9)
        return replace(self, times=self.times[inside], psi=self.psi[:, inside])


def quenches(
    lattice: Lattice, family: str, strengths: Sequence[float], interactions: Sequence[float], seed: int = 0
) -> list[Quench]:
    """Every strength (J; per squared lattice constant for a trap, per lattice constant for a tilt) with every interaction.

    Raises `ValueError` for an unknown family, and for what is no number.
    """
    choice("family", family, FAMILIES)
    numbers("strengths", strengths, shape=(None,))
    numbers("interactions", interactions, shape=(None,))
    numbers("seed", seed, kind="integer", shape=(), least=0)
    found = []
    for k, strength in enumerate(strengths):
        pattern = FAMILIES[family](lattice, np.random.default_rng((seed, k)))
        found += [Quench(family, strength, u, tuple((strength * pattern).tolist())) for u in interactions]
    return found


def trajectories(
    lattice: Lattice, electrons: tuple[int, int], chosen: Sequence[Quench], times: Float[Array, " time"]
) -> Trajectories:
    """Propagate the quenches exactly. `DegenerateGroundState` comes from a potential that leaves the start open.

    Raises `ValueError` for no quenches, and for times that are not evenly spaced.
    """
    numbers("chosen", len(chosen), kind="integer", shape=(), least=1)
    _require_even(times)
    starts = jnp.stack([quenched(lattice, electrons, one).psi for one in chosen])
    interactions = jnp.array([float(one.interaction) for one in chosen])
    return Trajectories(
        lattice=lattice,
        electrons=electrons,
        family=tuple(one.family for one in chosen),
        strength=jnp.array([float(one.strength) for one in chosen]),
        interaction=interactions,
        times=times,
        psi=_moved(lambda u: FermiHubbard(lattice, electrons, interaction=u), interactions, starts, times),
    )


def quenched(lattice: Lattice, electrons: tuple[int, int], quench: Quench) -> Start:
    """Where a quench begins. Raises `DegenerateGroundState` for a potential that leaves that open."""
    before = FermiHubbard(lattice, electrons, interaction=quench.interaction, potential=np.array(quench.potential))
    after = FermiHubbard(lattice, electrons, interaction=quench.interaction)
    return Start(after, ground_state(before).psi, quench.family, quench.strength)


def motions(starts: Sequence[Start], times: Float[Array, " time"]) -> Trajectories:
    """The exact motion from each start under its own Hamiltonian, which may change in time.

    Raises `ValueError` for no starts, Hamiltonians that are not `stacked`, and times that are not evenly spaced.
    """
    _require_even(times)
    many = stacked([start.model for start in starts])
    return Trajectories(
        lattice=many.lattice,
        electrons=many.electrons,
        family=tuple(start.family for start in starts),
        strength=jnp.array([float(start.strength) for start in starts]),
        interaction=jnp.stack([jnp.mean(start.model.site_interaction(times[0])) for start in starts]),
        times=times,
        psi=_moved(lambda model: model, many, jnp.stack([start.psi for start in starts]), times),
        hamiltonians=many,
    )


def stacked(models: Sequence[FermiHubbard]) -> FermiHubbard:
    """Hamiltonians as one, each number of which is an array with theirs along its first axis.

    Raises `ValueError` for none, and for such that differ in more than numbers: in lattice, electrons, kinds of fields or shapes.
    """
    numbers("models", len(models), kind="integer", shape=(), least=1)
    forms = [(jax.tree.structure(model), [x.shape for x in jax.tree.leaves(model)]) for model in models]
    for k, one in enumerate(forms):
        if one != forms[0]:
            raise ValueError(f"models.{k}: got a Hamiltonian of another form than models.0; must differ in numbers alone")
    return jax.tree.map(lambda *values: jnp.stack(values), *models)


def _moved(
    model: Callable[[Any], FermiHubbard], each: Any, starts: Complex[Array, "n up down"], times: Float[Array, " time"]
) -> Complex[Array, "n time up down"]:
    """The exact motion from each start under the `model` of `each`."""

    @eqx.filter_jit
    def advance(each: Any, starts: Complex[Array, "n up down"]) -> Complex[Array, "n time up down"]:
        def one(start: tuple[Any, Complex[Array, "up down"]]) -> Complex[Array, "time up down"]:
            exact = ExactHubbard(model(start[0]))
            return propagate(exact, start[1], times, observables=("wavefunction",), monitor=False).observables["wavefunction"]

        return jax.lax.map(one, (each, starts))

    return advance(each, starts)


def _require_even(times: Float[Array, " time"]) -> None:
    """Raise `ValueError` unless there are at least two times, which ascend in even steps."""
    numbers("times", times, shape=(None,))
    if len(times) < 2:
        raise ValueError(f"times: got {len(times)}; must be at least two")
    if known(times):
        steps = np.diff(np.asarray(times, float))
        rounding = 8 * float(jnp.finfo(times.dtype).eps) * np.abs(times).max()
        if steps[0] <= 0 or np.ptp(steps) > 1e-6 * steps[0] + rounding:
            raise ValueError(f"times: got steps from {steps.min():g} to {steps.max():g}; must ascend evenly")
