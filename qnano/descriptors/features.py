"""Coefficients of density and potential around every atom: the inputs of LODE, long-distance equivariants.

    < a q l m | rho_i > = sum_(j of a) f_c(r_ij) G_ql(r_ij^2) S_lm(r_ij)              (the atom itself included, f_c = 1)

    < a q l m | V_i >   = int chi_qlm(x) V_a(r_i + x) dx,      V_a(x) = sum_(j of a, images) v(|x - r_j|)
                        = 1/Omega sum_k B_qlm(k) i^l sum_(j of a) exp(i k.(r_i - r_j)),        B_qlm = T_ql S_lm v^

B is the kernel bank: the same table serves atoms by structure factors (here), atoms by a mesh, grids and lattices (`fields`).

Reference: Grisafi and Ceriotti, J. Chem. Phys. 151, 204105 (2019); Grisafi, Nigam and Ceriotti, Chem. Sci. 12, 2078 (2021).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from qnano.border import numbers
from qnano.descriptors.atoms import Atoms, Pairs, Waves
from qnano.descriptors.harmonics import degrees, solid_harmonics
from qnano.descriptors.kernels import AbstractKernel
from qnano.descriptors.radial import AbstractRadial

Coefficients = Float[Array, "atom kind n lm"]
BLOCK = 2048  # waves that are summed at once, so that memory does not grow with their number


class KernelBank(eqx.Module):
    """Radial functions, harmonics up to l = `angular`, and the kernel that makes a density into what is expanded in them."""

    radial: AbstractRadial
    kernel: AbstractKernel
    angular: int = eqx.field(static=True)

    def __check_init__(self):
        numbers("angular", self.angular, kind="integer", shape=(), least=0)

    def table(self, k: Float[Array, "*wave d"]) -> Float[Array, "n lm *wave"]:
        """B_qlm(k)."""
        d, k2 = k.shape[-1], jnp.sum(k**2, axis=-1)
        kernel = self.kernel.transform(k2, d)
        radial = [kernel * self.radial.transform(degree, k2, d) for degree in range(self.angular + 1)]
        harmonics = solid_harmonics(k, self.angular)
        return jnp.stack([radial[degree] * harmonics[..., lm] for lm, degree in enumerate(degrees(self.angular, d))], axis=1)


class LocalDensity(eqx.Module):
    """Gaussians of the atoms within `cutoff`; f_c falls from 1 to 0 over the last `taper` of it, as a cosine."""

    radial: AbstractRadial
    smearing: Float[Array, ""]
    cutoff: float = eqx.field(static=True)
    taper: float = eqx.field(static=True)
    angular: int = eqx.field(static=True)

    def __init__(self, radial: AbstractRadial, angular: int, smearing: Float[ArrayLike, ""], cutoff: float, taper: float = 0.5):
        numbers("angular", angular, kind="integer", shape=(), least=0)
        numbers("smearing", smearing, shape=(), above=0)
        numbers("cutoff", cutoff, shape=(), above=0)
        numbers("taper", taper, shape=(), above=0, most=float(cutoff))
        self.radial, self.angular, self.cutoff, self.taper = radial, int(angular), float(cutoff), float(taper)
        self.smearing = jnp.asarray(smearing, jnp.result_type(float))

    def __call__(self, atoms: Atoms, pairs: Pairs) -> Coefficients:
        """Coefficients; `pairs` are those within the cutoff. O(number of pairs)."""
        count = len(atoms.species)
        there = pairs.centre < count
        x = atoms.positions[pairs.other] + pairs.shift @ atoms.cell - atoms.positions[pairs.centre]
        x = jnp.where(there[:, None], x, 1.0)
        r2 = jnp.sum(x**2, axis=-1)
        r = jnp.sqrt(r2)
        inner = self.cutoff - self.taper
        weight = jnp.where(r < inner, 1.0, (1 + jnp.cos(jnp.pi * (jnp.clip(r, inner, self.cutoff) - inner) / self.taper)) / 2)
        values = self._around(x, r2) * weight[:, None, None]
        place = pairs.centre * atoms.kinds + atoms.species[pairs.other]
        summed = jax.ops.segment_sum(values, jnp.where(there, place, count * atoms.kinds), count * atoms.kinds)
        itself = self._around(jnp.zeros((1, 3), r.dtype), jnp.zeros(1, r.dtype))[0]
        return summed.reshape(count, atoms.kinds, *summed.shape[1:]) + atoms.members[:, :, None, None] * itself

    def _around(self, x: Float[Array, "point 3"], r2: Float[Array, " point"]) -> Float[Array, "point n lm"]:
        radial = [self.radial.overlap(degree, r2, self.smearing).T for degree in range(self.angular + 1)]
        harmonics = solid_harmonics(x, self.angular)
        return jnp.stack([radial[degree] * harmonics[:, lm, None] for lm, degree in enumerate(degrees(self.angular))], axis=-1)


def by_waves(bank: KernelBank, atoms: Atoms, waves: Waves) -> Coefficients:
    """Coefficients of the bank's field around every atom, by structure factors. O(atoms * waves), so O(atoms^2).

    The sum ends where `waves` do: |k| up to some 1.2 pi / s for four to five digits, 2 pi / s for nine.
    """
    kinds, count = atoms.kinds, len(atoms.species)
    blocks = -(-max(len(waves), 1) // BLOCK)
    size = -(-len(waves) // blocks)
    waves = jnp.pad(waves, ((0, blocks * size - len(waves)), (0, 0))).reshape(blocks, size, 3)
    degree = degrees(bank.angular)
    dual, volume = 2 * jnp.pi * atoms.dual, atoms.volume  # once, not in every block
    odd, signs = jnp.asarray(degree % 2 == 1), jnp.asarray((-1.0) ** ((degree + 1) // 2))

    @jax.checkpoint
    def add(total: Float[Array, "atom channel"], waves: Waves) -> tuple[Float[Array, "atom channel"], None]:
        k = waves @ dual
        weight = jnp.where(jnp.any(waves != 0, axis=-1), 2.0, 0.0) / volume
        k = jnp.where(jnp.any(waves != 0, axis=-1)[:, None], k, 1.0)
        table = jnp.einsum("nmk,m,k->knm", bank.table(k), signs, weight)[:, None]
        phases = atoms.positions @ k.T
        cosines, sines = jnp.cos(phases), jnp.sin(phases)
        structure = [(x.T @ atoms.members)[:, :, None, None] for x in (cosines, sines)]
        # Re and -Im of exp(i k.r_i) S(k)^*; i^l makes the one of even l, the other of odd l
        right = jnp.where(odd, -structure[1], structure[0]) * table, jnp.where(odd, structure[0], structure[1]) * table
        return total + sum(x @ y.reshape(size, -1) for x, y in zip((cosines, sines), right, strict=True)), None

    channels = kinds * bank.radial.channels * len(degree)
    total, _ = jax.lax.scan(add, jnp.zeros((count, channels), atoms.positions.dtype), waves)
    return total.reshape(count, kinds, bank.radial.channels, len(degree)) + background(bank, atoms)


def background(bank: KernelBank, atoms: Atoms) -> Float[Array, "kind n lm"]:
    """What k = 0 adds: the mean of a field whose kernel has an integral."""
    table = bank.table(jnp.zeros((1, 3), atoms.positions.dtype))[..., 0]
    return atoms.members.sum(axis=0)[:, None, None] * table / atoms.volume
