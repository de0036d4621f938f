"""The four-particle RDM without its cumulant, with all of its eight indices: one product for every partition and permutation.

D4 of four particles with given spins, annihilators first, is the sum over all partitions of the particles into blocks of at most
three, each of them a cumulant of its spins, and over all assignments of the lower indices of either spin to the blocks, with the
product of the two permutations' signs. Norms and index order as in `tests.oracles.six_index`; a spin scalar's blocks follow from d,
L and Delta3_uud.
"""

from collections.abc import Iterator
from itertools import combinations, permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.oracles.six_index import parity, same_spin

Array = NDArray[Any]
CYCLES = ((0, 1, 2), (1, 2, 0), (2, 0, 1))


def blocks(d: Array, cumulant: Array, three: Array) -> dict[str, Array]:
    """The cumulants of all spins, by their spins."""
    alike = sum(three.transpose(0, 1, 2, *(3 + np.array(cycle))) for cycle in CYCLES)
    single, pair = {"u": d, "d": d}, {"uu": same_spin(cumulant), "dd": same_spin(cumulant), "ud": cumulant}
    return single | pair | {"uud": three, "udd": three.transpose(2, 0, 1, 5, 3, 4), "uuu": alike, "ddd": alike}


def partitions(items: tuple[int, ...]) -> Iterator[list[tuple[int, ...]]]:
    """All of them, each block in ascending order."""
    if not items:
        yield []
        return
    first, rest = items[0], items[1:]
    for others in (chosen for k in range(len(items)) for chosen in combinations(rest, k)):
        for more in partitions(tuple(x for x in rest if x not in others)):
            yield [(first, *others), *more]


def four_rdm(spins: str, known: dict[str, Array]) -> tuple[Array, int]:
    """D4 with Delta4 = 0 of particles of such spins ("uudd"), and of how many products it is made."""
    of_spin = [tuple(i for i, s in enumerate(spins) if s == spin) for spin in "ud"]
    total, count = np.zeros((len(known["u"]),) * 8, complex), 0
    for blocked in partitions((0, 1, 2, 3)):
        if len(blocked) == 1:
            continue
        seen = set()
        for orders in ((up, down) for up in permutations(of_spin[0]) for down in permutations(of_spin[1])):
            lower = dict(zip((*of_spin[0], *of_spin[1]), (*orders[0], *orders[1]), strict=True))
            # Lower indices of one spin within a block are not distinct: only the order that ascends is taken.
            if (
                any(lower[i] > lower[j] for block in blocked for i, j in combinations(block, 2) if spins[i] == spins[j])
                or tuple(lower.items()) in seen
            ):
                continue
            seen.add(tuple(lower.items()))
            sign = np.prod([parity(tuple(lower[i] for i in same)) for same in of_spin])
            letters = ["".join("abcd"[i] for i in block) + "".join("xyzw"[lower[i]] for i in block) for block in blocked]
            factors = [known["".join(spins[i] for i in block)] for block in blocked]
            total += sign * np.einsum(",".join(letters) + "->abcdxyzw", *factors, optimize=True)
            count += 1
    return total, count


def slices(uudd: Array, uuud: Array) -> tuple[Array, Array]:
    """Of two D4, with the fourth particle on the site of the first and of the third."""
    return np.einsum("abcaxyza->abcxyz", uudd), np.einsum("abccxycz->abcxyz", uuud)
