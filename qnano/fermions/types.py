"""The arrays of many-fermion theory, by name. Axes: s sites, up and down determinants of a spin, p pairs of sites.

Index conventions and norms are those of `qnano.fermions.rdm`: annihilators first, then creators.
"""

from jaxtyping import Array, Complex, Inexact

Wavefunction = Inexact[Array, "up down"]
OneRDM = Complex[Array, "s s"]  # D1 of one spin, also any matrix among the sites
TwoRDM = Complex[Array, "s s s s"]  # D2, its cumulant, and the collision element K, which has its indices
ThreeRDM = Complex[Array, "s s s s s s"]  # D3_uud and its cumulant
PairMatrix = Complex[Array, "p p"]
