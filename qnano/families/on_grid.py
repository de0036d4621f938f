"""What the families of waves on grids share: how long one takes, by fast Fourier transforms and a splitting."""

import math
from typing import TYPE_CHECKING

from qnano.families.base import AbstractFamily, AbstractMethod

if TYPE_CHECKING:
    from qnano.families.experiment import Experiment


class AbstractOnGrid(AbstractFamily):
    """Models whose state is a wave at the points of a grid."""

    def operations(self, experiment: "Experiment", method: AbstractMethod) -> float:
        points = float(self.state_size(experiment, method))
        return 50 * points * max(1.0, math.log2(points))

    def steps(self, experiment: "Experiment", method: AbstractMethod) -> float:
        return max(float(experiment.time.samples), 1000.0)
