"""From a config to the Holstein model: its parameters, its start, and the forms that propagate it."""

import jax
from jaxtyping import PRNGKeyArray

from qnano.families.base import AbstractMethod, Built
from qnano.families.experiment import Experiment
from qnano.families.fields import build_field
from qnano.families.holstein import schema
from qnano.families.holstein.schema import Thermal
from qnano.holstein.ehrenfest import AbstractEhrenfest, EhrenfestDensity, EhrenfestOrbitals, EhrenfestState
from qnano.holstein.ground_state import thermal_state
from qnano.holstein.model import Holstein


def build(experiment: Experiment, settings: schema.Holstein) -> list[Built]:
    """Every method with its start."""
    start = initial_state(experiment, jax.random.key(experiment.seed))
    model = build_model(settings, experiment.time.start)
    return [Built(*build_form(method, model, start)) for method in experiment.methods]


def build_model(model: schema.Holstein, start: float) -> Holstein:
    """The model from `start` on; what no longer changes by then becomes a constant."""
    fields = (build_field(value, start) for value in (model.coupling, model.frequency, model.eta))
    return Holstein(model.lattice.geometry, *fields, hopping=model.hopping)


def initial_state(experiment: Experiment, key: PRNGKeyArray) -> EhrenfestState:
    """The thermal state of the model before, as orbitals."""
    initial, time = experiment.initial, experiment.time.start
    assert isinstance(initial, Thermal)
    before = build_model(initial.model, time)
    if initial.temperature == 0:
        return thermal_state(before, time, key=key, noise=initial.noise)
    return thermal_state(before, time, temperature=initial.temperature, key=key, noise=initial.noise)


def build_form(method: AbstractMethod, model: Holstein, start: EhrenfestState) -> tuple[AbstractEhrenfest, EhrenfestState]:
    """The equation of motion that a method stands for, and the start in its form."""
    if method.kind == "orbitals":
        return EhrenfestOrbitals(model), start
    density = EhrenfestDensity(model)
    return density, density.from_orbitals(start)
