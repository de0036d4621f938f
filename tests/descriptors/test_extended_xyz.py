"""Extended XYZ: what is read is what ASE reads; what cannot be read is told in a line, with its place, at once."""

import bz2
import gzip
import lzma
import os
import random
import time

import numpy as np
import pytest

from qnano import extended_xyz
from qnano.errors import InputError
from qnano.extended_xyz import read_frames

HEADER = 'Lattice="8 0 0 1 8 0 0 0 9" Properties=species:S:1:pos:R:3:forces:R:3 energy={} dipole="1 2 3"'
ATOMS = "Na 0.1 0.2 0.3 1 2 3\nCl 2.8 0.1 0.2 -1 -2 -3\n"
FRAMES = "".join(f"2\n{HEADER.format(-1.5 - k)}\n{ATOMS}" for k in range(3))


def read(folder, text, *asked, name="frames.xyz"):
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_frames(folder / name, *asked)


def test_what_is_read(tmp_path):
    found = read(tmp_path, FRAMES, "energy", "forces", "dipole", name="at@2.xyz")
    assert [frame.energy for frame in found] == [-1.5, -2.5, -3.5] and found[2].names == ("Na", "Cl")
    np.testing.assert_array_equal(found[1].positions, [[0.1, 0.2, 0.3], [2.8, 0.1, 0.2]])
    np.testing.assert_array_equal(found[1].cell, [[8, 0, 0], [1, 8, 0], [0, 0, 9]])
    np.testing.assert_array_equal(found[0].forces, [[1, 2, 3], [-1, -2, -3]])
    np.testing.assert_array_equal(found[0].tensor, [1, 2, 3])
    assert found[2].origin.endswith("at@2.xyz: frame 2")


def test_what_is_read_is_what_ase_reads(tmp_path):
    ase = pytest.importorskip("ase")
    from ase.io import read as known
    from ase.io import write

    rng, frames = np.random.default_rng(0), []
    for count in (1, 3, 4):
        atoms = ase.Atoms(["Na", "Cl", "O", "C"][:count], rng.normal(size=(count, 3)), cell=rng.normal(size=(3, 3)), pbc=True)
        atoms.info |= {"energy": rng.normal(), "alpha": rng.normal(size=(3, 3)), "stress": np.diag([1.0, 2, 3]), "deep": {"a": [1]}}
        atoms.info |= {"name": 'a "b" [c] {d} = e', "flags": [True, False]}
        atoms.arrays |= {"forces": rng.normal(size=(count, 3)), "tag": np.arange(count)}
        frames.append(atoms)
    write(tmp_path / "frames.xyz", frames, format="extxyz")
    for frame, atoms in zip(
        read_frames(tmp_path / "frames.xyz", "energy", "forces", "alpha"), known(tmp_path / "frames.xyz", ":"), strict=True
    ):
        assert frame.energy == atoms.get_potential_energy() and frame.names == tuple(atoms.get_chemical_symbols())
        for mine, theirs in (
            (frame.positions, atoms.positions),
            (frame.cell, atoms.cell.array),
            (frame.forces, atoms.get_forces()),
        ):
            np.testing.assert_array_equal(mine, theirs)
        np.testing.assert_array_equal(frame.tensor, atoms.info["alpha"])
    np.testing.assert_array_equal(read_frames(tmp_path / "frames.xyz", None, None, "stress")[0].tensor, np.diag([1.0, 2, 3]))


@pytest.mark.parametrize(
    ("header", "asked", "known"),
    [
        ("energy = 2.5", ("energy",), 2.5),
        ("energy={2.5}", ("energy",), 2.5),
        ("energy=[2.5]", ("energy",), 2.5),
        ("energy=3 stress='1 2 3 4 5 6'", ("energy",), 3.0),
        ("energy=3 virial='1 2 3 4 5 6 7 8 9' x=T note energy_dft=x", ("energy",), 3.0),
        ("a='_JSON " + "[" * 9000 + "' energy=1", ("energy",), 1.0),
        ('energy=1 pbc="T T T" comment="energy=2"', ("energy",), 1.0),
        ("energy=1e-3 pbc=T", ("energy",), 1e-3),
    ],
)
def test_keys(tmp_path, header, asked, known):
    text = f'1\nLattice="8 0 0 0 8 0 0 0 8" {header}\nna 0 0 0\n\n \n'
    (frame,) = read(tmp_path, text, *asked)
    assert frame.energy == known and frame.names == ("Na",)


@pytest.mark.parametrize("numbers", ["1 2 3 4 5 6", "1 6 5 6 2 4 5 4 3", "[[1, 6, 5], [6, 2, 4], [5, 4, 3]]"])
def test_six_and_nine_numbers_of_a_stress(tmp_path, numbers):
    (frame,) = read(tmp_path, f'1\nLattice="8 0 0 0 8 0 0 0 8" stress="{numbers}"\nNa 0 0 0\n', None, None, "stress")
    np.testing.assert_array_equal(frame.tensor, [[1, 6, 5], [6, 2, 4], [5, 4, 3]])


@pytest.mark.parametrize("ending", [".gz", ".bz2", ".xz"])
def test_compressed_files(tmp_path, ending, monkeypatch):
    pack = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}[ending]
    packed, name = pack(FRAMES.encode()), f"frames.xyz{ending}"
    assert len(read(tmp_path, packed, name=name)) == 3
    for broken in (packed[:-9], packed[: len(packed) // 2], FRAMES, b"\x00\xff junk" * 50, packed[:20] + b"junk" * 5 + packed[40:]):
        with pytest.raises(InputError, match=r"frames\.xyz\.\w+: cannot be read: \w"):
            read(tmp_path, broken, name=name)
    monkeypatch.setattr(extended_xyz, "LITTLE", 1000)
    with pytest.raises(InputError, match=r"line \d+: got more than \d+ characters up to here; must hold less"):
        read(tmp_path, pack(FRAMES.encode() * 3000), name=name)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("energy=-2.5", "energy=T", "frame 1: energy: got 'T'; must be a finite number"),
        ("energy=-2.5", "energy=nan", "frame 1: energy: got nan; must be finite"),
        ("energy=-2.5", "energy=1e999", "frame 1: energy: got inf; must be finite"),
        ("energy=-2.5", "energy=1e300", r"frame 1: energy: got 1e\+300; must be at most 1e\+15 in size"),
        ("energy=-2.5", "energy=minus", "frame 1: energy: got 'minus'; must be a finite number"),
        ("energy=-2.5", "energy=1_0", "frame 1: energy: got '1_0'; must be a finite number"),
        ("energy=-2.5", "energy=٣", "frame 1: energy: got '٣'; must be a finite number"),
        ("energy=-2.5", 'energy="1 2"', "frame 1: energy: got '1 2'; must be a finite number"),
        ("energy=-2.5", "energy=-2.5 energy=3", "frame 1: energy: got 'more than one value'; must be a finite number"),
        ("energy=-2.5", "energy", "frame 1: energy: got nothing; must be a finite number"),
        ("energy=-2.5", "energies=-2.5", "frame 1: has no number 'energy'; has energies, dipole"),
        ("energy=-2.5", "energy=-2.5 pbc='T T F'", "frame 1: open along an axis"),
        ("energy=-2.5", 'energy=-2.5 pbc=""', "frame 1: pbc: got ''; must be T or F for each axis"),
        ("energy=-2.5", "energy=-2.5 pbc='T T'", "frame 1: pbc: got 'T T'; must be T or F for each axis"),
        ('Lattice="8 0 0 1 8 0 0 0 9"', 'Lattice="8 0 0 8 0 0 0 0 9"', "frame 1: Lattice: got .*; must be three vectors that span"),
        ('Lattice="8 0 0 1 8 0 0 0 9"', 'Lattice="0 0 0 0 0 0 0 0 0"', "frame 1: Lattice: got .*; must be three vectors that span"),
        ('Lattice="8 0 0 1 8 0 0 0 9"', 'Lattice="8 8 9"', "frame 1: Lattice: got '8 8 9'; must be 9 finite numbers"),
        ('Lattice="8 0 0 1 8 0 0 0 9"', 'Lattice="inf 0 0 1 8 0 0 0 9"', "frame 1: Lattice: got inf; must be finite"),
        ('Lattice="8 0 0 1 8 0 0 0 9"', "", "frame 1: open along an axis"),
        ('Lattice="8 0 0', "Lattice=[8 0 0", "line 6: got .*; must be keys and values, with quotes and brackets closed"),
        ("Na 0.1", "Na nan", "frame 1: line 7: pos: got 'nan'; must be a finite number"),
        ("Na 0.1", "Na 1e30", r"frame 1: line 7: pos: got '1e30'; must be at most 1e\+09 in size"),
        ("1 2 3\nCl", "1 2 x\nCl", "frame 1: line 7: forces: got 'x'; must be a finite number"),
        ("1 2 3\nCl", "1 2\nCl", "line 7: got 6 columns in frame 1; must be 7, as Properties says"),
        ("1 2 3\nCl", "1 2 3 4\nCl", "line 7: got 8 columns in frame 1; must be 7, as Properties says"),
        ("1 2 3\nCl", "1 2 3\n\nCl", "line 8: got 0 columns in frame 1"),
        ("species:S:1", "species:S:1000000000", "line 7: got 7 columns in frame 1; must be 1000000006"),
        ("species:S:1", "species:S:-1", "line 6: Properties: got .*; must be names, types and numbers of columns"),
        ("species:S:1", "species:S:9" + "9" * 5000, "line 6: Properties: got .*; must be names, types"),
        ("forces:R:3", "pos:R:3", "line 6: Properties: got .*; must be names, types"),
        ("forces:R:3", "forces:L:3", "frame 1: Properties: got species, pos, forces; must have forces:R:3"),
        ("forces:R:3", "push:R:3", "frame 1: has no forces 'forces'; has species, pos, push"),
        ("species:S:1", "kind:S:1", "frame 1: Properties: got kind, pos, forces; must have species:S:1"),
        ("species:S:1", "Z:I:1", "frame 1: line 7: Z: got 'Na'; must be from 1 to 118"),
        ('dipole="1 2 3"', 'dipole="1 2 3 4 5 6"', "frame 1: dipole: got '1 2 3 4 5 6'; must be 3 or 9 finite numbers"),
        ('dipole="1 2 3"', 'dipole="1 2 nan"', "frame 1: dipole: got nan; must be finite"),
        ('dipole="1 2 3"', "quadrupole=1", "frame 1: has no vector or tensor 'dipole'; has energy, quadrupole"),
    ],
)
def test_what_is_wrong_in_the_second_frame_is_told_with_its_place(tmp_path, old, new, message):
    first, second, third = (f"2\n{HEADER.format(-1.5 - k)}\n{ATOMS}" for k in range(3))
    assert old in second
    with pytest.raises(InputError, match=rf"^\S*frames\.xyz: {message}") as error:
        read(tmp_path, first + second.replace(old, new, 1) + third, "energy", "forces", "dipole")
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; must hold frames"),
        ("\n\n", "is empty; must hold frames"),
        (FRAMES.replace("2\n", "1000000000\n", 1), "line 5: got 1 columns in frame 0; must be 7"),
        (f"1000000000\n{HEADER.format(1)}\n{ATOMS}", "line 1: got 1000000000 atoms in frame 0; the file ends after"),
        (FRAMES.replace("2\n", "-2\n", 1), "line 1: got '-2'; must be the number of atoms of frame 0"),
        (FRAMES.replace("2\n", "2.0\n", 1), "line 1: got '2.0'; must be the number of atoms"),
        (FRAMES.replace("2\n", "0\n", 1), "line 1: got '0'; must be the number of atoms"),
        (FRAMES.replace("2\n", "9" * 5000 + "\n", 1), "line 1: got '9+...; must be the number of atoms"),
        (FRAMES.replace("2\n", "1\n", 1), "line 4: got 'Cl 2.8 .*'; must be the number of atoms of frame 1"),
        (FRAMES + "\n" + FRAMES, "line 13: blank, with more in line 14; frames must follow one another"),
        (FRAMES + "the end", "line 13: got 'the end'; must be the number of atoms of frame 3"),
        (FRAMES[:-30], "line (12|11): got"),
        ("2\n" + "x" * (1 << 21), "line 2: got more than 1048576 characters; must be shorter"),
        (b"\x00\x01\xff\xfe" * 100, "line 1: got .*; must be the number of atoms"),
    ],
)
def test_what_is_no_file_of_frames(tmp_path, text, message):
    with pytest.raises(InputError, match=rf"frames\.xyz: {message}") as error:
        read(tmp_path, text)
    assert len(str(error.value).splitlines()) == 1


def test_places_that_hold_no_file(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    for place, message in (
        (tmp_path, "is a folder; must be a file"),
        (tmp_path / "pipe", "is a device or a pipe; must be a file"),
        ("/dev/zero", "is a device or a pipe"),
        (tmp_path / "none.xyz", "no such file"),
        ("a\0b", "'a.x00b': cannot be read: .*embedded null"),
        ("x" * 5000, "cannot be read: File name too long"),
        ("~nobody-of-that-name/x.xyz", "no such file"),
    ):
        with pytest.raises(InputError, match=message):
            read_frames(place)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "frames.xyz").write_text(FRAMES)
    assert len(read_frames("~/frames.xyz")) == 3


def test_mutations_are_read_right_or_told(tmp_path):
    """Whatever is done to a file: a line about it, or frames whose numbers are finite and are those of the text."""
    draw, begin, told = random.Random(7), time.perf_counter(), 0
    pieces = [
        "nan",
        "1e999",
        '"',
        "'",
        "[",
        "{",
        "}",
        "\\",
        "=",
        "\n",
        "\n\n",
        " ",
        "\t",
        "\0",
        "\r",
        "é",
        "9" * 30,
        "-1",
        "T",
        ":",
        "0x1",
        "\x1c",
    ]
    pieces += ["Properties=", "Lattice=", "energy=", "pbc=F ", "S:1000000000", "_JSON [[", ",", "Xx", "1e5", "#", "2\n", "\ufeff"]
    for _ in range(400):
        text = list(FRAMES)
        for _ in range(draw.randint(1, 3)):
            place = draw.randrange(len(text))
            match draw.randrange(4):
                case 0:
                    text[place] = draw.choice(pieces)
                case 1:
                    text.insert(place, draw.choice(pieces))
                case 2:
                    del text[place : place + draw.randint(1, 20)]
                case 3:
                    text[place:place] = text[place : place + draw.randint(1, 200)]
        try:
            found = read(tmp_path, "".join(text), "energy", "forces", "dipole")
        except InputError as error:
            told += 1
            assert len(str(error).splitlines()) == 1, "".join(text)
            continue
        for frame in found:
            assert frame.positions.shape == frame.forces.shape == (len(frame.names), 3) and frame.tensor.shape in ((3,), (3, 3))
            for numbers in (frame.positions, frame.forces, frame.cell, frame.tensor, frame.energy):
                assert np.isfinite(numbers).all()
            for number in (*frame.positions.flat, *frame.forces.flat):
                assert any(float(word) == number for word in "".join(text).split() if _is_number(word))
    assert 100 < told < 390 and time.perf_counter() - begin < 20


def _is_number(word):
    try:
        float(word)
        return True
    except ValueError:
        return False
