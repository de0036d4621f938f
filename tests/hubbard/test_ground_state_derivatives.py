"""Derivatives of the initial state, by perturbation theory, against central differences and the Hellmann-Feynman theorem."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qnano import lattice
from qnano.fields import Pattern, as_field
from qnano.hubbard.exact import HubbardHamiltonian
from qnano.hubbard.ground_state import eigenstate, fermi_sea, ground_state
from qnano.hubbard.model import FermiHubbard

SITES = 4
POINT = [jnp.array(x) for x in (2.0, 1.1, 0.3)]
ALONG = [jnp.array(x) for x in (1.0, 0.7, -0.4)]


def model(interaction, hopping, trap, flux=0.0):
    return FermiHubbard(
        lattice.chain(SITES, periodic=True),
        (2, 1),
        hopping=jnp.exp(1j * flux) * jnp.stack([1.0, hopping, 1.0, 0.8]) if flux else jnp.stack([1.0, hopping, 1.0, 0.8]),
        interaction=interaction,
        potential=Pattern(as_field(trap), (np.arange(SITES) - 1.2) ** 2),
    )


def central(function, step=1e-3):
    """The derivative along `ALONG`, with an error of order step^4."""

    def at(h):
        return function(*(x + h * v for x, v in zip(POINT, ALONG, strict=True)))

    def difference(h):
        return (at(h) - at(-h)) / (2 * h)

    return (4 * difference(step) - difference(2 * step)) / 3


def weights(interaction, hopping, trap, flux=0.0):
    """What does not depend on the phase of the state: |psi|^2 and the projector on it, from one row."""
    psi = ground_state(model(interaction, hopping, trap, flux)).psi
    return jnp.concatenate([jnp.abs(psi).ravel() ** 2, (psi[0, 0].conj() * psi).real.ravel()])


@pytest.mark.slow
@pytest.mark.parametrize("flux", [0.0, 0.4])
def test_the_state_follows_its_hamiltonian(flux):
    want = central(lambda *point: weights(*point, flux))
    _, forward = jax.jvp(lambda *point: weights(*point, flux), POINT, ALONG)
    np.testing.assert_allclose(forward, want, atol=1e-9)
    assert np.abs(want).max() > 0.05
    _, pullback = jax.vjp(lambda *point: weights(*point, flux), *POINT)
    reverse = sum(slope * v for slope, v in zip(pullback(want), ALONG, strict=True))
    np.testing.assert_allclose(reverse, want @ want, rtol=1e-8)


@pytest.mark.slow
def test_the_state_stays_normalised_and_keeps_its_phase():
    state, change = jax.jvp(lambda *point: ground_state(model(*point)).psi, POINT, ALONG)
    np.testing.assert_allclose(jnp.vdot(state, change), 0.0, atol=1e-13)


@pytest.mark.slow
def test_the_energy_changes_by_the_mean_of_the_hamiltonians_change():
    _, change = jax.jvp(lambda *point: ground_state(model(*point)).energy, POINT, ALONG)

    def operator(*point):
        return HubbardHamiltonian(model(*point), jnp.array(0.0))

    psi = ground_state(model(*POINT)).psi
    _, (hellmann, feynman) = jax.jvp(lambda *point: (operator(*point).apply(psi), psi), POINT, ALONG)
    np.testing.assert_allclose(change, jnp.vdot(psi, hellmann).real, rtol=1e-12)
    np.testing.assert_array_equal(feynman, 0)
    np.testing.assert_allclose(change, central(lambda *point: ground_state(model(*point)).energy), rtol=1e-9)


@pytest.mark.slow
def test_second_derivatives():
    """d2E = 2 <psi|dH|dpsi> + <psi|d2H|psi>: the response itself can be differentiated."""
    second = jax.grad(lambda u: ground_state(model(u, *POINT[1:])).energy)
    curvature = jax.grad(second)(POINT[0])
    step = 1e-3
    np.testing.assert_allclose(curvature, (second(POINT[0] + step) - second(POINT[0] - step)) / (2 * step), rtol=1e-6)
    assert curvature < 0


def test_a_known_state_follows_inside_jit_and_vmap():
    psi = ground_state(model(*POINT)).psi

    def site(trap, psi):
        state = eigenstate(HubbardHamiltonian(model(*POINT[:2], trap), jnp.array(0.0)), psi)
        return jnp.abs(state[0, 0]) ** 2

    want = jax.grad(lambda trap: jnp.abs(ground_state(model(*POINT[:2], trap)).psi[0, 0]) ** 2)(POINT[2])
    got = eqx.filter_jit(jax.vmap(jax.grad(site), in_axes=(None, 0)))(POINT[2], jnp.stack([psi, -psi]))
    np.testing.assert_allclose(got, want, rtol=1e-10)


@pytest.mark.parametrize("search", [lambda u: ground_state(model(u, *POINT[1:])).energy, lambda u: fermi_sea(model(u, *POINT[1:]))])
@pytest.mark.parametrize(("transform", "interaction"), [(jax.jit, 1.0), (jax.vmap, np.ones(2))])
def test_a_search_with_traced_numbers_is_refused(search, transform, interaction):
    with pytest.raises(ValueError, match="model: got numbers that jit or vmap traces"):
        transform(search)(interaction)


@pytest.mark.slow
def test_the_fermi_sea_follows_its_hamiltonian():
    want = central(lambda *point: fermi_sea(model(*point)))
    _, change = jax.jvp(lambda *point: fermi_sea(model(*point)), POINT, ALONG)
    np.testing.assert_allclose(change, want, atol=1e-9)
    assert np.abs(want).max() > 0.05
    filled = FermiHubbard(lattice.chain(SITES), (SITES, 0), potential=jnp.arange(4.0))
    slopes = eqx.filter_grad(lambda model: jnp.sum(fermi_sea(model)[0].real))(filled)
    np.testing.assert_allclose(slopes.potential.value, 0.0, atol=1e-14)
