"""Homogeneous states: one pseudospin for each pair of momenta (k, k + pi), and the staggered oscillator that they all see.

With rho_k = 1/2 + s_k . sigma in the basis (k, k + pi), and Q_i = s_i Q, n_i = 1/2 + s_i m on the sites,

    ds_k/dt = 2 h_k x s_k,    h_k = (-g Q, 0, e_k),    m = (2/N) sum_k s_k^x,    dQ/dt = K P,    dP/dt = -K Q + eta g m

(Anderson's pseudospins, Phys. Rev. 112, 1900 (1958)). A state without noise never leaves this set, so that N numbers serve for
N^2. The hopping turns the spins about z, the oscillator about x at constant m: both exactly.

Conserved: the length of every spin; the energy per site, as long as the parameters are constant.
"""

from collections.abc import Callable, Mapping

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from qnano.border import numbers
from qnano.dynamics import AbstractSolver, AbstractSplitDynamics, Form
from qnano.holstein.ehrenfest import STEP
from qnano.holstein.ground_state import COLD, falling_root, gap_order
from qnano.holstein.hopping import band, cosines
from qnano.holstein.model import Holstein, force, oscillate
from qnano.solvers.splitting import blanes_moan
from qnano.solvers.stepping import fixed


class PseudospinState(eqx.Module):
    """`spins` s_k, shape (component x y z, pair of momenta), and the staggered `displacement` Q and `momentum` P, numbers."""

    spins: Float[Array, "3 pair"]
    displacement: Float[Array, ""]
    momentum: Float[Array, ""]


class Pseudospins(AbstractSplitDynamics):
    """The homogeneous Holstein model.

    `model`: the Hamiltonian; raises `ValueError` where its sites differ.

    The state is a `PseudospinState`; `thermal_state` makes one.
    """

    model: Holstein

    def __check_init__(self):
        if not self.model.is_uniform:
            raise ValueError("model: got parameters of single sites; pseudospins need all sites alike")

    @property
    def forms(self) -> Mapping[str, Form]:
        return {
            ".spins": Form((3, self.model.sites // 2), is_complex=False),
            ".displacement": Form((), is_complex=False),
            ".momentum": Form((), is_complex=False),
        }

    @property
    def energies(self) -> Float[Array, " pair"]:
        """e_k of the first of each pair of momenta: k < pi along the first axis."""
        return band(self.model.sides, self.model.hopping)[: self.model.sites // 2]

    def thermal_state(
        self,
        t: Float[ArrayLike, ""] = 0.0,
        temperature: Float[ArrayLike, ""] = COLD,
        displacement: Float[ArrayLike, ""] | None = None,
    ) -> PseudospinState:
        """Spins against their fields at the parameters of time t, in the lattice of the gap equation or the one given.

        Raises `ValueError` for a temperature that is not positive, and for what is no number.
        """
        numbers("t", t, shape=())
        numbers("temperature", temperature, shape=(), above=0.0)
        if displacement is not None:
            numbers("displacement", displacement, shape=())
        q = gap_order(self.model, t, temperature) if displacement is None else jnp.asarray(displacement)
        x, z = -self.model.phonons(t).coupling[0] * q, self.energies
        square = x**2 + z**2
        length = jnp.sqrt(jnp.where(square > 0, square, 1.0))
        against = jnp.where(square > 0, -jnp.tanh(length / (2 * temperature)) / (2 * length), 0.0)
        return PseudospinState(against * jnp.stack([x + 0 * z, 0 * z, z]), q, jnp.zeros_like(q))

    def charge_order(self, state: PseudospinState) -> Float[Array, ""]:
        """m."""
        return 2 / self.model.sites * jnp.sum(state.spins[0])

    def drift(self, h: Float[ArrayLike, ""], state: PseudospinState) -> PseudospinState:
        x, y, z = state.spins
        cos, sin = jnp.cos(2 * h * self.energies), jnp.sin(2 * h * self.energies)
        return PseudospinState(jnp.stack([x * cos - y * sin, x * sin + y * cos, z]), state.displacement, state.momentum)

    def kick(self, t: Float[ArrayLike, ""], h: Float[ArrayLike, ""], state: PseudospinState) -> PseudospinState:
        x, y, z = state.spins
        q, p, angle = oscillate(self._oscillator(t), h, 0.5 + self.charge_order(state), state.displacement, state.momentum)
        cos, sin = jnp.cos(2 * angle), jnp.sin(2 * angle)
        return PseudospinState(jnp.stack([x, y * cos + z * sin, z * cos - y * sin]), q, p)

    def vector_field(self, t: Float[Array, ""], state: PseudospinState) -> PseudospinState:
        x, y, z = state.spins
        oscillator = self._oscillator(t)
        field = -oscillator.coupling * state.displacement
        turning = 2 * jnp.stack([-self.energies * y, self.energies * x - field * z, field * y])
        return PseudospinState(turning, *force(oscillator, 0.5 + self.charge_order(state), state.displacement, state.momentum))

    def observe(self, t: Float[Array, ""], state: PseudospinState) -> Mapping[str, Callable[[], Array]]:
        coupling, frequency, eta = self._oscillator(t)
        q, p, sites = state.displacement, state.momentum, self.model.sites

        def order():
            return self.charge_order(state)

        parts = {
            "hopping_energy": lambda: 2 * jnp.sum(self.energies * state.spins[2]),
            "coupling_energy": lambda: -sites * coupling * q * order(),
            "elastic_energy": lambda: sites * frequency / (2 * eta) * q**2,
            "phonon_kinetic_energy": lambda: sites * frequency / (2 * eta) * p**2,
        }
        return parts | {
            "energy": lambda: sum((part() for part in parts.values()), jnp.zeros(())),
            "charge_order": order,
            "lattice_order": lambda: q,
        }

    def invariants(self, t: Float[Array, ""], state: PseudospinState) -> dict[str, Float[Array, ""]]:
        kept = {"longest_spin": jnp.max(jnp.sum(state.spins**2, axis=0))}
        return kept | ({"energy": self.observe(t, state)["energy"]()} if self.model.is_autonomous else {})

    def limits(self, t: Float[Array, ""], state: PseudospinState) -> dict[str, Float[Array, ""]]:
        return {}

    @property
    def jumps(self) -> tuple[Float[Array, ""], ...]:
        return self.model.jumps

    @property
    def default_solver(self) -> AbstractSolver:
        return fixed(blanes_moan(), STEP)

    def _oscillator(self, t):
        phonons = self.model.phonons(t)
        return type(phonons)(*(field[0] for field in phonons))


def growth_rate(model: Holstein, t: Float[ArrayLike, ""] = 0.0) -> Float[Array, ""]:
    """The rate G at which a staggered disturbance of the half-filled metal at zero temperature grows as exp(G t); 0 if it does not.

    Linearised about Q = 0 the pseudospins give G^2 + K^2 = (K eta g^2 / N) sum_k 2 |e_k| / (4 e_k^2 + G^2); half-filled levels
    at e_k = 0 do not respond. Raises `ValueError` where sites differ.
    """
    numbers("t", t, shape=())
    coupling, frequency, eta = Pseudospins(model)._oscillator(t)
    energies = jnp.abs(band(model.sides, model.hopping)[np.flatnonzero(cosines(model.sides))])

    def excess(rate: Float[Array, ""]) -> Float[Array, ""]:
        response = jnp.sum(2 * energies / (4 * energies**2 + rate**2)) / model.sites
        return frequency * eta * coupling**2 * response - rate**2 - frequency**2

    at_rest = excess(jnp.zeros_like(coupling))
    most = jnp.sqrt(jnp.where(at_rest > 0, at_rest, 1.0))  # excess(G) <= excess(0) - G^2
    return jnp.where(at_rest > 0, falling_root(excess, most), 0.0)
