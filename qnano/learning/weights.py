"""Learners by name, and their weights on disk: with what they are and what they were trained on, so that a misfit is refused.

A file of weights says in its first line which learner it holds (kind and sizes), on which systems it was trained, and how. Weights
that are shared over sites run on any system; others only where they were trained.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jax.core import Tracer
from jaxtyping import PRNGKeyArray

from qnano import checkpoints
from qnano.border import choice, numbers
from qnano.config.sizes import MOST_SITES
from qnano.errors import InputError
from qnano.hubbard.closures import AbstractReconstruction, NakatsujiYasuda, Valdemoro
from qnano.hubbard.model import FermiHubbard
from qnano.learning.closures import AbstractLearner, Blend, Dense, Equivariant
from qnano.learning.data import Trajectories
from qnano.learning.memory import Modes, ThreeBody
from qnano.learning.node import BlackBox
from qnano.learning.products import Products
from qnano.learning.surroundings import Surroundings

FORMAT = 1
BASES: dict[str | None, Callable[[], AbstractReconstruction] | None] = {
    None: None,
    "valdemoro": Valdemoro,
    "nakatsuji_yasuda": lambda: NakatsujiYasuda(smooth=True),
}
# What the class of each takes by name are the keys of its settings in a config.
LEARNERS: dict[str, Callable[..., AbstractLearner]] = {
    "blend": Blend,
    "equivariant": Equivariant,
    "dense": Dense,
    "modes": Modes,
    "three_body": ThreeBody,
    "products": Products,
    "black_box": BlackBox,
}
SIZED = {"dense", "black_box"}
# Learners whose weights of the same names once stood in another equation of motion.
EDITIONS = {"three_body": 2}


def make(settings: Mapping[str, Any], sites: int, key: PRNGKeyArray | None = None) -> AbstractLearner:
    """An untrained learner from plain data: its `kind`, and what its `__init__` takes; a `base` by name, a `local` closure and
    `features` likewise.

    Raises `ValueError` for an unknown kind or base.
    """
    key = jax.random.key(0) if key is None else key
    arguments = dict(settings)
    kind = arguments.pop("kind", None)
    choice("kind", kind, LEARNERS)
    if "base" in arguments:
        choice("base", arguments["base"], BASES)
        base = BASES[arguments["base"]]
        arguments["base"] = None if base is None else base()
    if arguments.get("features") is not None:
        arguments["features"] = Surroundings(**arguments["features"])
    if arguments.get("local") is not None:
        key, inner = jax.random.split(key)
        arguments["local"] = make(arguments["local"], sites, inner)
    if kind in SIZED:
        arguments["sites"] = sites
    return LEARNERS[kind](**arguments, key=key)


def system(data: Trajectories) -> dict[str, Any]:
    """What a file of weights says of the systems that its learner has seen."""
    return {
        "sites": data.lattice.sites,
        "bonds": [list(bond) for bond in data.lattice.bonds],
        "electrons": list(data.electrons),
        "interactions": sorted(set(np.asarray(data.interaction).tolist())),
        "families": sorted(set(data.family)),
        "end": float(data.times[-1]),
    }


def save(path: Path, learner: AbstractLearner, settings: Mapping[str, Any], seen: Mapping[str, Any], training: Any = None) -> None:
    """Write weights with the `settings` that make their learner, the `system` they saw, and whatever else is to be remembered."""
    header = {"format": FORMAT, "edition": EDITIONS.get(settings["kind"], 1), "learner": dict(settings), "system": dict(seen)}
    checkpoints.write(path, header | {"training": training}, learner)


def load(path: Path, model: FermiHubbard | None = None) -> tuple[AbstractLearner, dict[str, Any]]:
    """The learner, in the working precision, and what the file says of it.

    Raises `InputError`, in one line, where it does not fit the `model`.
    """
    header = checkpoints.read_header(path)
    if header.get("format") != FORMAT:
        raise InputError(f"{path}: has the format {header.get('format')!r} of another version of qnano; this one reads {FORMAT}")
    settings, seen = _checked(path, header)
    if header.get("edition", 1) != EDITIONS.get(settings["kind"], 1):
        raise InputError(
            f"{path}: its weights belong to another equation of motion than {settings['kind']} has now; train it again"
        )
    if model is not None and (misfit := _misfit(settings, seen, model)):
        raise InputError(f"{path}: does not fit: {misfit}")
    try:
        shapes = eqx.filter_eval_shape(make, settings, seen["sites"])  # without the memory that it takes
    except (ValueError, TypeError, OverflowError, ZeroDivisionError) as error:
        raise InputError(f"{path}: learner: {(str(error).splitlines() or ['cannot be made'])[0]}") from None
    # Twice, since they may have been trained in single precision.
    if sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(eqx.filter(shapes, _has_shape))) > 2 * path.stat().st_size:
        raise InputError(f"{path}: holds other arrays than this version of qnano makes")
    with jax.ensure_compile_time_eval():  # numbers, also where what they are for is being traced
        learner = checkpoints.read_tree(path, make(settings, seen["sites"]))
    if not all(np.isfinite(x).all() for x in jax.tree.leaves(eqx.filter(learner, eqx.is_inexact_array))):
        raise InputError(f"{path}: holds weights that are not finite numbers")
    return learner, header


def _has_shape(leaf: Any) -> bool:
    return isinstance(leaf, jax.ShapeDtypeStruct)


def _checked(path: Path, header: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a header says of the learner and its systems. Raises `InputError` where that is not what `save` writes."""
    settings, seen = header.get("learner"), header.get("system")
    if not isinstance(settings, dict) or not isinstance(settings.get("local") or {}, dict):
        raise InputError(f"{path}: learner: must be a mapping")
    if not isinstance(settings.get("kind"), str) or not isinstance((settings.get("local") or {}).get("kind", ""), str):
        raise InputError(f"{path}: learner: kind must be a word")
    if not isinstance(seen, dict):
        raise InputError(f"{path}: system: must be a mapping")
    try:
        numbers("sites", seen.get("sites"), kind="integer", shape=(), least=1, most=MOST_SITES)
        numbers("electrons", seen.get("electrons"), kind="integer", shape=(2,), least=0, most=MOST_SITES)
        numbers("interactions", seen.get("interactions"), shape=(None,))
        numbers("bonds", seen.get("bonds") or np.zeros((0, 2), int), kind="integer", shape=(None, 2))
    except ValueError as error:
        raise InputError(f"{path}: system.{error}") from None
    return settings, seen


def _misfit(settings: dict[str, Any], seen: dict[str, Any], model: FermiHubbard) -> str | None:
    """Why a learner cannot be used for a model, if so."""
    local = settings.get("local") or {}
    kinds = {settings["kind"], local.get("kind")}
    if settings.get("features") or local.get("features"):
        try:
            _ = model.lattice.box
        except ValueError as error:
            return f"its features: {error}"
    if not kinds & SIZED:
        return None
    if model.sites != seen["sites"]:
        return f"the {settings['kind']} learner was trained on {seen['sites']} sites, the model has {model.sites}"
    if list(model.electrons) != seen["electrons"]:
        return (
            f"the {settings['kind']} learner was trained with {seen['electrons']} electrons, the model has {list(model.electrons)}"
        )
    if [list(bond) for bond in model.lattice.bonds] != seen["bonds"]:
        return f"the {settings['kind']} learner was trained on a lattice with other bonds"
    if settings["kind"] != "black_box":
        return None
    value = model.interaction(0.0)
    if isinstance(value, Tracer):
        return None
    if not model.is_autonomous or not any(np.allclose(value, u) for u in seen["interactions"]):
        return f"a black box knows only the Hamiltonian it was trained on, U = {', '.join(f'{u:g}' for u in seen['interactions'])}"
    return None
