"""What must hold between the parts of an experiment. Each rule yields a key and what is wrong with it."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from qnano.border import got

from .base import traced
from .coarse import AbstractTwoScale, CrystalModel, Packets, RibbonModel
from .drives import Drive, Oscillation, Pulse, Sum, parts_of
from .holstein import Holstein
from .methods import CGMF, CGWE, AbstractMethod, Fine, Method
from .model import FermiHubbard
from .observables import HOLSTEIN, HUBBARD, OBSERVABLES, SHARED_OUT, SINGLETS, TWO_SCALE, WAVE
from .packets import packet_problems
from .particles import Bias, Eigenstates, ParticlesModel, Relaxed, WavePackets, spread
from .problems import suggestion
from .resolution import unresolved
from .solvers import EXACT_SOLVERS, SPLIT_SOLVERS, Fixed, Solver
from .starts import GroundState, Neel, Occupation, Thermal
from .values import Quench, Ramp, ends, time_dependent

if TYPE_CHECKING:
    from .experiment import Experiment

Problems = Iterator[tuple[str, str]]
SPLIT = (*HOLSTEIN, *TWO_SCALE, *WAVE)
PARTS = {
    "fermi_hubbard": (("ground_state", "neel", "occupation"), ("none", "pulse"), HUBBARD),
    "holstein": (("thermal",), ("none",), HOLSTEIN),
    "crystal": (("packets",), ("none",), TWO_SCALE),
    "ribbon": (("packets",), ("none",), ("fine", "cgwe", "cgwe2", "dirac")),
    "particles": (("wave_packets", "eigenstates", "relaxed"), ("none", "pulse", "oscillation", "bias", "sum"), WAVE),
}
FINEST = {"double": 1e-14, "single": 1e-6}
JUMPS = "would jump where the lattice closes along axis {}; must be a drive with coupling peierls, for a uniform field around it"
EPSILON = {"double": 2.0**-52, "single": 2.0**-23}


def broken(experiment: "Experiment") -> Problems:
    """What does not hold; whether the parts belong to the model comes first."""
    if problems := list(parts_belong(experiment)):
        yield from problems
        return
    yield from of_model(experiment)
    for rule in OF_ALL:
        yield from rule(experiment)


def of_model(experiment: "Experiment") -> Problems:
    """What does not hold in a model, whose parts belong to it."""
    drive, methods = experiment.drive, experiment.methods
    match experiment.model, experiment.initial:
        case FermiHubbard() as model, (GroundState() | Neel() | Occupation()) as initial:
            yield from initial_state_fits(model, initial)
            yield from pulse_fits(model, drive)
            yield from nothing_jumps(model, initial, drive)
            yield from td2rdm_has_a_singlet(model, initial, methods)
            yield from neighbours_repel_in_exact_only(model, methods)
        case Holstein() as model, Thermal() as initial:
            yield from lattice_stays(model, initial)
        case (CrystalModel() | RibbonModel()) as model, Packets() as initial:
            yield from packets_fit(model, initial)
            if isinstance(model, CrystalModel):
                yield from particles_fit(model, initial, methods)
            yield from pair_masses_fit(model, methods)
            yield from envelopes_fit(model, initial)
            yield from unresolved(model, drive)
        case ParticlesModel() as model, (WavePackets() | Eigenstates() | Relaxed()) as initial:
            yield from waves_start(model, initial)
            yield from fields_fit(model, drive)
            yield from measurable(model, drive, experiment.observables)
            yield from solver_splits(experiment)
            yield from unresolved(model, drive)


def parts_belong(experiment: "Experiment") -> Problems:
    model = experiment.model.kind
    initials, drives, methods = PARTS[model]
    parts = [("initial.kind", experiment.initial, initials), ("drive.kind", experiment.drive, drives)]
    parts += [(f"methods.{k}", method, methods) for k, method in enumerate(experiment.methods)]
    for key, part, known in parts:
        yield from belongs(key, part.kind, known, model)


def belongs(key: str, kind: str, known: Sequence[str], model: str) -> Problems:
    """Whether a part is of a kind that the model has."""
    if kind not in known:
        yield key, got(kind, f"must be {'one of ' if len(known) > 1 else ''}{', '.join(known)} for model {model}")


def lattice_stays(model: Holstein, initial: Thermal) -> Problems:
    if initial.model.lattice != model.lattice:
        yield "initial.model.lattice", "differs from model.lattice; must be the same before and after"


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


def waves_start(model: ParticlesModel, initial: WavePackets | Eigenstates | Relaxed) -> Problems:
    """Packets fit the particles, the box and the statistics."""
    if isinstance(initial, Relaxed) and model.statistics == "antisymmetric":
        yield "initial.kind", got("relaxed", "starts from one packet for all, which cannot be antisymmetric; use eigenstates")
    if isinstance(initial, Eigenstates):
        count = len(initial.coefficients)
        if not any(traced(c) or c for c in initial.coefficients):
            yield "initial.coefficients", got(initial.coefficients, "must not all be 0")
        elif count > (there := states(model)):
            yield "initial.coefficients", f"got {count}; there are {there} states (model.points, statistics)"
    if isinstance(initial, Relaxed) and not traced(initial.width):
        for length, points in zip(model.lengths, model.points, strict=True):
            if not traced(length) and initial.width < 0.5 * length / points:
                rule = f"must be at least {0.5 * length / points:.4g}, half of the grid's spacing"
                yield "initial.width", got(initial.width, rule)
    if not isinstance(initial, WavePackets):
        return
    yield from packets_fit(model, initial)
    dimension, wrong = len(model.axes), False
    for k, packet in enumerate(initial.packets):
        for key, value in packet:
            if isinstance(value, tuple) and len(value) != dimension:
                wrong = True
                yield f"initial.packets.{k}.{key}", f"got {len(value)} numbers; must be one, or {dimension} (the axes)"
    if not wrong:
        for key, *numbers in wave_packets(model, initial):
            yield from packet_problems(key, *numbers)
    if model.statistics == "antisymmetric" and len({str(packet) for packet in initial.packets}) < model.particles:
        yield "initial.packets", "two are the same; an antisymmetric wave needs different ones"


def states(model: ParticlesModel) -> int:
    """How many states the particles have on the grid, with their statistics."""
    each = math.prod(model.points)
    match model.statistics:
        case "symmetric":
            return math.comb(each + model.particles - 1, model.particles)
        case "antisymmetric":
            return math.comb(each, model.particles)
        case _:
            return each**model.particles


def wave_packets(model: ParticlesModel, initial: WavePackets) -> Iterator[tuple[Any, ...]]:
    """What `packet_problems` asks for, of every packet along every axis: its density has the standard deviation `width`."""
    for k, packet in enumerate(initial.packets):
        own = (spread(value, len(model.axes)) for value in (packet.centre, packet.width, packet.wavenumber))
        for *numbers, length, points in zip(*own, model.lengths, model.points, strict=True):
            yield f"initial.packets.{k}", *numbers, length, points


def envelope_packets(model: AbstractTwoScale, initial: Packets) -> Iterator[tuple[Any, ...]]:
    """The same of envelopes, on the coarse grid: `width` is that of the amplitude."""
    for k, packet in enumerate(initial.packets):
        deviation = packet.width / math.sqrt(2)
        yield f"initial.packets.{k}", packet.centre, deviation, packet.wavenumber, model.length, model.coarse_points


def envelopes_fit(model: AbstractTwoScale, initial: Packets) -> Problems:
    for key, *numbers in envelope_packets(model, initial):
        yield from packet_problems(key, *numbers)


def fields_fit(model: ParticlesModel, drive: Drive) -> Problems:
    several = isinstance(drive, Sum)
    for k, part in enumerate(parts_of(drive)):
        key = f"drive.parts.{k}" if several else "drive"
        if isinstance(part, Pulse | Oscillation):
            yield from directed(f"{key}.direction", part.direction, len(model.axes))
        if isinstance(part, Pulse) and part.coupling != "dipole":
            yield f"{key}.coupling", got(part.coupling, "must be dipole for model particles")
        if isinstance(part, Bias) and isinstance(part.amplitude, Quench | Ramp) and part.frequency:
            yield f"{key}.frequency", got(part.frequency, "must be 0 where the amplitude changes by itself")
    if sum(isinstance(part, Bias) for part in parts_of(drive)) > 1:
        yield "drive.parts", "several are a bias; must be at most one"


def directed(key: str, direction: tuple[float, ...] | None, dimension: int) -> Problems:
    """Whether a direction, where one is given, is one in a space of this dimension."""
    if direction is not None and (len(direction) != dimension or not any(direction)):
        yield key, got(direction, f"must be a vector of {dimension} numbers, not all zero")


def measurable(model: ParticlesModel, drive: Drive, observables: Sequence[str]) -> Problems:
    """What is measured needs regions, electrodes, or particles that are all alike."""
    biased = any(isinstance(part, Bias) for part in parts_of(drive))
    for k, name in enumerate(observables):
        if name.startswith("region_") and not model.regions:
            yield f"observables.{k}", got(name, "needs model.regions")
        if name == "bias_current" and not biased:
            yield f"observables.{k}", got(name, "needs a drive that is a bias")
        if name in SHARED_OUT and model.particles > 1 and model.statistics == "distinguishable":
            yield f"observables.{k}", got(name, "needs statistics symmetric or antisymmetric")


def solver_splits(experiment: "Experiment") -> Problems:
    for k, method in enumerate(experiment.methods):
        if (solver := experiment.solver_of(method)).kind not in ("auto", *SPLIT_SOLVERS):
            yield f"methods.{k}", got(solver.kind, f"{method.name} has solver auto, {' and '.join(SPLIT_SOLVERS)} alone")


def packets_fit(model: CrystalModel | RibbonModel | ParticlesModel, initial: Packets | WavePackets) -> Problems:
    packets, number = initial.packets, model.particles
    if len(packets) != number:
        yield "initial.packets", f"got {len(packets)}; must be {number} (the particles)"


def particles_fit(model: CrystalModel, initial: Packets, methods: Sequence[Method]) -> Problems:
    """Waves of up to three particles; products, and nothing else, of more, and of those that can be told apart."""
    for k, method in enumerate(methods):
        most = {"cgmf": 8, "dirac": 1}.get(method.kind, 3)
        if model.particles > most:
            yield f"methods.{k}", f"{method.name} has up to {most} particles, got {model.particles} (model.particles)"
        elif method.kind == "cgmf" and model.statistics != "distinguishable":
            yield f"methods.{k}", got("cgmf", f"a product of orbitals is not {model.statistics}; distinguishable particles only")
        if isinstance(method, Fine) and method.bands and method.bands > model.points:
            yield f"methods.{k}.bands", got(method.bands, f"must be at most {model.points} (model.points)")
    if model.statistics == "antisymmetric" and len({str(packet) for packet in initial.packets}) < model.particles:
        yield "initial.packets", "two are the same; an antisymmetric wave needs different ones"


def pair_masses_fit(model: CrystalModel | RibbonModel, methods: Sequence[Method]) -> Problems:
    """Of two particles that interact, at the bottom of the lowest band of a cosine."""
    for k, method in enumerate(methods):
        if not isinstance(method, CGWE | CGMF) or method.pair_cells is None:
            continue
        if isinstance(model, RibbonModel) or model.particles != 2 or model.interaction.kind == "none":
            yield f"methods.{k}.pair_cells", got(method.pair_cells, "needs a model of 2 particles that interact")
        elif model.band or model.wavevector == "edge" or len(model.harmonics) > 1:
            yield f"methods.{k}.pair_cells", got(method.pair_cells, "needs band 0, wavevector centre and one harmonic")


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


def method_names_differ(experiment: "Experiment") -> Problems:
    names = Counter(method.name for method in experiment.methods)
    for k, method in enumerate(experiment.methods):
        if names[method.name] > 1:
            names[method.name] = 0
            yield f"methods.{k}", f"several methods are named {method.name}; give each a label of its own"


def td2rdm_has_a_singlet(model: FermiHubbard, initial: GroundState | Neel | Occupation, methods: Sequence[Method]) -> Problems:
    up, down = model.electrons.up, model.electrons.down
    for k, method in enumerate(methods):
        if method.kind not in SINGLETS:
            continue
        needs = f"{method.kind} needs a singlet, since it propagates the up-down block alone"
        if up != down or up == 0:
            yield f"methods.{k}", f"{needs}; electrons up and down must be equal and not 0, got {up} and {down}"
        elif isinstance(initial, Neel) or (isinstance(initial, Occupation) and set(initial.up) != set(initial.down)):
            yield f"methods.{k}", f"{needs}; initial {initial.kind} is none"


def neighbours_repel_in_exact_only(model: FermiHubbard, methods: Sequence[Method]) -> Problems:
    if model.neighbour_interaction is None:
        return
    for k, method in enumerate(methods):
        if method.kind != "exact":
            yield f"methods.{k}", f"{method.kind} has no model.neighbour_interaction; only exact has"


def observables_exist(experiment: "Experiment") -> Problems:
    for k, name in enumerate(experiment.observables):
        key = f"observables.{k}"
        if name not in OBSERVABLES:
            yield key, got(name, f"must be one of {', '.join(OBSERVABLES)}{suggestion(name, OBSERVABLES)}")
            continue
        if name in experiment.observables[:k]:
            yield key, got(name, "must be named once")
        if problem := without(name, experiment.methods):
            yield key, got(name, problem)


def without(name: str, methods: Sequence[AbstractMethod]) -> str | None:
    """Which of the methods do not have an observable, if some do not."""
    owners = OBSERVABLES[name].methods
    lacking = [method.name for method in methods if method.kind not in owners]
    if not lacking:
        return None
    return f"{' and '.join(lacking)} {'do not' if len(lacking) > 1 else 'does not'} have it, only {', '.join(owners)}"


def solvers_fit(experiment: "Experiment") -> Problems:
    for key, solver in _solvers(experiment):
        users = [method for method in experiment.methods if experiment.solver_of(method) is solver]
        if solver.kind in EXACT_SOLVERS and (others := [method.name for method in users if method.kind != "exact"]):
            own = "give those solvers of their own" if len(others) > 1 else "give that a solver of its own"
            yield f"{key}.kind", got(solver.kind, f"only method exact has it, not {' and '.join(others)}; {own}")
        elif solver.kind in SPLIT_SOLVERS and (others := [method.name for method in users if method.kind not in SPLIT]):
            yield f"{key}.kind", got(solver.kind, f"only {' and '.join(SPLIT)} have it, not {' and '.join(others)}")
        elif solver.kind == "chebyshev" and users and experiment.changes:
            yield f"{key}.kind", got(solver.kind, "the Hamiltonian must not change after time.start; use magnus or auto")


def precision_suffices(experiment: "Experiment") -> Problems:
    precision, time = experiment.precision, experiment.time
    if not time.resolved_by(EPSILON[precision]):
        yield "time.samples", got(time.samples, f"too many between {time.start:g} and {time.end:g} in {precision} precision")
    for key, solver in _solvers(experiment):
        for name in ("rtol", "tolerance"):
            if (tolerance := getattr(solver, name, 1.0)) < FINEST[precision]:
                yield f"{key}.{name}", got(tolerance, f"must be at least {FINEST[precision]:g} in {precision} precision")


def seed_suffices(experiment: "Experiment") -> Problems:
    """In single precision JAX would drop the upper half of a seed."""
    if experiment.precision == "single" and experiment.seed >= 2**32:
        yield "seed", got(experiment.seed, f"must be at most {2**32 - 1} in single precision")


def steps_fit(experiment: "Experiment") -> Problems:
    span = experiment.time.end - experiment.time.start
    for key, solver in _solvers(experiment):
        if isinstance(solver, Fixed) and solver.dt > span:
            yield f"{key}.dt", got(solver.dt, f"must be at most {span:g} (time.end - time.start)")


def changes_happen(experiment: "Experiment") -> Problems:
    end = experiment.time.end
    for key, value in time_dependent(experiment.model, "model"):
        name, begin = value.begin
        if begin > end:
            yield f"{key}.{name}", got(begin, f"must be at most {end:g} (time.end)")


def _solvers(experiment: "Experiment") -> Iterator[tuple[str, Solver]]:
    """Every solver that is given, with its key."""
    yield "solver", experiment.solver
    for k, method in enumerate(experiment.methods):
        if method.solver:
            yield f"methods.{k}.solver", method.solver


OF_ALL = (
    method_names_differ,
    observables_exist,
    solvers_fit,
    precision_suffices,
    seed_suffices,
    steps_fit,
    changes_happen,
)
