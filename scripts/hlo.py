"""What a GPU does for a compiled program, counted in XLA's optimised text of it.

Launches: every instruction outside of a fusion but those that only name memory; calls of libraries are among them. Waits: turns of
loops of unknown length, and conditionals, for which the host reads a number first. Bytes: what an instruction reads and writes,
each array once; of one that is only sliced or gathered from, what is taken, and of one that is updated in place, the update. What
libraries are lent as scratch, in arrays of s8, is not moved. Flops: those of products, which are the only ones that count beside
bytes.

A loop whose length XLA knows counts where it stands, times its length; any other is told apart, by the turn. Of a conditional the
branch with most launches counts.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from math import prod
from typing import NamedTuple

FREE = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "partition-id", "replica-id", "opt-barrier"}
BITS = {"pred": 8, "c64": 64, "c128": 128}  # of all others the name says it
HEAD = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\) -> .* \{$")
LINE = re.compile(r"^\s+(ROOT )?%?([\w.\-]+) = (\(.*?\)|\S+) ([\w\-]+)\((.*)$")
ARRAY = re.compile(r"\b(pred|c64|c128|bf16|[suf]\d+)\[([\d,]*)\]")
SCRATCH = re.compile(r"\bs8\[\d*\]")
CONTRACTED = re.compile(r"lhs_contracting_dim(?:ension)?s\"?[=:][\[{]([^\]}]*)")


class Instruction(NamedTuple):
    """One line of a computation; `rest` is what follows its operands."""

    name: str
    op: str
    shape: str
    operands: tuple[str, ...]
    rest: str
    is_root: bool

    def called(self, key: str) -> str:
        """The computation that it names so; "" if none."""
        found = re.search(rf"\b{key}=%?([\w.\-]+)", self.rest)
        return found[1] if found else ""


@dataclass
class Counts:
    """What is done once, or in one turn."""

    launches: int = 0
    waits: int = 0
    bytes: int = 0
    flops: int = 0
    calls: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Counts", times: int = 1) -> None:
        for name in ("launches", "waits", "bytes", "flops"):
            setattr(self, name, getattr(self, name) + times * getattr(other, name))
        self.calls.update({name: times * count for name, count in other.calls.items()})


def counted(text: str) -> dict[str, Counts]:
    """By part of the program: "once", and a turn of each "loop" of unknown length, "loop 1.2" being inside of "loop 1"."""
    computations, entry = parse(text)
    parts: dict[str, Counts] = {"once": Counts()}
    walk = _Walk(computations, parts)
    parts["once"] = walk.through(entry, "loop ", Counter())
    return parts


def parse(text: str) -> tuple[dict[str, list[Instruction]], str]:
    """All computations by name, and the name of the one where the program begins."""
    computations: dict[str, list[Instruction]] = {}
    entry, current = "", []
    for line in text.splitlines():
        if head := HEAD.match(line):
            current = computations.setdefault(head[2], [])
            entry = head[2] if head[1] else entry
        elif found := LINE.match(line):
            root, name, shape, op, rest = found.groups()
            inside, after = _to_closing(rest)
            current.append(Instruction(name, op, shape, tuple(re.findall(r"%([\w.\-]+)", inside)), after, bool(root)))
    return computations, entry


def size(shape: str) -> int:
    """Bytes of an array or a tuple of arrays."""
    return sum(_bits(kind) * prod(map(int, filter(None, lengths.split(",")))) for kind, lengths in ARRAY.findall(shape)) // 8


def _bits(kind: str) -> int:
    return BITS.get(kind) or int(kind.lstrip("bsuf"))


def _to_closing(text: str) -> tuple[str, str]:
    depth = 1
    for k, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if depth == 0:
            return text[:k], text[k + 1 :]
    return text, ""


class _Walk(NamedTuple):
    computations: dict[str, list[Instruction]]
    parts: dict[str, Counts]

    def through(self, name: str, path: str, loops: Counter[str]) -> Counts:
        """What a computation does; loops of unknown length in it go into `parts`, numbered in the order of their lines."""
        total, shapes = Counts(), {line.name: line.shape for line in self.computations[name]}
        for line in self.computations[name]:
            if line.op in FREE or line.op.endswith("-done"):
                continue
            if line.op == "while":
                self._loop(line, path, loops, total)
            elif line.op == "conditional":
                total.add(max((self.through(branch, path, loops) for branch in _branches(line)), key=lambda one: one.launches))
                total.waits += 1
            elif line.op in ("call", "async-start"):
                total.add(self.through(line.called("to_apply") or line.called("calls"), path, loops))
            else:
                total.add(self._launch(line, shapes))
        return total

    def _loop(self, line: Instruction, path: str, loops: Counter[str], total: Counts) -> None:
        body, condition = line.called("body"), line.called("condition")
        if length := re.search(r'"known_trip_count":\{"n":"(\d+)"', line.rest):
            total.add(self.through(body, path, loops), int(length[1]))
            return
        loops[path] += 1
        label = f"{path}{loops[path]}"
        self.parts[label] = Counts()  # before those within
        turn = self.through(body, f"{label}.", loops)
        turn.add(self.through(condition, f"{label}.", loops))
        turn.waits += 1
        self.parts[label] = turn

    def _launch(self, line: Instruction, shapes: dict[str, str]) -> Counts:
        inside = self.computations[line.called("calls")] if line.op in ("fusion", "fusion-start") else []
        found = Counts(launches=1, bytes=_traffic(line, inside, shapes))
        for part, known in [(line, shapes)] + [(part, {one.name: one.shape for one in inside}) for part in inside]:
            found.flops += _flops(part, known)
            if name := _library(part):
                found.calls[name] += 1
        return found


def _branches(line: Instruction) -> list[str]:
    if listed := re.search(r"branch_computations=\{([^}]*)\}", line.rest):
        return re.findall(r"[\w.\-]+", listed[1])
    return [line.called("true_computation"), line.called("false_computation")]


def _library(line: Instruction) -> str:
    """The name of what is called; "" if nothing is."""
    if line.op == "custom-call":
        target = re.search(r'custom_call_target="([^"]*)"', line.rest)
        return re.sub(r"^cu\w+?_|_ffi$", "", target[1].split("$")[-1]) if target else ""
    return "fft" if line.op == "fft" else ""


def _flops(line: Instruction, shapes: dict[str, str]) -> int:
    contracted = CONTRACTED.search(line.rest)
    if not contracted or not line.operands:
        return 0
    (kind, lengths), *_ = ARRAY.findall(shapes[line.operands[0]])
    along = [int(lengths.split(",")[int(k)]) for k in re.findall(r"\d+", contracted[1])]
    result, *_ = ARRAY.finditer(line.shape)
    return (8 if kind.startswith("c") else 2) * prod(along) * (size(result[0]) // (_bits(result[1]) // 8))


def _traffic(line: Instruction, inside: list[Instruction], shapes: dict[str, str]) -> int:
    if not inside:
        return sum(_taken(line, name, shapes) for name in line.operands) + _written(line, shapes, {})
    within = {one.name: one for one in inside}
    known = {one.name: one.shape for one in inside}
    read = sum(_read(one.name, inside, known) for one in inside if one.op == "parameter")
    root = next(one for one in inside if one.is_root)
    return read + _written(root, known, within)


def _read(name: str, inside: list[Instruction], shapes: dict[str, str]) -> int:
    """Bytes of an array that a fusion reads, by what it does with it."""
    users = [one for one in inside if name in one.operands]
    parts = (_read(one.name, inside, shapes) if one.op == "bitcast" else _taken(one, name, shapes) for one in users)
    return min(size(shapes[name]), sum(parts))


def _taken(user: Instruction, name: str, shapes: dict[str, str]) -> int:
    whole = size(shapes.get(name, ""))
    if user.operands[0] == name:
        if user.op in ("slice", "dynamic-slice", "gather"):
            return min(whole, size(user.shape))
        if user.op == "dynamic-update-slice":
            return 0
    return 0 if user.op == "tuple" and user.is_root else whole


def _written(line: Instruction, shapes: dict[str, str], within: dict[str, Instruction]) -> int:
    if line.op == "dynamic-update-slice":
        return size(shapes[line.operands[1]])
    if line.op in ("tuple", "bitcast") and within:
        return sum(_written(within[name], shapes, within) for name in line.operands)
    return size(SCRATCH.sub("", line.shape))
