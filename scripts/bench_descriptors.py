"""Time per frame of potential coefficients and their gradients: sums over waves, meshes, and featomic, by the number of atoms.

    python scripts/bench_descriptors.py [--atoms 64 512 2048 4096]

Random ions at constant density, 0.0093 per A^3, two species, p = 1, smearing 1.5 A, l <= 2 and 4 radial functions. The waves end at
1.2 pi / s, featomic's default; the mesh has a spacing of at most 1.0 A and splines of order 6, whose error is printed. The
gradient is that of one linear energy by all positions; featomic's is its Jacobian, which it always computes in full.
One run each; the best of up to five calls, compilation apart.
"""

import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np

from qnano import runtime
from qnano.descriptors.atoms import Atoms, find_waves, make_atoms
from qnano.descriptors.features import KernelBank, by_waves
from qnano.descriptors.fields import by_mesh
from qnano.descriptors.kernels import InversePower
from qnano.descriptors.radial import Oscillators

SMEARING, CHANNELS, ANGULAR, DENSITY = 1.5, 4, 2, 64 / 19.0**3
LONGEST = {
    "sum": 2048,
    "featomic": 512,
    "featomic gradient": 64,
}  # atoms beyond which a call takes minutes or its Jacobian does not fit


def timed(function, *args):
    """Seconds of the first call, and of the best of those after it that fit into some seconds."""
    begin = time.perf_counter()
    jax.block_until_ready(function(*args))
    first, best = time.perf_counter() - begin, np.inf
    for _ in range(5):
        begin = time.perf_counter()
        jax.block_until_ready(function(*args))
        best = min(best, time.perf_counter() - begin)
        if best > 4:
            break
    return first, best


def frame(count):
    rng = np.random.default_rng(count)
    side = (count / DENSITY) ** (1 / 3)
    return rng.uniform(0, side, (count, 3)), side * np.eye(3), [("Na", "Cl")[k % 2] for k in range(count)]


def energy(back_end):
    """A linear function of all coefficients, by the positions."""

    def total(positions, bank, atoms, extra):
        moved = Atoms(positions, atoms.cell, atoms.species, atoms.kinds)
        return jnp.sum(back_end(bank, moved, extra) * jnp.cos(jnp.arange(CHANNELS))[:, None])

    return jax.jit(jax.grad(total), static_argnums=3) if back_end is by_mesh_6 else jax.jit(jax.grad(total))


def by_mesh_6(bank, atoms, shape):
    return by_mesh(bank, atoms, shape, 6)


def featomic_times(positions, cell, names):
    import ase
    import featomic

    calculator = featomic.LodeSphericalExpansion(
        density=featomic.density.SmearedPowerLaw(smearing=SMEARING, exponent=1),
        basis=featomic.basis.TensorProduct(max_angular=ANGULAR, radial=featomic.basis.Gto(max_radial=CHANNELS - 1, radius=2.0)),
    )
    atoms = ase.Atoms(names, positions=positions, cell=cell, pbc=True)
    found = {"featomic": [], "featomic gradient": []}
    for name, gradients in (("featomic", []), ("featomic gradient", ["positions"])):
        if len(names) <= LONGEST[name]:
            for _ in range(3):
                begin = time.perf_counter()
                calculator.compute(atoms, gradients=gradients)
                found[name].append(time.perf_counter() - begin)
    return {name: min(times, default=np.nan) for name, times in found.items()}


def main(counts):
    runtime.start()
    bank = KernelBank(Oscillators(0.7, CHANNELS), InversePower(1, SMEARING), ANGULAR)
    rows = []
    for count in counts:
        positions, cell, names = frame(count)
        atoms = make_atoms(positions, cell, names, ["Na", "Cl"])
        waves, points = find_waves(cell, 1.2 * np.pi / SMEARING), int(np.ceil(cell[0, 0] / 2)) * 2
        shape = (points, points, points)
        row = {"atoms": count, "waves": len(waves), "mesh": points}
        row["sum over waves"] = row["sum gradient"] = np.nan
        if count <= LONGEST["sum"]:
            _, row["sum over waves"] = timed(jax.jit(by_waves), bank, atoms, waves)
            _, row["sum gradient"] = timed(energy(by_waves), atoms.positions, bank, atoms, waves)
        row["compile"], row["mesh of order 6"] = timed(jax.jit(by_mesh_6, static_argnums=2), bank, atoms, shape)
        _, row["mesh gradient"] = timed(energy(by_mesh_6), atoms.positions, bank, atoms, shape)
        exact = by_waves(bank, atoms, find_waves(cell, 2 * np.pi / SMEARING)) if count <= 512 else None
        row["mesh error"] = (
            float(jnp.abs(by_mesh_6(bank, atoms, shape) - exact).max() / jnp.std(exact)) if exact is not None else np.nan
        )
        row |= featomic_times(positions, cell, names)
        rows.append(row)
        print("  ".join(f"{name} {value:.3g}" for name, value in row.items()), flush=True)
    for name in ("sum over waves", "sum gradient", "mesh of order 6", "mesh gradient"):
        known = [row for row in rows if np.isfinite(row[name])]
        if len(known) > 1:
            first, last = known[-2:]
            slope = np.log(last[name] / first[name]) / np.log(last["atoms"] / first["atoms"])
            print(f"{name}: grows as N^{slope:.2f} from {first['atoms']} to {last['atoms']} atoms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--atoms", type=int, nargs="+", default=[64, 512, 2048, 4096])
    main(parser.parse_args().atoms)
