"""An experiment, run: `ENTRY` is what an entry of its summary has beside that of every task."""

from types import NoneType

ENTRY = {"time": float | int | NoneType, "steps": int, "worst_drift": dict}
