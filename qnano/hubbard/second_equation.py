"""The second equation of the BBGKY hierarchy for an on-site interaction and a singlet; `qnano.hubbard.td2rdm` writes it out."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from qnano.fermions.cumulants import CollisionSlices
from qnano.fermions.types import OneRDM, TwoRDM
from qnano.fusion import computed_once
from qnano.hubbard.model import FermiHubbard


def two_motion(model: FermiHubbard, t: Float[Array, ""], one_rdm: OneRDM, two_rdm: TwoRDM, connected: TwoRDM | None) -> TwoRDM:
    """dD2/dt, `connected` being what the three-particle cumulant has in K; None stands for 0."""
    slices = CollisionSlices.of(model.site_interaction(t), one_rdm, two_rdm)
    image = computed_once(lambda *operands: _image(model, t, *operands), two_rdm, one_rdm, slices, connected)
    return -1j * (image - image.conj().transpose(2, 3, 0, 1))


def _image(
    model: FermiHubbard,
    t: Float[Array, ""],
    two_rdm: TwoRDM,
    one_rdm: OneRDM,
    slices: CollisionSlices,
    connected: TwoRDM | None,
) -> TwoRDM:
    """X; a hop is a sum over its neighbours, and none of its terms reads D2 in another order."""
    potential, interaction = model.site_potential(t), model.site_interaction(t)
    onsite = potential[:, None] + potential + jnp.diag(interaction)
    image = onsite[:, :, None, None] * two_rdm + slices.element(one_rdm, two_rdm)
    if connected is not None:
        beside = interaction[:, None, None] * connected
        image += beside + beside.transpose(1, 0, 3, 2)
    source, amplitude = model.hops(t, particles=1)
    for entry in range(amplitude.shape[1]):
        along, place = amplitude[:, entry, None, None], source[:, entry]
        image += along[:, None] * two_rdm[place] + along * two_rdm[:, place]
    return image
