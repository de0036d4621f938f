"""Exact propagation of the Hubbard chain: qnano beside QuSpin, QuTiP, dynamiqs and SciPy, at equal error.

The problem is the open chain at half filling in the sector of fixed (N_up, N_dn),

    H = -J sum_<ij>,s (c+_is c_js + h.c.) + U sum_i n_i,up n_i,dn,     U = 4 J,

from the Neel state (up on even sites, down on odd ones) to T = 20 / J. Densities of both spins and the double occupancies
are measured at the start and at 200 later times, inside the timed part. The error is the largest deviation of any of them
from a reference: all eigenvectors up to 8 sites, beyond that one Chebyshev expansion summed down to 1e-15.

Every code runs in a process of its own, on the same number of cores and with its own best means: several documented solvers
each, of which the fastest within `--tolerance` stands for the code. `first` is the first call, with compilation where there
is one; `run` the best of the later calls. Building the Hamiltonian is not timed, choosing step sizes, norms and spectral
bounds is. A code that is not installed, or takes longer than `--limit`, is reported so.

    python scripts/bench_exact.py --sites 6 8 10 --repeats 3 --skip dynamiqs --markdown

With `--growth` qnano alone, whole runs to T = 5 / J with 51 times, beside what their hops would take as bare gathers of rows and
columns of the wavefunction, at the pace that such gathers have in the same run: how far a run is from that floor, and how it grows.

    python scripts/bench_exact.py --growth --sites 8 10 12
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from scipy.fft import dct
from scipy.linalg import eigh

INTERACTION, END, SAMPLES = 4.0, 20.0, 200
DENSE_SITES = 8  # full diagonalisation up to here: 4 900 states, ten seconds

Solver = Callable[[], np.ndarray]  # -> observables (time, [up, down, double], site)


# ---------------------------------------------------------------------------------------------------------- the problem


@dataclass(frozen=True)
class Chain:
    """The sector as a product of two spin spaces: state = up * n + down, both in the order of their bit patterns."""

    sites: int

    @cached_property
    def patterns(self) -> list[int]:
        return [s for s in range(1 << self.sites) if s.bit_count() == self.sites // 2]

    @cached_property
    def occupations(self) -> np.ndarray:
        """(pattern, site), 0 or 1."""
        return np.array([[s >> i & 1 for i in range(self.sites)] for s in self.patterns], dtype=float)

    @cached_property
    def hamiltonian(self) -> sp.csr_matrix:
        # On an open chain a hop between neighbours passes no other fermion of its spin: no sign to keep.
        index = {s: k for k, s in enumerate(self.patterns)}
        hops = [(index[s], index[s ^ 3 << i]) for s in self.patterns for i in range(self.sites - 1) if (s >> i ^ s >> i + 1) & 1]
        n = len(index)
        hopping = sp.csr_matrix((-np.ones(len(hops)), tuple(zip(*hops, strict=True))), shape=(n, n))
        doubles = (self.occupations @ self.occupations.T).ravel()
        return sp.csr_matrix(sp.kronsum(hopping, hopping) + INTERACTION * sp.diags(doubles))

    @cached_property
    def neel(self) -> np.ndarray:
        up = self.patterns.index(sum(1 << i for i in range(0, self.sites, 2)))
        down = self.patterns.index(sum(1 << i for i in range(1, self.sites, 2)))
        psi = np.zeros(len(self.patterns) ** 2)
        psi[up * len(self.patterns) + down] = 1.0
        return psi

    @property
    def times(self) -> np.ndarray:
        return np.linspace(0.0, END, SAMPLES + 1)


def measure(psi, occupations):
    """Densities up and down and double occupancies; for NumPy and JAX arrays alike."""
    p = (psi.real**2 + psi.imag**2).reshape(len(occupations), len(occupations))
    return p.sum(1) @ occupations, p.sum(0) @ occupations, ((occupations.T @ p) * occupations.T).sum(1)


def measured(states: Iterator[np.ndarray] | np.ndarray, occupations: np.ndarray) -> np.ndarray:
    return np.array([measure(psi, occupations) for psi in states])


# ---------------------------------------------------------------------------------------- SciPy: reference and baseline


def diagonalised(chain: Chain) -> np.ndarray:
    energies, vectors = eigh(chain.hamiltonian.toarray())
    phases = np.exp(-1j * np.outer(energies, chain.times)) * (vectors.T @ chain.neel)[:, None]
    return measured((vectors @ phases.real + 1j * (vectors @ phases.imag)).T, chain.occupations)


def chebyshev(chain: Chain, cutoff: float = 1e-15, block: int = 64) -> np.ndarray:
    """One recursion for all output times; H and the Neel state are real, so that its vectors are too."""
    h = chain.hamiltonian
    diagonal, radius = h.diagonal(), abs(h).sum(1).A1 - abs(h.diagonal())
    low, high = (diagonal - radius).min(), (diagonal + radius).max()  # Gershgorin
    half, mid = (high - low) / 2, (high + low) / 2
    scaled = sp.csr_matrix((h - mid * sp.identity(h.shape[0])) / half)

    # Coefficients of exp(-i half t x) by a cosine transform at Chebyshev nodes: faster than a table of Bessel functions.
    count = 2 * int(half * END) + 200
    nodes = np.cos(np.pi * (np.arange(count) + 0.5) / count)
    waves = np.exp(-1j * half * np.outer(nodes, chain.times))
    c = (dct(waves.real, axis=0) + 1j * dct(waves.imag, axis=0)) / count  # even orders are real, odd ones imaginary
    c[0] /= 2
    c = c[: np.flatnonzero(abs(c).max(1) > cutoff)[-1] + 1]

    real, imag = np.zeros((2, len(chain.times), len(chain.neel)))
    now, after, vectors = chain.neel, scaled @ chain.neel, np.empty((block, len(chain.neel)))
    for start in range(0, len(c), block):
        orders = min(block, len(c) - start)
        for k in range(orders):
            vectors[k] = now
            now, after = after, 2 * (scaled @ after) - now
        part = c[start : start + orders]
        real += part.real[::2].T @ vectors[:orders:2]
        imag += part.imag[1::2].T @ vectors[1:orders:2]
    return measured((a + 1j * b for a, b in zip(real, imag, strict=True)), chain.occupations)


def reference(chain: Chain) -> np.ndarray:
    return diagonalised(chain) if chain.sites <= DENSE_SITES else chebyshev(chain)


# -------------------------------------------------------------------- the codes: label -> solver, the best expected first


def qnano_solvers(chain: Chain) -> dict[str, Solver]:
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    from qnano import lattice, runtime
    from qnano.hubbard.exact import ExactHubbard
    from qnano.hubbard.model import FermiHubbard
    from qnano.propagation import propagate
    from qnano.solvers.chebyshev import Chebyshev

    runtime.start()
    half = chain.sites // 2
    dynamics = ExactHubbard(FermiHubbard(lattice.chain(chain.sites), (half, half), interaction=INTERACTION))
    psi0 = dynamics.determinant(up=range(0, chain.sites, 2), down=range(1, chain.sites, 2))
    times, names = jnp.asarray(chain.times), ("density", "double_occupancy")

    @eqx.filter_jit
    def solve(dynamics, psi0, times, solver):
        # The peers are not asked for norm and energy at every time either.
        return propagate(dynamics, psi0, times, solver=solver, observables=names, monitor=False).observables

    def run(tolerance: float) -> np.ndarray:
        out = jax.block_until_ready(solve(dynamics, psi0, times, Chebyshev(tolerance)))
        return np.concatenate([out["density"], out["double_occupancy"][:, None]], axis=1)

    return {f"Chebyshev {tolerance:g}": partial(run, tolerance) for tolerance in (1e-12, 1e-9)}


def scipy_solvers(chain: Chain) -> dict[str, Solver]:
    from scipy.sparse.linalg import expm_multiply

    generator, psi0 = -1j * chain.hamiltonian, chain.neel.astype(complex)
    trace = generator.trace()

    def action() -> np.ndarray:
        states = expm_multiply(generator, psi0, start=0.0, stop=END, num=SAMPLES + 1, endpoint=True, traceA=trace)
        return measured(states, chain.occupations)

    out = {"Chebyshev, by hand": partial(chebyshev, chain, cutoff=1e-11), "expm_multiply": action}
    return out | ({"full diagonalisation": partial(diagonalised, chain)} if chain.sites <= 6 else {})


def quspin_solvers(chain: Chain) -> dict[str, Solver]:
    from quspin.basis import spinful_fermion_basis_1d
    from quspin.operators import hamiltonian
    from quspin.tools.evolution import ExpmMultiplyParallel
    from quspin.tools.lanczos import expm_lanczos, lanczos_full

    sites, times = chain.sites, chain.times
    basis = spinful_fermion_basis_1d(sites, Nf=(sites // 2, sites // 2))
    right, left = ([[sign, i, i + 1] for i in range(sites - 1)] for sign in (-1.0, 1.0))
    double = [[INTERACTION, i, i] for i in range(sites)]
    terms = [["+-|", right], ["-+|", left], ["|+-", right], ["|-+", left], ["n|n", double]]
    unchecked = dict.fromkeys(("check_herm", "check_symm", "check_pcon"), False)
    h = hamiltonian(terms, [], basis=basis, dtype=np.float64, **unchecked)
    up, down = ("".join("10"[(i + spin) % 2] for i in range(sites)) for spin in (0, 1))
    psi0 = np.zeros(basis.Ns)
    psi0[basis.index(up, down)] = 1.0
    # QuSpin's sector is the same product of spin spaces, with site 0 as the highest bit and the states descending.
    occupations = chain.occupations[::-1, ::-1]
    matrix, step = h.tocsr(), times[1] - times[0]

    def action(tolerance: float | None) -> np.ndarray:
        exponential = ExpmMultiplyParallel(matrix, a=-1j * step, dtype=np.complex128)
        psi, work = psi0.astype(complex), np.empty(2 * psi0.size, complex)
        out = [measure(psi, occupations)]
        for _ in times[1:]:
            exponential.dot(psi, work_array=work, overwrite_v=True, tol=tolerance)
            out.append(measure(psi, occupations))
        return np.array(out)

    def lanczos(size: int, reach: int) -> np.ndarray:
        """A Krylov space of `size` vectors serves `reach` output times."""
        psi, basis_vectors, out = psi0.astype(complex), np.empty((size, psi0.size), complex), [measure(psi0, occupations)]
        while len(out) < len(times):
            krylov = lanczos_full(h, psi, size, out=basis_vectors)
            for k in range(1, min(reach, len(times) - len(out)) + 1):
                psi = expm_lanczos(*krylov, a=-1j * step * k)
                out.append(measure(psi, occupations))
            psi /= np.linalg.norm(psi)
        return np.array(out)

    def evolve(tolerance: float) -> np.ndarray:
        return measured(h.evolve(psi0, 0.0, times, iterate=True, rtol=tolerance, atol=tolerance), occupations)

    return {
        "expm_multiply, tol 1e-9": partial(action, 1e-9),
        "expm_multiply": partial(action, None),
        "Lanczos, 20 vectors / 4 times": partial(lanczos, 20, 4),
        "Lanczos, 30 vectors / 8 times": partial(lanczos, 30, 8),
        "evolve (dop853), 1e-9": partial(evolve, 1e-9),
        "evolve (dop853), 1e-11": partial(evolve, 1e-11),
    }


def qutip_solvers(chain: Chain) -> dict[str, Solver]:
    import qutip

    h, psi0 = qutip.Qobj(chain.hamiltonian, isherm=True), qutip.Qobj(chain.neel.astype(complex)[:, None])

    def observe(_: float, state: qutip.Qobj) -> np.ndarray:
        return np.array(measure(state.full()[:, 0], chain.occupations))

    def solve(method: str, **options: float | str) -> np.ndarray:
        common = {"method": method, "store_states": False, "normalize_output": False, "progress_bar": "", "nsteps": 10**6}
        return np.array(qutip.sesolve(h, psi0, chain.times, e_ops=[observe], options=common | options).e_data[0])

    def krylov(dimension: int, tolerance: float) -> Solver:
        return partial(solve, "krylov", krylov_dim=dimension, atol=tolerance, algorithm="lanczos", sub_system_tol=1e-12)

    def stepper(method: str, tolerance: float) -> Solver:
        return partial(solve, method, rtol=tolerance, atol=tolerance)

    return {
        "Krylov, 30 vectors, 1e-10": krylov(30, 1e-10),
        "Krylov, 40 vectors, 1e-10": krylov(40, 1e-10),
        "Krylov, 20 vectors, 1e-7": krylov(20, 1e-7),
        "Vern9, 1e-11": stepper("vern9", 1e-11),
        "dop853, 1e-11": stepper("dop853", 1e-11),
        "Vern9, 1e-9": stepper("vern9", 1e-9),
        "Adams, 1e-9": stepper("adams", 1e-9),
    }


def dynamiqs_solvers(chain: Chain) -> dict[str, Solver]:
    import dynamiqs as dq
    import jax
    import jax.numpy as jnp

    dq.set_precision("double")
    dq.set_progress_meter(False)
    matrix = chain.hamiltonian
    # From its diagonals: the layout's other constructors pass through the dense matrix, 64 GB at ten sites.
    h = dq.sparsedia_from_dict({int(k): matrix.diagonal(k) for k in matrix.todia().offsets}, dtype=complex)
    psi0, occupations = dq.asqarray(jnp.asarray(chain.neel[:, None], dtype=complex)), jnp.asarray(chain.occupations)

    def observe(_, state):
        return jnp.stack(measure(state.to_jax()[:, 0], occupations))

    def solver(method: type, tolerance: float) -> Solver:
        method = method(rtol=tolerance, atol=tolerance)
        # Compiled here as a whole: by itself `sesolve` compiles anew in every call that has a `save_extra`.
        compiled = jax.jit(
            lambda h, psi0: dq.sesolve(h, psi0, chain.times, method=method, save_states=False, save_extra=observe).extra
        )
        return lambda: np.asarray(compiled(h, psi0))

    return {
        "Dopri8, 1e-12": solver(dq.method.Dopri8, 1e-12),
        "Dopri8, 1e-9": solver(dq.method.Dopri8, 1e-9),
        "Tsit5, 1e-6": solver(dq.method.Tsit5, 1e-6),
    }


CODES: dict[str, Callable[[Chain], dict[str, Solver]]] = {
    "qnano": qnano_solvers,
    "quspin": quspin_solvers,
    "qutip": qutip_solvers,
    "dynamiqs": dynamiqs_solvers,
    "scipy": scipy_solvers,
}


# ------------------------------------------------------------------------------------------------- one process per code


def work(code: str, sites: int, repeats: int, patience: float) -> None:
    """In the child: a JSON line for every solver as soon as it is done, after one that names them all."""
    if code in CODES and importlib.util.find_spec(code) is None:
        return print(json.dumps({"missing": code}), flush=True)
    chain = Chain(sites)
    if code == "reference":
        return print(json.dumps({"observables": reference(chain).tolist()}), flush=True)
    solvers = CODES[code](chain)
    print(json.dumps({"solvers": list(solvers)}), flush=True)
    for label, solve in solvers.items():
        seconds = []
        while len(seconds) <= repeats and (len(seconds) < 2 or sum(seconds[1:]) < patience):
            start = time.perf_counter()
            observables = solve()
            seconds.append(time.perf_counter() - start)
        row = {"label": label, "first": seconds[0], "run": min(seconds[1:]), "observables": observables.tolist()}
        print(json.dumps(row), flush=True)


@dataclass
class Row:
    code: str
    label: str
    first: float = float("nan")
    run: float = float("nan")
    error: float = float("nan")
    note: str = ""
    best: bool = False
    ratio: float = float("nan")


def launch(code: str, sites: int, options: argparse.Namespace) -> tuple[list[dict], str]:
    """The child's lines, and what ended it early if anything did."""
    threads = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), str(options.threads)
    )
    # OpenMP threads that spin without bound wait minutes for milliseconds of work as soon as anyone else uses the cores;
    # sleeping at once (OMP_WAIT_POLICY) would cost QuSpin up to tenfold. This costs nothing on a quiet machine.
    threads |= {"GOMP_SPINCOUNT": "10000"}
    paths = [str(Path(__file__).resolve().parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]  # this checkout's qnano
    command = [sys.executable if code == "qnano" else options.peers_python, "-W", "ignore", __file__]
    command += ["--worker", code, "--sites", str(sites), "--repeats", str(options.repeats), "--patience", str(options.patience)]
    environment = os.environ | threads | {"PYTHONPATH": os.pathsep.join(paths)}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=options.limit)
        output, errors = done.stdout, done.stderr.decode().strip().splitlines()
        end = f"failed: {errors[-1] if errors else done.returncode}" if done.returncode else ""
    except subprocess.TimeoutExpired as expired:
        output, end = expired.stdout or b"", "over limit"
    return [json.loads(line) for line in output.decode().splitlines() if line.startswith("{") and line.endswith("}")], end


def compare(sites: int, options: argparse.Namespace) -> list[Row]:
    answer, end = launch("reference", sites, options)
    if end:
        raise SystemExit(f"bench_exact: the reference for {sites} sites {end}")
    exact = np.array(answer[0]["observables"])
    rows: list[Row] = []
    for code in (c for c in CODES if c not in options.skip):
        print(f"{sites} sites: {code} ...", file=sys.stderr, flush=True)
        lines, end = launch(code, sites, options)
        if end:
            print(f"{code}: {end}", file=sys.stderr)
        if lines and "missing" in lines[0]:
            rows.append(Row(code, "-", note="not installed"))
            continue
        done = {line["label"]: line for line in lines if "label" in line}
        planned = next((line["solvers"] for line in lines if "solvers" in line), ["-"])
        for label in planned:
            if label in done:
                error = float(abs(np.array(done[label]["observables"]) - exact).max())
                rows.append(Row(code, label, done[label]["first"], done[label]["run"], error))
            else:
                rows.append(Row(code, label, note=end.partition(":")[0]))
        fit = [row for row in rows if row.code == code and row.error <= options.tolerance]
        if fit:
            min(fit, key=lambda row: row.run).best = True
    own = next((row.run for row in rows if row.code == "qnano" and row.best), float("nan"))
    for row in rows:
        row.ratio = row.run / own
    return rows


# ------------------------------------------------------------------------------------------------------------ the growth


def best_of(repeats: int, call: Callable[[], object]) -> float:
    """Seconds of the best of so many calls, after a first one."""
    call()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def gather_seconds(table: np.ndarray, sign: np.ndarray, axis: int, repeats: int) -> float:
    """Of all hops of one spin on real and imaginary parts, by the pace of one bare gather: those without a sign are not counted."""
    import jax
    import jax.numpy as jnp

    loops, filled = 20, np.count_nonzero(sign) / len(sign)

    @jax.jit
    def gathered(x):
        return jax.lax.fori_loop(0, loops, lambda k, x: jnp.take(x, table[:, 0], axis=axis), x)

    x = jnp.ones((2, len(table), len(table)))
    return filled * best_of(repeats, lambda: jax.block_until_ready(gathered(x))) / loops


def whole_run(sites: int, repeats: int) -> float:
    """Seconds of a run; prints a line of the table."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    from qnano import lattice
    from qnano.hubbard.exact import ExactHubbard
    from qnano.hubbard.model import FermiHubbard
    from qnano.propagation import propagate
    from qnano.solvers.chebyshev import Chebyshev

    dynamics = ExactHubbard(FermiHubbard(lattice.chain(sites), (sites // 2, sites // 2), interaction=INTERACTION))
    psi, times = dynamics.determinant(range(0, sites, 2), range(1, sites, 2)), jnp.linspace(0.0, 5.0, 51)
    names = ("density", "double_occupancy")
    run = eqx.filter_jit(lambda dynamics, psi: propagate(dynamics, psi, times, observables=names, monitor=False))
    seconds = best_of(repeats, lambda: jax.block_until_ready(run(dynamics, psi).observables))
    applications = int(run(dynamics, psi).steps) * Chebyshev().terms
    tables = dynamics.hamiltonian(jnp.zeros(())).tables
    floor = applications * sum(gather_seconds(table.source, table.sign, 1 + k, repeats) for k, table in enumerate(tables))
    print(f"| {sites} | {psi.size} | {seconds:.3g} | {applications} | {floor:.3g} | {seconds / floor:.2f} |", flush=True)
    return seconds


def show_growth(sizes: list[int], repeats: int) -> None:
    import jax

    from qnano import runtime

    runtime.start()
    print(f"{jax.devices()[0]}, jax {jax.__version__}, load {os.getloadavg()[0]:.1f}\n")
    print("| sites | states | run / s | applications of H | gathers alone / s | run / gathers |\n" + "|---" * 6 + "|")
    taken = [whole_run(sites, repeats) for sites in sizes]
    for (one, before), (other, after) in pairwise(zip(sizes, taken, strict=True)):
        print(f"\nfrom {one} to {other} sites: {after / before:.1f} times as long")


# ------------------------------------------------------------------------------------------------------------ the tables

HEADER = ("code", "solver", "error", "first / s", "run / s", "run / qnano", "")


def cells(row: Row) -> tuple[str, ...]:
    def show(value: float, form: str) -> str:
        return "-" if np.isnan(value) else format(value, form)

    note = row.note or ("best within tolerance" if row.best else "")
    return row.code, row.label, show(row.error, ".0e"), show(row.first, ".3g"), show(row.run, ".3g"), show(row.ratio, ".2f"), note


def show_table(title: str, rows: list[Row]) -> None:
    try:
        from rich.console import Console
        from rich.table import Table
    except ImportError:
        widths = [max(map(len, column)) for column in zip(HEADER, *map(cells, rows), strict=True)]
        for line in (HEADER, *map(cells, rows)):
            print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
        return
    table = Table(title=title)
    for k, name in enumerate(HEADER):
        table.add_column(name, justify="right" if 1 < k < 6 else "left", no_wrap=True)
    for row in rows:
        table.add_row(*cells(row), style="bold" if row.best else None)
    Console(width=max(120, Console().width)).print(table)


def show_markdown(title: str, rows: list[Row]) -> None:
    lines = [HEADER, ("---", "---", "---:", "---:", "---:", "---:", "---"), *map(cells, rows)]
    print(f"**{title}**\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sites", type=int, nargs="+", default=[6, 8, 10], help="even numbers of sites")
    parser.add_argument("--repeats", type=int, default=3, help="runs after the first call, of which the best counts")
    parser.add_argument("--tolerance", type=float, default=1e-9, help="largest error of an observable that counts as equal")
    parser.add_argument("--threads", type=int, default=2, help="cores for every code")
    parser.add_argument("--limit", type=float, default=600.0, help="seconds for one code at one size")
    parser.add_argument("--patience", type=float, default=20.0, help="no further repeat once they took so many seconds together")
    parser.add_argument("--skip", nargs="+", default=[], choices=CODES, help="codes to leave out")
    parser.add_argument("--peers-python", default=sys.executable, help="interpreter that has the peers, if it is another one")
    parser.add_argument("--markdown", action="store_true", help="Markdown instead of a drawn table")
    parser.add_argument("--growth", action="store_true", help="qnano alone, its growth with size and its distance from the floor")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if any(sites < 2 or sites % 2 for sites in options.sites):
        parser.error(f"--sites: half filling of both spins needs even numbers, got {options.sites}")
    if options.worker:
        return work(options.worker, options.sites[0], options.repeats, options.patience)
    if hasattr(os, "sched_setaffinity"):  # XLA counts cores, not variables; the children inherit the mask
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    if options.growth:
        return show_growth(options.sites, options.repeats)
    if os.getloadavg()[0] > 0.5:
        print("bench_exact: the machine is busy; threaded codes suffer most from that", file=sys.stderr)
    for sites in options.sites:
        title = f"Hubbard chain, {sites} sites, {len(Chain(sites).patterns) ** 2} states, U = {INTERACTION:g} J, T = {END:g} / J"
        (show_markdown if options.markdown else show_table)(title, compare(sites, options))


if __name__ == "__main__":
    main()
