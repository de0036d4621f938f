"""What is known of a problem on two scales before it is run, for its figures: the bands along the zone, and the slow potential."""

import jax
import jax.numpy as jnp
import numpy as np

from qnano.families.base import Fact
from qnano.families.experiment import Experiment
from qnano.families.fields import plain
from qnano.families.two_scale.build import TwoScale, build_shared
from qnano.families.two_scale.regime import balances
from qnano.families.two_scale.schema import Well

SHOWN_BANDS = 4


def facts(experiment: Experiment) -> dict[str, Fact]:
    """By name; energies count from the edge of the band that is followed."""
    shared = build_shared(experiment)
    return {**_bands(experiment, shared), **_potential(experiment, shared)}


def _bands(experiment: Experiment, shared: TwoScale) -> dict[str, Fact]:
    cell, period, energy = shared.cell, plain(shared.bloch.period), experiment.unit("J")
    k = jnp.linspace(-1.0, 1.0, 161)
    levels = np.asarray(jax.lax.map(lambda q: jnp.linalg.eigvalsh(shared.bloch.hamiltonian(q[None])), k * jnp.pi / period))
    bend = plain(cell.hbar) ** 2 * plain(cell.inverse_mass[0, 0]) / 2 * (np.pi / period) ** 2
    shown = levels[:, : max(SHOWN_BANDS, cell.band + 2)] - plain(cell.energy)
    return {
        "wavevector": Fact(("wavevector",), np.asarray(k), "pi/a", "wavevector"),
        "levels": Fact(("wavevector", "band"), shown, energy, "energies of the lattice"),
        "followed_band": Fact((), np.array(cell.band), "1", "number of the band that is followed"),
        "edge_wavevector": Fact((), np.array(plain(cell.k0[0]) * period / np.pi), "pi/a", "where its edge is"),
        "parabola": Fact((), np.array(bend), energy, "what the mass makes of it, pi/a away from the edge"),
    }


def _potential(experiment: Experiment, shared: TwoScale) -> dict[str, Fact]:
    """Of a slow potential: its length and its height, and the mass in hbar^2 by which they are balanced."""
    found = balances(experiment, shared).get("confinement")
    if found is None:
        return {}
    energy, length, cell = experiment.unit("J"), experiment.unit("length"), plain(shared.model.period)
    scale = cell / float(found.eps)
    numbers = scale, abs(float(found.beta * found.energy)), 1 / (float(found.energy) * scale**2)
    if not all(np.isfinite(number) and number > 0 for number in numbers):
        return {}
    what = "width of the well" if isinstance(shared.model.confinement, Well) else "length of the cosine over 2π"
    return {
        "cell_length": Fact((), np.array(cell), length, "length of a cell"),
        "potential_length": Fact((), np.array(scale), length, what),
        "potential_height": Fact((), np.array(numbers[1]), energy, "height of the potential"),
        "mass": Fact((), np.array(numbers[2]), "1", "m / hbar^2"),
    }
