"""What an experiment asks of this machine's memory, told before anything is computed."""

import math
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from qnano import runtime
from qnano.errors import InputError

from .base import traced
from .methods import AbstractMethod
from .observables import OBSERVABLES

if TYPE_CHECKING:
    from .experiment import Experiment
    from .learning_curve import LearningCurve

MOST_SITES = 62  # the determinants of one spin are the bits of an integer
ALTERNATIVE = "only td2rdm, pair and mean_field from an initial interaction of 0 do without"
COMPLEX = 16


def require_fit(experiment: "Experiment | LearningCurve") -> None:
    """Raise `InputError`, one line per problem, for an experiment that is too large for this machine."""
    there = runtime.memory()
    is_curve = experiment.task == "learning_curve"
    lines = [
        f"{key}: got {text}; about {_gigabytes(needed)} are needed and {_gigabytes(there)} are there{otherwise}"
        for key, text, needed, otherwise in (_of_frames if is_curve else _needs)(experiment)
        if needed > there
    ]
    if is_curve:
        if lines:
            raise InputError("\n".join(lines))
        return
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


def _of_frames(curve: "LearningCurve") -> Iterator[tuple[str, str, int, str]]:
    """What takes memory in a learning curve: all frames with their features, and the waves, mesh and pairs of a batch of them."""
    atoms, largest, smallest = curve.data.largest
    copies, fitted, batch = 4, 0, min(curve.batch, curve.frames)  # copies of the features within a fit
    for k, model in enumerate(curve.models):
        width = sum(map(curve.width, model.blocks)) // (curve.data.kinds if model.power > 1 else 1)
        fitted = max(fitted, copies * 8 * width * curve.rows(model, atoms))
        for j, block in enumerate(model.blocks):
            for part in block.factors:
                name = "potential" if hasattr(part, "exponent") else "density"
                key, numbers = f"models.{k}.blocks.{j}.{name}", part.radial * (part.angular + 1) ** 2
                if name == "density":
                    pairs = int(atoms**2 * 4.2 * part.cutoff**3 / smallest)
                    yield f"{key}.cutoff", f"{part.cutoff:g} A, {about(pairs)} pairs", pairs * (24 * batch + 24 * numbers), ""
                elif part.mesh is None:
                    waves = int(largest * (part.waves / part.smearing) ** 3 / 118)
                    text = f"{part.smearing:g} A, {about(waves)} waves"
                    yield f"{key}.smearing", text, waves * (12 * batch + 200), ""
                else:
                    points = int(largest / part.mesh**3)
                    text = f"{part.mesh:g} A, {about(points)} points"
                    yield f"{key}.mesh", text, 16 * points * (2 * numbers + curve.data.kinds), ""
    each = fitted + 100 * atoms
    key = "test" if curve.test >= curve.sizes[-1] else "sizes"
    yield key, f"{about(curve.frames)} frames of {about(each)} bytes each", curve.frames * each, ""


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


def _gigabytes(count: int) -> str:
    return f"{Decimal(count) / 10**9:.3g} GB"
