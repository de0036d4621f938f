"""Many runs of one static shape as one compiled program, on all local devices.

On a CPU every core is a device (`runtime.start`), which computes its share of a call run by run: side by side, the slowest run
would set the pace of all, and the vectors of larger systems would leave the cache. On an accelerator all runs of a call go side
by side, as many as its memory holds. Either way a program is compiled once, for a fixed number of places; places that are not
used cost nothing on a CPU.
"""

import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Float, PyTree

from qnano import runtime
from qnano.dynamics import AbstractDynamics
from qnano.families.build import Method
from qnano.propagation import propagate
from qnano.trajectory import Trajectory

CALL_S = 1.0  # about how long a call should take: what a kill loses, and how often progress is seen
MOST_PLACES = 4096  # side by side on an accelerator
PLACES_PER_CORE = 16
SHARE_OF_MEMORY = 0.8
Solve = Callable[[PyTree[Array]], Trajectory]


class Launched(NamedTuple):
    """A call that the devices may still be computing."""

    count: int
    begin: float
    trajectories: Trajectory


def signature(method: Method) -> Hashable:
    """What runs must have in common for one program to serve them: all but the numbers in their arrays."""
    arrays, static = eqx.partition((method.dynamics, method.state, method.solver), eqx.is_array)
    leaves = tuple((leaf.shape, str(leaf.dtype)) for leaf in jax.tree.leaves(arrays))
    return jax.tree.structure(arrays), leaves, tuple(jax.tree.leaves(static)), method.observables


class Batch:
    """The program for all runs with the signature of `example`, at common `times`.

    `launch` starts a call and returns at once; `collect` waits for it. `worthwhile` is how many runs the next call should have.
    `watched`: look for negative probabilities at the end of each run, beside the invariants.
    """

    def __init__(self, example: Method, times: Float[Array, " time"], at_most: int, watched: bool):
        self.devices = jax.devices()
        self.on_cpu = self.devices[0].platform == "cpu"
        arrays, static = eqx.partition((example.dynamics, example.state, example.solver), eqx.is_array)
        arrays = jax.tree.map(jnp.asarray, arrays)

        @jax.jit  # so that it is traced once, though both its shape and its value are asked for
        def solve(arrays: PyTree[Array]) -> Trajectory:
            dynamics, state, solver = eqx.combine(arrays, static)
            trajectory = propagate(dynamics, state, times, solver=solver, observables=example.observables)
            if watched:
                trajectory = eqx.tree_at(
                    lambda t: t.invariants, trajectory, trajectory.invariants | _at_the_end(dynamics, trajectory)
                )
            return eqx.tree_at(lambda t: t.state, trajectory, None)  # one is not needed, and many take memory

        begin = time.perf_counter()
        per_device = min(-(-at_most // len(self.devices)), PLACES_PER_CORE if self.on_cpu else MOST_PLACES)
        while True:
            self.places = per_device * len(self.devices)
            self.program = _compiled(solve, arrays, self.places, per_device, self.devices, side_by_side=not self.on_cpu)
            per_device, enough = _fitting(self.program, per_device, self.devices)
            if enough:
                break
        self.compile_s = time.perf_counter() - begin
        self.worthwhile = len(self.devices) if self.on_cpu else self.places
        self.wall_s = 0.0

    def launch(self, methods: Sequence[Method]) -> Launched:
        """Start the runs of `methods`, at most `worthwhile` of them."""
        rows = [eqx.filter((method.dynamics, method.state, method.solver), eqx.is_array) for method in methods]
        # Dealt out in turn, so that every device has its share of a call that is not full.
        order = _dealt(len(methods), self.places, len(self.devices))
        filled = [rows[max(k, 0)] for k in order]
        stacked = jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *filled)
        return Launched(len(methods), time.perf_counter(), self.program(stacked, order >= 0))

    def collect(self, launched: Launched) -> list[Trajectory]:
        """What the runs of a call came to, in their order, as NumPy arrays."""
        while not all(leaf.is_ready() for leaf in jax.tree.leaves(launched.trajectories)):
            time.sleep(0.002)  # in Python, where Ctrl-C is heard at once
        order = _dealt(launched.count, self.places, len(self.devices))
        found = jax.tree.map(np.asarray, launched.trajectories)
        took = time.perf_counter() - launched.begin
        self.wall_s += took
        if self.on_cpu:
            wanted = int(launched.count * min(CALL_S / took, 4.0))
            self.worthwhile = min(max(wanted, len(self.devices)), self.places)
        return [jax.tree.map(lambda leaf, k=k: leaf[np.flatnonzero(order == k)[0]], found) for k in range(launched.count)]


def _at_the_end(dynamics: AbstractDynamics, trajectory: Trajectory) -> dict[str, Float[Array, " time"]]:
    """How far probabilities are below 0 in the last state, after zeros."""
    nothing = jnp.zeros_like(trajectory.times)
    found = dynamics.negativity(trajectory.stop_time, trajectory.state)
    return {name: nothing.at[-1].set(value) for name, value in found.items()}


def _compiled(solve: Solve, arrays: PyTree[Array], places: int, per_device: int, devices: list, *, side_by_side: bool):
    """`solve` for many inputs, shared out among the devices; a place that is not used yields zeros."""
    mesh = jax.sharding.Mesh(np.array(devices), ("run",))
    shared = PartitionSpec("run")

    def solve_if(place: tuple[PyTree[Array], Bool[Array, ""]]) -> Trajectory:
        arrays, used = place
        nothing = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(solve, arrays))
        return jax.lax.cond(used, solve, lambda _: nothing, arrays)

    def share(arrays: PyTree[Array], used: Bool[Array, " run"]) -> Trajectory:
        if side_by_side:
            return jax.vmap(solve)(arrays)
        return jax.lax.map(solve_if, (arrays, used))

    mapped = jax.shard_map(share, mesh=mesh, in_specs=(shared, shared), out_specs=shared, check_vma=False)
    shape = lambda x: jax.ShapeDtypeStruct((places, *x.shape), x.dtype, sharding=NamedSharding(mesh, shared))  # noqa: E731
    used = jax.ShapeDtypeStruct((places,), bool, sharding=NamedSharding(mesh, shared))
    return jax.jit(mapped).lower(jax.tree.map(shape, arrays), used).compile()


def _fitting(program: Any, per_device: int, devices: list) -> tuple[int, bool]:
    """How many places the memory of a device holds, by the compiler's own account, and whether it is as many as there are."""
    account = program.memory_analysis()
    needed = account.temp_size_in_bytes + account.output_size_in_bytes + account.argument_size_in_bytes
    there = SHARE_OF_MEMORY * _memory(devices)
    if needed <= there or per_device == 1:
        return per_device, True
    return max(1, int(per_device * there / needed)), False


def _memory(devices: list) -> float:
    """Bytes that each device has."""
    known = devices[0].memory_stats() or {}
    if "bytes_limit" in known:
        return known["bytes_limit"]
    return runtime.memory() / len(devices)


def _dealt(count: int, places: int, devices: int) -> np.ndarray:
    """Which run, or -1 for none, is at each place: run k on device k modulo `devices`."""
    order = np.full((devices, places // devices), -1)
    for k in range(count):
        order[k % devices, k // devices] = k
    return order.ravel()
