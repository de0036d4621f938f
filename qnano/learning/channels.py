"""Everything of second order in the cumulant that transforms like K: channels, their slices, and products of two of them.

A channel is an array of four legs that transforms like the cumulant L under phases and permutations of the orbitals. Seven are
dressed on any of their legs with the line g = 2 d - 1:

    L,    L with the field on one leg (four),    [h, [h, L]],    delta_abxy,                  h = the field,

where the field is the one-particle Hamiltonian with its mean field U n, without its mean: 7 x 16 = 112 channels. A product joins
two of them by one line; with b twice among the legs of K[a, b, x, y], one of the two is always a slice of three legs at most:

    0  F[ab;xt] S[tb;y]     1  F[ab;tx] S[tb;y]     S = [tb;by] or [tb;yb]
    2  S[ab;t] F[tb;xy]                             S = [ab;bt] or [ab;tb]
    3  S[b;xt] F[ta;by]     4  S[b;xt] F[ta;yb]     S = [bb;xt]
    5  S[b;t] F[ta;xy]                              S = [bb;bt]

each as it stands and with x and y exchanged: with L for every channel, all eighteen pairings. Every product is O(N_s^5).

Particle-hole symmetry gives the factor -1 for every g and every h, and K is odd, so that of F and S one has an odd number of them,
the other an even one. Real coefficients keep time reversal.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex

from qnano.fermions.reconstruction import smooth_sign
from qnano.fermions.slices import diagonal
from qnano.fermions.types import OneRDM, TwoRDM

Channels = Complex[Array, "channel s s s s"]

# An odd number of h and g, for each of the seven, and of the sixteen dressings of each.
_FIELDS = np.array([0, 1, 1, 1, 1, 0, 0])
_LINES = np.array([bin(m).count("1") for m in range(16)])
ODD = ((_FIELDS[:, None] + _LINES) % 2 == 1).ravel()


class Slices(NamedTuple):
    """Where two legs of a channel are on one site."""

    left: Complex[Array, "channel s s s"]  # [t, b, y] = X[tb;by]
    right: Complex[Array, "channel s s s"]  # [t, b, y] = X[tb;yb]
    pair: Complex[Array, "channel s s s"]  # [b, x, t] = X[bb;xt]
    hop: Complex[Array, "channel s s"]  # [b, t] = X[bb;bt]


def channels(one_rdm: OneRDM, cumulant: TwoRDM, field: Complex[Array, "s s"]) -> Channels:
    """All 112, those of L first, the sixteen dressings of each together."""
    sites = len(one_rdm)
    vertex = jnp.zeros_like(cumulant).at[(jnp.arange(sites),) * 4].set(1.0, unique_indices=True)
    dressed = [_on(leg, field, cumulant) for leg in range(4)]
    moved = dressed[0] + dressed[1] - dressed[2] - dressed[3]
    twice = _on(0, field, moved) + _on(1, field, moved) - _on(2, field, moved) - _on(3, field, moved)
    found = jnp.stack([cumulant, *dressed, twice, vertex])[:, None]
    line = smooth_sign(one_rdm)
    for leg in range(4):
        found = jnp.concatenate([found, _on(leg, line, found)], axis=1)
    return found.reshape(-1, *cumulant.shape)


def slices(x: Channels) -> Slices:
    """Of each channel."""
    return Slices(diagonal(x, "ctbby->ctby"), diagonal(x, "ctbyb->ctby"), diagonal(x, "cbbxt->cbxt"), diagonal(x, "cbbbt->cbt"))


def _on(leg: int, line: Complex[Array, "s s"], x: Complex[Array, "*n s s s s"]) -> Complex[Array, "*n s s s s"]:
    """A line on one leg: from the left on annihilators, from the right on creators."""
    return jnp.einsum(("pa,...abxy->...pbxy", "pb,...abxy->...apxy", "xp,...abxy->...abpy", "yp,...abxy->...abxp")[leg], line, x)
