"""From a config to electrons on a lattice: the Hamiltonian, the start, and the equation of motion of each method."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex

from qnano import fields
from qnano.errors import InputError
from qnano.families.base import Built
from qnano.families.drives import Drive, NoDrive, Pulse
from qnano.families.experiment import Experiment
from qnano.families.fields import build_field
from qnano.families.hubbard import methods, schema
from qnano.families.hubbard.learned import learned_closure, neural_ode
from qnano.families.hubbard.needs import starts_independent
from qnano.families.hubbard.schema import GroundState, Neel, Occupation
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

Found = TypeVar("Found")


def build(experiment: Experiment, settings: schema.FermiHubbard) -> list[Built]:
    """Every method with its start. Raises `InputError` for a degenerate ground state, and a start that is no singlet."""
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
        built.append(Built(dynamics, state))
    return built


def build_model(settings: schema.FermiHubbard, drive: Drive, start: float) -> FermiHubbard:
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
        case schema.Harmonic():
            return Pattern(build_field(potential.strength, start), (arms**2).sum(axis=1))
        case schema.Staggered():
            return Pattern(build_field(potential.strength, start), np.array(lattice.signs, dtype=float))
        case schema.Linear():
            return Pattern(build_field(potential.slope, start), arms[:, 0])
        case schema.SiteValues():
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
