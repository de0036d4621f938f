"""Local and long-range features of atoms, grids and lattices, and regression on them: pure functions on arrays."""
