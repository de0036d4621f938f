"""Random lattice problems: their answers by explicit sums, their seeds, what is refused."""

import numpy as np
import pytest

from qnano.descriptors.fields import inverse_power, soft_coulomb
from qnano.descriptors.lattice_problems import lattice_problems


@pytest.mark.parametrize("shape", [(9,), (6, 7)])
def test_answers(shape):
    interaction, number = soft_coulomb(shape, 0.7), 4
    problem = lattice_problems(2, interaction, number, seed=3, finest=2)[1]
    sites = list(np.ndindex(*shape))

    def around(x, y):
        return [min((a - b) % n, (b - a) % n) for a, b, n in zip(x, y, shape, strict=True)]

    steps = np.array([[around(x, y) for y in sites] for x in sites])
    coupling = 1 / np.sqrt((steps**2).sum(-1) + 0.49)
    h = np.diag(problem.potential.ravel()) - (np.abs(steps).sum(-1) == 1)
    levels = np.linalg.eigvalsh(h)
    np.testing.assert_allclose(np.trace(h @ problem.one_rdm), levels[:number].sum(), rtol=1e-12)
    np.testing.assert_allclose(problem.one_rdm @ problem.one_rdm, problem.one_rdm, atol=1e-12)
    np.testing.assert_array_equal(problem.density.ravel(), np.diagonal(problem.one_rdm))
    np.testing.assert_allclose(problem.field.ravel(), coupling @ problem.density.ravel(), rtol=1e-12)
    spectrum = np.abs(np.fft.fftn(problem.potential)).ravel()
    assert (spectrum[(np.array([around(x, (0,) * len(shape)) for x in sites]) ** 2).sum(-1) > 4] < 1e-9).all()
    assert np.abs(problem.potential).max() > 0.1


def test_seeds():
    def draw(count, seed):
        return [x.potential for x in lattice_problems(count, soft_coulomb((12,)), 6, seed)]

    np.testing.assert_array_equal(draw(3, 1)[1], draw(2, 1)[1])
    assert np.abs(draw(1, 1)[0] - draw(1, 2)[0]).max() > 0.1 and np.abs(draw(2, 1)[0] - draw(2, 1)[1]).max() > 0.1


def test_what_is_refused():
    for electrons, finest, message in (
        (0, 1, "electrons: got 0; must be from 1 to 7 on 8"),
        (3, 5, "finest: got 5"),
        (3, None, "got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            lattice_problems(1, inverse_power((8,) if finest else (4, 2), 1.0), electrons, 0, finest)
