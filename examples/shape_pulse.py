"""A pulse that brings a chain to a wanted double occupancy, shaped by reverse mode through `propagate`.

A half-filled chain in the ground state of U = 6 J is driven by a vector potential A(t) = sum_k a_k sin(k pi t / T). What is
minimised is the distance of the mean double occupancy at T from the wanted one, and a little of the pulse's strength: one
`filter_grad` gives the derivatives by all amplitudes, and Adam (optax) follows them.

    python examples/shape_pulse.py
"""

import argparse
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float
from matplotlib.figure import Figure

from qnano import lattice, runtime
from qnano.fields import AbstractField
from qnano.hubbard.exact import ExactHubbard
from qnano.hubbard.ground_state import ground_state
from qnano.hubbard.model import FermiHubbard
from qnano.propagation import propagate
from qnano.solvers.magnus import Magnus
from qnano.solvers.stepping import adaptive

SITES, INTERACTION, DURATION, WANTED, STEPS = 4, 6.0, 6.0, 0.2, 60
SOLVER = adaptive(Magnus(), rtol=1e-6, atol=1e-8)


class Sines(AbstractField):
    """f(t) = sum_k amplitudes[k] sin((k + 1) pi t / duration), a vector along the chain; 0 at both ends."""

    amplitudes: Float[Array, " k"]
    duration: float = eqx.field(static=True)

    def __call__(self, t):
        orders = jnp.arange(1, self.amplitudes.size + 1)
        return jnp.sum(self.amplitudes * jnp.sin(orders * jnp.pi * t / self.duration))[None]

    @property
    def jumps(self):
        return ()

    @property
    def is_constant(self):
        return False


def model(pulse=None):
    return FermiHubbard(lattice.chain(SITES), (SITES // 2, SITES // 2), interaction=INTERACTION, vector_potential=pulse)


def double_occupancy(pulse, psi, times):
    """The mean over the sites at all `times`."""
    dynamics = ExactHubbard(model(pulse))
    trajectory = propagate(dynamics, psi, times, solver=SOLVER, observables=("double_occupancy",), monitor=False)
    return trajectory.observables["double_occupancy"].mean(axis=1)


@eqx.filter_jit
@eqx.filter_value_and_grad
def loss(pulse, psi):
    reached = double_occupancy(pulse, psi, jnp.array([0.0, DURATION]))[-1]
    return (reached - WANTED) ** 2 + 1e-5 * jnp.sum(pulse.amplitudes**2)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--out", type=Path, default=Path(__file__).parent / "figures")
    out = options.parse_args().out
    runtime.start()
    psi = ground_state(model()).psi
    pulse = first = Sines(jnp.full(12, 0.05), DURATION)
    adam = optax.adam(0.03)
    state, losses = adam.init(pulse), []
    for _ in range(STEPS):
        value, slope = loss(pulse, psi)
        update, state = adam.update(slope, state)
        pulse = eqx.apply_updates(pulse, update)
        losses.append(float(value))
    times = jnp.linspace(0.0, DURATION, 121)
    before, after = (double_occupancy(p, psi, times) for p in (first, pulse))
    print(f"double occupancy at T: wanted {WANTED:g}, at first {before[-1]:.4f}, reached {after[-1]:.4f}")
    draw(out / "shape_pulse.png", times, (first, pulse), (before, after), losses)


def draw(path, times, pulses, occupancies, losses):
    """The pulse and the double occupancy over time, at first and at last, and the way there."""
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for name, style, pulse, occupancy in zip(("first guess", "shaped"), (":", "-"), pulses, occupancies, strict=True):
        left.plot(times, [float(pulse(t)[0]) for t in times], style, color="#8357a8", label=name)
        middle.plot(times, occupancy, style, color="#2e78b7", label=name)
    middle.axhline(WANTED, color="#d1495b", lw=1, ls="--", label="wanted at the end")
    right.semilogy(losses, color="#111111")
    left.set(xlabel="time  (ħ/J)", ylabel="vector potential A(t)", title=f"{SITES} sites, U = {INTERACTION:g} J")
    middle.set(xlabel="time  (ħ/J)", ylabel="mean double occupancy")
    right.set(xlabel="step of Adam", ylabel="loss")
    left.legend(frameon=False, fontsize="small")
    middle.legend(frameon=False, fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    print(path)


if __name__ == "__main__":
    main()
