"""What errors of several motions come to, in numbers that can be done in the head."""

import numpy as np
import pytest

from qnano.learning.baselines import persistence
from qnano.learning.evaluation import forecast_error, medians

TIMES = np.array([0.0, 1.0, 2.0, 3.0])


def test_medians():
    errors = np.array([[0.0, 0.01, 0.02, 0.04], [0.0, 0.03, 0.06, 0.10], [0.0, 0.05, 0.2, np.inf]])
    found = medians(errors, TIMES, window=1.0, tolerated=0.05)
    assert found == {"inside": pytest.approx(0.015), "beyond": pytest.approx(0.08), "failed_at": 2.0, "diverged": 1}
    assert medians(errors[:1], TIMES, window=1.0)["failed_at"] == np.inf


def test_a_forecast_is_judged_after_what_it_has_seen():
    series = np.array([[1.0, 0.0], [1.0, 0.0], [2.0, 0.0], [0.0, 4.0]])
    np.testing.assert_allclose(forecast_error(persistence, series, 2), [0.0, 0.0, 0.5, np.sqrt(17) / 4])
