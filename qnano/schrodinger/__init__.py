"""Wavefunctions of a few particles on grids."""
