"""The lift of least norm: from contractions of a three-particle RDM to its collision element, in O(N_s^4).

`qnano.fermions.contractions` has A, which contracts X[abc;xyz] to four arrays, and what it is for. The X of least norm with given
contractions is A^T Y with Y = (A A^T)^+ (A_33, A_22, A_23, A_32), of which only K[ab;xy] = X[abb;xby] is wanted. With

    A^T Y = 1/4 antisym_{ab,xy} [ Y_0[ab;xy] d_cz + Y_1[ac;xz] d_by + Y_2[ac;xy] d_bz + Y_3[ab;xz] d_cy ]

set c = b, y -> b, z -> y: of the four orders that each term has, those of Y_0 are equal (it is antisymmetric in ab and in xy),
those of Y_2 and of Y_3 equal in pairs (in xy, in ab), and what remains is

    K[ab;xy] =        (Y_1/4 + Y_3/2)[ab;xy]
             + d_by   (Y_0 + Y_2/2)  [ab;xb]
             - d_ab   (Y_1/4)        [bb;xy]
             - d_bx   (Y_1/4 + Y_3/2)[ab;by]
             + d_ax   (Y_1/4)        [bb;by]
             - d_ay   (Y_2/2)        [bb;xb].

**Y in closed form.** A A^T commutes with every rotation of the orbitals. By Schur's lemma it is a small matrix on each of three
kinds of components of (Y_0 .. Y_3): traceless ones, (anti)symmetric in ab and in xy; those made of one matrix, M_ax d_by and its
permutations; and multiples of the identity. The matrices are read off from one vector of each kind; being affine in the number of
sites, two small systems give them for all sizes. Their pseudo-inverses make (A A^T)^+ a few permutations and traces: O(N_s^4).

Where X is a spin scalar, as every closure here makes it, it commutes with the permutations of the three particles' orbitals, and
A_33 and A_22 determine the other two,

    A_32[ab;xz] = A_33[ab;xz] + A_22[ab;zx] - A_22[ba;zx],      A_23 = A_32^+ for a Hermitian X.

so that Y is made of those two and of the matrices M to which they contract:

    Y_i[ab;xy] = p_i0 A_33[ab;xy] + p_i1 A_22[ab;xy] + p_i2 A_22[ba;xy] + p_i3 A_22[ab;yx] + p_i4 A_22[ba;yx]
               + M_i0[a;x] d_by + M_i1[b;x] d_ay + M_i2[a;y] d_bx + M_i3[b;y] d_ax.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from qnano.fermions.admission import require_orbitals
from qnano.fermions.slices import placed
from qnano.fermions.types import ThreeRDM, TwoRDM
from qnano.fusion import computed_once


def collision_of_lift(over_down: TwoRDM, over_up: TwoRDM) -> TwoRDM:
    """K of the spin scalar of least norm whose contractions A_33 and A_22 are given; line by line as above.

    Contractions that no X has are projected out. Raises `ValueError` for arrays that do not fit each other.
    """
    require_orbitals(over_down=over_down, over_up=over_up)
    y = _Lifted.of(over_down, over_up).elements
    return (
        y("abxy", y1=1 / 4, y3=1 / 2)
        + _delta("by", over_up) * y("abxb", y0=1.0, y2=1 / 2)
        - _delta("ab", over_up) * y("bbxy", y1=1 / 4)
        - _delta("bx", over_up) * y("abby", y1=1 / 4, y3=1 / 2)
        + _delta("ax", over_up) * y("bbby", y1=1 / 4)
        - _delta("ay", over_up) * y("bbxb", y2=1 / 2)
    )


def lifted(over_down: TwoRDM, over_up: TwoRDM) -> ThreeRDM:
    """That spin scalar itself, A^T Y; N_s^6 numbers. Raises `ValueError` for arrays that do not fit each other."""
    require_orbitals(over_down=over_down, over_up=over_up)
    parts = computed_once(_parts, over_down, over_up)
    one = _identity(over_up)

    def beside(k: int, letters: str, line: str) -> Any:
        return placed(parts[k], letters, "abcxyz") * placed(one, line, "abcxyz")

    lowers = (beside(1, "acxz", "by") + beside(3, "abxz", "cy")) / 4
    uppers = lowers - lowers.transpose(0, 1, 2, 4, 3, 5) + beside(2, "acxy", "bz") / 2
    return beside(0, "abxy", "cz") + uppers - uppers.transpose(1, 0, 2, 3, 4, 5)


def _parts(over_down: TwoRDM, over_up: TwoRDM) -> Complex[Array, "4 s s s s"]:
    """Y."""
    y = _Lifted.of(over_down, over_up).elements
    return jnp.stack([y("abxy", **{f"y{k}": 1.0}) for k in range(4)])


class _Lifted(NamedTuple):
    """Y by what it is made of; `matrices[i, o]` is M_io."""

    over_down: TwoRDM
    over_up: TwoRDM
    matrices: Complex[Array, "4 4 s s"]

    @classmethod
    def of(cls, over_down: TwoRDM, over_up: TwoRDM) -> "_Lifted":
        inverse, sites, one = _inverse(len(over_up)), len(over_up), _identity(over_up)
        traces = [_at(over_down, "abxb")] + [_at(over_up, letters) for letters in ("abxb", "baxb", "abbx", "babx")]
        contracted = jnp.stack([trace.sum(axis=(1, 3)) for trace in traces])
        numbers = jnp.trace(contracted, axis1=1, axis2=2) / sites
        matrices = jnp.tensordot(inverse.one_body, contracted - numbers[:, None, None] * one, axes=1)
        return cls(over_down, over_up, matrices + jnp.tensordot(inverse.scalar, numbers, axes=1)[..., None, None] * one)

    def elements(self, letters: str, y0: float = 0.0, y1: float = 0.0, y2: float = 0.0, y3: float = 0.0) -> Any:
        """y0 Y_0 + y1 Y_1 + y2 Y_2 + y3 Y_3 at the indices `letters`, along the axes a, b, x, y (of length one if not named)."""
        weights, (a, b, x, y) = np.array([y0, y1, y2, y3]), letters
        orders = (a + b + x + y, b + a + x + y, a + b + y + x, b + a + y + x)
        given = (self.over_down, *(self.over_up,) * 4)
        pair = np.tensordot(weights, _inverse(len(self.over_up)).pair, axes=1).tolist()
        lone = jnp.tensordot(weights, self.matrices, axes=1)
        terms = list(zip(pair, given, (orders[0], *orders), strict=True))
        straight = sum(c * _at(array, order) for c, array, order in terms[:3])
        turned: Any = sum(c * _at(array, order.translate(_X_AND_Y)) for c, array, order in terms[3:])
        total = straight + turned.swapaxes(2, 3)
        return total + sum(_at(m, o[0] + o[2]) * _delta(o[1] + o[3], self.over_up) for m, o in zip(lone, orders, strict=True))


_X_AND_Y = str.maketrans("xy", "yx")


def _at(x: Any, letters: str) -> Any:
    """`x` with its axes named, along the axes a, b, x, y."""
    return placed(x, letters, "abxy")


def _delta(letters: str, like: TwoRDM) -> Any:
    """Kronecker's delta of two indices, in the precision of `like`."""
    return _at(_identity(like), letters)


def _identity(like: TwoRDM) -> Float[np.ndarray, "s s"]:
    return np.eye(len(like), dtype=jnp.finfo(like.dtype).dtype)


# Components (place in Y, symmetry in ab, symmetry in xy), and those of A_33 and A_22 from which a spin scalar makes them all.
_COMPONENTS = ((0, -1, -1), (1, 1, 1), (1, -1, -1), (1, 1, -1), (1, -1, 1), (2, -1, -1), (2, 1, -1), (3, -1, -1), (3, -1, 1))
_INPUTS = _COMPONENTS[:5]
_FROM_INPUTS = np.zeros((9, 5))
_FROM_INPUTS[range(5), range(5)] = 1
_FROM_INPUTS[[5, 7], 0] = 1
_FROM_INPUTS[[5, 7], 2] = -2
_FROM_INPUTS[6, 3] = _FROM_INPUTS[8, 4] = 2


# Signs with which the four orders abxy, baxy, abyx, bayx of an array make its part of given parities, times 4.
_ORDERS = np.array([(1, s, t, s * t) for _, s, t in _COMPONENTS])


class _Inverse(NamedTuple):
    """(A A^T)^+ as coefficients of what makes Y_i.

    `pair[i]`: of A_33 and of A_22 in its four orders. `one_body[i, o]`, `scalar[i, o]`: of the traces of those five, of their
    traceless parts and of their numbers, in the matrix M of M_ax d_by in the order o.
    """

    pair: Float[np.ndarray, "4 5"]
    one_body: Float[np.ndarray, "4 4 5"]
    scalar: Float[np.ndarray, "4 4 5"]


@lru_cache(maxsize=64)
def _inverse(sites: int) -> _Inverse:
    parity = np.array([(s, t) for _, s, t in _COMPONENTS])
    # trace(spread(M)) / M, also <spread(M), spread(M)> / 4 <M, M>: for traceless M, and for the identity.
    one_body = sites + parity.sum(1)
    scalar = np.where(parity.prod(1) == 1, 2 * sites + parity.sum(1), 0)
    small, large = _normal_blocks(4), _normal_blocks(5)
    pair_block, one_block, scalar_block = (a + (sites - 4) * (b - a) for a, b in zip(small, large, strict=True))
    pair = _pseudo_inverse(pair_block, np.ones(9)) @ _FROM_INPUTS
    lone = [
        (_pseudo_inverse(block, norm) @ _FROM_INPUTS - pair) * _reciprocal(norm)[:5]
        for block, norm in ((one_block, one_body), (scalar_block, scalar))
    ]
    # From parities to orders: of what is given (its first input is antisymmetric as it stands), and of what comes out.
    given = np.zeros((5, 5))
    given[0, 0], given[1:, 1:] = 1, _ORDERS[1:5] / 4
    placed = np.array([[place == i for place, _, _ in _COMPONENTS] for i in range(4)], dtype=float)
    return _Inverse(placed @ pair @ given, *(np.einsum("ik,ko,kj->ioj", placed, _ORDERS, x @ given) for x in lone))


def _pseudo_inverse(block: np.ndarray, norm: np.ndarray) -> np.ndarray:
    """Of a map that is self-adjoint for vectors of these squared norms; a norm of zero drops the vector."""
    root = np.sqrt(norm)
    symmetric = root[:, None] * block * _reciprocal(root)
    return _reciprocal(root)[:, None] * np.linalg.pinv(symmetric, rcond=1e-10, hermitian=True) * root


def _reciprocal(x: np.ndarray) -> np.ndarray:
    return np.divide(1.0, x, out=np.zeros(len(x)), where=x != 0)


@lru_cache(maxsize=2)
def _normal_blocks(sites: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A A^T on the three kinds of components: column k is its action on component k, by six indices, for few sites."""
    unit = np.eye(sites)
    upper = {1: np.outer(unit[0], unit[0]), -1: np.outer(unit[0], unit[1]) - np.outer(unit[1], unit[0])}
    lower = {1: np.outer(unit[3], unit[3]), -1: np.outer(unit[2], unit[3]) - np.outer(unit[3], unit[2])}
    kinds = (
        lambda s, t: np.multiply.outer(upper[s], lower[t]),
        lambda s, t: _spread(np.outer(unit[0], unit[1]), s, t),
        lambda s, t: _spread(unit, s, t),
    )
    blocks = []
    for kind in kinds:
        vectors = [kind(s, t) for _, s, t in _COMPONENTS]
        block = np.zeros((9, 9))
        for k, (place, _, _) in enumerate(_COMPONENTS):
            image = _contract(_lift([vectors[k] if i == place else np.zeros((sites,) * 4) for i in range(4)]))
            for j, (i, _, _) in enumerate(_COMPONENTS):
                if norm := np.vdot(vectors[j], vectors[j]):
                    block[j, k] = np.vdot(vectors[j], image[i]) / norm
        blocks.append(block)
    return tuple(blocks)


def _contract(x: np.ndarray) -> list[np.ndarray]:
    """A."""
    return [np.einsum(s, x) for s in ("abcxyc->abxy", "abcxbz->acxz", "abcxyb->acxy", "abcxcz->abxz")]


def _lift(y: Sequence[np.ndarray]) -> np.ndarray:
    """A^T."""
    one = np.eye(len(y[0]))
    terms = ("abxy,cz->abcxyz", "acxz,by->abcxyz", "acxy,bz->abcxyz", "abxz,cy->abcxyz")
    x = np.sum([np.einsum(s, part, one) for s, part in zip(terms, y, strict=True)], axis=0) / 4
    x = x - x.transpose(1, 0, 2, 3, 4, 5)
    return x - x.transpose(0, 1, 2, 4, 3, 5)


def _spread(matrix: np.ndarray, s: int, t: int) -> np.ndarray:
    """M_ax d_by with its permutations, of parities s and t: M_ax d_by + s M_bx d_ay + t M_ay d_bx + s t M_by d_ax."""
    product = matrix[:, None, :, None] * np.eye(len(matrix))[:, None, :]
    product = product + s * product.transpose(1, 0, 2, 3)
    return product + t * product.transpose(0, 1, 3, 2)
