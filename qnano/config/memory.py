"""What an experiment asks of this machine's memory, told before anything is computed."""

import math
import os
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from qnano.errors import InputError

from .base import traced
from .methods import AbstractMethod
from .observables import OBSERVABLES

if TYPE_CHECKING:
    from .experiment import Experiment

MOST_SITES = 62  # the determinants of one spin are the bits of an integer
ALTERNATIVE = "only td2rdm, pair and mean_field from an initial interaction of 0 do without"
COMPLEX = 16


def memory() -> int:
    """The bytes that this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def require_fit(experiment: "Experiment") -> None:
    """Raise `InputError`, one line per problem, for an experiment that is too large for this machine."""
    there = memory()
    lines = [
        f"{key}: got {text}; about {gigabytes(needed)} are needed and {gigabytes(there)} are there{otherwise}"
        for key, text, needed, otherwise in _needs(experiment)
        if needed > there
    ]
    hubbard = experiment.model.kind == "fermi_hubbard"
    sites = experiment.model.lattice.geometry.sites if hubbard else 0
    if sites > MOST_SITES and not starts_independent(experiment):
        lines = [f"model.lattice: got {sites} sites; must be at most {MOST_SITES} for a wavefunction; {ALTERNATIVE}"]
    if lines:
        raise InputError("\n".join(lines))


def amplitudes(experiment: "Experiment") -> int:
    """How many numbers a wavefunction consists of."""
    sites = experiment.model.lattice.geometry.sites
    return math.prod(math.comb(sites, count) for _, count in experiment.model.electrons)


def wave_points(experiment: "Experiment") -> int:
    """How many numbers the largest wave of a problem on two scales consists of."""
    model, fine = experiment.model, any(method.kind == "fine" for method in experiment.methods)
    each = model.cells * getattr(model, "points", 2) if fine else model.coarse_points
    product = all(method.kind == "cgmf" for method in experiment.methods)
    return each * model.particles if product else each**model.particles


def starts_independent(experiment: "Experiment") -> bool:
    """Whether the initial state is a Fermi sea, and no method asks for its wavefunction: then no size is too large for it.

    It is none where one differentiates by an interaction of 0, since the derivative is that of a correlated state.
    """
    if experiment.initial.kind != "ground_state" or any(map(_needs_wavefunction, experiment.methods)):
        return False
    if experiment.initial.model.neighbour_interaction is not None:
        return False
    interaction = experiment.initial.model.interaction
    return not any(traced(u) or u for u in (interaction if isinstance(interaction, tuple) else (interaction,)))


def about(count: int) -> str:
    """A whole number of any size, in three digits where it is large."""
    return str(count) if count < 10**6 else f"{Decimal(count):.3g}"


def _needs(experiment: "Experiment") -> Iterator[tuple[str, str, int, str]]:
    """What takes memory: a key, what it asks for, the bytes, and what else could be done."""
    if experiment.model.kind == "holstein":
        # The density matrix, its copies within a step, and the levels of the start.
        sites = experiment.model.lattice.geometry.sites
        yield "model.lattice", f"{sites} sites", 20 * COMPLEX * sites**2, ""
    elif experiment.model.kind in ("crystal", "ribbon"):
        number, waves = wave_points(experiment), 12
        yield "model.cells", f"{experiment.model.cells} cells, {about(number)} points of the wave", waves * COMPLEX * number, ""
    elif experiment.model.kind == "particles":
        yield "model.points", f"{about(experiment.model.size)} points of the wave", 20 * COMPLEX * experiment.model.size, ""
    elif not starts_independent(experiment):
        # What a propagation holds at once: the vectors of a Chebyshev recursion; a ground state: a Lanczos space and the matrix.
        vectors = 100 if any(map(_needs_wavefunction, experiment.methods)) else 40
        sites = experiment.model.lattice.geometry.sites
        text = f"{sites} sites, {about(amplitudes(experiment))} amplitudes of the wavefunction"
        yield "model.lattice", text, COMPLEX * amplitudes(experiment) * vectors, f"; {ALTERNATIVE}"
    samples = experiment.time.samples
    row = sum(_row(name, experiment) for name in experiment.observables for _ in experiment.methods)
    yield "time.samples", f"{about(samples)} times of {about(row)} bytes each", samples * row, ""


def _row(name: str, experiment: "Experiment") -> int:
    """The bytes of an observable at one time."""
    numbers = math.prod(size(dim, experiment) for dim in experiment.observable(name).dims[1:])
    return numbers * (COMPLEX if OBSERVABLES[name].is_complex else 8)


def size(dim: str, experiment: "Experiment") -> int:
    """How many entries the results of an experiment have along a dimension other than time."""
    if dim in (own := getattr(experiment.model, "counts", {})):
        return own[dim]
    lattice = experiment.model.lattice.geometry
    return {"spin": 2, "extreme": 2, "axis": 1, "bond": len(lattice.bonds)}.get(dim, lattice.sites)


def _needs_wavefunction(method: AbstractMethod) -> bool:
    return method.kind == "exact" or getattr(method, "closure", None) == "exact"


def gigabytes(count: int) -> str:
    return f"{Decimal(count) / 10**9:.3g} GB"
