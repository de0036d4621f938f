"""Whether to believe a closure: what it neglects, and how far a two-particle RDM has left the physical ones.

Working definitions, ours where the literature names a quantity without a formula:

- correlation of the cumulants: Pearson's r over time of the Frobenius norms |L| (opposite-spin two-particle cumulant) and |Delta3|
  (three-particle cumulant of two up and one down);
- build-up: the time average of |Delta3(t)| - |Delta3(0)|;
- relative collision norm: |C[Delta3]| / |C|, with C = U_b K + (U_b K)^T - h.c. what the three-particle RDM adds to i dD2/dt.

Everything is of one state; map over a trajectory with `jax.vmap` or `jax.lax.map`. The exact cumulant has N_s^6 elements.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from qnano.border import alike, numbers
from qnano.fermions import rdm
from qnano.fermions.cumulants import collision_without_three_cumulant, two_cumulant
from qnano.fermions.representability import PARITIES, pair_matrix, particle_hole_rdms, two_hole_rdm
from qnano.fermions.types import OneRDM, ThreeRDM, TwoRDM, Wavefunction
from qnano.hubbard.closures import AbstractClosure
from qnano.hubbard.model import FermiHubbard
from qnano.hubbard.third_equation import Cumulants
from qnano.solvers.admission import admitted_times
from qnano.spectral import extremes


class CumulantNorms(NamedTuple):
    """Frobenius norms of L and of Delta3_uud, and |C[Delta3]| / |C|."""

    two: Float[Array, ""]
    three: Float[Array, ""]
    relative_collision: Float[Array, ""]


class ClosureError(NamedTuple):
    """Norms of (closure - exact) in the collision element K and in the collision C, and that of the exact C."""

    element: Float[Array, ""]
    collision: Float[Array, ""]
    exact_collision: Float[Array, ""]


class SpinExtremes(NamedTuple):
    """Lowest and highest eigenvalue of D2, Q2 and G2, of the singlet and of the triplet block; norms as in D2."""

    d2: Float[Array, "spin 2"]
    q2: Float[Array, "spin 2"]
    g2: Float[Array, "spin 2"]


def exact_three_cumulant(psi: Wavefunction, model: FermiHubbard) -> ThreeRDM:
    """Delta3_uud of a singlet."""
    return Cumulants.of(psi, model).three


def cumulant_norms(psi: Wavefunction, model: FermiHubbard, t: Float[Array, ""]) -> CumulantNorms:
    """The size of the correlations of a singlet."""
    d, cumulant = _exact(psi, model)
    exact = rdm.collision_element(psi, model.sites, model.electrons)
    three = exact - collision_without_three_cumulant(d, cumulant)
    whole, part = (jnp.linalg.norm(_collision(k, model, t)) for k in (exact, three))
    return CumulantNorms(
        jnp.linalg.norm(cumulant),
        jnp.linalg.norm(exact_three_cumulant(psi, model)),
        part / jnp.where(whole == 0, 1.0, whole),
    )


def closure_error(closure: AbstractClosure, psi: Wavefunction, model: FermiHubbard, t: Float[Array, ""]) -> ClosureError:
    """A priori: the closure at the exact D2, against the exact collision element there."""
    d, cumulant = _exact(psi, model)
    exact = rdm.collision_element(psi, model.sites, model.electrons)
    wrong = closure.collision_element(d, cumulant, closure.initial_memory(psi)) - exact
    collisions = (jnp.linalg.norm(_collision(k, model, t)) for k in (wrong, exact))
    return ClosureError(jnp.linalg.norm(wrong), *collisions)


def pearson(left: Float[Array, " time"], right: Float[Array, " time"]) -> Float[Array, ""]:
    """Pearson's correlation of two series; NaN where one is constant. Raises `ValueError` for two lengths."""
    alike("left", left, right)
    left, right = left - left.mean(), right - right.mean()
    return jnp.vdot(left, right) / (jnp.linalg.norm(left) * jnp.linalg.norm(right))


def build_up(times: Float[Array, " time"], norms: Float[Array, " time"]) -> Float[Array, ""]:
    """The time average of norms - norms[0]. Raises `ValueError` for times that do not ascend, or are not as many."""
    alike("norms", norms, times := admitted_times(times))
    return jnp.trapezoid(norms - norms[0], times) / (times[-1] - times[0])


def relative_error(two_rdm: TwoRDM, exact: TwoRDM) -> Float[Array, ""]:
    """|D2 - exact| / |exact|. Raises `ValueError` for arrays of two shapes."""
    alike("two_rdm", two_rdm, exact)
    return jnp.linalg.norm(two_rdm - exact) / jnp.linalg.norm(exact)


def extreme_eigenvalues(two_rdm: TwoRDM, particles: int) -> SpinExtremes:
    """How far D2, Q2 and G2 of a singlet, of `particles` per spin, are inside or outside the positive matrices. O(N_s^6).

    Raises `ValueError` for more particles than sites, or none.
    """
    numbers("particles", particles, kind="integer", shape=(), least=1, most=len(two_rdm))
    d = rdm.one_rdm_of(two_rdm, particles)

    def ends(matrix):
        return extremes(matrix)

    def blocks(x):
        return jnp.stack([ends(pair_matrix(x, parity)) for parity in PARITIES])

    size = len(d) ** 2
    crossed = jnp.stack([ends(g.reshape(size, size)) for g in particle_hole_rdms(d, two_rdm)])
    return SpinExtremes(blocks(two_rdm), blocks(two_hole_rdm(d, d, two_rdm)), crossed)


def _exact(psi: Wavefunction, model: FermiHubbard) -> tuple[OneRDM, TwoRDM]:
    two_rdm = rdm.two_rdm_updn(psi, model.sites, model.electrons)
    d = rdm.one_rdm_of(two_rdm, model.electrons[1])
    return d, two_cumulant(d, two_rdm)


def _collision(element: TwoRDM, model: FermiHubbard, t: Float[Array, ""]) -> TwoRDM:
    """C of K."""
    half = model.site_interaction(t)[:, None, None] * element
    half = half + half.transpose(1, 0, 3, 2)
    return half - half.conj().transpose(2, 3, 0, 1)
