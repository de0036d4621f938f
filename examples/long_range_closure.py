"""Learned closures with and without long-range inputs, for electrons that repel each other as 1/r.

Spinless electrons on a ring move in each other's mean field, i d rho/dt = [T + diag(v), rho], v_i = sum_j n_j / sqrt(r_ij^2 + 1):
that is the reference. A closure has to supply v from what is around a site. All are linear, have six inputs, and
learn from the same snapshots on a ring of 24 sites: local projections of the density, local projections of its 1/r potential
(`qnano.descriptors.fields.on_lattice`), or three of each, with a regularisation of their own. Then they drive the motion
themselves, from starts that they have not seen, on that ring and on one twice as long.

    python examples/long_range_closure.py
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from matplotlib.figure import Figure

from qnano import runtime
from qnano.descriptors.fields import inverse_power, on_lattice, soft_coulomb
from qnano.descriptors.lattice_problems import hartree, lattice_problems
from qnano.descriptors.radial import Oscillators
from qnano.descriptors.regression import cross_validated
from qnano.dynamics import AbstractDynamics, AbstractSolver
from qnano.holstein.hopping import hop
from qnano.propagation import propagate
from qnano.solvers.stepping import adaptive

SITES, STARTS, TESTS, END, SAMPLES = 24, 6, 4, 10.0, 41
CLOSURES = {"local inputs": {"local": 6}, "long-range inputs": {"long": 6}, "both": {"local": 3, "long": 3}}
WIDTHS = {"local": 1.5, "long": 0.6}  # of the projections


class Closure(eqx.Module):
    """v from the density: a linear function of the inputs, the same at every site."""

    offset: Float[Array, ""]
    weights: tuple[Float[Array, " n"], ...]
    kinds: tuple[str, ...] = eqx.field(static=True)

    def __call__(self, density):
        blocks = zip(self.weights, self.kinds, strict=True)
        return self.offset + sum(weights @ inputs(density, kind, len(weights)) for weights, kind in blocks)


class Hartree(eqx.Module):
    """The mean field itself."""

    def __call__(self, density):
        return hartree(soft_coulomb(density.shape), density)


def inputs(density, kind, count):
    """A row for each projection of the density, or of its 1/r potential."""
    contact = np.zeros(density.shape)
    contact[0] = 1.0
    interaction = contact if kind == "local" else inverse_power(density.shape, 1.0)
    return on_lattice(Oscillators(WIDTHS[kind], count), 0, jnp.asarray(interaction), density)[:, 0]


class Ring(AbstractDynamics):
    """The density matrix in the potential that `field` makes of its diagonal."""

    field: Callable[[Array], Array]

    def vector_field(self, t, state):
        potential = self.field(jnp.diagonal(state).real)
        product = hop((len(state),), 1.0, state, axis=0) + potential[:, None] * state
        return -1j * (product - product.conj().T)

    def observe(self, t, state):
        return {"density": lambda: jnp.diagonal(state).real}

    def invariants(self, t, state):
        return {"particles": jnp.trace(state).real, "purity": jnp.sum(jnp.abs(state) ** 2)}

    def limits(self, t, state):
        return {"largest density <= 2": jnp.max(jnp.abs(state)) / 2}

    @property
    def jumps(self):
        return ()

    @property
    def default_solver(self) -> AbstractSolver:
        return adaptive(diffrax.Dopri8(), rtol=1e-8, atol=1e-8)


def starts(sites, count, seed):
    """Half as many electrons as sites in the lowest levels of smooth random potentials, which are then gone."""
    problems = lattice_problems(count, soft_coulomb((sites,)), sites // 2, seed)
    return [jnp.asarray(problem.one_rdm, complex) for problem in problems]


@eqx.filter_jit
def follow(field, state):
    """Densities at all times."""
    return propagate(Ring(field), state, jnp.linspace(0, END, SAMPLES), observables=("density",), monitor=False).observables[
        "density"
    ]


def learn(counts):
    """From exact snapshots of several starts."""
    snapshots = jnp.concatenate([follow(Hartree(), state) for state in starts(SITES, STARTS, seed=0)])
    targets = np.asarray(jax.vmap(Hartree())(snapshots)).ravel()
    rows = [jax.vmap(lambda n, kind=kind, count=count: inputs(n, kind, count).T)(snapshots) for kind, count in counts.items()]
    rows = [np.asarray(x).reshape(len(targets), -1) for x in rows]
    ones, groups = np.ones((len(targets), 1)), np.repeat(np.arange(STARTS), SAMPLES * SITES)
    fit = cross_validated(rows, targets, ones, 3, groups)
    error = np.std(fit(rows, ones) - targets) / np.std(targets)
    return Closure(jnp.asarray(fit.offsets[0]), tuple(map(jnp.asarray, fit.weights)), tuple(counts)), error


def main(out: Path) -> None:
    runtime.start()
    fields, errors = {"no interaction": lambda n: 0 * n}, {}
    for name, counts in CLOSURES.items():
        fields[name], error = learn(counts)
        print(f"{name}: potential of the training set to {error:.1e} of its spread")
    for sites in (SITES, 2 * SITES):
        states = starts(sites, TESTS, seed=1)
        exact = [follow(Hartree(), state) for state in states]
        for name, field in fields.items():
            found = [follow(field, state) for state in states]
            errors[sites, name] = np.sqrt(np.mean([(a - b) ** 2 for a, b in zip(found, exact, strict=True)], axis=(0, 2)))
            print(f"{sites} sites, {name}: root mean square error of the density at the end {errors[sites, name][-1]:.1e}")
    spread = np.std(np.asarray(exact))
    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    for axis, sites in zip(figure.subplots(1, 2, sharey=True), (SITES, 2 * SITES), strict=True):
        for name, colour in zip(fields, ("#777777", "#d1495b", "#2e78b7", "#3a9e6f"), strict=True):
            axis.semilogy(np.linspace(0, END, SAMPLES)[1:], errors[sites, name][1:], color=colour, label=name)
        axis.axhline(spread, color="#111111", lw=0.8, ls=":", label="spread of the density")
        axis.set(xlabel="time  (ħ/J)", title=f"{sites} sites" + (", learned on these" if sites == SITES else ", not learned on"))
        axis.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("error of the density")
    figure.axes[1].set_ylim(bottom=1e-5)
    figure.axes[1].legend(frameon=False, fontsize="small", ncols=2, loc="lower right")
    out.mkdir(parents=True, exist_ok=True)
    figure.savefig(out / "long_range_closure.png", dpi=110)
    print(out / "long_range_closure.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "figures", help="folder of the figure")
    main(parser.parse_args().out)
