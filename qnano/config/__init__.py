"""The typed description of an experiment. Nothing here imports JAX, so that a wrong key is told at once."""

from qnano.families.experiment import Experiment as Experiment

from .ensemble import Ensemble as Ensemble
from .evaluation import Evaluation as Evaluation
from .gradient import GradientOf as GradientOf
from .learning_curve import LearningCurve as LearningCurve
from .loading import identity as identity
from .loading import load as load
from .loading import resolved as resolved
from .loading import schema as schema
from .loading import to_yaml as to_yaml
from .regime_map import RegimeMap as RegimeMap
from .surrogate import SurrogateTraining as SurrogateTraining
from .sweep import Swept as Swept
from .training import Training as Training
