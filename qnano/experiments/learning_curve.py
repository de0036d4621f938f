"""Run a learning curve: make or read frames, compute features batch by batch, fit by number of frames, keep all of it in a folder.

    results.zarr     `frames`: their energies; for each model a group of its name: features, errors and predictions by number of
                     frames, and the regularisation of each block that the cross-validation chose

The first frames are the test. A batch of features and the fit to a number of frames are written as soon as they are there: a run
that was killed goes on from the last of them.
"""

import time
from dataclasses import asdict, dataclass
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float
from tqdm import tqdm

import qnano
from qnano import config, runtime
from qnano.config import learning_curve as settings
from qnano.config.learning_curve import LearningCurve
from qnano.descriptors.features import KernelBank, LocalDensity
from qnano.descriptors.frames import IONS, Batch, Frame, batched, ion_gas, read_frames
from qnano.descriptors.kernels import InversePower
from qnano.descriptors.multiscale import Block
from qnano.descriptors.radial import Oscillators
from qnano.descriptors.regression import cross_validated
from qnano.errors import InputError
from qnano.experiments.run import memory_for, new_summary
from qnano.storage import store as stored
from qnano.storage.folder import FINISHED, RUNNING, RunFolder
from qnano.storage.store import Coordinate, ResultStore, Variable

DATA = "frames"  # the group of the data


@dataclass
class Progress:
    """A model's entry in the summary: `rows` frames have their features, `fits` numbers of frames are fitted."""

    kind: str = "linear"
    state: str = RUNNING
    message: str | None = None
    rows: int = 0
    fits: int = 0
    features: int = 0
    error: float | None = None  # relative, at the largest number of frames
    wall_s: float = 0.0
    compile_s: float = 0.0


def run(experiment: LearningCurve, folder: RunFolder, *, force: bool = False, quiet: bool = False) -> dict[str, Any]:
    """Do what is not yet done, in its folder, and return the summary; `force` starts anew.

    Raises `InputError` for data that cannot be used or a folder that holds something else, and `RunFailed` where memory does not
    suffice.
    """
    runtime.start(experiment.precision)
    text = config.to_yaml(experiment)
    with memory_for("the frames"):
        frames, known = frames_of(experiment)
    with folder.claimed(text, force=force):
        store = ResultStore(folder.results, {"title": experiment.name, "config": text, "qnano": qnano.__version__})
        summary = folder.read_summary() if folder.summary.exists() else new_summary(experiment)
        if not summary["methods"]:
            _write_frames(store, experiment, frames)
        folder.write_summary(summary)
        counts = np.array([[frame.names.count(name) for name in known] for frame in frames], float)
        energies = np.array([frame.energy for frame in frames])
        for model in experiment.models:
            progress = Progress(**summary["methods"].get(model.label, {}))
            with memory_for(model.label):
                for _ in _follow(model, progress, experiment, frames, known, energies, counts, store, folder, quiet):
                    summary["methods"][model.label] = asdict(progress)
                    folder.write_summary(summary)
        summary["state"] = FINISHED
        folder.write_summary(summary)
    return summary


def frames_of(experiment: LearningCurve) -> tuple[list[Frame], tuple[str, ...]]:
    """As many frames as are needed, those of a file in an order that the seed fixes; and the species.

    Raises `InputError` where there are too few, or what they hold cannot be used.
    """
    match experiment.data:
        case settings.IonGas() as data:
            try:
                return ion_gas(experiment.frames, data.pairs, data.sides, data.distance, experiment.seed), IONS
            except ValueError as error:
                raise InputError(f"data.{error}") from None
        case settings.ExtendedXYZ() as data:
            found = read_frames(data.path, data.energy)
            if len(found) < experiment.frames:
                needed = f"test and the largest of sizes need {experiment.frames}"
                raise InputError(f"data.path: got {data.path} with {len(found)} frames; {needed}")
            order = np.random.default_rng(experiment.seed).permutation(len(found))[: experiment.frames]
            return [found[k] for k in order], data.species


def build_block(block: settings.Block) -> Block:
    """From the config to the features."""
    density, potential = getattr(block, "density", None), getattr(block, "potential", None)
    if density is not None:
        radial = Oscillators(density.b, density.radial)
        density = LocalDensity(radial, density.angular, density.smearing, density.cutoff, density.taper)
    if potential is not None:
        kernel = InversePower(potential.exponent, potential.smearing)
        potential = KernelBank(Oscillators(potential.width, potential.radial), kernel, potential.angular)
    return Block(density, potential)


@eqx.filter_jit
def _features(blocks: list[Block], batch: Batch) -> list[Float[Array, "frame feature"]]:
    """Frame by frame, since one frame already fills a CPU's cores and its caches."""
    return jax.lax.map(lambda frame: [block(*frame) for block in blocks], tuple(batch))


def _follow(model, progress, experiment, frames, known, energies, counts, store, folder, quiet):
    """Compute what a model still lacks, and yield each time that more of it is safe on disk."""
    blocks = [build_block(block) for block in model.blocks]
    reach = max([block.density.cutoff for block in model.blocks if hasattr(block, "density")], default=0.0)
    smallest = [block.potential.waves / block.potential.smearing for block in model.blocks if hasattr(block, "potential")]
    nearest = experiment.data.nearest if isinstance(experiment.data, settings.ExtendedXYZ) else 0.0
    begin = time.perf_counter()
    with tqdm(desc=model.label, total=len(frames), initial=progress.rows, unit="frame", disable=quiet or None) as bar:
        for first in range(progress.rows, len(frames), experiment.batch):
            try:
                part = batched(frames[first : first + experiment.batch], known, max(smallest, default=0.0), reach, nearest)
            except ValueError as error:
                raise InputError(f"data: from frame {first} on, {error}") from None
            values = [np.asarray(x) for x in _features(blocks, part)]
            if first == 0:
                progress.features = sum(x.shape[1] for x in values)
                store.create(model.label, *_layout(experiment, values), rows=experiment.batch)
            store.write(model.label, first, {f"features_{k}": x for k, x in enumerate(values)})
            progress.rows = first + len(values[0])
            progress.wall_s += time.perf_counter() - begin
            begin = time.perf_counter()
            bar.update(len(values[0]))
            yield
    data = stored.read(folder.results)[model.label]
    features = [data[f"features_{k}"].values for k in range(len(blocks))]
    spread = energies[: experiment.test].std()
    for k in range(progress.fits, len(experiment.sizes)):
        chosen = slice(experiment.test, experiment.test + experiment.sizes[k])
        fitted = cross_validated([x[chosen] for x in features], energies[chosen], counts[chosen], experiment.folds)
        found = fitted([x[: experiment.test] for x in features], counts[: experiment.test])
        error = np.sqrt(np.mean((found - energies[: experiment.test]) ** 2))
        progress.error = float(error / spread)
        numbers = {"error": error, "relative_error": error / spread, "prediction": found, "regularisation": fitted.regularisation}
        store.write_at(model.label, (k,), {name: np.asarray(x) for name, x in numbers.items()})
        progress.fits = k + 1
        progress.state = FINISHED if progress.fits == len(experiment.sizes) else RUNNING
        progress.wall_s += time.perf_counter() - begin
        begin = time.perf_counter()
        yield


def units(experiment: LearningCurve) -> str:
    """Of the energies."""
    return getattr(experiment.data, "units", "e^2/A")


def _layout(experiment: LearningCurve, values: list[np.ndarray]) -> tuple[dict[str, Variable], dict[str, Coordinate]]:
    sizes, unit, real = len(experiment.sizes), units(experiment), np.dtype(float)
    variables = {
        "error": Variable(("size",), (sizes,), real, unit, "root mean square error of the energies of the test frames"),
        "relative_error": Variable(("size",), (sizes,), real, "1", "that error by the standard deviation of those energies"),
        "prediction": Variable(("size", "test"), (sizes, experiment.test), real, unit, "energies of the test frames"),
        "regularisation": Variable(("size", "block"), (sizes, len(values)), real, "1", "of each block, at unit variance"),
    }
    for k, x in enumerate(values):
        shape = experiment.frames, x.shape[1]
        variables[f"features_{k}"] = Variable(("frame", f"feature_{k}"), shape, x.dtype, "1", f"invariants of block {k}")
    coordinates = {
        "size": Coordinate(np.array(experiment.sizes), "1", "frames learned from"),
        "test": Coordinate(np.arange(experiment.test), "1", "number of the frame"),
        "frame": Coordinate(np.arange(experiment.frames), "1", "number of the frame"),
    }
    return variables, coordinates


def _write_frames(store: ResultStore, experiment: LearningCurve, frames: list[Frame]) -> None:
    about = {"energy": (units(experiment), "energy"), "atoms": ("1", "number of atoms"), "volume": ("A^3", "volume of the cell")}
    columns = {
        "energy": np.array([frame.energy for frame in frames]),
        "atoms": np.array([float(len(frame.names)) for frame in frames]),
        "volume": np.array([abs(np.linalg.det(frame.cell)) for frame in frames]),
    }
    variables = {name: Variable(("frame",), x.shape, x.dtype, *about[name]) for name, x in columns.items()}
    store.create(DATA, variables, {"frame": Coordinate(np.arange(len(frames)), "1", "number of the frame")}, rows=len(frames))
    store.write(DATA, 0, columns)
