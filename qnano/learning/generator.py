"""A surrogate that keeps the physics: a Hermitian generator of the electrons' motion over an interval h.

    rho -> U rho U^+,    U = exp(-i K),    K = h T - diag(phi) + D + D^+,    Q, P by the oscillator's exact motion

so that hermiticity, trace and every eigenvalue of rho stay to round-off, whatever the network says; and so does the energy, which
is restored at the end by scaling the oscillators' distances from equilibrium. phi_i = g int Q_i dt is what an electron on site i
gains if the densities stood still. The network corrects three things on every site, from the states of the sites
around it: the phase, the elements D_{i,i+d} of K for d = 1 ... reach, and the two mean densities that drive Q and P. Corrections
carry a factor h g and vanish with either, where the rest is exact.

All sites share the network, which sees densities, phonons and bonds rho_{i,i+d} (d = 1 ... reach) nearby, and g, K and h: one set
of weights serves any ring, coupling and interval. Translations and reflections are symmetries: the corrections are averaged over
both directions of the ring.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, PRNGKeyArray

from qnano.border import numbers, random_key
from qnano.config.sizes import MOST_LAYERS
from qnano.holstein.ehrenfest import EhrenfestState
from qnano.holstein.hopping import hop
from qnano.holstein.model import Phonons, oscillate
from qnano.learning.surrogates import AbstractSurrogate, Conditions

TERMS = 18  # of the exponential's series at norm 1/2: round-off in double precision
HALVINGS = 6  # serve norms up to 32
LEFT = 1e-4  # of the oscillators' energy, at least


class RingConvolution(eqx.Module):
    """A periodic convolution over three neighbouring sites."""

    weight: Float[Array, "out 3 channel"]
    bias: Float[Array, " out"]

    def __init__(self, channels: int, out: int, key: PRNGKeyArray, size: float = 1.0):
        reach = size * (6 / (3 * (channels + out))) ** 0.5
        self.weight = jax.random.uniform(key, (out, 3, channels), jnp.float32, -reach, reach)
        self.bias = jnp.zeros(out, jnp.float32)

    def __call__(self, x: Float[Array, "site channel"]) -> Float[Array, "site out"]:
        around = jnp.stack([jnp.roll(x, 1, 0), x, jnp.roll(x, -1, 0)], axis=1)
        return jnp.einsum("idc,odc->io", around, self.weight) + self.bias


class GeneratorNetwork(AbstractSurrogate):
    """The network and what it corrects; nothing at first but small random numbers."""

    layers: tuple[RingConvolution, ...]
    reach: int = eqx.field(static=True)

    def __init__(self, width: int, depth: int, reach: int, key: PRNGKeyArray):
        for name, count, most in (("width", width, None), ("depth", depth, MOST_LAYERS), ("reach", reach, None)):
            numbers(name, count, kind="integer", shape=(), least=1, most=most)
        random_key("key", key)
        sizes = (3 + 2 * reach + 3, *(width,) * depth, 3 + 2 * reach)
        keys = jax.random.split(key, depth + 1)
        self.layers = tuple(
            RingConvolution(a, b, key, 0.01 if k == depth else 1.0)
            for k, (a, b, key) in enumerate(zip(sizes, sizes[1:], keys, strict=False))
        )
        self.reach = reach

    def __call__(
        self, state: EhrenfestState, conditions: Conditions, key: PRNGKeyArray | None = None
    ) -> tuple[EhrenfestState, None]:
        rho, q, p = state.electrons, state.displacement, state.momentum
        density = jnp.diagonal(rho).real
        coupling, h = conditions.coupling, conditions.interval
        phonons = Phonons(*(jnp.broadcast_to(x, q.shape) for x in (coupling, conditions.frequency, conditions.eta)))
        onsite, bonds = self._corrections(state, conditions)
        small = h * coupling
        phase = oscillate(phonons, h, density, q, p)[2] + small * onsite[:, 0]
        displaced = oscillate(phonons, h, density + small * onsite[:, 1], q, p)[0]
        pushed = oscillate(phonons, h, density + small * onsite[:, 2], q, p)[1]
        eye = jnp.eye(len(q), dtype=q.dtype)
        links = jnp.zeros_like(eye)
        for d in range(self.reach):
            links = links + small * bonds[:, d, None] * jnp.roll(eye, d + 1, axis=1)
        generator = h * hop((len(q),), 1.0, eye) - jnp.diag(phase) + links + links.conj().T
        unitary = exponential(generator)
        after = EhrenfestState(unitary @ rho @ unitary.conj().T, displaced, pushed)
        return with_energy_of(state, after, conditions), None

    def _corrections(
        self, state: EhrenfestState, conditions: Conditions
    ) -> tuple[Float[Array, "site 3"], Complex[Array, "site reach"]]:
        """On sites, and on the bonds from each site to those on its right; the mean over both directions of the ring."""
        mirror = EhrenfestState(state.electrons[::-1, ::-1], state.displacement[::-1], state.momentum[::-1])
        onsite, bonds = self._one_way(state, conditions)
        onsite_back, bonds_back = self._one_way(mirror, conditions)
        # Bond (i, i + d) of the mirrored ring is (N - 1 - i - d, N - 1 - i) of the ring, read from its other end.
        turned = [jnp.roll(bonds_back[::-1, d].conj(), -(d + 1)) for d in range(self.reach)]
        return (onsite + onsite_back[::-1]) / 2, (bonds + jnp.stack(turned, axis=1)) / 2

    def _one_way(
        self, state: EhrenfestState, conditions: Conditions
    ) -> tuple[Float[Array, "site 3"], Complex[Array, "site reach"]]:
        rho, q, p = state.electrons, state.displacement, state.momentum
        sites = jnp.arange(len(q))
        near = jnp.stack([rho[sites, (sites + d) % len(q)] for d in range(1, self.reach + 1)], axis=1)
        told = jnp.broadcast_to(jnp.stack([conditions.coupling, conditions.frequency, conditions.interval]), (len(q), 3))
        fields = jnp.stack([2 * jnp.diagonal(rho).real - 1, q, p], axis=1)
        x = jnp.concatenate([fields, near.real, near.imag, told.astype(q.dtype)], axis=1)
        for layer in self.layers[:-1]:
            x = jnp.tanh(layer(x))
        x = self.layers[-1](x)
        return x[:, :3], jax.lax.complex(x[:, 3 : 3 + self.reach], x[:, 3 + self.reach :])


def with_energy_of(before: EhrenfestState, after: EhrenfestState, conditions: Conditions) -> EhrenfestState:
    """`after` with the energy of `before`: all oscillators' distances from equilibrium are scaled by one number.

    Where even oscillators at rest would have too much, they are left with a little.
    """
    wanted = sum(_energies(before, conditions))
    oscillating, others = _energies(after, conditions)
    ratio = (wanted - others) / jnp.maximum(oscillating, jnp.finfo(oscillating.dtype).tiny)
    scale = jnp.sqrt(jnp.maximum(ratio, LEFT))
    rest = _equilibrium(after, conditions)
    return EhrenfestState(after.electrons, rest + scale * (after.displacement - rest), scale * after.momentum)


def _energies(state: EhrenfestState, conditions: Conditions) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """K / (2 eta) sum_i (Q_i - Q_e,i)^2 + P_i^2, and what else there is."""
    rest, stiffness = _equilibrium(state, conditions), conditions.frequency / conditions.eta
    hopping = -2 * jnp.sum(jnp.diagonal(jnp.roll(state.electrons, -1, axis=1)).real)
    distances = jnp.sum((state.displacement - rest) ** 2 + state.momentum**2)
    return stiffness / 2 * distances, hopping - stiffness / 2 * jnp.sum(rest**2)


def _equilibrium(state: EhrenfestState, conditions: Conditions) -> Float[Array, " site"]:
    """Q_e = eta g (n - 1/2) / K."""
    density = jnp.diagonal(state.electrons).real
    return conditions.eta * conditions.coupling / conditions.frequency * (density - 0.5)


def exponential(generator: Complex[Array, "site site"]) -> Complex[Array, "site site"]:
    """exp(-i K) of a Hermitian K by its power series and squarings, which a batch does as one product."""
    x = -1j * generator / 2**HALVINGS
    eye = jnp.eye(len(x), dtype=x.dtype)
    total = eye + x / TERMS
    for n in range(TERMS - 1, 0, -1):
        total = eye + (x @ total) / n
    for _ in range(HALVINGS):
        total = total @ total
    return total
