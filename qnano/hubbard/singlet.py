"""The spin symmetry on which TD2RDM and the pair scheme stand: in a singlet the block of opposite spins determines all others."""

from functools import partial

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Float

from qnano.fermions.types import TwoRDM
from qnano.hubbard.model import FermiHubbard


class NotASinglet(ValueError):
    """A state without spin symmetry was to be propagated by its block of opposite spins alone."""


def spin_squared(two_rdm: TwoRDM, model: FermiHubbard) -> Float[Array, ""]:
    """<S^2> = (N_up - N_dn)^2 / 4 + (N_up + N_dn) / 2 - sum_ij D2_updn[i, j; j, i]."""
    return _spin_squared(two_rdm, model.electrons)


@partial(jax.jit, static_argnums=1)
def _spin_squared(two_rdm: TwoRDM, electrons: tuple[int, int]) -> Float[Array, ""]:
    up, down = electrons
    return 0.25 * (up - down) ** 2 + 0.5 * (up + down) - jnp.einsum("ijji->", two_rdm).real


def require_equal_spins(model: FermiHubbard) -> None:
    """Raise `NotASinglet` for unequal numbers of up and down electrons, or none."""
    up, down = model.electrons
    if up != down or up == 0:
        raise NotASinglet(f"electrons: got {up} up and {down} down; only singlets are propagated, so both must be equal and > 0")


def require_singlet(two_rdm: TwoRDM, model: FermiHubbard) -> None:
    """Raise `NotASinglet` where the state has spin; not looked at while tracing."""
    if isinstance(two_rdm, Tracer):
        return
    if (spin := abs(float(spin_squared(two_rdm, model)))) > float(jnp.finfo(two_rdm.dtype).eps) ** 0.5:
        raise NotASinglet(f"initial state: got <S^2> = {spin:.3g}; only singlets are propagated, <S^2> = 0")
