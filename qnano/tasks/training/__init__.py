"""A training: `ENTRY` is what an entry of its summary has beside that of every task."""

ENTRY = {"steps": int, "best_step": int, "best_error": float | int, "data_s": float | int}
