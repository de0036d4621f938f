"""The cell problem: what a slow envelope sees of a Bloch band at one wavevector.

    (H - E) u = 0,        (H - E) chi_j = -Q (d_j H) u,   <u|chi_j> = 0          (chi_j = d u / d k_j)

    hbar v_j = <u|d_j H|u>,    hbar^2 (1/M)_ij = <u|d_ij H|u> + 2 Re <d_i H u|chi_j>,    g_ij = Re <chi_i|chi_j>

Everything follows from H(k) alone. Energy and state are differentiated by what they satisfy (a bordered linear system), to any
order, in both modes: other bands may cross as they like, only the band itself must stand apart. Where it does not, its mass means
nothing: see `coupled_bands` and `KdotP`.

References: Bensoussan, Lions and Papanicolaou, Asymptotic Analysis for Periodic Structures (1978); Allaire and Piatnitski,
Commun. Math. Phys. 258, 1 (2005).
"""

from collections.abc import Sequence
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Complex, Float, Shaped

from qnano import border, spectral
from qnano.cgwe.bloch import AbstractBloch, Matrix

Vector = Complex[Array, " basis"]
NEAR = 0.5  # share of the gap that the coupling of an envelope may reach before the other band must be followed too


class CellProblem(eqx.Module):
    """The band `band` at `k0`.

    `energies` of all bands; `state` u and `correctors` chi (a length times u); `velocity` v; `inverse_mass` (1/M)_ij; `metric` g_ij
    (a length squared); `slopes` |<b|d_j H|u>| to every band b; `gap` to the nearest other band.
    """

    band: int = eqx.field(static=True)
    k0: Float[Array, " axis"]
    hbar: Float[Array, ""]
    energies: Float[Array, " basis"]
    energy: Float[Array, ""]
    state: Vector
    correctors: Complex[Array, "axis basis"]
    velocity: Float[Array, " axis"]
    inverse_mass: Float[Array, "axis axis"]
    metric: Float[Array, "axis axis"]
    slopes: Float[Array, "axis basis"]
    gap: Float[Array, ""]

    def parabola(self, k: Float[Array, "axis *k"]) -> Float[Array, "*k"]:
        """hbar v.k + hbar^2 k.(1/M).k / 2, with k from k0."""
        bent = jnp.einsum("i...,ij,j...->...", k, self.inverse_mass, k)
        return self.hbar * jnp.tensordot(self.velocity, k, axes=1) + self.hbar**2 / 2 * bent


def cell_problem(bloch: AbstractBloch, k0: Shaped[ArrayLike, " axis"] | Sequence | None = None, band: int = 0) -> CellProblem:
    """Solve the cell problem; `k0` is the centre of the zone if not given. Safe under jit, vmap and grad.

    Raises `ValueError` for a band or a wavevector that the lattice has not.
    """
    k0, h, first, second = _expanded(bloch, k0)
    border.numbers("band", band, kind="integer", shape=(), least=0, most=len(h) - 1)
    energy, state = band_state(h, band)
    pushed = first @ state
    correctors = jax.vmap(lambda force: reduced_solve(h, energy, state, -force))(pushed)
    direct = jnp.einsum("a,ijab,b->ij", state.conj(), second, state).real
    mixed = jnp.einsum("ia,ja->ij", pushed.conj(), correctors).real
    energies, modes = spectral.eigh(jax.lax.stop_gradient(h))
    apart = jnp.abs(energies - energies[band]).at[band].set(jnp.inf)
    return CellProblem(
        band=band,
        k0=k0,
        hbar=bloch.hbar,
        energies=energies,
        energy=energy,
        state=state,
        correctors=correctors,
        velocity=jnp.einsum("a,ia->i", state.conj(), pushed).real / bloch.hbar,
        inverse_mass=(direct + mixed + mixed.T) / bloch.hbar**2,
        metric=jnp.einsum("ia,ja->ij", correctors.conj(), correctors).real,
        slopes=jnp.abs(jax.lax.stop_gradient(pushed) @ modes.conj()).at[:, band].set(0.0),
        gap=jnp.min(apart),
    )


def _expanded(
    bloch: AbstractBloch, k0: Shaped[ArrayLike, " axis"] | Sequence | None
) -> tuple[Float[Array, " axis"], Matrix, Complex[Array, "axis basis basis"], Complex[Array, "axis axis basis basis"]]:
    """k0, the centre of the zone if not given, and there H, d_j H and d_ij H."""
    if k0 is not None:
        border.numbers("k0", k0, shape=(bloch.dimension,))
    k0 = jnp.zeros(bloch.dimension) if k0 is None else jnp.asarray(k0, jnp.result_type(float))
    first = jnp.moveaxis(jax.jacfwd(bloch.hamiltonian)(k0), -1, 0)
    second = jnp.moveaxis(jax.jacfwd(jax.jacfwd(bloch.hamiltonian))(k0), (-2, -1), (0, 1))
    return k0, bloch.hamiltonian(k0), first, second


def band_state(h: Matrix, band: int) -> tuple[Float[Array, ""], Vector]:
    """Energy and state of a band that stands apart; the state's largest entry is positive."""
    energy, state = _band_state(h, band)
    largest = state[jnp.argmax(jnp.abs(jax.lax.stop_gradient(state)))]
    return energy, state * (largest.conj() / jnp.abs(largest))


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _band_state(h: Matrix, band: int) -> tuple[Float[Array, ""], Vector]:
    energies, modes = spectral.eigh(h)
    return energies[band], modes[:, band]


@_band_state.defjvp
def _band_state_jvp(band, primals, tangents):
    (h,), (dh,) = primals, tangents
    energy, state = _band_state(h, band)
    force = dh @ state
    change = reduced_solve(h, energy, state, -force)
    return (energy, state), (jnp.vdot(state, force).real, change)


def reduced_solve(h: Matrix, energy: Float[Array, ""], state: Vector, force: Vector) -> Vector:
    """chi with (H - E) chi = Q force and <state|chi> = 0, by bordering with the state."""
    size = len(state)
    bordered = jnp.zeros((size + 1, size + 1), h.dtype)
    bordered = bordered.at[:size, :size].set(h - energy * jnp.eye(size))
    bordered = bordered.at[:size, size].set(state).at[size, :size].set(state.conj())
    return jnp.linalg.solve(bordered, jnp.append(force, 0.0))[:size]


def dispersion(bloch: AbstractBloch, k: Float[Array, "axis *k"], band: int = 0) -> Float[Array, "*k"]:
    """E(k) of a band at many wavevectors; first derivatives are safe where bands cross.

    Raises `ValueError` for no wavevectors, or a band that there is not.
    """
    _require_band(bloch, band)
    border.numbers("k", k, shape=(bloch.dimension, *(None,) * (jnp.ndim(k) - 1)))
    points = k.reshape(len(k), -1).T
    energies = jax.lax.map(lambda q: spectral.eigvalsh(bloch.hamiltonian(q))[band], points)
    return energies.reshape(k.shape[1:])


def coupled_bands(cell: CellProblem, wavenumber: Shaped[ArrayLike, ""], share: float = NEAR) -> list[int]:
    """Bands that an envelope with this wavenumber mixes in, the cell's own among them: more than one, and a mass means nothing.

    Those within |<b|d_j H|u>| wavenumber >= share |E_b - E|. For numbers, not inside `jit`. Raises `ValueError` for negative ones.
    """
    border.numbers("wavenumber", wavenumber, shape=(), least=0.0)
    border.numbers("share", share, shape=(), above=0.0)
    apart = jnp.abs(cell.energies - cell.energy)
    reach = jnp.max(cell.slopes, axis=0) * wavenumber
    scale = rounding(cell.energies) * (jnp.max(cell.energies) - jnp.min(cell.energies))
    near = (reach >= share * apart) & (reach > 0) | (apart <= scale)
    return [b for b in range(len(cell.energies)) if b == cell.band or bool(near[b])]


def rounding(energies: Float[Array, " band"]) -> float:
    """The share of the largest energy within which two are equal."""
    return max(1e-9, 30 * float(jnp.finfo(energies.dtype).eps))


def _require_band(bloch: AbstractBloch, band: int) -> None:
    size = len(eqx.filter_eval_shape(bloch.hamiltonian, jnp.zeros(bloch.dimension)))
    border.numbers("band", band, kind="integer", shape=(), least=0, most=size - 1)


class KdotP(eqx.Module):
    """Several bands together: H_ab(k) = E_a delta_ab + hbar v_ab.k + hbar^2 k.(1/m)_ab.k / 2, with k from k0.

    v couples the bands themselves; (1/m) holds what H has of second order and the other bands' part (Loewdin, 1951). Two
    crossing bands obey a Dirac-like equation of first order with |v_ab| as its velocity.
    """

    hbar: Float[Array, ""]
    k0: Float[Array, " axis"]
    energies: Float[Array, " band"]
    states: Complex[Array, "band basis"]
    velocities: Complex[Array, "axis band band"]
    inverse_masses: Complex[Array, "axis axis band band"]

    def hamiltonian(self, k: Float[Array, " axis"]) -> Complex[Array, "band band"]:
        linear = self.hbar * jnp.tensordot(k, self.velocities, axes=1)
        bent = self.hbar**2 / 2 * jnp.einsum("i,ijab,j->ab", k, self.inverse_masses, k)
        return jnp.diag(self.energies) + linear + bent


def k_dot_p(bloch: AbstractBloch, bands: Sequence[int], k0: Shaped[ArrayLike, " axis"] | Sequence | None = None) -> KdotP:
    """The envelope equation of several bands; where these are degenerate, their states are defined up to a unitary matrix.

    Raises `ValueError` for bands that the lattice has not, or one that is named twice.
    """
    k0, h, first, second = _expanded(bloch, k0)
    border.numbers("bands", bands, kind="integer", shape=(None,), least=0, most=len(h) - 1)
    if not 0 < len(set(bands)) == len(bands):
        raise ValueError(border.complaint("bands", list(bands), "must be at least one, each named once"))
    chosen = jnp.array(tuple(bands))
    energies, modes = spectral.eigh(h)
    p = jnp.einsum("xa,ixy,yb->iab", modes.conj(), first, modes)
    inside = jnp.isin(jnp.arange(len(energies)), chosen)
    weights = jnp.where(inside, 0.0, 1.0 / jnp.where(inside, 1.0, energies[chosen][:, None] - energies))
    to, back = p[:, chosen, :], p[:, :, chosen]
    far = jnp.einsum("iac,ac,jcb->ijab", to, weights, back) + jnp.einsum("iac,bc,jcb->ijab", to, weights, back)
    far = (far + jnp.swapaxes(far, 0, 1)) / 2
    own = jnp.einsum("xa,ijxy,yb->ijab", modes[:, chosen].conj(), second, modes[:, chosen])
    return KdotP(
        hbar=bloch.hbar,
        k0=k0,
        energies=energies[chosen],
        states=modes[:, chosen].T,
        velocities=to[:, :, chosen] / bloch.hbar,
        inverse_masses=(own + far) / bloch.hbar**2,
    )


def quartic(bloch: AbstractBloch, direction: Float[Array, " axis"], k0: Float[Array, " axis"], band: int = 0) -> Float[Array, ""]:
    """d^4 E / ds^4 along k0 + s direction. Raises `ValueError` for vectors of another dimension, or a band that there is not."""
    _require_band(bloch, band)
    border.numbers("direction", direction, shape=(bloch.dimension,))
    border.numbers("k0", k0, shape=(bloch.dimension,))

    def along(s: Float[ArrayLike, ""]) -> Float[Array, ""]:
        return band_state(bloch.hamiltonian(k0 + s * direction), band)[0]

    return jax.jacfwd(jax.jacfwd(jax.jacfwd(jax.jacfwd(along))))(0.0)
