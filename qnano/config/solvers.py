"""Time and the solvers that step through it."""

import math
import sys
from typing import Annotated, Literal

from pydantic import Field, model_validator

from qnano.border import got

from .base import Config, Integer, Number, Positive, Real, require

STRETCHES = 20
MOST_STEPS = 100_000  # of one propagation


class Time(Config):
    """The times at which results are saved: `samples` of them, evenly spaced from `start` to `end`."""

    start: Number = Field(0.0, description="first time, in hbar/J")
    end: Number = Field(description="last time, in hbar/J")
    samples: Annotated[Integer, Field(ge=2)] = Field(description="number of saved times, both ends included")

    @model_validator(mode="after")
    def _runs_forward(self):
        if self.end <= self.start:
            require([("end", got(self.end, f"must be greater than time.start ({self.start:g})"))])
        if not self.resolved_by(sys.float_info.epsilon):
            require([("samples", got(self.samples, f"too many between {self.start:g} and {self.end:g} to be told apart"))])
        return self

    def resolved_by(self, precision: float) -> bool:
        """Whether numbers of a relative precision tell the times apart, with room for steps in between."""
        span = self.end - self.start
        finest = max(8 * precision * max(abs(self.start), abs(self.end)), sys.float_info.min)
        return math.isfinite(span) and span / finest > self.samples - 1


Tolerance = Annotated[Real, Field(gt=0, lt=1)]


class Auto(Config):
    """The solver that suits the method and the Hamiltonian."""

    kind: Literal["auto"] = "auto"


class Chebyshev(Config):
    """Chebyshev expansion of exp(-iHt), for the exact method with a Hamiltonian that does not change."""

    kind: Literal["chebyshev"] = "chebyshev"
    tolerance: Tolerance = Field(1e-12, description="largest norm of the terms left out")


class AbstractAdaptive(Config):
    """A solver that chooses its steps."""

    rtol: Tolerance = Field(1e-8, description="relative error allowed per step")
    atol: Tolerance = Field(1e-10, description="absolute error allowed per step")


class Magnus(AbstractAdaptive):
    """Fourth-order Magnus integrator, for the exact method under any Hamiltonian."""

    kind: Literal["magnus"] = "magnus"


class RungeKutta(AbstractAdaptive):
    """An adaptive Runge-Kutta pair."""

    kind: Literal["tsit5", "dopri5", "dopri8"]


class RK4(Config):
    """The classical Runge-Kutta method with a fixed step."""

    kind: Literal["rk4"] = "rk4"
    dt: Positive = Field(description="time step, in hbar/J")


class Strang(Config):
    """Second-order splitting with a fixed step, for the Holstein model."""

    kind: Literal["strang"] = "strang"
    dt: Positive = Field(description="longest time step, in hbar/J")


class BlanesMoan(Config):
    """Splitting of order 4 or 6 by Blanes and Moan with a fixed step, for the Holstein model."""

    kind: Literal["blanes_moan"] = "blanes_moan"
    order: Literal[4, 6] = Field(6, description="order of the scheme")
    dt: Positive = Field(0.25, description="longest time step, in hbar/J")


# By kind, what makes the solver, or the scheme of one that steps: it is given every other setting, by its name, but those of the
# steps (rtol and atol, or dt). Named, not imported, since the schema never imports JAX.
MAKERS = {
    "chebyshev": "qnano.solvers.chebyshev:Chebyshev",
    "magnus": "qnano.solvers.magnus:Magnus",
    "tsit5": "diffrax:Tsit5",
    "dopri5": "diffrax:Dopri5",
    "dopri8": "diffrax:Dopri8",
    "rk4": "qnano.solvers.rk4:RK4",
    "strang": "qnano.solvers.splitting:strang",
    "blanes_moan": "qnano.solvers.splitting:blanes_moan",
}

EXACT_SOLVERS = ("chebyshev", "magnus")  # for a wavefunction of lattice electrons alone
SPLIT_SOLVERS = ("strang", "blanes_moan")  # for motions of two solvable parts alone
Fixed = RK4 | Strang | BlanesMoan  # of a step that is given
Solver = Annotated[Auto | Chebyshev | Magnus | RungeKutta | RK4 | Strang | BlanesMoan, Field(discriminator="kind")]


def stretches(samples: int) -> list[tuple[int, int]]:
    """First and last row of each stretch, the last row of one being the first of the next; equally long where possible."""
    intervals = samples - 1
    near = range(STRETCHES // 2, 2 * STRETCHES + 1)
    parts = min((n for n in near if intervals % n == 0), key=lambda n: abs(n - STRETCHES), default=STRETCHES)
    length = -(-intervals // parts)
    return [(first, min(first + length, intervals)) for first in range(0, intervals, length)]
