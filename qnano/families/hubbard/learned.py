"""Methods that come from a file of weights: a learned closure, and the neural ODE."""

from typing import TypeVar

from jaxtyping import Array, Complex

from qnano import checkpoints
from qnano.errors import InputError
from qnano.families.hubbard import methods
from qnano.hubbard.closures import AbstractClosure
from qnano.hubbard.model import FermiHubbard
from qnano.learning import weights
from qnano.learning.closures import AbstractLearnedClosure, AbstractLearner
from qnano.learning.memory import Modes, ThreeBody
from qnano.learning.node import BlackBox, NeuralODE
from qnano.shipped import located

Learner = TypeVar("Learner", bound=AbstractLearner)


def learned_closure(settings: methods.Learned, hubbard: FermiHubbard, start: Complex[Array, "..."]) -> AbstractClosure:
    """The closure in a file of weights, for this Hamiltonian; `start` is a wavefunction, or one-particle density matrices.

    Raises `InputError` for weights that do not fit, and for those with a memory where there is no wavefunction.
    """
    learner = _loaded(settings, hubbard, AbstractLearnedClosure, "a closure; use method neural_ode")
    if isinstance(learner, Modes | ThreeBody) and start.ndim == 3:
        raise InputError(
            f"{settings.weights}: has a memory, which begins from a wavefunction; that is there where initial.model has an "
            "interaction, or with method exact"
        )
    return learner.bind(hubbard)


def neural_ode(settings: methods.NeuralODE, hubbard: FermiHubbard) -> NeuralODE:
    """The motion in a file of weights. Raises `InputError` for weights that do not fit."""
    return _loaded(settings, hubbard, BlackBox, "a black box; use closure: {kind: learned}").dynamics(hubbard)


def _loaded(settings: methods.Trained, hubbard: FermiHubbard, kind: type[Learner], wanted: str) -> Learner:
    path = located(settings.weights)
    try:
        known = checkpoints.read_checksum(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if known != settings.checksum:
        raise InputError(f"{path}: has changed since this run was set up, whose checksum is {settings.checksum}")
    learner, _ = weights.load(path, hubbard)
    if not isinstance(learner, kind):
        raise InputError(f"{path}: holds no {wanted.removeprefix('a ')}")
    return learner
