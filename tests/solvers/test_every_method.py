"""Value and derivatives of every method of `propagate`, by every kind of number, against one closed form for each kind of motion.

Two electrons on two sites, psi[up, down], with an interaction that jumps: exponentials of a matrix of four rows. A wave packet in a
harmonic well, for what only moves by splittings: its middle swings as a point would. Each program, of two runs at once, is compiled
once and gives all that is measured.
"""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano import lattice
from qnano.fields import Quench
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.model import FermiHubbard
from qnano.propagation import propagate
from qnano.schrodinger.grid import Grid
from qnano.schrodinger.model import Particles, normalised
from qnano.schrodinger.wave import Schrodinger
from qnano.solvers import evolution
from qnano.solvers.chebyshev import Chebyshev
from qnano.solvers.magnus import Magnus
from qnano.solvers.reversible import Reversible
from qnano.solvers.rk4 import RK4
from qnano.solvers.splitting import blanes_moan
from qnano.solvers.stepping import adaptive, fixed
from qnano.trajectory import Status

FORWARD, DIRECT = diffrax.ForwardMode(), diffrax.DirectAdjoint()
SHORT = Chebyshev(terms=16, outputs=2)
TIMES = [0.1, 0.2, 0.7, 0.8, 3.0]  # several to one expansion, and a gap of several expansions
TWICE = np.array([0, 1, 2, 2, 3, 4])  # one is asked for twice: slopes by equal times have a meaning together alone
NAMES = ("density", "double_occupancy", "energy")


def point(jumps):
    """Numbers of two runs, without any symmetry; where the interaction `jumps`, from `before` at `quench`."""
    rng = np.random.default_rng(0)
    psi = rng.normal(size=(2, 2)) + 1j * rng.normal(size=(2, 2))
    one = {"hopping": 0.9, "potential": [0.1, -0.3], "psi": psi / np.linalg.norm(psi), "times": TIMES}
    one |= {"before": 1.0, "quench": 1.1} if jumps else {}
    return {k: jnp.asarray(np.stack([v, v])) for k, v in one.items()} | {"interaction": jnp.array([0.5, 6.0])}


def outputs(p):
    return p["times"][TWICE] if p["times"].size > 2 else p["times"]


def electrons(p):
    """What is measured and the last state in closed form: by the levels of H, of which no two are equal."""
    h = jnp.diag(p["potential"]) - p["hopping"] * jnp.array([[0.0, 1.0], [1.0, 0.0]])
    hops, both = jnp.kron(h, jnp.eye(2)) + jnp.kron(jnp.eye(2), h), jnp.diag(jnp.array([1.0, 0.0, 0.0, 1.0]))
    start, after = p["times"][0], p["interaction"]
    before, quench = p.get("before", after), p.get("quench", start)

    def moved(psi, interaction, span):
        levels, states = jnp.linalg.eigh(hops + interaction * both)
        return states @ (jnp.exp(-1j * levels * span) * (states.T @ psi))

    def measured(t):
        psi = moved(jnp.ravel(p["psi"]), before, jnp.minimum(t, quench) - start)
        psi = moved(psi, after, jnp.maximum(t, quench) - quench)
        energy = jnp.vdot(psi, (hops + jnp.where(t < quench, before, after) * both) @ psi).real
        psi = psi.reshape(2, 2)
        share = jnp.abs(psi) ** 2
        return jnp.stack([share.sum(1), share.sum(0)]), jnp.diag(share), energy, psi

    density, double, energy, states = jax.vmap(measured)(outputs(p))
    return {"density": density, "double_occupancy": double, "energy": energy, "state": states[-1]}


def propagated(p, solver, adjoint):
    interaction = Quench(p["before"], p["interaction"], p["quench"]) if "quench" in p else p["interaction"]
    model = FermiHubbard(lattice.chain(2), (1, 1), p["hopping"], interaction, p["potential"])
    run = propagate(ExactHubbard(model), p["psi"], outputs(p), solver=solver, observables=NAMES, adjoint=adjoint)
    return run.observables | {"state": run.state}, run


def swing(p):
    """The middle of a packet in a harmonic well; a time at which it is there by itself."""
    angle = p["frequency"] * (p["times"] - p["times"][0])
    return {"position": (p["place"] * jnp.cos(angle) + p["speed"] / p["frequency"] * jnp.sin(angle))[:, None]}


def split(p, adjoint):
    grid = Grid((32,), (16.0,))
    x = grid.coordinates[0]
    psi = normalised(jnp.exp(-((x - p["place"]) ** 2) / 2 + 1j * p["speed"] * x), grid)
    dynamics = Schrodinger(Particles(grid, p["frequency"] ** 2 * x**2 / 2))
    run = propagate(dynamics, psi, p["times"], solver=fixed(blanes_moan(4), 0.05), observables=("position",), adjoint=adjoint)
    return run.observables, run


def number(measured):
    """One number made of all entries."""
    weighted = lambda x: jnp.sum(jnp.cos(jnp.arange(x.size)).reshape(x.shape) * x).real  # noqa: E731
    return sum(map(weighted, jax.tree.leaves(measured)))


def close(got, want, tolerance):
    for name, y in want.items():
        np.testing.assert_allclose(got[name], y, rtol=tolerance, atol=tolerance * max(1.0, np.abs(y).max()), err_msg=name)


def compare(at, method, known, forward, tolerance):
    """Both runs `at` their numbers; by all of them in reverse, along one direction forwards."""

    def with_number(function):
        def found(p):
            values, run = function(p)
            return number(values), (values, run)

        return found

    def backwards(function):
        return jax.jit(jax.vmap(jax.grad(with_number(function), has_aux=True)))(at)

    def forwards(function):
        rng = np.random.default_rng(1)
        along = jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape), x.dtype), at)
        turned = lambda p, v: jax.jvp(with_number(function), (p,), (v,), has_aux=True)  # noqa: E731
        _, slope, found = jax.jit(jax.vmap(turned))(at, along)
        return {"along": slope}, found

    derivatives = forwards if forward else backwards
    slopes, (values, run) = derivatives(method)
    wanted_slopes, (wanted, _) = derivatives(lambda p: (known(p), None))
    assert (run.status == Status.DONE).all()
    close(values, wanted, tolerance)
    close(slopes, wanted_slopes, 10 * tolerance)
    return run


METHODS = {
    "chebyshev": (False, SHORT, 1e-10),
    "magnus, fixed": (True, fixed(Magnus(), 0.15), 1e-10),
    "magnus, adaptive": (True, adaptive(Magnus(), 1e-6, 1e-8), 1e-10),  # exact between jumps
    "rk4": (True, fixed(RK4(), 0.01), 1e-6),
    "tsit5": (True, adaptive(diffrax.Tsit5(), 1e-9, 1e-10), 1e-6),
    "dopri8": (True, adaptive(diffrax.Dopri8(), 1e-9, 1e-10), 1e-6),
}


@pytest.mark.slow
@pytest.mark.parametrize(("method", "adjoint"), [
    ("chebyshev", None), ("chebyshev", FORWARD), ("chebyshev", Reversible()),
    ("magnus, fixed", Reversible()),
    ("magnus, adaptive", None), ("magnus, adaptive", Reversible()),
    ("rk4", None), ("tsit5", DIRECT), ("tsit5", FORWARD), ("dopri8", None),
], ids=lambda x: x if isinstance(x, str) else "checkpointed" if x is None else type(x).__name__)  # fmt: skip
def test_two_electrons_on_two_sites(method, adjoint):
    jumps, solver, tolerance = METHODS[method]
    compare(point(jumps), lambda p: propagated(p, solver, adjoint), electrons, adjoint is FORWARD, tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("adjoint", [None, FORWARD], ids=["reverse", "forward"])
def test_two_electrons_to_one_time(adjoint):
    """Of the two runs at once one takes an expansion, the other thirty and more than are kept."""
    at = point(False) | {"interaction": jnp.array([0.5, 40.0]), "times": jnp.array([[0.1, 3.0], [0.1, 600.0]])}
    run = compare(at, lambda p: propagated(p, None, adjoint), electrons, adjoint is FORWARD, 1e-8)
    assert run.steps[0] == 1 and run.steps[1] > evolution.KEPT


@pytest.mark.slow
@pytest.mark.parametrize("adjoint", [None, FORWARD, Reversible()], ids=["reverse", "forward", "reversible"])
def test_a_packet_in_a_harmonic_well(adjoint):
    numbers = {"frequency": [1.1, 0.9], "place": [0.5, 0.4], "speed": [0.3, -0.2], "times": [TIMES, TIMES]}
    at = jax.tree.map(jnp.asarray, numbers, is_leaf=lambda x: isinstance(x, list))
    compare(at, lambda p: split(p, adjoint), swing, adjoint is FORWARD, 1e-5)
