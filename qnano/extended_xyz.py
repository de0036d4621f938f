"""Frames of atoms from extended XYZ files, plain or compressed, read line by line.

    3
    Lattice="8 0 0 0 8 0 0 0 8" Properties=species:S:1:pos:R:3:forces:R:3 energy=-1.25
    Na  0.1 0.2 0.3   0.01 0.00 0.02
    ...

The number of atoms, keys of the frame, the atoms; then the next frame. Only keys that are asked for are made into numbers, nothing
is evaluated, and nothing that a line announces takes memory before it is there. What does not fit is told with its line.
"""

import bz2
import gzip
import lzma
import os
import re
import stat
import zlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import count as counted
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from qnano.border import got, shown
from qnano.errors import InputError

COMPRESSED = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
MOST_RATIO, LITTLE = 30, 1 << 26  # of text to what is compressed; and how many characters are not too many at any ratio
LONGEST = 1 << 20  # characters of a line
FARTHEST, LARGEST = 1e9, 1e15  # A, beyond which a double has no digits for atoms; of energies, forces and tensors
VOIGT = [[0, 5, 4], [5, 1, 3], [4, 3, 2]]  # where the nine components stand among xx, yy, zz, yz, xz, xy
ELEMENTS = """
    H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd
    Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac
    Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og
"""
SYMBOLS = ELEMENTS.split()

# A word is made of characters, and of what stands within quotes or brackets; a value may hold further signs of equality.
QUOTED = r'"(?:[^"\\]|\\.)*+"' + r"|'(?:[^'\\]|\\.)*+'" + r"|\{[^{}]*+\}|\[(?:[^\[\]]|\[[^\[\]]*+\])*+\]"
WORD = rf"(?:[^\s=\"'{{\[\\]|\\.|{QUOTED})++"
PAIR = re.compile(rf"\s*+({WORD})(?:\s*+=\s*+({WORD}(?:={WORD})*+))?+")
PIECE = re.compile(rf"({QUOTED})|\\(.)")
NONE = "", slice(0, 0)  # columns that are not there


class Frame(NamedTuple):
    """Positions and cell in A; a name for each atom; the energy; forces, and a vector or tensor of the whole, if they are known.

    `origin` says in messages where the frame is from.
    """

    positions: Float[np.ndarray, "atom 3"]
    cell: Float[np.ndarray, "3 3"]
    names: tuple[str, ...]
    energy: float
    forces: Float[np.ndarray, "atom 3"] | None = None
    tensor: Float[np.ndarray, "..."] | None = None
    origin: str = ""


def read_frames(
    path: str | Path, energy: str | None = "energy", forces: str | None = None, tensor: str | None = None
) -> list[Frame]:
    """All frames of a file, which is compressed if its name ends in .gz, .bz2 or .xz; `~` is the home folder.

    `energy` and `tensor`, of 3 or 9 numbers, name keys of the frames, `forces` columns, or are None. Six numbers of a `stress` or
    `virial` are those of Voigt.

    Raises `InputError` for a file that cannot be read to its end, an open cell, and what is not there or no finite number.
    """
    name = str(path) if str(path).isprintable() else shown(str(path))
    try:
        with closing(_lines(Path(os.path.expanduser(path)))) as lines:
            found = list(_frames(enumerate(lines, 1), name, (energy, forces, tensor)))
    except _Wrong as error:
        raise InputError(f"{name}: {error}") from None
    if not found:
        raise InputError(f"{name}: is empty; must hold frames")
    return found


def spans_volume(cell: Float[np.ndarray, "3 3"]) -> bool:
    """Whether three vectors do, to more than rounding; in either hand."""
    return bool(abs(np.linalg.det(cell)) > 1e-8 * np.prod(np.linalg.norm(cell, axis=1)))


class _Wrong(ValueError):
    """What is wrong in a file, with its place in it."""


def _lines(path: Path) -> Generator[str, None, None]:
    """Lines of a file, without an end to memory or time if it has none itself."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise _Wrong(f"is a {'folder' if stat.S_ISDIR(status.st_mode) else 'device or a pipe'}; must be a file")
        packed = COMPRESSED.get(path.suffix)
        most = max(LITTLE, MOST_RATIO * status.st_size) if packed else status.st_size
        with (packed or open)(path, "rt", encoding="utf-8-sig", errors="replace") as file:
            read = 0
            for number in counted(1):
                line = file.readline(LONGEST + 1)
                read += len(line)
                if not line:
                    return
                if len(line) > LONGEST:
                    raise _Wrong(f"line {number}: got more than {LONGEST} characters; must be shorter")
                if read > most:
                    raise _Wrong(f"line {number}: got more than {most} characters up to here; must hold less for its size on disk")
                yield line
    except FileNotFoundError:
        raise _Wrong("no such file") from None
    except (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError) as error:
        if isinstance(error, _Wrong):
            raise
        raise _Wrong(f"cannot be read: {getattr(error, 'strerror', None) or str(error) or type(error).__name__}") from None


def _frames(numbered: Iterator[tuple[int, str]], path: str, asked: tuple[str | None, str | None, str | None]) -> Iterator[Frame]:
    for number, (line, text) in enumerate(numbered):
        if not text.strip():
            if after := next((later for later, text in numbered if text.strip()), None):
                raise _Wrong(f"line {line}: blank, with more in line {after}; frames must follow one another")
            return
        if not re.fullmatch(r"\s*0*[1-9][0-9]{0,17}\s*", text):
            raise _Wrong(f"line {line}: {got(text.strip(), f'must be the number of atoms of frame {number}')}")
        atoms, (_, header) = int(text), next(numbered, (0, ""))
        keys = _keys(header, f"line {line + 1}")
        columns, width = _columns(keys.get("Properties"), f"line {line + 1}")
        rows = []
        for _ in range(atoms):
            here, text = next(numbered, (0, ""))
            if not here:
                raise _Wrong(f"line {line}: got {atoms} atoms in frame {number}; the file ends after {len(rows)} of them")
            row = text.split()
            if len(row) != width:
                raise _Wrong(f"line {here}: got {len(row)} columns in frame {number}; must be {width}, as Properties says")
            rows.append(row)
        try:
            found = _frame(keys, columns, rows, line + 2, asked)
        except _Wrong as error:
            raise _Wrong(f"frame {number}: {error}") from None
        yield found._replace(origin=f"{path}: frame {number}")


def _keys(header: str, where: str) -> dict[str, str | None]:
    """Keys of a frame and their values as text, without quotes and brackets; None for a key without a value.

    A key that is given twice has a value that says so, and is no number.
    """
    header, place, found = header.rstrip(), 0, {}
    while place < len(header):
        if not (pair := PAIR.match(header, place)):
            raise _Wrong(f"{where}: {got(header[place:].strip(), 'must be keys and values, with quotes and brackets closed')}")
        key, value = (PIECE.sub(_plain, part) if part else None for part in pair.groups())
        found[key] = "more than one value" if key in found else value
        place = pair.end()
    return found


def _plain(piece: re.Match) -> str:
    inside, escaped = piece.groups()
    return re.sub(r"\\(.)", r"\1", inside[1:-1]) if inside else escaped


def _columns(properties: str | None, where: str) -> tuple[dict[str, tuple[str, slice]], int]:
    """Type and columns of everything that atoms have, by `Properties`, and the number of columns."""
    text = properties or "species:S:1:pos:R:3"
    fields, found, width = text.split(":"), {}, 0
    triples = list(zip(fields[::3], fields[1::3], fields[2::3], strict=False))
    for name, kind, many in triples:
        if kind not in ("R", "I", "S", "L") or not re.fullmatch("0*[1-9][0-9]{0,17}", many) or name in found:
            break
        found[name] = kind, slice(width, width + int(many))
        width += int(many)
    if len(found) * 3 != len(fields):
        raise _Wrong(
            f"{where}: Properties: {got(text, 'must be names, types and numbers of columns, such as species:S:1:pos:R:3')}"
        )
    return found, width


def _frame(
    keys: dict[str, str | None],
    columns: dict[str, tuple[str, slice]],
    rows: Sequence[Sequence[str]],
    first: int,
    asked: tuple[str | None, str | None, str | None],
) -> Frame:
    """What was asked of a frame whose atoms begin in line `first`."""
    energy, forces, tensor = asked
    known = [key for key in keys if key not in ("Lattice", "Properties", "pbc")]
    periodic = re.findall(r"[^\s,\[\]]+", keys.get("pbc", "T") or "")
    if "pbc" in keys and (
        len(periodic) not in (1, 3) or not {*periodic} <= {*"TF10", "True", "False", "true", "false", "TRUE", "FALSE"}
    ):
        raise _Wrong(f"pbc: {got(keys['pbc'], 'must be T or F for each axis')}")
    if "Lattice" not in keys or any(word[0] in "Ff0" for word in periodic):
        raise _Wrong("open along an axis; must have a cell and be periodic (put a molecule into a large one)")
    cell = _of_key("Lattice", keys["Lattice"], (9,), FARTHEST).reshape(3, 3)
    if not spans_volume(cell):
        raise _Wrong(f"Lattice: {got(keys['Lattice'], 'must be three vectors that span a volume')}")
    value, turned, pushed = 0.0, None, None
    if energy is not None:
        if energy not in keys:
            raise _Wrong(f"has no number {energy!r}; has {', '.join(known) or 'none'}")
        value = float(_of_key(energy, keys[energy], (1,))[0])
    if tensor is not None:
        if tensor not in keys:
            raise _Wrong(f"has no vector or tensor {tensor!r}; has {', '.join(known) or 'none'}")
        turned = _of_key(tensor, keys[tensor], (3, 6, 9) if tensor in ("stress", "virial") else (3, 9))
        turned = turned[VOIGT] if len(turned) == 6 else turned.reshape((3,) * (1 if len(turned) == 3 else 2))
    if forces is not None:
        if forces not in columns:
            raise _Wrong(f"has no forces {forces!r}; has {', '.join(columns)}")
        pushed = _vectors(forces, columns, rows, first, LARGEST)
    place = "pos" if "pos" in columns else "positions"
    return Frame(_vectors(place, columns, rows, first, FARTHEST), cell, _names(columns, rows, first), value, pushed, turned)


def _of_key(key: str, text: str | None, lengths: tuple[int, ...], most: float = LARGEST) -> Float[np.ndarray, " _"]:
    """The numbers of a key, of which there are as many as one of the `lengths`."""
    words = re.findall(r"[^\s,\[\]]+", (text or "").removeprefix("_JSON"))  # ASE's writer puts it before a matrix
    rule = f"must be {' or '.join(map(str, lengths))} finite numbers" if lengths != (1,) else "must be a finite number"
    if len(words) not in lengths:
        raise _Wrong(f"{key}: {got(text, rule)}")
    values = _numbers(words)
    if values is None:
        raise _Wrong(f"{key}: {got(text, rule)}")
    if not np.isfinite(values).all():
        raise _Wrong(f"{key}: {got(values[~np.isfinite(values)][0], 'must be finite')}")
    if np.abs(values).max() > most:
        raise _Wrong(f"{key}: {got(values[np.abs(values).argmax()], f'must be at most {most:g} in size')}")
    return values


def _vectors(
    name: str, columns: dict[str, tuple[str, slice]], rows: Sequence[Sequence[str]], first: int, most: float
) -> Float[np.ndarray, "atom 3"]:
    """Three columns of all atoms."""
    kind, part = columns.get(name, NONE)
    if kind not in ("R", "I") or part.stop - part.start != 3:
        raise _Wrong(f"Properties: got {', '.join(columns)}; must have {name}:R:3")
    values = _numbers([word for row in rows for word in row[part]])
    if values is not None and (np.abs(values) <= most).all():
        return values.reshape(-1, 3)
    for line, row in enumerate(rows, first):
        for word in row[part]:
            number = _numbers([word])
            if number is None or not np.isfinite(number[0]):
                raise _Wrong(f"line {line}: {name}: {got(word, 'must be a finite number')}")
            if abs(number[0]) > most:
                raise _Wrong(f"line {line}: {name}: {got(word, f'must be at most {most:g} in size')}")
    raise AssertionError


def _numbers(words: Iterable[str]) -> Float[np.ndarray, " _"] | None:
    """What they say, or None where one is no number; unlike Python, without underscores and digits of other scripts."""
    together = "".join(words := list(words))
    if "_" in together or not together.isascii():
        return None
    try:
        return np.array([float(word) for word in words])
    except ValueError:
        return None


def _names(columns: dict[str, tuple[str, slice]], rows: Sequence[Sequence[str]], first: int) -> tuple[str, ...]:
    """Names of the atoms, elements as they are written; by their symbols, or else by their numbers."""
    for name in ("species", "symbols", "Z", "numbers"):
        _, part = columns.get(name, NONE)
        if part.stop - part.start == 1:
            words = [str(row[part.start]) for row in rows]
            if name in ("species", "symbols"):
                return tuple(word.capitalize() if word.capitalize() in SYMBOLS else word for word in words)
            for line, word in enumerate(words, first):
                if not re.fullmatch("[0-9]{1,3}", word) or not 1 <= int(word) <= len(SYMBOLS):
                    raise _Wrong(f"line {line}: {name}: {got(word, f'must be from 1 to {len(SYMBOLS)}')}")
            return tuple(SYMBOLS[int(word) - 1] for word in words)
    raise _Wrong(f"Properties: got {', '.join(columns)}; must have species:S:1")
