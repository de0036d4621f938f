"""An evaluation: `ENTRY` is what an entry of its summary has beside that of every task."""

ENTRY: dict = {}
