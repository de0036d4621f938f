"""What `check` says of memory, against what the compiler lays out for the same programs: within a factor of 2."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano.families.build import build
from qnano.tasks.dynamics.run import _advance, with_estimates
from qnano.tasks.gradient import run as gradient
from qnano.tasks.gradient.schema import GradientOf
from qnano.tasks.loading import parse
from qnano.tasks.outline import needs
from tests.config import examples, test_particles

FIELD = {"kind": "oscillation", "amplitude": 0.1, "frequency": 0.4}
PULSE = {"kind": "pulse", "coupling": "dipole", "amplitude": 0.1, "frequency": 1.0, "centre": 1.0, "width": 1.0}
BUDGET = ["energy_density", "energy_flux", "power_density", "source_density", "loss_density", "work"]
SPLIT = [*BUDGET, "convective_density", "quantum_density", "particle_current"]
STRENGTH, THREE = ["model.potential.0.strength"], ["model.potential.0.strength", "model.mass", "initial.packets.0.width"]


def waves(points, particles=1, dimension=1, **changes):
    made = {"model__points": [points] * dimension, "model__lengths": [20.0] * dimension, **changes}
    if particles > 1:
        made |= {"model__particles": particles, "model__statistics": "antisymmetric"}
        made["model__interaction"] = {"kind": "soft_coulomb", "strength": 1.0, "softening": 1.0}
        made["initial__packets"] = [{"centre": float(k), "width": 1.0} for k in range(particles)]
    return test_particles.data(**made)


def electrons(sites, method, **changes):
    half = {"up": sites // 2, "down": sites // 2}
    return examples.data(model__lattice={"kind": "chain", "sites": sites}, model__electrons=half, methods=[method], **changes)


def laid_out(program):
    """All that a compiled program holds, but for its results."""
    account = program.memory_analysis()
    return account.temp_size_in_bytes + account.argument_size_in_bytes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("points", "particles", "dimension", "observables"),
    [
        (4096, 1, 1, ["particle_density", "energy"]),
        (4096, 1, 1, SPLIT),
        (32, 3, 1, ["energy"]),
        (32, 3, 1, ["internal_energy"]),
        (128, 2, 1, BUDGET),
        (128, 1, 2, BUDGET),
        (24, 1, 3, ["energy_density"]),
        (24, 1, 3, SPLIT),
    ],
)
def test_waves(points, particles, dimension, observables):
    time = {"end": 0.2, "samples": 3}
    made = waves(points, particles, dimension, observables=observables, drive=FIELD, time=time)
    experiment = parse(made)
    method = with_estimates(build(experiment)[0])
    times = jnp.linspace(0.0, 0.2, 3)
    lowered = _advance.lower(method.dynamics, method.state, times, method.solver, method.observables)
    estimate = next(bytes_ for key, _, bytes_, _ in needs(experiment) if key == "model.points")
    assert 0.5 < laid_out(lowered.compile().compiled) / estimate < 2.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("made", "of", "wrt"),
    [
        (waves(64, 2), "energy[time=2.0]", STRENGTH),
        (waves(64, 2), "energy", THREE),
        (waves(32, dimension=2), "energy[time=2.0]", STRENGTH),
        (electrons(8, "exact"), "double_occupancy[site=1,time=2.0]", ["model.interaction"]),
        (electrons(8, "exact"), "double_occupancy[time=2.0]", ["model.interaction", "model.hopping"]),
        (electrons(8, "exact"), "double_occupancy[site=1]", ["model.interaction"]),
        (electrons(8, "exact", drive=PULSE), "double_occupancy[site=1,time=2.0]", ["model.interaction"]),
        (electrons(6, "td2rdm"), "double_occupancy[site=1,time=2.0]", ["model.interaction", "model.hopping"]),
        (electrons(6, "td2rdm"), "double_occupancy[time=2.0]", ["model.interaction"]),
        (electrons(8, "mean_field"), "double_occupancy[site=1,time=2.0]", ["model.interaction"]),
    ],
)
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_derivatives(made, of, wrt, mode):
    """By as many directions of the Hamiltonian as there are numbers, or of as many results as there are."""
    experiment = parse({**made, "task": "gradient", "gradient": {"of": of, "wrt": wrt, "mode": mode}})
    assert isinstance(experiment, GradientOf)
    times, index = gradient._where(experiment)
    (method,) = build(parse(made))
    arrays, static = eqx.partition((method.dynamics, method.state), eqx.is_inexact_array)
    adjoint = diffrax.ForwardMode() if mode == "forward" else diffrax.RecursiveCheckpointAdjoint()

    def results(arrays):
        dynamics, state = eqx.combine(arrays, static)
        name = experiment.selection.observable.name
        found = gradient._propagated(dynamics, state, jnp.asarray(times), method.solver, adjoint, name)
        return found.observables[name][index]

    def forward(arrays, tangents):
        return jax.vmap(lambda tangent: jax.jvp(results, (arrays,), (tangent,))[1])(tangents)

    if mode == "forward":
        many = jax.tree.map(lambda x: jnp.stack([x] * len(wrt)), arrays)
        program = jax.jit(forward).lower(arrays, many).compile()
    else:
        shape = jax.eval_shape(results, arrays).shape
        rows = jnp.eye(int(np.prod(shape))).reshape(-1, *shape)
        back = lambda arrays: jax.vmap(jax.vjp(results, arrays)[1])(rows)  # noqa: E731
        program = jax.jit(back).lower(arrays).compile()
    estimate = next(bytes_ for _, text, bytes_, _ in needs(experiment) if mode in text)
    assert 0.5 < laid_out(program) / estimate < 2.0
