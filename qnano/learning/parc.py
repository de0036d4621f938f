"""The convolutional surrogates of Ning, Yang and Chern (arXiv:2412.06631).

They follow PARC (Nguyen et al., Sci. Adv. 9, eadd6868 (2023)). The state is an image of L x L pixels with four channels, Re rho,
Im rho, diag Q and diag P; of what comes out, the last two are read on the diagonal alone. A trunk is

    convolution 3 x 3, tanh;  blocks x -> x + convolution(dropout(tanh(norm(convolution(tanh(norm(x)))))));  tanh, convolution 1 x 1

with periodic boundaries and a layer norm over the channels of each pixel. Inputs and outputs are scaled by fixed numbers, the
largest magnitudes in the data. `SingleNetwork` maps the state to its change over one interval; `Parc` the state to its derivative,
and that alone to the change. Neither knows the Hamiltonian or the interval, and neither keeps rho Hermitian or its trace.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from qnano.border import numbers, random_key
from qnano.holstein.ehrenfest import EhrenfestState
from qnano.learning.surrogates import AbstractSurrogate, Conditions

GAIN = 5 / 3  # of Xavier's rule for tanh
Image = Float[Array, "channel site site"]


class Scales(NamedTuple):
    """The largest magnitudes of rho (real or imaginary part), Q and P; or of their changes, or rates."""

    electrons: float
    displacement: float
    momentum: float

    @property
    def channels(self) -> Float[np.ndarray, "channel 1 1"]:
        """One number for each channel of an image."""
        return np.array([self.electrons, self.electrons, self.displacement, self.momentum], np.float32)[:, None, None]


def image(state: EhrenfestState) -> Image:
    """Re rho, Im rho, diag Q, diag P."""
    rho = state.electrons
    return jnp.stack([rho.real, rho.imag, jnp.diag(state.displacement), jnp.diag(state.momentum)])


def from_image(x: Image) -> EhrenfestState:
    """The opposite of `image`, which takes no notice of Q and P off the diagonal."""
    return EhrenfestState(jax.lax.complex(x[0], x[1]), jnp.diagonal(x[2]), jnp.diagonal(x[3]))


class Convolution(eqx.Module):
    """A periodic convolution, as one matrix product: XLA's own is slow inside a loop on CPU. Weights by Xavier's rule, or zero."""

    weight: Float[Array, "out channel width width"]
    bias: Float[Array, "out 1 1"]

    def __init__(self, channels: int, out: int, width: int, key: PRNGKeyArray, *, zero: bool = False):
        reach = GAIN * (6 / ((channels + out) * width**2)) ** 0.5
        shape = (out, channels, width, width)
        self.weight = jnp.zeros(shape, jnp.float32) if zero else jax.random.uniform(key, shape, jnp.float32, -reach, reach)
        self.bias = jnp.zeros((out, 1, 1), jnp.float32)

    def __call__(self, x: Image) -> Float[Array, "out site site"]:
        out, _, width, _ = self.weight.shape
        around, (rows, columns) = width // 2, x.shape[1:]
        padded = jnp.pad(x, ((0, 0), (around, around), (around, around)), mode="wrap")
        shifted = [padded[:, i : i + rows, j : j + columns] for i in range(width) for j in range(width)]
        weight = jnp.moveaxis(self.weight, 1, -1).reshape(out, -1)
        return jnp.einsum("oc,cij->oij", weight, jnp.concatenate(shifted)) + self.bias


class Norm(eqx.Module):
    """Layer norm over the channels of each pixel."""

    weight: Float[Array, "channel 1 1"]
    bias: Float[Array, "channel 1 1"]

    def __init__(self, channels: int):
        self.weight = jnp.ones((channels, 1, 1), jnp.float32)
        self.bias = jnp.zeros((channels, 1, 1), jnp.float32)

    def __call__(self, x: Image) -> Image:
        away = x - x.mean(axis=0)
        return away * jax.lax.rsqrt(jnp.mean(away**2, axis=0) + 1e-5) * self.weight + self.bias


class Block(eqx.Module):
    """A residual block; whole channels are dropped before its second convolution."""

    norms: tuple[Norm, Norm]
    convolutions: tuple[Convolution, Convolution]
    dropout: float = eqx.field(static=True)

    def __init__(self, channels: int, dropout: float, key: PRNGKeyArray):
        self.norms = (Norm(channels), Norm(channels))
        one, other = jax.random.split(key)
        self.convolutions = (Convolution(channels, channels, 3, one), Convolution(channels, channels, 3, other))
        self.dropout = dropout

    def __call__(self, x: Image, key: PRNGKeyArray | None) -> Image:
        y = self.convolutions[0](jnp.tanh(self.norms[0](x)))
        y = jnp.tanh(self.norms[1](y))
        if key is not None and self.dropout > 0:
            kept = jax.random.bernoulli(key, 1 - self.dropout, (len(y), 1, 1))
            y = jnp.where(kept, y / (1 - self.dropout), 0.0)
        return x + self.convolutions[1](y)


class Trunk(eqx.Module):
    """From an image to an image; the zero map at first where `zero`."""

    first: Convolution
    blocks: tuple[Block, ...]
    last: Convolution

    def __init__(self, channels: int, blocks: int, dropout: float, key: PRNGKeyArray, *, zero: bool):
        numbers("channels", channels, kind="integer", shape=(), least=1)
        numbers("blocks", blocks, kind="integer", shape=(), least=0)
        numbers("dropout", dropout, shape=(), least=0.0, most=0.99)
        random_key("key", key)
        begin, end, *keys = jax.random.split(key, 2 + blocks)
        self.first = Convolution(4, channels, 3, begin)
        self.blocks = tuple(Block(channels, dropout, key) for key in keys)
        self.last = Convolution(channels, 4, 1, end, zero=zero)

    def __call__(self, x: Image, key: PRNGKeyArray | None) -> Image:
        x = jnp.tanh(self.first(x))
        for k, block in enumerate(self.blocks):
            x = block(x, None if key is None else jax.random.fold_in(key, k))
        return self.last(jnp.tanh(x))


class SingleNetwork(AbstractSurrogate):
    """state + change scale * trunk(state / state scale). Raises `ValueError` for scales that are not positive."""

    trunk: Trunk
    states: Scales = eqx.field(static=True)
    changes: Scales = eqx.field(static=True)

    def __init__(self, channels: int, blocks: int, dropout: float, states: Scales, changes: Scales, key: PRNGKeyArray):
        _require_positive(states=states, changes=changes)
        self.trunk = Trunk(channels, blocks, dropout, key, zero=True)
        self.states, self.changes = states, changes

    def __call__(
        self, state: EhrenfestState, conditions: Conditions, key: PRNGKeyArray | None = None
    ) -> tuple[EhrenfestState, None]:
        change = jnp.asarray(self.changes.channels) * self.trunk(image(state) / self.states.channels, key)
        return _sum(state, from_image(change)), None


class Parc(AbstractSurrogate):
    """With d = differentiator(state / state scale): state + change scale * integrator(d). The rate halfway is rate scale * d.

    Raises `ValueError` for scales that are not positive.
    """

    differentiator: Trunk
    integrator: Trunk
    states: Scales = eqx.field(static=True)
    rates: Scales = eqx.field(static=True)
    changes: Scales = eqx.field(static=True)

    def __init__(
        self, channels: int, blocks: int, dropout: float, states: Scales, rates: Scales, changes: Scales, key: PRNGKeyArray
    ):
        _require_positive(states=states, rates=rates, changes=changes)
        one, other = jax.random.split(key)
        self.differentiator = Trunk(channels, blocks, dropout, one, zero=False)
        self.integrator = Trunk(channels, blocks, dropout, other, zero=True)
        self.states, self.rates, self.changes = states, rates, changes

    def __call__(
        self, state: EhrenfestState, conditions: Conditions, key: PRNGKeyArray | None = None
    ) -> tuple[EhrenfestState, EhrenfestState]:
        keys = (None, None) if key is None else jax.random.split(key)
        slope = from_image(jnp.asarray(self.rates.channels) * self.differentiator(image(state) / self.states.channels, keys[0]))
        change = jnp.asarray(self.changes.channels) * self.integrator(image(slope) / self.rates.channels, keys[1])
        return _sum(state, from_image(change)), slope


def _require_positive(**scales: Scales) -> None:
    for name, scale in scales.items():
        numbers(name, scale, shape=(3,), above=0.0)


def _sum(state: EhrenfestState, change: EhrenfestState) -> EhrenfestState:
    return jax.tree.map(jnp.add, state, change)
