"""Lattices as matrices H(k), one for each Bloch wavevector: all that a cell problem asks of them.

    H(k)_GG' = hbar^2 |k + G|^2 / 2m delta_GG' + V_(G - G'),        V(x) = sum_h V_h cos(G_h . x + phase_h)

in one to three dimensions (`PlaneWaves`), or any matrix of hoppings (`ArmchairRibbon`). The Bloch wave is
exp(ik.x) u(x); sites of a hopping model sit where they are, so that a slow potential is taken at their place.

Ribbon: C. Zheng et al., Phys. Rev. B 75, 165414 (2007).
"""

import itertools
from abc import abstractmethod
from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Complex, Float, Shaped

from qnano import border

Matrix = Complex[Array, "basis basis"]


class AbstractBloch(eqx.Module):
    """A lattice as seen by a cell problem."""

    hbar: eqx.AbstractVar[Float[Array, ""]]

    @property
    @abstractmethod
    def dimension(self) -> int:
        """Components of k."""

    @property
    @abstractmethod
    def period(self) -> Float[Array, ""]:
        """The shortest lattice vector."""

    @abstractmethod
    def hamiltonian(self, k: Float[Array, " axis"]) -> Matrix:
        """H(k)."""


class PlaneWaves(AbstractBloch):
    """A particle in a periodic potential.

    `vectors` are the lattice vectors as rows, or the period in one dimension; `harmonics` (static) are whole multiples h of the
    reciprocal vectors, of which `amplitudes` V_h and `phases` give the potential; `cutoff` G = -cutoff..cutoff on each axis.
    Raises `ValueError` where these do not fit together.
    """

    vectors: Float[Array, "axis axis"]
    harmonics: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    cutoff: int = eqx.field(static=True)
    amplitudes: Float[Array, " harmonic"]
    phases: Float[Array, " harmonic"]
    mass: Float[Array, ""]
    hbar: Float[Array, ""]

    def __init__(
        self,
        harmonics: Sequence[Sequence[int]],
        amplitudes: Shaped[ArrayLike, " harmonic"] | Sequence,
        vectors: Shaped[ArrayLike, "..."] = 1.0,
        cutoff: int = 15,
        phases: Shaped[ArrayLike, " harmonic"] | Sequence | None = None,
        mass: Shaped[ArrayLike, ""] = 1.0,
        hbar: Shaped[ArrayLike, ""] = 1.0,
    ):
        real = jnp.result_type(float)
        for name, value in (("amplitudes", amplitudes), ("vectors", vectors), ("phases", phases)):
            if value is not None:
                border.numbers(name, value)
        border.numbers("cutoff", cutoff, kind="integer", shape=(), least=1)
        for name, value in (("mass", mass), ("hbar", hbar)):
            border.numbers(name, value, shape=(), above=0.0)
        for h in harmonics:
            border.numbers("harmonics", h, kind="integer", shape=(None,))
        self.harmonics, self.cutoff = tuple(tuple(h) for h in harmonics), cutoff
        self.amplitudes = jnp.asarray(amplitudes, real)
        self.phases = jnp.zeros(len(self.harmonics)) if phases is None else jnp.asarray(phases, real)
        self.vectors = jnp.atleast_2d(jnp.asarray(vectors, real))
        self.mass, self.hbar = jnp.asarray(mass, real), jnp.asarray(hbar, real)

    def __check_init__(self):
        d, number = self.dimension, len(self.harmonics)
        if self.vectors.shape != (d, d) or d > 3:
            raise ValueError(f"vectors: got an array of shape {self.vectors.shape}; must be 1 to 3 lattice vectors as rows")
        if any(len(h) != d or max(map(abs, h)) > 2 * self.cutoff for h in self.harmonics):
            raise ValueError(f"harmonics: got {self.harmonics}; each must be {d} whole numbers within twice the cutoff")
        if self.amplitudes.shape != (number,) or self.phases.shape != (number,):
            raise ValueError(f"amplitudes, phases: got {self.amplitudes.shape}, {self.phases.shape}; must be ({number},)")
        if border.known(self.vectors) and not np.linalg.matrix_rank(self.vectors) == d:
            raise ValueError(border.complaint("vectors", np.asarray(self.vectors).tolist(), "must be linearly independent"))

    @property
    def dimension(self) -> int:
        return len(self.vectors)

    @property
    def period(self) -> Float[Array, ""]:
        return jnp.min(jnp.linalg.norm(self.vectors, axis=1))

    @property
    def numbers(self) -> np.ndarray:
        """The plane waves as whole multiples of the reciprocal vectors, shape (basis, axis)."""
        return np.array(list(itertools.product(range(-self.cutoff, self.cutoff + 1), repeat=self.dimension)))

    @property
    def reciprocal(self) -> Float[Array, "axis axis"]:
        """Reciprocal vectors as rows."""
        return 2 * jnp.pi * jnp.linalg.inv(self.vectors).T

    def potential(self, x: Float[Array, "axis *x"]) -> Float[Array, "*x"]:
        """V at points."""
        waves = jnp.tensordot(jnp.asarray(self.harmonics, float) @ self.reciprocal, x, axes=1)
        fit = (len(self.harmonics),) + (1,) * (x.ndim - 1)
        return jnp.sum(self.amplitudes.reshape(fit) * jnp.cos(waves + self.phases.reshape(fit)), axis=0)

    def hamiltonian(self, k: Float[Array, " axis"]) -> Matrix:
        numbers = self.numbers
        kinetic = self.hbar**2 * jnp.sum((k + numbers @ self.reciprocal) ** 2, axis=1) / (2 * self.mass)
        matrix = jnp.diag(kinetic).astype(jnp.result_type(1j))
        apart = numbers[:, None, :] - numbers
        for h, amplitude, phase in zip(self.harmonics, self.amplitudes, self.phases, strict=True):
            rises = np.all(apart == np.array(h), axis=-1).astype(float)
            turned = amplitude / 2 * jnp.exp(1j * phase)
            matrix = matrix + turned * rises + turned.conj() * rises.T
        return matrix

    def at(self, vector: Complex[Array, " basis"], x: Float[Array, "axis *x"]) -> Complex[Array, "*x"]:
        """The periodic function sum_G c_G exp(iG.x)."""
        waves = jnp.exp(1j * jnp.tensordot(self.numbers @ self.reciprocal, x, axes=1))
        return jnp.tensordot(vector, waves, axes=1)

    def density_harmonics(self, vector: Complex[Array, " basis"]) -> Complex[Array, "*harmonic"]:
        """n_G = <exp(-iG.x) |u|^2> for G = -2 cutoff..2 cutoff on each axis."""
        side = 2 * self.cutoff + 1
        padded = jnp.pad(vector.reshape((side,) * self.dimension), [(0, side - 1)] * self.dimension)
        waves = jnp.fft.fftn(padded)
        return jnp.fft.fftshift(jnp.fft.ifftn(jnp.abs(waves) ** 2))


class ArmchairRibbon(AbstractBloch):
    """One transverse mode of an armchair graphene ribbon of `lines` dimer lines: a chain of dimers with period 3/2 bonds.

        i hbar da/dt = -t [b(x + d) + 2c b(x - d/2)],    i hbar db/dt = -t [a(x - d) + 2c a(x + d/2)],    c = cos(p pi / (N + 1))

    exact for any potential that depends on the place along the ribbon alone, since the transverse mode is the same on every line.
    `mode` p is 1..N; by default the one nearest to the gap. E^2 = t^2 (1 + 4c cos(3kd/2) + 4c^2). Raises `ValueError` for numbers
    that cannot be.
    """

    lines: int = eqx.field(static=True)
    mode: int = eqx.field(static=True)
    hopping: Float[Array, ""]
    bond: Float[Array, ""]
    hbar: Float[Array, ""]

    def __init__(
        self,
        lines: int,
        hopping: Shaped[ArrayLike, ""] = 1.0,
        bond: Shaped[ArrayLike, ""] = 1.0,
        mode: int | None = None,
        hbar: Shaped[ArrayLike, ""] = 1.0,
    ):
        real = jnp.result_type(float)
        border.numbers("lines", lines, kind="integer", shape=(), least=2)
        if mode is not None:
            border.numbers("mode", mode, kind="integer", shape=(), least=1, most=lines)
        for name, value in (("hopping", hopping), ("bond", bond), ("hbar", hbar)):
            border.numbers(name, value, shape=(), above=0.0)
        self.lines = lines
        nearest = 2 * (lines + 1) // 3  # 1 + 2c changes its sign between it and the next
        modes = (p for p in (nearest, nearest + 1) if p <= lines)
        self.mode = min(modes, key=lambda p: abs(1 + 2 * np.cos(np.pi * p / (lines + 1)))) if mode is None else mode
        self.hopping, self.bond, self.hbar = (jnp.asarray(x, real) for x in (hopping, bond, hbar))

    @property
    def dimension(self) -> int:
        return 1

    @property
    def period(self) -> Float[Array, ""]:
        """3/2 bonds, half the cell of the whole ribbon."""
        return 1.5 * self.bond

    @property
    def places(self) -> Float[Array, " 2"]:
        """Of the two sites of a cell."""
        return jnp.stack([0.0 * self.bond, self.bond])

    @property
    def cosine(self) -> float:
        """c."""
        return float(np.cos(np.pi * self.mode / (self.lines + 1)))

    @property
    def half_gap(self) -> Float[Array, ""]:
        """Delta = t |1 + 2c|."""
        return self.hopping * abs(1 + 2 * self.cosine)

    @property
    def closed_mass(self) -> Float[Array, ""]:
        """m* = 2 hbar^2 Delta / (9 t^2 |c| d^2)."""
        return 2 * self.hbar**2 * self.half_gap / (9 * self.hopping**2 * abs(self.cosine) * self.bond**2)

    def hamiltonian(self, k: Float[Array, " axis"]) -> Matrix:
        hop = -self.hopping * (jnp.exp(1j * k[0] * self.bond) + 2 * self.cosine * jnp.exp(-0.5j * k[0] * self.bond))
        zero = jnp.zeros_like(hop)
        return jnp.stack([jnp.stack([zero, hop]), jnp.stack([hop.conj(), zero])])

    def by_cells(self, k: Float[Array, " axis"]) -> Matrix:
        """The same for amplitudes numbered by cell and site, whose waves are exp(ik.x) with the place of the cell alone."""
        phases = jnp.exp(1j * k[0] * self.places)
        return phases[:, None] * self.hamiltonian(k) * phases.conj()
