"""Arguments that do not fit each other are refused; JAX would clamp their indices, or stretch their axes, and say nothing."""

import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from qnano.fermions import contractions, cumulants, fock, rdm, reconstruction, representability
from qnano.fermions.purification import Purification, contraction_free

PSI = np.eye(6, 4) / 2  # of two up and one down on four sites
D, L = np.eye(3), np.zeros((3, 3, 3, 3))


@pytest.fixture(autouse=True)
def _without_the_types_of_the_tests(monkeypatch):
    """What a user has, whose calls nothing checks but the functions themselves."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: rdm.one_rdm(PSI.T, 4, (2, 1), 0), r"psi: .*must have shape \(6, 4\), not \(4, 6\)"),
        (lambda: rdm.two_rdm_updn(PSI[:3], 4, (2, 1)), r"psi: .*\(6, 4\)"),
        (lambda: rdm.two_rdm_same_spin(PSI.ravel(), 4, (2, 1), 0), r"psi: .*\(6, 4\)"),
        (lambda: rdm.three_rdm_uud(np.ones((9, 9)), 4, (2, 1)), r"psi: .*\(6, 4\)"),
        (lambda: rdm.collision_element(PSI[:, :3], 4, (2, 1)), r"psi: .*\(6, 4\)"),
        (lambda: rdm.one_rdm(PSI, 4, (0, 1), 0), r"psi: .*\(1, 4\)"),
        (lambda: rdm.one_rdm(PSI, 4, (5, 1), 0), "electrons: got 5; .*at most 4"),
        (lambda: rdm.one_rdm(PSI, 4, (2, 1), 2), "spin: got 2; .*at most 1"),
        (lambda: rdm.one_rdm(PSI, 4, (2, 1), -1), "spin: got -1; .*at least 0"),
        (lambda: rdm.one_rdm_of(L, 0), "particles: got 0; .*at least 1"),
        (lambda: rdm.one_rdm_of(np.zeros((2, 3, 2, 3)), 1), r"two_rdm: .*\(2, 2, 2, 2\)"),
        (lambda: cumulants.two_cumulant(D, L[:1, :1, :1, :1]), r"two_rdm: .*\(3, 3, 3, 3\)"),
        (lambda: cumulants.uncorrelated(D[:, :2]), r"one_rdm: .*\(3, 3\)"),
        (lambda: cumulants.three_cumulant(np.stack([D, D]), L[:1, :1, :1, :1], L, np.zeros((3,) * 6)), "two_upup: "),
        (lambda: cumulants.collision_without_three_cumulant(np.eye(4), L), "cumulant: "),
        (lambda: reconstruction.nakatsuji_yasuda(np.eye(1), L), "cumulant: "),
        (lambda: contractions.collision_of_lift(np.zeros((1, 1, 1, 1)), L), "over_up: "),
        (lambda: contractions.nearest_consistent_collision(D, L, np.zeros((1, 1, 1, 1))), "collision: "),
        (lambda: contraction_free(L[:, :, :1], 1), "two_body: "),
        (lambda: Purification()(jnp.asarray(L), 1, jnp.ones(1)), "interaction: "),
        (lambda: representability.two_hole_rdm(D, D[:1, :1], L), "down: "),
        (lambda: representability.pair_matrix(L, 2), "parity: got 2; must be one of 1, -1"),
        (lambda: representability.from_pair_matrix(np.eye(3), 3, 1), r"matrix: .*\(6, 6\)"),
        (lambda: fock.hop_table(4, 2, ((0, 7),)), "bonds: got 7; .*at most 3"),
        (lambda: fock.hop_table(4, 1, ((1, 1),)), r"bonds: got \[1, 1\]; must join two different sites"),
        (lambda: fock.annihilation_table(4, 0), "particles: got 0; .*at least 1"),
        (lambda: fock.determinants(63, 1), "sites: got 63; .*at most 62"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(call, told):
    with pytest.raises(ValueError, match=f"^{told}"):
        call()


def test_whole_numbers_keep_all_their_digits():
    psi = 3 * np.eye(2, dtype=int)  # two sites, one electron of either spin
    found = rdm.one_rdm(psi, 2, (1, 1), 0)
    assert found.dtype == complex
    np.testing.assert_array_equal(found, 9 * np.eye(2))
