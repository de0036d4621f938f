"""Where points stand: one number along each axis."""

from itertools import product

Place = tuple[int, ...]


def places(shape: tuple[int, ...]) -> list[Place]:
    """All of them, the last axis running fastest."""
    return list(product(*map(range, shape)))
