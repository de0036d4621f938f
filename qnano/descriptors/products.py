"""Products of two sets of coefficients that turn as a whole like Y_(lambda mu), and their sums over atoms.

    lambda = 0    p_i(a q, b q', l) = (2l + 1)^(-1/2) sum_m A_i(a q l m) B_i(b q' l m)
    any lambda    P_i^mu(a q l, b q' l') = sum_(m m') C[mu, m, m'] A_i(a q l m) B_i(b q' l' m')

With A = B = rho they are the power spectrum and its equivariants, short ranged; with B = V they are long ranged: a local multipole,
made of the density, in the field of the far atoms (LODE(1,1) in the sense of Grisafi, Nigam and Ceriotti, Chem. Sci. 12, 2078).
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from qnano.descriptors.atoms import Atoms
from qnano.descriptors.coupling import LARGEST, clebsch_gordan
from qnano.descriptors.features import Coefficients

Others = Float[Array, "atom kind_2 n_2 lm_2"]
Invariants = Float[Array, "atom feature"]


def invariants(left: Coefficients, right: Others) -> Invariants:
    """All p_i up to the smaller angular cutoff of the two."""
    atoms, parts = len(left), []
    for degree in range(min(_angular(left), _angular(right)) + 1):
        a, b = _component(left, degree), _component(right, degree)
        parts.append(jnp.einsum("ium,ivm->iuv", a, b).reshape(atoms, -1) / (2 * degree + 1) ** 0.5)
    return jnp.concatenate(parts, axis=1)


def squares(values: Coefficients) -> Invariants:
    """The invariants of coefficients with themselves, each once: pairs count sqrt(2), so that scalar products stay the same."""
    atoms, channels, parts = len(values), values.shape[1] * values.shape[2], []
    upper = np.triu_indices(channels)
    weights = np.where(upper[0] == upper[1], 1.0, np.sqrt(2.0))
    for degree in range(_angular(values) + 1):
        a = _component(values, degree)
        product = jnp.einsum("ium,ivm->iuv", a, a)[:, upper[0], upper[1]]
        parts.append((product * weights).reshape(atoms, -1) / (2 * degree + 1) ** 0.5)
    return jnp.concatenate(parts, axis=1)


def equivariants(left: Coefficients, right: Others, order: int) -> Float[Array, "atom mu feature"]:
    """All P_i^mu of lambda = `order`, of proper parity. Raises `ValueError` for an order beyond 4 or of which there are none."""
    if not 0 <= order <= LARGEST:
        raise ValueError(f"order: got {order}; must be from 0 to {LARGEST}")
    parts = []
    for l1 in range(_angular(left) + 1):
        for l2 in range(_angular(right) + 1):
            if abs(l1 - l2) <= order <= l1 + l2 and (l1 + l2 + order) % 2 == 0:
                table = jnp.asarray(clebsch_gordan(order, l1, l2), left.dtype)
                product = jnp.einsum("abc,iub,ivc->iauv", table, _component(left, l1), _component(right, l2))
                parts.append(product.reshape(*product.shape[:2], -1))
    if not parts:
        raise ValueError(f"order: got {order}; no two of the degrees given make it")
    return jnp.concatenate(parts, axis=2)


def pooled(values: Float[Array, "atom *rest"], atoms: Atoms) -> Float[Array, "kind *rest"]:
    """Sums over the atoms of each species: what is extensive is linear in them."""
    return jax.ops.segment_sum(values, atoms.species, atoms.kinds)


def _angular(values: Coefficients) -> int:
    return round(values.shape[-1] ** 0.5) - 1


def _component(values: Coefficients, degree: int) -> Float[Array, "atom channel m"]:
    part = values[..., degree**2 : (degree + 1) ** 2]
    return part.reshape(len(values), -1, 2 * degree + 1)
