"""How a propagation says that it ended: status, culprit and summary of runs whose end is known."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from qnano import lattice
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.model import FermiHubbard
from qnano.propagation import propagate
from qnano.solvers.chebyshev import Chebyshev
from qnano.trajectory import Status
from tests.solvers.growing import Growing

START, TIMES = jnp.array([1.0, 0.5]), jnp.array([0.0, 1.0, 2.0])
GROWING = Growing(jnp.array(0.5))


def test_the_numbers_are_those_that_results_hold():
    assert [(status.name, int(status)) for status in Status] == [
        ("DONE", 0),
        ("OUT_OF_BOUNDS", 1),
        ("STEP_LIMIT", 2),
        ("NOT_FINITE", 3),
    ]


def test_a_run_that_reaches_its_end_says_so():
    run = propagate(GROWING, START, TIMES, observables=("size",))
    assert run.status == Status.DONE
    assert (run.limit, run.lost, run.outcome) == (None, (), "reached the end at t = 2")


def test_a_run_that_leaves_its_bounds_names_the_limit():
    """exp(t) reaches 4 at t = log 4; the run stops at the end of the step in which it did."""
    run = propagate(Growing(jnp.array(1.0)), START, TIMES, observables=("size", "pole"))
    assert (run.status, run.culprit, run.limit) == (Status.OUT_OF_BOUNDS, 1, "size <= 4")
    assert np.log(4) <= run.stop_time < 2
    assert run.outcome == f"left its physical bounds at t = {run.stop_time:.4g}: size <= 4 no longer holds"
    assert np.isnan(run.observables["size"][-1]).all()
    assert run.lost == ()  # rows that were not reached are not lost


def test_a_run_that_takes_too_many_steps_names_no_limit():
    run = propagate(GROWING, START, TIMES, max_steps=1, dt0=0.25)
    assert (run.status, run.limit) == (Status.STEP_LIMIT, None)
    assert run.outcome == f"reached the limit of steps at t = {run.stop_time:.4g}"


def test_an_observable_that_is_lost_is_named():
    run = propagate(GROWING, START, TIMES, observables=("size", "pole"))
    assert run.lost == ("pole",)
    assert run.outcome == "reached the end at t = 2; not finite: pole"


def test_the_summary_of_one_run():
    run = propagate(GROWING, START, TIMES, observables=("size", "pole"))
    assert str(run).splitlines() == [
        "Trajectory: reached the end at t = 2; not finite: pole",
        f"  3 times from 0 to 2, {run.steps} steps",
        "  pole: 3 float64",
        "  size: 3x2 float64",
        f"  ratio kept to {np.abs(run.invariants['ratio'] - 0.5).max():.1e}",
    ]
    assert np.abs(run.invariants["ratio"] - 0.5).max() < 1e-8


def test_the_summary_of_a_batch_counts_how_its_runs_ended():
    rates = jnp.array([0.1, 1.0, 1.2])
    runs = eqx.filter_vmap(lambda rate: propagate(Growing(rate), START, TIMES, observables=("size",)))(rates)
    assert str(runs).splitlines() == [
        "Trajectories, 3: 1 reached the end, 2 left its physical bounds",
        "  size: 3x3x2 float64",
    ]


def test_the_summary_of_a_traced_run_shows_shapes():
    told = []

    @jax.jit
    def run(start):
        found = propagate(GROWING, start, TIMES, observables=("size",))
        told.append(str(found))
        return found.state

    run(START)
    assert told == ["Trajectory, traced\n  size: 3x2 float64"]


def test_an_expansion_tells_the_same():
    dynamics = ExactHubbard(FermiHubbard(lattice.chain(2), (1, 0)))
    run = propagate(dynamics, [[1], [0]], jnp.linspace(0.0, 1.0, 3), solver=Chebyshev(), observables=("density",))
    assert str(run).startswith("Trajectory: reached the end at t = 1\n  3 times from 0 to 1, 1 steps\n  density: 3x2x2 float64\n")
