"""The keys of a plain experiment, which those of sweeps, maps, ensembles and gradients add to."""

from qnano.families.experiment import Experiment as Experiment
