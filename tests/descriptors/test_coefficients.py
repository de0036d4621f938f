"""Coefficients of density and potential: against featomic, direct sums, other back-ends, and the laws that they obey."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import simpson
from scipy.special import sph_harm_y

from qnano import runtime
from qnano.descriptors import features, fields
from qnano.descriptors.atoms import Atoms, find_pairs, find_waves, make_atoms, padded_pairs, padded_waves
from qnano.descriptors.features import KernelBank, LocalDensity
from qnano.descriptors.fields import inverse_power
from qnano.descriptors.frames import ion_gas, polarisable_chains
from qnano.descriptors.harmonics import degrees, solid_harmonics
from qnano.descriptors.kernels import Gaussian, InversePower
from qnano.descriptors.multiscale import Block
from qnano.descriptors.radial import Oscillators
from qnano.descriptors.regression import cross_validated
from tests.descriptors.systems import CELL, NAMES, POSITIONS, rotation, skew
from tests.oracles.gaussian_type_orbitals import GaussianTypeOrbitals

by_waves = jax.jit(features.by_waves)
by_mesh = jax.jit(fields.by_mesh, static_argnums=(2, 3))
on_grid = jax.jit(fields.on_grid)
on_lattice = jax.jit(fields.on_lattice, static_argnums=1)
around = jax.jit(lambda local, atoms, pairs: local(atoms, pairs))
LOCAL = LocalDensity(Oscillators(0.8, 3), 3, 0.4, 4.0)
BANK = KernelBank(Oscillators(1.0, 2), InversePower(1, 0.9), 3)
WAVES, PAIRS = find_waves(CELL, 7.0), find_pairs(skew(), 4.0)


@cache
def coulomb():
    return np.asarray(by_waves(BANK, skew(), WAVES))


def featomic_blocks(calculator):
    """Coefficients [atom, kind, n, lm] of the skew system."""
    import ase

    out = calculator.compute(ase.Atoms(NAMES, positions=POSITIONS, cell=CELL, pbc=True))
    n = len(next(iter(out.blocks())).properties)
    found = np.zeros((6, 2, n, 16))
    for key, block in out.items():
        l = key["o3_lambda"]
        for sample, values in zip(block.samples, block.values, strict=True):
            found[sample["atom"], {11: 0, 17: 1}[key["neighbor_type"]], :, l * l : (l + 1) ** 2] = values.T
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("exponent", "digits"), [(1, 1e-10), (2, 2e-10), (3, 1e-10), (4, 2e-10), (5, 1e-10), (6, 2e-10)])
def test_potentials_are_featomics(exponent, digits):
    """For even p featomic's own error function is good to 2e-10."""
    import featomic

    calculator = featomic.LodeSphericalExpansion(
        density=featomic.density.SmearedPowerLaw(smearing=1.1, exponent=exponent),
        basis=featomic.basis.TensorProduct(
            max_angular=3, radial=featomic.basis.Gto(max_radial=3, radius=2.5), spline_accuracy=None
        ),
    )
    bank = KernelBank(GaussianTypeOrbitals(2.5, 4), InversePower(exponent, 1.1), 3)
    found = by_waves(bank, skew(), find_waves(CELL, 1.2 * np.pi / 1.1))
    np.testing.assert_allclose(found, featomic_blocks(calculator), rtol=0, atol=digits)


def test_densities_are_featomics():
    import featomic

    calculator = featomic.SphericalExpansion(
        cutoff=featomic.cutoff.Cutoff(radius=4.0, smoothing=featomic.cutoff.ShiftedCosine(width=0.5)),
        density=featomic.density.Gaussian(width=0.4),
        basis=featomic.basis.TensorProduct(
            max_angular=3, radial=featomic.basis.Gto(max_radial=4, radius=4.0), spline_accuracy=None
        ),
    )
    local = LocalDensity(GaussianTypeOrbitals(4.0, 5), 3, 0.4, 4.0)
    norm = (2 * np.pi * 0.4**2) ** 1.5 / (np.pi * 0.4**2) ** 0.75  # featomic's Gaussians have unit norm, ours unit integral
    np.testing.assert_allclose(norm * around(local, skew(), PAIRS), featomic_blocks(calculator), rtol=0, atol=1e-12)


@pytest.mark.slow
def test_potential_of_a_point_charge_pair_by_quadrature():
    """phi at the nodes of a sphere quadrature, by the waves' sum for l = 0 written out, projected on chi_q."""
    positions, cell = np.array([[0.3, 0.1, 0.2], [2.5, 3.0, 3.3]]), 6.0 * np.eye(3)
    atoms = make_atoms(positions, cell, ["+", "-"], ["+", "-"])
    bank = KernelBank(Oscillators(0.7, 3), InversePower(1, 1.0), 2)
    found = by_waves(bank, atoms, find_waves(cell, 7.0))
    found = np.asarray(found[:, 0] - found[:, 1])[0]
    z, w = np.polynomial.legendre.leggauss(14)
    phi = 2 * np.pi * np.arange(20) / 20
    angles = np.stack(np.meshgrid(np.arccos(z), phi, indexing="ij"), axis=-1).reshape(-1, 2)
    sine = np.sin(angles[:, 0])
    directions = np.stack([sine * np.cos(angles[:, 1]), sine * np.sin(angles[:, 1]), np.cos(angles[:, 0])], axis=-1)
    r, h = np.linspace(0, 6, 81, retstep=True)
    k = 2 * np.pi / 6 * np.arange(-6, 7)
    k2 = k[:, None, None] ** 2 + k[:, None] ** 2 + k**2
    k2[6, 6, 6] = np.inf

    def waves(x):
        return [np.exp(1j * np.multiply.outer(x[..., axis], k)) for axis in range(3)]

    source = sum(
        q * np.einsum("a,b,c->abc", *(x.conj() for x in waves(place))) for q, place in zip((1, -1), positions, strict=True)
    )
    source *= 4 * np.pi * np.exp(-np.where(k2 < np.inf, k2, 0) / 2) / k2 / 216
    places = positions[0] + r[:, None, None] * directions
    values = np.einsum("abc,rpa,rpb,rpc->rp", source, *waves(places), optimize=True).real
    y = {0: sph_harm_y(0, 0, *angles.T).real, 6: sph_harm_y(2, 0, *angles.T).real}
    for lm, harmonic in y.items():
        projected = values @ (harmonic * np.repeat(w, 20) * np.pi / 10)
        degree = degrees(2)[lm]
        chi = np.asarray(bank.radial.overlap(int(degree), jnp.asarray(r**2), 0.0)) * r**degree
        np.testing.assert_allclose(found[:, lm], np.sum(chi * projected * r**2, axis=1) * h, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("degree", [3, 4])
def test_far_charges_are_multipoles(degree):
    """Of charges outside the ball chi sees int r^(l+2) R dr 4 pi / (2l+1) sum q Y_lm / r^(l+1), images included."""
    cell, far = 8.0 * np.eye(3), np.array([[3.0, 1.0, 1.5], [-2.0, 3.5, -1.0]])
    atoms = make_atoms(np.concatenate([np.zeros((1, 3)), far]), cell, ["c", "+", "-"], ["c", "+", "-"])
    bank = KernelBank(Oscillators(0.35, 1), InversePower(1, 0.45), degree)
    found = np.asarray(by_waves(bank, atoms, find_waves(cell, 14.0)))[0, :, 0, degree**2 :]
    r = np.linspace(0, 5, 2001)
    chi = np.asarray(bank.radial.overlap(degree, jnp.asarray(r**2), 0.0))[0] * r**degree
    images = 8.0 * np.stack(np.meshgrid(*[np.arange(-20, 21)] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    images = images[np.linalg.norm(images, axis=-1)[:, 0] < 160] + far
    harmonics = np.asarray(solid_harmonics(jnp.asarray(images), degree))[..., degree**2 :]
    field = np.sum(harmonics / np.linalg.norm(images, axis=-1, keepdims=True) ** (2 * degree + 1), axis=0)
    moment = simpson(chi * r ** (degree + 2), x=r) * 4 * np.pi / (2 * degree + 1)
    np.testing.assert_allclose((found[1] - found[2]) / moment, field[0] - field[1], atol=1e-6)


def test_local_density_by_hand():
    """One neighbour beyond a boundary, within the taper."""
    cell = np.diag([5.0, 9.0, 9.0])
    atoms = make_atoms(np.array([[0.2, 1.0, 1.0], [4.0, 1.0, 1.0]]), cell, ["a", "b"], ["a", "b"])
    local = LocalDensity(Oscillators(0.8, 2), 1, 0.4, 1.4, 0.8)
    found = np.asarray(around(local, atoms, find_pairs(atoms, 1.4)))

    def at(l, r):
        return np.asarray(Oscillators(0.8, 2).overlap(l, jnp.asarray([r**2]), 0.4))[:, 0]

    weight = (1 + np.cos(np.pi * 0.75)) / 2
    np.testing.assert_allclose(found[0, 0, :, 0], at(0, 0.0) / np.sqrt(4 * np.pi), rtol=1e-12)
    np.testing.assert_allclose(found[0, 1, :, 0], weight * at(0, 1.2) / np.sqrt(4 * np.pi), rtol=1e-12)
    np.testing.assert_allclose(found[0, 1, :, 3], -1.2 * weight * at(1, 1.2) * np.sqrt(3 / 4 / np.pi), rtol=1e-12)
    np.testing.assert_allclose(found[0, 1, :, 1:3], 0.0, atol=1e-15)


@pytest.mark.slow
@pytest.mark.parametrize("exponent", [1, 6])  # without and with the wave k = 0
def test_the_mesh_is_the_sum_over_waves(exponent):
    bank = KernelBank(Oscillators(1.0, 2), InversePower(exponent, 0.9), 3)
    known = by_waves(bank, skew(), WAVES)
    np.testing.assert_allclose(by_mesh(bank, skew(), (20, 20, 24), 8), known, atol=3e-7)


@pytest.mark.slow
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_a_grid_is_a_sum_over_waves(dimension):
    """A density with two waves: c(x) by hand."""
    shape, cell = (16, 12, 10)[:dimension], CELL[:dimension, :dimension]
    bank = KernelBank(Oscillators(0.9, 2), InversePower(1, 0.7), 1 if dimension == 1 else 2)
    places = np.stack(np.meshgrid(*(np.arange(n) / n for n in shape), indexing="ij"), axis=-1) @ cell
    waves = np.array([[2, 1, -1], [1, 0, 2]])[:, :dimension]
    k = 2 * np.pi * waves @ np.linalg.inv(cell).T
    density = 1.0 + np.cos(places @ k[0] + 0.3) + 0.5 * np.cos(places @ k[1])
    found = np.asarray(on_grid(bank, jnp.asarray(density), jnp.asarray(cell)))
    table, factors = np.asarray(bank.table(jnp.asarray(k))), 1j ** degrees(bank.angular, dimension)
    known = 0.0
    for j, (amplitude, phase) in enumerate([(1.0, 0.3), (0.5, 0.0)]):
        wave = amplitude * np.exp(1j * (places @ k[j] + phase))
        known += np.einsum("nm,m,...->nm...", table[..., j], factors, wave).real
    np.testing.assert_allclose(found, known, atol=1e-12)


@pytest.mark.slow
def test_atoms_on_a_grid():
    """Gaussian charges sampled on a grid have the potential of a wider smearing."""
    cell = 6.0 * np.eye(3)
    points = np.array([[3, 5, 7], [15, 10, 2]])
    atoms = make_atoms(points * 0.25, cell, ["a", "a"], ["a"])
    axis = np.arange(24) * 0.25

    def wrap(x):
        return (x[:, None] - x[None, :] + 3) % 6 - 3

    parts = np.exp(-(wrap(axis) ** 2) / 2 / 0.6**2) / np.sqrt(2 * np.pi * 0.36)
    density = sum(np.einsum("i,j,k->ijk", *(parts[:, p] for p in point)) for point in points)
    radial = Oscillators(0.8, 2)
    found = np.asarray(on_grid(KernelBank(radial, InversePower(1, 0.8), 2), jnp.asarray(density), jnp.asarray(cell)))
    known = by_waves(KernelBank(radial, InversePower(1, 1.0), 2), atoms, find_waves(cell, 8.0))
    np.testing.assert_allclose(np.moveaxis(found[:, :, *points.T], -1, 0), known[:, 0], atol=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(9,), (6, 5), (4, 3, 5)])
def test_a_lattice_is_its_sums(shape):
    radial, angular, rng = Oscillators(0.6, 2), 1, np.random.default_rng(2)
    density, interaction = rng.uniform(size=shape), inverse_power(shape, 1.0, onsite=2.0)
    sites = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1).reshape(-1, len(shape))
    matrix = np.array([[interaction[tuple((x - y) % shape)] for y in sites] for x in sites])
    potential = matrix @ density.ravel()
    images = np.stack(np.meshgrid(*[np.arange(-2, 3)] * len(shape), indexing="ij"), axis=-1).reshape(-1, len(shape)) * shape
    step = jnp.asarray(sites[None, :, None] - sites[:, None, None] + images, float)
    harmonics, degree = np.asarray(solid_harmonics(step, angular)), degrees(angular, len(shape))
    overlaps = [np.asarray(radial.overlap(l, jnp.sum(step**2, -1), 0.0, len(shape))) for l in range(angular + 1)]
    known = np.stack([np.einsum("nxyi,xyi,y->nx", overlaps[l], harmonics[..., k], potential) for k, l in enumerate(degree)], axis=1)
    found = on_lattice(radial, angular, jnp.asarray(interaction), jnp.asarray(density))
    np.testing.assert_allclose(np.asarray(found).reshape(known.shape), known, atol=1e-10)


@pytest.mark.slow
def test_coefficients_turn_with_the_atoms():
    turn = rotation()
    turned = Atoms(jnp.asarray(POSITIONS @ turn.T), jnp.asarray(CELL @ turn.T), skew().species, 2)
    points = np.random.default_rng(3).normal(size=(40, 3))
    matrix = np.linalg.lstsq(
        np.asarray(solid_harmonics(jnp.asarray(points), 3)),
        np.asarray(solid_harmonics(jnp.asarray(points @ turn.T), 3)),
        rcond=None,
    )[0].T
    np.testing.assert_allclose(by_waves(BANK, turned, WAVES), coulomb() @ matrix.T, atol=1e-12)
    np.testing.assert_allclose(around(LOCAL, turned, PAIRS), np.asarray(around(LOCAL, skew(), PAIRS)) @ matrix.T, atol=1e-12)


@pytest.mark.slow
def test_the_same_crystal_in_a_cell_twice_as_large():
    large = np.diag([2, 1, 1]) @ CELL
    twice = make_atoms(np.concatenate([POSITIONS, POSITIONS + CELL[0]]), large, NAMES * 2, ["Na", "Cl"])
    found = by_waves(BANK, twice, find_waves(large, 7.0))
    np.testing.assert_allclose(found[:6], coulomb(), atol=1e-12)
    np.testing.assert_allclose(found[6:], coulomb(), atol=1e-12)
    np.testing.assert_allclose(around(LOCAL, twice, find_pairs(twice, 4.0))[6:], around(LOCAL, skew(), PAIRS), atol=1e-13)


def test_atoms_outside_of_the_cell_are_their_images():
    moved = skew(POSITIONS + np.array([3, -2, 1]) @ CELL)
    np.testing.assert_allclose(around(LOCAL, moved, find_pairs(moved, 4.0)), around(LOCAL, skew(), PAIRS), atol=1e-12)
    one = POSITIONS.copy()
    one[2] += CELL[1] - 2 * CELL[2]
    np.testing.assert_allclose(around(LOCAL, skew(one), find_pairs(skew(one), 4.0)), around(LOCAL, skew(), PAIRS), atol=1e-12)


@pytest.mark.slow
def test_padding_changes_nothing():
    waves = padded_waves([WAVES, find_waves(CELL, 7.5)])[0]
    pairs = jax.tree.map(lambda x: x[0], padded_pairs([find_pairs(skew(), 4.0), find_pairs(skew(), 4.5)], 7))

    def pad(x, value):
        return jnp.concatenate([x, jnp.full_like(x[:1], value)])

    atoms = Atoms(pad(skew().positions, 0.0), skew().cell, pad(skew().species, 2), 2)
    np.testing.assert_allclose(by_waves(BANK, atoms, waves)[:6], coulomb(), atol=1e-13)
    np.testing.assert_allclose(around(LOCAL, atoms, pairs)[:6], around(LOCAL, skew(), PAIRS), atol=1e-13)
    mesh = by_mesh(BANK, atoms, (12, 12, 12), 4)[:6]
    np.testing.assert_allclose(mesh, by_mesh(BANK, skew(), (12, 12, 12), 4), atol=1e-13)


@pytest.mark.slow
@pytest.mark.parametrize("back_end", ["pairs", "waves", "mesh"])
def test_derivatives_by_positions_and_cell(back_end):
    weights = jnp.asarray(np.random.default_rng(4).normal(size=(6, 2, 3 if back_end == "pairs" else 2, 16)))

    @jax.jit
    def energy(positions, cell):
        atoms = Atoms(positions, cell, skew().species, 2)
        match back_end:
            case "pairs":
                values = around(LOCAL, atoms, PAIRS)
            case "waves":
                values = by_waves(BANK, atoms, WAVES)
            case _:
                values = by_mesh(BANK, atoms, (12, 12, 12), 4)
        return jnp.sum(weights * values**2)

    args = jnp.asarray(POSITIONS), jnp.asarray(CELL)
    slopes = jax.jit(jax.grad(energy, (0, 1)))(*args)
    rng, h = np.random.default_rng(5), 1e-5
    for k in range(2):
        step = [jnp.zeros_like(x) for x in args]
        step[k] = jnp.asarray(rng.normal(size=args[k].shape))
        up, down = (energy(*(x + sign * h * dx for x, dx in zip(args, step, strict=True))) for sign in (1, -1))
        np.testing.assert_allclose((up - down) / (2 * h), jnp.sum(slopes[k] * step[k]), rtol=3e-7)


def test_input_that_cannot_be():
    with pytest.raises(ValueError, match=r"cell: got .*; must be three vectors that span a volume"):
        make_atoms(POSITIONS, np.zeros((3, 3)), NAMES, ["Na", "Cl"])
    with pytest.raises(ValueError, match="species: got 'Cl'; must be among Na, Br"):
        make_atoms(POSITIONS, CELL, NAMES, ["Na", "Br"])
    with pytest.raises(ValueError, match=r"positions: got an array of shape \(6, 3\) .*; must have shape \(2, 3\)"):
        make_atoms(POSITIONS, CELL, NAMES[:2], ["Na", "Cl"])
    near = skew(np.concatenate([POSITIONS[:5], POSITIONS[:1] + CELL[0] + 0.01]))
    with pytest.raises(ValueError, match=r"positions: atoms 0 and 5 are 0.0173 apart; must be more than 0.1"):
        find_pairs(near, 3.0, nearest=0.1)
    with pytest.raises(ValueError, match=r"atoms 0 and 5 are 0 apart"):
        find_pairs(skew(np.concatenate([POSITIONS[:5], POSITIONS[:1]])), 3.0)
    with pytest.raises(ValueError, match="order: got 6 on a mesh of"):
        by_mesh(BANK, skew(), (4, 8, 8), 6)
    with pytest.raises(ValueError, match=r"cell: got shape \(3, 3\); a density with 2 axes needs \(2, 2\)"):
        on_grid(BANK, jnp.zeros((4, 4)), jnp.eye(3))
    with pytest.raises(ValueError, match=r"interaction: got shape \(3,\)"):
        on_lattice(Oscillators(1.0, 1), 0, jnp.zeros(3), jnp.zeros(4))
    with pytest.raises(ValueError, match="taper: got 5"):
        LocalDensity(Oscillators(1.0, 1), 0, 0.3, 4.0, 5.0)


def test_a_gaussian_bank_is_the_density():
    """The same numbers from waves as from pairs, where the cutoff is beyond reach."""
    radial, cell = Oscillators(0.5, 2), 12.0 * np.eye(3)
    atoms = make_atoms(POSITIONS, cell, NAMES, ["Na", "Cl"])
    found = by_waves(KernelBank(radial, Gaussian(0.6), 2), atoms, find_waves(cell, 8.0))
    local = LocalDensity(radial, 2, 0.6, 5.9, 0.1)
    np.testing.assert_allclose(found, around(local, atoms, find_pairs(atoms, 5.9)), atol=1e-7)


@pytest.mark.parametrize("turn", [np.eye(3)[[1, 0, 2]], -np.eye(3), np.array([[1, 3, 0], [0, 1, 0], [-2, 0, 1]])])
def test_other_vectors_of_the_same_lattice(turn):
    """Left-handed or longer ones: the same potential and density around every atom."""
    atoms = make_atoms(POSITIONS, turn @ CELL, NAMES, ["Na", "Cl"])
    waves = find_waves(turn @ CELL, 7.0)
    assert len(waves) == len(WAVES)
    np.testing.assert_allclose(by_waves(BANK, atoms, waves), coulomb(), atol=1e-11)
    pairs = find_pairs(atoms, 4.0)
    assert len(pairs.centre) == len(PAIRS.centre)
    np.testing.assert_allclose(around(LOCAL, atoms, pairs), around(LOCAL, skew(), PAIRS), atol=1e-12)


def by_three_ways():
    """Coefficients of the skew system and the slopes of one sum of them, in the precision that JAX has."""
    local, bank = LocalDensity(Oscillators(0.8, 2), 1, 0.4, 4.0), KernelBank(Oscillators(1.0, 2), InversePower(1, 0.9), 1)
    weights = np.random.default_rng(3).normal(size=(3, 6, 2, 2, 4))

    @jax.jit
    def found(positions, cell):
        def energy(positions, cell):
            atoms = Atoms(positions, cell, skew().species, 2)
            values = local(atoms, PAIRS), features.by_waves(bank, atoms, WAVES), fields.by_mesh(bank, atoms, (16, 16, 20))
            return sum(jnp.sum(jnp.asarray(w, positions.dtype) * x) for w, x in zip(weights, values, strict=True)), values

        return jax.value_and_grad(energy, (0, 1), has_aux=True)(positions, cell)

    return jax.tree.map(np.asarray, found(jnp.asarray(POSITIONS), jnp.asarray(CELL)))


@pytest.mark.slow
def test_single_precision():
    """Coefficients by three ways and derivatives by positions and cell, to 3e-6 of the largest."""
    known = by_three_ways()
    with runtime.restored():
        runtime.start("single")
        found = by_three_ways()
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(known), strict=True):
        assert one.dtype == np.float32 and other.dtype == np.float64
        np.testing.assert_allclose(one, other, rtol=0, atol=3e-6 * np.abs(other).max())


def test_atoms_far_from_the_cell_keep_their_digits():
    """With `inside` they are where they were; without it single precision refuses them."""
    far = POSITIONS + np.arange(-3, 3)[:, None] * 1e5 * CELL[0]
    atoms = make_atoms(far, CELL, NAMES, ["Na", "Cl"], inside=True)
    fractional = (np.asarray(atoms.positions) - POSITIONS) @ np.linalg.inv(CELL)
    np.testing.assert_allclose(fractional, np.round(fractional), atol=1e-9)
    assert np.abs(fractional).max() < 3
    with runtime.restored():
        runtime.start("single")
        close = make_atoms(far, CELL, NAMES, ["Na", "Cl"], inside=True)
        np.testing.assert_allclose(close.positions, atoms.positions, atol=1e-6)
        with pytest.raises(ValueError, match=r"positions: got -?\d+\.\d+; must be nearer in float32; put the atoms into the cell"):
            make_atoms(far, CELL, NAMES, ["Na", "Cl"])


@pytest.mark.parametrize("cutoff", [0.0, 0.01, 3.0])
def test_atoms_too_near_are_told_whatever_the_cutoff(cutoff):
    near = skew(np.concatenate([POSITIONS[:5], POSITIONS[:1] + CELL[0] + 0.01]))
    with pytest.raises(ValueError, match=r"positions: atoms 0 and 5 are 0.0173 apart; must be more than 0.1"):
        find_pairs(near, cutoff, nearest=0.1)
    same = skew(np.concatenate([POSITIONS[:5], POSITIONS[:1] - 3 * CELL[1]]))
    with pytest.raises(ValueError, match=r"positions: atoms 0 and 5 are .* apart; must be more than"):
        find_pairs(same, cutoff)
    assert len(find_pairs(skew(), 0.0, nearest=0.1).centre) == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: make_atoms(POSITIONS * 1e10, CELL, NAMES, ["Na", "Cl"]), r"positions: got .*; must be .* at most 1e\+09"),
        (lambda: make_atoms(POSITIONS, np.diag([1.0, np.inf, 1]), NAMES, ["Na"]), "cell: got inf; must be finite"),
        (lambda: make_atoms(POSITIONS, CELL[[0, 0, 2]], NAMES, ["Na"]), "cell: got .*; must be three vectors"),
        (lambda: find_waves(CELL, float("inf")), "cutoff: got inf; must be a finite real number at least 0"),
        (lambda: find_waves(CELL, 1e5), r"cutoff: got 100000\.0; must be smaller: makes .* waves in the cell, of at most 1e\+08"),
        (lambda: find_pairs(skew(), 1e6), r"cutoff: got 1000000\.0; must be smaller: makes .*, of at most 1e\+08"),
        (lambda: find_pairs(skew(), 1.0, float("nan")), "nearest: got nan; must be a finite real number"),
        (lambda: Oscillators(0.0, 3), "width: got 0.0; must be a finite real number above 0"),
        (lambda: Oscillators(0.5, 25), "channels: got 25; must be a whole number at least 1 and at most 24"),
        (lambda: InversePower(1, float("nan")), "smearing: got nan; must be a finite real number above 0"),
        (lambda: InversePower(True, 1.0), "exponent: got true; must be a whole number"),
        (lambda: Gaussian(-1.0), "smearing: got -1.0; must be a finite real number above 0"),
        (lambda: KernelBank(Oscillators(0.5, 2), Gaussian(1.0), -1), "angular: got -1; must be a whole number at least 0"),
        (lambda: LocalDensity(Oscillators(0.5, 2), 1, 0.5, -4.0), "cutoff: got -4.0; must be a finite real number above 0"),
        (lambda: inverse_power((0, 3), 1.0), "shape: got 0; must be whole numbers at least 1"),
        (lambda: Block(None, BANK, (4, 0, 4)), "mesh: got 0; must be whole numbers at least 1"),
        (lambda: polarisable_chains(1, (6, 2), 40.0, 0), r"atoms: got \[6, 2\]; must ascend"),
        (lambda: polarisable_chains(1, (2, 6), 40.0, 0, bond=1.2), "bond: got 1.2; must be .* at least 1.69"),
        (lambda: ion_gas(1, 0, (6.0, 8.0), 2.4, 1), "pairs: got 0; must be a whole number at least 1"),
        (lambda: cross_validated([np.array([[1.0], [np.nan]])], np.ones(2), np.ones((2, 1)), 2), "blocks.0: got nan; must be"),
        (lambda: cross_validated([np.ones((2, 1))], np.array([1.0, np.nan]), np.ones((2, 1)), 2), "targets: got nan; must be"),
    ],
)
def test_constructors_name_what_they_cannot_take(make, message):
    with pytest.raises(ValueError, match=message):
        make()
