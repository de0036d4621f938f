"""From a config to objects: the one place where the schema meets the physics."""

from collections.abc import Callable
from pkgutil import resolve_name
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, PyTree

from qnano import fields
from qnano.border import known
from qnano.config import methods, model, solvers
from qnano.config.drives import Drive, NoDrive, Pulse
from qnano.config.experiment import Experiment
from qnano.config.holstein import Holstein
from qnano.config.memory import require_fit, starts_independent
from qnano.config.particles import ParticlesModel
from qnano.config.starts import GroundState, Neel, Occupation
from qnano.dynamics import AbstractDynamics, AbstractSolver
from qnano.errors import InputError
from qnano.experiments import coarse, holstein, particles
from qnano.experiments.fields import build_field
from qnano.experiments.learned import learned_closure, neural_ode
from qnano.fermions.purification import Purification
from qnano.fields import AbstractField, Constant, Pattern
from qnano.hubbard.closures import NAMED, AbstractClosure, ContractionConsistent
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.ground_state import DegenerateGroundState, fermi_sea, ground_state
from qnano.hubbard.mean_field import MeanField
from qnano.hubbard.model import FermiHubbard
from qnano.hubbard.pair import PairCorrelations
from qnano.hubbard.singlet import NotASinglet
from qnano.hubbard.td2rdm import TD2RDM
from qnano.lattice import Lattice
from qnano.learning.node import NeuralODE
from qnano.solvers.stepping import adaptive, fixed

Found = TypeVar("Found")
Moving = list[tuple[AbstractDynamics, PyTree[Array]]]


class Method(NamedTuple):
    """One method of an experiment, ready to propagate."""

    label: str
    kind: str
    dynamics: AbstractDynamics
    state: PyTree[Array]
    solver: AbstractSolver | None
    observables: tuple[str, ...]


def build(experiment: Experiment) -> list[Method]:
    """The experiment's methods with their initial states; outside of `jit` both can be differentiated by its numbers.

    Raises `InputError` for what does not fit into memory, and where only the physics can tell: a degenerate ground state, an
    initial state that is no singlet.
    """
    require_fit(experiment)
    moving = _forms(experiment)
    for k, (_, state) in enumerate(moving):
        leaves = [leaf for leaf in jax.tree.leaves(state) if known(leaf)]
        if not all(bool(jnp.isfinite(leaf).all()) for leaf in leaves):
            text = "some number of model or initial is too large or too small"
            raise InputError(f"methods.{k}: its initial state is not finite; {text}")
    return [
        Method(method.name, method.kind, dynamics, state, build_solver(experiment.solver_of(method)), experiment.observables)
        for method, (dynamics, state) in zip(experiment.methods, moving, strict=True)
    ]


def _forms(experiment: Experiment) -> Moving:
    match experiment.model:
        case model.FermiHubbard() as hubbard:
            return _hubbard_forms(experiment, hubbard)
        case Holstein() as electrons:
            return _holstein_forms(experiment, electrons)
        case ParticlesModel():
            return particles.build_forms(experiment)
        case _:
            return coarse.build_forms(experiment)


def _holstein_forms(experiment: Experiment, settings: Holstein) -> Moving:
    start = holstein.initial_state(experiment, jax.random.key(experiment.seed))
    model = holstein.build_model(settings, experiment.time.start)
    return [holstein.build_form(method, model, start) for method in experiment.methods]


def _hubbard_forms(experiment: Experiment, settings: model.FermiHubbard) -> Moving:
    hubbard = build_model(settings, experiment.drive, experiment.time.start)
    if independent := starts_independent(experiment):
        start = _found(lambda: fermi_sea(_model_before(experiment), experiment.time.start))
    else:
        start = initial_state(experiment, hubbard)
    built = []
    for k, method in enumerate(experiment.methods):
        try:
            dynamics = build_dynamics(method, hubbard, start)
            state = start
            if not isinstance(dynamics, ExactHubbard):
                state = dynamics.from_one_rdms(start) if independent else dynamics.from_wavefunction(start)
        except NotASinglet as error:
            raise InputError(f"methods.{k}: {error}") from None
        built.append((dynamics, state))
    return built


REGIMES = {"crystal": coarse.regime, "ribbon": coarse.regime, "particles": particles.regime}


def build_model(settings: model.FermiHubbard, drive: Drive, start: float) -> FermiHubbard:
    """The Hamiltonian from `start` on; what no longer changes by then becomes a constant."""
    lattice = settings.lattice.geometry
    vector_potential, electric_field = None, None
    neighbours = settings.neighbour_interaction
    if isinstance(drive, Pulse):
        pulse = build_pulse(drive, lattice)
        vector_potential, electric_field = (pulse, None) if drive.coupling == "peierls" else (None, pulse)
    return FermiHubbard(
        lattice=lattice,
        electrons=(settings.electrons.up, settings.electrons.down),
        hopping=build_field(settings.hopping, start),
        interaction=build_field(settings.interaction, start),
        potential=build_potential(settings.potential, lattice, start),
        vector_potential=vector_potential,
        electric_field=electric_field,
        neighbour_interaction=None if neighbours is None else build_field(neighbours, start),
    )


def build_potential(potential: Any, lattice: Lattice, start: float) -> AbstractField:
    """The static potential as its strength in time times its pattern in space."""
    arms = lattice.coordinates - lattice.centre
    match potential:
        case model.Harmonic():
            return Pattern(build_field(potential.strength, start), (arms**2).sum(axis=1))
        case model.Staggered():
            return Pattern(build_field(potential.strength, start), np.array(lattice.signs, dtype=float))
        case model.Linear():
            return Pattern(build_field(potential.slope, start), arms[:, 0])
        case model.SiteValues():
            return build_field(potential.values, start)
        case _:
            return Constant(0.0)


def build_pulse(drive: Pulse, lattice: Lattice) -> fields.Pulse:
    """The pulse as a vector along its direction, by default the first axis."""
    direction = jnp.eye(lattice.dimension)[0] if drive.direction is None else jnp.asarray(drive.direction)
    direction = direction / jnp.abs(direction).max()  # the square of a tiny vector would vanish
    amplitude = drive.amplitude * direction / jnp.linalg.norm(direction)
    return fields.Pulse(amplitude, drive.frequency, drive.centre, drive.width, drive.phase)


def initial_state(experiment: Experiment, hubbard: FermiHubbard) -> Complex[Array, "up down"]:
    """The exactly known wavefunction at the start, which every method begins from."""
    initial = experiment.initial
    if isinstance(initial, GroundState):
        return _found(lambda: ground_state(_model_before(experiment), experiment.time.start)).psi
    if isinstance(initial, Neel):
        signs = np.array(hubbard.lattice.signs)
        return ExactHubbard(hubbard).determinant(np.flatnonzero(signs > 0).tolist(), np.flatnonzero(signs < 0).tolist())
    assert isinstance(initial, Occupation)
    return ExactHubbard(hubbard).determinant(initial.up, initial.down)


def build_solver(settings: solvers.Solver | None) -> AbstractSolver | None:
    """A solver; None leaves the choice to the dynamics."""
    if settings is None or settings.kind == "auto":
        return None
    given = {name: getattr(settings, name) for name in type(settings).model_fields if name != "kind"}
    steps = {name: given.pop(name) for name in ("rtol", "atol", "dt") if name in given}
    made = resolve_name(solvers.MAKERS[settings.kind])(**given)
    if not steps:
        return made
    return fixed(made, **steps) if "dt" in steps else adaptive(made, **steps)


def build_dynamics(
    method: Any, hubbard: FermiHubbard, start: Complex[Array, "..."]
) -> ExactHubbard | TD2RDM | PairCorrelations | MeanField | NeuralODE:
    """The equation of motion that a method stands for."""
    match method:
        case methods.TD2RDM():
            purification, every = None, methods.Purification().every
            if (wanted := method.purification) is not None:
                purification = Purification(wanted.tolerance, wanted.max_iterations, wanted.particle_hole)
                every = wanted.every
            return TD2RDM(hubbard, build_closure(method, hubbard, start), purification, every)
        case methods.Pair():
            return PairCorrelations(hubbard, *(channel in method.channels for channel in methods.CHANNELS))
        case methods.MeanField():
            return MeanField(hubbard)
        case methods.NeuralODE():
            return neural_ode(method, hubbard)
        case _:
            return ExactHubbard(hubbard, reference=start)


def build_closure(method: methods.TD2RDM, hubbard: FermiHubbard, start: Complex[Array, "..."]) -> AbstractClosure:
    """The closure that a TD2RDM method names, or whose weights it names."""
    if isinstance(method.closure, methods.Learned):
        return learned_closure(method.closure, hubbard, start)
    closure = NAMED[method.closure](hubbard)
    return ContractionConsistent(closure) if method.contraction_consistent else closure


def _model_before(experiment: Experiment) -> FermiHubbard:
    assert isinstance(experiment.initial, GroundState)
    return build_model(experiment.initial.model, NoDrive(), experiment.time.start)


def _found(search: Callable[[], Found]) -> Found:
    try:
        return search()
    except DegenerateGroundState as error:
        raise InputError(f"initial.model: {error}") from None
