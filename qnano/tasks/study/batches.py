"""Many points of one form as one compiled program, on all local devices.

On a CPU every core is a device (`runtime.start`), which computes its share of a call point by point: side by side, the slowest
would set the pace of all, and the vectors of larger systems would leave the cache. On an accelerator all points of a call go side
by side, as many as its memory holds. A program is compiled for a fixed number of places; places that are not used cost nothing on a
CPU. A call takes about a second: on an accelerator whose first takes much less or more, a second program has other places.
"""

import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, PyTree

from qnano import runtime
from qnano.tasks.study.points import AbstractPoint

CALL_S = 1.0  # about how long a call should take: what a kill loses, and how often progress is seen
FIRST_PLACES = 256  # side by side on an accelerator, in a first call
PLACES_PER_CORE = 16
WORTH_COMPILING = 4  # by how much a call must be too short or too long
SHARE_OF_MEMORY = 0.8
Measure = Callable[[PyTree[Array]], PyTree[Array]]


class Launched(NamedTuple):
    """A call that the devices may still be computing."""

    count: int
    order: np.ndarray
    begin: float
    found: PyTree[Array]


def form(point: AbstractPoint) -> Hashable:
    """What points must have in common for one program to serve them: all but the numbers in their arrays."""
    arrays, static = eqx.partition(point, eqx.is_array)
    leaves = tuple((leaf.shape, str(leaf.dtype)) for leaf in jax.tree.leaves(arrays))
    return jax.tree.structure(arrays), leaves, tuple(jax.tree.leaves(static))


def point_by_point(devices: list[jax.Device]) -> bool:
    """Whether each device computes its share of a call one after the other."""
    return devices[0].platform == "cpu"


class Batch:
    """The program for all points with the form of `example`.

    `launch` starts a call and returns at once; `collect` waits for it. `worthwhile` is how many points the next call should have.
    """

    def __init__(self, example: AbstractPoint, at_most: int):
        self.devices = jax.devices()
        self.on_cpu = point_by_point(self.devices)
        arrays, static = eqx.partition(example, eqx.is_array)
        arrays = jax.tree.map(jnp.asarray, arrays)

        @jax.jit  # so that it is traced once, though both its shape and its value are asked for
        def measure(arrays: PyTree[Array]) -> PyTree[Array]:
            return eqx.combine(arrays, static)()

        self.measure, self.arrays = measure, arrays
        self.most = -(-at_most // len(self.devices))
        self.compilations, self.compile_s, self.wall_s, self.paced = 0, 0.0, 0.0, False
        self._compile(min(self.most, PLACES_PER_CORE if self.on_cpu else FIRST_PLACES))

    def _compile(self, per_device: int) -> None:
        """The program for so many places on each device, or as many as its memory holds."""
        begin = time.perf_counter()
        while True:
            self.places = per_device * len(self.devices)
            self.program = _compiled(self.measure, self.arrays, self.places, per_device, self.devices, side_by_side=not self.on_cpu)
            per_device, enough = _fitting(self.program, per_device, self.devices)
            if enough:
                break
            self.most = per_device
        self.compilations += 1
        self.compile_s += time.perf_counter() - begin
        self.worthwhile = len(self.devices) if self.on_cpu else self.places

    def launch(self, points: Sequence[AbstractPoint]) -> Launched:
        """Start with `points`, at most `worthwhile` of them."""
        rows = [eqx.filter(point, eqx.is_array) for point in points]
        # Dealt out in turn, so that every device has its share of a call that is not full.
        order = _dealt(len(points), self.places, len(self.devices))
        filled = [rows[max(k, 0)] for k in order]
        stacked = jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *filled)
        begin = time.perf_counter()
        launched = Launched(len(points), order, begin, self.program(stacked, order >= 0))
        if not (self.on_cpu or self.paced) and len(points) == self.places:
            _wait(launched.found)  # whatever else happened until it is collected would count as computing
            self.paced = True
            self._keep_pace(time.perf_counter() - begin)
        return launched

    def collect(self, launched: Launched) -> list[PyTree[np.ndarray]]:
        """What the points of a call came to, in their order."""
        _wait(launched.found)
        found = jax.device_get(launched.found)
        took = time.perf_counter() - launched.begin
        self.wall_s += took
        if self.on_cpu:
            wanted = int(launched.count * min(CALL_S / took, 4.0))
            self.worthwhile = min(max(wanted, len(self.devices)), self.places)
        where = [np.flatnonzero(launched.order == k)[0] for k in range(launched.count)]
        return [jax.tree.map(lambda leaf, at=at: np.asarray(leaf[at]), found) for at in where]

    def _keep_pace(self, took: float) -> None:
        """After a full call that took so many seconds, see to it that the next takes about `CALL_S`."""
        here = self.places // len(self.devices)
        wanted = min(max(int(here * CALL_S / took), 1), self.most)
        if not 1 / WORTH_COMPILING < wanted / here < WORTH_COMPILING:
            self._compile(wanted)


def _wait(found: PyTree[Array]) -> None:
    """In Python, where Ctrl-C is heard at once."""
    while not all(leaf.is_ready() for leaf in jax.tree.leaves(found)):
        time.sleep(0.002)


def _compiled(measure: Measure, arrays: PyTree[Array], places: int, per_device: int, devices: list, *, side_by_side: bool):
    """`measure` for many points, shared out among the devices; a place that is not used yields zeros."""
    mesh = jax.sharding.Mesh(np.array(devices), ("point",))
    shared = PartitionSpec("point")

    def measure_if(place: tuple[PyTree[Array], Bool[Array, ""]]) -> PyTree[Array]:
        arrays, used = place
        nothing = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(measure, arrays))
        return jax.lax.cond(used, measure, lambda _: nothing, arrays)

    def share(arrays: PyTree[Array], used: Bool[Array, " point"]) -> PyTree[Array]:
        if side_by_side:
            return jax.vmap(measure)(arrays)
        return jax.lax.map(measure_if, (arrays, used))

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
    """Which point, or -1 for none, is at each place: point k on device k modulo `devices`."""
    order = np.full((devices, places // devices), -1)
    for k in range(count):
        order[k % devices, k // devices] = k
    return order.ravel()
