"""Exact dynamics, the Schroedinger equation: the wavefunction as a matrix over up and down determinants.

    i d psi / dt = T_up psi + psi T_dn^T + D * psi

with T the hops within one spin species, D the interaction and potential energy of each pair of determinants, and * entry by
entry. H itself is never formed: a hop is a gather of rows or columns with a sign, (N_up + N_dn) z / 2 entries a row.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Complex, Float, Inexact, PyTree

from qnano.border import complaint
from qnano.dynamics import AbstractSchrodinger, AbstractSolver, Form
from qnano.fermions import rdm
from qnano.fermions.cumulants import three_cumulant
from qnano.fermions.fock import HopTable, determinants, hop_table, occupations
from qnano.hamiltonian import AbstractHamiltonian, pack
from qnano.hubbard.energetics import LocalRDMs, energetic_observables, normal_ordered
from qnano.hubbard.model import FermiHubbard
from qnano.hubbard.observables import common_observables
from qnano.lattice import Lattice
from qnano.solvers.chebyshev import Chebyshev
from qnano.solvers.magnus import Magnus
from qnano.solvers.stepping import adaptive
from qnano.spectral import frobenius

ADMITTED_LOSS = 1e-3


class HubbardHamiltonian(AbstractHamiltonian):
    """H at one time, acting on psi[..., up, down]; all leaves are linear in H."""

    lattice: Lattice = eqx.field(static=True)
    electrons: tuple[int, int] = eqx.field(static=True)
    hops_up: Inexact[Array, "entry up"]
    hops_down: Inexact[Array, "entry down"]
    diagonal: Float[Array, "up down"]
    hopping: Inexact[Array, "s s"]

    def __init__(self, model: FermiHubbard, t: Float[Array, ""]):
        self.lattice, self.electrons = model.lattice, model.electrons
        self.hopping = model.hopping_matrix(t)
        potential = model.site_potential(t)
        up, down = (occupations(model.sites, n) for n in model.electrons)
        self.hops_up, self.hops_down = (model.hops(t, n)[1].T for n in model.electrons)
        energy_up, energy_down = up @ potential, down @ potential
        self.diagonal = interaction_diagonal(model, t) + energy_up[:, None] + energy_down[None, :]

    @property
    def tables(self) -> tuple[HopTable, HopTable]:
        """The hops of up and down electrons; fixed by lattice and electrons alone."""
        up, down = (hop_table(self.lattice.sites, n, self.lattice.bonds) for n in self.electrons)
        return up, down

    @property
    def is_real(self) -> bool:
        return not jnp.issubdtype(self.hops_up.dtype, jnp.complexfloating)

    def apply(self, psi: Inexact[Array, "*batch up down"]) -> Inexact[Array, "*batch up down"]:
        # Summed entry by entry so that the compiler makes one loop of it: the gathered vectors are never stored.
        up, down = (table.source for table in self.tables)
        result = self.diagonal * psi
        for entry, hops in enumerate(self.hops_up):
            result += hops[:, None] * psi[..., up[:, entry], :]
        for entry, hops in enumerate(self.hops_down):
            result += hops * psi[..., down[:, entry]]
        return result

    def overlaps(self, costate: Inexact[Array, "*batch up down"], psi: Inexact[Array, "*batch up down"]) -> PyTree[Array]:
        """Left unsummed over the other spin's determinants: an elementwise loop is vectorised, a sum for every hop is not."""
        up, down = (np.nonzero(table.sign) for table in self.tables)
        up_source, down_source = (table.source[hops] for table, hops in zip(self.tables, (up, down), strict=True))

        def both(left, right):
            return jnp.sum(left * right, axis=range(psi.ndim - 2))

        return (
            both(costate[..., up[0], :], psi[..., up_source, :]),
            both(costate[..., down[0]], psi[..., down_source]),
            both(costate, psi),
        )

    def slope(self, overlaps: PyTree[Array]) -> "HubbardHamiltonian":
        by_up, by_down, diagonal = overlaps
        up, down = (np.nonzero(table.sign) for table in self.tables)

        def of(leaf, hops, values):
            return jnp.zeros_like(leaf).at[hops[::-1]].set(values if jnp.iscomplexobj(leaf) else values.real)

        values = (of(self.hops_up, up, by_up.sum(axis=1)), of(self.hops_down, down, by_down.sum(axis=0)), diagonal.real)
        return eqx.tree_at(lambda h: (h.hops_up, h.hops_down, h.diagonal, h.hopping), self, (*values, jnp.zeros_like(self.hopping)))

    def spectral_bounds(self) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Those of the hopping energy, of free particles, plus the extremes of the diagonal.

        Without the levels e of the hopping, an eigenproblem in every step: they are within the largest sum of |h| along a row,
        and since their sum is 0 and that of their squares |h|^2, any n of N of them add up to at most |h| (n (N - n) / N)^1/2.
        """
        sites, size = self.lattice.sites, jnp.abs(self.hopping)
        level, norm = jnp.max(jnp.sum(size, axis=0)), jnp.sqrt(jnp.sum(size**2))
        most = sum(jnp.minimum(min(n, sites - n) * level, norm * math.sqrt(n * (sites - n) / sites)) for n in self.electrons)
        return jnp.min(self.diagonal) - most, jnp.max(self.diagonal) + most


def interaction_diagonal(model: FermiHubbard, t: Float[Array, ""]) -> Float[Array, "up down"]:
    """The interaction energy of each pair of determinants."""
    up, down = (jnp.asarray(occupations(model.sites, n)) for n in model.electrons)
    onsite = (up * model.site_interaction(t)) @ down.T
    if (pair := model.pair_interaction(t)) is None:
        return onsite
    within = [0.5 * jnp.einsum("di,ij,dj->d", n, pair, n) for n in (up, down)]
    return onsite + up @ pair @ down.T + within[0][:, None] + within[1][None, :]


class ExactHubbard(AbstractSchrodinger):
    """The Schroedinger equation of a `FermiHubbard` model.

    `model`: the Hamiltonian.
    `reference`: a state, usually the initial one, with which the Loschmidt echo |<reference|psi>|^2 can be measured, or None.

    The state is psi[up, down], complex, of norm 1, over the determinants of both spins (`qnano.fermions.fock`); `determinant` and
    `qnano.hubbard.ground_state.ground_state` make such. `propagate` raises `ValueError` for another shape or norm.
    """

    model: FermiHubbard
    reference: Complex[Array, "up down"] | None = None

    @property
    def forms(self) -> Mapping[str, Form]:
        return {"": Form(tuple(determinants(self.model.sites, n).size for n in self.model.electrons))}

    def require_state(self, state: Complex[Array, "up down"]) -> None:
        """Of norm 1, since everything that is measured takes that for granted; a state on its way may have lost a little."""
        if isinstance(state, Tracer):
            return
        if abs((norm := float(np.linalg.norm(np.asarray(state)) ** 2)) - 1) > ADMITTED_LOSS:
            raise ValueError(complaint("state", norm, f"the sum of |psi|^2 must be 1 to within {ADMITTED_LOSS:g}; normalise it"))

    def hamiltonian(self, t: Float[Array, ""]) -> HubbardHamiltonian:
        return HubbardHamiltonian(self.model, t)

    def vector_field(self, t: Float[Array, ""], state: Complex[Array, "up down"]) -> Complex[Array, "up down"]:
        return -1j * self.hamiltonian(t).apply(state)

    def observe(self, t: Float[Array, ""], state: Complex[Array, "up down"]) -> Mapping[str, Callable[[], Array]]:
        model, electrons = self.model, self.model.electrons
        up, down = (occupations(model.sites, n) for n in electrons)
        weight = jnp.abs(state) ** 2

        def density() -> Float[Array, "2 s"]:
            return jnp.stack([weight.sum(axis=1) @ up, weight.sum(axis=0) @ down])

        def double_occupancy() -> Float[Array, " s"]:
            return jnp.sum(up * (weight @ down), axis=0)

        def interaction() -> Float[Array, ""]:
            return jnp.sum(weight * interaction_diagonal(model, t))

        def one_rdms() -> Complex[Array, "2 s s"]:
            return jnp.stack([rdm.one_rdm(state, model.sites, electrons, spin) for spin in (0, 1)])

        def kinetic() -> Float[Array, ""]:
            hamiltonian = self.hamiltonian(t)
            parts = pack(hamiltonian, state)
            return jnp.vdot(parts, hamiltonian.apply(parts) - hamiltonian.diagonal * parts).real

        def two_rdm() -> Complex[Array, "s s s s"]:
            return rdm.two_rdm_updn(state, model.sites, electrons)

        def same_spin(spin: int) -> Complex[Array, "s s s s"]:
            return rdm.two_rdm_same_spin(state, model.sites, electrons, spin)

        def three_rdm() -> Complex[Array, "s s s s s s"]:
            return rdm.three_rdm_uud(state, model.sites, electrons)

        measured = common_observables(model, t, density, double_occupancy, one_rdms, two_rdm, kinetic, interaction)
        measured |= energetic_observables(model, t, state, self.vector_field, self.local_rdms) | {
            "rdm2_upup": lambda: same_spin(0),
            "rdm2_dndn": lambda: same_spin(1),
            "three_cumulant": lambda: frobenius(three_cumulant(one_rdms(), same_spin(0), two_rdm(), three_rdm())),
            "rdm3_uud": three_rdm,
            "wavefunction": lambda: state,
        }
        if (reference := self.reference) is None:
            return measured
        return measured | {"loschmidt_echo": lambda: jnp.abs(jnp.vdot(reference, state)) ** 2}

    def local_rdms(self, state: Complex[Array, "up down"]) -> LocalRDMs:
        """D1 and D1 given an electron, the latter from the parts of the wavefunction in which that electron is there."""
        model, electrons = self.model, self.model.electrons
        up, down = (jnp.asarray(occupations(model.sites, n).T) for n in electrons)

        def both(psi):
            return jnp.stack([rdm.one_rdm(psi, model.sites, electrons, spin) for spin in (0, 1)])

        given_up = jax.lax.map(lambda there: both(there[:, None] * state), up)  # [b, s, c, a]
        given_down = jax.lax.map(lambda there: both(there * state), down)
        return both(state), normal_ordered(jnp.stack([given_up, given_down]).transpose(2, 0, 3, 4, 1))

    def invariants(self, t: Float[Array, ""], state: Complex[Array, "up down"]) -> dict[str, Float[Array, ""]]:
        norm = {"norm": jnp.sum(jnp.abs(state) ** 2)}
        if not self.is_autonomous:
            return norm
        hamiltonian = self.hamiltonian(t)
        parts = pack(hamiltonian, state)
        return norm | {"energy": jnp.vdot(parts, hamiltonian.apply(parts)).real}

    def limits(self, t: Float[Array, ""], state: Complex[Array, "up down"]) -> dict[str, Float[Array, ""]]:
        return {"norm within 1 +- 0.1": 10 * jnp.abs(jnp.sum(jnp.abs(state) ** 2) - 1)}

    @property
    def is_autonomous(self) -> bool:
        return self.model.is_autonomous

    @property
    def jumps(self) -> tuple[Float[Array, ""], ...]:
        return self.model.jumps

    @property
    def default_solver(self) -> AbstractSolver:
        """Chebyshev for a constant Hamiltonian, Magnus for a driven one."""
        return Chebyshev() if self.is_autonomous else adaptive(Magnus(), rtol=1e-10, atol=1e-12)

    def determinant(self, up: Sequence[int], down: Sequence[int]) -> Complex[Array, "up down"]:
        """The state with up electrons on the sites `up` and down electrons on the sites `down`.

        Raises `ValueError` where the numbers or the sites do not fit the model.
        """
        place = []
        for name, sites, number in zip(("up", "down"), (up, down), self.model.electrons, strict=True):
            if len(set(sites)) != number or not all(0 <= i < self.model.sites for i in sites):
                raise ValueError(
                    f"{name}: got sites {list(sites)}; must be {number} different sites between 0 and {self.model.sites - 1}"
                )
            place.append(int(np.searchsorted(determinants(self.model.sites, number), sum(1 << i for i in sites))))
        shape = tuple(determinants(self.model.sites, n).size for n in self.model.electrons)
        return jnp.zeros(shape, jnp.result_type(1j)).at[tuple(place)].set(1.0)
