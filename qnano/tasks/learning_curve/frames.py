"""What a learning curve asks of this machine's memory and of anybody's time, told before anything is computed."""

from collections.abc import Iterator, Sequence
from math import ceil
from typing import NamedTuple

import numpy as np

from qnano import runtime
from qnano.config.sizes import about, gigabytes
from qnano.errors import InputError
from qnano.extended_xyz import Frame
from qnano.tasks.learning_curve.schema import Density, ExtendedXYZ, Extent, LearningCurve

MOST_OPERATIONS = 10**18  # a year of a CPU, or some days of a large device
COPIES = 4  # of the features within a fit


class Need(NamedTuple):
    """A key, what it asks for, and the bytes and operations of that."""

    key: str
    text: str
    bytes: int
    operations: int


def require_frames_fit(curve: LearningCurve, extent: Extent | None = None) -> None:
    """Raise `InputError`, one line per problem, for what is too large for this machine or would not end.

    `extent` is that of the frames; if it is not given, what the config knows of it.
    """
    there, needs = runtime.memory(), list(needs_of_frames(curve, extent or curve.data.extent))
    large = [
        f"{need.key}: got {need.text}; about {gigabytes(need.bytes)} are needed and {gigabytes(there)} are there"
        for need in needs
        if need.bytes > there
    ]
    if large:
        raise InputError("\n".join(large))
    longest, operations = max(needs, key=lambda need: need.operations), sum(need.operations for need in needs)
    if operations > MOST_OPERATIONS:
        rule = f"must be at most {about(MOST_OPERATIONS)}, a year of a CPU"
        raise InputError(f"{longest.key}: got {longest.text}; about {about(operations)} operations are needed; {rule}")


def frames_of_file(curve: LearningCurve, data: ExtendedXYZ) -> list[Frame]:
    """As many frames as are needed, in an order that the seed fixes.

    Raises `InputError` for a file that cannot be used as the config wants it, and frames that are too large.
    """
    found = data.read(curve.target)
    if len(found) < curve.frames:
        needed = f"test and the largest of sizes need {curve.frames}"
        raise InputError(f"data.path: got {data.path} with {len(found)} frames; {needed}")
    order = np.random.default_rng(curve.seed).permutation(len(found))[: curve.frames]
    frames = [found[k] for k in order]
    require_frames_fit(curve, _extent(frames))
    return frames


def _extent(frames: Sequence[Frame]) -> Extent:
    volumes = [abs(np.linalg.det(frame.cell)) for frame in frames]
    crowding = max(len(frame.names) ** 2 / volume for frame, volume in zip(frames, volumes, strict=True))
    x, y, z = np.max([np.linalg.norm(frame.cell, axis=1) for frame in frames], axis=0).tolist()
    return Extent(max(len(frame.names) for frame in frames), float(max(volumes)), float(crowding), (x, y, z))


def needs_of_frames(curve: LearningCurve, extent: Extent) -> Iterator[Need]:
    """Frames that are made, waves, meshes and pairs of a batch, and all features with the fits to them."""
    atoms, frames, batch = extent.atoms, curve.frames, min(curve.batch, curve.frames)
    if curve.data.kind == "ion_gas":
        # Every ion is tried against all before it; energies are sums over the waves and pairs of a fixed splitting.
        waves, pairs = int(extent.volume), int(4700 * extent.crowding)
        each = 640 * atoms**2 + 100 * (waves * atoms + pairs)
        yield Need("data.pairs", f"{about(atoms // 2)} pairs", 1600 * atoms + 200 * (waves + pairs), frames * each)
    sweeps = 1 + 3 * atoms * getattr(curve.target, "forces", False)
    fitted, solved = 0, 0
    for k, model in enumerate(curve.models):
        width = sum(map(curve.width, model.blocks)) // (curve.data.kinds if model.power > 1 else 1)
        rows = curve.rows(model, atoms)
        fitted = max(fitted, COPIES * 8 * width * rows)
        for n in curve.sizes:
            if model.power > 1:
                solved += (curve.test + n) * n * atoms**2 * width + 10 * n**3 * curve.folds
            else:
                trials = 1 + 7 * (len(model.blocks) - 1) * (2 if len(model.blocks) > 2 else 1)
                solved += 10 * n * rows * width * min(n * rows, width) * curve.folds * trials
        for j, block in enumerate(model.blocks):
            key = f"models.{k}.blocks.{j}"
            products = atoms * curve.width(block)
            yield Need(key, f"{about(products)} products of a frame", 16 * products, 4 * frames * sweeps * products)
            for part in block.factors:
                channels = part.radial * (part.angular + 1) ** 2
                if isinstance(part, Density):
                    pairs = int(4.2 * extent.crowding * part.cutoff**3)
                    text, held = f"{part.cutoff:g} A, {about(pairs)} pairs", pairs * (24 * batch + 24 * channels)
                    yield Need(f"{key}.density.cutoff", text, held, 50 * frames * sweeps * pairs * channels)
                elif part.mesh is None:
                    waves = int(extent.volume * (part.waves / part.smearing) ** 3 / 118)
                    text, held = f"{part.smearing:g} A, {about(waves)} waves", waves * (12 * batch + 200)
                    each = waves * atoms * (20 + 4 * curve.data.kinds * channels)
                    yield Need(f"{key}.potential.smearing", text, held, frames * sweeps * each)
                else:
                    points = 1
                    for side in extent.sides:
                        points *= max(6, ceil(side / part.mesh))
                    text, held = f"{part.mesh:g} A, {about(points)} points", 16 * points * (2 * channels + curve.data.kinds)
                    yield Need(f"{key}.potential.mesh", text, held, 200 * frames * sweeps * points * channels * curve.data.kinds)
    each = fitted + 100 * atoms
    key = "test" if curve.test >= curve.sizes[-1] else "sizes"
    yield Need(key, f"{about(frames)} frames of {about(each)} bytes each", frames * each, solved)
