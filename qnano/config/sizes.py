"""How much of something there is, in bytes and in words."""

from decimal import Decimal

COMPLEX = 16  # bytes
Need = tuple[str, str, int, str]  # a key, what it asks for, the bytes of memory, and what else could be done


def about(count: int) -> str:
    """A whole number of any size, in three digits where it is large."""
    return str(count) if count < 10**6 else f"{Decimal(count):.3g}"


def gigabytes(count: int | float) -> str:
    return f"{Decimal(count) / 10**9:.3g} GB"
