"""Where should ions be so that electrons cross a wire? From positions of ions to dynamics of electrons and back, by one gradient.

Ions float around a wire of ten sites in a periodic box. The energy of an electron on a site is learned from the sites' own features
rho x V (density and potential of all ions, `qnano.descriptors`), fitted to the exact Coulomb potential in other
arrangements; these energies make the tight-binding Hamiltonian in which the density matrix moves (`qnano.hubbard`, U = 0). Half of
the sites are full at first. What has crossed to the other half at the end is differentiated by all positions, through dynamics,
Hamiltonian, regression and features, and compared with central differences.

    python examples/ions_drive_electrons.py
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from qnano import lattice, runtime
from qnano.descriptors.atoms import Atoms, Pairs, find_pairs, find_waves, make_atoms
from qnano.descriptors.ewald import ewald_energy
from qnano.descriptors.features import KernelBank, LocalDensity
from qnano.descriptors.kernels import InversePower
from qnano.descriptors.multiscale import Block
from qnano.descriptors.radial import Oscillators
from qnano.descriptors.regression import cross_validated
from qnano.hubbard.mean_field import MeanField
from qnano.hubbard.model import FermiHubbard
from qnano.propagation import propagate

SITES, IONS, SPACING, BOX, NEAREST = 10, 12, 2.0, 20.0, 2.5
STRENGTH, DURATION, TRAINING = 3.0, 6.0, 30  # energies are 3 J per e/A of potential
KINDS, CHARGES = ("site", "cation", "anion"), (0.0, 1.0, -1.0)
NAMES = ["site"] * SITES + ["cation", "anion"] * (IONS // 2)
WIRE = np.stack([SPACING * np.arange(SITES) + 1.0, np.full(SITES, BOX / 2), np.full(SITES, BOX / 2)], axis=1)
CELL = BOX * np.eye(3)


def arrangement(seed):
    """The wire and ions around it, none nearer than `NEAREST` to a site or another ion."""
    rng, places = np.random.default_rng(seed), list(WIRE)
    while len(places) < SITES + IONS:
        tried = np.array([rng.uniform(0, BOX), *rng.uniform(BOX / 2 - 6, BOX / 2 + 6, 2)])
        apart = np.array(places) - tried
        if np.all(np.linalg.norm(apart - BOX * np.round(apart / BOX), axis=1) > NEAREST):
            places.append(tried)
    return make_atoms(np.array(places), CELL, NAMES, KINDS)


BLOCK = Block(LocalDensity(Oscillators(0.5, 1), 0, 0.5, 1.5), KernelBank(Oscillators(0.5, 4), InversePower(1, 1.0), 0))
WAVES, NONE = find_waves(CELL, 5.0), Pairs(jnp.zeros(0, jnp.int32), jnp.zeros(0, jnp.int32), jnp.zeros((0, 3), jnp.int32))


@jax.jit
def features(atoms):
    """rho x V of every site, which is all that its density sees within 1.5 A."""
    return BLOCK.of_atoms(atoms, WAVES, NONE)[:SITES]


def exact_potentials(atoms):
    """What a small charge on each site would feel, by Ewald's sum."""
    args = InversePower(1, 1.5), find_waves(CELL, 4.5), find_pairs(atoms, 9.9)
    charges = jnp.asarray(CHARGES)[atoms.species]
    return np.asarray(jax.grad(lambda q: ewald_energy(args[0], q, atoms, *args[1:]))(charges))[:SITES]


def learned(seeds):
    """The fit of site energies to the potentials in the arrangements of these seeds."""
    known = [arrangement(seed) for seed in seeds]
    rows = np.concatenate([np.asarray(features(atoms)) for atoms in known])
    return cross_validated([rows], np.concatenate([exact_potentials(atoms) for atoms in known]), np.ones((len(rows), 1)))


def dynamics_of(positions, atoms, fit):
    """The wire in the field of ions at `positions`."""
    moved = Atoms(atoms.positions.at[SITES:].set(positions), atoms.cell, atoms.species, atoms.kinds)
    energies = STRENGTH * fit([features(moved)], jnp.ones((SITES, 1)))
    return MeanField(FermiHubbard(lattice.chain(SITES), (SITES // 2, SITES // 2), potential=energies))


def densities(positions, atoms, fit, times):
    """Electrons on every site, both spins, at all times."""
    start = jnp.diag(jnp.where(jnp.arange(SITES) < SITES // 2, 1.0 + 0j, 0.0))
    moving = dynamics_of(positions, atoms, fit)
    return (
        propagate(moving, jnp.stack([start, start]), times, observables=("density",), monitor=False)
        .observables["density"]
        .sum(axis=1)
    )


def crossed(positions, atoms, fit):
    """Electrons on the right half at the end."""
    return densities(positions, atoms, fit, jnp.asarray([0.0, DURATION]))[-1, SITES // 2 :].sum()


def main(out: Path) -> None:
    runtime.start()
    fit = learned(range(1, 1 + TRAINING))
    atoms = arrangement(0)
    found, exact = np.asarray(fit([features(atoms)], jnp.ones((SITES, 1)))), exact_potentials(atoms)
    print(f"site energies: learned to {np.sqrt(np.mean((found - exact) ** 2)) / np.std(exact):.1e} of their spread")
    ions = atoms.positions[SITES:]
    value, slope = jax.jit(jax.value_and_grad(crossed))(ions, atoms, fit)
    slope, compiled, h = np.asarray(slope), jax.jit(crossed), 1e-3
    central = np.zeros_like(slope)
    for k in np.ndindex(*slope.shape):
        step = jnp.zeros_like(ions).at[k].set(h)
        central[k] = (compiled(ions + step, atoms, fit) - compiled(ions - step, atoms, fit)) / (2 * h)
    print(f"crossed: {value:.4f} electrons; largest derivative {np.abs(slope).max():.3f} per A")
    print(f"reverse mode against central differences: {np.abs(slope - central).max() / np.abs(slope).max():.1e} of it")
    times = jnp.linspace(0, DURATION, 121)
    draw(out, atoms, found, exact, np.asarray(densities(ions, atoms, fit, times)), slope, central)


def draw(out, atoms, found, exact, density, slope, central):
    figure = Figure(figsize=(11.0, 6.6), layout="constrained")
    axes = figure.subplots(2, 2, width_ratios=(1.25, 1)).ravel()
    places, charges = np.asarray(atoms.positions), np.asarray(CHARGES)[np.asarray(atoms.species)]
    axes[0].plot(places[:SITES, 0], places[:SITES, 1], "o-", color="#777777", ms=5, lw=1)
    for charge, colour, label in ((1, "#d1495b", "cations"), (-1, "#2e78b7", "anions")):
        axes[0].scatter(*places[charges == charge, :2].T, s=60, color=colour, label=label, zorder=3)
    arrows = 3.0 * slope / np.abs(slope).max()
    axes[0].quiver(*places[SITES:, :2].T, *arrows[:, :2].T, angles="xy", scale_units="xy", scale=1, width=0.005, zorder=4)
    axes[0].set(xlabel="x  (Å)", ylabel="y  (Å)", title="ions, and where to move them", aspect="equal", ylim=(3, 18.5))
    axes[0].legend(ncols=2, loc="upper right", frameon=False, fontsize="small", borderpad=0)
    axes[1].plot(range(SITES), STRENGTH * exact, "-", color="#111111", label="exact")
    axes[1].plot(range(SITES), STRENGTH * found, "o", color="#e5a000", label="learned, ρ ⊗ V")
    axes[1].set(xlabel="site", ylabel="energy  (J)", title="site energies")
    axes[1].legend(frameon=False)
    image = axes[2].imshow(density.T, aspect="auto", origin="lower", cmap="magma", extent=(0, DURATION, -0.5, SITES - 0.5))
    axes[2].set(xlabel="time  (ħ/J)", ylabel="site", title="electrons")
    figure.colorbar(image, ax=axes[2], label="electrons per site")
    ends = 1.1 * np.array([slope.min(), slope.max()])
    axes[3].plot(ends, ends, color="#111111", lw=0.8)
    axes[3].plot(central.ravel(), slope.ravel(), "o", ms=4, color="#3a9e6f")
    axes[3].set(xlabel="central differences  (1/Å)", ylabel="reverse mode  (1/Å)", title="d(electrons that crossed) / d(positions)")
    for axis in (axes[0], axes[1], axes[3]):
        axis.spines[["top", "right"]].set_visible(False)
    out.mkdir(parents=True, exist_ok=True)
    figure.savefig(out / "ions_drive_electrons.png", dpi=110)
    print(out / "ions_drive_electrons.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "figures", help="folder of the figure")
    main(parser.parse_args().out)
