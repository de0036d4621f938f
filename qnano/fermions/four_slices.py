"""What an on-site interaction needs of the four-particle RDM of a singlet, without its cumulant: N_s^6 numbers of its N_s^8.

In the motion of D3_uud the fourth particle stands on the site of one of the three,

    up[abc;xyz]   = D4_uudd[a, b, c, a; x, y, z, a],
    down[abc;xyz] = D4_uuud[a, b, c, c; x, y, c, z].

A moment is the sum over all partitions of its particles into blocks, each of them a cumulant (d, L, Delta3), and over all ways to
share out the lower indices of either spin, with the signs of their permutations; Delta4 = 0. Of the 41 and 52 products those are
gathered that have the last particle in the same block: what that block leaves over is a moment again. With w = z or a for its lower
index, the other one being left to c, and signs by the permutation,

    uudd:  d[a;w] D3,      L_dd[ca;za] D2_uu,      L[ua;lw] D2,      Delta3_uud[aba;xyw] d,       Delta3_udd[uca;lza] d;
    uuud:  d[c;z] D3_uuu,                          L[uc;lz] D2_uu,   Delta3_uud[uvc;lmz] d,

u and v any upper, l and m any lower up index. Each is an outer product, so that both cost O(N_s^6). In a singlet

    L_dd = L - (x <-> y),       Delta3_udd[abc;xyz] = Delta3_uud[bca;yzx],       D3_uuu[abc;xyz] = D3_uud[abc; xyz + yzx + zxy].
"""

from functools import partial
from typing import NamedTuple

from jaxtyping import Array

from qnano.fermions.admission import require_orbitals
from qnano.fermions.cumulants import three_disconnected, uncorrelated
from qnano.fermions.slices import placed
from qnano.fermions.types import OneRDM, ThreeRDM, TwoRDM


class FourSlices(NamedTuple):
    """The fourth particle on the site of an up one (a), and of the down one (c); both are antisymmetric in x, y."""

    up: ThreeRDM
    down: ThreeRDM


def four_slices(one_rdm: OneRDM, cumulant: TwoRDM, three_cumulant: ThreeRDM) -> FourSlices:
    """From d, L and Delta3_uud of a singlet, with Delta4 = 0. Raises `ValueError` for arrays that do not fit each other."""
    require_orbitals(one_rdm=one_rdm, cumulant=cumulant, three_cumulant=three_cumulant)
    two_rdm = uncorrelated(one_rdm) + cumulant
    three_rdm = three_disconnected(one_rdm, cumulant) + three_cumulant
    same, same_cumulant = (x - x.transpose(0, 1, 3, 2) for x in (two_rdm, cumulant))

    d, d2, d2_same, d3 = (partial(_at, x) for x in (one_rdm, two_rdm, same, three_rdm))
    l2, l2_same, l3 = (partial(_at, x) for x in (cumulant, same_cumulant, three_cumulant))
    up = _antisymmetric_below(
        l2("aaxa") * d2("bcyz")
        + l2("baya") * d2("acxz")
        - l2("aaxz") * d2("bcya")
        - l2("bayz") * d2("acxa")
        + l3("caazax") * d("by")
        + l3("cabzay") * d("ax")
    )
    up += d("aa") * three_rdm - d("az") * d3("abcxya") + l2_same("caza") * d2_same("abxy")
    up += l3("abaxya") * d("cz") - l3("abaxyz") * d("ca")

    lower = l2("bcyz") * d2_same("acxc") + l3("accxcz") * d("by")
    upper = _antisymmetric_below(lower) - l2("bccz") * d2_same("acxy") - l3("accxyz") * d("bc")
    down = upper - upper.transpose(1, 0, 2, 3, 4, 5)
    down -= _antisymmetric_below(l2("ccyz") * d2_same("abxc") + l3("abcxcz") * d("cy"))
    down += d("cz") * (d3("abcxyc") + d3("abcycx") + d3("abccxy")) + l2("cccz") * d2_same("abxy") + d("cc") * three_cumulant
    return FourSlices(up, down)


def _at(x: Array, letters: str) -> Array:
    return placed(x, letters, "abcxyz")


def _antisymmetric_below(x: ThreeRDM) -> ThreeRDM:
    """x - (x <-> y)."""
    return x - x.transpose(0, 1, 2, 4, 3, 5)
