"""qnano: differentiable, GPU-accelerated simulation of quantum systems out of equilibrium."""

__version__ = "0.1.0"
