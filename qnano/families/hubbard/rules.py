"""What must hold between the parts of an experiment with electrons on a lattice."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qnano.border import got
from qnano.config.base import traced
from qnano.config.values import ends
from qnano.families.base import AbstractMethod, Problems
from qnano.families.drives import Drive, Pulse, directed
from qnano.families.hubbard.schema import FermiHubbard, GroundState, Neel, Occupation

if TYPE_CHECKING:
    from qnano.families.experiment import Experiment

JUMPS = "would jump where the lattice closes along axis {}; must be a drive with coupling peierls, for a uniform field around it"


def broken(experiment: "Experiment") -> Problems:
    """Every rule of the family."""
    model, initial, drive, methods = experiment.model, experiment.initial, experiment.drive, experiment.methods
    assert isinstance(model, FermiHubbard) and isinstance(initial, GroundState | Neel | Occupation)
    yield from initial_state_fits(model, initial)
    yield from pulse_fits(model, drive)
    yield from nothing_jumps(model, initial, drive)
    yield from td2rdm_has_a_singlet(model, initial, methods)
    yield from neighbours_repel_in_exact_only(model, methods)


def initial_state_fits(model: FermiHubbard, initial: GroundState | Neel | Occupation) -> Problems:
    if isinstance(initial, GroundState):
        for key in ("lattice", "electrons"):
            if getattr(initial.model, key) != getattr(model, key):
                yield f"initial.model.{key}", f"differs from model.{key}; must be the same before and after"
    elif isinstance(initial, Neel):
        geometry = model.lattice.geometry
        if not geometry.is_bipartite:
            yield "initial.kind", got("neel", "the lattice has no two sublattices; use occupation")
            return
        for spin, sign in (("up", 1), ("down", -1)):
            sites = geometry.signs.count(sign)
            if getattr(model.electrons, spin) != sites:
                rule = f"must be {sites} (the sites of its sublattice) for initial neel"
                yield f"model.electrons.{spin}", got(getattr(model.electrons, spin), rule)
    else:
        for spin, sites in (("up", initial.up), ("down", initial.down)):
            count, last = getattr(model.electrons, spin), model.lattice.geometry.sites - 1
            if len(set(sites)) < len(sites) or any(site > last for site in sites):
                yield f"initial.{spin}", got(sites, f"must be different sites between 0 and {last}")
            elif len(sites) != count:
                yield f"initial.{spin}", f"got {len(sites)} sites; must be {count} (model.electrons.{spin})"


def pulse_fits(model: FermiHubbard, drive: Drive) -> Problems:
    if isinstance(drive, Pulse):
        yield from directed("drive.direction", drive.direction, model.lattice.geometry.dimension)


def nothing_jumps(model: FermiHubbard, initial: GroundState | Neel | Occupation, drive: Drive) -> Problems:
    """A potential that rises steadily around a ring jumps at the bond that closes it; what drives a ring is a vector potential."""
    before = (("initial.model", initial.model),) if isinstance(initial, GroundState) else ()
    for root, tilted in (("model", model), *before):
        if _tilted(tilted.potential) and tilted.lattice.geometry.closed[0]:
            yield f"{root}.potential.kind", got("linear", JUMPS.format(0))
            break  # what the initial model inherits is told once
    if isinstance(drive, Pulse) and drive.coupling == "dipole" and drive.amplitude != 0:
        closed = model.lattice.geometry.closed
        direction = drive.direction or (1.0, *(0.0 for _ in closed[1:]))
        for axis, (along, part) in enumerate(zip(closed, direction, strict=False)):
            if along and part != 0:
                yield "drive.coupling", got("dipole", JUMPS.format(axis))


def _tilted(potential: Any) -> bool:
    """Whether a potential is linear with a slope, at some time, that is known not to be 0."""
    slope = getattr(potential, "slope", 0.0)
    return any(end != 0 for end in ends(slope) if not traced(end))


def td2rdm_has_a_singlet(
    model: FermiHubbard, initial: GroundState | Neel | Occupation, methods: Sequence[AbstractMethod]
) -> Problems:
    up, down = model.electrons.up, model.electrons.down
    for k, method in enumerate(methods):
        if not method.is_pair:
            continue
        needs = f"{method.kind} needs a singlet, since it propagates the up-down block alone"
        if up != down or up == 0:
            yield f"methods.{k}", f"{needs}; electrons up and down must be equal and not 0, got {up} and {down}"
        elif isinstance(initial, Neel) or (isinstance(initial, Occupation) and set(initial.up) != set(initial.down)):
            yield f"methods.{k}", f"{needs}; initial {initial.kind} is none"


def neighbours_repel_in_exact_only(model: FermiHubbard, methods: Sequence[AbstractMethod]) -> Problems:
    if model.neighbour_interaction is None:
        return
    for k, method in enumerate(methods):
        if method.kind != "exact":
            yield f"methods.{k}", f"{method.kind} has no model.neighbour_interaction; only exact has"
