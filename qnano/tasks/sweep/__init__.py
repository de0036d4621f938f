"""A sweep: `ENTRY` is what an entry of its summary has beside that of every task."""

ENTRY = {"points": int, "failed": int, "compilations": int, "worst_drift": dict, "failures": list}
