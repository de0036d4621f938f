"""What a closure sees around a site: sums by hand, symmetries of rings, gradients, and a training."""

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest

from qnano import lattice
from qnano.errors import InputError
from qnano.hubbard.model import FermiHubbard
from qnano.learning import weights
from qnano.learning.surroundings import Surroundings
from qnano.learning.terms import terms
from qnano.learning.training import Plan, Stage, begin, train_step
from qnano.tasks.loading import parse
from tests.fermions.systems import random_cumulants
from tests.learning.systems import LOCAL, learner, some

SEEING = LOCAL | {"features": {"exponent": 1, "radial": 2, "width": 0.8}}
GRAPH = lattice.from_bonds(4, [(0, 1), (1, 2), (2, 3)], [(0.0, 0.0), (1.0, 0.0), (1.0, 0.9), (0.0, 0.9)])


def by_hand(density, sides, periodic, exponent, width):
    """rho and V of one radial function, exp(-r^2/2b^2) and r exp(-r^2/2b^2), by explicit sums over sites and their images."""
    shape = [side if around else 2 * side for side, around in zip(sides, periodic, strict=True)]
    places = list(np.ndindex(*shape))
    there = {place: density[place] - density.mean() if all(map(lambda x, n: x < n, place, sides)) else 0.0 for place in places}

    def distance(x, y):
        steps = [abs(a - b) for a, b in zip(x, y, strict=True)]
        return np.sqrt(sum(min(a, n - a) ** 2 for a, n in zip(steps, shape, strict=True)))

    far = {x: sum(n / distance(x, y) ** exponent for y, n in there.items() if y != x) for x in places}
    images = np.stack(np.meshgrid(*[[-1, 0, 1]] * len(shape), indexing="ij"), -1).reshape(-1, len(shape)) * shape
    found = []
    for site in np.ndindex(*sides):
        half = np.array(shape) // 2  # the shortest way round first, then its images
        steps = {y: (np.array(y) - site + half) % shape - half + images for y in places}
        weights = {y: np.exp(-(x**2).sum(1) / 2 / width**2) for y, x in steps.items()}
        row = []
        for field in (there, far):
            scalar = sum(field[y] * w.sum() for y, w in weights.items())
            vector = sum(field[y] * (w[:, None] * steps[y]).sum(0) for y, w in weights.items())
            row.append((scalar, vector))
        found.append([row[0][0], row[1][0], row[0][1] @ row[1][1]])
    return np.array(found)


@pytest.mark.slow
@pytest.mark.parametrize(("lattice_", "exponent"), [(lattice.chain(5), 1), (lattice.rectangle(4, 3, (True, False)), 3)])
def test_features_are_sums_over_sites(lattice_, exponent):
    density = np.random.default_rng(0).uniform(size=lattice_.sites)
    seen = Surroundings(exponent, 1, 0.6)
    found = np.asarray(seen(jnp.asarray(density), seen.maps(lattice_)))
    sides, periodic = lattice_.box
    known = by_hand(density.reshape(sides), sides, periodic, exponent, 0.6)
    assert found.shape == (lattice_.sites, seen.count) == known.shape
    ratio = found / known  # each by the norm of its radial functions
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:1], ratio.shape), rtol=1e-10)
    np.testing.assert_allclose(ratio[0, 0], ratio[0, 1], rtol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("change", [lambda i: (i + 1) % 4, lambda i: -i % 4], ids=["translation", "reflection"])
def test_symmetries_of_a_ring(change):
    """A permutation of the sites that keeps the bonds permutes the coefficients of the terms, which it permutes too."""
    d, cumulant = map(jnp.asarray, random_cumulants(4, 2))
    closure = learner(SEEING).bind(FermiHubbard(lattice.chain(4, True), (2, 2))).closure
    order = np.array([change(i) for i in range(4)])

    def moved(x, axes):
        return x[(..., *np.ix_(*[order] * axes))]

    @eqx.filter_jit
    def coefficients(closure, d, cumulant):
        return closure.learned.network(d, cumulant, closure.learned.features(jnp.diagonal(d).real, closure.maps))

    whole = coefficients(closure, d, cumulant)
    np.testing.assert_allclose(coefficients(closure, moved(d, 2), moved(cumulant, 4)), moved(whole, 4), atol=1e-12)
    near = eqx.tree_at(lambda x: x.maps, closure, closure.maps.at[1].set(0.0))
    assert jnp.abs(coefficients(near, d, cumulant) - whole).max() > 1e-4  # far electrons are seen


def test_gradients_and_a_loss_that_falls():
    """Of a fit to a given element, by the weights of the inputs: against central differences, then downhill."""
    d, cumulant = (jnp.asarray(scale * x) for scale, x in zip((1.0, 0.1), random_cumulants(4, 2), strict=True))
    target = jnp.sum(terms(d, cumulant)[:8], axis=0)
    start = learner(SEEING, size=0.3)

    @jax.jit
    @jax.value_and_grad
    def loss(inputs):
        own = eqx.tree_at(lambda x: x.network.own.weight, start, start.network.own.weight.at[:, 3:].set(inputs))
        correction = own.bind(FermiHubbard(lattice.chain(4), (2, 2))).closure.correction(d, cumulant)
        return jnp.sum(jnp.abs(correction - target) ** 2)

    inputs = start.network.own.weight[:, 3:]
    first, slope = loss(inputs)
    along, h = slope / jnp.linalg.norm(slope), 1e-3
    known = (8 * (loss(inputs + h * along)[0] - loss(inputs - h * along)[0])) / (12 * h)
    known -= (loss(inputs + 2 * h * along)[0] - loss(inputs - 2 * h * along)[0]) / (12 * h)
    np.testing.assert_allclose(jnp.linalg.norm(slope), known, rtol=1e-6)
    assert jnp.linalg.norm(slope[:, 2:4]) > 1e-6  # by V too
    for _ in range(6):  # before a step is too long for where the slope is small
        inputs -= 0.01 * first * slope / jnp.linalg.norm(slope) ** 2
        last, slope = loss(inputs)
    assert last < 0.95 * first


@pytest.mark.slow
def test_a_training_sees_them():
    """A step of the loop can be traced: a batch of states, their gradients, the update of the weights of the inputs."""
    plan = Plan((Stage("velocity", 2, batch=2),))
    state = begin(weights.make(SEEING, 4), plan)
    after, loss = eqx.filter_eval_shape(train_step, state, plan, plan.stages[0], some())
    assert loss.shape == () and after.learner.network.own.weight.shape == (4, 3 + 8)


def test_files_know_their_features(tmp_path):
    path, six = tmp_path / "weights.eqx", FermiHubbard(lattice.chain(6), (3, 3))
    one = learner(SEEING)
    weights.save(path, one, SEEING, weights.system(some()))
    found, header = weights.load(path, six)
    assert header["learner"]["features"]["exponent"] == 1 and found.features == one.features
    np.testing.assert_array_equal(found.network.own.weight, one.network.own.weight)
    with pytest.raises(InputError, match="does not fit: its features: lattice: got one whose sites are not those of a chain"):
        weights.load(path, FermiHubbard(GRAPH, (2, 2)))
    for features in (None, {"radial": 3}):  # a header that belongs to another network
        weights.save(path, one, LOCAL | {"features": features}, weights.system(some()))
        with pytest.raises(InputError, match="holds other arrays"):
            weights.load(path)
    old = learner(LOCAL)  # as written before there were features
    weights.save(path, old, LOCAL, weights.system(some()))
    np.testing.assert_array_equal(weights.load(path, six)[0].network.own.weight, old.network.own.weight)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"exponent": 0}, r"learner\.features\.exponent: got 0"),
        ({"exponent": 7}, r"learner\.features\.exponent: got 7"),
        ({"radial": 9}, r"learner\.features\.radial: got 9"),
        ({"width": 0.0}, r"learner\.features\.width: got 0\.0"),
        ({"power": 1}, r"learner\.features\.power"),
        ({}, r"model\.lattice: got 'ribbon'; must be a chain, rectangle or box for .*\(learner\.features\)"),
    ],
)
def test_what_is_refused(features, message):
    given = {
        "name": "seeing",
        "task": "training",
        "model": {"lattice": {"kind": "ribbon", "edge": "zigzag", "width": 2, "length": 2}, "electrons": {"up": 2, "down": 2}},
        "learner": LOCAL | {"features": features},
        "time": {"end": 1.0, "samples": 11},
        "train": [{"family": "trap", "strengths": [0.3], "interactions": [2.0]}],
        "held_out": [{"family": "tilt", "strengths": [0.3], "interactions": [2.0]}],
        "stages": [{"kind": "velocity", "steps": 2}],
    }
    with pytest.raises(InputError, match=message):
        parse(given)
