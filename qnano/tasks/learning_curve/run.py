"""Run a learning curve: make or read frames, compute features batch by batch, fit by number of frames, keep all of it in a folder.

    results.zarr     `frames`: their energies or tensors; for each model a group of its name: features, errors and predictions by
                     number of frames, and the regularisation of each block that the cross-validation chose

Features are rows: one for each target of a frame (its energy and, with forces, the slopes by all coordinates; the components of
a tensor), or one for each atom where a kernel of them is taken. Slopes are weighted so that those of a frame count as much as its
energy. The first frames are the test. A batch of features and the fit to a number of frames are written as soon as they are there:
a run that was killed goes on from the last of them.
"""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from tqdm import tqdm

from qnano import runtime
from qnano.descriptors.features import KernelBank, LocalDensity
from qnano.descriptors.frames import IONS, Batch, Frame, batched, ion_gas, polarisable_chains, turning
from qnano.descriptors.kernels import InversePower
from qnano.descriptors.multiscale import Block, with_slopes
from qnano.descriptors.radial import Oscillators
from qnano.descriptors.regression import cross_validated, kernel_features, of_own_species, polynomial_kernel
from qnano.errors import InputError, RunFailed
from qnano.storage import store as stored
from qnano.storage.folder import FINISHED, RUNNING, RunFolder
from qnano.storage.inspection import Chunk
from qnano.storage.store import Coordinate, ResultStore, Variable
from qnano.tasks import keeping
from qnano.tasks.keeping import kept, memory_for
from qnano.tasks.learning_curve import schema as settings
from qnano.tasks.learning_curve.frames import frames_of_file, require_frames_fit
from qnano.tasks.learning_curve.schema import LearningCurve

DATA = "frames"  # the group of the data
SPLINES = 6  # points of a mesh that a spline covers


@dataclass
class Progress(keeping.Progress):
    """Of a model: `rows` frames have their features, `fits` numbers of frames are fitted."""

    kind: str = "linear"
    fits: int = 0
    features: int = 0
    error: float | None = None  # relative, at the largest number of frames
    force_error: float | None = None  # likewise


def run(experiment: LearningCurve, folder: RunFolder, *, force: bool = False, quiet: bool = False) -> dict[str, Any]:
    """Do what is not yet done, in its folder, and return the summary; `force` starts anew.

    Raises `InputError` for data that cannot be used or do not fit into memory, or a folder that holds something else, and
    `RunFailed` where memory does not suffice after all.
    """
    require_frames_fit(experiment)
    runtime.start(experiment.precision)
    with memory_for("the frames"):
        frames, known = frames_of(experiment)
    table = targets_of(experiment, frames, known)
    _require_spread(experiment, table)
    with kept(experiment, folder, force=force, quiet=quiet) as run:
        mark = _mark(frames)
        if run.summary.setdefault("frames", mark) != mark:
            raise InputError(f"{folder.path}: was begun with other frames; --force starts anew")
        if not run.entries or run.store.damaged(DATA, len(frames)):
            _write_frames(run.store, experiment, frames, table.targets)
        run.write()
        for model in experiment.models:
            progress = Progress(**run.entries.get(model.label, {}))
            if run.store.damaged(model.label, partial(_written, progress)):
                progress = Progress()
            with memory_for(model.label):
                for _ in _follow(model, progress, experiment, frames, known, table, run.store, folder, quiet):
                    run.keep(model.label, progress)
    return run.summary


def _written(progress: Progress, chunk: Chunk) -> bool:
    """Whether a chunk was: features go by frames, all else by fits."""
    return chunk.place[0] < (progress.rows if chunk.array.startswith("features_") else progress.fits)


def frames_of(experiment: LearningCurve) -> tuple[list[Frame], tuple[str, ...]]:
    """As many frames as are needed, those of a file in an order that the seed fixes; and the species.

    Raises `InputError` where there are too few, or what they hold cannot be used.
    """
    target, seed = experiment.target, experiment.seed
    forces = target.kind == "energy" and target.forces
    match experiment.data:
        case settings.IonGas() as data:
            try:
                return ion_gas(experiment.frames, data.pairs, data.sides, data.distance, seed, forces, data.exponent), IONS
            except ValueError as error:
                raise InputError(f"data.{error}") from None
        case settings.PolarisableChains() as data:
            test = polarisable_chains(experiment.test, data.test_atoms, data.side, 2 * seed)
            return test + polarisable_chains(experiment.sizes[-1], data.atoms, data.side, 2 * seed + 1), ("C",)
        case settings.ExtendedXYZ() as data:
            return frames_of_file(experiment, data), data.species


def build_block(block: settings.Block, frames: Sequence[Frame]) -> Block:
    """From the config to the features; a mesh suffices for the largest cell of the frames."""
    density, potential, mesh = getattr(block, "density", None), getattr(block, "potential", None), None
    if density is not None:
        radial = Oscillators(density.b, density.radial)
        density = LocalDensity(radial, density.angular, density.smearing, density.cutoff, density.taper)
    if potential is not None:
        if potential.mesh is not None:
            sides = np.max([np.linalg.norm(frame.cell, axis=1) for frame in frames], axis=0)
            x, y, z = (max(SPLINES, 2 * int(np.ceil(side / potential.mesh / 2))) for side in sides)
            mesh = (x, y, z)
        kernel = InversePower(potential.exponent, potential.smearing)
        potential = KernelBank(Oscillators(potential.width, potential.radial), kernel, potential.angular)
    return Block(density, potential, mesh)


class Table(NamedTuple):
    """Targets by row, in rows of a frame that are not all there; counts of species, which take up offsets."""

    targets: Float[np.ndarray, "frame row"]
    there: Bool[np.ndarray, "frame row"]
    counts: Float[np.ndarray, "frame row kind"]


def targets_of(experiment: LearningCurve, frames: list[Frame], known: tuple[str, ...]) -> Table:
    """What every row of the features is to predict."""
    composition = np.array([[frame.names.count(name) for name in known] for frame in frames], float)
    target = experiment.target
    if isinstance(target, settings.Tensor):
        order = target.order
        values = np.array([turning(frame.tensor, order) for frame in frames])
        counts = np.repeat(composition[:, None], 2 * order + 1, axis=1) * (order == 0)
        return Table(values, np.ones(values.shape, bool), counts)
    most = max(len(frame.names) for frame in frames) if target.forces else 0
    values, there = np.zeros((len(frames), 1 + 3 * most)), np.zeros((len(frames), 1 + 3 * most), bool)
    for k, frame in enumerate(frames):
        known_slopes = -frame.forces.ravel() if target.forces else []
        values[k, : 1 + len(known_slopes)] = [frame.energy, *known_slopes]
        there[k, : 1 + len(known_slopes)] = True
    counts = np.zeros((*values.shape, len(known)))
    counts[:, 0] = composition
    return Table(values, there, counts)


def _mark(frames: list[Frame]) -> str:
    """A checksum of all that frames hold."""
    mark = hashlib.sha256()
    for frame in frames:
        mark.update(repr((frame.names, frame.energy)).encode())
        for values in (frame.positions, frame.cell, frame.forces, frame.tensor):
            mark.update(b"" if values is None else np.ascontiguousarray(values, float).tobytes())
    return mark.hexdigest()


def _require_spread(experiment: LearningCurve, table: Table) -> None:
    """Raise `InputError` where the test has one value only: errors are told in units of its spread."""
    test, first = slice(0, experiment.test), None if experiment.target.kind == "tensor" else 1
    parts = {experiment.target.kind: table.targets[test, :first]}
    if experiment.target.kind == "energy" and experiment.target.forces:
        parts["forces"] = table.targets[test, 1:][table.there[test, 1:]]
    for name, values in parts.items():
        if _spread(values) <= 1e-13 * np.abs(values).max():
            raise InputError(f"target: got the same {name} in all {experiment.test} frames of the test; must differ")


@eqx.filter_jit
def _features(
    blocks: list[Block], batch: Batch, model: settings.FeatureModel, target: Any
) -> list[Float[Array, "frame row feature"]]:
    """Frame by frame, since one frame already fills a CPU's cores and its caches."""

    def rows(block: Block, *frame: Any) -> Float[Array, "row feature"]:
        if model.power > 1:
            return block.of_atoms(*frame)
        if target.kind == "tensor":
            return block.tensor(target.order, *frame)
        if target.forces:
            value, slopes = with_slopes(block, *frame)
            return jnp.concatenate([value[None], slopes])
        return block(*frame)[None]

    with jax.default_matmul_precision("highest"):  # phases of hundreds of radians need all bits of single precision on a GPU too
        return jax.lax.map(lambda frame: [rows(block, *frame) for block in blocks], tuple(batch))


def _kernels(
    features: list[Float[np.ndarray, "frame atom feature"]],
    frames: list[Frame],
    known: tuple[str, ...],
    power: int,
    chosen: slice,
    test: int,
) -> tuple[list[Float[np.ndarray, "_ _"]], list[Float[np.ndarray, "_ _"]]]:
    """Of each block, what makes its kernel by scalar products: of the chosen frames, and of the test."""
    numbers = [[known.index(name) for name in frame.names] for frame in frames]
    found = []
    for block in features:
        rows = lambda k, block=block: of_own_species(block[k][: len(numbers[k])], numbers[k], len(known))  # noqa: E731
        learned = [rows(k) for k in range(len(frames))[chosen]]
        scale = np.sqrt(np.mean([np.sum(x**2) / len(x) for x in learned])) or 1.0
        learned = [x / scale for x in learned]
        kernel, between = (
            np.concatenate([polynomial_kernel([one], learned, power) for one in others])
            for others in (learned, [rows(k) / scale for k in range(test)])
        )
        found.append(kernel_features(kernel, between))
    return [x for x, _ in found], [x for _, x in found]


def _follow(model, progress, experiment, frames, known, table, store, folder, quiet):
    """Compute what a model still lacks, and yield each time that more of it is safe on disk."""
    blocks = [build_block(block, frames) for block in model.blocks]
    parts = [part for block in model.blocks for part in block.factors]
    reach = max([part.cutoff for part in parts if isinstance(part, settings.Density)], default=0.0)
    summed = [part for part in parts if isinstance(part, settings.Potential) and part.mesh is None]
    smallest = max([part.waves / part.smearing for part in summed], default=0.0)
    nearest = experiment.data.nearest if isinstance(experiment.data, settings.ExtendedXYZ) else 0.0
    most = max(len(frame.names) for frame in frames)
    begin = time.perf_counter()
    with tqdm(desc=model.label, total=len(frames), initial=progress.rows, unit="frame", disable=quiet or None) as bar:
        for first in range(progress.rows, len(frames), experiment.batch):
            try:
                part = batched(frames[first : first + experiment.batch], known, smallest, reach, nearest, most)
            except ValueError as error:
                raise InputError(f"data: {error}") from None
            values = [np.asarray(x) for x in _features(blocks, part, model, experiment.target)]
            if not all(np.isfinite(x).all() for x in values):
                raise RunFailed(f"{model.label}: features are not finite in {experiment.precision} precision")
            if first == 0:
                progress.features = sum(x.shape[2] for x in values)
                store.create(model.label, *_layout(experiment, table, values), rows=experiment.batch)
            store.write(model.label, first, {f"features_{k}": x for k, x in enumerate(values)})
            progress.rows = first + len(values[0])
            progress.wall_s += time.perf_counter() - begin
            begin = time.perf_counter()
            bar.update(len(values[0]))
            yield
    data = stored.read(folder.results)[model.label]
    features = [data[f"features_{k}"].values for k in range(len(blocks))]
    for k in range(progress.fits, len(experiment.sizes)):
        chosen = slice(experiment.test, experiment.test + experiment.sizes[k])
        numbers = _fitted(model, experiment, features, table, frames, known, chosen)
        progress.error, progress.force_error = numbers["relative_error"], numbers.get("relative_force_error")
        store.write_at(model.label, (k,), {name: np.asarray(x) for name, x in numbers.items()})
        progress.fits = k + 1
        progress.state = FINISHED if progress.fits == len(experiment.sizes) else RUNNING
        progress.wall_s += time.perf_counter() - begin
        begin = time.perf_counter()
        yield


def _fitted(model, experiment, features, table, frames, known, chosen) -> dict[str, Any]:
    """The errors of a fit to the chosen frames, and what it predicts for the test."""
    test, forces = slice(0, experiment.test), experiment.target.kind == "energy" and experiment.target.forces
    there, left = table.there[chosen], table.there[test]
    if model.power > 1:
        learned, judged = _kernels(features, frames, known, model.power, chosen, experiment.test)
    else:
        learned, judged = [x[chosen][there] for x in features], [x[test][left] for x in features]
    groups, weights = np.broadcast_to(np.arange(len(there))[:, None], there.shape)[there], np.ones(there.shape)
    if forces:
        energies, slopes = table.targets[chosen][:, 0], table.targets[chosen][:, 1:][there[:, 1:]]
        share = energies.std() / slopes.std() if energies.std() and slopes.std() else 1.0
        weights[:, 1:] = share / np.sqrt(there[:, 1:].sum(axis=1, keepdims=True))
    w = weights[there]
    fitted = cross_validated(
        [x * w[:, None] for x in learned],
        table.targets[chosen][there] * w,
        table.counts[chosen][there] * w[:, None],
        experiment.folds,
        groups,
    )
    found = np.zeros(left.shape)
    found[left] = fitted(judged, table.counts[test][left])
    wrong, true = found - table.targets[test], table.targets[test]
    main = slice(0, 1) if forces else slice(None)
    error, spread = np.sqrt(np.mean(wrong[:, main] ** 2)), _spread(true[:, main])
    predicted = found if experiment.target.kind == "tensor" else found[:, 0]
    result = {
        "error": error,
        "relative_error": float(error / spread),
        "prediction": predicted,
        "regularisation": fitted.regularisation,
    }
    if forces:
        result["force_error"] = np.sqrt(np.mean(wrong[:, 1:][left[:, 1:]] ** 2))
        result["relative_force_error"] = float(result["force_error"] / _spread(true[:, 1:][left[:, 1:]]))
    return result


def _spread(values: np.ndarray) -> float:
    """Of all components together, around their means."""
    return float(np.sqrt(np.mean((values - values.mean(axis=0)) ** 2)))


def units(experiment: LearningCurve) -> str:
    """Of the target."""
    match experiment.data:
        case settings.ExtendedXYZ() as data:
            return data.units
        case settings.IonGas() as data:
            return "e^2/A" if data.exponent == 1 else f"e^2/A^{data.exponent}"
        case _:
            return "A^3"


def _layout(experiment: LearningCurve, table: Table, values: list[np.ndarray]) -> tuple[dict[str, Variable], dict[str, Coordinate]]:
    sizes, unit, real = len(experiment.sizes), units(experiment), np.dtype(float)
    name = experiment.target.kind
    predicted = sizes, *table.targets[: experiment.test, : None if name == "tensor" else 1].shape
    axes = len(predicted) if name == "tensor" else 2
    variables = {
        "error": Variable(("size",), (sizes,), real, unit, f"root mean square error of the {name} of the test frames"),
        "relative_error": Variable(("size",), (sizes,), real, "1", "that error by the standard deviation of what is predicted"),
        "prediction": Variable(("size", "test", "component")[:axes], predicted[:axes], real, unit, f"{name} of the test frames"),
        "regularisation": Variable(("size", "block"), (sizes, len(values)), real, "1", "of each block, at unit variance"),
    }
    if isinstance(experiment.target, settings.Energy) and experiment.target.forces:
        text = "root mean square error of the forces of the test frames"
        variables["force_error"] = Variable(("size",), (sizes,), real, f"{unit}/A", text)
        variables["relative_force_error"] = Variable(("size",), (sizes,), real, "1", "that error by the forces' standard deviation")
    for k, x in enumerate(values):
        shape, dims = (experiment.frames, *x.shape[1:]), ("frame", f"row_{k}", f"feature_{k}")
        variables[f"features_{k}"] = Variable(dims, shape, x.dtype, "1", f"features of block {k}")
    coordinates = {
        "size": Coordinate(np.array(experiment.sizes), "1", "frames learned from"),
        "test": Coordinate(np.arange(experiment.test), "1", "number of the frame"),
        "frame": Coordinate(np.arange(experiment.frames), "1", "number of the frame"),
    }
    return variables, coordinates


def _write_frames(
    store: ResultStore, experiment: LearningCurve, frames: list[Frame], targets: Float[np.ndarray, "frame row"]
) -> None:
    name = experiment.target.kind
    components = targets if name == "tensor" else targets[:, 0]
    about = {name: (units(experiment), name), "atoms": ("1", "number of atoms"), "volume": ("A^3", "volume of the cell")}
    columns = {
        name: components,
        "atoms": np.array([float(len(frame.names)) for frame in frames]),
        "volume": np.array([abs(np.linalg.det(frame.cell)) for frame in frames]),
    }
    variables = {key: Variable(("frame", "component")[: x.ndim], x.shape, x.dtype, *about[key]) for key, x in columns.items()}
    store.create(DATA, variables, {"frame": Coordinate(np.arange(len(frames)), "1", "number of the frame")}, rows=len(frames))
    store.write(DATA, 0, columns)
