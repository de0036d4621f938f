"""An evaluation: `ENTRY` is what an entry of its summary has beside that of every task."""

from types import NoneType

ENTRY = {"inside": float | int, "beyond": float | int | NoneType, "failed_at": float | int | NoneType, "diverged": int}
