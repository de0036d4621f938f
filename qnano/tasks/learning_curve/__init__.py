"""A learning curve: `ENTRY` is what an entry of its summary has beside that of every task."""

from types import NoneType

ENTRY = {"fits": int, "features": int, "force_error": float | int | NoneType}
