"""The local balance with as many axes as there can be: three particles on a line, one in a plane and in space."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from qnano.fields import Pulse
from qnano.schrodinger.grid import Grid
from qnano.schrodinger.model import Particles, normalised
from qnano.schrodinger.wave import Schrodinger

CASES = [("three on a line", (64,), 3), ("one in a plane", (60, 56), 1), ("one in space", (38, 36, 36), 1)]


@pytest.mark.slow
@pytest.mark.parametrize(("points", "number"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_the_balance_of(points, number):
    """At an instant of a driven motion: the residual vanishes as the grid resolves the wave, the source sums to zero, the power is
    that of the force on the mean momentum."""
    axes = len(points)
    grid = Grid(points, (18.0,) * axes)
    x = grid.coordinates
    harmonic = 0.4 * jnp.tensordot(1 + jnp.arange(axes), x**2, axes=1)
    repulsion = grid.pairs(lambda r: jnp.exp(-((r / 1.5) ** 2)), periodic=False) if number > 1 else None
    force = Pulse(0.3 + 0.2 * jnp.arange(axes), 1.0, 0.5, 2.0)
    dynamics = Schrodinger(Particles(grid, harmonic, number, repulsion, force))

    def one(centre, k):
        return jnp.exp(-0.35 * jnp.sum((x - centre) ** 2, axis=0) + 1j * k * x[0])

    psi = one(0.3, 0.4)
    for centre, k in ((-0.8, 0.0), (1.2, -0.5))[: number - 1]:
        psi = psi[..., None] * one(centre, k)
    psi = normalised(psi, grid, number, exchange=-1 if number > 1 else 0)

    @eqx.filter_jit
    def measured(t):
        seen = dynamics.observe(t, psi)
        names = (
            "balance_residual",
            "power_density",
            "source_density",
            "energy_density",
            "wave_momentum",
            "energy",
            "particle_density",
        )
        return {name: seen[name]() for name in names}, force(t)

    found, now = measured(jnp.array(0.7))
    assert np.abs(found["balance_residual"]).max() < 1e-4 * np.abs(found["power_density"]).max()
    power = number * jnp.dot(now, found["wave_momentum"])
    np.testing.assert_allclose(found["power_density"].sum() * grid.volume, power, rtol=1e-6)
    np.testing.assert_allclose(found["source_density"].sum() * grid.volume, 0.0, atol=1e-12)
    dipole = jnp.dot(now, jnp.sum(grid.coordinates * found["particle_density"], axis=range(1, axes + 1)))
    total = found["energy"] + dipole * grid.volume
    np.testing.assert_allclose(found["energy_density"].sum() * grid.volume, total, rtol=1e-9)
    if number > 1:
        assert np.abs(found["source_density"]).max() > 1e-3
