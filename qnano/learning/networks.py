"""Networks, and the invariants that they look at.

A closure must not care for the phases of the orbitals (a gauge transformation c_i -> exp(i phi_i) c_i) or for the numbering of
the sites. So a network that is shared over sites sees only numbers that no phase changes, of one site or of a pair of sites,
and returns coefficients, which then multiply tensors that transform as they should (`qnano.learning.terms`).

Every network ends in a layer that starts at zero: an untrained closure is the closure on which it is built.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from qnano.border import numbers, random_key
from qnano.config.sizes import MOST_LAYERS
from qnano.fermions.types import OneRDM, TwoRDM

SITE_INVARIANTS, PAIR_INVARIANTS, BULK_INVARIANTS = 3, 4, 3


def feedforward(inputs: int, outputs: int, width: int, depth: int, key: PRNGKeyArray) -> eqx.nn.MLP:
    """A dense network of `depth` hidden layers (tanh) whose last layer is zero.

    Raises `ValueError` for a `width` or `depth` below 1 or too many layers, or what is no key.
    """
    numbers("width", width, kind="integer", shape=(), least=1)
    numbers("depth", depth, kind="integer", shape=(), least=1, most=MOST_LAYERS)
    random_key("key", key)
    return quiet(eqx.nn.MLP(inputs, outputs, width, depth, activation=jax.nn.tanh, key=key))


def quiet(network: eqx.nn.MLP) -> eqx.nn.MLP:
    """The same network with its last layer at zero."""

    def last(n):
        return (n.layers[-1].weight, n.layers[-1].bias)

    return eqx.tree_at(last, network, replace_fn=jnp.zeros_like)


def site_invariants(one_rdm: OneRDM, cumulant: TwoRDM) -> Float[Array, "s 3"]:
    """n_i - 1/2, the correlated double occupancy L_iiii, and the coherence sum_{j != i} |d_ij|^2."""
    occupation = jnp.diagonal(one_rdm).real
    double = jnp.einsum("iiii->i", cumulant).real
    coherence = jnp.sum(jnp.abs(one_rdm) ** 2, axis=1) - occupation**2
    return jnp.stack([occupation - 0.5, double, coherence], axis=-1)


def pair_invariants(one_rdm: OneRDM, cumulant: TwoRDM) -> Float[Array, "s s 4"]:
    """|d_ij|^2, correlations of density L[ij;ij] and of spin L[ij;ji], and the hopping of pairs |L[ii;jj]|^2."""
    density = jnp.einsum("ijij->ij", cumulant).real
    spin = jnp.einsum("ijji->ij", cumulant).real
    pairs = jnp.abs(jnp.einsum("iijj->ij", cumulant)) ** 2
    return jnp.stack([jnp.abs(one_rdm) ** 2, density, spin, pairs], axis=-1)


def bulk_invariants(one_rdm: OneRDM, cumulant: TwoRDM) -> Float[Array, " 3"]:
    """Per site: |L|^2, tr d (1 - d), and the correlated double occupancy. They do not grow with the system."""
    sites = len(one_rdm)
    fraction = jnp.trace(one_rdm - one_rdm @ one_rdm).real
    double = jnp.einsum("iiii->", cumulant).real
    return jnp.stack([jnp.sum(jnp.abs(cumulant) ** 2), fraction, double]) / sites


class SiteNetwork(eqx.Module):
    """Coefficients c_m[a, b, x, y], the same function at every site of a system of any size.

    Each site gathers what surrounds it, with weights that depend on the pair (near neighbours through d_ij, far ones through the
    correlations of density, spin and pairs); the coefficients depend on the four sites and on the six pairs among them:

        u_i = tanh(A s_i),    v_i = tanh(B u_i + sum_{j != i} (C p_ij) u_j),
        c[a,b,x,y] = W tanh(sum over the four sites of E_k v + sum over the six pairs of F_k p) + constants.

    Beside the invariants of a site, s_i may hold `more` numbers, which are given with each call.
    """

    own: eqx.nn.Linear
    kept: eqx.nn.Linear
    gathered: eqx.nn.Linear
    at_site: Float[Array, "4 width width"]
    at_pair: Float[Array, "6 width 4"]
    last: eqx.nn.Linear

    def __init__(self, outputs: int, width: int, more: int = 0, *, key: PRNGKeyArray):
        numbers("width", width, kind="integer", shape=(), least=1)
        random_key("key", key)
        keys = jax.random.split(key, 6)
        self.own = eqx.nn.Linear(SITE_INVARIANTS + more, width, key=keys[0])
        self.kept = eqx.nn.Linear(width, width, key=keys[1])
        self.gathered = eqx.nn.Linear(PAIR_INVARIANTS, width, use_bias=False, key=keys[2])
        self.at_site = jax.random.normal(keys[3], (4, width, width)) / (2 * width**0.5)
        self.at_pair = jax.random.normal(keys[4], (6, width, PAIR_INVARIANTS)) / 2
        last = eqx.nn.Linear(width, outputs, key=keys[5])
        self.last = eqx.tree_at(lambda x: (x.weight, x.bias), last, replace_fn=jnp.zeros_like)

    def __call__(self, one_rdm: OneRDM, cumulant: TwoRDM, more: Float[Array, "s more"] | None = None) -> Float[Array, "m s s s s"]:
        pairs, given = pair_invariants(one_rdm, cumulant), site_invariants(one_rdm, cumulant)
        if more is not None:
            given = jnp.concatenate([given, more], axis=1)
        sites = jnp.tanh(jax.vmap(self.own)(given))
        weights = jax.vmap(jax.vmap(self.gathered))(pairs) * (1 - jnp.eye(len(one_rdm)))[:, :, None]
        sites = jnp.tanh(jax.vmap(self.kept)(sites) + jnp.einsum("ijw,jw->iw", weights, sites))
        hidden = _spread(jnp.einsum("kvw,iw->kiv", self.at_site, sites), ("a", "b", "x", "y"))
        hidden += _spread(jnp.einsum("kvp,ijp->kijv", self.at_pair, pairs), ("ab", "ax", "ay", "bx", "by", "xy"))
        bias = jnp.zeros(()) if self.last.bias is None else self.last.bias[:, None, None, None, None]
        return jnp.einsum("mw,abxyw->mabxy", self.last.weight, jnp.tanh(hidden)) + bias


def _spread(parts: Float[Array, "k *s width"], places: tuple[str, ...]) -> Float[Array, "..."]:
    """The sum of the parts, each with its axes at these places among a, b, x, y."""
    total = jnp.zeros(())
    for part, place in zip(parts, places, strict=True):
        total += jnp.expand_dims(part, [k for k, axis in enumerate("abxy") if axis not in place])
    return total
