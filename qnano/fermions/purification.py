"""Purification: the removal of negative probabilities from a two-particle RDM, at fixed D1, spin and energy.

An approximate motion drives eigenvalues of D2, Q2 (and G2) below zero, where it becomes unstable (Lackner et al., Phys. Rev. A 91,
023412 (2015)). The singlet's D2 is moved along what changes neither D1 nor the spin, the parts of its even and odd blocks whose
partial trace vanishes, and, in the even block, along what is orthogonal to the interaction; there it descends

    f(D2) = 1/2 sum |negative part|^2        over D and Q, even and odd,

by projected gradient with Nesterov's momentum k / (k + 3) (Sov. Math. Dokl. 27, 372 (1983)); the gradient of a square is the
negative part itself. The step is 1/2, the inverse of the Lipschitz constant of D and Q; with G (its triplet weighs three times) it
is 1/10. Each iteration diagonalises matrices of about N_s^2 / 2 (and N_s^2): O(N_s^6).

The parts free of contractions are, for c[a;x] = sum_b X[ab;xb], t = trace c, in a block of parity s,

    X - [c_ax d_by + s c_bx d_ay + s c_ay d_bx + c_by d_ax] / (N_s + 2s) + t [d_ax d_by + s d_bx d_ay] / ((N_s + s) (N_s + 2s)).

Differentiable in both modes at its number of iterations, which is a step function of the input.
"""

from functools import partial
from typing import Literal, NamedTuple

import equinox as eqx
import equinox.internal as eqxi
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from qnano.border import numbers
from qnano.fermions.admission import require_orbitals
from qnano.fermions.rdm import one_rdm_of
from qnano.fermions.representability import (
    PARITIES,
    Parity,
    from_pair_matrix,
    pair_matrix,
    particle_hole_rdms,
    two_hole_rdm,
)
from qnano.fermions.slices import diagonal
from qnano.fermions.types import TwoRDM
from qnano.spectral import frobenius, negative_part


class Purified(NamedTuple):
    """The purified D2; iterations taken; Frobenius norm of the change; the lowest eigenvalue that is left."""

    two_rdm: TwoRDM
    iterations: Int[Array, ""]
    change: Float[Array, ""]
    lowest: Float[Array, ""]


class Purification(eqx.Module):
    """How far to purify.

    `tolerance`: until no eigenvalue is below its negative; in single precision at least 1e-6.
    `max_iterations`: or until so many are done.
    `particle_hole`: of G, too, beside those of D and Q.

    Raises `ValueError` for a negative tolerance and for less than one iteration.
    """

    tolerance: float = eqx.field(static=True, default=1e-7)
    max_iterations: int = eqx.field(static=True, default=500)
    particle_hole: bool = eqx.field(static=True, default=False)

    def __check_init__(self):
        numbers("tolerance", self.tolerance, shape=(), least=0.0)
        numbers("max_iterations", self.max_iterations, kind="integer", shape=(), least=1)

    def __call__(self, two_rdm: TwoRDM, particles: int, interaction: Float[Array, " s"]) -> Purified:
        """Purify the Hermitian D2 of a singlet, `particles` per spin, at fixed <sum_i U_i n_i,up n_i,dn>, U_i = `interaction`.

        Raises `ValueError` for arrays that do not fit each other.
        """
        require_orbitals(two_rdm=two_rdm)
        numbers("interaction", interaction, shape=(len(two_rdm),))
        pure, iterations, lowest = _descend(two_rdm, interaction, self, particles)
        return Purified(pure, iterations, frobenius(pure - two_rdm), lowest)


def contraction_free(two_body: TwoRDM, parity: Parity) -> TwoRDM:
    """The part of an even or odd two-body array whose partial trace vanishes."""
    require_orbitals(two_body=two_body)
    sites = len(two_body)
    if sites + 2 * parity == 0:
        return jnp.zeros_like(two_body)  # one odd pair of two sites: its trace is all it has
    contraction = diagonal(two_body, "akxk->kax").sum(axis=0)
    trace = jnp.trace(contraction) / (2 * (sites + parity))
    one = jnp.eye(sites, dtype=two_body.dtype)
    lone = (contraction - trace * one) / (sites + 2 * parity)
    direct = jnp.einsum("ax,by->abxy", lone, one) + jnp.einsum("ax,by->abxy", one, lone)
    return two_body - direct - parity * direct.transpose(1, 0, 2, 3)


@partial(jax.custom_jvp, nondiff_argnums=(2, 3))
def _descend(two_rdm, interaction, settings, particles):
    return _loop(two_rdm, interaction, settings, particles, "lax")


@_descend.defjvp
def _descend_jvp(settings, particles, primals, tangents):
    # A loop of unknown length has no transpose; the bounded one has both derivatives, and costs its bound under vmap.
    return jax.jvp(lambda two_rdm, u: _loop(two_rdm, u, settings, particles, "bounded"), primals, tangents)


def _loop(
    two_rdm: TwoRDM, interaction: Float[Array, " s"], settings: Purification, particles: int, kind: Literal["lax", "bounded"]
) -> tuple[TwoRDM, Int[Array, ""], Float[Array, ""]]:
    """The point where the last gradient was taken, the iterations before it, and its lowest eigenvalue."""
    fixed_rdm = one_rdm_of(two_rdm, particles)
    holes = two_hole_rdm(fixed_rdm, fixed_rdm, jnp.zeros_like(two_rdm))
    i = jnp.arange(len(two_rdm))
    onsite = jnp.zeros_like(two_rdm).at[i, i, i, i].set(interaction.astype(two_rdm.dtype), unique_indices=True)
    onsite = contraction_free(onsite, 1)
    tolerance = max(settings.tolerance, 8 * float(jnp.finfo(two_rdm.dtype).eps))
    square = jnp.vdot(onsite, onsite).real

    def admitted(blocks: dict[Parity, TwoRDM]) -> TwoRDM:
        even, odd = (contraction_free(blocks[parity], parity) for parity in PARITIES)
        along = jnp.vdot(onsite, even).real / jnp.where(square == 0, 1.0, square)
        return even - along * onsite + odd

    def gradient(two_rdm: TwoRDM) -> tuple[TwoRDM, Float[Array, ""]]:
        negative, lowest = {}, []
        for parity in PARITIES:
            matrices = jnp.stack([pair_matrix(two_rdm, parity), pair_matrix(two_rdm + holes, parity)])
            parts, values = jax.vmap(negative_part)(matrices)
            negative[parity] = from_pair_matrix(parts.sum(axis=0), len(two_rdm), parity)
            lowest.append(values)
        if settings.particle_hole:
            downhill, values = _particle_hole_gradient(fixed_rdm, two_rdm)
            lowest.append(values)
            for parity in PARITIES:
                block = from_pair_matrix(pair_matrix(downhill, parity), len(two_rdm), parity)
                negative[parity] = negative[parity] + block
        return admitted(negative), jnp.concatenate(lowest).min()

    step = 0.1 if settings.particle_hole else 0.5

    def body(carry):
        ahead, last, slope, _, k = carry
        new = ahead - step * slope
        ahead = new + (k / (k + 3)) * (new - last)
        return ahead, new, *gradient(ahead), k + 1

    carry = (two_rdm, two_rdm, *gradient(two_rdm), jnp.array(0))
    ahead, _, _, lowest, iterations = eqxi.while_loop(
        lambda carry: carry[3] < -tolerance, body, carry, kind=kind, max_steps=settings.max_iterations
    )
    # What rounding has added to D1 and to the energy over many iterations is taken off again.
    moved: dict[Parity, TwoRDM] = {
        parity: from_pair_matrix(pair_matrix(ahead - two_rdm, parity), len(two_rdm), parity) for parity in PARITIES
    }
    return two_rdm + admitted(moved), iterations, lowest


def _particle_hole_gradient(one_rdm, two_rdm: TwoRDM) -> tuple[TwoRDM, Float[Array, " 2"]]:
    """The gradient of 1/2 |G_singlet^-|^2 + 3/2 |G_triplet^-|^2 with respect to D2, and the lowest eigenvalues."""
    size = len(two_rdm) ** 2
    matrices = jnp.stack([g.reshape(size, size) for g in particle_hole_rdms(one_rdm, two_rdm)])
    parts, lowest = jax.vmap(negative_part)(matrices)
    singlet, triplet = parts.reshape(2, *two_rdm.shape)
    crossed = jnp.einsum("ijkl->ilkj", singlet + 3 * triplet)
    return 2 * jnp.einsum("ijkl->iljk", singlet) - crossed, lowest
