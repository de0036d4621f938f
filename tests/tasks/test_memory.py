"""What is too large for any machine is refused at once, in words and without JAX."""

import pytest

from qnano.config.sizes import about
from qnano.errors import InputError
from qnano.families.hubbard.needs import starts_independent
from qnano.tasks.outline import needs, require_fit
from tests.config.examples import experiment


def sites(count, electrons):
    return {"model__lattice": {"kind": "chain", "sites": count}, "model__electrons": {"up": electrons, "down": electrons}}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (sites(40, 20), r"model.lattice: got 40 sites, 1.90e\+22 amplitudes of the wavefunction; about 1.46e\+16 GB are needed "),
        (sites(70, 1), "model.lattice: got 70 sites; must be at most 62 for a wavefunction; only td2rdm, pair and mean_field "),
        (sites(10_000, 5_000), "model.lattice: got 10000 sites; must be at most 62 for a wavefunction; "),
        ({"time": {"end": 2.0, "samples": 10**12}}, r"time.samples: got 1.00e\+12 times of 312 bytes each; about 3.12e\+5 GB are "),
    ],
)
def test_what_does_not_fit(changes, line):
    with pytest.raises(InputError, match=f"^{line}.*$"):
        require_fit(experiment(**changes))


def test_what_fits():
    require_fit(experiment())
    sea = experiment(**sites(100, 50), methods=["mean_field"], initial__model={"interaction": 0.0})
    assert starts_independent(sea)
    require_fit(sea)


def test_the_third_equation_moves_six_indices_from_a_wavefunction():
    third = {"kind": "td2rdm", "closure": "third_equation"}
    sea = experiment(**sites(16, 8), methods=[third], initial__model={"interaction": 0.0})
    assert not starts_independent(sea)
    bytes_ = {name: size for name, _, size, _ in needs(sea)}
    assert 16**7 * 25 < bytes_["methods.0"] < 16**7 * 26  # 25 copies of 16^6 complex numbers


GIB, RK4, SEA = 2**30, {"kind": "rk4", "dt": 0.05}, {"interaction": 0.0}


@pytest.mark.parametrize(
    ("count", "changes", "card"),
    [
        (14, {"methods": ["exact"]}, 24 * GIB),
        (16, {"methods": ["exact"]}, 130 * GIB),
        (64, {"methods": ["td2rdm"], "initial__model": SEA}, 24 * GIB),
        (96, {"methods": ["td2rdm"], "initial__model": SEA, "solver": RK4}, 24 * GIB),
        (128, {"methods": ["td2rdm"], "initial__model": SEA}, 130 * GIB),
        (128, {"methods": ["td2rdm"], "initial__model": SEA, "solver": RK4}, 80 * GIB),
    ],
)
def test_what_a_card_holds(count, changes, card):
    """The compiler's own account is below what is told, which is at most twice of it (docs/gpu.md)."""
    most = max(bytes_ for _, _, bytes_, _ in needs(experiment(**sites(count, count // 2), **changes)))
    assert card / 4 < most < card


def test_numbers_of_any_size_are_told():
    assert about(36) == "36" and about(10**6000) == "1.00e+6000"
