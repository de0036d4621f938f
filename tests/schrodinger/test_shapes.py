"""Packets, shapes and regions on a periodic grid, against what they are on a line."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erf

from qnano.schrodinger import shapes
from qnano.schrodinger.grid import Grid

GRID = Grid((96, 80), [30.0, 24.0])
packet, region, away_from = (jax.jit(one) for one in (shapes.packet, shapes.region, shapes.away_from))


def test_a_packet_has_the_mean_the_width_and_the_wavenumber_that_were_asked_for():
    psi = np.asarray(packet(GRID, np.array([14.0, -2.0]), np.array([0.9, 1.3]), np.array([1.5, -0.5])))
    density = np.abs(psi) ** 2 / np.sum(np.abs(psi) ** 2)
    for axis, width in enumerate((0.9, 1.3)):
        away = np.asarray(away_from(np.array([14.0, -2.0]), GRID))[axis]  # round the seam too
        assert np.sum(density * away) == pytest.approx(0.0, abs=1e-12)
        assert np.sum(density * away**2) == pytest.approx(width**2, rel=1e-10)
    waves = np.abs(np.fft.fftn(psi)) ** 2
    for axis, wavenumber in enumerate((1.5, -0.5)):
        assert np.sum(waves * np.asarray(GRID.wavenumbers)[axis]) / np.sum(waves) == pytest.approx(wavenumber, abs=1e-10)


def test_the_integral_over_a_region_is_that_of_the_line():
    density = np.asarray(jax.jit(shapes.gaussian)(away_from(np.array([0.0, 1.0]), GRID), np.array([1.0, 2.0])))
    found = np.sum(density * np.asarray(region(GRID, np.array([-0.7, 0.3]), np.array([1.1, 2.9]))))
    ends = [(-0.7, 1.1, 1.0), (-0.7, 1.9, 2.0)]
    wanted = np.prod([w * np.sqrt(np.pi / 2) * (erf(b / w / np.sqrt(2)) - erf(a / w / np.sqrt(2))) for a, b, w in ends])
    assert float(found) == pytest.approx(wanted, rel=1e-10)


def test_walls_are_as_thick_and_as_far_apart_as_asked_for():
    x = np.linspace(-20.0, 20.0, 4001)
    walls = np.asarray(jax.jit(shapes.double_barrier)(x, 2.0, 5.0, 0.05))
    assert walls.sum() * 0.01 == pytest.approx(4.0, abs=1e-6)  # two of thickness 2, whatever the edge
    inside, middle = (np.abs(x) > 2.7) & (np.abs(x) < 4.3), np.abs(x) < 2.3
    assert float(walls[inside].min()) > 1 - 1e-3 and float(walls[middle].max()) < 1e-3


def test_a_voltage_falls_by_half_at_its_centre():
    fall = np.asarray(jax.jit(shapes.fall)(GRID, 2.5, 1.0))
    assert float(fall[np.argmin(np.abs(np.asarray(GRID.coordinates)[0, :, 0] - 2.5)), 0]) == pytest.approx(0.5, abs=1e-12)
    assert float(fall[0, 0]) == pytest.approx(0.0, abs=1e-12) and float(fall[-1, 0]) == pytest.approx(1.0, abs=1e-12)


def test_a_direction_does_not_depend_on_the_phase_that_was_found():
    wave = np.asarray(packet(GRID, np.array([3.0, 2.0]), np.array([1.0, 1.0]), np.array([0.0, 0.0])))
    turned = jax.jit(shapes.directed)(wave * np.exp(1.234j), GRID)
    np.testing.assert_allclose(turned, wave, atol=1e-14)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: shapes.packet(GRID, [0.0], [1.0, 1.0], [0.0, 0.0]), "centre"),
        (lambda: shapes.packet(GRID, [0.0, 0.0], [1.0, 0.0], [0.0, 0.0]), "width"),
        (lambda: shapes.region(GRID, [0.0, np.nan], [1.0, 1.0]), "low"),
        (lambda: shapes.double_barrier(jnp.zeros(3), 1.0, -1.0, 0.1), "well"),
    ],
)
def test_what_is_no_number_for_each_axis_is_told(call, said):
    with pytest.raises(ValueError, match=f"^{said}: got"):
        call()
