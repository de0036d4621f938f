"""Learned closures without memory: a network supplies what the three-particle cumulant adds to the collision element.

The commutator and the collision of d and L are exact; a known closure (the `base`) may supply a first guess of the rest, and the
network what is then missing. Hermiticity, exchange symmetry and particle numbers hold for any such K, and inside
`ContractionConsistent` energy, spin and the motion of D1 too, whatever the network says (`qnano.hubbard.td2rdm`).

    Blend         one coefficient c for the Nakatsuji-Yasuda cumulant, a number or a function of a few bulk invariants
    Equivariant   coefficients for thirteen covariant terms from a network shared over sites: trained small, run large
    Dense         all numbers of D2 to all numbers of K, for one system size
"""

from abc import abstractmethod

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, PRNGKeyArray

from qnano.border import numbers
from qnano.fermions.contractions import ThreeCumulant, consistent_collision
from qnano.fermions.cumulants import collision_without_three_cumulant
from qnano.fermions.reconstruction import nakatsuji_yasuda, smooth_sign
from qnano.fermions.types import OneRDM, TwoRDM
from qnano.hubbard.closures import AbstractClosure, AbstractReconstruction, ContractionConsistent, Memory
from qnano.hubbard.model import FermiHubbard
from qnano.hubbard.reduced import AbstractReduced
from qnano.hubbard.td2rdm import TD2RDM
from qnano.learning.networks import BULK_INVARIANTS, SiteNetwork, bulk_invariants, feedforward
from qnano.learning.packing import pack, pack_hermitian, packed_size
from qnano.learning.surroundings import Maps, Surroundings
from qnano.learning.terms import COUNT, terms


class AbstractLearner(eqx.Module):
    """What is trained: its leaves are weights, and belong to no Hamiltonian until one is given."""

    @abstractmethod
    def dynamics(self, model: FermiHubbard) -> AbstractReduced:
        """The motion that it describes under this Hamiltonian. Raises `ValueError` for a system that it does not fit."""


class AbstractLearnedClosure(AbstractLearner):
    """What is trained is a closure of TD2RDM."""

    @abstractmethod
    def bind(self, model: FermiHubbard) -> AbstractClosure:
        """The closure for this Hamiltonian, contraction consistent. Raises `ValueError` for a system that it does not fit."""

    def dynamics(self, model: FermiHubbard) -> TD2RDM:
        return TD2RDM(model, self.bind(model))


class AbstractLocalClosure(AbstractClosure):
    """A closure without memory: K = K of `base`, or of Delta3 = 0, + what `correction` says."""

    base: eqx.AbstractVar[AbstractReconstruction | None]

    @abstractmethod
    def correction(self, one_rdm: OneRDM, cumulant: TwoRDM) -> TwoRDM:
        """The learned part of K."""

    def collision_element(self, one_rdm: OneRDM, cumulant: TwoRDM, memory: Memory) -> TwoRDM:
        known = collision_without_three_cumulant(one_rdm, cumulant)
        return known + self.connected_element(one_rdm, cumulant, memory)

    def connected_element(self, one_rdm: OneRDM, cumulant: TwoRDM, memory: Memory) -> TwoRDM:
        correction = self.correction(one_rdm, cumulant)
        if self.base is None:
            return correction
        return consistent_collision(one_rdm, cumulant, self.base.three_cumulant(one_rdm, cumulant)) + correction

    def initial_memory(self, psi: Complex[Array, "up down"]) -> Memory:
        return None

    def memory_field(self, t: Float[Array, ""], one_rdm: OneRDM, cumulant: TwoRDM, memory: Memory) -> Memory:
        return None


class Blend(AbstractLearnedClosure, AbstractReconstruction):
    """Delta3 = c * Nakatsuji-Yasuda (smooth sign), with ln c = `level` + a network of bulk invariants, or `level` alone.

    The exact Delta3 lies along Nakatsuji-Yasuda's with a factor from 1 (U -> 0) to 1.7 (U = 4 J).
    """

    level: Float[Array, ""]
    network: eqx.nn.MLP | None

    def __init__(self, width: int = 0, depth: int = 1, *, key: PRNGKeyArray):
        self.level = jnp.zeros(())
        self.network = feedforward(BULK_INVARIANTS, 1, width, depth, key) if width else None

    def three_cumulant(self, one_rdm: OneRDM, cumulant: TwoRDM) -> ThreeCumulant:
        exponent = self.level
        if self.network is not None:
            exponent += self.network(bulk_invariants(one_rdm, cumulant))[0]
        guess = nakatsuji_yasuda(smooth_sign(one_rdm), cumulant)
        return ThreeCumulant(*(jnp.exp(exponent) * part for part in guess))

    def bind(self, model: FermiHubbard) -> AbstractClosure:
        return ContractionConsistent(self)


class Equivariant(AbstractLearnedClosure):
    """K = K of the base + sum_m c_m T_m, T_m the covariant `terms` and c_m from a `SiteNetwork`. Any number of sites. O(N_s^5).

    Real coefficients keep time-reversal symmetry; with `dissipative` they are complex, which a closure without memory needs to
    describe how correlations decay. With `features` the network also sees what is around each site, near by and far away.
    """

    network: SiteNetwork
    base: AbstractReconstruction | None
    dissipative: bool = eqx.field(static=True)
    features: Surroundings | None

    def __init__(
        self,
        base: AbstractReconstruction | None = None,
        width: int = 16,
        dissipative: bool = False,
        features: Surroundings | None = None,
        *,
        key: PRNGKeyArray,
    ):
        self.base, self.dissipative, self.features = base, dissipative, features
        more = 0 if features is None else features.count
        self.network = SiteNetwork((2 if dissipative else 1) * COUNT, width, more, key=key)

    def bind(self, model: FermiHubbard) -> AbstractClosure:
        maps = None if self.features is None else self.features.maps(model.lattice)
        return ContractionConsistent(EquivariantClosure(self.base, self, maps))


class EquivariantClosure(AbstractLocalClosure):
    """`Equivariant` on one lattice, on which the maps to its features depend."""

    base: AbstractReconstruction | None
    learned: Equivariant
    maps: Maps | None

    def correction(self, one_rdm: OneRDM, cumulant: TwoRDM) -> TwoRDM:
        features = self.learned.features
        maps = self.maps
        around = None if features is None or maps is None else features(jnp.diagonal(one_rdm).real, maps)
        coefficients = self.learned.network(one_rdm, cumulant, around)
        if self.learned.dissipative:
            coefficients = coefficients[:COUNT] + 1j * coefficients[COUNT:]
        return jnp.sum(coefficients * terms(one_rdm, cumulant), axis=0)


class Dense(AbstractLearnedClosure, AbstractLocalClosure):
    """K = K of the base + a dense network of all independent numbers of d and L. For `sites` sites alone; no site is like
    another."""

    network: eqx.nn.MLP
    base: AbstractReconstruction | None
    sites: int = eqx.field(static=True)

    def __init__(
        self, sites: int, base: AbstractReconstruction | None = None, width: int = 64, depth: int = 2, *, key: PRNGKeyArray
    ):
        numbers("sites", sites, kind="integer", shape=(), least=1)
        self.base, self.sites = base, sites
        self.network = feedforward(sites**2 + packed_size(sites), 2 * sites**4, width, depth, key)

    def correction(self, one_rdm: OneRDM, cumulant: TwoRDM) -> TwoRDM:
        real, imaginary = jnp.split(self.network(jnp.concatenate([pack_hermitian(one_rdm), pack(cumulant)])), 2)
        return (real + 1j * imaginary).reshape(cumulant.shape)

    def bind(self, model: FermiHubbard) -> AbstractClosure:
        if model.sites != self.sites:
            raise ValueError(f"model: got {model.sites} sites; this dense closure is for {self.sites}")
        return ContractionConsistent(self)
