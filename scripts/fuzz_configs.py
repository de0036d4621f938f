"""Thousands of configs made wrong at random, and what `qnano check` says of them: tracebacks, hangs, lines that name no key.

python scripts/fuzz_configs.py --count 5000 --seed 0
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the mutations are those of the tests

from tests.config.mutations import CONFIGS, case, verdict  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    found: Counter[str] = Counter()
    began, slowest = time.perf_counter(), 0.0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.count):
            text, overrides = case(number, arguments.seed)
            start = time.perf_counter()
            wrong = verdict(text, overrides, Path(folder) / "case.yaml")
            slowest = max(slowest, time.perf_counter() - start)
            if wrong:
                found[wrong.split(":")[0]] += 1
                print(f"{number} ({CONFIGS[number % len(CONFIGS)].stem}) {overrides}: {wrong}", flush=True)
    counts = ", ".join(f"{found.pop(kind, 0)} {name}" for kind, name in (("traceback", "tracebacks"), ("hangs", "hangs")))
    rest = f"{sum(found.values())} lines without a key"
    print(f"{arguments.count} configs: {counts}, {rest}; {time.perf_counter() - began:.0f} s, the slowest {slowest:.2f} s")


if __name__ == "__main__":
    main()
