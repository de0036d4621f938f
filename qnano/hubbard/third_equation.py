"""The third equation of the BBGKY hierarchy for an on-site interaction and a singlet, with the four-particle cumulant neglected.

    i dD3/dt = G - G^+,     G = (h_a + h_b + h_c) D3 + U_c (delta_ac + delta_bc) D3 + U_a S_a + U_b S_b + U_c S_c,

for D3_uud[abc;xyz]; S_i, in which a fourth particle stands on the site of particle i, are slices of the four-particle RDM
(`qnano.fermions.four_slices`). With the motion of d and L, which is the second equation, it is one of Delta3 = D3 - D3(d, L).
With exact slices it is exact.

**Contractions.** D2 fixes what Delta3 gives when a particle is summed over, A_33 = 0 and A_22 = r(d, L), for which see
`qnano.fermions.contractions`. A four-particle RDM that lacks its cumulant breaks that, and such errors grow. So dDelta3/dt is made
to keep it: it is changed the least that gives it the contractions 0 and dr/dt. That is the limit of short steps each of which ends
with the nearest Delta3 that has the right contractions.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from qnano.fermions import rdm
from qnano.fermions.contractions import contracted_three_cumulant, exact_over_up, nearest_with_contractions
from qnano.fermions.cumulants import three_disconnected, two_cumulant, uncorrelated
from qnano.fermions.four_slices import FourSlices, four_slices
from qnano.fermions.slices import placed
from qnano.fermions.types import OneRDM, ThreeRDM, TwoRDM, Wavefunction
from qnano.fusion import computed_once
from qnano.hubbard.model import FermiHubbard
from qnano.hubbard.second_equation import two_motion


class Cumulants(NamedTuple):
    """d, L and Delta3_uud of a singlet, or how they move."""

    one: OneRDM
    two: TwoRDM
    three: ThreeRDM

    @classmethod
    def of(cls, psi: Wavefunction, model: FermiHubbard) -> "Cumulants":
        """Those of an exactly known singlet."""
        two_rdm = rdm.two_rdm_updn(psi, model.sites, model.electrons)
        one = rdm.one_rdm_of(two_rdm, model.electrons[1])
        two = two_cumulant(one, two_rdm)
        return cls(one, two, rdm.three_rdm_uud(psi, model.sites, model.electrons) - three_disconnected(one, two))


def three_motion(model: FermiHubbard, t: Float[Array, ""], three_rdm: ThreeRDM, slices: FourSlices) -> ThreeRDM:
    """dD3/dt, O(N_s^7) for the hopping and O(N_s^6) for all else."""
    u = model.site_interaction(t)
    own = jnp.tensordot(model.one_body(t), three_rdm, axes=1) + placed(u, "a", "abcxyz") * slices.up
    image = own - own.transpose(1, 0, 2, 3, 4, 5) + jnp.einsum("ce,abexyz->abcxyz", model.one_body(t), three_rdm)
    pairs = jnp.diag(u)
    met = placed(pairs, "ac", "abcxyz") + placed(pairs, "bc", "abcxyz")
    image += met * three_rdm + placed(u, "c", "abcxyz") * slices.down
    return -1j * (image - image.conj().transpose(3, 4, 5, 0, 1, 2))


def cumulant_motion(model: FermiHubbard, t: Float[Array, ""], known: Cumulants) -> Cumulants:
    """d/dt of d, L and Delta3 with Delta4 = 0."""
    d, cumulant, three = known
    two_rdm, connected = uncorrelated(d) + cumulant, contracted_three_cumulant(three).collision
    moved = two_motion(model, t, d, two_rdm, connected)
    one = rdm.one_rdm_of(moved, model.electrons[1])
    two = moved - jax.jvp(uncorrelated, (d,), (one,))[1]
    disconnected, carried = jax.jvp(three_disconnected, (d, cumulant), (one, two))
    slices = computed_once(four_slices, d, cumulant, three)
    whole = computed_once(lambda *operands: three_motion(model, t, *operands), disconnected + three, slices)
    return Cumulants(one, two, whole - carried)


def consistent_motion(known: Cumulants, moved: Cumulants) -> ThreeRDM:
    """The dDelta3/dt nearest to the given one that keeps the contractions which d and L fix."""
    over_up = jax.jvp(exact_over_up, (known.one, known.two), (moved.one, moved.two))[1]
    return nearest_with_contractions(moved.three, over_up)
