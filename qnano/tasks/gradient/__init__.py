"""A gradient: `ENTRY` is what an entry of its summary has beside that of every task."""

from types import NoneType

ENTRY = {"mode": str, "deviation": float | NoneType}
