"""Time per frame of potential coefficients and their gradients: sums over waves, meshes, and featomic, by the number of atoms.

    OPENBLAS_NUM_THREADS=1 python scripts/bench_descriptors.py [--atoms 64 512 4096]

Random ions at constant density, 0.0093 per A^3, two species, p = 1, smearing 1.5 A, l <= 2 and 4 radial functions. The waves end at
1.2 pi / s, featomic's default; the mesh has a spacing of at most 1.0 A and splines of order 6, whose error is printed. The
gradient is that of one linear energy by all positions; featomic's is its Jacobian, which it always computes in full.
CPU time of one thread, compilation apart; the best of up to five calls, one where a call takes more than some seconds. What would
not fit into half of the memory, or is expected to take longer than `--longest` seconds, is left out.
"""

import argparse
import os
import resource
import time
from itertools import pairwise

os.environ |= {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false", "RAYON_NUM_THREADS": "1"}  # before JAX and featomic begin

import jax
import jax.numpy as jnp
import numpy as np

from qnano import runtime
from qnano.descriptors.atoms import Atoms, find_waves, make_atoms
from qnano.descriptors.features import KernelBank, by_waves
from qnano.descriptors.fields import by_mesh
from qnano.descriptors.kernels import InversePower
from qnano.descriptors.radial import Oscillators

GROWTH = {"mesh": 1.2, "mesh gradient": 1.2, "sum": 2, "sum gradient": 2, "featomic": 2, "featomic Jacobian": 3}  # about, in atoms
SMEARING, CHANNELS, ANGULAR, DENSITY = 1.5, 4, 2, 64 / 19.0**3


def timed(call):
    """The best of the CPU seconds of the calls that fit into some seconds."""
    best = np.inf
    for _ in range(5):
        begin = time.process_time()
        jax.block_until_ready(call())
        best = min(best, time.process_time() - begin)
        if best > 3:
            break
    return best


def compiled(function, *args, static=()):
    """A call of the function with these arguments, ready to run."""
    program = jax.jit(function, static_argnums=static).lower(*args).compile()
    kept = [x for k, x in enumerate(args) if k not in static]
    return lambda: program(*kept)


def frame(count):
    rng = np.random.default_rng(count)
    side = (count / DENSITY) ** (1 / 3)
    return rng.uniform(0, side, (count, 3)), side * np.eye(3), [("Na", "Cl")[k % 2] for k in range(count)]


def total(positions, bank, atoms, extra, back_end):
    """A linear function of all coefficients, by the positions."""
    moved = Atoms(positions, atoms.cell, atoms.species, atoms.kinds)
    return jnp.sum(back_end(bank, moved, extra) * jnp.cos(jnp.arange(CHANNELS))[:, None])


def by_mesh_6(bank, atoms, shape):
    return by_mesh(bank, atoms, shape, 6)


def featomic(atoms, gradients):
    import featomic

    calculator = featomic.LodeSphericalExpansion(
        density=featomic.density.SmearedPowerLaw(smearing=SMEARING, exponent=1),
        basis=featomic.basis.TensorProduct(max_angular=ANGULAR, radial=featomic.basis.Gto(max_radial=CHANNELS - 1, radius=2.0)),
    )
    return lambda: calculator.compute(atoms, gradients=gradients) and None


def jacobian_bytes(count):
    """Of featomic's Jacobian, all of it and a copy in blocks: pairs of atoms, directions, coefficients."""
    return 2 * 8 * count**2 * 3 * CHANNELS * (ANGULAR + 1) ** 2


def calls(bank, atoms, crystal, waves, shape):
    """What is timed, by name: functions that prepare it."""
    gradient = jax.grad(total)
    return {
        "mesh": lambda: compiled(by_mesh_6, bank, atoms, shape, static=(2,)),
        "mesh gradient": lambda: compiled(gradient, atoms.positions, bank, atoms, shape, by_mesh_6, static=(3, 4)),
        "sum": lambda: compiled(by_waves, bank, atoms, waves),
        "sum gradient": lambda: compiled(gradient, atoms.positions, bank, atoms, waves, by_waves, static=(4,)),
        "featomic": lambda: featomic(crystal, []),
        "featomic Jacobian": lambda: featomic(crystal, ["positions"]),
    }


def main(counts, longest):
    runtime.start()
    import ase

    bank = KernelBank(Oscillators(0.7, CHANNELS), InversePower(1, SMEARING), ANGULAR)
    memory, rows = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), []
    for count in counts:
        positions, cell, names = frame(count)
        atoms = make_atoms(positions, cell, names, ["Na", "Cl"])
        crystal = ase.Atoms(names, positions=positions, cell=cell, pbc=True)
        waves, points = find_waves(cell, 1.2 * np.pi / SMEARING), int(np.ceil(cell[0, 0] / 2)) * 2
        shape = (points, points, points)
        row = {"atoms": count, "waves": len(waves), "points": points}
        for name, prepare in calls(bank, atoms, crystal, waves, shape).items():
            expected = rows[-1][name] * (count / rows[-1]["atoms"]) ** GROWTH[name] if rows else 0.0
            fits = name != "featomic Jacobian" or jacobian_bytes(count) < 0.5 * memory
            row[name] = timed(prepare()) if fits and expected < longest else np.nan
            print(f"  {count} atoms, {name}: {row[name]:.3g} s" + ("" if fits else " (would not fit into memory)"), flush=True)
        if count <= 512:
            exact = by_waves(bank, atoms, find_waves(cell, 2 * np.pi / SMEARING))
            row["mesh error"] = float(jnp.abs(by_mesh_6(bank, atoms, shape) - exact).max() / jnp.std(exact))
        rows.append(row)
        print("  ".join(f"{name} {value:.3g}" for name, value in row.items()), flush=True)
    for name in GROWTH:
        for first, last in pairwise(rows):
            if np.isfinite(first[name] * last[name]):
                slope = np.log(last[name] / first[name]) / np.log(last["atoms"] / first["atoms"])
                print(f"{name}: grows as N^{slope:.2f} from {first['atoms']} to {last['atoms']} atoms")
    print(f"largest memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--atoms", type=int, nargs="+", default=[64, 512, 4096])
    parser.add_argument("--longest", type=float, default=200.0, help="seconds that a call may be expected to take")
    arguments = parser.parse_args()
    main(arguments.atoms, arguments.longest)
