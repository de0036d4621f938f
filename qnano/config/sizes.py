"""How much of something there is, in bytes and in words, and whether it is more than this machine has."""

from collections.abc import Iterable
from decimal import Decimal

from qnano import runtime
from qnano.errors import InputError

COMPLEX = 16  # bytes
MOST_SITES = 62  # of a wavefunction of electrons: the determinants of one spin are the bits of an integer
MOST_LAYERS = 100  # hidden ones of a network: each is compiled on its own
Need = tuple[str, str, int, str]  # a key, what it asks for, the bytes of memory, and what else could be done


def about(count: int) -> str:
    """A whole number of any size, in three digits where it is large."""
    return str(count) if count < 10**6 else f"{Decimal(count):.3g}"


def gigabytes(count: int | float) -> str:
    return f"{Decimal(count) / 10**9:.3g} GB"


def must_fit(needs: Iterable[Need]) -> None:
    """Raise `InputError`, one line per problem, for what is too large for this machine's memory."""
    there = runtime.memory()
    lines = [
        f"{key}: got {text}; about {gigabytes(bytes_)} are needed and {gigabytes(there)} are there{otherwise}"
        for key, text, bytes_, otherwise in needs
        if bytes_ > there
    ]
    if lines:
        raise InputError("\n".join(lines))
