"""Configs made wrong at random: parts deleted, doubled, swapped, retyped, made extreme; and what `check` makes of them.

A config ends as data or as text, since some of what can be wrong is wrong in the text alone. Each case is fixed by its seed.
"""

import copy
import random
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from qnano.errors import InputError
from qnano.tasks.loading import identity, load, to_yaml
from qnano.tasks.outline import outline

CONFIGS = sorted(Path(__file__).parents[2].glob("configs/*.yaml"))
LONGEST = 5.0  # seconds for a check
Place = tuple[Any, Any]  # a mapping or list, and a key of it

NUMBERS = (0, -1, 1, 2, 3, 0.5, -0.0, 1e308, -1e308, 5e-324, 1e-12, 2**31, 2**63 - 1, 2**63, 2**64, 10**400, -(10**400), 10**9, 1e9)
WORDS = (
    "",
    " ",
    "x",
    "none",
    "auto",
    "all",
    "??",
    "???",
    "é\u202eя",
    "a\nb",
    "\t",
    "a" * 5000,
    "../x",
    "~",
    "/dev/zero",
    "1e3",
    "0x",
    "1j",
)
KINDS = (
    "none",
    "linear",
    "chain",
    "quench",
    "ramp",
    "pulse",
    "exact",
    "td2rdm",
    "holstein",
    "particles",
    "crystal",
    "thermal",
    "sum",
)
SPECIAL = (None, True, False, [], {}, [[]], [{}], {"": 1}, {"kind": []}, {"kind": {}}, {"kind": None}, [None], [1, "a", None])
REFERENCES = (
    "${model}",
    "${nowhere}",
    "${.}",
    "${oc.env:HOME}",
    "${name}${name}",
    "${",
    "${}",
    "${time.end}",
    "${..x}",
    "${a.${b}}",
)
SCALARS = (
    *(
        "0x_",
        "0b_",
        "0x",
        "!!int abc",
        "!!bool x",
        "!!float y",
        "!!null z",
        "!!binary zz",
        "!!timestamp 2020-01-01",
        "!!python/none x",
    ),
    *(
        "!!set {a}",
        "!!omap [a: 1]",
        "!foo bar",
        "!!str 5",
        "9" * 4400,
        "1" + "0" * 399,
        "0x" + "f" * 5000,
        "010",
        "1:30:00",
        "2020-01-01",
    ),
    *(
        ".nan",
        "-.inf",
        "1e999",
        "=",
        "<<",
        "? a",
        "- - - -",
        "{<<: 3}",
        "{<<: [1]}",
        "*a",
        "&a [*a]",
        "'",
        '"\\x00"',
        "{a: 1, a: 2}",
    ),
    *(
        "{linspace: [0, 1, 1000000000]}",
        "{linspace: [0, " + "9" * 400 + ", 3]}",
        "{logspace: [1.0e-300, 1.0e+300, 5]}",
        "[" * 60 + "]" * 60,
    ),
)
MARK = "QNANO_MUTATION"


def case(number: int, seed: int) -> tuple[str, list[str]]:
    """The text of a mutated config, and overrides."""
    chance = random.Random(f"{seed}-{number}")
    data = yaml.safe_load(CONFIGS[number % len(CONFIGS)].read_text())
    scalar = None
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        change = chance.choice(CHANGES)
        places = list(_places(data))
        if not places:
            break
        change(data, chance.choice(places), chance)
    if chance.random() < 0.1 and (places := list(_places(data))):
        inside, key = chance.choice(places)
        inside[key], scalar = MARK, chance.choice(SCALARS)
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
    if scalar is not None:
        text = text.replace(MARK, scalar)
    if chance.random() < 0.03:
        text = _garbled(text, chance)
    return text, [_override(data, chance)] if chance.random() < 0.2 else []


def verdict(text: str, overrides: list[str], path: Path) -> str | None:
    """What is wrong with the answer of `check`: nothing, a traceback, a hang, or a line that names no key.

    What is valid has to be the same after it was written and read.
    """
    try:
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        with _limited():
            task = load(path, overrides)
            outline(task)
            path.write_text(to_yaml(task))
            if identity(load(path)) != identity(task):
                return "written and read again it is another"
    except InputError as error:
        for line in str(error).split("\n"):
            if not re.match(r"(override .+|\S.{0,300}?): .", line):
                return f"names no key: {line[:200]!r}"
            if not line.isprintable() or len(line) > 2000:
                return f"cannot be printed: {line[:200]!r}"
        return None if str(error) else "says nothing"
    except TimeoutError:
        return "hangs"
    except Exception as error:  # what is looked for
        return f"traceback: {type(error).__name__}: {str(error)[:200]}"
    return None


def _places(here: Any) -> Iterator[Place]:
    keys = here if isinstance(here, dict) else range(len(here)) if isinstance(here, list) else ()
    for key in keys:
        yield here, key
        yield from _places(here[key])


def _delete(data: Any, place: Place, chance: random.Random) -> None:
    del place[0][place[1]]


def _double(data: Any, place: Place, chance: random.Random) -> None:
    inside, key = place
    if isinstance(inside, list):
        inside.insert(key, copy.deepcopy(inside[key]))
    else:
        inside[f"{key}{chance.choice(('s', '_', ' ', '2', ''))}"] = copy.deepcopy(inside[key])


def _set(choices: tuple[Any, ...]) -> Callable[[Any, Place, random.Random], None]:
    def change(data: Any, place: Place, chance: random.Random) -> None:
        place[0][place[1]] = copy.deepcopy(chance.choice(choices))

    return change


def _retype(data: Any, place: Place, chance: random.Random) -> None:
    inside, key = place
    value = inside[key]
    inside[key] = chance.choice(([value], [value] * 3, {"kind": value}, {"a": value}, str(value), [[value]], not value))


def _deepen(data: Any, place: Place, chance: random.Random) -> None:
    value: Any = place[0][place[1]]
    for _ in range(chance.choice((3, 20, 60, 200))):
        value = [value] if chance.random() < 0.5 else {"kind": value}
    place[0][place[1]] = value


def _lengthen(data: Any, place: Place, chance: random.Random) -> None:
    value = place[0][place[1]]
    place[0][place[1]] = [copy.deepcopy(value) for _ in range(chance.choice((0, 2, 50)))]


def _swap(data: Any, place: Place, chance: random.Random) -> None:
    other = chance.choice(list(_places(data)))
    if not any(inside is place[0] or inside is other[0] for value in (place, other) for inside, _ in _places(value[0][value[1]])):
        place[0][place[1]], other[0][other[1]] = other[0][other[1]], place[0][place[1]]


def _kind(data: Any, place: Place, chance: random.Random) -> None:
    if isinstance(place[0][place[1]], dict):
        place[0][place[1]]["kind"] = chance.choice(KINDS)


def _borrow(data: Any, place: Place, chance: random.Random) -> None:
    """A section of another config."""
    other = yaml.safe_load(chance.choice(CONFIGS).read_text())
    key = chance.choice(sorted(other))
    data[key] = other[key]


def _magnify(data: Any, place: Place, chance: random.Random) -> None:
    """An extreme number where one stands."""
    numbers = [(inside, key) for inside, key in _places(data) if type(inside[key]) in (int, float)]
    if numbers:
        inside, key = chance.choice(numbers)
        inside[key] = chance.choice(NUMBERS)


def _add(data: Any, place: Place, chance: random.Random) -> None:
    """A section that few configs have, with something wrong in it now and then."""
    where, section = chance.choice(SECTIONS)
    here = data
    for step in where[:-1]:
        here = here.get(step) if isinstance(here, dict) else None
    if isinstance(here, dict):
        here[where[-1]] = copy.deepcopy(section)
        _magnify(here[where[-1]], place, chance) if chance.random() < 0.5 else None


SECTIONS = (
    (("sweep",), {"seed": [0, 1]}),
    (("sweep",), {"model.interaction": {"linspace": [0.0, 4.0, 17]}, "zip": {"model.electrons.up": [1, 2], "seed": [1, 2]}}),
    (
        ("sweep",),
        {"model.hopping[1]": {"logspace": [0.1, 10.0, 3000]}, "solver.dt": [0.1, 0.2], "seed": {"linspace": [0, 999, 1000]}},
    ),
    (("sweep",), {"draw": {"count": 64, "kind": "latin_hypercube", "ranges": {"model.interaction": [0.8, 1.2]}}}),
    (("engine",), {"kind": "workers", "workers": 2}),
    (("engine",), {"kind": "scheduler", "address": "tcp://node7:8786"}),
    (("engine",), {"kind": "slurm", "workers": 16, "queue": "gpu\nx", "walltime": "1:00:00", "directives": ["--gres=gpu:1"]}),
    (("task",), "gradient"),
    (("gradient",), {"of": "energy", "wrt": ["model.hopping[3]", "all"]}),
    (("gradient",), {"of": "density[spin=up,site=2,time=0.5]", "wrt": "model.interaction"}),
    (("drive",), {"kind": "pulse", "coupling": "peierls", "amplitude": 1.0, "frequency": 2.0, "centre": 0.0, "width": 1.0}),
    (
        ("drive",),
        {
            "kind": "pulse",
            "coupling": "dipole",
            "amplitude": 1.0,
            "frequency": 2.0,
            "centre": 0.0,
            "width": 1.0,
            "direction": [1, 0],
        },
    ),
    (
        ("drive",),
        {
            "kind": "sum",
            "parts": [
                {"kind": "bias", "amplitude": 1.0, "width": 1.0},
                {"kind": "oscillation", "amplitude": 1.0, "frequency": 1.0},
            ],
        },
    ),
    (("model", "potential"), {"kind": "linear", "slope": 0.5}),
    (
        ("model", "potential"),
        {"kind": "harmonic", "strength": {"kind": "ramp", "before": 0.0, "after": 1.0, "start": 0.0, "duration": 1.0}},
    ),
    (("model", "potential"), {"kind": "values", "values": [0.0, 1.0]}),
    (
        ("model", "lattice"),
        {"kind": "bonds", "sites": 4, "bonds": [[0, 1], [1, 2], [2, 3], [3, 0]], "positions": [[0.0], [1.0], [2.0], [3.0]]},
    ),
    (("model", "lattice"), {"kind": "ribbon", "edge": "zigzag", "width": 2, "length": 4, "periodic": True}),
    (("model", "lattice"), {"kind": "rectangle", "columns": 2, "rows": 3, "periodic": False}),
    (("model", "lattice"), {"kind": "chain", "sites": 300, "periodic": False}),
    (("model", "interaction"), {"kind": "quench", "before": 0.0, "after": 4.0, "time": 1.0}),
    (("methods",), ["td2rdm", {"kind": "td2rdm", "label": "x", "purification": True}, "pair", "mean_field"]),
    (("methods",), [{"kind": "neural_ode", "weights": "/dev/zero"}]),
    (("methods",), [{"kind": "td2rdm", "closure": {"weights": "~/nowhere"}}]),
    (("initial",), {"kind": "ground_state", "model": {"interaction": 0.0, "potential": {"kind": "none"}}}),
    (("initial",), {"kind": "occupation", "up": [0, 1], "down": [1, 2]}),
    (("initial",), {"kind": "eigenstates", "coefficients": ["0.8+0.6j", 1.0]}),
    (("solver",), {"kind": "tsit5", "rtol": 1e-6, "atol": 1e-8}),
    (("solver",), {"kind": "rk4", "dt": 0.01}),
    (("observables",), ["density", "rdm3_uud", "energy_current"]),
    (("precision",), "single"),
    (("stages",), [{"kind": "rollout", "steps": 10, "batch": 2, "horizon": 3}]),
    (("learner",), {"kind": "modes", "modes": 4, "local": {"kind": "dense", "width": 8}}),
    (("network",), {"kind": "generator", "width": 8, "depth": 2, "reach": 2}),
)
CHANGES = (
    *(_delete, _double, _retype, _deepen, _lengthen, _swap, _kind, _borrow),
    *(_set(NUMBERS), _set(WORDS), _set(SPECIAL), _set(REFERENCES)),
    *(*[_magnify] * 6, *[_add] * 6),
)


def _garbled(text: str, chance: random.Random) -> str:
    """A text with a few characters replaced."""
    characters = list(text)
    for _ in range(chance.choice((1, 5, 30))):
        characters[chance.randrange(len(characters))] = chance.choice("{}[]:,&*!|>'\"%@`\t\n#-?é\x07\x85\u2028 0")
    return "".join(characters)


def _override(data: Any, chance: random.Random) -> str:
    """An override of a key that is there, or nearly."""
    steps: list[str] = []
    here = data
    while isinstance(here, dict | list) and here and chance.random() < 0.8:
        key = chance.choice(list(here) if isinstance(here, dict) else list(range(len(here))))
        steps.append(f"[{key}]" if isinstance(here, list) and chance.random() < 0.5 else f".{key}")
        here = here[key]
    steps += chance.choice(([], [], [".x"], ["[99]"], ["."], [".values[2]"]))
    value = chance.choice((*SCALARS, *map(str, NUMBERS[:-4]), *REFERENCES, "{kind: []}", "{kind: ramp}", "[1, 2", ""))
    return chance.choice(("=", "=", "=", "", "==")).join(("".join(steps).removeprefix("."), value))


@contextmanager
def _limited() -> Iterator[None]:
    """Raise `TimeoutError` after some seconds."""

    def stop(*_: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, LONGEST)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
