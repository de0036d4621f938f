"""The programs that matter on a GPU: what `gpu_plan.py` compiles and `gpu_check.py` runs. Each is a function and its arguments."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from qnano import lattice
from qnano.descriptors.atoms import find_waves, make_atoms
from qnano.descriptors.features import KernelBank, by_waves
from qnano.descriptors.fields import by_mesh
from qnano.descriptors.kernels import InversePower
from qnano.descriptors.radial import Oscillators
from qnano.families.build import Method, build
from qnano.fermions.purification import Purification
from qnano.hubbard.closures import AbstractClosure, ContractionConsistent, NakatsujiYasuda, Valdemoro
from qnano.hubbard.ground_state import fermi_sea
from qnano.hubbard.model import FermiHubbard
from qnano.hubbard.td2rdm import TD2RDM
from qnano.learning.data import quenches, trajectories
from qnano.learning.training import Plan, Stage, begin, train_step
from qnano.learning.weights import make
from qnano.propagation import propagate
from qnano.tasks.loading import load, parse

CONFIGS = Path(__file__).parents[1] / "configs"
SMOOTH = NakatsujiYasuda(smooth=True)
CLOSURES: dict[str, AbstractClosure] = {"V": Valdemoro(), "NYs": SMOOTH, "NYs + CC": ContractionConsistent(SMOOTH)}
PULSE = {"kind": "pulse", "coupling": "peierls", "amplitude": 0.4, "frequency": 2.5, "centre": 1.0, "width": 0.7}


class Program(NamedTuple):
    """function(*arguments) gives a pytree of arrays."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]

    def split(self) -> tuple[Callable[[Any], Any], Any]:
        """The same of arrays alone, as `jax.jit` wants it."""
        arguments = jax.tree.map(lambda leaf: jnp.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf, self.arguments)
        arrays, static = eqx.partition(arguments, eqx.is_array)
        return lambda arrays: eqx.filter(self.function(*eqx.combine(arrays, static)), eqx.is_array), arrays


def right_hand_side(closure: str, sites: int) -> Program:
    """d D2 / dt of the Fermi sea at half filling."""
    dynamics, state = _at_rest(closure, sites)
    return Program(lambda dynamics, state: dynamics.vector_field(jnp.zeros(()), state), (dynamics, state))


def purification(sites: int, iterations: int = 6) -> Program:
    """So many iterations on a disturbed D2."""
    _, (two_rdm, *_) = _at_rest("V", sites)
    rng = np.random.default_rng(0)
    noise = rng.normal(size=two_rdm.shape) + 1j * rng.normal(size=two_rdm.shape)
    noise = noise + noise.transpose(2, 3, 0, 1).conj()
    disturbed = two_rdm + 1e-3 * (noise + noise.transpose(1, 0, 3, 2))
    purify = Purification(tolerance=0.0, max_iterations=iterations)
    return Program(lambda two_rdm: purify(two_rdm, sites // 2, jnp.ones(sites))[0], (disturbed,))


def td2rdm_run(closure: str, sites: int, end: float, samples: int, monitor: bool = True) -> Program:
    """A run with its invariants, or without."""
    times = jnp.linspace(0.0, end, samples)
    return propagation(*_at_rest(closure, sites), times, None, ("density", "double_occupancy"), monitor)


def exact_run(sites: int, end: float, samples: int, driven: bool = False) -> Program:
    """A Neel state at half filling: expansions with their outputs, or steps by Magnus where it is driven."""
    half = {"up": sites // 2, "down": sites // 2}
    model = {"kind": "fermi_hubbard", "lattice": {"kind": "chain", "sites": sites}, "interaction": 4.0, "electrons": half}
    given = {"name": "exact", "model": model, "initial": {"kind": "neel"}, "methods": ["exact"]}
    drive = {"drive": PULSE} if driven else {}
    return config_run(
        parse({**given, **drive, "time": {"end": end, "samples": samples}, "observables": ["density", "double_occupancy"]})
    )


def holstein_run(method: str, sites: int, batch: int, end: float = 5.0) -> Program:
    """A quench by splitting; a batch goes side by side."""
    model = {"kind": "holstein", "lattice": {"kind": "chain", "sites": sites, "periodic": True}, "coupling": 0.8}
    initial = {"kind": "thermal", "model": {"coupling": 0.5}, "noise": 1.0e-2}
    given = {"name": "holstein", "model": model, "initial": initial, "methods": [method], "time": {"end": end, "samples": 3}}
    one, (dynamics, state, times, solver) = config_run(parse({**given, "observables": ["charge_order", "lattice_order"]}))
    if batch == 1:
        return Program(one, (dynamics, state, times, solver))
    many = jax.tree.map(lambda leaf: jnp.stack([leaf] * batch), state)
    side_by_side = eqx.filter_vmap(one, in_axes=(None, 0, None, None))
    return Program(side_by_side, (dynamics, many, times, solver))


def config(name: str, *overrides: str, method: int = 0) -> Program:
    """The run of a config of this repository."""
    return config_run(load(CONFIGS / f"{name}.yaml", overrides), method)


def config_run(experiment: Any, method: int = 0) -> Program:
    """The run of one method of an experiment."""
    time = experiment.time
    return method_run(build(experiment)[method], jnp.linspace(time.start, time.end, time.samples))


def method_run(method: Method, times: Any) -> Program:
    """The run of a method that is built."""
    return propagation(method.dynamics, method.state, times, method.solver, method.observables)


def propagation(dynamics: Any, state: Any, times: Any, solver: Any, observables: tuple[str, ...], monitor: bool = True) -> Program:
    """What `propagate` gives."""

    def run(dynamics: Any, state: Any, times: Any, solver: Any) -> Any:
        return propagate(dynamics, state, times, solver=solver, observables=observables, monitor=monitor)

    return Program(run, (dynamics, state, times, solver))


def last(run: Program, observable: str) -> Program:
    """A number: the first in the last row of an observable."""
    return Program(lambda *arguments: run.function(*arguments).observables[observable][-1].ravel()[0], run.arguments)


def gradient(value: Program) -> Program:
    """The derivative of a number by all numbers of its first argument."""
    return Program(lambda first, *others: eqx.filter_grad(value.function)(first, *others), value.arguments)


def training(sites: int, batch: int, horizon: int = 10) -> Program:
    """A step of training a closure on windows of exact motion."""
    stage = Stage("rollout", 100, 1e-3, batch=batch, horizon=horizon)
    plan, chain = Plan((stage,)), lattice.chain(sites)
    learner = make({"kind": "equivariant", "base": "nakatsuji_yasuda", "width": 8}, sites, jax.random.key(0))
    chosen = quenches(chain, "trap", (0.2, 0.4), (2.0,))
    data = trajectories(chain, (sites // 2, sites // 2), chosen, jnp.linspace(0.0, 4.0, 41))
    return Program(lambda state, data: train_step(state, plan, stage, data), (begin(learner, plan), data))


def descriptors(count: int, mesh: bool) -> Program:
    """Potential features of ions at the density of `bench_descriptors.py`, by sums over waves or by a mesh."""
    side = 19.0 * (count / 64) ** (1 / 3)
    cell, names = side * np.eye(3), [("Na", "Cl")[k % 2] for k in range(count)]
    atoms = make_atoms(np.random.default_rng(count).uniform(0, side, (count, 3)), cell, names, ["Na", "Cl"])
    bank = KernelBank(Oscillators(0.7, 4), InversePower(1, 1.5), 2)
    if mesh:
        points = 2 * int(np.ceil(side / 2))
        return Program(lambda bank, atoms: by_mesh(bank, atoms, (points,) * 3, 6), (bank, atoms))
    return Program(by_waves, (bank, atoms, find_waves(cell, 1.2 * np.pi / 1.5)))


def _at_rest(closure: str, sites: int) -> tuple[TD2RDM, Any]:
    dynamics = TD2RDM(FermiHubbard(lattice.chain(sites), (sites // 2, sites // 2), interaction=1.0), CLOSURES[closure])
    return dynamics, dynamics.from_one_rdms(
        fermi_sea(FermiHubbard(lattice.chain(sites), (sites // 2, sites // 2), interaction=0.0))
    )
