"""What electrons on a lattice ask of memory and time. Crude: within a factor of a few."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from qnano.config.base import Config, traced
from qnano.config.lattices import AbstractLattice
from qnano.config.sizes import COMPLEX, MOST_SITES, Need, about
from qnano.config.solvers import RK4, Solver
from qnano.config.values import ends
from qnano.errors import InputError
from qnano.families.base import AbstractMethod
from qnano.families.hubbard.schema import GroundState
from qnano.shipped import SHIPPED

if TYPE_CHECKING:
    from qnano.families.experiment import Experiment

ALTERNATIVE = "only td2rdm, pair and mean_field from an initial interaction of 0 do without"
COPIES = 25  # of D2 within a step of thirteen stages (dopri8), what each of them makes, its start and its end
COPIES_OF_FOUR = 14  # within a step of four (rk4)
COPIES_OF_CHANNELS = 300  # for the learned closure that comes along: 112 channels, what they are made of and sorted into
EXPANSION, HELD, FEWEST_HELD = 40, 2**32, 8  # vectors: outputs of an expansion and the rest; bytes, or so many, of its recursion


@runtime_checkable
class System(Protocol):
    """Electrons on a lattice, of an experiment or of a training."""

    @property
    def lattice(self) -> AbstractLattice: ...
    @property
    def electrons(self) -> Config: ...


def amplitudes(system: System) -> int:
    """How many numbers a wavefunction consists of."""
    sites = system.lattice.geometry.sites
    return math.prod(math.comb(sites, count) for _, count in system.electrons)


def starts_independent(experiment: "Experiment") -> bool:
    """Whether the initial state is a Fermi sea, and no method asks for its wavefunction: then no size is too large for it.

    It is none where one differentiates by an interaction of 0, since the derivative is that of a correlated state.
    """
    initial = experiment.initial
    if not isinstance(initial, GroundState) or any(map(_needs_wavefunction, experiment.methods)):
        return False
    if initial.model.neighbour_interaction is not None:
        return False
    interaction = initial.model.interaction
    return not any(traced(u) or u for u in (interaction if isinstance(interaction, tuple) else (interaction,)))


def of_a_start(experiment: "Experiment", system: System) -> Iterator[Need]:
    """The wavefunction that all methods begin from, where they do."""
    if not starts_independent(experiment):
        yield of_a_wavefunction(system, is_moved=any(map(_needs_wavefunction, experiment.methods)))


def of_a_wavefunction(system: System, *, is_moved: bool = True) -> Need:
    """What a ground state holds at once: a Lanczos space and the matrix; a propagation: the outputs of a Chebyshev expansion and
    vectors of its recursion, all 64 of small ones.

    Raises `InputError` for more sites than determinants can be numbered on.
    """
    sites = system.lattice.geometry.sites
    if sites > MOST_SITES:
        raise InputError(f"model.lattice: got {sites} sites; must be at most {MOST_SITES} for a wavefunction; {ALTERNATIVE}")
    text = f"{sites} sites, {about(amplitudes(system))} amplitudes of the wavefunction"
    size = COMPLEX * amplitudes(system)
    vectors = EXPANSION + (min(64, max(FEWEST_HELD, HELD // size)) if is_moved else 0)
    return "model.lattice", text, size * vectors, f"; {ALTERNATIVE}"


def of_pairs(system: System, methods: Sequence[AbstractMethod], solvers: Sequence[Solver | None]) -> Iterator[Need]:
    """D2, with four indices, and its copies, by each method with its solver; None stands for the usual one. Delta3 likewise."""
    sites = system.lattice.geometry.sites
    for k, (method, solver) in enumerate(zip(methods, solvers, strict=True)):
        if method.is_pair:
            count, what = sites**4, "D2"
            if moves_three(method):
                count, what = sites**4 + sites**6, "D2 and Delta3"
            text = f"{method.kind} on {sites} sites, {about(count)} numbers of {what}"
            is_rk4 = isinstance(solver, RK4)
            other = "" if is_rk4 else "; solver rk4 takes about half"
            copies = COPIES_OF_FOUR if is_rk4 else COPIES
            if getattr(getattr(method, "closure", None), "weights", None) == SHIPPED:
                copies, other = copies + COPIES_OF_CHANNELS, ""
            yield f"methods.{k}", text, copies * COMPLEX * count, other


def moves_three(method: AbstractMethod) -> bool:
    """Whether a method carries the three-particle cumulant, with its six indices, beside D2."""
    return getattr(method, "closure", None) == "third_equation"


def operations(kind: str, system: System, *, is_pair: bool = False, has_three: bool = False) -> float:
    """Of a right-hand side."""
    lattice = system.lattice.geometry
    sites = float(lattice.sites)
    if kind == "exact":
        return 16 * float(min(amplitudes(system), 10**200)) * (2 * len(lattice.bonds) + 4)
    return (200 * sites**5 if is_pair else 50 * sites**3) + (150 * sites**7 if has_three else 0) + 1e3


def pace(system: System) -> float:
    """Energies of the Hamiltonian, in J: the width of its band and what electrons do to each other."""
    lattice = system.lattice.geometry
    per_site = 2 * len(lattice.bonds) / max(1, lattice.sites)
    return 1 + 2 * per_site * _largest(getattr(system, "hopping", 1.0)) + _largest(getattr(system, "interaction", 4.0))


def _largest(values: Any) -> float:
    many = values if isinstance(values, tuple) else (values,)
    numbers = (complex(end) for value in many for end in ends(value))
    return max((max(abs(number.real), abs(number.imag)) for number in numbers), default=0.0)


def _needs_wavefunction(method: AbstractMethod) -> bool:
    """For its motion, or to begin its memory."""
    return method.kind == "exact" or getattr(method, "closure", None) == "exact" or moves_three(method)
