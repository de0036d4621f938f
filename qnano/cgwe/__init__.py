"""The coarse-grained wave equation: from a lattice to the nanometre, with an error bar."""
