"""Interaction, hopping and trap of a chain, found at once from its densities over time, measured with noise of 1 %.

The residuals are differentiated forwards, through `propagate`, by Levenberg and Marquardt's method from optimistix; the curvature
at the minimum gives the statistical errors. The same is done for many draws of the noise, to see that the errors are right.

    python examples/recover_parameters.py
"""

import argparse
from pathlib import Path

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from matplotlib.figure import Figure

from qnano import lattice, runtime
from qnano.fields import Pattern, as_field
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.model import FermiHubbard
from qnano.propagation import propagate

NAMES = ("interaction U", "hopping J", "trap V")
SITES, NOISE, DRAWS = 6, 0.01, 100
CHAIN = lattice.chain(SITES)


def density(parameters, times):
    """Electrons of either spin on every site, shape (time, spin, site), from a Neel state on."""
    interaction, hopping, trap = parameters
    potential = Pattern(as_field(trap), (np.arange(SITES) - (SITES - 1) / 2) ** 2)
    dynamics = ExactHubbard(FermiHubbard(CHAIN, (3, 3), hopping, interaction, potential))
    psi = dynamics.determinant(up=(0, 2, 4), down=(1, 3, 5))
    adjoint = diffrax.ForwardMode()  # few parameters, many residuals
    return propagate(dynamics, psi, times, observables=("density",), adjoint=adjoint, monitor=False).observables["density"]


@jax.jit
def fit(measured, times, guess):
    """The most likely parameters, and their covariance."""

    def residuals(parameters, _):
        return ((density(parameters, times) - measured) / NOISE).ravel()

    found = optx.least_squares(residuals, optx.LevenbergMarquardt(rtol=1e-5, atol=1e-5), guess).value
    slopes = jax.jacfwd(residuals)(found, None)
    return found, jnp.linalg.inv(slopes.T @ slopes)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--out", type=Path, default=Path(__file__).parent / "figures")
    out = options.parse_args().out
    runtime.start()
    truth, guess, times = jnp.array([4.0, 1.0, 0.2]), jnp.array([2.5, 0.8, 0.05]), jnp.linspace(0.0, 4.0, 21)
    exact = density(truth, times)
    noise = NOISE * jax.random.normal(jax.random.key(0), (DRAWS, *exact.shape))
    fits = [fit(exact + draw, times, guess) for draw in noise]
    found, covariance = fits[0]
    errors = jnp.sqrt(jnp.diagonal(covariance))
    for name, true, value, error in zip(NAMES, truth, found, errors, strict=True):
        print(f"{name:14} true {true:.4f}   found {value:.4f} +- {error:.4f}   {abs(value - true) / error:.1f} standard deviations")
    scaled = np.array([(value - truth) / jnp.sqrt(jnp.diagonal(c)) for value, c in fits])
    print(f"in {DRAWS} draws: mean {scaled.mean(axis=0).round(2)}, spread {scaled.std(axis=0).round(2)} standard deviations")
    draw(out / "recover_parameters.png", times, exact + noise[0], found, density(guess, times), scaled)


def draw(path, times, measured, found, guessed, scaled):
    """Measured and fitted densities, and where the fits of all draws lie."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.5, 1])
    fine = jnp.linspace(0.0, times[-1], 201)
    fitted = density(found, fine)
    for site, colour in ((0, "#d1495b"), (1, "#2e78b7"), (2, "#3a9e6f")):
        left.plot(times, measured[:, 0, site], "o", ms=4, color=colour, label=f"site {site}, measured")
        left.plot(fine, fitted[:, 0, site], color=colour, label="fitted")
        left.plot(times, guessed[:, 0, site], ":", color=colour, label="first guess")
    left.set(xlabel="time  (ħ/J)", ylabel="spin-up electrons", title=f"{SITES} sites, noise {NOISE:g}", ylim=(-0.2, 1.1))
    left.legend(ncols=3, fontsize="small", frameon=False, loc="lower center")
    normal = np.linspace(-4, 4, 200)
    for k, (name, colour) in enumerate(zip(NAMES, ("#8357a8", "#e5a000", "#7a6a58"), strict=True)):
        right.hist(scaled[:, k], bins=np.linspace(-4, 4, 17), density=True, histtype="step", lw=1.8, color=colour, label=name)
    right.plot(normal, np.exp(-(normal**2) / 2) / np.sqrt(2 * np.pi), "k--", lw=1, label="normal distribution")
    right.set(xlabel="(found - true) / statistical error", title=f"{len(scaled)} draws of the noise", yticks=[], ylim=(0, 0.75))
    right.legend(frameon=False, fontsize="small", loc="upper left")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    print(path)


if __name__ == "__main__":
    main()
