"""Count what pyright finds: nothing may be found in the kernel and in learning, and in the shell never more than before.

python scripts/check_types.py
"""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "qnano"
SHELL = ("cli", "config", "families", "storage", "style", "tasks")
CEILING = {"kernel": 0, "learning": 0, "shell": 9}  # lower it whenever less is found


def part(file: str) -> str:
    """Which part of the package a file belongs to."""
    top = Path(file).relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "shell" if top in SHELL else "learning" if top == "learning" else "kernel"


def main() -> int:
    # Not the Python on the path: it may have nothing installed.
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, cwd=PACKAGE.parent).stdout)["generalDiagnostics"]
    counts = Counter(part(one["file"]) for one in found)
    for one in found:
        if counts[part(one["file"])] > CEILING[part(one["file"])] and part(one["file"]) != "shell":
            print(f"{one['file']}:{one['range']['start']['line'] + 1}: {one['message'].splitlines()[0]}")
    print(", ".join(f"{name}: {counts[name]} of at most {ceiling}" for name, ceiling in CEILING.items()))
    return int(any(counts[name] > ceiling for name, ceiling in CEILING.items()))


if __name__ == "__main__":
    sys.exit(main())
