"""Harmonics, couplings, radial functions and kernels against SciPy's functions and quadrature."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad, simpson
from scipy.special import gamma as complete_gamma
from scipy.special import gammainc, gammaincc, jv, sph_harm_y, spherical_jn

from qnano import runtime
from qnano.descriptors.coupling import clebsch_gordan
from qnano.descriptors.harmonics import degrees, solid_harmonics
from qnano.descriptors.kernels import Gaussian, InversePower, upper_gamma
from qnano.descriptors.radial import Oscillators
from tests.descriptors.systems import rotation

RNG = np.random.default_rng(1)


def sphere(count: int = 12):
    """Points and weights that integrate polynomials on the unit sphere."""
    z, w = np.polynomial.legendre.leggauss(count)
    phi = 2 * np.pi * np.arange(2 * count) / (2 * count)
    sine = np.sqrt(1 - z**2)
    points = np.stack([np.outer(sine, np.cos(phi)), np.outer(sine, np.sin(phi)), np.outer(z, np.ones_like(phi))], axis=-1)
    return points.reshape(-1, 3), np.repeat(w, 2 * count) * np.pi / count


@pytest.mark.slow
def test_harmonics_are_scipys():
    x = RNG.normal(size=(5, 3))
    r, theta, phi = np.linalg.norm(x, axis=1), np.arccos(x[:, 2] / np.linalg.norm(x, axis=1)), np.arctan2(x[:, 1], x[:, 0])
    found = np.asarray(solid_harmonics(jnp.asarray(x), 6))
    for l in range(7):
        for m in range(-l, l + 1):
            known = sph_harm_y(l, abs(m), theta, phi)
            part = known.real if m == 0 else (-1) ** m * np.sqrt(2) * (known.imag if m < 0 else known.real)
            np.testing.assert_allclose(found[:, l * l + l + m], r**l * part, atol=1e-12 * r.max() ** l)


@pytest.mark.slow
def test_harmonics_are_orthonormal_in_every_dimension():
    points, weights = sphere()
    values = np.asarray(solid_harmonics(jnp.asarray(points), 5))
    np.testing.assert_allclose(values.T @ (weights[:, None] * values), np.eye(36), atol=1e-13)
    phi = 2 * np.pi * np.arange(32) / 32
    values = np.asarray(solid_harmonics(jnp.asarray(np.stack([np.cos(phi), np.sin(phi)], axis=-1)), 5))
    np.testing.assert_allclose(values.T @ values * 2 * np.pi / 32, np.eye(11), atol=1e-13)
    values = np.asarray(solid_harmonics(jnp.asarray([[1.0], [-1.0]]), 1))
    np.testing.assert_allclose(values.T @ values, np.eye(2), atol=1e-15)


@pytest.mark.parametrize(("angular", "dimension"), [(2, 1), (-1, 3), (1, 4)])
def test_harmonics_that_do_not_exist(angular, dimension):
    with pytest.raises(ValueError, match=r"got -?\d; must be"):
        degrees(angular, dimension)


@pytest.mark.parametrize(("order", "left", "right"), [(0, 4, 4), (1, 1, 2), (2, 2, 2), (3, 1, 4), (4, 4, 2), (4, 3, 3)])
def test_couplings_are_integrals_of_three_harmonics(order, left, right):
    points, weights = sphere(14)
    values = np.asarray(solid_harmonics(jnp.asarray(points), 4))

    def part(l):
        return values[:, l * l : (l + 1) ** 2]

    gaunt = np.einsum("p,pa,pb,pc->abc", weights, part(order), part(left), part(right))
    table = clebsch_gordan(order, left, right)
    scale = np.sum(gaunt * table) / np.sum(gaunt**2)
    np.testing.assert_allclose(scale * gaunt, table, atol=1e-13)
    flat = table.reshape(2 * order + 1, -1)
    np.testing.assert_allclose(flat @ flat.T, np.eye(2 * order + 1), atol=1e-13)


@pytest.mark.parametrize(("order", "left", "right"), [(3, 1, 1), (1, 1, 1), (0, 1, 2)])
def test_couplings_that_do_not_exist(order, left, right):
    with pytest.raises(ValueError, match="order: got"):
        clebsch_gordan(order, left, right)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_radial_functions_are_orthonormal(dimension):
    radial = Oscillators(0.7, 4)
    r = np.linspace(0, 9, 6001)
    for degree in range(2 if dimension == 1 else 4):
        values = np.asarray(radial.overlap(degree, jnp.asarray(r**2), 0.0, dimension)) * r**degree
        overlaps = simpson(values[:, None] * values * r ** (dimension - 1), x=r, axis=-1)
        np.testing.assert_allclose(overlaps, np.eye(4), atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("degree", [0, 6])
def test_the_most_radial_functions(degree):
    """Are orthonormal, and in single precision the same."""
    r, h = np.linspace(0, 16, 4001, retstep=True)
    values = np.asarray(Oscillators(0.7, 24).overlap(degree, jnp.asarray(r**2), 0.0)) * r ** (degree + 1)
    np.testing.assert_allclose(h * values @ values.T, np.eye(24), atol=1e-9)
    with runtime.restored():
        runtime.start("single")
        single = np.asarray(Oscillators(0.7, 24).overlap(degree, jnp.asarray(r**2), 0.0)) * r ** (degree + 1)
    np.testing.assert_allclose(single, values, atol=2e-4)


@pytest.mark.parametrize("degree", [0, 1, 4])
def test_radial_transforms(degree):
    radial = Oscillators(0.8, 3)
    for k in (0.3, 2.1):
        found = np.asarray(radial.transform(degree, jnp.asarray([k**2])))[:, 0] * k**degree
        r = np.linspace(0, 10, 2001)
        values = np.asarray(radial.overlap(degree, jnp.asarray(r**2), 0.0)) * r**degree
        known = 4 * np.pi * np.trapezoid(values * r**2 * spherical_jn(degree, k * r), r, axis=1)
        np.testing.assert_allclose(found, known, atol=1e-9)


@pytest.mark.parametrize("smearing", [0.3, 0.8, 1.7])
def test_overlaps_with_gaussians(smearing):
    radial = Oscillators(0.8, 3)
    k, h = np.linspace(0, 20, 8001, retstep=True)
    for degree in (0, 1, 3):
        transform = np.asarray(radial.transform(degree, jnp.asarray(k**2))) * k**degree * np.exp(-(k**2) * smearing**2 / 2)
        for r in (0.4, 2.5):
            known = np.sum(transform * k**2 * spherical_jn(degree, k * r), axis=1) * h / (2 * np.pi**2)
            found = np.asarray(radial.overlap(degree, jnp.asarray([r**2]), smearing))[:, 0] * r**degree
            np.testing.assert_allclose(found, known, atol=1e-11)


def test_transforms_in_one_and_two_dimensions():
    radial, x = Oscillators(0.9, 3), np.linspace(-12, 12, 4801)
    h, k = x[1] - x[0], 1.3
    for degree, wave in ((0, np.cos(k * x)), (1, np.sin(k * x))):
        values = np.asarray(radial.overlap(degree, jnp.asarray(x**2), 0.0, 1)) * x**degree
        found = np.asarray(radial.transform(degree, jnp.asarray([k**2]), 1))[:, 0] * k**degree
        np.testing.assert_allclose(found, np.sum(values * wave, axis=1) * h, atol=1e-12)
    r = x[x >= 0]
    for degree in (0, 2, 3):
        values = np.asarray(radial.overlap(degree, jnp.asarray(r**2), 0.0, 2)) * r**degree
        found = np.asarray(radial.transform(degree, jnp.asarray([k**2]), 2))[:, 0] * k**degree
        np.testing.assert_allclose(found, 2 * np.pi * simpson(values * r * jv(degree, k * r), x=r, axis=1), atol=1e-9)


@pytest.mark.parametrize("exponent", range(1, 7))
def test_potentials_transform_back(exponent):
    kernel = InversePower(exponent, 0.9)
    nodes, weights = np.polynomial.legendre.leggauss(400)
    k, weights = 7.5 * (nodes + 1), 7.5 * weights
    transform = np.asarray(kernel.transform(jnp.asarray(k**2)))
    for r in (0.2, 1.0, 3.0):
        near = gammainc(exponent / 2, r**2 / 2 / 0.81) / r**exponent
        known = np.sum(weights * k * np.sin(k * r) * transform) / (2 * np.pi**2 * r)
        np.testing.assert_allclose(known, near, rtol=0, atol=1e-8)
        np.testing.assert_allclose(near + float(kernel.remainder(jnp.asarray(r))), r**-exponent, rtol=1e-12)
    r = 1e-4
    np.testing.assert_allclose(gammainc(exponent / 2, r**2 / 2 / 0.81) / r**exponent, float(kernel.centre), rtol=1e-7)


@pytest.mark.parametrize(("exponent", "dimension"), [(4, 3), (6, 3), (3, 2), (2, 1), (5, 1)])
def test_integrals_of_potentials(exponent, dimension):
    kernel, s = InversePower(exponent, 0.8), 0.8
    sphere_area = {1: 2.0, 2: 2 * np.pi, 3: 4 * np.pi}[dimension]

    def integrand(r):
        return gammainc(exponent / 2, r**2 / (2 * s**2)) / r ** (exponent - dimension + 1)

    known = sphere_area * (quad(integrand, 0, 5)[0] + quad(integrand, 5, np.inf)[0])
    found = kernel.transform(jnp.asarray([0.0, 1e-9]), dimension)
    np.testing.assert_allclose(float(found[0]), known, rtol=1e-8)
    np.testing.assert_allclose(float(found[1]), known, rtol=1e-3)


@pytest.mark.parametrize(("exponent", "dimension"), [(1, 1), (3, 1), (1, 2), (4, 2)])
def test_potentials_in_fewer_dimensions(exponent, dimension):
    """By the Gaussians that they are made of: v_p = 1/Gamma(p/2) int t^(p/2-1) exp(-t r^2) dt up to 1/2s^2."""
    s, k = 0.7, 1.9

    def integrand(t):
        return t ** (exponent / 2 - 1) * (np.pi / t) ** (dimension / 2) * np.exp(-(k**2) / 4 / t)

    known = quad(integrand, 0, 1 / (2 * s**2), epsabs=1e-13)[0] / complete_gamma(exponent / 2)
    np.testing.assert_allclose(float(InversePower(exponent, s).transform(jnp.asarray(k**2), dimension)), known, rtol=1e-9)


@pytest.mark.slow
def test_incomplete_gamma():
    u = np.array([1e-3, 0.3, 2.0, 9.0])
    np.testing.assert_allclose(upper_gamma(5, jnp.asarray(u)), gammaincc(2.5, u) * complete_gamma(2.5), rtol=1e-13)
    np.testing.assert_allclose(upper_gamma(6, jnp.asarray(u)), gammaincc(3, u) * 2, rtol=1e-13)
    for twice in (0, -1, -2, -3, -5):
        known = [quad(lambda t: t ** (twice / 2 - 1) * np.exp(-t), low, np.inf, epsabs=0, epsrel=1e-12)[0] for low in u[1:]]  # noqa: B023
        np.testing.assert_allclose(upper_gamma(twice, jnp.asarray(u[1:])), known, rtol=1e-9)


def test_a_gaussian_is_a_gaussian():
    k2 = jnp.asarray([0.0, 1.0])
    np.testing.assert_allclose(Gaussian(0.5).transform(k2), [1.0, np.exp(-0.125)])


def test_wrong_tables():
    with pytest.raises(ValueError, match="exponent: got 7; must be a whole number at least 1 and at most 6"):
        InversePower(7, 1.0)
    with pytest.raises(ValueError, match="diverges"):
        InversePower(3, 1.0).continued()
    with pytest.raises(ValueError, match="channels: got 0"):
        Oscillators(1.0, 0)


def test_harmonics_turn_among_themselves():
    points, weights = sphere()
    turned = np.asarray(solid_harmonics(jnp.asarray(points @ rotation().T), 4))
    values = np.asarray(solid_harmonics(jnp.asarray(points), 4))
    matrix = values.T @ (weights[:, None] * turned)
    degree = degrees(4)
    assert np.abs(matrix[degree[:, None] != degree]).max() < 1e-13
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(25), atol=1e-13)
