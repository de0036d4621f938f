"""Finite lattices: sites, bonds, positions.

A `Lattice` is plain, hashable geometry (no JAX), so it can be static data of a compiled program. Sites are numbered from 0,
positions are in units of the lattice constant. A bond (i, j) carries its displacement r_i - r_j, which for a bond through
a periodic boundary is the short way round; Peierls phases need exactly that vector.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from qnano.border import alike, complaint, numbers, truth

MOST_SITES = 10_000  # beyond which nothing here is solved, and lists of sites fill the memory


@dataclass(frozen=True)
class Lattice:
    """Sites and bonds in real space; made by `chain`, `rectangle`, `ladder`, `ribbon` or `from_bonds`.

    `positions`: r_i of every site, one number for each axis, in lattice constants.
    `bonds`: pairs (i, j) of different sites, each bond once.
    `displacements`: r_i - r_j along every bond, in lattice constants; across a periodic boundary the short way round.
    `signs`: +-1 for every site, the staggering pattern, opposite on the two ends of a bond wherever the lattice is bipartite.

    Raises `ValueError` for what is no such list of numbers, or does not fit the others.
    """

    positions: tuple[tuple[float, ...], ...]
    bonds: tuple[tuple[int, int], ...]
    displacements: tuple[tuple[float, ...], ...]
    signs: tuple[int, ...]

    def __post_init__(self):
        numbers("positions", self.positions, shape=(None, None))
        sites, axes = np.shape(self.positions)
        if not 0 < sites <= MOST_SITES or not axes:
            raise ValueError(complaint("positions", self.positions, f"must be a vector for each of 1 to {MOST_SITES} sites"))
        if len(self.bonds):
            numbers("bonds", self.bonds, kind="integer", shape=(None, 2))
            _must_join(self.bonds, sites)
            numbers("displacements", self.displacements, shape=(len(self.bonds), axes))
        else:
            alike("displacements", self.displacements, self.bonds)
        numbers("signs", self.signs, kind="integer", shape=(sites,), least=-1, most=1)
        if 0 in self.signs:
            raise ValueError(complaint("signs", 0, "must be 1 or -1"))
        for name in ("positions", "bonds", "displacements"):  # lists would not be hashable
            object.__setattr__(self, name, tuple(map(tuple, getattr(self, name))))
        object.__setattr__(self, "signs", tuple(self.signs))
        places: dict[tuple[float, ...], int] = {}
        for i, place in enumerate(self.positions):
            if (other := places.setdefault(place, i)) != i:
                raise ValueError(complaint("positions", place, f"must differ, sites {other} and {i} are both there"))

    @property
    def sites(self) -> int:
        return len(self.positions)

    @property
    def dimension(self) -> int:
        return len(self.positions[0])

    @property
    def is_bipartite(self) -> bool:
        """Whether every bond joins two sublattices, those of `signs`."""
        return all(self.signs[i] != self.signs[j] for i, j in self.bonds)

    @property
    def coordinates(self) -> Float[np.ndarray, "site axis"]:
        return np.array(self.positions)

    @property
    def bond_array(self) -> Int[np.ndarray, "bond 2"]:
        return np.array(self.bonds, dtype=np.int32).reshape(-1, 2)

    @property
    def bond_vectors(self) -> Float[np.ndarray, "bond axis"]:
        return np.array(self.displacements).reshape(-1, self.dimension)

    @property
    def box(self) -> tuple[tuple[int, ...], tuple[bool, ...]]:
        """The sides of a chain, rectangle or box of unit spacing, and along which of them it closes to a ring.

        Raises `ValueError` for any other lattice.
        """
        sides = tuple(int(x) + 1 for x in self.coordinates.max(axis=0))
        if math.prod(sides) != self.sites or not np.array_equal(self.coordinates, list(np.ndindex(*sides))):
            raise ValueError("lattice: got one whose sites are not those of a chain, rectangle or box of unit spacing")
        ends = self.coordinates[self.bond_array]
        wraps = np.abs(ends[:, 0] - ends[:, 1] - self.bond_vectors) > 0.5
        return sides, tuple(map(bool, np.any(wraps, axis=0)))

    @property
    def closed(self) -> tuple[bool, ...]:
        """Along which axes a bond leads back to the other end, so that no potential can rise steadily: it would jump there.

        A bond through a periodic boundary is told by its displacement. A graph closes where a bond spans nearly the whole extent of
        an axis and is at least twice as long as most: that of a ring whose sites are numbered along a line.
        """
        ends = self.coordinates[self.bond_array]
        vectors = self.bond_vectors
        through = np.abs(ends[:, 0] - ends[:, 1] - vectors) > 1e-6
        lengths = np.linalg.norm(vectors, axis=1)
        long = lengths >= 2 * np.median(lengths) if len(lengths) else np.zeros(0, bool)
        extent = np.ptp(self.coordinates, axis=0)
        spans = (np.abs(vectors) >= 0.8 * extent) & (extent > 0) & long[:, None]
        return tuple((through | spans).any(axis=0).tolist())

    @property
    def centre(self) -> Float[np.ndarray, " axis"]:
        """The mean position of the sites."""
        return self.coordinates.mean(axis=0)


def chain(sites: int, periodic: bool = False) -> Lattice:
    """A line of sites with unit spacing; `periodic` closes it to a ring (at least 3 sites)."""
    _few(sites=sites)
    truth("periodic", periodic)
    return _grid((sites,), (periodic,))


def rectangle(columns: int, rows: int, periodic: bool | Sequence[bool] = False) -> Lattice:
    """A square lattice of `columns` x `rows` sites, site = column * rows + row; `periodic` per direction or for both."""
    _few(columns=columns, rows=rows)
    across = (periodic, periodic) if isinstance(periodic, bool | np.bool_) else periodic
    if not isinstance(across, list | tuple) or len(across) != 2:
        raise ValueError(complaint("periodic", periodic, "must be true or false, or one of them for each of two directions"))
    for one in across:
        truth("periodic", one)
    return _grid((columns, rows), tuple(across))


def ladder(rungs: int, periodic: bool = False) -> Lattice:
    """Two legs of `rungs` sites, site = 2 * rung + leg; `periodic` closes the legs."""
    _few(rungs=rungs, times=2)
    truth("periodic", periodic)
    return _grid((rungs, 2), (periodic, False))


def ribbon(edge: str, width: int, length: int, periodic: bool = False) -> Lattice:
    """A honeycomb ribbon along x, nearest-neighbour distance 1.

    `edge="armchair"`: `width` dimer lines and `length` columns of dimers, two columns to the period 3.
    `edge="zigzag"`: `width` zigzag lines of `length` sites, two sites to the period sqrt(3).
    `periodic` closes the ribbon along x and needs an even `length` of at least 4.

    Raises `ValueError` for an unknown edge, sizes below 1, or an odd period.
    """
    if edge not in ("armchair", "zigzag"):
        raise ValueError(f"edge: got {edge!r}; must be 'armchair' or 'zigzag'")
    _few(width=width, length=length)
    truth("periodic", periodic)
    if periodic and (length % 2 or length < 4):
        raise ValueError(f"length: got {length}; a periodic ribbon needs an even length of at least 4")
    positions: list[tuple[float, float]] = []
    signs: list[int] = []
    bonds: list[tuple[int, int]] = []
    shifts: list[tuple[float, float]] = []
    half = math.sqrt(3) / 2
    if edge == "armchair":
        # Column c holds dimers along x on every second line; neighbouring columns are shifted by one line.
        index: dict[tuple[int, int, int], int] = {}
        for c in range(length):
            for line in range(c % 2, width, 2):
                for end in (0, 1):
                    index[c, line, end] = len(positions)
                    positions.append((1.5 * c + end, half * line))
                    signs.append(1 - 2 * end)
        for (c, line, end), i in index.items():
            if end == 0:
                bonds.append((i, index[c, line, 1]))
                shifts.append((-1.0, 0.0))
                continue
            if c + 1 == length and not periodic:
                continue
            for up in (-1, 1):
                j = index.get(((c + 1) % length, line + up, 0))
                if j is not None:
                    bonds.append((i, j))
                    shifts.append((-0.5, -half * up))
    else:

        def site(line, c):
            return line * length + c

        for line in range(width):
            for c in range(length):
                raised = (c + line) % 2  # the upper sites of a zigzag line carry the bond to the next line
                positions.append((half * c, 1.5 * line + 0.5 * raised))
                signs.append(1 - 2 * raised)
                tilt = 0.5 * (1 - 2 * raised)
                if c + 1 < length or periodic:
                    bonds.append((site(line, c), site(line, (c + 1) % length)))
                    shifts.append((-half, -tilt))
                if raised and line + 1 < width:
                    bonds.append((site(line, c), site(line + 1, c)))
                    shifts.append((0.0, -1.0))
    return Lattice(tuple(positions), tuple(bonds), tuple(shifts), tuple(signs))


def from_bonds(sites: int, bonds: Sequence[Sequence], positions: Sequence[Sequence] | None = None) -> Lattice:
    """Any graph: `bonds` are pairs of sites, whole numbers from 0, and `positions` a vector for each site.

    Without `positions` the sites lie on a line with unit spacing; bonds never wrap around.

    Raises `ValueError` for bonds that are not whole numbers, positions that are not finite or those of two sites, sites out of
    range, a bond from a site to itself, or a bond given twice.
    """
    _few(sites=sites)
    given = [[float(i)] for i in range(sites)] if positions is None else positions
    if not isinstance(given, list | tuple | np.ndarray) or not all(isinstance(r, list | tuple | np.ndarray) for r in given):
        raise ValueError(complaint("positions", given, "must be vectors, such as [[0.0], [1.0]]"))
    if not isinstance(bonds, list | tuple | np.ndarray):
        raise ValueError(complaint("bonds", bonds, "must be pairs of sites, such as [[0, 1]]"))
    if len(given) != sites:
        raise ValueError(f"positions: got {len(given)} of them; must be one for each of the {sites} sites")
    for r in given:
        numbers("positions", r, shape=(None,))
    where = [list(map(float, r)) for r in given]
    if not all(where):
        raise ValueError("positions: got an empty vector; must have at least one component")
    if len({len(r) for r in where}) != 1:
        raise ValueError("positions: got vectors of different lengths; must all have the same number of components")
    for bond in bonds:
        numbers("bonds", bond, kind="integer", shape=(2,))
    pairs = [(int(i), int(j)) for i, j in bonds]
    _must_join(pairs, sites)
    shifts = tuple(tuple(a - b for a, b in zip(where[i], where[j], strict=True)) for i, j in pairs)
    return Lattice(tuple(map(tuple, where)), tuple(pairs), shifts, _two_colours(sites, pairs))


def _must_join(pairs: Sequence[Sequence[int]], sites: int) -> None:
    """Raise `ValueError` unless each pair is one of two different sites, and is there once."""
    seen: set[frozenset[int]] = set()
    for i, j in pairs:
        if not (0 <= i < sites and 0 <= j < sites) or i == j:
            raise ValueError(f"bonds: got [{i}, {j}]; must be two different sites between 0 and {sites - 1}")
        if frozenset((i, j)) in seen:
            raise ValueError(f"bonds: got [{i}, {j}] twice; must name each pair of sites once")
        seen.add(frozenset((i, j)))


def _few(times: int = 1, **sides: int) -> None:
    """Raise `ValueError` unless sides are whole numbers, and their product by `times` no more than the sites that there may be."""
    for name, side in sides.items():
        numbers(name, side, kind="integer", shape=(), least=1, most=MOST_SITES)
    if (sites := times * math.prod(map(int, sides.values()))) > MOST_SITES:
        raise ValueError(complaint(max(sides), sides[max(sides)], f"makes {sites} sites; must be at most {MOST_SITES} in all"))


def _grid(shape: tuple[int, ...], periodic: tuple[bool, ...]) -> Lattice:
    """A hypercubic lattice in row-major order."""
    for side, around in zip(shape, periodic, strict=True):
        if around and side < 3:
            raise ValueError(f"periodic: got a side of {side}; must be at least 3, or two bonds would join the same sites")
    numbered = np.arange(math.prod(shape)).reshape(shape)
    cells = np.indices(shape).reshape(len(shape), -1)
    after = np.stack([np.roll(numbered, -1, axis).ravel() for axis in range(len(shape))])
    there = (cells < np.array(shape)[:, None] - 1) | np.array(periodic)[:, None]
    i, axis = np.nonzero(there.T)
    units = tuple(tuple(-1.0 if k == axis else 0.0 for k in range(len(shape))) for axis in range(len(shape)))
    return Lattice(
        positions=tuple(map(tuple, cells.T.astype(float).tolist())),
        bonds=tuple(zip(i.tolist(), after[axis, i].tolist(), strict=True)),
        displacements=tuple(units[k] for k in axis.tolist()),
        signs=tuple((1 - 2 * (cells.sum(axis=0) % 2)).tolist()),
    )


def _two_colours(sites: int, bonds: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """Breadth-first two-colouring; where an odd ring makes it impossible, the first colour reached stays."""
    neighbours: dict[int, list[int]] = {i: [] for i in range(sites)}
    for i, j in bonds:
        neighbours[i].append(j)
        neighbours[j].append(i)
    colour: dict[int, int] = {}
    for root in range(sites):
        if root in colour:
            continue
        colour[root], queue = 1, [root]
        for i in queue:
            for j in neighbours[i]:
                if j not in colour:
                    colour[j] = -colour[i]
                    queue.append(j)
    return tuple(colour[i] for i in range(sites))
